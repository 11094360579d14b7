#include "memory/collection/tree.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

namespace forebay::memory {

struct Tree::Node {
  std::uint32_t used;   // bytes, with this header
  std::uint32_t count;  // records of a leaf, else children

  char* data() { return reinterpret_cast<char*>(this + 1); }
  std::size_t bytes() const { return used - sizeof(Node); }
  Child* children() { return reinterpret_cast<Child*>(data()); }
};

struct Tree::Child {
  Ref node;
  std::uint32_t records;
  std::uint64_t begins;
};

namespace {

constexpr std::uint32_t kMostChildren = 126;
// Below these a node is joined with a neighbour, if both come to no more than that.
constexpr std::size_t kShortLeaf = Tree::kMostLeaf / 4;
constexpr std::size_t kJoinedLeaf = Tree::kMostLeaf * 3 / 4;
constexpr std::uint32_t kFewChildren = kMostChildren / 4;
constexpr std::uint32_t kJoinedChildren = kMostChildren * 3 / 4;

// The first bytes as a number, so that texts are in the order of these as far as they differ.
std::uint64_t bytes_order(std::string_view text) {
  std::uint64_t order = 0;
  std::memcpy(&order, text.data(), std::min(text.size(), sizeof(order)));
  return std::byteswap(order);
}

const char* skip(const char* record, unsigned items) {
  for (; items != 0; --items) record = Item(record).end();
  return record;
}

}  // namespace

// ---- Finding

// Goes on from the node that path has at this level, always to the first child or always to the last.
Tree::Path Tree::down(Path path, std::uint32_t level, bool to_last) const {
  for (; level != 0; --level) {
    Node& node = at(path.steps[level].node);
    const std::uint32_t child = to_last ? node.count - 1 : 0;
    path.steps[level].child = child;
    path.steps[level - 1] = {node.children()[child].node, 0};
  }
  return path;
}

Tree::Path Tree::to_first() const {
  Path path;
  path.steps[root_.level].node = root_.node;
  return down(path, root_.level, false);
}

Tree::Path Tree::to_order(std::uint64_t order) const {
  Path path;
  path.steps[root_.level].node = root_.node;
  for (std::uint32_t level = root_.level; level != 0; --level) {
    Node& node = at(path.steps[level].node);
    Child* const first = node.children();
    // The first child is not asked where it begins.
    Child* const found =
        std::upper_bound(first + 1, first + node.count, order,
                         [](std::uint64_t wanted, const Child& child) { return wanted < child.begins; }) -
        1;
    path.steps[level].child = static_cast<std::uint32_t>(found - first);
    path.steps[level - 1] = {found->node, 0};
  }
  return path;
}

Tree::Path Tree::to_position(std::uint32_t& position) const {
  Path path;
  path.steps[root_.level].node = root_.node;
  for (std::uint32_t level = root_.level; level != 0; --level) {
    Node& node = at(path.steps[level].node);
    const Child* const children = node.children();
    std::uint32_t child = 0;
    for (; child + 1 < node.count && position >= children[child].records; ++child)
      position -= children[child].records;
    path.steps[level].child = child;
    path.steps[level - 1] = {children[child].node, 0};
  }
  return path;
}

const char* Tree::first_record(const Child& child, std::uint32_t level) const {
  Ref ref = child.node;
  for (; level != 0; --level) ref = at(ref).children()->node;
  return at(ref).data();
}

bool is_before(const char* record, const ScoreKey& key) {
  const Item member(record);
  const double score = Item(member.end()).score();
  if (score != key.score) return score < key.score;
  if (key.among != ScoreKey::Among::kMember) return key.among == ScoreKey::Among::kLast;
  ItemDigits digits;
  return member.text(digits) < key.member;
}

// To the leaf in which the first record belongs that is not before what has this order.
Tree::Path Tree::to(std::uint64_t order, FunctionRef<bool(const char* record)> is_before) const {
  Path path;
  path.steps[root_.level].node = root_.node;
  for (std::uint32_t level = root_.level; level != 0; --level) {
    Node& node = at(path.steps[level].node);
    Child* const first = node.children();
    // Among equal orders the records themselves say where a child begins.
    const auto goes_before = [&](const Child& child) {
      if (child.begins != order) return child.begins < order;
      return is_before(first_record(child, level - 1));
    };
    Child* const found = std::partition_point(first + 1, first + node.count, goes_before) - 1;
    path.steps[level].child = static_cast<std::uint32_t>(found - first);
    path.steps[level - 1] = {found->node, 0};
  }
  return path;
}

Tree::Path Tree::to_score(const ScoreKey& key) const {
  return to(score_order(key.score), [&](const char* record) { return is_before(record, key); });
}

Tree::Path Tree::to_bytes(std::string_view first) const {
  return to(bytes_order(first), [&](const char* record) {
    ItemDigits digits;
    return Item(record).text(digits) < first;
  });
}

Tree::Leaf Tree::leaf(const Path& path) const {
  if (path.steps[0].node == 0) return {};
  Node& node = at(path.steps[0].node);
  return {node.data(), node.bytes(), node.count};
}

std::uint32_t Tree::before(const Path& path) const {
  std::uint32_t records = 0;
  for (std::uint32_t level = 1; level <= root_.level; ++level) {
    const Child* const children = at(path.steps[level].node).children();
    for (std::uint32_t child = 0; child < path.steps[level].child; ++child)
      records += children[child].records;
  }
  return records;
}

bool Tree::next(Path& path) const {
  for (std::uint32_t level = 1; level <= root_.level; ++level) {
    Path::Step& step = path.steps[level];
    Node& node = at(step.node);
    if (step.child + 1 == node.count) continue;
    ++step.child;
    path.steps[level - 1] = {node.children()[step.child].node, 0};
    path = down(path, level - 1, false);
    return true;
  }
  return false;
}

bool Tree::previous(Path& path) const {
  for (std::uint32_t level = 1; level <= root_.level; ++level) {
    Path::Step& step = path.steps[level];
    if (step.child == 0) continue;
    --step.child;
    path.steps[level - 1] = {at(step.node).children()[step.child].node, 0};
    path = down(path, level - 1, true);
    return true;
  }
  return false;
}

std::uint64_t Tree::begins(const Path& path) const {
  for (std::uint32_t level = 1; level <= root_.level; ++level) {
    const Path::Step& step = path.steps[level];
    if (step.child != 0) return at(step.node).children()[step.child].begins;
  }
  return 0;
}

// ---- Editing

void Tree::relink(const Path& path, std::uint32_t level, Ref fresh) {
  if (level == root_.level) {
    root_.node = fresh;
  } else {
    const Path::Step& above = path.steps[level + 1];
    at(above.node).children()[above.child].node = fresh;
  }
}

// Gives the path's node of a level a block for `used` bytes, with the first `keep` of its own. Returns where it
// is then.
Ref Tree::exchange(const Path& path, std::uint32_t level, std::size_t used, std::size_t keep) {
  Node& old = at(path.steps[level].node);
  char* const block = memory_->allocate(used);
  std::memcpy(block, &old, keep);
  memory_->free(reinterpret_cast<char*>(&old), old.used);
  const Ref fresh = Cage::ref(block);
  relink(path, level, fresh);
  at(fresh).used = static_cast<std::uint32_t>(used);
  return fresh;
}

void Tree::count(const Path& path, std::int32_t added) {
  root_.records += static_cast<std::uint32_t>(added);
  for (std::uint32_t level = 1; level <= root_.level; ++level) {
    const Path::Step& step = path.steps[level];
    at(step.node).children()[step.child].records += static_cast<std::uint32_t>(added);
  }
}

void Tree::splice(const Path& path, std::size_t offset, std::size_t length, std::string_view records,
                  std::int32_t added) {
  if (root_.node == 0) {
    auto* const leaf = reinterpret_cast<Node*>(memory_->allocate(sizeof(Node) + records.size()));
    *leaf = {static_cast<std::uint32_t>(sizeof(Node) + records.size()), static_cast<std::uint32_t>(added)};
    records.copy(leaf->data(), records.size());
    root_ = {Cage::ref(leaf), static_cast<std::uint32_t>(added), 0};
    return;
  }
  count(path, added);
  Node* leaf = &at(path.steps[0].node);
  const std::size_t bytes = leaf->bytes();
  if (bytes - length + records.size() == 0) return remove_child(path, 0);
  const std::size_t used = leaf->used - length + records.size();
  const bool at_end = offset + length == bytes && added > 0;
  const bool at_start = offset == 0 && added > 0;
  const std::size_t behind = bytes - offset - length;
  Path here = path;
  if (NodeMemory::rounded(used) == NodeMemory::rounded(leaf->used)) {
    char* const place = leaf->data() + offset;
    std::memmove(place + records.size(), place + length, behind);
    records.copy(place, records.size());
    leaf->used = static_cast<std::uint32_t>(used);
  } else {
    auto* const fresh = reinterpret_cast<Node*>(memory_->allocate(used));
    *fresh = {static_cast<std::uint32_t>(used), leaf->count};
    char* const place = fresh->data() + offset;
    std::memcpy(fresh->data(), leaf->data(), offset);
    records.copy(place, records.size());
    std::memcpy(place + records.size(), leaf->data() + offset + length, behind);
    memory_->free(reinterpret_cast<char*>(leaf), leaf->used);
    leaf = fresh;
    here.steps[0].node = Cage::ref(fresh);
    relink(here, 0, here.steps[0].node);
  }
  leaf->count += static_cast<std::uint32_t>(added);
  if (used > kMostLeaf && leaf->count > 1) {
    divide(here, at_end, at_start);
  } else if (used < kShortLeaf && records.size() < length) {
    join(here, 0);
  }
}

// What of a leaf belongs in a new one behind it, which is taken out of the leaf's bytes but not yet of its
// block. Empty: it can't be divided.
std::string Tree::upper_half(Node& leaf, bool at_end, bool at_start, std::uint32_t& count,
                             std::uint64_t& begins) {
  const char* const end = leaf.data() + leaf.bytes();
  if (order_ == TreeOrder::kHash) {
    std::vector<std::uint64_t> orders;
    for (const char* record = leaf.data(); record != end; record = skip(record, items_))
      orders.push_back(Item(record).order());
    std::vector<std::uint64_t> sorted = orders;
    std::ranges::sort(sorted);
    const auto middle = std::ranges::upper_bound(sorted, sorted[(sorted.size() - 1) / 2]);
    begins = middle != sorted.end() ? *middle : sorted.back();
    if (begins == sorted.front()) return {};
    std::string lower;
    std::string upper;
    count = 0;
    std::size_t index = 0;
    for (const char* record = leaf.data(); record != end;) {
      const char* const next = skip(record, items_);
      const bool goes = orders[index++] >= begins;
      (goes ? upper : lower).append(record, next);
      count += goes ? 1 : 0;
      record = next;
    }
    lower.copy(leaf.data(), lower.size());
    return upper;
  }
  // Where records are added one behind the other, leaves are to be full and not half full.
  const char* record = leaf.data();
  std::uint32_t left = leaf.count;
  const auto stays = [&](const char* next) {
    if (at_end) return left > 1;
    if (at_start) return left == leaf.count;
    return left == leaf.count || (left > 1 && next <= leaf.data() + leaf.bytes() / 2);
  };
  for (const char* next = skip(record, items_); stays(next); next = skip(record, items_)) {
    record = next;
    --left;
    if (left == 0) return {};
  }
  count = left;
  if (order_ == TreeOrder::kScore) begins = score_order(Item(Item(record).end()).score());
  if (order_ == TreeOrder::kBytes) {
    ItemDigits digits;
    begins = bytes_order(Item(record).text(digits));
  }
  return {record, end};
}

void Tree::divide(const Path& path, bool at_end, bool at_start) {
  Node& leaf = at(path.steps[0].node);
  std::uint32_t count = 0;
  std::uint64_t begins = 0;
  const std::string upper = upper_half(leaf, at_end, at_start, count, begins);
  if (upper.empty()) return;
  auto* const fresh = reinterpret_cast<Node*>(memory_->allocate(sizeof(Node) + upper.size()));
  *fresh = {static_cast<std::uint32_t>(sizeof(Node) + upper.size()), count};
  upper.copy(fresh->data(), upper.size());
  const std::size_t used = leaf.used - upper.size();
  leaf.count -= count;
  Path here = path;
  if (NodeMemory::rounded(used) == NodeMemory::rounded(leaf.used)) {
    leaf.used = static_cast<std::uint32_t>(used);
  } else {
    here.steps[0].node = exchange(path, 0, used, used);
  }
  add_child(here, 1, {Cage::ref(fresh), count, begins});
}

// Puts a child behind the one that the path leads to in the node of this level, whose records it has taken
// over.
void Tree::add_child(Path path, std::uint32_t level, const Child& child) {
  if (level > root_.level) {
    auto* const top = reinterpret_cast<Node*>(memory_->allocate(sizeof(Node) + 2 * sizeof(Child)));
    *top = {sizeof(Node) + 2 * sizeof(Child), 2};
    top->children()[0] = {root_.node, root_.records - child.records, 0};
    top->children()[1] = child;
    root_.node = Cage::ref(top);
    root_.level = level;
    return;
  }
  const std::uint32_t before = path.steps[level].child;
  Node* node = &at(path.steps[level].node);
  node->children()[before].records -= child.records;
  const std::size_t used = node->used + sizeof(Child);
  if (NodeMemory::rounded(used) == NodeMemory::rounded(node->used)) {
    node->used = static_cast<std::uint32_t>(used);
  } else {
    path.steps[level].node = exchange(path, level, used, node->used);
    node = &at(path.steps[level].node);
  }
  Child* const place = node->children() + before + 1;
  std::memmove(place + 1, place, (node->count - before - 1) * sizeof(Child));
  *place = child;
  ++node->count;
  if (node->count <= kMostChildren) return;
  const bool at_end = before + 2 == node->count;
  const std::uint32_t stay = at_end ? node->count - 1 : node->count / 2;
  const std::uint32_t go = node->count - stay;
  auto* const fresh = reinterpret_cast<Node*>(memory_->allocate(sizeof(Node) + go * sizeof(Child)));
  *fresh = {static_cast<std::uint32_t>(sizeof(Node) + go * sizeof(Child)), go};
  std::memcpy(fresh->children(), node->children() + stay, go * sizeof(Child));
  std::uint32_t records = 0;
  for (std::uint32_t i = 0; i < go; ++i) records += fresh->children()[i].records;
  node->count = stay;
  const std::size_t kept = sizeof(Node) + stay * sizeof(Child);
  path.steps[level].node = exchange(path, level, kept, kept);
  add_child(path, level + 1, {Cage::ref(fresh), records, fresh->children()[0].begins});
}

// Frees the path's node of this level, which has nothing in it any more.
void Tree::remove_child(Path path, std::uint32_t level) {
  Node& gone = at(path.steps[level].node);
  memory_->free(reinterpret_cast<char*>(&gone), gone.used);
  if (level == root_.level) {
    root_ = {};
    return;
  }
  const Path::Step above = path.steps[level + 1];
  Node* node = &at(above.node);
  if (node->count == 1) return remove_child(path, level + 1);
  Child* const place = node->children() + above.child;
  std::memmove(place, place + 1, (node->count - above.child - 1) * sizeof(Child));
  --node->count;
  const std::size_t used = node->used - sizeof(Child);
  if (NodeMemory::rounded(used) == NodeMemory::rounded(node->used)) {
    node->used = static_cast<std::uint32_t>(used);
  } else {
    path.steps[level + 1].node = exchange(path, level + 1, used, used);
    node = &at(path.steps[level + 1].node);
  }
  if (level + 1 == root_.level && node->count == 1) {
    const Ref only = node->children()->node;
    memory_->free(reinterpret_cast<char*>(node), node->used);
    root_.node = only;
    --root_.level;
    // What became the root may have one child only, too.
    while (root_.level != 0 && at(root_.node).count == 1) {
      Node& top = at(root_.node);
      root_.node = top.children()->node;
      memory_->free(reinterpret_cast<char*>(&top), top.used);
      --root_.level;
    }
    return;
  }
  if (node->count < kFewChildren) {
    path.steps[level + 1].child = 0;
    join(path, level + 1);
  }
}

// Joins the path's node of this level with a neighbour below the same node, if both are short enough together.
void Tree::join(Path path, std::uint32_t level) {
  if (level == root_.level) return;
  Path::Step& above = path.steps[level + 1];
  Node& parent = at(above.node);
  if (parent.count < 2) return;
  if (above.child + 1 == parent.count) --above.child;
  Child& left = parent.children()[above.child];
  const Child right = parent.children()[above.child + 1];
  path.steps[level].node = left.node;
  Node* first = &at(left.node);
  Node& second = at(right.node);
  const std::size_t used = first->used + second.bytes();
  if (level == 0 ? used > kJoinedLeaf : first->count + second.count > kJoinedChildren) return;
  if (level != 0) second.children()->begins = right.begins;
  const std::size_t kept = first->used;
  if (NodeMemory::rounded(used) == NodeMemory::rounded(first->used)) {
    first->used = static_cast<std::uint32_t>(used);
  } else {
    path.steps[level].node = exchange(path, level, used, kept);
    first = &at(path.steps[level].node);
  }
  std::memcpy(reinterpret_cast<char*>(first) + kept, second.data(), second.bytes());
  first->count += second.count;
  parent.children()[above.child].records += right.records;
  ++above.child;
  path.steps[level].node = right.node;
  remove_child(path, level);
}

Ref Tree::copy(Ref from, std::uint32_t level) {
  Node& old = at(from);
  char* const block = memory_->allocate(old.used);
  std::memcpy(block, &old, old.used);
  Node& fresh = *reinterpret_cast<Node*>(block);
  if (level != 0) {
    for (std::uint32_t i = 0; i < fresh.count; ++i)
      fresh.children()[i].node = copy(fresh.children()[i].node, level - 1);
    return Cage::ref(block);
  }
  char* const end = fresh.data() + fresh.bytes();
  for (char* place = fresh.data(); place != end;) {
    const std::size_t size = Item(place).size();
    const Item item = Item(place).inside();
    if (item.is_elsewhere()) {
      char* const text = memory_->allocate(item.length());
      std::memcpy(text, Cage::at(item.place()), item.length());
      std::string packed;
      Packed::elsewhere(Cage::ref(text), item.length()).append_to(packed);
      packed.copy(place + (item.where() - place), packed.size());
    }
    place += size;
  }
  return Cage::ref(block);
}

void Tree::copy(const TreeRoot& from) {
  if (from.node == 0) return;
  root_ = {copy(from.node, from.level), from.records, from.level};
}

void Tree::free_elsewhere(NodeMemory& memory, const char* records, std::size_t bytes) {
  for (const char* const end = records + bytes; records != end; records = Item(records).end()) {
    const Item item = Item(records).inside();
    if (item.is_elsewhere()) memory.free(static_cast<char*>(Cage::at(item.place())), item.length());
  }
}

bool Tree::free_some(NodeMemory& memory, TreeRoot& root) {
  if (root.node == 0) return false;
  Ref* link = &root.node;
  for (std::uint32_t level = root.level;; --level) {
    auto& node = *static_cast<Node*>(Cage::at(*link));
    if (level != 0 && node.count != 0) {
      link = &node.children()[node.count - 1].node;
      if (*link != 0) continue;
      --node.count;  // that child went the last time
      return true;
    }
    if (level == 0) free_elsewhere(memory, node.data(), node.bytes());
    memory.free(reinterpret_cast<char*>(&node), node.used);
    *link = 0;
    return true;
  }
}

}  // namespace forebay::memory
