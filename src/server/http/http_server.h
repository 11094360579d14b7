#pragma once

#include <cstdint>
#include <memory>

#include "forebay/result.h"

namespace forebay::server {

class Server;
struct HostPort;

// The HTTP front, on a thread of its own so that no scrape ever delays a Redis client.
//
//   GET /metrics   Prometheus text
//   GET /healthz   200 while the process lives
//   GET /readyz    200 while it serves; 503 before and after, and while a source has never been reached. The
//                  text is "ready", or "degraded" and what a person must see to about writes behind, a line
//                  each
//   /deadletters   dead_letters.h
//
// HEAD works wherever GET does. Requests and idle connections time out after kTimeout; headers are bounded.
// At kMaxConnections a new one takes the place of the one that has been without a complete request longest.
class HttpServer {
 public:
  // Binds. Fails with kConfig. `server` outlives it.
  static Result<std::unique_ptr<HttpServer>> open(const HostPort& address, Server& server);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  void stop();  // closes connections and joins its thread; idempotent
  std::uint16_t port() const;

  struct Impl;

 private:
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::server
