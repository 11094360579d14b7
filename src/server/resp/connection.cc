#include "server/resp/connection.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "server/log.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

// Commands that one connection executes before others get their turn.
constexpr int kTurn = 1000;
// Replies are sent within a batch when there are this many bytes of them.
constexpr std::size_t kSendEarly = std::size_t{256} << 10;
// Output buffers that grew beyond this are given back when empty.
constexpr std::size_t kKeptOutput = std::size_t{64} << 10;
// Before a client has given its password: most bytes of unread replies.
constexpr std::size_t kUnauthenticatedOutput = std::size_t{16} << 10;

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

void Connection::serve(EventLoop& loop, Descriptor socket, Session::Origin origin) {
  const Self connection(new Connection(loop, std::move(socket), std::move(origin)));
  connection->own_ = connection;
  loop.add(*connection);
  if (!loop.watch(connection->socket_.get(), *connection)) connection->close();
}

Connection::Connection(EventLoop& loop, Descriptor socket, Session::Origin origin)
    : loop_(loop),
      socket_(std::move(socket)),
      session_(std::move(origin), *this, loop.server().options().password.empty()),
      link_(std::make_shared<Connection*>(this)),
      writer_(replies_.target()),
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
  replies_.clear();
  loop_.remove(*this);
  socket_.reset();
}

void Connection::drain() {
  // What has arrived can still be read, then the end of the stream comes.
  ::shutdown(socket_.get(), SHUT_RD);
}

bool Connection::overdue(Instant now) const {
  const config::Server& options = loop_.server().options();
  const auto past = [now](Instant since, std::chrono::milliseconds limit) {
    return limit.count() > 0 && since != kNever && now - since > limit;
  };
  if (past(request_since_, options.request_timeout)) return true;
  if (throttled_ || waiting_ || closing_) return past(stalled_since_, options.request_timeout);
  Instant active = session_.last_active();
  if (stalled_since_ != kNever) active = std::max(active, stalled_since_);
  return !replies_.loading() &&
         past(active, loop_.server().limits().idle_timeout.load(std::memory_order_relaxed));
}

std::size_t Connection::output_limit() const {
  const std::size_t limit = loop_.server().limits().max_output_buffer.load(std::memory_order_relaxed);
  return session_.authenticated() ? limit : std::min(limit, kUnauthenticatedOutput);
}

void Connection::on_events(std::uint32_t events) {
  const Self keep(this);
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) hung_up_ = true;
  if (writing_ && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) on_writable();
  if (readable_ && !stopped() && !closed_) receive();
}

void Connection::receive() {
  const std::size_t most = loop_.server().limits().max_query_buffer.load(std::memory_order_relaxed);
  const std::span<char> room = input_.prepare(most);
  const ssize_t bytes = ::recv(socket_.get(), room.data(), room.size(), 0);
  if (bytes < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      readable_ = false;
      return;
    }
    if (errno == EINTR) return resume();
    return close();
  }
  const auto count = static_cast<std::size_t>(bytes);
  if (count == 0) ended_ = true;
  // A short read empties the socket, and more will raise a new event; but the end of the stream has had its
  // event.
  if (count == 0 || (count < room.size() && !hung_up_)) readable_ = false;
  input_.commit(count);
  loop_.own_tallies().bytes_in.add(count);
  process();
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

// Executes what can be executed, sends, and arranges what happens next. Called whenever something has
// changed.
void Connection::process() {
  if (processing_ || closed_) return;
  processing_ = true;
  context_.now = loop_.now();
  const RuntimeLimits& limits = loop_.server().limits();
  request_limits_.max_bulk = limits.max_value.load(std::memory_order_relaxed);
  waiting_ = throttled_ = yielded_ = false;
  const std::size_t before = input_.pending().size();

  settle();
  for (int executed = 0; !closing_ && !closed_; ++executed) {
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
  send();
  if (closed_) return;
  session_.on_output(output_memory());
  if (ended_ && !stopped()) closing_ = true;
  if (closing_ && replies_.empty() && unsent() == 0) return close();
  if (left > limits.max_query_buffer.load(std::memory_order_relaxed)) {
    static LogLimit limit;
    log_warning(limit,
                fmt::format("resp: closed client {}: query buffer limit reached", session_.origin().address));
    loop_.own_tallies().closed_query.add();
    return close();
  }
  if (yielded_ || (waiting_ && settled) || (readable_ && !stopped())) resume();
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
  if (!parser_.args().empty() && execute(parser_.args()) == Step::kStop) return Step::kStop;
  if (closed_) return Step::kStop;
  input_.consume(parser_.size());

  return unsent() > kUnauthenticatedOutput / 2 ? check_output() : Step::kContinue;
}

Connection::Step Connection::check_output() {
  const std::size_t limit = output_limit();
  if (replies_.ready().size() > kSendEarly || unsent() > limit / 2) send();
  if (closed_) return Step::kStop;
  if (unsent() > limit) {
    static LogLimit log_limit;
    log_warning(log_limit,
                fmt::format("resp: closed client {}: it does not read its replies (output buffer limit)",
                            session_.origin().address));
    loop_.own_tallies().closed_output.add();
    close();
    return Step::kStop;
  }
  throttled_ = session_.authenticated() && unsent() > limit / 2;
  return throttled_ ? Step::kStop : Step::kContinue;
}

// kStop: nothing was done, the request must wait.
Connection::Step Connection::execute(std::span<const std::string_view> args) {
  const Registered found = find_registered(args[0]);
  current_ = found.command != nullptr && (found.command->flags & kConcurrent) != 0
                 ? ReplyQueue::Request::kConcurrent
                 : ReplyQueue::Request::kExclusive;
  if (!may_start(current_)) {
    waiting_ = true;
    return Step::kStop;
  }
  std::string& target = replies_.target();
  const std::size_t before = target.size();
  const ReplyMode mode = session_.reply_mode();
  muted_ = mode != ReplyMode::kOn;
  writer_ = resp::Writer(target, session_.protocol());
  context_.args = args;

  const Ran ran = run(found);
  if (ran == Ran::kRefused) {
    loop_.own_tallies().errors.add();
    session_.transaction().poison();
  }
  if (target.size() > before && target[before] == '-') {
    LoopTallies& tallies = loop_.own_tallies();
    tallies.error_replies.add();
    if (found.command != nullptr) {
      (ran == Ran::kYes ? tallies.failed_calls : tallies.rejected_calls)[found.index].add();
    }
  }
  if (muted_ && session_.reply_mode() != ReplyMode::kOn) target.resize(before);
  if (mode == ReplyMode::kSkipNext && session_.reply_mode() == ReplyMode::kSkipNext) {
    session_.set_reply_mode(ReplyMode::kOn);
  }
  const std::uint64_t ticket = std::exchange(ticket_, 0);
  if (&target == &replies_.target()) {
    replies_.on_written(target.size() - before);
    if (ticket != 0 && target.size() > before) replies_.hold(before, ticket, found.index);
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
  session_.on_command(*command);
  if (session_.transaction().open() && queue_if_open(context_, *command)) return Ran::kQueued;
  loop_.own_tallies().calls[found.index].add();
  command->handler(context_);
  return Ran::kYes;
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
  std::string& target = replies_.target();
  const std::size_t before = target.size();
  writer_ = resp::Writer(target, session_.protocol());
  writer_.error(parser_.error());
  loop_.own_tallies().error_replies.add();
  replies_.on_written(target.size() - before);
  closing_ = true;
}

// With deferred replies open, further ones only as far as all of them fit into the share that the output may
// fill.
bool Connection::may_start(ReplyQueue::Request request) const {
  return replies_.empty() ||
         (replies_.may_start(request) && output_memory() + replies_.expected() <= output_limit() / 2);
}

// Sends complete replies piece by piece, as long as the socket takes them. True: something moved.
bool Connection::settle() {
  bool moved = !replies_.empty() && replies_.settle(kSendEarly);
  while (!closed_ && !writing_ && !replies_.empty() && replies_.ready().size() >= kSendEarly) {
    send();
    if (!closed_ && replies_.settle(kSendEarly)) moved = true;
  }
  return moved;
}

// Replies tend to complete in groups; one pass serves them all.
void Connection::on_reply(ReplyQueue::Pending& pending, ReplySlot::Fill fill, std::size_t bytes) {
  replies_.complete(pending, std::move(fill), bytes);
  session_.on_output(output_memory());
  if (!closed_ && !processing_) resume();
}

void Connection::on_kept(std::uint64_t ticket, std::string_view error) {
  const Self keep(this);
  replies_.release(ticket, error);
  process();
}

// Sends from `from` on until all is sent or the socket is full. False: the connection has closed.
bool Connection::transmit(const std::string& bytes, std::size_t& from) {
  while (from < bytes.size()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL);
    if (sent > 0) {
      from += static_cast<std::size_t>(sent);
      loop_.own_tallies().bytes_out.add(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR) {
      close();
      return false;
    }
  }
  return true;
}

void Connection::send() {
  std::string& ready = replies_.ready();
  if (writing_ || closed_ || ready.empty()) return;
  std::size_t sent = 0;
  if (!transmit(ready, sent)) return;
  if (sent < ready.size()) {
    // The rest goes when there is room, and new replies gather meanwhile.
    sending_.swap(ready);
    sent_ = sent;
    writing_ = true;
    stalled_since_ = context_.now;
  }
  ready.clear();
  if (ready.capacity() > kKeptOutput) ready.shrink_to_fit();
}

void Connection::on_writable() {
  const std::size_t before = sent_;
  if (!transmit(sending_, sent_)) return;
  if (sent_ == sending_.size()) {
    writing_ = false;
    sending_.clear();
    if (sending_.capacity() > kKeptOutput) sending_.shrink_to_fit();
    sent_ = 0;
    stalled_since_ = kNever;
  } else {
    if (sent_ > before) stalled_since_ = loop_.now();
    session_.on_output(output_memory());
    if (!throttled_ || unsent() > output_limit() / 4) return;
  }
  process();
}

}  // namespace forebay::server
