// FOREBAY EXPLAIN: everything that the layer knows about one key, and for one that isn't there exactly one
// cause.

#include <fmt/format.h>

#include "layer/core.h"
#include "memory/collection/collection.h"

namespace forebay::layer {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::string ms(Duration duration) {
  return std::to_string(duration_cast<milliseconds>(duration).count());
}

std::string_view state_of(const config::Namespace& policy, bool has_source, const Stamp& stamp, Instant now) {
  if (stamp.negative) return "negative";
  if (!has_source) return "fresh";
  switch (classify(policy, stamp, now)) {
    case Freshness::kFresh:
      return "fresh";
    case Freshness::kStaleServe:
      return "stale";
    case Freshness::kStaleIfError:
      return "stale-if-error";
  }
  return "fresh";
}

// Of the value, as the memory tier counts it.
std::size_t size_of(const EntryView& entry) {
  if (entry.shared() != nullptr) return entry.shared()->charge();
  const bool collection = entry.type() == EntryType::kCollection;
  return entry.bytes().size() + (collection ? memory::Collection::node_bytes(entry.bytes()) : 0);
}

}  // namespace

Explanation Core::explain(std::string_view key) {
  const Instant now = clock_.now();
  const KeyRef place = at(key);
  const Namespace& space = place.space;
  const observe::KeyEvents::Events events = events_.of(place.hash);
  const auto in_flight = keys_.in_flight(place);

  Explanation explanation;
  auto& facts = explanation.facts;
  const auto add = [&](const char* name, std::string value) { facts.emplace_back(name, std::move(value)); };
  add("key", std::string(key));
  add("namespace", space.info.name);
  bool present = false;
  bool negative = false;
  bool outdated = false;
  tier_->find(
      key, now,
      [&](const EntryView& entry) {
        const Stamp& stamp = entry.stamp();
        if (!space.owns(stamp)) {
          outdated = true;
          return;
        }
        present = true;
        if (space.too_old(stamp, now)) add("max_staleness", "exceeded: the next read loads");
        negative = stamp.negative;
        add("tier", "memory");
        add("state", std::string(state_of(space.config, space.port != nullptr, stamp, now)));
        if (stamp.loaded_at != Instant{}) add("age_ms", ms(now - stamp.loaded_at));
        if (stamp.fresh_until != kNever) add("fresh_for_ms", ms(stamp.fresh_until - now));
        if (stamp.expires != kNever) add("expires_in_ms", ms(stamp.expires - now));
        add("version", std::to_string(stamp.version));
        const Evidence evidence = Evidence::of(stamp);
        if (const std::uint64_t number = evidence.change_number()) add("evidence", std::to_string(number));
        if (const std::uint64_t number = evidence.transaction()) add("transaction", std::to_string(number));
        add("load_cost_us", std::to_string(stamp.load_cost.count()));
        add("size", std::to_string(size_of(entry)));
      },
      Touch::kNo);
  if (!present) {
    add("tier", "none");
    add("state", "absent");
  }
  add("in_flight", !in_flight ? "no" : *in_flight ? "loading" : "queued");
  if (space.info.bound) add("source", space.gate->name());
  if (unconfirmed_.has(key)) add("write", "its commit is not confirmed: in progress");
  if (keys_.unsettled(place) || space.unsettled.load(std::memory_order_acquire) > 0) add("unsettled", "yes");
  if (space.config.max_staleness.count() > 0 && space.feed != nullptr) {
    const Instant right = space.feed->complete_as_of.load(std::memory_order_relaxed);
    if (right != Instant{}) add("right_as_of", ms(now - right) + " ms ago");
  }
  if (space.feed != nullptr) {
    const bool heard = space.feed->heard.load(std::memory_order_acquire);
    add("feed", heard              ? "heard"
                : space.bypassed() ? "not heard: nothing is kept"
                                   : "not heard: copies live by their ttl");
  }
  if (journaled_) journaled_->explain(key, explanation);
  if (negative) {
    add("miss_cause", "negative");
  } else if (!present) {
    const auto left = tier_->departure(key);
    std::string_view cause = "cold";
    if (outdated) {
      cause = "invalidated";
    } else if (events.unstored) {
      cause = *events.unstored == observe::Unstored::kFenced ? "fenced" : "rejected";
    } else if (left) {
      switch (*left) {
        case Departure::kExpired:
          cause = "expired";
          break;
        case Departure::kEvicted:
          cause = "evicted";
          break;
        case Departure::kInvalidated:
          cause = "invalidated";
          break;
      }
    }
    add("miss_cause", std::string(cause));
  }
  if (outdated) {
    add("last_invalidation_cause", "purge");
  } else if (events.invalidation) {
    add("last_invalidation", ms(now - events.invalidated_at) + " ms ago");
    add("last_invalidation_cause", std::string(observe::to_string(*events.invalidation)));
  }
  return explanation;
}

}  // namespace forebay::layer
