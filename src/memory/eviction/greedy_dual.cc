#include "memory/eviction/greedy_dual.h"

#include <algorithm>

#include "memory/eviction/hook_heap.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kMost = 127;  // uses that are counted
constexpr double kLeastCost = 1e-4;  // seconds
constexpr double kRebase = 1000;  // ranks stay below this or so: the smallest values still make a difference

class GreedyDual final : public PeekablePolicy {
 public:
  GreedyDual(const EntryFacts& facts, Weigh weigh, Frequency frequency)
      : facts_(facts), weigh_(weigh), counts_(frequency == Frequency::kCounted) {}

  void on_insert(EntryHook& entry) override {
    entry.set_bits(1);
    heap_.push(entry, rank(entry));
  }

  void on_hit(EntryHook& entry) noexcept override { on_replace(entry, entry); }
  void on_erase(EntryHook& entry) noexcept override { heap_.remove(entry); }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    const std::uint8_t uses = old.bits();
    fresh.set_bits(counts_ && uses < kMost ? static_cast<std::uint8_t>(uses + 1) : uses);
    heap_.replace(old, fresh, rank(fresh));
  }

  // The part of its rank that is the age at its last use stays.
  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    heap_.replace(entry, entry, heap_.key(entry) - value(entry, before) + value(entry, after));
  }

  void on_move(EntryHook&, EntryHook& to) noexcept override { heap_.move(to); }

  EntryHook* next_victim() noexcept override { return heap_.top(); }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = heap_.top();
    if (victim == nullptr) return nullptr;
    age_ = std::max(age_, heap_.key(*victim));  // below it: one that has grown since its last use
    heap_.remove(*victim);
    if (age_ > kRebase) {
      heap_.shift_all(-age_);
      age_ = 0;
    }
    return victim;
  }

  std::size_t bytes() const override { return heap_.bytes(); }

 private:
  double rank(const EntryHook& entry) const { return age_ + value(entry, facts_.weight(entry)); }

  double value(const EntryHook& entry, std::size_t weight) const {
    double value = entry.bits();
    if (weigh_ == Weigh::kCost || weigh_ == Weigh::kCostPerByte)
      value *= std::chrono::duration<double>(facts_.load_cost(entry)).count() + kLeastCost;
    if (weigh_ == Weigh::kBytes || weigh_ == Weigh::kCostPerByte)
      value /= static_cast<double>(std::max<std::size_t>(weight, 1));
    return value;
  }

  const EntryFacts& facts_;
  const Weigh weigh_;
  const bool counts_;
  HookHeap<double> heap_;  // by rank
  double age_ = 0;         // rank of the last that left
};

}  // namespace

std::unique_ptr<PeekablePolicy> greedy_dual(const EntryFacts& facts, Weigh weigh, Frequency frequency) {
  return std::make_unique<GreedyDual>(facts, weigh, frequency);
}

}  // namespace forebay::memory
