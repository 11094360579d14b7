#pragma once

// Records in packed leaves, and above them nodes that count: a B+ tree whose leaves are as long as what is in
// them.
//
// A record is one or two items (item.h). Its place in the tree is by one of four orders:
//
//   kPlace   where it was put: a list
//   kHash    by the hash of its first item. A leaf has the records of a range of hashes, in no order, so that
//            an insertion moves nothing; a leaf that gets too long is divided by the hashes of what is in it
//   kScore   by its second item, a score, and among equal ones by the bytes of its first
//   kBytes   by the bytes of its first item, which no other record has
//
// Nodes above the leaves have, for each child, how many records are below it, so that a record is found by its
// position, and the position of a record is known; and where in the order the child begins: no record below it
// comes before that, nor any of the children before it after. The first child of each node begins where the
// node does, whatever is written there.
//
// Every block is as large as what is in it, rounded as its memory rounds (Slabs): it is exchanged for another
// when that changes. An edit copies a leaf at most, and some bytes in each node above it.
//
// Not thread-safe. Blocks don't move while nothing is edited.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "forebay/function_ref.h"
#include "memory/collection/item.h"
#include "memory/collection/node_memory.h"

namespace forebay::memory {

// What of a tree is kept in the entry.
struct TreeRoot {
  Ref node = 0;  // 0: the tree is empty
  std::uint32_t records = 0;
  std::uint32_t level = 0;  // of the root above the leaves
};

enum class TreeOrder : std::uint8_t { kPlace, kHash, kScore, kBytes };

// Where a search in score order ends: at the first record that is not before this.
struct ScoreKey {
  enum class Among : std::uint8_t { kFirst, kMember, kLast };  // of equal scores
  double score = 0;
  std::string_view member = {};  // kMember
  Among among = Among::kMember;
};

// Whether a record of a member and its score comes before the key in score order.
bool is_before(const char* record, const ScoreKey& key);

class Tree {
 public:
  // A leaf's records.
  struct Leaf {
    const char* records = nullptr;
    std::size_t bytes = 0;
    std::uint32_t count = 0;
  };
  static constexpr std::size_t kMostLevels = 9;
  // The way from the root to a leaf. Valid until something is edited.
  struct Path {
    struct Step {
      Ref node = 0;
      std::uint32_t child = 0;  // which one the way goes on to
    };
    std::array<Step, kMostLevels> steps;  // by level; 0: the leaf
  };

  Tree(NodeMemory* memory, TreeRoot& root, TreeOrder order, unsigned items)
      : memory_(memory), root_(root), order_(order), items_(items) {}

  std::uint32_t size() const { return root_.records; }

  // ---- Finding a leaf. Requires size() > 0.

  Path to_first() const;
  // To the leaf in which a record of this hash belongs.
  Path to_order(std::uint64_t order) const;
  // To the leaf of the record at this position, which becomes the one within the leaf. size(): behind the last.
  Path to_position(std::uint32_t& position) const;
  // To the leaf in which the first record belongs that is not before the key.
  Path to_score(const ScoreKey& key) const;
  // The same by the bytes of first items.
  Path to_bytes(std::string_view first) const;
  Leaf leaf(const Path& path) const;
  // How many records are in the leaves before this one.
  std::uint32_t before(const Path& path) const;
  // To the next or the previous leaf; false: there is none.
  bool next(Path& path) const;
  bool previous(Path& path) const;
  // kHash: where the leaf's range of hashes begins.
  std::uint64_t begins(const Path& path) const;

  // ---- Editing: they need memory, and make all paths invalid.

  // Puts records in the place of `length` bytes at `offset` of a leaf. `added`: by how many records the leaf
  // then has more. What lies elsewhere is left to the caller. An empty tree has one leaf, to which an empty Path
  // leads.
  void splice(const Path& path, std::size_t offset, std::size_t length, std::string_view records,
              std::int32_t added);
  // Makes an empty tree a copy of another of the same order, which is in other memory perhaps.
  void copy(const TreeRoot& from);
  // Frees a leaf or a node, the last one first. False: nothing was left.
  static bool free_some(NodeMemory& memory, TreeRoot& root);
  // Frees what records have elsewhere.
  static void free_elsewhere(NodeMemory& memory, const char* records, std::size_t bytes);

  // Bytes of a leaf, header included, beyond which it is divided.
  static constexpr std::size_t kMostLeaf = 1024;
  // Bytes of a text beyond which it lies elsewhere.
  static constexpr std::size_t kLongestHere = 480;

 private:
  struct Node;
  struct Child;

  Node& at(Ref ref) const { return *static_cast<Node*>(Cage::at(ref)); }
  Path down(Path path, std::uint32_t level, bool to_last) const;
  Path to(std::uint64_t order, FunctionRef<bool(const char* record)> is_before) const;
  const char* first_record(const Child& child, std::uint32_t level) const;
  Ref exchange(const Path& path, std::uint32_t level, std::size_t used, std::size_t keep);
  void relink(const Path& path, std::uint32_t level, Ref fresh);
  void count(const Path& path, std::int32_t added);
  void divide(const Path& path, bool at_end, bool at_start);
  std::string upper_half(Node& leaf, bool at_end, bool at_start, std::uint32_t& count, std::uint64_t& begins);
  void add_child(Path path, std::uint32_t level, const Child& child);
  void remove_child(Path path, std::uint32_t level);
  void join(Path path, std::uint32_t level);
  Ref copy(Ref from, std::uint32_t level);

  NodeMemory* memory_;
  TreeRoot& root_;
  TreeOrder order_;
  unsigned items_;
};

}  // namespace forebay::memory
