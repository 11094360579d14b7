#pragma once

// Keeps replies in the order of their requests while some of them are still to come.
//
// Replies that nothing precedes go straight to ready(). Once a reply is deferred, what follows is kept behind
// it until it is complete. While nothing is deferred this costs a comparison. Used on one event loop's
// thread; no sockets here.

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "resp/writer.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

class ReplyQueue {
 public:
  // Deferred replies per connection; further requests wait until some are complete.
  static constexpr std::size_t kMaxOpen = 4096;

  enum class Request : bool { kConcurrent, kExclusive };

  // A deferred reply. Shared with whoever completes it; used on the loop's thread only.
  struct Pending {
    ReplySlot::Fill fill;  // set: complete
    std::string behind;    // replies to the requests that followed, in order
    resp::Protocol protocol;
    bool muted;  // CLIENT REPLY OFF or SKIP when it was asked
  };

  // Whether a request of this kind may start now: an exclusive one waits for all deferred replies, and all
  // wait for a deferred reply of an exclusive one (a read must see the write before it).
  bool may_start(Request request) const {
    return pending_.empty() || (request == Request::kConcurrent && !exclusive_ && pending_.size() < kMaxOpen);
  }
  bool empty() const { return pending_.empty(); }

  // Where the next reply is to be written.
  std::string& target() { return pending_.empty() ? ready_ : pending_.back()->behind; }

  std::shared_ptr<Pending> defer(Request request, resp::Protocol protocol, bool muted) {
    pending_.push_back(std::make_shared<Pending>(nullptr, std::string(), protocol, muted));
    exclusive_ = exclusive_ || request == Request::kExclusive;
    return pending_.back();
  }

  // Moves to ready() what complete replies at the front allow. True: something moved.
  bool settle() {
    bool moved = false;
    while (!pending_.empty() && pending_.front()->fill) {
      const std::shared_ptr<Pending> front = std::move(pending_.front());
      pending_.pop_front();
      const std::size_t before = ready_.size();
      resp::Writer writer(ready_, front->protocol);
      front->fill(writer);
      if (ready_.size() > before && ready_[before] == '-') ++errors_;
      if (front->muted) ready_.resize(before);
      held_ -= front->behind.size();
      ready_.append(front->behind);
      moved = true;
    }
    if (pending_.empty()) exclusive_ = false;
    return moved;
  }

  // Told how much target() grew by, so that held() is known without a walk.
  void on_written(std::size_t bytes) {
    if (!pending_.empty()) held_ += bytes;
  }

  // Replies in order, to be sent and cleared by the connection.
  std::string& ready() { return ready_; }
  const std::string& ready() const { return ready_; }
  // Bytes kept behind deferred replies.
  std::size_t held() const { return held_; }
  void clear() { pending_.clear(); }
  // How many of the deferred replies were errors, since this was last asked.
  std::size_t take_errors() { return std::exchange(errors_, 0); }

 private:
  std::string ready_;
  std::deque<std::shared_ptr<Pending>> pending_;
  std::size_t held_ = 0;
  std::size_t errors_ = 0;
  bool exclusive_ = false;
};

}  // namespace forebay::server
