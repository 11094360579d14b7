#pragma once

// What Layer::stats() says: the numbers of all rooms, by namespace and by source.

#include <optional>

#include "layer/audit/auditor.h"
#include "layer/configuration.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

// All reads that a namespace has had.
std::uint64_t reads_of(const Namespace& space);

// Thread-safe. O(namespaces).
class Statistics {
 public:
  // Everything is borrowed; `journaled` may be null.
  struct Parts {
    const std::atomic<const Router*>& router;
    const memory::Tier& tier;
    observe::MissRatioCurves& curves;
    Configuration& configuration;
    const JournaledWrites* journaled;
    const Auditor& auditor;
  };
  explicit Statistics(const Parts& parts) : parts_(parts) {}

  LayerStats collect() const;
  void reset();

 private:
  NamespaceStats of(const Namespace& space, const memory::TierStats& tier, std::size_t limit) const;
  std::optional<PredictedHitRate> predicted(const Namespace& space, std::size_t limit) const;
  const Router& router() const { return *parts_.router.load(std::memory_order_acquire); }

  const Parts parts_;
};

}  // namespace forebay::layer
