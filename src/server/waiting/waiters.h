#pragma once

// Clients that wait for keys (BLPOP and its like): who waits for which, in the order in which they came, and who is
// served next.
//
// A command first tries. If there is nothing it defers its reply and joins the queues of its keys; then each of these
// is tried again, as an element may have come in between: for the first of the queue, and for the one that has just
// joined if it is nothing for that. From then on changed() is told of every change of a
// plain key, and notes those that somebody waits for, on the thread that made the change. That thread serves them
// once it is done with the command, the transaction or the script: it tries again for the first client of the
// queue, under the lock of the key's shard, answers it, and goes on with the next. So when whoever pushed sends
// its next command, those who waited have been served, as in Redis, unless another thread was serving just then.
//
// One thread serves at a time. Others hand their keys to it and go on, so nobody waits for it, and clients are served
// in the order in which they came, on whichever event loop they are.
//
// No change is missed. A waiter is in its queues, and changed() is told of changes, before its keys are tried
// under their shard's lock. A change made before that under the same lock is seen by that try; one made after it
// finds the waiter.
//
// While nobody waits the layer is not listened to for it: that costs a change nothing. While somebody does, a
// change of another key costs a hash and one look.
//
// Thread-safe. mutex_ is a leaf lock; nothing is tried and nobody is answered under it.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/clock.h"
#include "forebay/function_ref.h"
#include "server/resp/mailbox.h"
#include "server/waiting/waiter.h"

namespace forebay::server {

class Waiters {
 public:
  // As long as what `listen` returns lives, changed() is called for every change of a plain key.
  explicit Waiters(std::function<std::shared_ptr<void>()> listen) : listen_(std::move(listen)) {}
  Waiters(const Waiters&) = delete;
  Waiters& operator=(const Waiters&) = delete;

  // The loop that serves for threads that have none. Before the first change.
  void open(std::shared_ptr<Mailbox> mailbox) { home_ = std::move(mailbox); }
  // Listens no more. After the last client has gone.
  void close();

  // Whether a client waits for the key.
  bool waits_for(std::string_view key) const;
  // The waiter stands in the queues of its keys, which are noted on this thread: it is to serve() soon. The reply
  // comes by the waiter's slot. On an event loop's thread, without a lock of the layer.
  void join(const std::shared_ptr<Waiter>& waiter);
  // It waits no more; answers it, unless it has been already. One that is just being tried gets what is found for
  // it, if anything is. False: it had ended. Any thread.
  bool end(const std::shared_ptr<Waiter>& waiter, Unserved why);
  // The same by the client's id. False: it does not wait.
  bool end(std::uint64_t client, Unserved why);
  // How often it was tried whether there is something for one of them, since the start.
  std::uint64_t tried() const { return tried_.load(std::memory_order_relaxed); }
  // Clients that wait.
  std::size_t size() const { return waiting_.load(std::memory_order_relaxed); }

  // Any key may have another value: everything, or a namespace, was dropped. With locks of the layer held.
  void all_changed();
  // Whether a client waits for a key that is there (server/databases.h). O(keys that clients wait for).
  bool waits_at(unsigned place) const;

  // A plain key has another value, or none any more. With locks of the layer held (forebay/key_listener.h).
  void changed(std::string_view key);

  // Whether keys have been noted on this thread.
  static bool noted() { return noted_; }
  // Whether there is anything to serve() by this thread, or that another one has left to do.
  bool due() const { return noted_ || left_.load(std::memory_order_relaxed); }
  // Serves those who wait for keys that were noted. On an event loop's thread, without a lock of the layer. Stops
  // when `hold` says so, before the next key, and leaves the rest.
  void serve(const Clock& clock, FunctionRef<bool()> hold);

  // Now and then: stops to listen if nobody waits any more.
  void upkeep();

 private:
  using Queue = std::map<std::uint64_t, std::shared_ptr<Waiter>>;  // by their numbers
  // A key that is to be served: for all, as it has changed, or for the one with this number, which has joined.
  struct Ready {
    std::string key;
    std::uint64_t joiner = 0;
  };
  static std::vector<Ready>& noted_here();

  std::atomic<std::uint32_t>& filter(std::string_view key) { return filter_[hash_bytes(key) % kFilter]; }
  void listen();
  void take_noted_locked() REQUIRES(mutex_);
  void leave_locked(Waiter& waiter) REQUIRES(mutex_);
  std::optional<Ready> take(bool goes_on, FunctionRef<bool()> hold);
  void serve_key(const Ready& ready, Instant now);
  Waiter::Tried::Outcome serve_next(std::string_view key, std::uint64_t& after, Instant now);
  std::shared_ptr<Waiter> next(std::string_view key, std::uint64_t& after);
  void settle(const std::shared_ptr<Waiter>& waiter, Waiter::Tried tried);
  static void answer(Waiter& waiter, Unserved why);

  static constexpr std::size_t kFilter = 1024;
  static inline thread_local constinit bool noted_ = false;

  const std::function<std::shared_ptr<void>()> listen_;
  std::shared_ptr<Mailbox> home_;
  // Relaxed, as is the filter: who must see them has taken the lock of a shard after the waiter has (above).
  std::atomic<std::size_t> waiting_{0};
  std::array<std::atomic<std::uint32_t>, kFilter> filter_{};  // places by the hash of their keys
  std::atomic<std::uint64_t> tried_{0};
  std::atomic<bool> left_{false};  // relaxed: a hint; keys are left in ready_, and nobody serves them
  Mutex listen_mutex_;             // outside of locks that listening takes; none of the layer's shards
  std::shared_ptr<void> token_ GUARDED_BY(listen_mutex_);
  mutable Mutex mutex_;
  std::unordered_map<std::string, Queue, StringHash, std::equal_to<>> queues_ GUARDED_BY(mutex_);
  std::unordered_map<std::uint64_t, std::shared_ptr<Waiter>> by_client_ GUARDED_BY(mutex_);
  std::deque<Ready> ready_ GUARDED_BY(mutex_);
  std::uint64_t last_number_ GUARDED_BY(mutex_) = 0;
  bool serving_ GUARDED_BY(mutex_) = false;
};

}  // namespace forebay::server
