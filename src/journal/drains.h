#pragma once

// Who waits until streams have been flushed as far as they go now, and is told once for all of them.
//
// A drain is begun, then the streams with something to wait for are added to it one by one, then it is
// closed. It is answered when it is closed and none of its streams is left: true if all of them got through.
//
// Thread-safe; its lock is taken before a lock of the queue. Callbacks run without it.

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "journal/outbox.h"

namespace forebay::journal {

class Drains : public std::enable_shared_from_this<Drains> {
 public:
  using Stream = Outbox::Stream;
  struct Drain;
  using DrainPtr = std::shared_ptr<Drain>;

  // Borrowed.
  explicit Drains(Outbox& outbox) : outbox_(outbox) {}

  DrainPtr begin(std::move_only_function<void(bool)> done) EXCLUDES(mutex_);
  // Waits for the stream up to `last`, and hurries it.
  void add(const DrainPtr& drain, Stream& stream, std::uint64_t last) EXCLUDES(mutex_);
  // The drain waits for writes that nobody sends: its answer will be false.
  void fail(const DrainPtr& drain) EXCLUDES(mutex_);
  void close(const DrainPtr& drain) EXCLUDES(mutex_);
  // The stream has stopped: a drain, or all of them, need not wait for it any more, and the answer is false.
  void give_up(const DrainPtr& drain, Stream& stream) { ended(drain, stream, false); }
  void give_up(Stream& stream) EXCLUDES(mutex_);
  // Answers false to all that are left.
  void end() EXCLUDES(mutex_);

 private:
  void ended(const DrainPtr& drain, Stream& stream, bool good) EXCLUDES(mutex_);
  void finish(const DrainPtr& drain) EXCLUDES(mutex_);

  Outbox& outbox_;
  Mutex mutex_;
  std::vector<DrainPtr> drains_ GUARDED_BY(mutex_);
};

}  // namespace forebay::journal
