#include "memory/eviction/ttl.h"

#include "memory/eviction/hook_heap.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kExpires = 1;  // in the heap; else in the list

class NearestExpiry final : public EvictionPolicy {
 public:
  explicit NearestExpiry(const EntryFacts& facts) : facts_(facts) {}

  void on_insert(EntryHook& entry) override {
    const std::uint64_t expires = facts_.expires_ms(entry);
    if (expires == EntryFacts::kNoExpiry) {
      entry.set_bits(0);
      lasting_.push_front(entry);
    } else {
      entry.set_bits(kExpires);
      expiring_.push(entry, expires);
    }
  }

  void on_hit(EntryHook&) noexcept override {}

  void on_erase(EntryHook& entry) noexcept override {
    if (entry.bits() == kExpires) {
      expiring_.remove(entry);
    } else {
      HookList::remove(entry);
    }
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    const std::uint64_t expires = facts_.expires_ms(fresh);
    const bool expired = old.bits() == kExpires;
    if (expired && expires != EntryFacts::kNoExpiry) {
      fresh.set_bits(kExpires);
      expiring_.replace(old, fresh, expires);
    } else if (!expired && expires == EntryFacts::kNoExpiry) {
      fresh.set_bits(0);
      if (&old != &fresh) HookList::replace(old, fresh);
    } else {
      on_erase(old);
      on_insert(fresh);
    }
  }

  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    if (to.bits() == kExpires) {
      expiring_.move(to);
    } else {
      HookList::relocate(from, to);
    }
  }

  EntryHook* pop_victim() noexcept override {
    EntryHook* const victim = expiring_.empty() ? lasting_.back() : expiring_.top();
    if (victim != nullptr) on_erase(*victim);
    return victim;
  }

  std::size_t bytes() const override { return expiring_.bytes(); }

 private:
  const EntryFacts& facts_;
  HookHeap<std::uint64_t> expiring_;  // by milliseconds
  HookList lasting_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_ttl(const EntryFacts& facts, const PolicyOptions&) {
  return std::make_unique<NearestExpiry>(facts);
}

}  // namespace forebay::memory
