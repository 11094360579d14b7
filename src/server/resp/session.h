#pragma once

// What one client has said of itself, and what is known of it.
//
// Its own event loop's thread uses all of it. Other threads may call describe() and the functions marked so,
// to list clients.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/mutex.h"
#include "forebay/clock.h"
#include "resp/writer.h"
#include "server/access/users.h"
#include "server/resp/commands/command.h"
#include "server/resp/commands/transactions.h"
#include "server/watch/monitors.h"

namespace forebay::server {

class Mailbox;
class Subscriptions;
class TrackedClient;
class Tracking;
struct Waiter;

// What a command may ask of its connection. Called on its loop's thread.
class ConnectionControl {
 public:
  virtual ~ConnectionControl() = default;
  // Nothing more is executed; the connection closes once what was answered has been sent.
  virtual void close_after_replies() = 0;
  // The command that runs has deferred its reply, and whatever is asked from now on sees what it did: the
  // client's next requests need not wait for that reply.
  virtual void in_effect() = 0;
  // What the command that runs answers must not leave before Layer::when_kept() of this ticket.
  virtual void hold_reply(std::uint64_t ticket) = 0;
  // What the client is subscribed to.
  virtual Subscriptions& subscriptions() = 0;
  // The client as those see it who change keys that it tracks. A new one each time.
  virtual std::shared_ptr<TrackedClient> tracked() = 0;
  // Takes lines to the client from any thread, as simple strings that it has not asked for.
  virtual Monitors::Sink line_sink() = 0;
  // To this loop's thread, for any other.
  virtual std::shared_ptr<Mailbox> mailbox() = 0;
  // Runs `task` on this loop's thread after `delay`, unless the server stops before.
  virtual void run_after(Duration delay, Task task) = 0;
  // Runs `task` on this loop's thread after others have had their turn. It is destroyed unrun if the loop ends.
  virtual void post(Task task) = 0;
  // The same, but for one task at a time, and only until cancel_timer() or the connection closes.
  virtual void set_timer(Duration delay, Task task) = 0;
  virtual void cancel_timer() = 0;
  // The command can't run now, and has answered nothing: it is tried again once no script runs.
  virtual void retry() = 0;
  // The connection is there as long as this is, even if it closes.
  virtual std::shared_ptr<void> keep() = 0;
  // Counts a command that was executed inside another (EXEC); `failed`: it answered with an error.
  virtual void on_inner(const Command& command, bool failed) = 0;
};

enum class ReplyMode : std::uint8_t { kOn, kOff, kSkipNext };  // CLIENT REPLY

class Session {
 public:
  struct Origin {
    std::uint64_t id = 0;       // unique in this process, never 0
    std::string address;        // host:port of the peer
    std::string host;           // its host alone
    std::string local_address;  // host:port it connected to
    int descriptor = -1;
    Instant connected_at{};
  };

  // `control` outlives the session. `user`: whose permissions it has, not null.
  Session(Origin origin, ConnectionControl& control, access::UserRef user, bool authenticated);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Origin& origin() const { return origin_; }  // any thread
  std::uint64_t id() const { return origin_.id; }   // any thread
  ConnectionControl& control() { return control_; }
  Subscriptions& subscriptions() { return control_.subscriptions(); }
  // What it tracks; null: nothing.
  Tracking* tracking() { return tracking_.get(); }
  void track(std::unique_ptr<Tracking> tracking);
  // CLIENT LIST shows what tracking() says now.
  void show_tracking();
  // Whether somebody asks which command changes a key, or which it reads: while the client tracks keys, or while
  // there are keyspace notifications, which the connection says once a batch.
  bool attended() const { return tracking_ != nullptr || notified_; }
  void set_notified(bool notified) { notified_ = notified; }
  // The database that it has selected. Any thread; relaxed: it stands alone.
  unsigned database() const { return database_.load(std::memory_order_relaxed); }
  void select(unsigned database) { database_.store(database, std::memory_order_relaxed); }
  // Whose keys the next command names: inside MULTI, that of the last SELECT there.
  unsigned database_of_next() const { return transaction_.open() ? transaction_.database() : database(); }
  // It is shown all clients' commands as long as it has the token (MONITOR).
  void watch(std::shared_ptr<void> token) { watches_ = std::move(token); }
  bool watches() const { return watches_ != nullptr; }
  // Whether it waits for messages, which is a type of client of its own. Any thread.
  bool subscribed() const;
  Transaction& transaction() { return transaction_; }
  // It waits for keys, until waited(), which returns what was given (null: it does not wait).
  void wait(std::shared_ptr<Waiter> waiter);
  std::shared_ptr<Waiter> waited();
  bool waits() const { return waits_.load(std::memory_order_relaxed); }  // any thread

  resp::Protocol protocol() const { return protocol_.load(std::memory_order_relaxed); }
  void set_protocol(resp::Protocol protocol) { protocol_.store(protocol, std::memory_order_relaxed); }
  bool authenticated() const { return authenticated_.load(std::memory_order_relaxed); }
  void set_authenticated(bool value) { authenticated_.store(value, std::memory_order_relaxed); }
  // Whose permissions it has, as that user was when this was last looked at. Before it has logged in: the default
  // user's.
  const access::UserRef& user() const { return user_; }
  std::string user_name() const;  // any thread
  void become(access::UserRef user);
  // Whether its commands have to be looked at before they run. False for who may do everything.
  bool restricted() const { return restricted_; }
  // CLIENT NO-TOUCH: this client's reads must not count as uses. CLIENT NO-EVICT is kept and reported only:
  // who holds most may have to go whatever it says.
  bool no_touch() const { return no_touch_.load(std::memory_order_relaxed); }
  void set_no_touch(bool value) { no_touch_.store(value, std::memory_order_relaxed); }
  void set_no_evict(bool value) { no_evict_.store(value, std::memory_order_relaxed); }
  ReplyMode reply_mode() const { return reply_mode_; }
  void set_reply_mode(ReplyMode mode) { reply_mode_ = mode; }

  std::string name() const;  // any thread
  void set_name(std::string_view name);
  void set_library(std::string_view name);
  void set_library_version(std::string_view version);

  // Back to what a new connection is (RESET): RESP2, no name, no transaction, no subscription, no tracking, not
  // authenticated if there is a password. `user`: the default one.
  void reset(access::UserRef user, bool authenticated);

  // The connection reports each command and each batch; relaxed stores, read by describe().
  void on_command(const Command& command) { last_command_.store(&command, std::memory_order_relaxed); }
  void on_batch(Instant now, std::size_t unparsed) {
    last_active_.store(now, std::memory_order_relaxed);
    unparsed_.store(unparsed, std::memory_order_relaxed);
  }
  // Bytes of replies that the client has not taken, those of deferred ones that are complete included.
  void on_output(std::size_t bytes) { output_.store(bytes, std::memory_order_relaxed); }
  // What counts for max_client_memory, whether the connection waits until others hold less of that, and whether
  // the client has been chosen to be closed for it. Any thread.
  std::size_t memory() const { return memory_.load(std::memory_order_relaxed); }
  void set_memory(std::size_t bytes) { memory_.store(bytes, std::memory_order_relaxed); }
  bool paused() const { return paused_.load(std::memory_order_relaxed); }
  void set_paused(bool value) { paused_.store(value, std::memory_order_relaxed); }
  bool doomed() const { return doomed_.load(std::memory_order_relaxed); }
  void set_doomed() { doomed_.store(true, std::memory_order_relaxed); }
  Instant last_active() const { return last_active_.load(std::memory_order_relaxed); }

  // The line that CLIENT LIST and CLIENT INFO show, without a line end. Any thread.
  std::string describe(Instant now) const;

 private:
  const Origin origin_;
  ConnectionControl& control_;
  Transaction transaction_;
  ReplyMode reply_mode_ = ReplyMode::kOn;
  std::unique_ptr<Tracking> tracking_;
  bool notified_ = false;
  bool restricted_ = false;
  access::UserRef user_;
  std::shared_ptr<void> watches_;
  std::shared_ptr<Waiter> waiter_;

  std::atomic<bool> waits_{false};  // relaxed: other threads only show it
  std::atomic<resp::Protocol> protocol_{resp::Protocol::kResp2};
  std::atomic<bool> authenticated_;
  std::atomic<unsigned> database_{0};
  std::atomic<bool> no_touch_{false};
  std::atomic<bool> no_evict_{false};
  std::atomic<Instant> last_active_;
  std::atomic<const Command*> last_command_{nullptr};
  std::atomic<std::size_t> unparsed_{0};
  std::atomic<std::size_t> output_{0};
  std::atomic<std::size_t> memory_{0};
  std::atomic<bool> paused_{false};
  std::atomic<bool> doomed_{false};
  // As CLIENT LIST shows them: the client that is told instead (-1: it tracks nothing), and flags.
  std::atomic<std::int64_t> redirect_{-1};
  std::atomic<bool> broadcasts_{false};
  std::atomic<bool> broken_{false};

  mutable Mutex texts_;
  std::string name_ GUARDED_BY(texts_);
  std::string user_name_ GUARDED_BY(texts_);
  std::string library_ GUARDED_BY(texts_);
  std::string library_version_ GUARDED_BY(texts_);
};

}  // namespace forebay::server
