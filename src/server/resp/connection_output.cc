// How a connection's replies leave: in pieces as the socket takes them, and within the output limit.

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

#include "server/clients.h"
#include "server/log.h"
#include "server/resp/connection.h"
#include "server/tracking/tracking.h"

namespace forebay::server {
namespace {

// Replies are sent within a batch when there are this many bytes of them.
constexpr std::size_t kSendEarly = std::size_t{256} << 10;
// Output buffers that grew beyond this are given back when empty.
constexpr std::size_t kKeptOutput = std::size_t{64} << 10;
// Parts of one vectored send.
constexpr std::size_t kParts = 64;
// What is sent at once: a client that reads as fast as the socket takes could keep the loop for as long as its replies
// last.
constexpr std::size_t kSendPerTurn = std::size_t{256} << 10;

// The parts up to so many bytes; returns how many parts that are.
std::size_t cut(std::span<iovec> parts, std::size_t most) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].iov_len >= most) {
      parts[i].iov_len = most;
      return i + 1;
    }
    most -= parts[i].iov_len;
  }
  return parts.size();
}

}  // namespace

std::size_t Connection::output_limit() const {
  const std::size_t limit = loop_.server().limits().max_output_buffer.load(std::memory_order_relaxed);
  return session_.authenticated() ? limit : std::min(limit, kUnauthenticatedOutput);
}

Connection::Step Connection::check_output() {
  const std::size_t limit = output_limit();
  const bool overflown = replies_.target().overflown || replies_.ready().overflown;
  if (!overflown && (replies_.ready().bytes() > kSendEarly || unsent() > limit / 2)) send();
  if (closed_) return Step::kStop;
  if (overflown || unsent() > limit) {
    static LogLimit log_limit;
    log_warning(log_limit,
                fmt::format("resp: closed client {}: it does not read its replies (output buffer limit)",
                            session_.origin().address));
    loop_.own_tallies().closed_output.add();
    close();
    return Step::kStop;
  }
  // What the socket would still take goes first: it must not count against the client.
  throttled_ = session_.authenticated() && (unsent() > limit / 2 || (paced_ && unsent() > kSendPerTurn));
  return throttled_ ? Step::kStop : Step::kContinue;
}

// Sends complete replies piece by piece, as long as the socket takes them. True: something moved.
bool Connection::settle() {
  bool moved = !replies_.empty() && replies_.settle(kSendEarly, output_limit());
  while (!closed_ && !writing_ && !replies_.empty() && replies_.ready().bytes() >= kSendEarly) {
    if (replies_.ready().overflown) break;
    send();
    if (!closed_ && replies_.settle(kSendEarly, output_limit())) moved = true;
  }
  if (replies_.ready().overflown) check_output();
  return moved;
}

// As send() answers.
std::ptrdiff_t Connection::send_parts(std::span<iovec> parts) {
  if (tls_ != nullptr) return tls_->send(parts);
  if (parts.size() == 1) return ::send(socket_.get(), parts[0].iov_base, parts[0].iov_len, MSG_NOSIGNAL);
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  return ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
}

// Sends from `from` on until all is sent, the socket is full, or others have their turn. False: the connection has
// closed.
bool Connection::transmit(const resp::Output& replies, resp::Output::Cursor& from) {
  std::array<iovec, kParts> parts;
  std::size_t left = kSendPerTurn;
  for (;;) {
    std::size_t count = replies.gather(from, parts);
    if (count == 0) return true;
    if (left == 0) {
      paced_ = true;
      if (!std::exchange(in_line_, true)) loop_.stand_in_line(*this);
      return true;
    }
    count = cut(std::span(parts).first(count), left);
    const ssize_t sent = send_parts(std::span(parts).first(count));
    if (sent > 0) {
      replies.advance(from, static_cast<std::size_t>(sent));
      sent_bytes_ += static_cast<std::size_t>(sent);
      left -= static_cast<std::size_t>(sent);
      loop_.own_tallies().bytes_out.add(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return true;
    } else if (errno != EINTR) {
      close();
      return false;
    }
  }
}

void Connection::send() {
  resp::Output& ready = replies_.ready();
  if (writing_ || closed_ || ready.empty()) return;
  resp::Output::Cursor cursor;
  if (!transmit(ready, cursor)) return;
  if (sent_bytes_ < ready.bytes()) {
    // The rest goes when there is room, and new replies gather meanwhile.
    std::swap(sending_, ready);
    sent_ = cursor;
    writing_ = true;
    stalled_since_ = context_.now;
  } else {
    sent_bytes_ = 0;
  }
  ready.clear();
  if (ready.text.capacity() > kKeptOutput) ready.text.shrink_to_fit();
}

// Behind everything that was asked before it: a client that is told that a key has changed must have read the old
// value already, if that is what its reply will say.
void Connection::push(const resp::Output& encoded) {
  if (closed_ || closing_ || overrun_) return;
  const std::size_t hard = loop_.server().limits().subscriber_output_hard.load(std::memory_order_relaxed);
  overrun_ = hard != 0 && unsent() + encoded.bytes() > hard;
  if (!overrun_) {
    resp::Output& target = replies_.target();
    target.append(encoded);
    replies_.on_written(encoded.bytes());
  }
  if (!std::exchange(unflushed_, true)) loop_.flush_soon(*this);
}

void Connection::on_invalidation(Invalidation&& what) {
  Tracking* const tracking = session_.tracking();
  if (tracking == nullptr) return;
  const std::uint64_t other = tracking->options().redirect;
  if (other == 0) return forget(what, Told::kForItself);
  if (loop_.server().clients().forget(other, std::make_shared<const Invalidation>(std::move(what)))) return;
  tracking->set_broken();
  session_.show_tracking();
  if (session_.protocol() != resp::Protocol::kResp3) return;
  resp::Output message;
  resp::Writer writer(message, resp::Protocol::kResp3);
  writer.push(2);
  writer.bulk(std::string_view("tracking-redir-broken"));
  writer.integer(static_cast<std::int64_t>(other));
  push(message);
}

// RESP2 has no pushes: such a client is told of another one's keys by a message, if it is subscribed.
void Connection::forget(const Invalidation& what, Told told) {
  const bool pushes = session_.protocol() == resp::Protocol::kResp3;
  if (!pushes && (told == Told::kForItself || !subscriptions_.any())) return;
  resp::Output message;
  resp::Writer writer(message, session_.protocol());
  const auto begin = [&] {
    writer.push(pushes ? 2 : 3);
    if (pushes) return writer.bulk(std::string_view("invalidate"));
    writer.bulk(std::string_view("message"));
    writer.bulk(std::string_view("__redis__:invalidate"));
  };
  if (what.everything) {
    begin();
    writer.null();
  } else if (what.together) {
    begin();
    writer.array(what.keys.size());
    for (const std::string& key : what.keys) writer.bulk(std::string_view(key));
  } else {
    for (const std::string& key : what.keys) {
      begin();
      writer.array(1);
      writer.bulk(std::string_view(key));
    }
  }
  push(message);
}

bool Connection::lagging(Instant now) {
  const RuntimeLimits& limits = loop_.server().limits();
  const std::size_t soft = limits.subscriber_output_soft.load(std::memory_order_relaxed);
  if (!overrun_ && (soft == 0 || !is_pushed_to() || unsent() <= soft)) {
    lagging_since_ = kNever;
    return false;
  }
  if (lagging_since_ == kNever) lagging_since_ = now;
  if (!overrun_ && now - lagging_since_ <= limits.subscriber_output_patience.load(std::memory_order_relaxed))
    return false;
  static LogLimit limit;
  log_warning(limit, fmt::format("resp: closed client {}: it does not read its messages ({} bytes, limit of "
                                 "subscribers)",
                                 session_.origin().address, unsent()));
  loop_.own_tallies().closed_output.add();
  return true;
}

void Connection::flush(Instant now) {
  unflushed_ = false;
  const Self keep(this);
  context_.now = now;
  send();
  if (closed_) return;
  if (lagging(now)) return close();
  session_.on_output(output_memory());
  report_memory();
}

void Connection::on_writable() {
  const std::size_t before = sent_bytes_;
  paced_ = false;
  if (!transmit(sending_, sent_)) return;
  if (sent_bytes_ == sending_.bytes()) {
    writing_ = false;
    sending_.clear();
    if (sending_.text.capacity() > kKeptOutput) sending_.text.shrink_to_fit();
    sent_ = {};
    sent_bytes_ = 0;
    stalled_since_ = kNever;
  } else {
    if (sent_bytes_ > before) stalled_since_ = loop_.now();
    session_.on_output(output_memory());
    report_memory();
    if (!throttled_ || unsent() > (paced_ ? kSendPerTurn : output_limit() / 4)) return;
  }
  process();
}

}  // namespace forebay::server
