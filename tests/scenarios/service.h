#pragma once

#include <sys/resource.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/resp_client.h"
#include "forebay/layer.h"
#include "server/server.h"

namespace forebay::test {

using namespace std::chrono_literals;
using cli::RespClient;

// A server over a layer from a configuration, on a port of the system's choice, as a client sees it: by
// sockets.
class Service {
 public:
  // `toml`: everything but [server].
  explicit Service(const std::string& toml, Environment environment = {}) {
    auto layer = Layer::open(toml, std::move(environment));
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = *std::move(layer);
    config::Server options;
    options.resp = "127.0.0.1:0";
    options.http = "";
    auto server = server::Server::open(options, *layer_);
    if (!server) throw std::runtime_error(server.error().message);
    server_ = *std::move(server);
    server_->start();
  }

  RespClient connect() const {
    auto client = RespClient::connect("127.0.0.1", server_->resp_port(), 60s);
    if (!client) throw std::runtime_error(client.error().message);
    return *std::move(client);
  }
  std::vector<RespClient> connect(std::size_t count) const {
    std::vector<RespClient> clients;
    for (std::size_t i = 0; i < count; ++i) clients.push_back(connect());
    return clients;
  }

  std::uint16_t port() const { return server_->resp_port(); }
  Layer& layer() { return *layer_; }
  SourceStats source() const { return layer_->stats().sources.at(0); }
  NamespaceStats space(std::string_view name) const {
    for (NamespaceStats& stats : layer_->stats().namespaces) {
      if (stats.name == name) return std::move(stats);
    }
    return {};
  }

 private:
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<server::Server> server_;
};

// A command's reply; the connection itself failing is the test's failure.
inline resp::Reply call(RespClient& client, std::initializer_list<std::string_view> command) {
  auto reply = client.call(command);
  if (!reply) throw std::runtime_error(reply.error().message);
  return *std::move(reply);
}

// Every client has sent `GET keys[i]` before the first reply is awaited. Returns the replies in order.
inline std::vector<resp::Reply> get_together(
    std::vector<RespClient>& clients, const std::vector<std::string>& keys,
    const std::function<void()>& when_sent = [] {}) {
  for (std::size_t i = 0; i < clients.size(); ++i) {
    clients[i].append({"GET", keys[i]});
    if (auto sent = clients[i].send(); !sent) throw std::runtime_error(sent.error().message);
  }
  when_sent();
  std::vector<resp::Reply> replies;
  for (RespClient& client : clients) {
    auto reply = client.receive();
    if (!reply) throw std::runtime_error(reply.error().message);
    replies.push_back(*std::move(reply));
  }
  return replies;
}

// Both ends of `clients` connections are in this process.
inline bool raise_file_limit(std::size_t clients) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_max >= 2 * clients + 200;
}

}  // namespace forebay::test
