#pragma once

// One client of the Redis front: a state machine over one socket.
//
//   readable -> receive once -> parse and execute everything that is complete -> send once -> wait
//
// Everything here happens on the loop's thread and nothing blocks, so a slow client costs others nothing. It
// stops executing (and so reading) while: a request must wait for deferred replies before it; its unsent
// replies, and what deferred ones are likely to be, exceed half of the output limit; it has had its turn; all
// clients together hold too much memory and it holds some of that. It closes: when replies written beyond
// that reach the output limit; when it takes none of them; at the query-buffer limit; on a protocol error,
// once that is answered; when silent or half-way through a request for too long; when it has not logged in
// for too long.
//
// Cost: a batch of requests takes one receive, one send, one reading of the clock, and no allocation once the
// buffers have grown; deferred replies allocate.

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "resp/request_parser.h"
#include "server/pause.h"
#include "server/pubsub/subscriptions.h"
#include "server/resp/commands/command.h"
#include "server/resp/commands/key_names.h"
#include "server/resp/commands/registry.h"
#include "server/resp/event_loop.h"
#include "server/resp/input_buffer.h"
#include "server/resp/reply_queue.h"
#include "server/resp/session.h"
#include "server/tls/tls.h"
#include "server/tracking/tracked_client.h"

namespace forebay::server {

class Connection final : public ConnectionControl, public PushTarget {
 public:
  // Starts serving; the connection owns itself until it closes.
  // `tls`: null where the client speaks without it.
  static void serve(EventLoop& loop, Descriptor socket, std::unique_ptr<TlsStream> tls,
                    Session::Origin origin);
  ~Connection() override;

  Session& session() { return session_; }

  // Closes at once. Idempotent.
  void close();
  // Answers what has arrived, then closes.
  void drain();
  // What epoll says of the socket.
  void on_events(std::uint32_t events);
  // Whether it has left more messages unread than it may, or for too long; then that has been logged.
  bool lagging(Instant now);
  // Sends what was pushed.
  void flush(Instant now);
  // Whether a timeout has passed.
  bool overdue(Instant now) const;
  // Whether it has had its time to log in.
  bool login_overdue(Instant now) const;
  // It stood in line and goes on.
  void on_turn();
  // Goes on after others.
  void resume();
  // A deferred reply is complete: `fill` writes it and keeps `bytes` until then.
  void on_reply(ReplyQueue::Pending& pending, ReplySlot::Fill fill, std::size_t bytes);
  // The writes with tickets up to this one are kept; `error`: not empty where that failed, and then what
  // takes the place of their replies.
  void on_kept(std::uint64_t ticket, std::string_view error);

  // Users have changed: closes if its own is gone, or must not listen to what it is subscribed to.
  void look_at_user();

  // Keys that it tracks have changed.
  void on_invalidation(Invalidation&& what);
  // Tells the client what it, or the one that redirects to it, is to forget.
  enum class Told : bool { kForItself, kForAnother };
  void forget(const Invalidation& what, Told told);

  void close_after_replies() override { closing_ = true; }
  void in_effect() override { replies_.in_effect(); }
  void hold_reply(std::uint64_t ticket) override {
    ticket_ = ticket;
    loop_.ask_for(ticket);
  }
  Subscriptions& subscriptions() override { return subscriptions_; }
  std::shared_ptr<TrackedClient> tracked() override { return loop_.tracked(*this); }
  Monitors::Sink line_sink() override;
  std::shared_ptr<Mailbox> mailbox() override { return loop_.mailbox(); }
  void run_after(Duration delay, Task task) override { loop_.run_after(delay, std::move(task)); }
  void set_timer(Duration delay, Task task) override;
  void cancel_timer() override;
  void post(Task task) override { loop_.post(std::move(task)); }
  void retry() override { retry_ = true; }
  std::shared_ptr<void> keep() override { return std::make_shared<Self>(this); }
  void on_inner(const Command& command, bool failed) override;
  resp::Protocol push_protocol() const override { return session_.protocol(); }
  void push(const resp::Output& encoded) override;

 private:
  using Self = boost::intrusive_ptr<Connection>;

  Connection(EventLoop& loop, Descriptor socket, std::unique_ptr<TlsStream> tls, Session::Origin origin);

  bool stopped() const { return waiting_ || throttled_ || yielded_ || closing_ || session_.paused(); }
  void receive();
  bool known() const;
  std::ptrdiff_t send_parts(std::span<iovec> parts);
  void process();
  enum class Step : bool { kContinue, kStop };
  Step process_one();
  Step execute(std::span<const std::string_view> args);
  enum class Ran : std::uint8_t { kYes, kQueued, kRefused };
  Ran run(const Registered& found);
  Ran refuse_busy();
  bool permitted(const Command& command);
  bool refresh_user();
  void stop_waiting();
  bool is_pushed_to() { return subscriptions_.any() || session_.tracking() != nullptr || session_.watches(); }
  bool is_paused(const Command& command);
  void wait_for_pause();
  void run_timed(const Registered& found);
  void run_attended(const Command& command);
  void count_failed();
  // Before a client has given its password: most bytes of unread replies.
  static constexpr std::size_t kUnauthenticatedOutput = std::size_t{16} << 10;
  // What follows down to on_writable() is in connection_output.cc.
  Step check_output();
  bool settle();
  void send();
  bool transmit(const resp::Output& replies, resp::Output::Cursor& from);
  std::size_t output_limit() const;
  void on_writable();

  bool may_start(ReplyQueue::Request request) const;
  void wait_for_scripts();
  void protocol_error();
  bool turn_is_over(const Registered& found, std::size_t reply);
  void watch_login();
  void report_memory();
  std::shared_ptr<ReplySlot> defer();
  // Bytes of replies written but not taken by the client.
  std::size_t unsent() const {
    return replies_.ready().bytes() + replies_.held() + sending_.bytes() - sent_bytes_;
  }
  // Those, and what complete replies keep that are still to be written.
  std::size_t output_memory() const { return unsent() + replies_.complete_bytes(); }

  friend void intrusive_ptr_add_ref(Connection* connection) { ++connection->references_; }
  friend void intrusive_ptr_release(Connection* connection) {
    if (--connection->references_ == 0) delete connection;
  }

  EventLoop& loop_;
  Descriptor socket_;
  const std::unique_ptr<TlsStream> tls_;  // over socket_; null: none
  Subscriptions subscriptions_;
  Session session_;
  std::size_t references_ = 0;  // all on one thread
  Self own_;                    // until it closes
  // The connection as deferred replies know it; emptied when it closes.
  std::shared_ptr<Connection*> link_;

  InputBuffer input_;
  resp::RequestParser parser_;
  resp::RequestLimits request_limits_;
  ReplyQueue replies_;
  resp::Writer writer_;
  Context context_;  // made once, reused for every command
  KeyNames key_names_;
  resp::Output sending_;  // under way to the socket, from sent_
  resp::Output::Cursor sent_;
  std::size_t sent_bytes_ = 0;
  Instant request_since_ = kNever;  // when the unfinished request began to arrive; kNever: none
  Instant stalled_since_ =
      kNever;  // since when the client has taken none of what is being sent; kNever: nothing is
  Instant lagging_since_ =
      kNever;  // since when more pushes are unread than may be for long; kNever: fewer are
  Instant unknown_since_ = kNever;  // since when it could have logged in and hasn't; kNever: it has
  Registered last_;                 // the command that process_one() has looked up
  ReplyQueue::Request current_ = ReplyQueue::Request::kExclusive;  // of the command being executed

  std::optional<EventLoop::Timers::iterator> timer_;

  std::uint64_t users_seen_ = 0;           // Users::generation() when its user was last looked at
  Pause::Of pause_ = Pause::Of::kNothing;  // what waits, of this batch
  bool shown_ = false;                     // this batch is shown to those who watch (MONITOR)

  bool readable_ = false;    // the socket may hold something to receive
  bool hung_up_ = false;     // the client has ended its side: after what is left to receive comes the end
  bool writing_ = false;     // the socket is full, or others have their turn; the rest is in sending_
  bool paced_ = false;       // the latter: it stands in line to send more
  bool processing_ = false;  // process() is on the stack
  bool unflushed_ = false;   // flush() will be called
  bool overrun_ = false;     // it leaves so much unread that pushes are dropped: flush() closes it
  std::optional<Layer::Gather> gathering_;  // from the first deferred reply of a batch to its end
  bool resumes_ = false;                    // resume() is posted
  bool waiting_ = false;                    // the next request waits for deferred replies
  bool throttled_ = false;                  // the next request waits until replies are taken
  bool yielded_ = false;                    // the next request waits for its turn
  bool in_line_ = false;                    // it stands in the loop's line
  bool closing_ = false;                    // nothing more is executed
  bool ended_ = false;                      // the client sends no more
  bool closed_ = false;
  bool retry_ = false;        // the command being executed can't run now
  bool counted_ = false;      // the request that is executed next has been tried before
  bool muted_ = false;        // the command being executed is not to be answered
  std::uint64_t ticket_ = 0;  // for which its reply is to be held; 0: it isn't
};

}  // namespace forebay::server
