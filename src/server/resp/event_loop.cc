#include "server/resp/event_loop.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "server/access/users.h"
#include "server/admission.h"
#include "server/clients.h"
#include "server/lobby.h"
#include "server/log.h"
#include "server/resp/commands/access.h"
#include "server/resp/connection.h"
#include "server/script/scripts.h"
#include "server/tls/tls.h"
#include "server/tracking/key_feed.h"
#include "server/tracking/tracked_client.h"

namespace forebay::server {
namespace {

// How often timeouts are checked, and so their resolution.
constexpr std::chrono::milliseconds kSweep{100};
// How long accepting rests when the process is out of descriptors or memory: the backlog waits meanwhile.
constexpr std::chrono::milliseconds kAcceptPause{100};
// Clients accepted in one turn, so that a flood of them doesn't hold up those that are connected.
constexpr int kAcceptsPerTurn = 64;
constexpr std::size_t kEventsPerTurn = 256;

// In place of a host's address, for clients of the Unix socket.
constexpr std::string_view kUnixHost = "unix socket";

bool out_of_resources(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

void turn_away(const Descriptor& socket, std::string_view text) {
  const std::string reply = fmt::format("-{}\r\n", text);
  [[maybe_unused]] const ssize_t sent =
      ::send(socket.get(), reply.data(), reply.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

EventLoop::EventLoop(Server& server)
    : server_(server),
      scripts_(server.scripts()),
      databases_(server.databases()),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      mailbox_(std::make_shared<Mailbox>([descriptor = wake_.get()] {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(descriptor, &one, sizeof one);
      })),
      outlet_(server.broker(), mailbox_) {}

EventLoop::~EventLoop() {
  finish();
  join();
  mailbox_->close();
}

Result<void> EventLoop::watch_wake() {
  if (std::exchange(watches_wake_, true)) return {};
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = &wake_;
  if (!epoll_.is_open() || !wake_.is_open() ||
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) {
    return Error{ErrorCode::kInternal,
                 fmt::format("server.resp: can't make an event loop: {}", std::strerror(errno))};
  }
  return {};
}

Result<void> EventLoop::listen(const HostPort& address, Port port, Entrance entrance) {
  Result<Descriptor> socket = listen_on(address, port, entrance == Entrance::kTls ? "tls.address" : "resp");
  if (!socket) return socket.error();
  const std::uint16_t bound = port_of(*socket);
  auto listening = listen(std::move(*socket), entrance);
  listeners_.at(index_of(entrance)).port = bound;
  return listening;
}

Result<void> EventLoop::listen(Descriptor listener, Entrance entrance) {
  if (auto watched = watch_wake(); !watched) return watched;
  listeners_.at(index_of(entrance)) = {std::move(listener), entrance, 0};
  return {};
}

void EventLoop::start() {
  thread_ = std::thread([this] { run(); });
}

void EventLoop::join() {
  if (thread_.joinable()) thread_.join();
}

void EventLoop::run() {
  Mailbox::of_this_thread() = mailbox_.get();
  for (Listener& listener : listeners_) listen_for_clients(listener, true);
  sweep();
  std::array<epoll_event, kEventsPerTurn> events;
  while (!finished_ || !connections_.empty()) {
    const int count =
        ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms());
    bool woken = false;
    turn_.begin();
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == &wake_) {
        woken = true;
      } else if (!accept_from(event.data.ptr)) {
        // Still alive: within one turn a connection is closed by its own event only.
        static_cast<Connection*>(event.data.ptr)->on_events(event.events);
      }
    }
    if (woken) {
      std::uint64_t ignored = 0;
      [[maybe_unused]] const ssize_t taken = ::read(wake_.get(), &ignored, sizeof ignored);
    }
    if (woken || mailbox_->due()) mailbox_->deliver();
    run_posted();
    flush();
    run_timers();
    serve_line();
    serve_waiters();
  }
  timers_.clear();
  posted_.clear();
  Mailbox::of_this_thread() = nullptr;
}

int EventLoop::timeout_ms() const {
  if (!posted_.empty() || !line_.empty() || !unflushed_.empty() || mailbox_->due()) return 0;
  if (timers_.empty()) return -1;
  const auto left = timers_.begin()->first - std::chrono::steady_clock::now();
  return static_cast<int>(
      std::max<std::int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count()));
}

void EventLoop::run_posted() {
  if (posted_.empty()) return;
  std::vector<Task> tasks;
  tasks.swap(posted_);
  for (Task& task : tasks) task();
}

void EventLoop::stand_in_line(Connection& connection) {
  line_.push_back(connection.session().id());
}

void EventLoop::serve_line() {
  if (line_.empty()) return;
  turn_.begin();
  turn_.serve(now());
  std::size_t waiting = line_.size();
  do {
    const auto found = connections_.find(line_.front());
    line_.pop_front();
    if (found != connections_.end()) found->second->on_turn();
  } while (--waiting > 0 && !turn_.over(now()));
}

void EventLoop::flush_soon(Connection& connection) {
  unflushed_.push_back(connection.session().id());
}

// A message may be for very many clients: they share a turn's length, and the rest goes on in the next turn.
void EventLoop::flush() {
  if (unflushed_.empty()) return;
  constexpr unsigned kBetweenLooks = 16;
  const Instant from = now();
  turn_.begin();
  turn_.serve(from);
  for (unsigned sent = 1; !unflushed_.empty(); ++sent) {
    const auto found = connections_.find(unflushed_.front());
    unflushed_.pop_front();
    if (found != connections_.end()) found->second->flush(from);
    if (sent % kBetweenLooks == 0 && turn_.over(now())) return;
  }
}

void EventLoop::run_timers() {
  // The clock is read only when a timer may be due; timers are rare beside commands.
  while (!timers_.empty() && timers_.begin()->first <= std::chrono::steady_clock::now()) {
    Task task = std::move(timers_.extract(timers_.begin()).mapped());
    task();
  }
}

void EventLoop::dispatch_soon() {
  if (std::exchange(dispatch_posted_, true)) return;
  post([this] {
    dispatch_posted_ = false;
    layer().dispatch();
  });
}

void EventLoop::ask_for(std::uint64_t ticket) {
  last_ticket_ = ticket;
  if (first_ticket_ != 0) return;
  first_ticket_ = ticket;
  post([this] { ask_when_kept(); });
}

void EventLoop::await_kept(Connection& connection) {
  awaiting_.push_back(connection.session().id());
}

void EventLoop::ask_when_kept() {
  const std::uint64_t first = std::exchange(first_ticket_, 0);
  auto tell = [this, mailbox = mailbox_, ticket = last_ticket_,
               waiting = std::exchange(awaiting_, {})](Result<void> kept) mutable {
    std::string error = kept ? std::string() : error_text(kept.error());
    mailbox->post([this, ticket, waiting = std::move(waiting), error = std::move(error)] {
      for (const std::uint64_t id : waiting) {
        const auto found = connections_.find(id);
        if (found != connections_.end()) found->second->on_kept(ticket, error);
      }
    });
  };
  layer().when_kept(first, last_ticket_, std::move(tell));
}

std::optional<EventLoop::Timers::iterator> EventLoop::run_after(Duration delay, Task task) {
  if (finished_) return std::nullopt;
  return timers_.emplace(std::chrono::steady_clock::now() + delay, std::move(task));
}

// Not while a script runs: it may hold the shards of the keys, and who waited for one here would wait for a loop that
// perhaps is this one.
void EventLoop::serve_waiters() {
  Waiters& waiters = server_.key_feed().waiters();
  if (!waiters.due()) return;
  if (!scripts_.active()) waiters.serve(layer().clock(), [this] { return scripts_.active(); });
  // One that is busy already is looked at again with every sweep.
  if (!waiters.due() || waits_for_script_ || scripts_.busy()) return;
  waits_for_script_ = true;
  scripts_.wait([this, mailbox = mailbox_] { mailbox->post([this] { waits_for_script_ = false; }); });
}

bool EventLoop::watch(int descriptor, Connection& connection) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.ptr = &connection;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, descriptor, &event) == 0;
}

void EventLoop::add(Connection& connection) {
  const std::uint64_t id = connection.session().id();
  connections_.emplace(id, &connection);
  server_.clients().add(
      connection.session(),
      [mailbox = mailbox_, this, id] {
        mailbox->post([this, id] {
          const auto found = connections_.find(id);
          if (found != connections_.end()) found->second->close();
        });
      },
      [mailbox = mailbox_, this, id](std::shared_ptr<const Invalidation> what) {
        mailbox->post([this, id, what = std::move(what)] {
          const auto found = connections_.find(id);
          if (found != connections_.end()) found->second->forget(*what, Connection::Told::kForAnother);
        });
      },
      [mailbox = mailbox_, this, id] {
        mailbox->post([this, id] {
          const auto found = connections_.find(id);
          if (found != connections_.end()) found->second->look_at_user();
        });
      });
}

std::shared_ptr<TrackedClient> EventLoop::tracked(Connection& connection) {
  const std::uint64_t id = connection.session().id();
  return std::make_shared<TrackedClient>(id, mailbox_, [this, id](Invalidation&& what) {
    const auto found = connections_.find(id);
    if (found != connections_.end()) found->second->on_invalidation(std::move(what));
  });
}

void EventLoop::remove(Connection& connection) {
  server_.clients().remove(connection.session());
  connections_.erase(connection.session().id());
  report_if_empty();
}

void EventLoop::report_if_empty() {
  if (!draining_ || !connections_.empty()) return;
  const MutexLock lock(empty_mutex_);
  empty_ = true;
  empty_changed_.notify_all();
}

void EventLoop::wait_until_empty(std::chrono::steady_clock::time_point until) {
  if (!thread_.joinable()) return;
  const MutexLock lock(empty_mutex_);
  empty_changed_.wait_until(empty_mutex_, until, [this]() NO_THREAD_SAFETY_ANALYSIS { return empty_; });
}

void EventLoop::listen_for_clients(Listener& listener, bool on) {
  if (!listener.socket.is_open()) return;
  epoll_event event{};
  // All loops have the one Unix socket: a new client wakes one of them, not all.
  event.events = EPOLLIN | (listener.entrance == Entrance::kUnix ? EPOLLEXCLUSIVE : 0U);
  event.data.ptr = &listener;
  ::epoll_ctl(epoll_.get(), on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, listener.socket.get(), &event);
}

void EventLoop::stop_listening() {
  for (Listener& listener : listeners_) {
    // Other loops may have the same socket open, and then closing it takes it out of no epoll.
    listen_for_clients(listener, false);
    listener.socket.reset();
  }
}

// False: that is none of the listeners.
bool EventLoop::accept_from(const void* listener) {
  for (Listener& each : listeners_) {
    if (listener != &each) continue;
    accept_pending(each);
    return true;
  }
  return false;
}

void EventLoop::accept_pending(Listener& listener) {
  for (int accepted = 0; accepted < kAcceptsPerTurn && listener.socket.is_open(); ++accepted) {
    Descriptor socket(::accept4(listener.socket.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.is_open()) {
      admit(std::move(socket), listener.entrance);
      continue;
    }
    if (!out_of_resources(errno)) return;  // nobody waits, or who did has gone
    static LogLimit limit;
    log_warning(limit, fmt::format("resp: can't accept clients: {}; trying again", std::strerror(errno)));
    listen_for_clients(listener, false);
    run_after(kAcceptPause, [this, &listener] { listen_for_clients(listener, true); });
    return;
  }
}

// Nothing: it has gone already.
std::optional<Session::Origin> EventLoop::origin_of(const Descriptor& socket, Entrance entrance) {
  Session::Origin origin;
  origin.descriptor = socket.get();
  origin.connected_at = now();
  if (entrance == Entrance::kUnix) {
    // As Redis tells such clients. All of them are one peer to whoever counts wrong passwords.
    origin.address = origin.local_address = server_.options().unix_socket + ":0";
    origin.host = kUnixHost;
    return origin;
  }
  sockaddr_storage peer{};
  sockaddr_storage local{};
  socklen_t peer_size = sizeof peer;
  socklen_t local_size = sizeof local;
  if (::getpeername(socket.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size) != 0 ||
      ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&local), &local_size) != 0) {
    return std::nullopt;
  }
  const AddressText address = text_of(peer);
  origin.address = address.host_port;
  origin.host = address.host;
  origin.local_address = text_of(local).host_port;
  const int on = 1;
  ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  return origin;
}

void EventLoop::admit(Descriptor socket, Entrance entrance) {
  std::optional<Session::Origin> origin = origin_of(socket, entrance);
  if (!origin) return;
  const std::string& host = origin->host;
  if (entrance != Entrance::kUnix &&
      !admits(host, !server_.users().open_to_all(), server_.options().protected_mode)) {
    static LogLimit limit;
    log_warning(limit,
                fmt::format("resp: refused a client from {}: protected mode without a password", host));
    tallies_.rejected.add();
    return turn_away(socket, kDenied);
  }
  if (!has_room()) {
    static LogLimit limit;
    log_warning(limit, "resp: refused a client: max_clients reached");
    tallies_.rejected.add();
    return turn_away(socket, "ERR max number of clients reached");
  }
  std::unique_ptr<TlsStream> tls;
  if (entrance == Entrance::kTls) {
    tls = server_.tls().accept(socket.get());
    if (tls == nullptr) return;  // out of memory
  }
  tallies_.connections.add();
  origin->id = server_.clients().next_id();
  Connection::serve(*this, std::move(socket), std::move(tls), std::move(*origin));
}

// Beyond max_clients a client that has not logged in makes room for one that may.
bool EventLoop::has_room() {
  const std::size_t most = server_.limits().max_clients.load(std::memory_order_relaxed);
  if (server_.clients().size() < most) return true;
  const std::uint64_t oldest = server_.lobby().take_oldest();
  if (oldest == 0 || !server_.clients().kill(oldest)) return false;
  tallies_.closed_login.add();
  return true;
}

void EventLoop::sweep() {
  if (finished_) return;
  run_after(kSweep, [this] { sweep(); });
  if (every_sweep_) every_sweep_();
  const Instant at = now();
  std::vector<Connection*> lagging;
  std::vector<Connection*> late;
  std::vector<Connection*> unknown;
  for (const auto& [id, connection] : connections_) {
    if (connection->login_overdue(at)) {
      unknown.push_back(connection);
    } else if (connection->lagging(at)) {
      lagging.push_back(connection);
    } else if (connection->overdue(at)) {
      late.push_back(connection);
    } else if (connection->session().paused()) {
      connection->resume();
    }
  }
  for (Connection* connection : lagging) connection->close();
  for (Connection* connection : late) {
    tallies_.closed_idle.add();
    connection->close();
  }
  for (Connection* connection : unknown) {
    static LogLimit limit;
    log_warning(limit, fmt::format("resp: closed client {}: it has not logged in within login_timeout",
                                   connection->session().origin().address));
    tallies_.closed_login.add();
    connection->close();
  }
}

void EventLoop::drain() {
  mailbox_->post([this] {
    draining_ = true;
    stop_listening();
    for (const auto& [id, connection] : connections_) connection->drain();
    report_if_empty();
  });
}

void EventLoop::finish() {
  mailbox_->post([this] {
    finished_ = true;
    draining_ = true;
    stop_listening();
    std::vector<Connection*> all;
    for (const auto& [id, connection] : connections_) all.push_back(connection);
    for (Connection* connection : all) connection->close();
  });
}

}  // namespace forebay::server
