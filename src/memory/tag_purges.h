#pragma once

// Which tags have been purged, and when: an entry is gone once one of its tags was purged after the moment as of which
// its value is true. So a purge costs the same however many entries carry the tag, and nobody keeps a list of them.
//
// Moments are counted in purges. An entry's tags lie in its block (entry.h): the moment, then one word for each tag,
// whose upper 63 bits are those of the tag's hash. The lowest bit belongs to who wrote the tags.
//
// While a tag is held, what has it is gone as soon as it is there: nothing with the tag is kept before release().
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
  // Everything that has tags.
  void purge_all();
  // purge(), again and again until as many releases as holds have come; each release is one more purge. At most kMost
  // / 2 tags are held at once: false, and nothing has been done.
  bool hold(std::uint64_t tag);
  void release(std::uint64_t tag);

  // `tags`: as an entry has them; empty: none.
  bool purged(std::string_view tags) const {
    if (tags.empty()) [[likely]]
      return false;
    const std::uint64_t as_of = word(tags, 0);
    if (as_of == now() && held_.load(std::memory_order_acquire) == 0) return false;
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
  std::uint64_t note(std::uint64_t tag) REQUIRES(mutex_);
  bool purged_since(std::uint64_t as_of, std::string_view tags) const;
  void forget_older_half() REQUIRES(mutex_);

  static constexpr std::uint64_t kHeld = ~std::uint64_t{0};  // a purge that is later than every moment

  std::atomic<std::uint64_t> purges_{0};
  std::atomic<std::size_t> held_{0};  // tags; written before purges_, under the lock
  // What was true before this moment only is taken for purged. Written before purges_, under the lock.
  std::atomic<std::uint64_t> floor_{0};
  // The last purge of a tag of the bucket. Written before purges_ (release): who has seen the purge sees it here.
  std::array<std::atomic<std::uint64_t>, kBuckets> last_{};
  mutable Mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> purged_
      GUARDED_BY(mutex_);  // tag without its lowest bit → moment
  // Tags without their lowest bit: how often each is held, and how many of a bucket are.
  std::unordered_map<std::uint64_t, std::size_t> holds_ GUARDED_BY(mutex_);
  std::array<std::uint32_t, kBuckets> held_in_ GUARDED_BY(mutex_){};
};

}  // namespace forebay::memory
