#pragma once

// One thread that accepts and serves its share of the clients, over epoll.
//
// Why not Asio, which the rest of the program uses: before it waits for a socket it tries to read once more,
// which is a system call per command for a client that sends one at a time; and each of its operations is
// allocated, queued and dispatched. Here a socket is registered once, edge-triggered, for both directions,
// and a short read says that it is empty: a command costs one receive, one send and its share of a wait.
//
// Each turn: wait; serve every socket that is ready; run what other threads sent; run what was posted
// meanwhile; send what clients are to get that they have not asked for; run the timers that are due; go on with
// the connections whose time was up. So what is posted while sockets are served runs after all of them have
// been.
//
// A connection that has more to do than its turn allows stands in line behind others of the kind, and all of
// them together get a turn's length between two looks at the sockets. So whoever asks for little waits for
// what the sockets of one turn ask for at first, and for one more turn's length, however many clients ask for
// much.

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "forebay/result.h"
#include "server/listen.h"
#include "server/pubsub/outlet.h"
#include "server/resp/mailbox.h"
#include "server/resp/session.h"
#include "server/resp/turn.h"
#include "server/server.h"
#include "server/stats.h"

namespace forebay::server {

class Connection;
class TrackedClient;
struct HostPort;
namespace script {
class Scripts;
}

// By which socket clients come.
enum class Entrance : std::uint8_t { kPlain, kTls, kUnix };

class EventLoop {
 public:
  // `server` outlives the loop.
  explicit EventLoop(Server& server);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Binds and listens; clients queue up until start().
  Result<void> listen(const HostPort& address, Port port, Entrance entrance);
  // The same with a socket that listens already, and that other loops may have, too.
  Result<void> listen(Descriptor listener, Entrance entrance);
  // 0: none.
  std::uint16_t port(Entrance entrance) const { return listeners_.at(index_of(entrance)).port; }

  void start();
  // `task` runs on the loop's thread about ten times a second. Before start().
  void every_sweep(Task task) { every_sweep_ = std::move(task); }
  // Any thread: accept nobody any more, let every connection answer what has arrived, then close it.
  void drain();
  // Any thread: waits until drain() has left no connection, or until `until`.
  void wait_until_empty(std::chrono::steady_clock::time_point until);
  // Any thread: close all connections and end. Then join().
  void finish();
  void join();
  const LoopTallies& tallies() const { return tallies_; }  // any thread

  // ---- For its connections, on its thread.
  Server& server() { return server_; }
  Layer& layer() { return server_.layer(); }
  script::Scripts& scripts() { return scripts_; }
  const Databases& databases() { return databases_; }
  const std::shared_ptr<Mailbox>& mailbox() { return mailbox_; }
  LoopTallies& own_tallies() { return tallies_; }
  // Once in a while: of commands that are quick only some are timed.
  bool takes_a_sample() { return ++samples_ % kSampleEvery == 0; }
  Outlet& outlet() { return outlet_; }
  Instant now() { return server_.layer().clock().now(); }
  void post(Task task) { posted_.push_back(std::move(task)); }
  Turn& turn() { return turn_; }
  // Connection::on_turn() once those that stand in line before it had theirs.
  void stand_in_line(Connection& connection);
  // Connection::flush() once what came by the mailbox in this turn is there: one send for all of it.
  void flush_soon(Connection& connection);
  // Layer::dispatch() once all connections that are readable in this turn have been served.
  void dispatch_soon();
  // Layer::when_kept() is asked for all tickets of this turn together, whether or not somebody still waits
  // for a reply: until then their writes may stay where a crash loses them.
  void ask_for(std::uint64_t ticket);
  // Connection::on_kept() once that has called back.
  void await_kept(Connection& connection);
  using Timers = std::multimap<std::chrono::steady_clock::time_point, Task>;
  // What it returns is valid until the task runs, for cancel(). Once the loop ends: nothing, and the task is not run.
  std::optional<Timers::iterator> run_after(Duration delay, Task task);
  void cancel(Timers::iterator timer) { timers_.erase(timer); }
  // Serves clients that wait for keys which this thread's commands have changed. Not inside a command.
  void serve_waiters();
  // Registers the socket: Connection::on_events() is called until the descriptor is closed. False: the system
  // refused.
  bool watch(int descriptor, Connection& connection);
  // The connection as those see it who change keys that it tracks.
  std::shared_ptr<TrackedClient> tracked(Connection& connection);
  void add(Connection& connection);
  void remove(Connection& connection);

 private:
  static constexpr unsigned kSampleEvery = 64;
  using Time = std::chrono::steady_clock::time_point;

  void run();
  int timeout_ms() const;
  void run_posted();
  void serve_line();
  void flush();
  void ask_when_kept();
  void run_timers();
  struct Listener {
    Descriptor socket;
    Entrance entrance = Entrance::kPlain;
    std::uint16_t port = 0;
  };
  static constexpr std::size_t kEntrances = 3;
  static constexpr std::size_t index_of(Entrance entrance) { return static_cast<std::size_t>(entrance); }

  Result<void> watch_wake();
  bool accept_from(const void* listener);
  void accept_pending(Listener& listener);
  void listen_for_clients(Listener& listener, bool on);
  void stop_listening();
  void admit(Descriptor socket, Entrance entrance);
  std::optional<Session::Origin> origin_of(const Descriptor& socket, Entrance entrance);
  bool has_room();
  void sweep();
  void report_if_empty();

  Server& server_;
  script::Scripts& scripts_;
  const Databases& databases_;
  LoopTallies tallies_;
  unsigned samples_ = 0;
  Descriptor epoll_;
  Descriptor wake_;                             // an eventfd
  std::array<Listener, kEntrances> listeners_;  // by entrance
  bool watches_wake_ = false;
  std::shared_ptr<Mailbox> mailbox_;
  Outlet outlet_;
  std::vector<Task> posted_;
  Timers timers_;
  std::unordered_map<std::uint64_t, Connection*> connections_;
  Turn turn_;
  std::deque<std::uint64_t> line_;
  std::deque<std::uint64_t> unflushed_;
  std::vector<std::uint64_t> awaiting_;  // connections whose replies are held
  // The first and last ticket of this turn; 0: there is none.
  std::uint64_t first_ticket_ = 0;
  std::uint64_t last_ticket_ = 0;
  bool dispatch_posted_ = false;
  bool draining_ = false;
  bool finished_ = false;
  bool waits_for_script_ = false;  // serve_waiters() goes on once it has ended
  Task every_sweep_;
  Mutex empty_mutex_;
  Condition empty_changed_;
  bool empty_ GUARDED_BY(empty_mutex_) = false;  // draining, and no connection is left
  std::thread thread_;
};

}  // namespace forebay::server
