#include "layer/load/batch_size.h"

#include <algorithm>

namespace forebay::layer {
namespace {

// Of the timeout: what is left is for keys that cost more than the last ones, and for a source that is busy.
constexpr int kTargetShare = 4;

}  // namespace

BatchSize::BatchSize(std::size_t first, std::size_t most, Duration timeout)
    : most_(most), target_(timeout / kTargetShare), keys_(std::clamp<std::size_t>(first, 1, most)) {}

void BatchSize::answered(std::size_t keys, Duration took) {
  proven_ = std::max(proven_, keys);
  if (took > target_) {
    const double share = static_cast<double>(target_.count()) / static_cast<double>(took.count());
    const auto fits = static_cast<std::size_t>(static_cast<double>(keys) * share);
    keys_ = std::clamp<std::size_t>(fits, 1, keys_);
  } else if (keys >= keys_ && took <= target_ / 2) {
    keys_ = std::min(keys_ * 2, most_);
  }
}

bool BatchSize::timed_out(std::size_t keys) {
  const bool unwell = keys <= proven_;
  keys_ = std::max<std::size_t>(std::min(keys_, keys) / 2, 1);
  // Perhaps keys cost more than they did: a larger batch has to prove itself again.
  proven_ = std::max<std::size_t>(std::min(proven_, keys / 2), 1);
  return unwell;
}

}  // namespace forebay::layer
