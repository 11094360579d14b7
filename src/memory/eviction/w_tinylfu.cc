#include "memory/eviction/w_tinylfu.h"

#include <algorithm>
#include <array>

#include "memory/eviction/frequency_sketch.h"
#include "memory/eviction/window_shadows.h"

namespace forebay::memory {
namespace {

enum Queue : std::uint8_t { kWindow, kProbation, kProtected };  // an entry's bits say where it is

constexpr double kProtectedShare = 0.8;  // of what isn't window
constexpr int kSpill = 4;                // entries that a window that is too large hands on at an insertion

class WTinyLfu final : public EvictionPolicy {
 public:
  explicit WTinyLfu(const EntryFacts& facts) : facts_(facts) {}

  void on_insert(EntryHook& entry) override {
    ++count_;
    add(entry, kWindow);
    used(entry);
    spill(facts_.weight(entry));
    popped_ = false;
  }

  void on_hit(EntryHook& entry) noexcept override {
    used(entry);
    const std::uint8_t queue = entry.bits();
    remove(entry);
    add(entry, queue == kWindow ? kWindow : kProtected);
    while (weights_[kProtected] > protected_most()) {
      EntryHook* const oldest = queues_[kProtected].back();
      if (oldest == &entry) break;
      remove(*oldest);
      add(*oldest, kProbation);
    }
  }

  void on_erase(EntryHook& entry) noexcept override {
    --count_;
    remove(entry);
  }

  // The shadows learn of it at the next use.
  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    weights_[entry.bits()] += after - before;
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    if (&old != &fresh) {
      weights_[old.bits()] += facts_.weight(fresh) - facts_.weight(old);
      fresh.set_bits(old.bits());
      HookList::replace(old, fresh);
    }
    on_hit(fresh);
  }

  EntryHook* pop_victim() noexcept override {
    EntryHook* victim = queues_[kProbation].back();
    if (victim == nullptr) victim = queues_[kProtected].back();
    EntryHook* const candidate = queues_[kWindow].back();
    if (candidate != nullptr && (victim == nullptr || weights_[kWindow] >= window_most())) {
      if (victim != nullptr && uses(*candidate) > uses(*victim)) {
        remove(*candidate);
        add(*candidate, kProbation);
      } else {
        victim = candidate;
      }
    }
    if (victim == nullptr) return nullptr;
    popped_ = true;
    on_erase(*victim);
    return victim;
  }

  std::size_t bytes() const override { return sketch_.bytes() + shadows_.bytes(); }

 private:
  std::size_t total() const { return weights_[kWindow] + weights_[kProbation] + weights_[kProtected]; }
  std::size_t window_most() const {
    return static_cast<std::size_t>(window_share_ * static_cast<double>(total()));
  }
  std::size_t protected_most() const {
    return static_cast<std::size_t>((1 - window_share_) * kProtectedShare * static_cast<double>(total()));
  }
  unsigned uses(const EntryHook& entry) const { return sketch_.estimate(facts_.hash(entry)); }

  void used(const EntryHook& entry) {
    const std::uint64_t hash = facts_.hash(entry);
    sketch_.add(hash, count_);
    window_share_ = shadows_.use(hash, facts_.weight(entry), count_, total(), sketch_);
  }

  // While nothing needs to leave, the window runs over into the main part. Afterwards who leaves the window
  // has to contend, but for those it is too large by, whatever the newcomer weighs.
  void spill(std::size_t newcomer) {
    const std::size_t most = window_most() + (popped_ ? newcomer : 0);
    for (int i = 0; i < kSpill && weights_[kWindow] > most; ++i) {
      EntryHook* const oldest = queues_[kWindow].back();
      if (queues_[kWindow].is_front(*oldest)) break;
      remove(*oldest);
      add(*oldest, kProbation);
    }
  }

  void add(EntryHook& entry, std::uint8_t queue) {
    entry.set_bits(queue);
    weights_[queue] += facts_.weight(entry);
    queues_[queue].push_front(entry);
  }

  void remove(EntryHook& entry) {
    weights_[entry.bits()] -= facts_.weight(entry);
    HookList::remove(entry);
  }

  const EntryFacts& facts_;
  std::array<HookList, 3> queues_;
  std::array<std::size_t, 3> weights_{};
  std::size_t count_ = 0;
  bool popped_ = false;  // since the last insertion: there is no room
  FrequencySketch sketch_;
  WindowShadows shadows_;
  double window_share_ = shadows_.best();
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_w_tinylfu(const EntryFacts& facts, const PolicyOptions&) {
  return std::make_unique<WTinyLfu>(facts);
}

}  // namespace forebay::memory
