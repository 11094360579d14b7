#include "memory/eviction/admission.h"

#include <utility>

#include "memory/eviction/frequency_sketch.h"

namespace forebay::memory {
namespace {

class Door final : public EvictionPolicy {
 public:
  Door(const EntryFacts& facts, std::unique_ptr<PeekablePolicy> within)
      : facts_(facts), within_(std::move(within)) {}

  void on_insert(EntryHook& entry) override {
    ++count_;
    used(entry);
    if (waiting_ != nullptr) within_->on_insert(*waiting_);
    waiting_ = &entry;
    entry.set_bits(0);
  }

  void on_hit(EntryHook& entry) noexcept override {
    used(entry);
    if (&entry != waiting_) within_->on_hit(entry);
  }

  void on_erase(EntryHook& entry) noexcept override {
    --count_;
    if (&entry != waiting_) return within_->on_erase(entry);
    waiting_ = nullptr;
  }

  void on_resize(EntryHook& entry, std::size_t before, std::size_t after) noexcept override {
    if (&entry != waiting_) within_->on_resize(entry, before, after);
  }

  void on_replace(EntryHook& old, EntryHook& fresh) noexcept override {
    used(fresh);
    if (&old != waiting_) return within_->on_replace(old, fresh);
    waiting_ = &fresh;
    fresh.set_bits(0);
  }

  void on_move(EntryHook& from, EntryHook& to) noexcept override {
    if (&from != waiting_) return within_->on_move(from, to);
    waiting_ = &to;
  }

  EntryHook* pop_victim() noexcept override {
    EntryHook* victim = within_->next_victim();
    if (EntryHook* const candidate = std::exchange(waiting_, nullptr); candidate != nullptr) {
      if (victim == nullptr || uses(*candidate) <= uses(*victim)) {
        --count_;
        return candidate;
      }
      within_->pop_victim();
      within_->on_insert(*candidate);
    } else {
      within_->pop_victim();
    }
    if (victim != nullptr) --count_;
    return victim;
  }

  std::size_t bytes() const override { return sketch_.bytes() + within_->bytes(); }

 private:
  void used(const EntryHook& entry) { sketch_.add(facts_.hash(entry), count_); }
  unsigned uses(const EntryHook& entry) const { return sketch_.estimate(facts_.hash(entry)); }

  const EntryFacts& facts_;
  const std::unique_ptr<PeekablePolicy> within_;
  FrequencySketch sketch_;
  EntryHook* waiting_ = nullptr;  // at the door; the policy within has not seen it
  std::size_t count_ = 0;
};

}  // namespace

std::unique_ptr<EvictionPolicy> with_admission(const EntryFacts& facts, const PolicyOptions& options,
                                               std::unique_ptr<PeekablePolicy> policy) {
  if (options.admission == Admission::kAll) return policy;
  return std::make_unique<Door>(facts, std::move(policy));
}

}  // namespace forebay::memory
