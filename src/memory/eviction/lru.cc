#include "memory/eviction/lru.h"

#include "memory/eviction/admission.h"
#include "memory/eviction/greedy_dual.h"

namespace forebay::memory {
namespace {

class Lru final : public PeekablePolicy {
 public:
  void on_insert(EntryHook& entry) override { used_.push_front(entry); }

  void on_hit(EntryHook& entry) noexcept override {
    if (used_.is_front(entry)) return;  // a hot key costs a comparison
    HookList::remove(entry);
    used_.push_front(entry);
  }

  void on_erase(EntryHook& entry) noexcept override { HookList::remove(entry); }

  EntryHook* next_victim() noexcept override { return used_.back(); }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = used_.back();
    if (victim != nullptr) HookList::remove(*victim);
    return victim;
  }

 private:
  HookList used_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru(const EntryFacts& facts, const PolicyOptions& options) {
  if (options.weigh == Weigh::kNothing) return with_admission(facts, options, std::make_unique<Lru>());
  return with_admission(facts, options, greedy_dual(facts, options.weigh, Frequency::kIgnored));
}

}  // namespace forebay::memory
