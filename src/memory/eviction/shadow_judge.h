#pragma once

// Which of several shadow caches hits most lately, with hysteresis. The choice moves to another when that
// one's lead is more than chance, and is worth the move.
//
// More than chance: hits are counted with exponentially decaying weight. Of the requests on which two
// disagree, decayed as well, each is a toss of a coin if they are equally good, so a lead of z times the root
// of their number is z standard deviations (Q. McNemar: "Note on the sampling error of the difference between
// correlated proportions", Psychometrika 12, 1947). Equally good candidates therefore don't take turns.
//
// Worth the move: what the other has and the choice hasn't is missing after a move, and has to be loaded. As
// with skis that can be rented or bought, one rents until the rent has reached the price: what following the
// choice instead of the other has cost (never below nothing, so that merits of long ago don't count; E. S.
// Page: "Continuous Inspection Schemes", Biometrika 41, 1954) has to reach two thirds of the keys missing,
// since not every key is asked for again. So a burst of hits that won't come again moves nothing, and per
// change of the best candidate no more is lost than twice what knowing it beforehand would cost (A. Borodin,
// N. Linial, M. Saks: "An Optimal On-Line Algorithm for Metrical Task System", Journal of the ACM 39, 1992).
//
// Waiting for that is too long where a small lead is steady. Cut into blocks, such a lead shows in most of
// them, a burst in one or two: where the blocks' mean lead is more than 2.5 of its standard errors, the move
// need not wait (batch means; A. Law, W. D. Kelton: "Simulation Modeling and Analysis").

#include <array>
#include <cstddef>
#include <cstdint>

#include "memory/eviction/shadow.h"

namespace forebay::memory {

class ShadowJudge {
 public:
  explicit ShadowJudge(std::size_t first) : choice_(first) {}

  // For each shadow: how many keys it has that the choice hasn't.
  using Missing = std::array<std::size_t, kShadows>;

  // A request that the shadows in `hits` would have served; `window` is how many requests to look back, about
  // (the weight of one decays by e over that many; blocks are a fifth of it, and 20 of them are looked back
  // at). After a change of choice at least `dwell` requests pass before the next. True: the choice has
  // changed. O(1).
  bool request(ShadowSet hits, const Missing& missing, double window, double dwell);

  std::size_t choice() const { return choice_; }
  std::uint64_t changes() const { return changes_; }
  // Decayed hits of a shadow, to compare with another's.
  double score(std::size_t which) const { return hits_[which]; }

 private:
  void consider(const Missing& missing);
  bool steady(std::size_t which) const;
  void end_block();
  void rescale();

  static constexpr double kDeviations = 2;
  static constexpr double kPrice = 2.0 / 3;
  static constexpr double kBlocks = 5;     // in a window
  static constexpr double kLookBack = 20;  // blocks
  static constexpr double kStandardErrors = 2.5;

  std::size_t choice_;
  std::uint64_t changes_ = 0;
  double rest_ = 0;  // requests until the choice may change again
  // Instead of decaying all sums, what is added grows.
  double unit_ = 1;
  std::array<double, kShadows> hits_{};
  std::array<std::array<double, kShadows>, kShadows> differ_{};  // requests that only one of the two served
  std::array<double, kShadows>
      regret_{};  // what it would have hit more than the choice since the last change

  double in_block_ = 0;  // requests
  std::array<double, kShadows> block_hits_{};
  // Decayed sums over the blocks before: of one for each, of that squared, of leads, of leads squared.
  double blocks_ = 0, blocks_squared_ = 0;
  std::array<std::array<double, kShadows>, kShadows> lead_{}, lead_squared_{};
};

}  // namespace forebay::memory
