#pragma once

// A hash, a set, a sorted set, a list or a stream, as one entry's value.
//
// Small ones are packed records in the entry itself:
//
//    0  kind and encoding
//    1  number of records, 2 bytes
//    3  records (tree.h says what one is), a sorted set's by score
//
// Beyond kMostPacked bytes the records lie in a tree of nodes of their own (node_memory.h), and the entry has
//
//    0  kind and encoding
//    4  the tree's root, and a second one's, 12 bytes each
//   28  bytes of the trees' blocks, 8 bytes
//
// A hash is a tree of fields with their values by the hash of the field, and where fields end there is a second
// one of these with the moment, by the moment. A set is a tree of members by their hashes, a list one by place. A
// sorted set has two: its members with their scores by the hash of the member, and the same by score. A collection
// that has grown so far keeps its trees until it is empty. A stream has two trees from the beginning, and may be
// empty: stream.h says what is in them.
//
// What may be done with a collection depends on its kind: fields.h, ranking.h, sequence.h, stream.h.
//
// Not thread-safe: the shard's lock guards it, and as long as that is held what was read stays where it is until
// it is edited.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "forebay/function_ref.h"
#include "memory/collection/tree.h"

namespace forebay::memory {

enum class CollectionKind : std::uint8_t { kHash = 1, kSet, kSortedSet, kList, kStream };

class Collection {
 public:
  static constexpr std::size_t kMostPacked = 4000;  // bytes of the entry's value

  // As an entry has it, to be read. Borrows the bytes.
  explicit Collection(std::string_view bytes);
  // The same to be edited; no bytes: there is none yet. `memory` is that in which it has its nodes.
  Collection(std::string_view bytes, NodeMemory& memory);
  Collection(const Collection&) = delete;
  Collection& operator=(const Collection&) = delete;

  // Makes it an empty one of this kind. Requires: there is none yet.
  void begin(CollectionKind kind);
  bool exists() const { return head_ != 0; }
  // There is none any more, and what there was is left to whoever has its bytes: begin() makes another one.
  void forget();
  bool forgotten() const { return forgotten_; }
  CollectionKind kind() const { return static_cast<CollectionKind>(head_ & kKindMask); }
  static CollectionKind kind_of(std::string_view bytes) {
    return static_cast<CollectionKind>(static_cast<std::uint8_t>(bytes[0]) & kKindMask);
  }
  std::uint32_t size() const { return is_large() ? roots_[0].records : packed_count_; }

  // Whether an entry would have nothing to keep of it.
  bool is_nothing() const { return !exists() || (kind() != CollectionKind::kStream && size() == 0); }

  // How Redis would hold it, which its clients may ask. Once it is kFull it stays that; a list may go back.
  enum class Encoding : std::uint8_t { kPacked, kIntegers, kFull };
  Encoding encoding() const;

  // ---- What the shard needs.

  bool is_large() const { return (head_ & kLarge) != 0; }
  static bool is_large(std::string_view bytes) {
    return !bytes.empty() && (static_cast<std::uint8_t>(bytes[0]) & kLarge) != 0;
  }
  // Bytes of its nodes.
  std::size_t node_bytes() const;
  static std::size_t node_bytes(std::string_view bytes);
  // Whether it was edited since it was made of an entry's bytes.
  bool edited() const { return edited_; }
  // What an entry is to keep. Valid until the next edit.
  std::string_view bytes();
  // Its trees, which whoever drops the entry has to free (Tree::free_some).
  static std::array<TreeRoot, 2> trees_of(std::string_view bytes);
  // Becomes a copy of another one. Requires: there is none yet.
  void copy(Collection& from);

  // ---- What those who know the kind build on. `which`: of a sorted set, 0 its members by hash and 1 the same by
  // score. While it is packed both are the same. Of a stream, 0 its entries and 1 all the rest.

  Tree tree(unsigned which = 0) { return {memory_, roots_[which], order(which), items()}; }
  std::uint32_t size(unsigned which) const { return is_large() ? roots_[which].records : packed_count_; }
  Tree::Leaf packed() const;
  unsigned items() const { return kind() == CollectionKind::kSet || kind() == CollectionKind::kList ? 1 : 2; }
  // Before records of so many bytes more are put in: makes trees of it if they won't fit into the entry.
  void prepare(std::size_t more);
  // Puts records in the place of `length` bytes, as Tree::splice(); while it is packed the path counts for nothing.
  // What the old ones have elsewhere is freed.
  void splice(unsigned which, const Tree::Path& path, std::size_t offset, std::size_t length,
              std::string_view records, std::int32_t added);
  // A record of these texts, as items or, once it is large, with what is long put elsewhere. Valid until the next
  // call.
  std::string_view record(std::string_view first);
  std::string_view record(std::string_view first, std::string_view second);
  std::string_view record(std::string_view member, double score);
  // Shows records from a position on, one after the other, forwards or backwards, as long as `show` returns true.
  void visit(unsigned which, std::uint32_t from, bool backwards, FunctionRef<bool(const char* record)> show);
  // The record at this position. Requires that there is one.
  const char* at(std::uint32_t position, unsigned which = 0);
  void set_encoding(Encoding encoding);
  // A hash's value that ends then. Valid until the next call.
  std::string_view value_record(std::string_view value, std::optional<std::int64_t> until);
  // Says when the value at this offset of a leaf ends (nothing: it stays), and leaves it as it is otherwise. `had`: it
  // has such a moment already.
  void put_end(const Tree::Path& path, std::size_t offset, bool had, std::optional<std::int64_t> until);
  // Whether a hash may have fields that end. While it is packed, that is noted here.
  bool may_end() const {
    return kind() == CollectionKind::kHash && (is_large() ? roots_[1].records != 0 : (head_ & kEnds) != 0);
  }
  void note_ends(bool some);

 private:
  enum : std::uint8_t { kKindMask = 7, kLarge = 8, kEncodingMask = 0x30, kEnds = 0x40 };
  static constexpr unsigned kEncodingShift = 4;
  static constexpr std::size_t kPackedHead = 3;
  static constexpr std::size_t kRootsAt = 4;
  static constexpr std::size_t kBytesAt = kRootsAt + 2 * sizeof(TreeRoot);
  static constexpr std::size_t kLargeBytes = kBytesAt + sizeof(std::uint64_t);

  TreeOrder order(unsigned which) const;
  void append(std::string& to, std::string_view text);
  void append_value(std::string_view value, std::optional<std::int64_t> until);
  void own();  // the packed bytes, before an edit
  void make_large();

  NodeMemory* memory_ = nullptr;
  std::uint8_t head_ = 0;
  bool edited_ = false;
  bool forgotten_ = false;
  bool owned_ = false;
  std::uint16_t packed_count_ = 0;
  std::string_view read_;  // the entry's bytes, while they are what counts
  std::string packed_;     // own ones
  std::array<TreeRoot, 2> roots_{};
  std::size_t node_bytes_ = 0;  // when it was made of an entry's bytes
  std::size_t allocated_ = 0;   // of the memory, then
  std::string record_;
};

// A record after another one of a collection with so many items a record.
inline const char* next_record(const char* record, unsigned items) {
  for (; items != 0; --items) record = Item(record).end();
  return record;
}

}  // namespace forebay::memory
