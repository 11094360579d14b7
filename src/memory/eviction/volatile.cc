#include "memory/eviction/volatile.h"

#include <utility>

#include "memory/eviction/lfu.h"
#include "memory/eviction/lru.h"
#include "memory/eviction/random.h"
#include "memory/eviction/ttl.h"

namespace forebay::memory {
namespace {

constexpr std::uint8_t kStays =
    0x80;                             // no expiry: the policy within has not seen it, and never sets this bit
constexpr std::uint8_t kUses = 0x7f;  // of those: how often they were used, as lfu counts

class OnlyExpiring final : public EvictionPolicy {
 public:
  enum class Uses : std::uint8_t { kCounted, kNotCounted };  // of entries that stay

  OnlyExpiring(const EntryFacts& facts, std::unique_ptr<EvictionPolicy> among, Uses uses = Uses::kNotCounted)
      : facts_(facts), among_(std::move(among)), counts_(uses == Uses::kCounted) {}

  void on_insert(EntryHook& entry) override {
    if (!expires(entry)) return entry.set_bits(kStays | 1);
    entry.set_bits(0);
    among_->on_insert(entry);
  }

  void on_hit(EntryHook& entry) noexcept override {
    if (!stays(entry)) return among_->on_hit(entry);
    if (counts_ && (entry.bits() & kUses) != kUses)
      entry.set_bits(static_cast<std::uint8_t>(entry.bits() + 1));
  }

  void on_erase(EntryHook& entry) noexcept override {
    if (!stays(entry)) among_->on_erase(entry);
  }

  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    if (!stays(entry)) among_->on_resize(entry, before, after);
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    if (!stays(old) && expires(fresh)) return among_->on_replace(old, fresh);
    if (stays(old) && !expires(fresh)) {
      fresh.set_bits(old.bits());
      return on_hit(fresh);
    }
    on_erase(old);
    on_insert(fresh);
  }

  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    if (!stays(to)) among_->on_move(from, to);
  }

  EntryHook* pop_victim() noexcept override { return among_->pop_victim(); }
  std::size_t bytes() const override { return among_->bytes(); }

 private:
  static bool stays(const EntryHook& entry) { return (entry.bits() & kStays) != 0; }
  bool expires(const EntryHook& entry) const { return facts_.expires_ms(entry) != EntryFacts::kNoExpiry; }

  const EntryFacts& facts_;
  const std::unique_ptr<EvictionPolicy> among_;
  const bool counts_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_volatile_lru(const EntryFacts& facts, const PolicyOptions& options) {
  return std::make_unique<OnlyExpiring>(facts, make_lru(facts, options));
}

std::unique_ptr<EvictionPolicy> make_volatile_lfu(const EntryFacts& facts, const PolicyOptions& options) {
  return std::make_unique<OnlyExpiring>(facts, make_lfu(facts, options), OnlyExpiring::Uses::kCounted);
}

unsigned volatile_lfu_frequency(std::uint8_t bits) {
  return lfu_frequency(bits & kUses);
}

std::unique_ptr<EvictionPolicy> make_volatile_random(const EntryFacts& facts, const PolicyOptions& options) {
  return std::make_unique<OnlyExpiring>(facts, make_random(facts, options));
}

std::unique_ptr<EvictionPolicy> make_volatile_ttl(const EntryFacts& facts, const PolicyOptions& options) {
  return std::make_unique<OnlyExpiring>(facts, make_ttl(facts, options));
}

}  // namespace forebay::memory
