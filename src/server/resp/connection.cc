#include "server/resp/connection.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include "server/access/permission.h"
#include "server/admission.h"
#include "server/client_memory.h"
#include "server/clients.h"
#include "server/databases.h"
#include "server/lobby.h"
#include "server/log.h"
#include "server/resp/commands/client_tracking.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/scripting.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/watching.h"
#include "server/script/scripts.h"
#include "server/tracking/current_client.h"
#include "server/tracking/key_feed.h"
#include "server/tracking/tracking.h"
#include "server/watch/slow_log.h"

namespace forebay::server {
namespace {

// Commands that one connection executes before others get their turn, however quick they are.
constexpr int kTurn = 1000;
// Memory is reported in steps, so that the sum of all clients is seldom touched.
constexpr std::size_t kReportStep = std::size_t{16} << 10;

// The handle of a deferred reply that a command holds.
class Slot final : public ReplySlot {
 public:
  Slot(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Connection*> connection,
       std::shared_ptr<ReplyQueue::Pending> pending)
      : mailbox_(std::move(mailbox)), connection_(std::move(connection)), pending_(std::move(pending)) {}
  ~Slot() override {
    if (pending_ == nullptr) return;
    deliver([](resp::Writer& reply) { reply.error("ERR the request was abandoned"); });
  }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  void complete(Fill write, std::size_t bytes) override { deliver(std::move(write), bytes); }
  bool wanted() const override { return *connection_ != nullptr; }

 private:
  void deliver(Fill fill, std::size_t bytes = 0) {
    // On the loop's own thread there is nobody to hand it to.
    const bool here = Mailbox::of_this_thread() == mailbox_.get();
    auto task = [connection = std::move(connection_), pending = std::move(pending_), fill = std::move(fill),
                 bytes]() mutable {
      if (*connection != nullptr) (*connection)->on_reply(*pending, std::move(fill), bytes);
    };
    if (here) {
      task();
    } else {
      mailbox_->post(std::move(task));
    }
  }

  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Connection*> connection_;
  std::shared_ptr<ReplyQueue::Pending> pending_;  // null once completed
};

std::string unknown_command(std::span<const std::string_view> args) {
  std::string text =
      fmt::format("ERR unknown command '{}', with args beginning with: ", args[0].substr(0, 128));
  const std::size_t limit = text.size() + 128;
  for (const std::string_view arg : args.subspan(1)) {
    if (text.size() >= limit) break;
    text.append("'").append(arg.substr(0, limit - text.size())).append("' ");
  }
  return text;
}

}  // namespace

void Connection::serve(EventLoop& loop, Descriptor socket, std::unique_ptr<TlsStream> tls,
                       Session::Origin origin) {
  const Self connection(new Connection(loop, std::move(socket), std::move(tls), std::move(origin)));
  connection->own_ = connection;
  loop.add(*connection);
  connection->watch_login();
  if (!loop.watch(connection->socket_.get(), *connection)) connection->close();
}

Connection::Connection(EventLoop& loop, Descriptor socket, std::unique_ptr<TlsStream> tls,
                       Session::Origin origin)
    : loop_(loop),
      socket_(std::move(socket)),
      tls_(std::move(tls)),
      subscriptions_(loop.outlet(), *this),
      session_(std::move(origin), *this, loop.server().users().default_user(),
               loop.server().users().open_to_all()),
      link_(std::make_shared<Connection*>(this)),
      writer_(replies_.target(), resp::Protocol::kResp2),
      context_{{}, loop.layer(), loop.server(), session_, writer_, Instant{}, [this] { return defer(); }} {
  request_limits_.max_arguments = loop.server().options().max_arguments;
}

Connection::~Connection() {
  close();
}

void Connection::close() {
  if (std::exchange(closed_, true)) return;
  const Self last = std::move(own_);  // perhaps the last reference: goes when this function ends
  *link_ = nullptr;
  stop_waiting();
  replies_.clear();
  subscriptions_.clear();
  session_.track(nullptr);
  session_.watch(nullptr);
  if (unknown_since_ != kNever) loop_.server().lobby().leave(session_.id());
  loop_.remove(*this);
  if (tls_ != nullptr) tls_->say_goodbye();
  // From here on nobody else chooses it to be closed.
  loop_.server().client_memory().report(session_.memory(), 0);
  if (session_.doomed()) loop_.own_tallies().closed_memory.add();
  socket_.reset();
}

void Connection::drain() {
  // What has arrived can still be read, then the end of the stream comes.
  ::shutdown(socket_.get(), SHUT_RD);
}

bool Connection::login_overdue(Instant now) const {
  const std::chrono::milliseconds limit = loop_.server().options().login_timeout;
  return limit.count() > 0 && unknown_since_ != kNever && now - unknown_since_ > limit;
}

bool Connection::known() const {
  return session_.authenticated() && (tls_ == nullptr || tls_->ready());
}

// The client has logged in, or has yet to, or to finish its TLS handshake.
void Connection::watch_login() {
  const bool unknown = unknown_since_ != kNever;
  if (unknown == !known()) return;
  Server& server = loop_.server();
  if (unknown) {
    unknown_since_ = kNever;
    return server.lobby().leave(session_.id());
  }
  unknown_since_ = loop_.now();
  const std::size_t most = server.limits().max_clients.load(std::memory_order_relaxed);
  const std::uint64_t leaves =
      server.lobby().enter(session_.id(), address_group(session_.origin().host), Lobby::room(most));
  if (leaves == 0 || !server.clients().kill(leaves)) return;
  static LogLimit limit;
  log_warning(limit,
              fmt::format("resp: too many clients have not logged in: closed the oldest of them for {}",
                          session_.origin().address));
  loop_.own_tallies().closed_login.add();
}

// For max_client_memory.
void Connection::report_memory() {
  const std::size_t now =
      input_.capacity() + output_memory() + session_.transaction().memory() + subscriptions_.memory();
  const std::size_t before = session_.memory();
  if (now < before + kReportStep && before < now + kReportStep) return;
  ClientMemory& memory = loop_.server().client_memory();
  memory.report(before, now);
  session_.set_memory(now);
  if (session_.doomed()) return;
  while (now > before && memory.over() && loop_.server().clients().close_largest(memory.limit())) {
  }
}

bool Connection::overdue(Instant now) const {
  const config::Server& options = loop_.server().options();
  const auto past = [now](Instant since, std::chrono::milliseconds limit) {
    return limit.count() > 0 && since != kNever && now - since > limit;
  };
  if (past(request_since_, options.request_timeout)) return true;
  if (throttled_ || waiting_ || closing_ || session_.paused())
    return past(stalled_since_, options.request_timeout);
  if (subscriptions_.any() || session_.watches())
    return false;  // it waits for messages, however seldom they come
  Instant active = session_.last_active();
  if (stalled_since_ != kNever) active = std::max(active, stalled_since_);
  return !replies_.loading() &&
         past(active, loop_.server().limits().idle_timeout.load(std::memory_order_relaxed));
}

void Connection::on_events(std::uint32_t events) {
  const Self keep(this);
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  // Whoever waits for a key and has gone gets none of its elements.
  if (hung_up_ && session_.waits()) return close();
  if (tls_ != nullptr && !tls_->ready()) readable_ = true;  // a handshake sends, too
  if (writing_ && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) on_writable();
  if (readable_ && !stopped() && !closed_) receive();
}

void Connection::receive() {
  const std::size_t most = loop_.server().limits().max_query_buffer.load(std::memory_order_relaxed);
  const std::span<char> room = input_.prepare(most);
  const ssize_t bytes =
      tls_ == nullptr ? ::recv(socket_.get(), room.data(), room.size(), 0) : tls_->receive(room);
  if (tls_ != nullptr) watch_login();
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      readable_ = false;
      return;
    }
    if (errno == EINTR) return resume();
    if (tls_ != nullptr) tls_->log_failure(session_.origin().address);
    return close();
  }
  const auto count = static_cast<std::size_t>(bytes);
  if (count == 0) ended_ = true;
  // A short read empties the socket, and more will raise a new event; but the end of the stream has had its
  // event. Of TLS more may be decrypted already.
  if (count == 0 || (tls_ == nullptr && count < room.size() && !hung_up_)) readable_ = false;
  input_.commit(count);
  loop_.own_tallies().bytes_in.add(count);
  process();
}

void Connection::set_timer(Duration delay, Task task) {
  cancel_timer();
  timer_ = loop_.run_after(delay, [this, task = std::move(task)]() mutable {
    timer_.reset();
    task();
  });
}

void Connection::cancel_timer() {
  if (timer_) loop_.cancel(*timer_);
  timer_.reset();
}

void Connection::stop_waiting() {
  cancel_timer();
  if (const std::shared_ptr<Waiter> waiter = session_.waited())
    loop_.server().key_feed().waiters().end(waiter, Unserved::kGone);
}

// Others get their turn first.
void Connection::resume() {
  if (std::exchange(resumes_, true)) return;
  loop_.post([self = Self(this)] {
    self->resumes_ = false;
    if (self->closed_) return;
    if (self->readable_ && !self->stopped()) {
      self->receive();
    } else {
      self->process();
    }
  });
}

void Connection::on_turn() {
  const Self keep(this);
  in_line_ = yielded_ = false;
  if (paced_ && writing_) return on_writable();
  process();
}

// After a command: whether the loop has others to serve. `reply`: bytes that it has answered.
bool Connection::turn_is_over(const Registered& found, std::size_t reply) {
  constexpr std::size_t kQuick = 4;
  constexpr std::size_t kPerUnit = 1024;  // bytes
  const bool quick = found.command != nullptr && (found.command->flags & (kFast | kSteady)) != 0;
  const std::size_t weight = quick ? kQuick + (parser_.size() + reply) / kPerUnit : Turn::kLook;
  // Misses of one pipeline are loaded together: quick commands among them don't part them. kTurn bounds
  // those.
  if (gathering_ && weight < Turn::kLook) return false;
  return loop_.turn().spend(weight) && loop_.turn().over(loop_.now());
}

// Executes what can be executed, sends, and arranges what happens next. Called whenever something has
// changed.
void Connection::process() {
  if (processing_ || closed_) return;
  const Self keep(this);  // a command may close the connection that it came by
  processing_ = true;
  context_.now = loop_.now();
  loop_.turn().serve(context_.now);
  const RuntimeLimits& limits = loop_.server().limits();
  request_limits_.max_bulk = limits.max_value.load(std::memory_order_relaxed);
  pause_ = loop_.server().pause().of(context_.now);
  shown_ = loop_.server().monitors().any();
  session_.set_notified(loop_.server().key_feed().notifier().on());
  if (users_seen_ != loop_.server().users().generation() && !refresh_user()) {
    processing_ = false;
    return close();
  }
  waiting_ = throttled_ = yielded_ = false;
  const std::size_t before = input_.pending().size();
  const bool paused = session_.memory() > ClientMemory::kModest && loop_.server().client_memory().tight();
  if (paused != session_.paused()) session_.set_paused(paused);

  settle();
  for (int executed = 0; !closing_ && !closed_ && !paused; ++executed) {
    if (executed == kTurn) {
      yielded_ = true;
      break;
    }
    if (process_one() == Step::kStop) break;
  }
  const bool settled = settle();
  processing_ = false;
  gathering_.reset();
  if (closed_) return;
  if (replies_.ask()) loop_.await_kept(*this);

  if (replies_.failed()) count_failed();
  const std::size_t left = input_.pending().size();
  if (left == 0 || stopped()) {
    request_since_ = kNever;
  } else if (request_since_ == kNever || left < before) {
    request_since_ = context_.now;
  }
  session_.on_batch(context_.now, left);
  watch_login();
  send();
  if (closed_) return;
  session_.on_output(output_memory());
  report_memory();
  if ((ended_ || hung_up_) && session_.waits()) return close();
  if (ended_ && !stopped()) closing_ = true;
  if (closing_ && replies_.empty() && unsent() == 0) return close();
  if (left > limits.max_query_buffer.load(std::memory_order_relaxed)) {
    static LogLimit limit;
    log_warning(limit,
                fmt::format("resp: closed client {}: query buffer limit reached", session_.origin().address));
    loop_.own_tallies().closed_query.add();
    return close();
  }
  if (yielded_) {
    if (!std::exchange(in_line_, true)) loop_.stand_in_line(*this);
    return;
  }
  if ((waiting_ && settled) || (readable_ && !stopped())) resume();
}

Connection::Step Connection::process_one() {
  const std::string_view pending = input_.pending();
  if (pending.empty()) return Step::kStop;
  request_limits_.authenticated = session_.authenticated();
  switch (parser_.parse(pending, request_limits_)) {
    case resp::RequestStatus::kComplete:
      break;
    case resp::RequestStatus::kIncomplete:
      return Step::kStop;
    case resp::RequestStatus::kError:
      protocol_error();
      return Step::kStop;
    case resp::RequestStatus::kForeign: {
      static LogLimit limit;
      log_warning(limit, fmt::format("resp: closed client {}: it speaks HTTP or TLS, not the Redis protocol",
                                     session_.origin().address));
      close();
      return Step::kStop;
    }
  }
  const std::size_t before = unsent();
  if (!parser_.args().empty() && execute(parser_.args()) == Step::kStop) return Step::kStop;
  if (closed_) return Step::kStop;
  input_.consume(parser_.size());

  const std::size_t after = unsent();
  if (after > kUnauthenticatedOutput / 2 && check_output() == Step::kStop) return Step::kStop;
  yielded_ = turn_is_over(last_, after > before ? after - before : 0) && !input_.pending().empty();
  return yielded_ ? Step::kStop : Step::kContinue;
}

// kStop: nothing was done, the request must wait.
Connection::Step Connection::execute(std::span<const std::string_view> args) {
  const Registered found = last_ = find_registered(args[0]);
  const unsigned place = loop_.databases().place_of(session_.database_of_next());
  if (place != 0 && found.command != nullptr) [[unlikely]]
    args = key_names_.at_place(place, *found.command, args);
  const bool busy = loop_.scripts().active() && found.command != nullptr && session_.authenticated() &&
                    waits_for_script(context_, *found.command, args) && loop_.scripts().stays_active();
  if (busy && !loop_.scripts().busy()) {
    wait_for_scripts();
    return Step::kStop;
  }
  if (pause_ != Pause::Of::kNothing && found.command != nullptr && is_paused(*found.command)) [[unlikely]] {
    wait_for_pause();
    return Step::kStop;
  }
  current_ = found.command != nullptr && (found.command->flags & kConcurrent) != 0
                 ? ReplyQueue::Request::kConcurrent
                 : ReplyQueue::Request::kExclusive;
  if (!may_start(current_)) {
    waiting_ = true;
    return Step::kStop;
  }
  resp::Output& target = replies_.target();
  std::string& text = target.text;
  const std::size_t before = text.size();
  const std::size_t bytes_before = target.bytes();
  const ReplyMode mode = session_.reply_mode();
  muted_ = mode != ReplyMode::kOn && (found.command == nullptr || (found.command->flags & kPushes) == 0);
  writer_ = resp::Writer(target, session_.protocol(), output_limit());
  context_.args = args;

  const Ran ran = busy ? refuse_busy() : run(found);
  if (Waiters::noted()) [[unlikely]]
    loop_.serve_waiters();
  if (std::exchange(retry_, false)) {
    counted_ = true;
    wait_for_scripts();
    return Step::kStop;
  }
  if (ran == Ran::kRefused) {
    loop_.own_tallies().errors.add();
    session_.transaction().poison();
  }
  if (text.size() > before && text[before] == '-') {
    LoopTallies& tallies = loop_.own_tallies();
    tallies.error_replies.add();
    if (found.command != nullptr) {
      (ran == Ran::kYes ? tallies.failed_calls : tallies.rejected_calls)[found.index].add();
    }
  }
  if (muted_ && session_.reply_mode() != ReplyMode::kOn) target.truncate(before);
  if (mode == ReplyMode::kSkipNext && session_.reply_mode() == ReplyMode::kSkipNext) {
    session_.set_reply_mode(ReplyMode::kOn);
  }
  const std::uint64_t ticket = std::exchange(ticket_, 0);
  if (&target == &replies_.target()) {
    replies_.on_written(target.bytes() - bytes_before);
    if (ticket != 0 && text.size() > before) replies_.hold(before, ticket, found.index);
  } else {
    settle();  // deferred, and perhaps complete already
    loop_.dispatch_soon();
  }
  return Step::kContinue;
}

Connection::Ran Connection::run(const Registered& found) {
  const Command* command = found.command;
  if (command == nullptr) {
    writer_.error(unknown_command(context_.args));
    return Ran::kRefused;
  }
  if (!arity_fits(command->arity, context_.args.size())) {
    reply_wrong_arity(writer_, command->name);
    return Ran::kRefused;
  }
  if (!session_.authenticated() && (command->flags & kNoAuth) == 0) {
    writer_.error("NOAUTH Authentication required.");
    return Ran::kRefused;
  }
  if (session_.restricted() && !permitted(*command)) return Ran::kRefused;
  // A RESP2 client could not tell a reply from a message.
  if (subscriptions_.any() && session_.protocol() == resp::Protocol::kResp2 &&
      (command->flags & (kPushes | kWhileSubscribed)) == 0) {
    writer_.error(
        fmt::format("ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
                    "RESET are allowed in this context",
                    command->name));
    return Ran::kRefused;
  }
  session_.on_command(*command);
  if (session_.transaction().open() && queue_if_open(context_, *command)) return Ran::kQueued;
  if (!std::exchange(counted_, false)) loop_.own_tallies().calls[found.index].add();
  if (shown_) [[unlikely]]
    show_command(context_, *command, session_.origin().address);
  // What may take long is timed, and of the other commands one now and then: reading the clock twice for each would
  // cost a pipelined GET some five percent.
  if ((command->flags & (kFast | kSteady)) == 0 || loop_.takes_a_sample()) {
    run_timed(found);
  } else if (session_.attended()) [[unlikely]] {
    run_attended(*command);
  } else {
    command->handler(context_);
  }
  return Ran::kYes;
}

// Of the names as the client gave them: those of other databases have a mark in context_.
bool Connection::permitted(const Command& command) {
  session_.on_command(command);  // which the log of what is refused tells
  const auto where =
      session_.transaction().open() ? access::DenialLog::Where::kMulti : access::DenialLog::Where::kToplevel;
  const auto denial = access::check_client(context_, command, parser_.args(), where);
  if (!denial) return true;
  writer_.error("NOPERM " + access::text_of(*session_.user(), *denial, access::Tell::kReason));
  return false;
}

// False: its user has been removed.
bool Connection::refresh_user() {
  const access::Users& users = loop_.server().users();
  users_seen_ = users.generation();
  access::UserRef user = users.find(session_.user()->name());
  if (user == nullptr) return false;
  if (user != session_.user()) session_.become(std::move(user));
  if (!session_.authenticated() && users.open_to_all()) session_.set_authenticated(true);
  return true;
}

void Connection::look_at_user() {
  if (!refresh_user()) return close();
  const auto may_listen = [&](Topic topic, access::Selector::Channel what) {
    return std::ranges::all_of(subscriptions_.names(topic), [&](const std::string& name) {
      return session_.user()->allows_channel(name, what);
    });
  };
  using Channel = access::Selector::Channel;
  if (!session_.restricted() || !subscriptions_.any()) return;
  if (!may_listen(Topic::kChannel, Channel::kName) || !may_listen(Topic::kShard, Channel::kName) ||
      !may_listen(Topic::kPattern, Channel::kPattern)) {
    close();
  }
}

void Connection::run_timed(const Registered& found) {
  const Command& command = *found.command;
  const auto begin = std::chrono::steady_clock::now();
  if (session_.attended()) {
    run_attended(command);
  } else {
    command.handler(context_);
  }
  if (retry_) return;
  const auto took = std::chrono::steady_clock::now() - begin;
  LoopTallies& tallies = loop_.own_tallies();
  tallies.timed_calls[found.index].add();
  tallies.nanoseconds[found.index].add(
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(took).count()));
  SlowLog& log = loop_.server().slow_log();
  const auto microseconds = std::chrono::duration_cast<SlowLog::Microseconds>(took);
  if (!log.is_slow(microseconds) || command.name == "exec") return;
  log.add(context_.layer.clock().to_wall_ms(context_.now) / 1000, microseconds, command, context_.args,
          session_.origin().address, session_.name());
}

// A key is noted before it is read (TrackingTable).
void Connection::run_attended(const Command& command) {
  const CommandScope scope(session_.id(), command, context_.args);
  note_reads(context_, command);
  command.handler(context_);
  Tracking* const tracking = session_.tracking();
  if (tracking != nullptr && command.name != "client" && !session_.transaction().open() && !retry_)
    tracking->set_caching(false);
}

// The request is executed again once nobody runs a script, or one has run for so long that the client is told.
void Connection::wait_for_scripts() {
  waiting_ = true;
  loop_.scripts().wait([mailbox = loop_.mailbox(), link = link_] {
    mailbox->post([link] {
      if (*link != nullptr) (*link)->resume();
    });
  });
}

bool Connection::is_paused(const Command& command) {
  if (command.name == "client") return false;  // which may end it
  if (pause_ == Pause::Of::kAll) return true;
  if (session_.transaction().open() && command.name != "exec") return false;
  return (command.flags & kWrite) != 0 || is_script(command) || command.name == "exec" ||
         command.name == "publish" || command.name == "spublish";
}

void Connection::wait_for_pause() {
  constexpr std::chrono::milliseconds kLookAgain{20};  // CLIENT UNPAUSE wakes nobody
  waiting_ = true;
  loop_.run_after(kLookAgain, [link = link_] {
    if (*link != nullptr) (*link)->resume();
  });
}

Monitors::Sink Connection::line_sink() {
  return [mailbox = loop_.mailbox(), link = link_](Monitors::Line line) {
    mailbox->post([link, line = std::move(line)] {
      if (*link == nullptr || !(*link)->session_.watches()) return;
      resp::Output message;
      resp::Writer((message), (*link)->session_.protocol()).simple(*line);
      (*link)->push(message);
    });
  };
}

Connection::Ran Connection::refuse_busy() {
  writer_.error(kBusyScript);
  return Ran::kRefused;
}

void Connection::on_inner(const Command& command, bool failed) {
  LoopTallies& tallies = loop_.own_tallies();
  const std::uint32_t index = find_registered(command.name).index;
  tallies.calls[index].add();
  if (!failed) return;
  tallies.failed_calls[index].add();
  tallies.error_replies.add();
}

// Of the deferred replies written since the last time.
void Connection::count_failed() {
  LoopTallies& tallies = loop_.own_tallies();
  for (const std::uint32_t index : replies_.take_failed()) {
    tallies.error_replies.add();
    tallies.failed_calls[index].add();
  }
}

std::shared_ptr<ReplySlot> Connection::defer() {
  // The rest of the batch may miss as well: what misses together is loaded together.
  if (processing_ && !gathering_) gathering_.emplace(loop_.layer());
  return std::make_shared<Slot>(
      loop_.mailbox(), link_,
      replies_.defer(current_, find_registered(context_.args[0]).index, session_.protocol(), muted_));
}

void Connection::protocol_error() {
  loop_.own_tallies().errors.add();
  resp::Output& target = replies_.target();
  const std::size_t before = target.bytes();
  writer_ = resp::Writer(target, session_.protocol());
  writer_.error(parser_.error());
  loop_.own_tallies().error_replies.add();
  replies_.on_written(target.bytes() - before);
  closing_ = true;
}

// With deferred replies open, further ones only as far as all of them fit into the share that the output may
// fill.
bool Connection::may_start(ReplyQueue::Request request) const {
  return replies_.empty() ||
         (replies_.may_start(request) && output_memory() + replies_.expected() <= output_limit() / 2);
}

// Replies tend to complete in groups; one pass serves them all.
void Connection::on_reply(ReplyQueue::Pending& pending, ReplySlot::Fill fill, std::size_t bytes) {
  const Self keep(this);  // too much memory may close it
  replies_.complete(pending, std::move(fill), bytes);
  session_.on_output(output_memory());
  report_memory();
  if (!closed_ && !processing_) resume();
}

void Connection::on_kept(std::uint64_t ticket, std::string_view error) {
  replies_.release(ticket, error);
  process();
}

}  // namespace forebay::server
