#include "memory/eviction/random.h"

#include <random>
#include <vector>

namespace forebay::memory {
namespace {

class UniformlyRandom final : public EvictionPolicy {
 public:
  explicit UniformlyRandom(std::uint64_t seed) : chance_(seed) {}

  void on_insert(EntryHook& entry) override {
    entry.set_index(static_cast<std::uint32_t>(entries_.size()));
    entries_.push_back(&entry);
  }

  void on_hit(EntryHook&) noexcept override {}

  void on_erase(EntryHook& entry) noexcept override {
    EntryHook* const last = entries_.back();
    entries_[entry.index()] = last;
    last->set_index(entry.index());
    entries_.pop_back();
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    fresh.set_index(old.index());
    entries_[old.index()] = &fresh;
  }

  void on_move(EntryHook&, EntryHook& to) noexcept override { entries_[to.index()] = &to; }

  EntryHook* pop_victim() noexcept override {
    if (entries_.empty()) return nullptr;
    // 32 bits of chance scaled to the size: uneven by less than one in a thousand up to four million entries.
    const std::uint64_t at = (chance_() >> 32) * entries_.size() >> 32;
    EntryHook* const victim = entries_[at];
    on_erase(*victim);
    return victim;
  }

  std::size_t bytes() const override { return entries_.capacity() * sizeof(EntryHook*); }

 private:
  std::vector<EntryHook*> entries_;
  std::mt19937_64 chance_;
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_random(const EntryFacts&, const PolicyOptions& options) {
  return std::make_unique<UniformlyRandom>(options.seed);
}

}  // namespace forebay::memory
