#pragma once

// Memory for the entries of one shard: blocks of 8-byte steps cut from spans of the cage, each span for one
// size.
//
// Blocks of one size fill a span without headers between them, so an entry costs what it needs, rounded up to
// a step (8 bytes to 512, then an eighth of the size; Bonwick's slabs: USENIX Summer 1994). What a general
// allocator cannot do is move what it has given out: when sizes drift, spans are left with few blocks each.
// compact() empties the emptiest spans into others through the owner, who knows what points at a block, and
// gives them back; so what is resident stays near what is allocated. A new block comes from the fullest span
// that has room, so that the others empty by themselves.
//
// Spans are about 16 KiB where a size is much used and a page or two where it isn't, so that a hundred sizes
// take little even in a small shard; longer for blocks of kilobytes.
//
// Not thread-safe: the shard's lock guards it. Free blocks are kept track of in their first four bytes,
// written atomically for the sake of readers without the lock; under AddressSanitizer they are poisoned. The
// bookkeeping outside the spans takes 24 bytes for each.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "forebay/function_ref.h"
#include "memory/arena/cage.h"

namespace forebay::memory {

class Slabs {
 public:
  static constexpr std::size_t kLargest = std::size_t{32} << 10;  // bytes of the largest block

  Slabs();
  ~Slabs();  // gives all spans back, whatever lives in them
  // One that was moved from may only be assigned to or destroyed.
  Slabs(Slabs&&) noexcept;
  Slabs& operator=(Slabs&&) noexcept;

  // A block of at least `bytes` (1 to kLargest), aligned to 8, not cleared. Null: there is no memory. O(1).
  void* allocate(std::size_t bytes);
  // `bytes` as it was asked for, or rounded. O(1); a span that becomes empty goes back to the cage, unless it
  // is a small part of its size's and the only one with room.
  void free(void* block, std::size_t bytes) noexcept;
  // What allocate(bytes) takes.
  static std::size_t rounded(std::size_t bytes);

  std::size_t allocated() const;  // bytes of the blocks given out, rounded
  std::size_t held() const;       // bytes of the spans: what is resident for them, at most

  // Whether compact() would gain something worth it: of some size more blocks are free than a span has, and a
  // 32nd of those given out. O(1).
  bool sparse() const;
  // Moves blocks out of the emptiest spans, trying at most `blocks` of them. For each, `move(from, to,
  // bytes)` is called with a fresh block of the same (rounded) size: it copies, redirects what points at
  // `from` and returns true, or returns false to keep it where it is (someone looks at it). `from` is then
  // freed. `move` must not use this object. Returns the blocks moved; 0 once nothing is left to gain, or all
  // that was tried was kept. O(blocks tried + blocks of the spans looked at).
  std::size_t compact(std::size_t blocks, FunctionRef<bool(void* from, void* to, std::size_t bytes)> move);

  // Gives back that many spans at most, whatever lives in them: a large one is taken apart in steps by this
  // before it is destroyed. Returns 0 once none is left. From the first call on nothing else may be called
  // but the destructor.
  std::size_t discard(std::size_t spans) noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace forebay::memory
