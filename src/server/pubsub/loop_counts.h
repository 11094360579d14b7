#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace forebay::server {

// How many subscribers of one channel or pattern each event loop has. Guarded by its owner.
class LoopCounts {
 public:
  struct Share {
    std::uint32_t loop;
    std::uint32_t clients;
  };

  void add(std::uint32_t loop) {
    const auto share = std::ranges::find(shares_, loop, &Share::loop);
    if (share != shares_.end()) {
      ++share->clients;
    } else {
      shares_.push_back({loop, 1});
    }
  }
  // Requires that the loop has one.
  void remove(std::uint32_t loop) {
    const auto share = std::ranges::find(shares_, loop, &Share::loop);
    if (--share->clients == 0) shares_.erase(share);
  }
  bool empty() const { return shares_.empty(); }
  const std::vector<Share>& shares() const { return shares_; }
  std::size_t clients() const {
    std::size_t sum = 0;
    for (const Share& share : shares_) sum += share.clients;
    return sum;
  }

 private:
  std::vector<Share> shares_;
};

}  // namespace forebay::server
