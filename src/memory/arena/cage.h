#pragma once

// One range of addresses, reserved once for the process, in which all entries of all memory tiers live, so
// that a reference to one fits in 32 bits: its distance from the range's start in grains of 8 bytes.
//
// The whole range stays readable as long as the process lives: memory given back reads as zeros or as it was
// left, until it is taken again. A reader without a lock may therefore follow a reference that has gone
// stale; what it reads is wrong, never a fault, and it finds out afterwards (the shard's sequence number).
// Under AddressSanitizer what was given back is poisoned, so such a reader must not be instrumented.
//
// The range is reserved before main(), 32 GiB of it; where the system grants less (RLIMIT_AS, strict
// overcommit) half of that, a quarter and so on, and at worst nothing: then take() returns null. Reserved
// memory is not resident; only what was taken and touched is. Huge pages are off: one would keep 2 MiB
// resident for the sake of a few entries.
//
// Thread-safe. Spans are whole pages; taking and giving one costs a lock, some tens of instructions and at
// most one system call. The bookkeeping takes 0.4 % of the range that was ever used.

#include <cstddef>
#include <cstdint>

namespace forebay::memory {

using Ref = std::uint32_t;  // a place in the cage; 0: none

// Hidden, so that where the range begins is read without the detour of exported data.
class [[gnu::visibility("hidden")]] Cage {
 public:
  static constexpr std::size_t kGrain = 8;
  static constexpr std::size_t kSpan = std::size_t{4} << 10;  // bytes; a span begins at a multiple of it
  static constexpr std::size_t kKept = std::size_t{1} << 20;  // bytes given back that may still be resident

  static void* at(Ref ref) { return base_ + std::size_t{ref} * kGrain; }
  static Ref ref(const void* place) {
    return static_cast<Ref>(static_cast<std::size_t>(static_cast<const char*>(place) - base_) / kGrain);
  }
  // A reader without a lock that found `bytes` at `ref` may read them (they may be garbage).
  static bool covers(Ref ref, std::size_t bytes) { return std::size_t{ref} * kGrain + bytes <= size_; }
  static bool contains(const void* place) {
    return static_cast<std::size_t>(static_cast<const char*>(place) - base_) < size_;
  }

  enum class Contents { kZeros, kAny };
  // `bytes` of memory, a multiple of kSpan, that reads as zeros unless any contents will do (quicker: it may
  // be memory given back a moment ago). Null: the range is used up.
  static void* take(std::size_t bytes, Contents contents = Contents::kZeros);
  // Gives back what take() returned, or a part of it in whole spans.
  static void give(void* place, std::size_t bytes) noexcept;

  static std::size_t taken();  // bytes, in all
  // Whether so many bytes more could be taken, in pieces, as far as one can tell. Takes no lock.
  static bool has(std::size_t bytes);

  // A word for each kSpan of the range, at the disposal of who took that span. Zero or a former owner's until
  // set.
  static std::uint32_t& tag(const void* place) {
    return tags_[static_cast<std::size_t>(static_cast<const char*>(place) - base_) / kSpan];
  }

 private:
  friend class CageReservation;

  static char* base_;
  static std::size_t size_;
  static std::uint32_t* tags_;
};

}  // namespace forebay::memory
