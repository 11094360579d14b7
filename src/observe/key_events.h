#pragma once

// What happened to single keys lately, for FOREBAY EXPLAIN: the last invalidation with its cause, and why the
// last load was not stored. A fixed number of slots addressed by key hash, so memory is bounded and a newer
// key may push out an older one; an answer is about the key asked for, up to a collision of 64-bit hashes.
// Thread-safe, O(1).

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/mutex.h"
#include "forebay/clock.h"

namespace forebay::observe {

enum class Invalidation : std::uint8_t { kDelete, kWrite, kChange, kDependency, kPurge, kEvent };
std::string_view to_string(Invalidation cause);

enum class Unstored : std::uint8_t {
  kFenced,    // an invalidation or a write came while it was under way
  kRejected,  // a newer version was there already, it was too large, or memory was full
};

class KeyEvents {
 public:
  void invalidated(std::uint64_t hash, Invalidation cause, Instant now);
  void unstored(std::uint64_t hash, Unstored why);
  void stored(std::uint64_t hash);  // forgets why an earlier load was not stored

  struct Events {
    std::optional<Invalidation> invalidation;
    Instant invalidated_at{};
    std::optional<Unstored> unstored;
  };
  Events of(std::uint64_t hash) const;

 private:
  struct Slot {
    std::uint64_t hash = 0;
    Events events;
  };
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kSlots = 1024;
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::array<Slot, kSlots> slots GUARDED_BY(mutex){};
  };
  // The slot is emptied first if it belongs to another key.
  static Slot& claim(Shard& shard, std::uint64_t hash) REQUIRES(shard.mutex);
  Shard& shard_of(std::uint64_t hash) { return shards_[(hash >> 10) % kShards]; }
  const Shard& shard_of(std::uint64_t hash) const { return shards_[(hash >> 10) % kShards]; }

  std::array<Shard, kShards> shards_;
};

}  // namespace forebay::observe
