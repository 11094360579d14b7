#include "memory/tier.h"

#include <utility>

#include "memory/tier_inline.h"

namespace forebay::memory {

Tier::Tier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Tier::~Tier() = default;

Result<std::unique_ptr<Tier>> Tier::open(const TierOptions& options, const Clock& clock) {
  const auto policy = find_policy(options.policy, options.policy_options);
  if (!policy) return policy.error();
  return std::unique_ptr<Tier>(new Tier(std::make_unique<Impl>(options, **policy, clock.now())));
}

bool Tier::find(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit, Touch touch) {
  return impl_->shards.find(key, now, visit, touch);
}

bool Tier::find(std::uint64_t hash, std::string_view key, Instant now,
                FunctionRef<void(const EntryView&)> visit, Touch touch) {
  return impl_->shards.find(hash, key, now, visit, touch);
}

PutOutcome Tier::update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide) {
  return impl_->shards.update(hash_key(key), key, now, decide);
}

PutOutcome Tier::update(std::uint64_t hash, std::string_view key, Instant now,
                        FunctionRef<Change(const EntryView*)> decide) {
  return impl_->shards.update(hash, key, now, decide);
}

PutOutcome Tier::put(std::string_view key, std::string_view bytes, const Stamp& stamp, Instant now) {
  return update(key, now, [&](const EntryView*) { return Change::replace(bytes, stamp); });
}

PutOutcome Tier::put(std::string_view key, Value value, const Stamp& stamp, Instant now) {
  return update(key, now, [&](const EntryView*) { return Change::replace(std::move(value), stamp); });
}

bool Tier::erase(std::string_view key, Instant now, Departure why) {
  return impl_->shards.erase(key, now, why);
}

void Tier::observe(DepartureObserver& observer) {
  impl_->shards.observe(observer);
}

void Tier::clear() {
  impl_->shards.clear();
}

void Tier::move_wall_times(Instant now, Duration by) {
  impl_->shards.move_wall_times(now, by);
}

std::optional<Departure> Tier::departure(std::string_view key) const {
  return impl_->shards.departure(key);
}

std::optional<unsigned> Tier::frequency(std::string_view key) const {
  return impl_->shards.frequency(key);
}

Tier::Guard::Guard(Tier& tier, std::uint64_t mask) : tier_(&tier), mask_(mask) {}
Tier::Guard::Guard(Guard&& other) noexcept : tier_(std::exchange(other.tier_, nullptr)), mask_(other.mask_) {}
Tier::Guard::~Guard() {
  if (tier_ != nullptr) tier_->impl_->shards.unlock(mask_);
}

Tier::Guard Tier::lock_shards(std::span<const std::string_view> keys, bool all) {
  return Guard(*this, impl_->shards.lock(keys, all));
}

std::uint64_t Tier::scan(std::uint64_t cursor, std::size_t count, Instant now,
                         FunctionRef<void(const EntryView&)> visit) {
  return impl_->shards.scan(cursor, count, now, visit);
}

bool Tier::random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) {
  return impl_->shards.random(now, chance, visit);
}

bool Tier::tick(Instant now, std::size_t budget) {
  return impl_->shards.tick(now, budget);
}

Result<void> Tier::reconfigure(const TierOptions& options) {
  const auto policy = find_policy(options.policy, options.policy_options);
  if (!policy) return policy.error();
  return impl_->shards.reconfigure(options, **policy);
}

TierOptions Tier::options() const {
  return impl_->shards.options();
}
TierStats Tier::stats() const {
  return impl_->shards.stats();
}
std::size_t Tier::size() const {
  return impl_->shards.size();
}

}  // namespace forebay::memory
