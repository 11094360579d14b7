#include "memory/eviction/noeviction.h"

namespace forebay::memory {
namespace {

class NoEviction final : public EvictionPolicy {
 public:
  void on_insert(EntryHook&) override {}
  void on_hit(EntryHook&) noexcept override {}
  void on_erase(EntryHook&) noexcept override {}
  void on_replace(EntryHook&, EntryHook&) noexcept override {}
  void on_move(EntryHook&, EntryHook&) noexcept override {}
  EntryHook* pop_victim() noexcept override { return nullptr; }
};

}  // namespace

std::unique_ptr<EvictionPolicy> make_noeviction(const EntryFacts&, const PolicyOptions&) {
  return std::make_unique<NoEviction>();
}

}  // namespace forebay::memory
