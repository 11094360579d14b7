#include "server/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "server/access/denial_log.h"
#include "server/access/users.h"
#include "server/admission.h"
#include "server/client_memory.h"
#include "server/clients.h"
#include "server/databases.h"
#include "server/hash_upkeep.h"
#include "server/http/http_server.h"
#include "server/lobby.h"
#include "server/log.h"
#include "server/pause.h"
#include "server/pubsub/broker.h"
#include "server/resp/commands/registry.h"
#include "server/resp/event_loop.h"
#include "server/script/scripts.h"
#include "server/slow_lane.h"
#include "server/tls/tls.h"
#include "server/tracking/key_feed.h"
#include "server/unix_socket.h"
#include "server/watch/monitors.h"
#include "server/watch/slow_log.h"

namespace forebay::server {
namespace {

constexpr unsigned kMaxLoops = 256;

// Where a front may listen, checked against protected mode.
Result<HostPort> checked_address(std::string_view setting, std::string_view text,
                                 const config::Server& options) {
  Result<HostPort> address = parse_host_port(text);
  if (!address) {
    address.error().message = fmt::format("server.{}: {}", setting, address.error().message);
    return address;
  }
  const bool local = !address->host.empty() && is_loopback(address->host);
  if (!local && access::lets_everybody_in(options) && options.protected_mode) {
    return Error{
        ErrorCode::kConfig,
        fmt::format("server.{} = \"{}\" is reachable from other machines and there is no password: set "
                    "server.password, listen on 127.0.0.1, or set server.protected_mode = false",
                    setting, text)};
  }
  return address;
}

// Sharing a port would hide that another process serves it already; so it is first tried alone.
Result<std::uint16_t> probe(Server& server, const HostPort& address, Entrance entrance) {
  EventLoop loop(server);
  if (auto bound = loop.listen(address, Port::kOwn, entrance); !bound) return bound.error();
  return loop.port(entrance);
}

ServerStats add_up(const std::vector<std::unique_ptr<EventLoop>>& loops) {
  ServerStats total;
  const std::size_t commands = all_commands().size();
  for (auto* each :
       {&total.calls, &total.failed_calls, &total.rejected_calls, &total.timed_calls, &total.nanoseconds})
    each->resize(commands);
  for (const auto& loop : loops) {
    const LoopTallies& tallies = loop->tallies();
    total.errors += tallies.errors.get();
    total.error_replies += tallies.error_replies.get();
    total.bytes_in += tallies.bytes_in.get();
    total.bytes_out += tallies.bytes_out.get();
    total.connections += tallies.connections.get();
    total.rejected += tallies.rejected.get();
    total.closed_output += tallies.closed_output.get();
    total.closed_query += tallies.closed_query.get();
    total.closed_idle += tallies.closed_idle.get();
    total.closed_login += tallies.closed_login.get();
    total.closed_memory += tallies.closed_memory.get();
    for (std::size_t i = 0; i < commands; ++i) {
      total.calls[i] += tallies.calls[i].get();
      total.failed_calls[i] += tallies.failed_calls[i].get();
      total.rejected_calls[i] += tallies.rejected_calls[i].get();
      total.timed_calls[i] += tallies.timed_calls[i].get();
      total.nanoseconds[i] += tallies.nanoseconds[i].get();
    }
  }
  total.commands = total.errors;
  for (const std::uint64_t calls : total.calls) total.commands += calls;
  return total;
}

// a - b, counter by counter: what has happened since b was taken.
ServerStats since(ServerStats a, const ServerStats& b) {
  const auto minus = [](std::uint64_t& x, std::uint64_t y) { x -= std::min(x, y); };
  minus(a.commands, b.commands);
  minus(a.errors, b.errors);
  minus(a.error_replies, b.error_replies);
  minus(a.bytes_in, b.bytes_in);
  minus(a.bytes_out, b.bytes_out);
  minus(a.connections, b.connections);
  minus(a.rejected, b.rejected);
  minus(a.closed_output, b.closed_output);
  minus(a.closed_query, b.closed_query);
  minus(a.closed_idle, b.closed_idle);
  minus(a.closed_login, b.closed_login);
  minus(a.closed_memory, b.closed_memory);
  for (std::size_t i = 0; i < b.calls.size(); ++i) {
    minus(a.calls[i], b.calls[i]);
    minus(a.failed_calls[i], b.failed_calls[i]);
    minus(a.rejected_calls[i], b.rejected_calls[i]);
    minus(a.timed_calls[i], b.timed_calls[i]);
    minus(a.nanoseconds[i], b.nanoseconds[i]);
  }
  return a;
}

// Where everybody who can reach the server is trusted: a script can take all of its time.
bool reaches_this_machine_only(const config::Server& options) {
  if (options.resp.empty()) return true;
  const auto address = parse_host_port(options.resp);
  return address && !address->host.empty() && is_loopback(address->host);
}

}  // namespace

struct Server::Impl {
  Impl(const config::Server& given, Layer& borrowed)
      : options(given), layer(borrowed), limits(given), started_at(borrowed.clock().now()) {}

  const config::Server options;
  Layer& layer;
  RuntimeLimits limits;
  const Instant started_at;
  ClientMemory client_memory{limits.max_client_memory};
  ClientRegistry clients;
  AuthThrottle auth_throttle;
  access::Users users;
  access::DenialLog denial_log;
  Lobby lobby;
  Databases databases{options.databases};
  script::Scripts scripts{layer};
  SlowLog slow_log;
  Pause pause;
  const std::shared_ptr<Monitors> monitors = std::make_shared<Monitors>();
  const bool local = reaches_this_machine_only(options);
  Broker broker;
  std::unique_ptr<TlsContext> tls;          // null: no [server.tls]
  std::unique_ptr<UnixSocket> unix_socket;  // null: none
  std::vector<std::unique_ptr<EventLoop>> loops;
  const std::shared_ptr<SlowLane> slow_lane = std::make_shared<SlowLane>();
  const std::shared_ptr<KeyFeed> key_feed = std::make_shared<KeyFeed>(layer, slow_lane);
  HashUpkeep hash_upkeep;
  Mutex notify_mutex;
  std::shared_ptr<void> notifies GUARDED_BY(notify_mutex);  // null: there are no keyspace notifications
  std::unique_ptr<HttpServer> http;
  std::atomic<bool> serving{false};
  Instant tight_since = kNever;  // used by the first loop's thread
  bool stopped = false;

  // Samples of (time, commands) for the rate, newest last; and what reset_stats() takes off.
  struct Sample {
    Instant at;
    std::uint64_t commands;
  };
  static constexpr std::size_t kSamples = 16;
  mutable Mutex mutex;
  std::array<Sample, kSamples> samples GUARDED_BY(mutex){};
  std::size_t sampled GUARDED_BY(mutex) = 0;
  ServerStats baseline GUARDED_BY(mutex);
};

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() {
  stop();
}

Result<std::unique_ptr<Server>> Server::open(const config::Server& options, Layer& layer) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(options, layer)));
  Impl& impl = *server->impl_;
  if (auto taken = impl.users.take_over(options); !taken) return taken.error();
  if (!options.resp.empty() || !options.tls.address.empty() || !options.unix_socket.empty()) {
    const unsigned count =
        options.threads != 0 ? options.threads : std::max(1u, std::thread::hardware_concurrency());
    for (unsigned i = 0; i < std::min(count, kMaxLoops); ++i) {
      impl.loops.push_back(std::make_unique<EventLoop>(*server));
      impl.loops.back()->outlet().join();
    }
  }
  if (auto open = server->open_entrances(); !open) return open.error();
  if (!impl.loops.empty()) {
    impl.key_feed->notifier().open(impl.broker, impl.databases, impl.loops.front()->mailbox());
    impl.key_feed->waiters().open(impl.loops.front()->mailbox());
  }
  if (!options.http.empty()) {
    const Result<HostPort> address = checked_address("http", options.http, options);
    if (!address) return address.error();
    auto http = HttpServer::open(*address, *server);
    if (!http) return http.error();
    impl.http = std::move(*http);
  }
  return server;
}

// Of the Redis front, on all of its loops.
Result<void> Server::open_entrances() {
  const config::Server& options = impl_->options;
  if (!options.resp.empty()) {
    if (auto bound = listen_on_loops("resp", options.resp, Entrance::kPlain); !bound) return bound;
  }
  if (!options.tls.address.empty()) {
    auto context = TlsContext::open(options.tls);
    if (!context) return context.error();
    impl_->tls = std::move(*context);
    if (auto bound = listen_on_loops("tls.address", options.tls.address, Entrance::kTls); !bound)
      return bound;
  }
  if (options.unix_socket.empty()) return {};
  auto socket = UnixSocket::open(options.unix_socket, options.unix_socket_mode);
  if (!socket) return socket.error();
  impl_->unix_socket = std::move(*socket);
  for (const auto& loop : impl_->loops) {
    Result<Descriptor> copy = impl_->unix_socket->copy();
    if (!copy) return copy.error();
    if (auto bound = loop->listen(std::move(*copy), Entrance::kUnix); !bound) return bound;
  }
  return {};
}

Result<void> Server::listen_on_loops(std::string_view setting, const std::string& text, Entrance entrance) {
  Result<HostPort> address = checked_address(setting, text, impl_->options);
  if (!address) return address.error();
  const bool several = impl_->loops.size() > 1;
  if (several) {
    const Result<std::uint16_t> port = probe(*this, *address, entrance);
    if (!port) return port.error();
    address->port = *port;
  }
  for (const auto& loop : impl_->loops) {
    const auto how = several ? Port::kShared : Port::kOwn;
    if (auto bound = loop->listen(*address, how, entrance); !bound) return bound;
  }
  return {};
}

void Server::start() {
  if (impl_->http) impl_->http->start();
  if (!impl_->loops.empty()) {
    impl_->loops.front()->every_sweep([this] {
      sample();
      relieve_pressure();
      impl_->key_feed->tracking()->upkeep(impl_->layer.clock().now());
      impl_->key_feed->waiters().upkeep();
      // A script may hold shards for long.
      if (!impl_->scripts.active()) impl_->hash_upkeep.run(impl_->layer, impl_->layer.clock().now());
    });
  }
  impl_->serving.store(true);
  for (const auto& loop : impl_->loops) loop->start();
}

void Server::stop() {
  if (std::exchange(impl_->stopped, true)) return;
  impl_->serving.store(false);
  impl_->pause.end_for_good();
  impl_->unix_socket.reset();
  for (const auto& loop : impl_->loops) loop->drain();
  const auto until = std::chrono::steady_clock::now() + impl_->options.drain_timeout;
  for (const auto& loop : impl_->loops) loop->wait_until_empty(until);
  impl_->scripts.kill_anyway(script::Scripts::Why::kServerStops);
  for (const auto& loop : impl_->loops) loop->finish();
  for (const auto& loop : impl_->loops) loop->join();
  notify(0);
  impl_->key_feed->waiters().close();
  impl_->slow_lane->stop();
  if (impl_->http) impl_->http->stop();
}

std::uint16_t Server::resp_port() const {
  return impl_->loops.empty() ? 0 : impl_->loops.front()->port(Entrance::kPlain);
}
std::uint16_t Server::tls_port() const {
  return impl_->loops.empty() ? 0 : impl_->loops.front()->port(Entrance::kTls);
}
TlsContext& Server::tls() {
  return *impl_->tls;
}
std::uint16_t Server::http_port() const {
  return impl_->http ? impl_->http->port() : 0;
}
bool Server::serving() const {
  return impl_->serving.load();
}
Layer& Server::layer() {
  return impl_->layer;
}
const config::Server& Server::options() const {
  return impl_->options;
}
RuntimeLimits& Server::limits() {
  return impl_->limits;
}
ClientRegistry& Server::clients() {
  return impl_->clients;
}
AuthThrottle& Server::auth_throttle() {
  return impl_->auth_throttle;
}
ClientMemory& Server::client_memory() {
  return impl_->client_memory;
}
Lobby& Server::lobby() {
  return impl_->lobby;
}
Databases& Server::databases() {
  return impl_->databases;
}
SlowLog& Server::slow_log() {
  return impl_->slow_log;
}
Monitors& Server::monitors() {
  return *impl_->monitors;
}
Pause& Server::pause() {
  return impl_->pause;
}
script::Scripts& Server::scripts() {
  return impl_->scripts;
}
bool Server::scripts_allowed() const {
  if (impl_->options.scripts) return *impl_->options.scripts;
  return impl_->local || !impl_->users.some_need_no_password();
}
access::Users& Server::users() {
  return impl_->users;
}
access::DenialLog& Server::denial_log() {
  return impl_->denial_log;
}
Result<void> Server::take_over_users(const config::Server& options) {
  auto taken = impl_->users.take_over(options);
  if (taken) impl_->clients.look_at_users({});
  return taken;
}
Broker& Server::broker() {
  return impl_->broker;
}
KeyFeed& Server::key_feed() {
  return *impl_->key_feed;
}
HashUpkeep& Server::hash_upkeep() {
  return impl_->hash_upkeep;
}
void Server::notify(std::uint32_t events) {
  const MutexLock lock(impl_->notify_mutex);
  impl_->key_feed->notifier().set(events);
  if (events == 0) {
    impl_->notifies.reset();
  } else if (impl_->notifies == nullptr) {
    impl_->notifies = impl_->key_feed->listen();
  }
}
const std::shared_ptr<SlowLane>& Server::slow_lane() {
  return impl_->slow_lane;
}
Instant Server::started_at() const {
  return impl_->started_at;
}

// Clients that are not read from hold what they have sent, so waiting alone need not help.
void Server::relieve_pressure() {
  constexpr std::chrono::seconds kPatience{1};
  const Instant now = impl_->layer.clock().now();
  if (!impl_->client_memory.tight()) {
    impl_->tight_since = kNever;
  } else if (impl_->tight_since == kNever) {
    impl_->tight_since = now;
  } else if (now - impl_->tight_since >= kPatience) {
    impl_->tight_since = now;
    if (impl_->clients.any_paused()) impl_->clients.close_largest(impl_->client_memory.limit() / 4 * 3);
  }
}

void Server::sample() {
  const std::uint64_t commands = add_up(impl_->loops).commands;
  const Instant now = impl_->layer.clock().now();
  const MutexLock lock(impl_->mutex);
  impl_->samples[impl_->sampled++ % Impl::kSamples] = {now, commands};
}

ServerStats Server::stats() const {
  ServerStats total = add_up(impl_->loops);
  total.clients = impl_->clients.size();
  total.client_memory = impl_->client_memory.used();
  const MutexLock lock(impl_->mutex);
  if (impl_->sampled > 1) {
    const std::size_t kept = std::min(impl_->sampled, Impl::kSamples);
    const Impl::Sample& newest = impl_->samples[(impl_->sampled - 1) % Impl::kSamples];
    const Impl::Sample& oldest = impl_->samples[(impl_->sampled - kept) % Impl::kSamples];
    const double seconds = std::chrono::duration<double>(newest.at - oldest.at).count();
    if (seconds > 0)
      total.commands_per_second = static_cast<double>(newest.commands - oldest.commands) / seconds;
  }
  return since(std::move(total), impl_->baseline);
}

void Server::reset_stats() {
  ServerStats now = add_up(impl_->loops);
  const MutexLock lock(impl_->mutex);
  impl_->baseline = std::move(now);
}

}  // namespace forebay::server
