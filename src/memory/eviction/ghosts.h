#pragma once

// Which keys left lately: a queue of hashes, first in, first out, from which a hash can be taken.
//
// Four bytes a key: a fingerprint of 22 bits and the time of insertion in 10, in buckets of 16 of which a
// newcomer takes a free slot or the oldest's (as the ghost queue of S3-FIFO is laid out, Yang et al., SOSP
// 2023, section 4.2). Time advances by one every capacity / 128 insertions, and what came in within one such
// unit is forgotten together. A hash that is not there is found with a probability of 16 in 4 million. The
// slots are made at the first insertion, and anew (forgetting what is in them) when the capacity has grown
// beyond them or shrunk to a quarter. O(1) amortised; no locks.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay::memory {

class Ghosts {
 public:
  // Remembers a hash, which isn't there, and forgets the oldest while there are more than `capacity`. That
  // may differ from call to call.
  void insert(std::uint64_t hash, std::size_t capacity);
  // Takes the hash out. False: it wasn't there.
  bool take(std::uint64_t hash);
  std::size_t bytes() const {
    return slots_.capacity() * sizeof(Slot) + born_.capacity() * sizeof(std::uint32_t);
  }

 private:
  struct Slot {
    std::uint32_t mark : 22;  // 0: free
    std::uint32_t time : 10;
  };
  static constexpr std::size_t kBucket = 16;  // slots: a cache line
  static constexpr std::uint32_t kTimes = 1024;

  Slot* bucket(std::uint64_t hash);
  static std::uint32_t mark(std::uint64_t hash);
  // Units of time since the slot was filled; not less than `span_` if it is forgotten.
  std::uint32_t age(Slot slot) const { return (now_ - slot.time) % kTimes; }
  bool remembered(Slot slot) const { return slot.mark != 0 && age(slot) < span_; }
  void clear(Slot& slot);
  void forget_oldest();

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> born_;  // by time of insertion: how many of then are remembered
  std::size_t made_for_ = 0;         // capacity that slots_ were made for
  std::size_t live_ = 0;             // remembered
  std::size_t unit_ = 1;             // insertions in a unit of time
  std::size_t in_unit_ = 0;          // insertions in this one
  std::uint32_t now_ = 0;
  std::uint32_t span_ = 1;  // units in which something may be remembered, this one included
};

}  // namespace forebay::memory
