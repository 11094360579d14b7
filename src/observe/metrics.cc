#include "observe/metrics.h"

#include <fmt/format.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <utility>

namespace forebay::observe {
namespace {

double number(std::uint64_t value) {
  return static_cast<double>(value);
}

Metric single(std::string name, std::string help, MetricKind kind, double value) {
  return {std::move(name), std::move(help), kind, {{{}, value}}};
}

prometheus::MetricType type_of(MetricKind kind) {
  switch (kind) {
    case MetricKind::kCounter:
      return prometheus::MetricType::Counter;
    case MetricKind::kGauge:
      return prometheus::MetricType::Gauge;
    case MetricKind::kHistogram:
      return prometheus::MetricType::Histogram;
  }
  return prometheus::MetricType::Untyped;
}

void add_namespaces(const LayerStats& stats, std::vector<Metric>& out) {
  Metric requests{"forebay_requests_total",
                  "Reads by namespace and by where the answer came from.",
                  MetricKind::kCounter,
                  {}};
  Metric coalesced{
      "forebay_coalesced_total", "Reads that shared another read's load.", MetricKind::kCounter, {}};
  Metric refreshes{"forebay_refreshes_total", "Loads made in the background.", MetricKind::kCounter, {}};
  Metric fenced{
      "forebay_fenced_total", "Loads whose result an invalidation kept out.", MetricKind::kCounter, {}};
  Metric invalidations{"forebay_invalidations_total", "Keys invalidated.", MetricKind::kCounter, {}};
  Metric entries{"forebay_entries", "Entries in the memory tier.", MetricKind::kGauge, {}};
  Metric predicted{"forebay_predicted_hit_ratio",
                   "Share of reads that memory would answer if it were this many times its limit, estimated.",
                   MetricKind::kGauge,
                   {}};
  Metric audits{
      "forebay_audits_total", "Cached copies compared with their source.", MetricKind::kCounter, {}};
  for (const NamespaceStats& space : stats.namespaces) {
    const auto label = [&space] { return std::pair<std::string, std::string>("namespace", space.name); };
    const std::pair<const char*, std::uint64_t> results[] = {{"hit", space.hits},
                                                             {"stale", space.stale},
                                                             {"negative", space.negative},
                                                             {"miss", space.misses},
                                                             {"error", space.errors}};
    for (const auto& [result, count] : results) {
      requests.samples.push_back({{label(), {"result", result}}, number(count)});
    }
    const AuditCounts& audit = space.audit;
    const std::pair<const char*, std::uint64_t> verdicts[] = {{"right", audit.right},
                                                              {"changed", audit.changed},
                                                              {"stale", audit.stale},
                                                              {"unknown", audit.unknown},
                                                              {"violation", audit.violations}};
    const bool audited =
        std::ranges::any_of(verdicts, [](const auto& verdict) { return verdict.second > 0; });
    for (const auto& [verdict, count] : verdicts) {
      if (audited) audits.samples.push_back({{label(), {"result", verdict}}, number(count)});
    }
    coalesced.samples.push_back({{label()}, number(space.coalesced)});
    refreshes.samples.push_back({{label()}, number(space.refreshes)});
    fenced.samples.push_back({{label()}, number(space.fenced)});
    invalidations.samples.push_back({{label()}, number(space.invalidations)});
    entries.samples.push_back({{label()}, number(space.entries)});
    for (std::size_t i = 0; space.predicted_hit_rate && i < kPredictedMemory.size(); ++i) {
      predicted.samples.push_back(
          {{label(), {"memory", fmt::format("{}", kPredictedMemory[i])}}, (*space.predicted_hit_rate)[i]});
    }
  }
  for (Metric* metric :
       {&requests, &coalesced, &refreshes, &fenced, &invalidations, &entries, &predicted, &audits}) {
    if (!metric->samples.empty()) out.push_back(std::move(*metric));
  }
}

void add_sources(const LayerStats& stats, std::vector<Metric>& out) {
  Metric calls{"forebay_source_calls_total", "Calls to a source.", MetricKind::kCounter, {}};
  Metric keys{"forebay_source_keys_total", "Keys that loads asked a source for.", MetricKind::kCounter, {}};
  Metric errors{
      "forebay_source_errors_total", "Calls to a source that failed, by cause.", MetricKind::kCounter, {}};
  Metric seconds{"forebay_source_seconds", "Time that loads took.", MetricKind::kHistogram, {}};
  Metric in_flight{"forebay_source_in_flight", "Calls under way.", MetricKind::kGauge, {}};
  Metric queued{"forebay_source_queued", "Keys that wait for a connection.", MetricKind::kGauge, {}};
  Metric breaker{
      "forebay_source_breaker_open", "1 while the circuit breaker is not closed.", MetricKind::kGauge, {}};
  for (const SourceStats& source : stats.sources) {
    const auto label = [&source] { return std::pair<std::string, std::string>("source", source.name); };
    calls.samples.push_back({{label(), {"op", "load"}}, number(source.loads)});
    calls.samples.push_back({{label(), {"op", "write"}}, number(source.writes)});
    keys.samples.push_back({{label()}, number(source.load_keys)});
    errors.samples.push_back({{label(), {"cause", "error"}}, number(source.errors)});
    errors.samples.push_back({{label(), {"cause", "timeout"}}, number(source.timeouts)});
    errors.samples.push_back({{label(), {"cause", "rejected"}}, number(source.rejected)});
    seconds.samples.push_back({{label()},
                               number(source.load_microseconds) / 1e6,
                               {source.load_seconds.begin(), source.load_seconds.end()},
                               {kLoadSecondsBounds.begin(), kLoadSecondsBounds.end()}});
    in_flight.samples.push_back({{label()}, number(source.in_flight)});
    queued.samples.push_back({{label()}, number(source.queued)});
    breaker.samples.push_back({{label()}, source.breaker == "closed" ? 0.0 : 1.0});
  }
  for (Metric* metric : {&calls, &keys, &errors, &seconds, &in_flight, &queued, &breaker}) {
    out.push_back(std::move(*metric));
  }
}

void add_feeds(const LayerStats& stats, std::vector<Metric>& out) {
  if (stats.feeds.empty()) {
    return out.push_back(single("forebay_feed_lag_seconds", "Age of the oldest change not yet applied.",
                                MetricKind::kGauge, stats.feed_lag_seconds));
  }
  Metric lag{"forebay_feed_lag_seconds", "Age of the oldest change not yet applied.", MetricKind::kGauge, {}};
  Metric heard{
      "forebay_feed_heard", "1 while others' changes at the source are heard of.", MetricKind::kGauge, {}};
  Metric changes{
      "forebay_feed_changes_total", "Changed rows that the feed told of.", MetricKind::kCounter, {}};
  Metric gaps{
      "forebay_feed_gaps_total", "Times at which changes may have been missed.", MetricKind::kCounter, {}};
  Metric unsettled{
      "forebay_feed_unsettled", "Changes that the source does not show yet.", MetricKind::kGauge, {}};
  for (const FeedStats& feed : stats.feeds) {
    const auto label = [&feed] { return std::pair<std::string, std::string>("source", feed.source); };
    lag.samples.push_back({{label()}, feed.lag_seconds});
    heard.samples.push_back({{label()}, feed.heard ? 1.0 : 0.0});
    changes.samples.push_back({{label()}, number(feed.changes)});
    gaps.samples.push_back({{label()}, number(feed.gaps)});
    unsettled.samples.push_back({{label()}, number(feed.unsettled)});
  }
  for (Metric* metric : {&lag, &heard, &changes, &gaps, &unsettled}) out.push_back(std::move(*metric));
}

void add_events(const LayerStats& stats, std::vector<Metric>& out) {
  if (stats.events.empty()) return;
  Metric messages{
      "forebay_events_total", "Messages of applications, by what became of them.", MetricKind::kCounter, {}};
  Metric connected{
      "forebay_events_connected", "1 while messages of applications are heard.", MetricKind::kGauge, {}};
  Metric keys{"forebay_events_keys_total", "Keys that messages have named.", MetricKind::kCounter, {}};
  Metric gaps{
      "forebay_events_gaps_total", "Times at which messages may have been missed.", MetricKind::kCounter, {}};
  Metric last{"forebay_events_last_seconds", "How long ago the last message came.", MetricKind::kGauge, {}};
  for (const EventStats& events : stats.events) {
    const auto label = [&events] { return std::pair<std::string, std::string>("events", events.name); };
    for (const auto& [result, count] : {std::pair{"invalidated", events.invalidated},
                                        {"malformed", events.malformed},
                                        {"too_large", events.too_large}})
      messages.samples.push_back({{label(), {"result", result}}, number(count)});
    connected.samples.push_back({{label()}, events.connected ? 1.0 : 0.0});
    keys.samples.push_back({{label()}, number(events.keys)});
    gaps.samples.push_back({{label()}, number(events.gaps)});
    if (events.last_seconds) last.samples.push_back({{label()}, *events.last_seconds});
  }
  for (Metric* metric : {&messages, &connected, &keys, &gaps, &last}) out.push_back(std::move(*metric));
}

void add_behind(const LayerStats& stats, std::vector<Metric>& out) {
  if (stats.flushes.empty()) return;
  Metric pending{"forebay_journal_pending",
                 "Writes behind that the database does not have yet.",
                 MetricKind::kGauge,
                 {}};
  Metric bytes{
      "forebay_journal_pending_bytes", "Bytes of their keys and operations.", MetricKind::kGauge, {}};
  Metric oldest{"forebay_journal_oldest_seconds", "Age of the oldest of them.", MetricKind::kGauge, {}};
  for (const NamespaceStats& space : stats.namespaces) {
    if (space.name.empty()) continue;
    const auto label = [&space] { return std::pair<std::string, std::string>("namespace", space.name); };
    pending.samples.push_back({{label()}, number(space.pending_records)});
    bytes.samples.push_back({{label()}, number(space.pending_bytes)});
    oldest.samples.push_back({{label()}, space.pending_oldest_seconds});
  }
  Metric applied{
      "forebay_journal_applied_total", "Writes behind that the database has.", MetricKind::kCounter, {}};
  Metric batches{
      "forebay_journal_batches_total", "Transactions that brought some of them.", MetricKind::kCounter, {}};
  Metric seconds{"forebay_journal_flush_seconds_total",
                 "Time from each batch's first try to its end.",
                 MetricKind::kCounter,
                 {}};
  Metric largest{"forebay_journal_largest_batch", "Most writes of one transaction.", MetricKind::kGauge, {}};
  Metric retries{
      "forebay_journal_retries_total", "Transactions that were tried again.", MetricKind::kCounter, {}};
  Metric refused{
      "forebay_journal_refused_total", "Writes behind that the database refused.", MetricKind::kCounter, {}};
  Metric dead{"forebay_dead_letters", "Refused writes that wait for a person.", MetricKind::kGauge, {}};
  for (const FlushStats& flush : stats.flushes) {
    const auto add = [&flush](Metric& metric, double value) {
      metric.samples.push_back({{{"source", flush.source}, {"namespace", flush.space}}, value});
    };
    add(applied, number(flush.writes));
    add(batches, number(flush.batches));
    add(seconds, flush.flush_seconds);
    add(largest, number(flush.largest_batch));
    add(retries, number(flush.retries));
    add(refused, number(flush.dead));
    add(dead, number(flush.dead_letters));
  }
  for (Metric* metric :
       {&pending, &bytes, &oldest, &applied, &batches, &seconds, &largest, &retries, &refused, &dead})
    out.push_back(std::move(*metric));
  if (stats.journal) {
    out.push_back(single("forebay_journal_fill_ratio",
                         "How full the journal is, by the nearest of its bounds; at 1 it refuses writes.",
                         MetricKind::kGauge, stats.journal->fill));
    out.push_back(single("forebay_journal_ack_delay_seconds",
                         "By how much acknowledgements are held back, as it is nearly full.",
                         MetricKind::kGauge, stats.journal->ack_delay_seconds));
    out.push_back(single("forebay_journal_acks_held_back_total", "Acknowledgements that were held back.",
                         MetricKind::kCounter, number(stats.journal->held_back)));
    out.push_back(single("forebay_journal_op_ids", "Op-ids that are remembered.", MetricKind::kGauge,
                         number(stats.journal->op_ids)));
    out.push_back(single("forebay_journal_repeats_total",
                         "Writes that were asked for again by an op-id and answered.", MetricKind::kCounter,
                         number(stats.journal->repeats)));
  }
  out.push_back(single("forebay_journal_problems",
                       "What the health check says about writes behind, in sentences; 0: all is well.",
                       MetricKind::kGauge, number(stats.health.size())));
}

}  // namespace

std::vector<Metric> layer_metrics(const LayerStats& stats) {
  std::vector<Metric> metrics;
  add_namespaces(stats, metrics);
  add_sources(stats, metrics);
  add_behind(stats, metrics);
  metrics.push_back(single("forebay_memory_bytes", "Bytes that the memory tier holds.", MetricKind::kGauge,
                           number(stats.bytes)));
  metrics.push_back(single("forebay_memory_limit_bytes", "Bytes that it may hold; 0: no limit.",
                           MetricKind::kGauge, number(stats.limit)));
  metrics.push_back({"forebay_evictions_total",
                     "Entries that left for want of room or at the end of their time, and values not kept.",
                     MetricKind::kCounter,
                     {{{{"reason", "evicted"}}, number(stats.evicted)},
                      {{{"reason", "expired"}}, number(stats.expired)},
                      {{{"reason", "too_large"}}, number(stats.too_large)},
                      {{{"reason", "refused_full"}}, number(stats.refused_full)}}});
  metrics.push_back(single("forebay_namespace_misfits", "Namespaces that do not fit their tables.",
                           MetricKind::kGauge, number(stats.misfits.size())));
  add_feeds(stats, metrics);
  add_events(stats, metrics);
  return metrics;
}

std::string render(const std::vector<Metric>& metrics) {
  std::vector<prometheus::MetricFamily> families;
  for (const Metric& metric : metrics) {
    prometheus::MetricFamily& family = families.emplace_back();
    family.name = metric.name;
    family.help = metric.help;
    family.type = type_of(metric.kind);
    for (const MetricSample& sample : metric.samples) {
      prometheus::ClientMetric& out = family.metric.emplace_back();
      for (const auto& [name, value] : sample.labels) out.label.push_back({name, value});
      switch (metric.kind) {
        case MetricKind::kCounter:
          out.counter.value = sample.value;
          break;
        case MetricKind::kGauge:
          out.gauge.value = sample.value;
          break;
        case MetricKind::kHistogram: {
          std::uint64_t up_to = 0;  // the text format's buckets are cumulative
          for (std::size_t i = 0; i < sample.buckets.size(); ++i) {
            up_to += sample.buckets[i];
            const double bound =
                i < sample.bounds.size() ? sample.bounds[i] : std::numeric_limits<double>::infinity();
            out.histogram.bucket.push_back({up_to, bound});
          }
          out.histogram.sample_sum = sample.value;
          out.histogram.sample_count = up_to;
          break;
        }
      }
    }
  }
  return prometheus::TextSerializer().Serialize(families);
}

}  // namespace forebay::observe
