#include "observe/reuse_stack.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace forebay::observe {

const ReuseStack::Entry* ReuseStack::find(std::uint64_t hash) const {
  const auto at = index_.find(hash);
  return at == index_.end() ? nullptr : &nodes_[at->second].entry;
}

std::uint64_t ReuseStack::bytes_after(std::uint64_t hash) const {
  return bytes_ - sum_to(nodes_[index_.at(hash)].slot);
}

void ReuseStack::use(std::uint64_t hash) {
  const std::uint32_t node = index_.at(hash);
  leave(nodes_[node]);
  place(node);
}

void ReuseStack::put(const Entry& entry) {
  const auto [at, added] = index_.try_emplace(entry.hash, static_cast<std::uint32_t>(nodes_.size()));
  const std::uint32_t node = at->second;
  if (added) {
    nodes_.push_back({entry, 0});
  } else {
    leave(nodes_[node]);
    nodes_[node].entry = entry;
  }
  place(node);
}

void ReuseStack::erase(std::uint64_t hash) {
  const auto at = index_.find(hash);
  if (at == index_.end()) return;
  const std::uint32_t node = at->second;
  leave(nodes_[node]);
  index_.erase(at);
  const auto last = static_cast<std::uint32_t>(nodes_.size() - 1);
  if (node != last) {
    nodes_[node] = nodes_[last];
    slots_[nodes_[node].slot] = node;
    index_[nodes_[node].entry.hash] = node;
  }
  nodes_.pop_back();
}

const ReuseStack::Entry& ReuseStack::oldest() {
  while (slots_[first_] == kNobody) ++first_;
  return nodes_[slots_[first_]].entry;
}

void ReuseStack::clear() {
  *this = ReuseStack();
}

void ReuseStack::place(std::uint32_t node) {
  nodes_[node].slot = kNobody;  // not to be found in the row while that is closed up
  if (next_ == slots_.size()) close_up();
  nodes_[node].slot = static_cast<std::uint32_t>(next_);
  slots_[next_] = node;
  add(next_, nodes_[node].entry.bytes);
  bytes_ += nodes_[node].entry.bytes;
  ++next_;
}

void ReuseStack::leave(const Node& node) {
  slots_[node.slot] = kNobody;
  add(node.slot, -node.entry.bytes);
  bytes_ -= node.entry.bytes;
}

void ReuseStack::close_up() {
  constexpr std::size_t kLeast = 256;
  std::vector<std::uint32_t> closed;
  closed.reserve(std::max(kLeast, std::bit_ceil(2 * nodes_.size())));
  for (const std::uint32_t node : slots_) {
    if (node == kNobody) continue;
    nodes_[node].slot = static_cast<std::uint32_t>(closed.size());
    closed.push_back(node);
  }
  first_ = 0;
  next_ = closed.size();
  closed.resize(closed.capacity(), kNobody);
  slots_ = std::move(closed);
  tree_.assign(slots_.size() + 1, 0);
  // Every element hands its sum to the next one that covers it: O(n).
  for (std::size_t i = 1; i < tree_.size(); ++i) {
    if (slots_[i - 1] != kNobody) tree_[i] += nodes_[slots_[i - 1]].entry.bytes;
    if (const std::size_t above = i + (i & -i); above < tree_.size()) tree_[above] += tree_[i];
  }
}

void ReuseStack::add(std::size_t slot, std::uint64_t bytes) {
  for (std::size_t i = slot + 1; i < tree_.size(); i += i & -i) tree_[i] += bytes;
}

std::uint64_t ReuseStack::sum_to(std::size_t slot) const {
  std::uint64_t sum = 0;
  for (std::size_t i = slot + 1; i > 0; i -= i & -i) sum += tree_[i];
  return sum;
}

}  // namespace forebay::observe
