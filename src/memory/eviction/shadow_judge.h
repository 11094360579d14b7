#pragma once

// Which of several shadow caches hits most lately, with hysteresis.
//
// Hits are counted with exponentially decaying weight. The choice moves to another when that has hit more by
// more than chance: of the requests on which the two disagree, decayed as well, each is a toss of a coin if
// they are equally good, so a lead of z times the root of their number is z standard deviations (Q. McNemar:
// "Note on the sampling error of the difference between correlated proportions", Psychometrika 12, 1947).
// Equally good candidates therefore don't take turns, however small the difference that matters in the end.

#include <array>
#include <cstddef>
#include <cstdint>

#include "memory/eviction/shadow.h"

namespace forebay::memory {

class ShadowJudge {
 public:
  explicit ShadowJudge(std::size_t first) : choice_(first) {}

  // A request that the shadows in `hits` would have served; `window` is how many requests to look back, about
  // (the weight of one decays by e over that many). After a change of choice at least `dwell` requests pass
  // before the next. True: the choice has changed.
  bool request(ShadowSet hits, double window, double dwell);

  std::size_t choice() const { return choice_; }
  std::uint64_t changes() const { return changes_; }
  // Decayed hits of a shadow, to compare with another's.
  double score(std::size_t which) const { return hits_[which]; }

 private:
  void consider();
  void rescale();

  static constexpr double kDeviations = 2;

  std::size_t choice_;
  std::uint64_t changes_ = 0;
  double rest_ = 0;  // requests until the choice may change again
  // Instead of decaying all sums, what is added grows.
  double unit_ = 1;
  std::array<double, kShadows> hits_{};
  std::array<std::array<double, kShadows>, kShadows> differ_{};  // requests that only one of the two served
};

}  // namespace forebay::memory
