#include "memory/collection/collection.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace forebay::memory {
namespace {

// Redis's list-max-listpack-size: bytes beyond which a list is more than one piece.
constexpr std::size_t kOnePiece = 8192;

}  // namespace

Collection::Collection(std::string_view bytes) : read_(bytes) {
  if (bytes.empty()) return;
  head_ = static_cast<std::uint8_t>(bytes[0]);
  if (is_large()) {
    std::memcpy(roots_.data(), bytes.data() + kRootsAt, sizeof(roots_));
    node_bytes_ = node_bytes(bytes);
  } else {
    std::memcpy(&packed_count_, bytes.data() + 1, sizeof(packed_count_));
  }
}

Collection::Collection(std::string_view bytes, NodeMemory& memory) : Collection(bytes) {
  memory_ = &memory;
  allocated_ = memory.allocated();
}

void Collection::begin(CollectionKind kind) {
  head_ = static_cast<std::uint8_t>(kind);
  if (kind == CollectionKind::kStream) head_ |= kLarge;
  packed_.assign(kPackedHead, '\0');
  owned_ = true;
}

void Collection::forget() {
  head_ = 0;
  packed_count_ = 0;
  roots_ = {};
  node_bytes_ = 0;
  read_ = {};
  packed_.clear();
  forgotten_ = true;
}

Collection::Encoding Collection::encoding() const {
  if (kind() == CollectionKind::kList) return node_bytes() > kOnePiece ? Encoding::kFull : Encoding::kPacked;
  return static_cast<Encoding>((head_ & kEncodingMask) >> kEncodingShift);
}

void Collection::set_encoding(Encoding encoding) {
  head_ =
      static_cast<std::uint8_t>((head_ & ~kEncodingMask) | static_cast<unsigned>(encoding) << kEncodingShift);
}

void Collection::note_ends(bool some) {
  if (is_large()) return;
  own();
  edited_ = true;
  head_ = static_cast<std::uint8_t>(some ? head_ | kEnds : head_ & ~kEnds);
}

std::size_t Collection::node_bytes(std::string_view bytes) {
  if (!is_large(bytes)) return 0;
  std::uint64_t nodes = 0;
  std::memcpy(&nodes, bytes.data() + kBytesAt, sizeof(nodes));
  return nodes;
}

std::size_t Collection::node_bytes() const {
  return memory_ == nullptr ? node_bytes_ : node_bytes_ + memory_->allocated() - allocated_;
}

std::array<TreeRoot, 2> Collection::trees_of(std::string_view bytes) {
  std::array<TreeRoot, 2> roots{};
  if (is_large(bytes)) std::memcpy(roots.data(), bytes.data() + kRootsAt, sizeof(roots));
  return roots;
}

std::string_view Collection::bytes() {
  if (!is_large()) {
    if (!owned_) return read_;
    packed_[0] = static_cast<char>(head_);
    std::memcpy(packed_.data() + 1, &packed_count_, sizeof(packed_count_));
    return packed_;
  }
  packed_.assign(kLargeBytes, '\0');
  packed_[0] = static_cast<char>(head_);
  std::memcpy(packed_.data() + kRootsAt, roots_.data(), sizeof(roots_));
  const std::uint64_t nodes = node_bytes();
  std::memcpy(packed_.data() + kBytesAt, &nodes, sizeof(nodes));
  return packed_;
}

TreeOrder Collection::order(unsigned which) const {
  if (kind() == CollectionKind::kStream) return TreeOrder::kBytes;
  if (which == 1) return TreeOrder::kScore;
  return kind() == CollectionKind::kList ? TreeOrder::kPlace : TreeOrder::kHash;
}

Tree::Leaf Collection::packed() const {
  const std::string_view bytes = owned_ ? std::string_view(packed_) : read_;
  return {bytes.data() + kPackedHead, bytes.size() - kPackedHead, packed_count_};
}

void Collection::own() {
  if (owned_) return;
  constexpr std::size_t kMore = 512;  // so that an addition does not move it all again
  packed_.reserve(read_.size() + kMore);
  packed_.assign(read_);
  owned_ = true;
}

void Collection::prepare(std::size_t more) {
  if (!is_large() && kPackedHead + packed().bytes + more > kMostPacked) make_large();
}

void Collection::make_large() {
  const std::string old(packed().records, packed().bytes);
  head_ = static_cast<std::uint8_t>((head_ | kLarge) & ~kEnds);
  edited_ = true;
  std::vector<std::pair<std::int64_t, std::string>> ends;
  const auto add = [&](unsigned which, std::string_view record) {
    Tree tree = this->tree(which);
    Tree::Path path;
    std::size_t offset = 0;
    if (tree.size() != 0) {
      std::uint32_t end = tree.size();
      path = order(which) == TreeOrder::kHash ? tree.to_order(Item(record.data()).order())
                                              : tree.to_position(end);
      offset = tree.leaf(path).bytes;
    }
    tree.splice(path, offset, 0, record, 1);
  };
  const char* const end = old.data() + old.size();
  for (const char* place = old.data(); place != end; place = next_record(place, items())) {
    ItemDigits first;
    ItemDigits second;
    const Item item(place);
    switch (kind()) {
      case CollectionKind::kSet:
      case CollectionKind::kList:
        add(0, record(item.text(first)));
        break;
      case CollectionKind::kHash: {
        const Item value(item.end());
        if (value.ends()) ends.emplace_back(value.until(), item.text(first));
        record(item.text(first));
        append_value(value.inside().text(second), value.ends() ? std::optional(value.until()) : std::nullopt);
        add(0, record_);
        break;
      }
      case CollectionKind::kSortedSet:
        for (const unsigned which : {0u, 1u}) add(which, record(item.text(first), Item(item.end()).score()));
        break;
      case CollectionKind::kStream:
        break;  // is never packed
    }
  }
  std::ranges::sort(ends);
  for (const auto& [until, field] : ends) add(1, record(field, static_cast<double>(until)));
  packed_.clear();
  packed_count_ = 0;
}

void Collection::splice(unsigned which, const Tree::Path& path, std::size_t offset, std::size_t length,
                        std::string_view records, std::int32_t added) {
  edited_ = true;
  if (!is_large()) {
    own();
    packed_.replace(kPackedHead + offset, length, records);
    packed_count_ = static_cast<std::uint16_t>(packed_count_ + added);
    return;
  }
  Tree tree = this->tree(which);
  if (length != 0) Tree::free_elsewhere(*memory_, tree.leaf(path).records + offset, length);
  tree.splice(path, offset, length, records, added);
}

void Collection::put_end(const Tree::Path& path, std::size_t offset, bool had,
                         std::optional<std::int64_t> until) {
  edited_ = true;
  record_.clear();
  if (until) Packed::until(*until).append_to(record_);
  const std::size_t length = had ? Item::kEndsBytes : 0;
  if (is_large()) {
    tree().splice(path, offset, length, record_, 0);
  } else {
    own();
    packed_.replace(kPackedHead + offset, length, record_);
  }
}

void Collection::append(std::string& to, std::string_view text) {
  if (!is_large() || text.size() <= Tree::kLongestHere) return Packed(text).append_to(to);
  char* const place = memory_->allocate(text.size());
  std::memcpy(place, text.data(), text.size());
  Packed::elsewhere(Cage::ref(place), static_cast<std::uint32_t>(text.size())).append_to(to);
}

std::string_view Collection::record(std::string_view first) {
  record_.clear();
  append(record_, first);
  return record_;
}

std::string_view Collection::record(std::string_view first, std::string_view second) {
  record_.clear();
  append(record_, first);
  append(record_, second);
  return record_;
}

void Collection::append_value(std::string_view value, std::optional<std::int64_t> until) {
  if (until) Packed::until(*until).append_to(record_);
  append(record_, value);
}

std::string_view Collection::value_record(std::string_view value, std::optional<std::int64_t> until) {
  record_.clear();
  append_value(value, until);
  return record_;
}

std::string_view Collection::record(std::string_view member, double score) {
  record_.clear();
  append(record_, member);
  Packed::score(score).append_to(record_);
  return record_;
}

void Collection::visit(unsigned which, std::uint32_t from, bool backwards,
                       FunctionRef<bool(const char* record)> show) {
  if (from >= size(which)) return;
  const Tree tree = this->tree(which);
  Tree::Path path;
  Tree::Leaf leaf = packed();
  if (is_large()) {
    path = tree.to_position(from);
    leaf = tree.leaf(path);
  }
  const unsigned items = this->items();
  if (!backwards) {
    for (std::uint32_t skip = from;;) {
      const char* const end = leaf.records + leaf.bytes;
      for (const char* record = leaf.records; record != end; record = next_record(record, items)) {
        if (skip != 0) {
          --skip;
        } else if (!show(record)) {
          return;
        }
      }
      if (!is_large() || !tree.next(path)) return;
      leaf = tree.leaf(path);
    }
  }
  std::vector<const char*> records;
  for (std::uint32_t most = from + 1;;) {
    records.clear();
    const char* record = leaf.records;
    for (std::uint32_t i = 0; i < std::min(most, leaf.count); ++i, record = next_record(record, items))
      records.push_back(record);
    for (std::size_t i = records.size(); i != 0; --i) {
      if (!show(records[i - 1])) return;
    }
    if (!is_large() || !tree.previous(path)) return;
    leaf = tree.leaf(path);
    most = leaf.count;
  }
}

const char* Collection::at(std::uint32_t position, unsigned which) {
  const char* found = nullptr;
  visit(which, position, false, [&](const char* record) {
    found = record;
    return false;
  });
  return found;
}

void Collection::copy(Collection& from) {
  head_ = from.head_;
  edited_ = true;
  if (!from.is_large()) {
    packed_.assign(from.bytes());
    packed_count_ = from.packed_count_;
    owned_ = true;
    return;
  }
  for (const unsigned which : {0u, 1u}) tree(which).copy(from.roots_[which]);
}

}  // namespace forebay::memory
