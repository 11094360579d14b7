#pragma once

// One range of addresses, reserved once for the process, in which all entries of all memory tiers live, so
// that a reference to one fits in 32 bits: its distance from the range's start in grains of 8 bytes.
//
// The whole range stays readable as long as the process lives: memory given back reads as zeros until it is
// taken again. A reader without a lock may therefore follow a reference that has gone stale; what it reads is
// wrong, never a fault, and it finds out afterwards (the shard's sequence number).
//
// Thread-safe. Spans are multiples of kSpan; taking and giving one costs a lock and perhaps a system call.

#include <cstddef>
#include <cstdint>

namespace forebay::memory {

using Ref = std::uint32_t;  // a place in the cage; 0: none

class Cage {
 public:
  static constexpr std::size_t kGrain = 8;
  static constexpr std::size_t kSpan = std::size_t{16} << 10;  // bytes; a span begins at a multiple of it

  static void* at(Ref ref) { return base_ + std::size_t{ref} * kGrain; }
  static Ref ref(const void* place) {
    return static_cast<Ref>(static_cast<std::size_t>(static_cast<const char*>(place) - base_) / kGrain);
  }
  // A reader without a lock that found `bytes` at `ref` may read them (they may be garbage).
  static bool covers(Ref ref, std::size_t bytes) { return std::size_t{ref} * kGrain + bytes <= size_; }

  // `bytes` of memory that reads as zeros, a multiple of kSpan; null: the range or the machine's memory is
  // used up.
  static void* take(std::size_t bytes);
  // Gives back what take() returned, or a part of it in whole spans. What was there reads as zeros from now
  // on.
  static void give(void* place, std::size_t bytes);

  static std::size_t taken();  // bytes, in all

 private:
  static char* base_;  // set before main(); the reservation is shrunk where the system grants less
  static std::size_t size_;
};

}  // namespace forebay::memory
