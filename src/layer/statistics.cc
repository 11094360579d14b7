#include "layer/statistics.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "layer/write/behind/journaled_writes.h"

namespace forebay::layer {
namespace {

std::string counted(std::uint64_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

// What the namespace's limits say about writes behind.
void add_alarms(const Namespace& space, LayerStats& stats) {
  using Seconds = std::chrono::duration<double>;
  const config::Namespace& config = space.config;
  const auto pending = std::ranges::find(stats.namespaces, space.name(), &NamespaceStats::name);
  const double bound = Seconds(config.flush_every + config.alarm_age).count();
  if (config.alarm_age > Duration::zero() && pending != stats.namespaces.end() &&
      pending->pending_oldest_seconds > bound) {
    stats.health.push_back(fmt::format(
        "namespace {}: {} for source {}, the oldest for {:.0f} s (alarm: {:g} s beyond flush.every)",
        space.name(), counted(pending->pending_records, "write waits", "writes wait"), config.source,
        pending->pending_oldest_seconds, Seconds(config.alarm_age).count()));
  }
  std::size_t letters = 0;
  for (const FlushStats& flush : stats.flushes) {
    if (flush.space == space.name() && flush.source == config.source) letters += flush.dead_letters;
  }
  if (config.alarm_dead_letters > 0 && letters >= config.alarm_dead_letters) {
    stats.health.push_back(fmt::format("namespace {}: {} in source {} (alarm: {})", space.name(),
                                       counted(letters, "dead letter", "dead letters"), config.source,
                                       config.alarm_dead_letters));
  }
}

}  // namespace

std::uint64_t reads_of(const Namespace& space) {
  std::uint64_t reads = 0;
  for (const Count result : {kHits, kStale, kNegative, kMisses, kErrors}) reads += space.counters.sum(result);
  return reads;
}

std::optional<PredictedHitRate> Statistics::predicted(const Namespace& space, std::size_t limit) const {
  const std::uint64_t reads = reads_of(space);
  PredictedHitRate rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto bytes = static_cast<std::uint64_t>(static_cast<double>(limit) * kPredictedMemory[i]);
    const auto ratio = parts_.curves.hit_ratio(space.info.index, reads, bytes);
    if (!ratio) return std::nullopt;
    rates[i] = *ratio;
  }
  return rates;
}

NamespaceStats Statistics::of(const Namespace& space, const memory::TierStats& tier,
                              std::size_t limit) const {
  NamespaceStats stats;
  stats.name = space.info.name;
  stats.hits = space.counters.sum(kHits);
  stats.stale = space.counters.sum(kStale);
  stats.negative = space.counters.sum(kNegative);
  stats.misses = space.counters.sum(kMisses);
  stats.errors = space.counters.sum(kErrors);
  stats.coalesced = space.counters.sum(kCoalesced);
  stats.refreshes = space.counters.sum(kRefreshes);
  stats.fenced = space.counters.sum(kFenced);
  stats.invalidations = space.counters.sum(kInvalidations);
  if (space.info.index < tier.by_space.size()) stats.entries = tier.by_space[space.info.index].entries;
  stats.predicted_hit_rate = predicted(space, limit);
  stats.audit = parts_.auditor.counts(space.name());
  return stats;
}

LayerStats Statistics::collect() const {
  const memory::TierStats tier = parts_.tier.stats();
  LayerStats stats;
  stats.entries = tier.entries;
  stats.bytes = tier.bytes;
  stats.limit = parts_.tier.options().limit;
  stats.with_expiry = tier.with_expiry;
  stats.evicted = tier.evicted;
  stats.expired = tier.expired;
  stats.too_large = tier.too_large;
  stats.refused_full = tier.refused_full;
  for (const Namespace* space : router().spaces()) {
    NamespaceStats each = of(*space, tier, stats.limit);
    // A database that nobody uses is not worth a line.
    if (space->database == 0 || each.entries != 0 || reads_of(*space) != 0)
      stats.namespaces.push_back(std::move(each));
  }
  if (parts_.journaled != nullptr) parts_.journaled->stats(stats);
  for (const Namespace* space : router().spaces()) {
    if (space->port == nullptr) continue;
    if (const auto misfit = space->port->misfit())
      stats.misfits.push_back(
          fmt::format("namespace {} does not fit its table: {}", space->name(), misfit->message));
  }
  for (const Namespace* space : router().spaces()) {
    if (!space->info.writes_behind) continue;
    const auto known = std::ranges::find_if(stats.flushes, [&](const FlushStats& flush) {
      return flush.source == space->config.source && flush.space == space->name();
    });
    if (known == stats.flushes.end()) {
      stats.flushes.push_back({.source = space->config.source, .space = space->name()});
    }
    add_alarms(*space, stats);
  }
  parts_.configuration.stats(stats);
  return stats;
}

void Statistics::reset() {
  for (Namespace* space : router().spaces()) {
    space->counters.reset();
    parts_.curves.restart(space->info.index);
  }
  parts_.configuration.reset_stats();
}

}  // namespace forebay::layer
