#pragma once

// Memory for the entries of one shard: blocks of 8-byte steps cut from spans of the cage, each span for one
// size.
//
// Blocks of one size fill a span without headers between them, so an entry costs what it needs, rounded up to
// a step (8 bytes to 512, then an eighth of the size). What a general allocator cannot do is move what it has
// given out: when sizes drift, spans are left with few blocks each. compact() empties the emptiest spans into
// others through the owner, who knows what points at a block, and gives them back; so what is resident stays
// near what is allocated.
//
// Not thread-safe: the shard's lock guards it. Free blocks are kept track of outside the blocks or in their
// first four bytes; under AddressSanitizer they are poisoned.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "forebay/function_ref.h"
#include "memory/arena/cage.h"

namespace forebay::memory {

class Slabs {
 public:
  static constexpr std::size_t kLargest = 4736;  // bytes of the largest block

  Slabs();
  ~Slabs();  // gives all spans back, whatever lives in them
  Slabs(Slabs&&) noexcept;
  Slabs& operator=(Slabs&&) noexcept;

  // A block of at least `bytes` (1 to kLargest), aligned to 8, not cleared. Null: there is no memory. O(1).
  void* allocate(std::size_t bytes);
  // `bytes` as it was asked for. O(1); a span that becomes empty goes back to the cage, one of each size
  // being kept.
  void free(void* block, std::size_t bytes) noexcept;
  // What allocate(bytes) takes.
  static std::size_t rounded(std::size_t bytes);

  std::size_t allocated() const;  // bytes of the blocks given out, rounded
  std::size_t held() const;       // bytes of the spans: what is resident for them, at most

  // Whether compact() would gain something worth it: held() is over allocated() by more than an eighth and by
  // more than a span for each size in use.
  bool sparse() const;
  // Moves blocks out of the emptiest spans, at most `blocks` of them. For each, `move(from, to, bytes)` is
  // called with a fresh block of the same (rounded) size: it copies, redirects what points at `from` and
  // returns true, or returns false to keep it where it is (someone looks at it). `from` is then freed.
  // Returns the blocks moved.
  std::size_t compact(std::size_t blocks, FunctionRef<bool(void* from, void* to, std::size_t bytes)> move);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::memory
