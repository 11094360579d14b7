#pragma once

// Memory for the nodes of a shard's large collections, and for elements too long for a node.
//
// Blocks come from spans of their own and not from those of the entries: what compacts these takes every block
// for an entry. Blocks above Slabs::kLargest are taken from the cage itself.
//
// Not thread-safe: the shard's lock guards it. Nothing is allocated outside of the cage until the first block.

#include <cstddef>
#include <memory>
#include <unordered_map>

#include "memory/arena/slabs.h"

namespace forebay::memory {

class NodeMemory {
 public:
  NodeMemory() = default;
  ~NodeMemory();
  NodeMemory(NodeMemory&&) noexcept = default;
  NodeMemory& operator=(NodeMemory&&) noexcept;

  // A block of `bytes`, at least 1. Throws std::bad_alloc where the cage is used up.
  char* allocate(std::size_t bytes);
  // `bytes` as it was asked for.
  void free(char* block, std::size_t bytes) noexcept;
  // What allocate(bytes) takes.
  static std::size_t rounded(std::size_t bytes);

  std::size_t allocated() const;  // bytes of the blocks given out, rounded
  std::size_t held() const;       // bytes resident for them, at most
  // As Slabs::discard(): gives some back, whatever lives there; 0 once nothing is left.
  std::size_t discard(std::size_t spans) noexcept;

 private:
  std::unique_ptr<Slabs> slabs_;
  std::unordered_map<Ref, std::size_t> large_;  // bytes of those taken from the cage itself
  std::size_t large_bytes_ = 0;
};

}  // namespace forebay::memory
