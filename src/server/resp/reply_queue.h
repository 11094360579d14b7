#pragma once

// Keeps replies in the order of their requests while some of them are still to come, or must not leave yet.
//
// Replies that nothing precedes go straight to ready(). Once a reply is deferred, what follows is kept behind
// it until it is complete. A reply that is held is there already, but what it says is true only once the
// write behind it has been kept: held replies, and all that follow them, wait in groups for the ticket of the
// last one. While nothing is deferred or held this costs a comparison. Used on one event loop's thread; no
// sockets here.
//
// How large a deferred reply will be is not known when it is opened, so memory is bounded by what the ones
// before it turned out to be: expected() is for the connection to stop opening more in time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "resp/output.h"
#include "resp/writer.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

class ReplyQueue {
 public:
  // Deferred replies per connection; further requests wait until some are complete. Enough that a full batch
  // of keys (500 by default) becomes one query; few enough for the first ones, whose size nobody knows yet.
  static constexpr std::size_t kMaxOpen = 512;

  enum class Request : std::uint8_t {
    kConcurrent,  // may start while other such are open: reads
    kExclusive,   // waits for those, and others wait for its reply
    // Was exclusive when it started and is in effect by now: whoever comes later sees what it did, so nobody
    // has to wait for its reply
    kInEffect,
  };

  struct Held {  // a place in `behind`
    std::size_t begin, end;
    std::uint32_t command;
  };
  // A deferred reply. Shared with whoever completes it; used on the loop's thread only.
  struct Pending {
    Request request{};
    ReplySlot::Fill fill;   // set: complete
    std::size_t bytes = 0;  // what `fill` keeps in memory
    resp::Output behind;    // replies to the requests that followed, in order
    resp::Protocol protocol{};
    std::uint32_t command = 0;  // its index in the registry
    bool muted = false;         // CLIENT REPLY OFF or SKIP when it was asked
    // A group of held replies, all of them in `behind`, with other replies among them.
    std::uint64_t ticket = 0;  // the last one's; 0: it is none
    bool asked = false;        // it takes no more held replies: its release has been asked for
    bool released = false;
    std::vector<Held> held;
  };

  // Whether a request of this kind may start now: an exclusive one waits for the deferred replies of
  // concurrent ones (a read must not see the write behind it), and all wait for the deferred reply of an
  // exclusive one (a read must see the write before it).
  bool may_start(Request request) const {
    return pending_.empty() || (exclusive_ == 0 && (request == Request::kConcurrent || concurrent_ == 0) &&
                                pending_.size() < kMaxOpen);
  }
  bool empty() const { return pending_.empty(); }
  // Whether a reply is still to come, or to be released.
  bool loading() const { return open_ > 0 || groups_ > 0; }

  // Where the next reply is to be written.
  resp::Output& target() { return pending_.empty() ? ready_ : pending_.back()->behind; }

  std::shared_ptr<Pending> defer(Request request, std::uint32_t command, resp::Protocol protocol,
                                 bool muted) {
    auto pending = std::make_shared<Pending>();
    pending->request = request;
    pending->command = command;
    pending->protocol = protocol;
    pending->muted = muted;
    pending_.push_back(std::move(pending));
    ++open_;
    if (std::size_t* count = count_of(request)) ++*count;
    return pending_.back();
  }

  // What was deferred last is in effect; its reply is still to come.
  void in_effect() {
    if (pending_.empty() || pending_.back()->fill || pending_.back()->ticket != 0) return;
    if (std::size_t* count = count_of(pending_.back()->request)) --*count;
    pending_.back()->request = Request::kInEffect;
  }

  // The reply has come: `fill` writes it and keeps `bytes` in memory until then.
  void complete(Pending& pending, ReplySlot::Fill fill, std::size_t bytes) {
    pending.fill = std::move(fill);
    pending.bytes = bytes;
    complete_ += bytes;
    --open_;
    if (std::size_t* count = count_of(pending.request)) --*count;
    // At once up, slowly down: of replies of mixed sizes the large ones count.
    usual_ = std::max(bytes, usual_ - usual_ / 8);
  }

  // The reply that was written to target() from `begin` on is held for the ticket, which is above those
  // before it. on_written() has been called.
  void hold(std::size_t begin, std::uint64_t ticket, std::uint32_t command) {
    if (pending_.empty() || pending_.back()->ticket == 0 || pending_.back()->asked) {
      resp::Output& before = target();
      auto group = std::make_shared<Pending>();
      group->request = Request::kInEffect;
      group->behind = before.cut(begin);
      if (pending_.empty()) held_ += group->behind.bytes();
      begin = 0;
      pending_.push_back(std::move(group));
      ++groups_;
    }
    Pending& group = *pending_.back();
    group.ticket = ticket;
    group.held.push_back({begin, group.behind.text.size(), command});
  }

  // Whether there are held replies whose release has not been asked for. It is now.
  bool ask() {
    bool any = false;
    if (groups_ == 0) return any;
    for (auto each = pending_.rbegin(); each != pending_.rend(); ++each) {
      Pending& group = **each;
      if (group.ticket == 0) continue;
      if (std::exchange(group.asked, true)) break;
      any = true;
    }
    return any;
  }

  // Replies held for tickets up to this one may leave; with an error, it takes their place.
  void release(std::uint64_t ticket, std::string_view error) {
    for (const auto& each : pending_) {
      Pending& group = *each;
      if (group.ticket == 0 || group.released || !group.asked) continue;
      if (group.ticket > ticket) return;
      group.released = true;
      --groups_;
      if (!error.empty()) replace_held(group, error);
    }
  }

  // Moves to ready() what complete replies at the front allow, until there are `most` bytes: the rest stays
  // where it is, so that no second copy of all of it comes to be. A reply stops growing beyond `limit`
  // (Writer). True: something moved.
  bool settle(std::size_t most, std::size_t limit = std::numeric_limits<std::size_t>::max()) {
    bool moved = false;
    while (!pending_.empty() && (pending_.front()->fill || pending_.front()->released) &&
           ready_.bytes() < most) {
      const std::shared_ptr<Pending> front = std::move(pending_.front());
      pending_.pop_front();
      if (front->fill) {
        complete_ -= front->bytes;
        const std::size_t before = ready_.text.size();
        resp::Writer writer(ready_, front->protocol, limit);
        front->fill(writer);
        if (ready_.text.size() > before && ready_.text[before] == '-') failed_.push_back(front->command);
        if (front->muted) ready_.truncate(before);
      }
      held_ -= front->behind.bytes();
      ready_.append(front->behind);
      moved = true;
    }
    return moved;
  }

  // Told how much target() grew by, so that held() is known without a walk.
  void on_written(std::size_t bytes) {
    if (!pending_.empty()) held_ += bytes;
  }

  // Replies in order, to be sent and cleared by the connection.
  resp::Output& ready() { return ready_; }
  const resp::Output& ready() const { return ready_; }
  // Bytes kept behind deferred replies.
  std::size_t held() const { return held_; }
  // Bytes that complete replies keep which are not in ready() yet.
  std::size_t complete_bytes() const { return complete_; }
  // What the replies still to come will take if they are as large as those before them.
  std::size_t expected() const { return open_ * usual_; }
  void clear() {
    pending_.clear();
    open_ = groups_ = concurrent_ = exclusive_ = complete_ = held_ = 0;
  }
  // The commands whose deferred replies were errors, since they were last taken.
  bool failed() const { return !failed_.empty(); }
  std::vector<std::uint32_t> take_failed() { return std::exchange(failed_, {}); }

 private:
  // Null: it holds nobody up.
  std::size_t* count_of(Request request) {
    if (request == Request::kInEffect) return nullptr;
    return request == Request::kConcurrent ? &concurrent_ : &exclusive_;
  }

  void replace_held(Pending& group, std::string_view error) {
    resp::Output replaced;
    std::size_t from = 0;
    for (const Held& held : group.held) {
      replaced.append(group.behind, from, held.begin);
      from = held.end;
      if (held.begin == held.end) continue;  // muted
      resp::Writer(replaced, resp::Protocol::kResp2).error(error);
      failed_.push_back(held.command);
    }
    replaced.append(group.behind, from, group.behind.text.size());
    held_ += replaced.bytes() - group.behind.bytes();
    group.behind = std::move(replaced);
  }

  resp::Output ready_;
  std::deque<std::shared_ptr<Pending>> pending_;
  std::size_t held_ = 0;
  std::size_t complete_ = 0;
  std::size_t open_ = 0;    // of pending_, those without a fill
  std::size_t groups_ = 0;  // of pending_, held replies that are not released
  std::size_t usual_ = 0;   // bytes of one deferred reply
  std::vector<std::uint32_t> failed_;
  std::size_t concurrent_ = 0;  // of the open ones
  std::size_t exclusive_ = 0;
};

}  // namespace forebay::server
