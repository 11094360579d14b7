#include "memory/eviction/lfu.h"

#include <algorithm>
#include <array>

#include "memory/eviction/admission.h"
#include "memory/eviction/greedy_dual.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kMost = 127;  // uses that are counted
constexpr std::size_t kLists = 128;  // by rank, modulo: ranks in use lie between age_ and age_ + kMost
static_assert(kMost < kLists);

class Lfu final : public PeekablePolicy {
 public:
  void on_insert(EntryHook& entry) override {
    ++count_;
    file(entry, 1);
  }

  void on_hit(EntryHook& entry) noexcept override {
    HookList::remove(entry);
    const std::uint8_t uses = entry.bits();
    file(entry, uses == kMost ? uses : static_cast<std::uint8_t>(uses + 1));
  }

  void on_erase(EntryHook& entry) noexcept override {
    --count_;
    HookList::remove(entry);
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    if (&old != &fresh) {
      fresh.set_bits(old.bits());
      HookList::replace(old, fresh);
    }
    on_hit(fresh);
  }

  EntryHook* next_victim() noexcept override {
    if (count_ == 0) return nullptr;
    while (at(age_).empty()) ++age_;
    return at(age_).back();
  }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = next_victim();
    if (victim != nullptr) on_erase(*victim);
    return victim;
  }

 private:
  HookList& at(std::size_t rank) { return lists_[rank % kLists]; }
  void file(EntryHook& entry, std::uint8_t uses) {
    entry.set_bits(uses);
    at(age_ + uses).push_front(entry);
  }

  std::array<HookList, kLists> lists_;
  std::size_t age_ = 0;  // rank of the last that left; none is lower
  std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lfu(const EntryFacts& facts, const PolicyOptions& options) {
  if (options.weigh == Weigh::kNothing) return with_admission(facts, options, std::make_unique<Lfu>());
  return with_admission(facts, options, greedy_dual(facts, options.weigh, Frequency::kCounted));
}

unsigned lfu_frequency(std::uint8_t bits) {
  return std::max(bits, std::uint8_t{1});
}

}  // namespace forebay::memory
