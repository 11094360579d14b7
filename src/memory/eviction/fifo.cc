#include "memory/eviction/fifo.h"

namespace forebay::memory {
namespace {

class Fifo final : public EvictionPolicy {
 public:
  void on_insert(EntryHook& entry) override { queue_.push_front(entry); }
  void on_hit(EntryHook&) noexcept override {}
  void on_erase(EntryHook& entry) noexcept override { HookList::remove(entry); }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    if (&old != &fresh) HookList::replace(old, fresh);
  }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = queue_.back();
    if (victim != nullptr) HookList::remove(*victim);
    return victim;
  }

 private:
  HookList queue_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_fifo(const EntryFacts&, const PolicyOptions&) {
  return std::make_unique<Fifo>();
}

}  // namespace forebay::memory
