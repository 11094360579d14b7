#pragma once

// A client that keeps what it reads, as those see it who change keys: where to say what is no longer true.
//
// What is told gathers here until the client's event loop takes it; the loop is woken once for all of it. Where
// a client does not keep up, single keys become "everything". Thread-safe; a leaf lock, but for the mailbox's.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "server/resp/mailbox.h"

namespace forebay::server {

// What a client is to forget.
struct Invalidation {
  bool everything = false;
  bool together = false;  // the keys in one message; else one for each
  std::vector<std::string> keys;
};

class TrackedClient : public std::enable_shared_from_this<TrackedClient> {
 public:
  // Keys that wait for the client's loop; beyond that it is to forget everything.
  static constexpr std::size_t kMostWaiting = 100'000;

  // On the client's loop, as long as that runs.
  using Deliver = std::function<void(Invalidation&&)>;

  TrackedClient(std::uint64_t id, std::shared_ptr<Mailbox> mailbox, Deliver deliver)
      : id_(id), mailbox_(std::move(mailbox)), deliver_(std::move(deliver)) {}

  std::uint64_t id() const { return id_; }
  // Set with CLIENT TRACKING.
  void set_no_loop(bool on) { no_loop_.store(on, std::memory_order_relaxed); }
  void set_broadcast(bool on) { broadcast_.store(on, std::memory_order_relaxed); }
  bool no_loop() const { return no_loop_.load(std::memory_order_relaxed); }
  bool broadcast() const { return broadcast_.load(std::memory_order_relaxed); }

  void tell(std::string_view key);
  void tell_everything();
  // It tracks nothing any more; what is told from now on is lost.
  void end() { ended_.store(true, std::memory_order_relaxed); }
  bool ended() const { return ended_.load(std::memory_order_relaxed); }

 private:
  // Requires the lock, or what it gathers could be taken between the two.
  void wake_locked() REQUIRES(mutex_);
  void take();

  const std::uint64_t id_;
  const std::shared_ptr<Mailbox> mailbox_;
  const Deliver deliver_;
  // Relaxed: a key told to a client that has just ended does no harm, and the loop looks again.
  std::atomic<bool> no_loop_{false};
  std::atomic<bool> broadcast_{false};
  std::atomic<bool> ended_{false};
  Mutex mutex_;
  Invalidation waiting_ GUARDED_BY(mutex_);
  bool woken_ GUARDED_BY(mutex_) = false;
};

}  // namespace forebay::server
