#include "memory/eviction/shadow_judge.h"

#include <algorithm>

namespace forebay::memory {

bool ShadowJudge::request(ShadowSet hits, const Missing& missing, double window, double dwell) {
  unit_ *= 1 + 1 / window;
  if (unit_ > 1e100) rescale();
  if (rest_ > 0) --rest_;
  if (++in_block_ * kBlocks > window) end_block();
  if (hits == 0 || hits == kAllShadows) return false;
  const bool served = (hits >> choice_ & 1) != 0;
  for (std::size_t i = 0; i < kShadows; ++i) {
    if ((hits >> i & 1) == 0) {
      if (served) regret_[i] = std::max(regret_[i] - 1, 0.0);
      continue;
    }
    if (!served) ++regret_[i];
    ++block_hits_[i];
    hits_[i] += unit_;
    for (std::size_t j = 0; j < kShadows; ++j) {
      if ((hits >> j & 1) != 0) continue;
      differ_[i][j] += unit_;
      differ_[j][i] += unit_;
    }
  }
  if (rest_ > 0) return false;
  const std::size_t before = choice_;
  consider(missing);
  if (choice_ == before) return false;
  ++changes_;
  regret_ = {};
  rest_ = dwell;
  return true;
}

void ShadowJudge::consider(const Missing& missing) {
  const std::size_t present = choice_;
  double most = 0;
  for (std::size_t i = 0; i < kShadows; ++i) {
    const double lead = (hits_[i] - hits_[present]) / unit_;
    if (lead <= most) continue;
    if (lead * lead <= kDeviations * kDeviations * differ_[i][present] / unit_) continue;
    if (regret_[i] <= kPrice * static_cast<double>(missing[i]) && !steady(i)) continue;
    most = lead;
    choice_ = i;
  }
}

// Whether it leads the choice by more than chance, block by block.
bool ShadowJudge::steady(std::size_t which) const {
  // As many blocks of equal weight would have the same variance of their mean.
  const double blocks = blocks_squared_ == 0 ? 0 : blocks_ * blocks_ / blocks_squared_;
  if (blocks < 3) return false;
  const double mean = lead_[which][choice_] / blocks_;
  const double variance = lead_squared_[which][choice_] / blocks_ - mean * mean;
  return mean > 0 && mean * mean * (blocks - 1) > kStandardErrors * kStandardErrors * variance;
}

void ShadowJudge::end_block() {
  constexpr double kKept = 1 - 1 / kLookBack;
  blocks_ = blocks_ * kKept + 1;
  blocks_squared_ = blocks_squared_ * kKept * kKept + 1;
  for (std::size_t i = 0; i < kShadows; ++i) {
    for (std::size_t j = 0; j < kShadows; ++j) {
      const double lead = block_hits_[i] - block_hits_[j];
      lead_[i][j] = lead_[i][j] * kKept + lead;
      lead_squared_[i][j] = lead_squared_[i][j] * kKept + lead * lead;
    }
  }
  in_block_ = 0;
  block_hits_ = {};
}

void ShadowJudge::rescale() {
  for (std::size_t i = 0; i < kShadows; ++i) {
    hits_[i] /= unit_;
    for (double& each : differ_[i]) each /= unit_;
  }
  unit_ = 1;
}

}  // namespace forebay::memory
