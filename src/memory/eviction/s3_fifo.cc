#include "memory/eviction/s3_fifo.h"

#include "memory/eviction/ghosts.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kHits = 3;       // how often it was hit, up to 3
constexpr std::uint8_t kInMain = 4;     // in the main queue; else in the small one
constexpr std::uint8_t kToPromote = 2;  // hits that a newcomer needs to go on to the main queue

class S3Fifo final : public EvictionPolicy {
 public:
  explicit S3Fifo(const EntryFacts& facts) : facts_(facts) {}

  void on_insert(EntryHook& entry) override { add(entry, ghosts_.take(facts_.hash(entry)) ? kInMain : 0); }

  void on_hit(EntryHook& entry) noexcept override {
    const std::uint8_t bits = entry.bits();
    if ((bits & kHits) != kHits) entry.set_bits(static_cast<std::uint8_t>(bits + 1));
  }

  void on_erase(EntryHook& entry) noexcept override { remove(entry); }

  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    weight_of(entry.bits()) += after - before;
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    if (&old != &fresh) {
      const std::uint8_t bits = old.bits();
      weight_of(bits) += facts_.weight(fresh) - facts_.weight(old);
      fresh.set_bits(bits);
      HookList::replace(old, fresh);
    }
    on_hit(fresh);
  }

  EntryHook* pop_victim() noexcept override {
    const std::size_t small_share = (small_weight_ + main_weight_) / 10;
    EntryHook* victim = nullptr;
    if (main_.empty() || small_weight_ >= small_share) victim = pop_from_small();
    if (victim == nullptr) victim = pop_from_main();
    return victim;
  }

  std::size_t bytes() const override { return ghosts_.bytes(); }

 private:
  // O(1) amortised, as an entry is promoted at most once. Null: the queue is empty, all in it were promoted.
  EntryHook* pop_from_small() {
    const std::size_t capacity = count_ - count_ / 10;
    while (EntryHook* const entry = small_.back()) {
      const bool promote = (entry->bits() & kHits) >= kToPromote;
      remove(*entry);
      if (promote) {
        add(*entry, kInMain);
        continue;
      }
      ghosts_.insert(facts_.hash(*entry), capacity);
      return entry;
    }
    return nullptr;
  }

  // O(1) amortised, as an entry is passed over at most once for each of its hits.
  EntryHook* pop_from_main() {
    while (EntryHook* const entry = main_.back()) {
      const std::uint8_t hits = entry->bits() & kHits;
      remove(*entry);
      if (hits == 0) return entry;
      add(*entry, static_cast<std::uint8_t>(kInMain | (hits - 1)));
    }
    return nullptr;
  }

  std::size_t& weight_of(std::uint8_t bits) { return (bits & kInMain) != 0 ? main_weight_ : small_weight_; }

  void add(EntryHook& entry, std::uint8_t bits) {
    entry.set_bits(bits);
    weight_of(bits) += facts_.weight(entry);
    ++count_;
    ((bits & kInMain) != 0 ? main_ : small_).push_front(entry);
  }

  void remove(EntryHook& entry) {
    weight_of(entry.bits()) -= facts_.weight(entry);
    --count_;
    HookList::remove(entry);
  }

  const EntryFacts& facts_;
  HookList small_;
  HookList main_;
  std::size_t small_weight_ = 0;
  std::size_t main_weight_ = 0;
  std::size_t count_ = 0;
  Ghosts ghosts_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_s3_fifo(const EntryFacts& facts, const PolicyOptions&) {
  return std::make_unique<S3Fifo>(facts);
}

bool s3_fifo_hit_is_settled(std::uint8_t bits) {
  return (bits & kHits) == kHits;
}

}  // namespace forebay::memory
