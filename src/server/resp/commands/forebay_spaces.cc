#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/glob.h"
#include "config/suggest.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/forebay.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

using Row = std::pair<std::string_view, std::uint64_t>;

std::uint64_t as_count(double value) {
  return static_cast<std::uint64_t>(std::max(value, 0.0));
}

void write_rows(resp::Writer& reply, std::span<const Row> rows) {
  for (const auto& [name, count] : rows) {
    reply.bulk(name);
    reply.integer(static_cast<std::int64_t>(count));
  }
}

void write_namespace(resp::Writer& reply, const LayerStats& stats, const NamespaceStats& space) {
  std::vector<Row> rows = {
      {"entries", space.entries},
      {"hits", space.hits},
      {"stale", space.stale},
      {"negative", space.negative},
      {"misses", space.misses},
      {"errors", space.errors},
      {"coalesced", space.coalesced},
      {"refreshes", space.refreshes},
      {"fenced", space.fenced},
      {"invalidations", space.invalidations},
      {"pending_writes", space.pending_records},
      {"pending_bytes", space.pending_bytes},
      {"audit_right", space.audit.right},
      {"audit_changed_meanwhile", space.audit.changed},
      {"audit_stale", space.audit.stale},
      {"audit_unknown", space.audit.unknown},
      {"audit_violations", space.audit.violations},
  };
  const auto flush = std::ranges::find(stats.flushes, space.name, &FlushStats::space);
  if (flush != stats.flushes.end()) {
    rows.insert(rows.end(), {
                                {"pending_oldest_ms", as_count(space.pending_oldest_seconds * 1e3)},
                                {"flushed_writes", flush->writes},
                                {"flushes", flush->batches},
                                {"flush_microseconds", as_count(flush->flush_seconds * 1e6)},
                                {"flush_retries", flush->retries},
                                {"largest_flush", flush->largest_batch},
                                {"refused_writes", flush->dead},
                                {"dead_letters", flush->dead_letters},
                            });
  }
  const std::size_t predictions = space.predicted_hit_rate ? kPredictedMemory.size() : 0;
  reply.map(rows.size() + predictions);
  write_rows(reply, rows);
  for (std::size_t i = 0; i < predictions; ++i) {
    reply.bulk(fmt::format("predicted_hit_rate_{}x", kPredictedMemory[i]));
    reply.bulk(fmt::format("{:.4f}", (*space.predicted_hit_rate)[i]));
  }
}

void write_source_stats(resp::Writer& reply, const SourceStats& source) {
  const std::array rows = std::to_array<Row>({
      {"loads", source.loads},
      {"load_keys", source.load_keys},
      {"load_microseconds", source.load_microseconds},
      {"writes", source.writes},
      {"errors", source.errors},
      {"timeouts", source.timeouts},
      {"rejected", source.rejected},
      {"in_flight", source.in_flight},
      {"queued", source.queued},
      {"limit", source.limit},
  });
  reply.map(rows.size() + 1);
  write_rows(reply, rows);
  reply.bulk("breaker");
  reply.bulk(source.breaker);
}

void write_journal(resp::Writer& reply, const JournalStats& journal) {
  const std::array rows = std::to_array<Row>({
      {"fill_percent", as_count(journal.fill * 100)},
      {"ack_delay_microseconds", as_count(journal.ack_delay_seconds * 1e6)},
      {"acks_held_back", journal.held_back},
      {"op_ids", journal.op_ids},
      {"repeats", journal.repeats},
  });
  reply.map(rows.size());
  write_rows(reply, rows);
}

void write_memory(resp::Writer& reply, const LayerStats& stats) {
  const std::array rows = std::to_array<Row>({
      {"entries", stats.entries},
      {"bytes", stats.bytes},
      {"limit", stats.limit},
      {"with_expiry", stats.with_expiry},
      {"evicted", stats.evicted},
      {"expired", stats.expired},
      {"too_large", stats.too_large},
      {"refused_full", stats.refused_full},
  });
  reply.map(rows.size());
  write_rows(reply, rows);
}

}  // namespace

std::optional<std::string> unknown_namespace(const LayerStats& stats, std::string_view name) {
  std::vector<std::string_view> names;
  for (const NamespaceStats& space : stats.namespaces) {
    if (space.name == name) return std::nullopt;
    if (!space.name.empty()) names.push_back(space.name);
  }
  const std::string_view shown = name.substr(0, 128);
  return "ERR there is no namespace '" + std::string(shown) + "'" + config::did_you_mean(shown, names);
}

void forebay_purge(Context& context) {
  const std::string_view what = context.args[2];
  const std::size_t count = context.args.size();
  if (count == 3 && equals_ignoring_case(what, "all")) {
    context.layer.purge_all();
    return context.reply.ok();
  }
  if (count == 4 && equals_ignoring_case(what, "namespace")) {
    const auto purged = context.layer.purge_namespace(context.args[3]);
    if (!purged) return context.reply.error(error_text(purged.error()));
    return context.reply.ok();
  }
  if (count == 4 && equals_ignoring_case(what, "tag")) {
    context.layer.purge_tag(context.args[3]);
    return context.reply.ok();
  }
  if (count == 4 && equals_ignoring_case(what, "match")) {
    const auto glob = Glob::compile(context.args[3]);
    if (!glob) return context.reply.error(error_text(glob.error()));
    return answer_slowly(context, [&layer = context.layer, pattern = std::string(context.args[3])] {
      const auto purged = static_cast<std::int64_t>(layer.purge_match(pattern));
      return Prepared{[purged](resp::Writer& reply) { reply.integer(purged); }};
    });
  }
  context.reply.error(kSyntaxError);
}

void forebay_warm(Context& context) {
  const std::string_view name = context.args[2];
  std::vector<std::string> keys;
  for (std::string_view key : context.args.subspan(3)) {
    const NamespaceInfo& space = context.layer.route(key);
    if (space.name != name) {
      if (const auto unknown = unknown_namespace(context.layer.stats(), name)) {
        return context.reply.error(*unknown);
      }
      return context.reply.error("ERR the key '" + std::string(key.substr(0, 128)) +
                                 "' is not of namespace '" + std::string(name.substr(0, 128)) + "'");
    }
    keys.emplace_back(key);
  }
  context.layer.warm(keys, [slot = context.defer()](Result<std::size_t> loaded) {
    slot->complete([loaded = std::move(loaded)](resp::Writer& reply) {
      if (!loaded) return reply.error(error_text(loaded.error()));
      reply.integer(static_cast<std::int64_t>(*loaded));
    });
  });
}

void forebay_stats(Context& context) {
  const LayerStats stats = context.layer.stats();
  if (context.args.size() > 3) return context.reply.error(kSyntaxError);
  if (context.args.size() == 3) {
    for (const NamespaceStats& space : stats.namespaces) {
      if (space.name == context.args[2]) return write_namespace(context.reply, stats, space);
    }
    return context.reply.error(*unknown_namespace(stats, context.args[2]));
  }
  context.reply.map(stats.journal ? 5 : 4);
  context.reply.bulk("health");
  context.reply.array(stats.health.size() + stats.misfits.size());
  for (const std::string& sentence : stats.health) context.reply.bulk(sentence);
  for (const std::string& sentence : stats.misfits) context.reply.bulk(sentence);
  if (stats.journal) {
    context.reply.bulk("journal");
    write_journal(context.reply, *stats.journal);
  }
  context.reply.bulk("memory");
  write_memory(context.reply, stats);
  context.reply.bulk("namespaces");
  context.reply.map(stats.namespaces.size());
  for (const NamespaceStats& space : stats.namespaces) {
    context.reply.bulk(space.name);
    write_namespace(context.reply, stats, space);
  }
  context.reply.bulk("sources");
  context.reply.map(stats.sources.size());
  for (const SourceStats& source : stats.sources) {
    context.reply.bulk(source.name);
    write_source_stats(context.reply, source);
  }
}

}  // namespace forebay::server
