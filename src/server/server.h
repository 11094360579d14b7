#pragma once

// The fronts: a Redis-protocol server and, beside it, HTTP for metrics and health.
//
//   auto server = Server::open(model.server, *layer);
//   (*server)->start();
//   … wait for a signal …
//   (*server)->stop();

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "config/model.h"
#include "forebay/layer.h"
#include "forebay/result.h"
#include "server/stats.h"

namespace forebay::server {

namespace access {
class DenialLog;
class Users;
}  // namespace access
class AuthThrottle;
class Broker;
enum class Entrance : std::uint8_t;
class ClientMemory;
class ClientRegistry;
class HashUpkeep;
class KeyFeed;
class Lobby;
class SlowLane;
class Databases;
class Monitors;
class Pause;
class SlowLog;
class TlsContext;
namespace script {
class Scripts;
}

// Limits that CONFIG SET may change while the server runs. Loops read them once a batch. Relaxed: each stands
// alone.
struct RuntimeLimits {
  explicit RuntimeLimits(const config::Server& options)
      : max_clients(options.max_clients),
        idle_timeout(options.idle_timeout),
        max_query_buffer(options.max_query_buffer),
        max_output_buffer(options.max_output_buffer),
        max_client_memory(options.max_client_memory),
        max_value(options.max_value) {}

  std::atomic<std::size_t> max_clients;
  std::atomic<std::chrono::milliseconds> idle_timeout;
  std::atomic<std::size_t> max_query_buffer;
  std::atomic<std::size_t> max_output_buffer;
  std::atomic<std::size_t> max_client_memory;
  std::atomic<std::size_t> max_value;
  // What subscribers may leave unread, in bytes (0: no limit): at once, and for longer than the patience.
  static constexpr std::size_t kSubscriberOutputHard = std::size_t{32} << 20;
  static constexpr std::size_t kSubscriberOutputSoft = std::size_t{8} << 20;
  static constexpr std::chrono::seconds kSubscriberOutputPatience{60};
  std::atomic<std::size_t> subscriber_output_hard{kSubscriberOutputHard};
  std::atomic<std::size_t> subscriber_output_soft{kSubscriberOutputSoft};
  std::atomic<std::chrono::seconds> subscriber_output_patience{kSubscriberOutputPatience};
};

// Thread-safe, apart from start() and stop(), which one thread calls, in this order, once each.
class Server {
 public:
  // Binds both addresses (an empty one: that front is off) but serves nobody yet. Fails (kConfig) on an
  // address that is malformed, in use, or beyond loopback without a password (unless protected_mode is off).
  // `layer` outlives the server.
  static Result<std::unique_ptr<Server>> open(const config::Server& options, Layer& layer);
  ~Server();  // stops
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts the event loops and serves.
  void start();
  // Drains: accepts nobody any more, lets requests that have arrived be answered for at most drain_timeout,
  // closes. Blocks until all threads have ended. Idempotent.
  void stop();

  // The ports that were bound; 0 where a front is off.
  std::uint16_t resp_port() const;
  std::uint16_t tls_port() const;
  std::uint16_t http_port() const;
  // Serving: started and not draining.
  bool serving() const;

  // For commands and metrics.
  Layer& layer();
  const config::Server& options() const;
  RuntimeLimits& limits();
  ClientRegistry& clients();
  AuthThrottle& auth_throttle();
  // Requires: the configuration has [server.tls].
  TlsContext& tls();
  access::Users& users();
  access::DenialLog& denial_log();
  // The users of another configuration. Fails, and changes nothing, where their rules are wrong.
  Result<void> take_over_users(const config::Server& options);
  ClientMemory& client_memory();
  Lobby& lobby();
  Broker& broker();
  KeyFeed& key_feed();
  HashUpkeep& hash_upkeep();
  // As CONFIG SET notify-keyspace-events; the letters have been understood.
  void notify(std::uint32_t events);
  // Also for those that may outlive the server: it takes no tasks then.
  const std::shared_ptr<SlowLane>& slow_lane();
  Databases& databases();
  script::Scripts& scripts();
  SlowLog& slow_log();
  Monitors& monitors();
  Pause& pause();
  // Whether clients may send scripts ([server] scripts). Asked each time: users may have got or lost passwords.
  bool scripts_allowed() const;
  ServerStats stats() const;  // since start or reset_stats()
  void reset_stats();
  Instant started_at() const;

  struct Impl;

 private:
  explicit Server(std::unique_ptr<Impl> impl);
  Result<void> open_entrances();
  Result<void> listen_on_loops(std::string_view setting, const std::string& text, Entrance entrance);
  void sample();            // for commands_per_second
  void relieve_pressure();  // on client memory that keeps clients waiting
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::server
