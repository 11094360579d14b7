#pragma once

// Writes whose commit was not confirmed (rule X14): the source may have them, may still get them, or will not.
//
// What they would change is dropped at once, and until the source says that the transaction has ended nothing
// that is loaded of it is stored: neither the key, nor its row under other names, nor what depends on the row.
// Then it is dropped once more, for loads that began before, and all is as ever. The source is asked again and
// again, however long it is away.
//
// Thread-safe.

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/executor.h"
#include "base/mutex.h"
#include "layer/invalidate/invalidator.h"

namespace forebay::layer {

class UnconfirmedWrites {
 public:
  // Everything is borrowed.
  UnconfirmedWrites(Invalidator& invalidator, const Clock& clock, Scheduler& scheduler)
      : invalidator_(invalidator), clock_(clock), scheduler_(scheduler) {}

  // Requires that `change` names the source's table and has the images that the write would leave.
  void add(const KeyRef& at, RowChange change, std::uint64_t transaction);
  // For EXPLAIN: whether a write of this key is one of them.
  bool has(std::string_view key) const;
  // No source is asked any more. For the end.
  void stop();

 private:
  struct Waiting;
  void ask_later(std::shared_ptr<Waiting> waiting);
  void ask(const std::shared_ptr<Waiting>& waiting);
  void answered(const std::shared_ptr<Waiting>& waiting, const Result<bool>& ended);

  Invalidator& invalidator_;
  const Clock& clock_;
  Scheduler& scheduler_;
  mutable Mutex mutex_;
  std::multiset<std::string, std::less<>> keys_ GUARDED_BY(mutex_);
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace forebay::layer
