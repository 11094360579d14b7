#pragma once

// How many keys of one namespace a call to the source asks for.
//
// A batch that the source can't load within the timeout loads nothing, however often it is tried. So a batch is
// only as large as what its namespace's keys have cost lets expect to be done in a part of the timeout. What a
// key costs is not known at first: a table's rows are found by an index, so their batches start at the most; a
// query may cost anything, so its batches start small, and double as long as full ones are quick. Additive
// guesses are never needed: each answer says what a key costs.
//
// Not thread-safe: the gate's lock guards it. All calls: constant time.

#include <cstddef>

#include "forebay/clock.h"

namespace forebay::layer {

class BatchSize {
 public:
  // `most`: at least 1. `timeout`: of a call; above 0.
  BatchSize(std::size_t first, std::size_t most, Duration timeout);

  std::size_t keys() const { return keys_; }

  // A call for so many keys was answered.
  void answered(std::size_t keys, Duration took);
  // One was not, in time. Returns whether that says that the source is unwell: it has answered calls for as many
  // keys before, or there was only one. Otherwise the batch may just have been too large.
  bool timed_out(std::size_t keys);

 private:
  const std::size_t most_;
  const Duration target_;  // what a call should take at most
  std::size_t keys_;
  std::size_t proven_ = 1;  // so many were answered in time, at the cost that keys have now
};

}  // namespace forebay::layer
