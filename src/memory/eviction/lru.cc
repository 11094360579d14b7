#include "memory/eviction/lru.h"

namespace forebay::memory {
namespace {

class Lru final : public EvictionPolicy {
 public:
  void on_insert(EntryHook& entry) override { used_.push_front(entry); }

  void on_hit(EntryHook& entry) noexcept override {
    if (used_.is_front(entry)) return;  // a hot key costs a comparison
    HookList::remove(entry);
    used_.push_front(entry);
  }

  void on_erase(EntryHook& entry) noexcept override { HookList::remove(entry); }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = used_.back();
    if (victim != nullptr) HookList::remove(*victim);
    return victim;
  }

 private:
  HookList used_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_lru(const EntryFacts&, const PolicyOptions&) {
  return std::make_unique<Lru>();
}

}  // namespace forebay::memory
