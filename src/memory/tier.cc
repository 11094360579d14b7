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

PutOutcome Tier::edit(std::uint64_t hash, std::string_view key, Instant now, std::size_t room,
                      FunctionRef<std::optional<Stamp>(const EntryView*, Collection&)> edit) {
  return impl_->shards.edit(hash, key, now, room, edit);
}

std::size_t Tier::edit_room(std::size_t elements, std::size_t bytes) {
  // An entry's block, or the nodes that take what was in it, and the nodes on the way to one leaf of each tree;
  // then what an element may add: its texts twice in a sorted set, and rounding.
  constexpr std::size_t kOnce = 16 * 1024;
  constexpr std::size_t kPerElement = 64;
  return kOnce + elements * kPerElement + 2 * (bytes + bytes / 8);
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

std::optional<Tier::Alone> Tier::try_alone() {
  if (!impl_->shards.try_lock_alone()) return std::nullopt;
  return Alone(*this);
}
Tier::Alone::~Alone() {
  if (tier_ != nullptr) tier_->impl_->shards.unlock_alone();
}
void Tier::Alone::lock(std::string_view key) {
  tier_->impl_->shards.lock_more(hash_bytes(key));
}
void Tier::Alone::lock_all() {
  tier_->impl_->shards.lock_rest();
}
bool Tier::locked_alone() const {
  return impl_->shards.locked_alone();
}
bool Tier::locked_alone(std::string_view key) const {
  return impl_->shards.locked_alone(hash_bytes(key));
}

std::uint64_t Tier::scan(std::uint64_t cursor, std::size_t count, Instant now,
                         FunctionRef<void(const EntryView&)> visit) {
  return impl_->shards.scan(cursor, count, now, visit);
}

bool Tier::random(Instant now, std::uint64_t chance, FunctionRef<void(const EntryView&)> visit) {
  return impl_->shards.random(now, chance, visit);
}

TagPurges& Tier::tags() {
  return impl_->shards.tags();
}

const TagPurges& Tier::tags() const {
  return impl_->shards.tags();
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
