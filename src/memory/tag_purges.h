#pragma once

// Which tags have been purged, and when: an entry is gone once one of its tags was purged after the moment as of which
// its value is true. So a purge costs the same however many entries carry the tag, and nobody keeps a list of them.
//
// Moments are counted in purges. An entry's tags lie in its block (entry.h): the moment, then one word for each tag,
// whose upper 63 bits are those of the tag's hash. The lowest bit belongs to who wrote the tags.
//
// Memory is bounded: of kMost purged tags the older half is forgotten at once, and what was true only before them is
// taken for purged, whatever its tags. Two tags with one hash are purged together.
//
// Thread-safe. purged() takes a lock only where a tag may have been purged since, by a look at kBuckets moments.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <unordered_map>

#include "base/mutex.h"

namespace forebay::memory {

class TagPurges {
 public:
  static constexpr std::size_t kMostTags = 64;  // of an entry
  static constexpr std::size_t kMost = 65'536;  // purged tags that are remembered

  // As of now. A value that is read from its source after this call is true as of the moment that it returns.
  std::uint64_t now() const { return purges_.load(std::memory_order_acquire); }

  // O(1), but for forgetting.
  void purge(std::uint64_t tag);

  // `tags`: as an entry has them; empty: none.
  bool purged(std::string_view tags) const {
    if (tags.empty()) [[likely]]
      return false;
    const std::uint64_t as_of = word(tags, 0);
    if (as_of == now()) return false;
    return purged_since(as_of, tags);
  }

  static std::uint64_t word(std::string_view tags, std::size_t at) {
    std::uint64_t word = 0;
    std::memcpy(&word, tags.data() + (at * sizeof(word)), sizeof(word));
    return word;
  }

 private:
  static constexpr std::size_t kBuckets = 4096;

  static std::size_t bucket(std::uint64_t tag) { return (tag >> 1) % kBuckets; }
  bool purged_since(std::uint64_t as_of, std::string_view tags) const;
  void forget_older_half() REQUIRES(mutex_);

  std::atomic<std::uint64_t> purges_{0};
  // What was true before this moment only is taken for purged. Written before purges_, under the lock.
  std::atomic<std::uint64_t> floor_{0};
  // The last purge of a tag of the bucket. Written before purges_ (release): who has seen the purge sees it here.
  std::array<std::atomic<std::uint64_t>, kBuckets> last_{};
  mutable Mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> purged_
      GUARDED_BY(mutex_);  // tag without its lowest bit → moment
};

}  // namespace forebay::memory
