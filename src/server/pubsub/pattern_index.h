#pragma once

// All patterns that clients are subscribed to, and which of them match a channel.
//
// A channel is compared only with patterns whose text before the first special character it begins with: one
// look-up for each length of such a beginning. So thousands of patterns like `user:7:*` cost a message no more
// than a few. The comparing is done on a copy of the list, without the lock; the copy is made again only after
// the list has changed.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "server/pubsub/loop_counts.h"

namespace forebay::server {

struct Pattern {
  std::string text;
  Glob glob;
};

// Thread-safe; a leaf lock.
class PatternIndex {
 public:
  struct Matches {
    std::vector<std::shared_ptr<const Pattern>> patterns;
    LoopCounts loops;          // clients of each loop: of all these patterns together, so one may count twice
    std::size_t clients = 0;   // likewise
    std::uint64_t number = 0;  // subscriptions with a number from this on came later
  };

  // A client of the loop subscribes; returns the subscription's number. Requires that the text is no longer
  // than Glob::kMaxLength.
  std::uint64_t add(std::string_view text, std::uint32_t loop);
  void remove(std::string_view text, std::uint32_t loop);
  std::size_t size() const;

  // Costs a load while there are no patterns.
  Matches match(std::string_view channel);

 private:
  using List = std::vector<std::shared_ptr<const Pattern>>;
  struct Bucket {  // patterns with one beginning
    List patterns;
    std::shared_ptr<const List> copy;  // null: to be made again
  };
  struct Known {
    std::shared_ptr<const Pattern> pattern;
    LoopCounts loops;
  };
  // The bytes before the first special character.
  static std::string_view beginning(std::string_view text);

  std::vector<std::shared_ptr<const List>> candidates(std::string_view channel);

  mutable Mutex mutex_;
  std::unordered_map<std::string, Known, StringHash, std::equal_to<>> known_ GUARDED_BY(mutex_);
  std::unordered_map<std::string, Bucket, StringHash, std::equal_to<>> buckets_ GUARDED_BY(mutex_);
  std::map<std::size_t, std::size_t> lengths_ GUARDED_BY(mutex_);  // of beginnings; how many buckets
  std::uint64_t number_ GUARDED_BY(mutex_) = 0;                    // raised by every message that matches
  std::atomic<std::size_t> size_{0};                               // written under the lock
};

}  // namespace forebay::server
