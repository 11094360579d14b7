#include "memory/eviction/sieve.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kVisited = 1;

class Sieve final : public EvictionPolicy {
 public:
  void on_insert(EntryHook& entry) override {
    entry.set_bits(0);
    queue_.push_front(entry);
  }

  void on_hit(EntryHook& entry) noexcept override { entry.set_bits(kVisited); }

  void on_erase(EntryHook& entry) noexcept override {
    if (hand_ == &entry) hand_ = queue_.newer(entry);
    HookList::remove(entry);
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    fresh.set_bits(kVisited);
    if (&old == &fresh) return;
    HookList::replace(old, fresh);
    if (hand_ == &old) hand_ = &fresh;
  }

  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    HookList::relocate(from, to);
    if (hand_ == &from) hand_ = &to;
  }

  // O(1) amortised: the hand passes an entry at most once for each time it was visited.
  EntryHook* pop_victim() noexcept override {
    if (queue_.empty()) return nullptr;
    EntryHook* at = hand_ != nullptr ? hand_ : queue_.back();
    while (at->bits() == kVisited) {
      at->set_bits(0);
      EntryHook* const next = queue_.newer(*at);
      at = next != nullptr ? next : queue_.back();
    }
    hand_ = queue_.newer(*at);
    HookList::remove(*at);
    return at;
  }

 private:
  HookList queue_;
  EntryHook* hand_ = nullptr;  // the next to be looked at; null: the oldest
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_sieve(const EntryFacts&, const PolicyOptions&) {
  return std::make_unique<Sieve>();
}

bool sieve_hit_is_settled(std::uint8_t bits) {
  return bits == kVisited;
}

}  // namespace forebay::memory
