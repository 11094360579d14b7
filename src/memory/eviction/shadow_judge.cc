#include "memory/eviction/shadow_judge.h"

#include <cmath>

namespace forebay::memory {

bool ShadowJudge::request(ShadowSet hits, double window, double dwell) {
  unit_ *= 1 + 1 / window;
  if (unit_ > 1e100) rescale();
  if (rest_ > 0) --rest_;
  if (hits == 0 || hits == kAllShadows) return false;
  for (std::size_t i = 0; i < kShadows; ++i) {
    if ((hits >> i & 1) == 0) continue;
    hits_[i] += unit_;
    for (std::size_t j = 0; j < kShadows; ++j) {
      if ((hits >> j & 1) != 0) continue;
      differ_[i][j] += unit_;
      differ_[j][i] += unit_;
    }
  }
  if (rest_ > 0) return false;
  const std::size_t before = choice_;
  consider();
  if (choice_ == before) return false;
  ++changes_;
  rest_ = dwell;
  return true;
}

void ShadowJudge::consider() {
  const std::size_t present = choice_;
  double most = 0;
  for (std::size_t i = 0; i < kShadows; ++i) {
    const double lead = (hits_[i] - hits_[present]) / unit_;
    if (lead <= most) continue;
    if (lead * lead > kDeviations * kDeviations * differ_[i][present] / unit_) {
      most = lead;
      choice_ = i;
    }
  }
}

void ShadowJudge::rescale() {
  for (std::size_t i = 0; i < kShadows; ++i) {
    hits_[i] /= unit_;
    for (double& each : differ_[i]) each /= unit_;
  }
  unit_ = 1;
}

}  // namespace forebay::memory
