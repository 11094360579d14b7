#pragma once

// The observers that every layer has: what learns the hit rate of other amounts of memory, and what FOREBAY
// EXPLAIN remembers of single keys.

#include "layer/key/copy_observer.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

// What an entry takes of the memory tier's limit, with its share of the table: exact to a few percent, but
// for what holds an object smaller than 4 KiB.
std::uint64_t entry_bytes(std::size_t key_bytes, std::uint64_t value_bytes, const Stamp& stamp);

// Tells the miss-ratio curves what becomes of the keys that they sample.
class CurveObserver final : public CopyObserver {
 public:
  explicit CurveObserver(observe::MissRatioCurves& curves) : curves_(curves) {}

  bool wants(std::uint64_t hash, CopyCause) const override { return curves_.sampled(hash); }
  void stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes, const Stamp& stamp) override;
  void dropped(const KeyRef& at, bool /*existed*/) override { curves_.dropped(at.hash); }
  void invalidated(const KeyRef&, observe::Invalidation, Instant) override {}
  void unstored(const KeyRef&, observe::Unstored) override {}
  void purged(const Namespace&) override {}  // they see the epoch
  void cleared() override { curves_.clear(); }

 private:
  observe::MissRatioCurves& curves_;
};

// Remembers what happened to single keys.
class EventObserver final : public CopyObserver {
 public:
  explicit EventObserver(observe::KeyEvents& events) : events_(events) {}

  bool wants(std::uint64_t, CopyCause cause) const override {
    return cause == CopyCause::kLoaded || cause == CopyCause::kRenewed;
  }
  void stored(const KeyRef& at, CopyCause, std::uint64_t, const Stamp&) override { events_.stored(at.hash); }
  void dropped(const KeyRef&, bool) override {}
  void invalidated(const KeyRef& at, observe::Invalidation cause, Instant now) override {
    events_.invalidated(at.hash, cause, now);
  }
  void unstored(const KeyRef& at, observe::Unstored why) override { events_.unstored(at.hash, why); }
  void purged(const Namespace&) override {}
  void cleared() override {}

 private:
  observe::KeyEvents& events_;
};

}  // namespace forebay::layer
