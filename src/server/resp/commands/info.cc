// INFO: lines that monitoring tools for Redis parse.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <memory>
#include <string>

#include "layer/databases.h"
#include "server/clients.h"
#include "server/databases.h"
#include "server/pubsub/broker.h"
#include "server/resp/commands/policy_names.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/server.h"
#include "server/resp/commands/versions.h"
#include "server/resp/session.h"
#include "server/script/scripts.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

// Taken once per INFO, as sections share them.
struct Facts {
  Context& context;
  ServerStats server;
  LayerStats layer;
};

using Text = std::back_insert_iterator<std::string>;

std::size_t resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             std::fclose);
  unsigned long total = 0;
  unsigned long resident = 0;
  if (!file || std::fscanf(file.get(), "%lu %lu", &total, &resident) != 2) return 0;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// 1536 -> "1.50K", as Redis shows it.
std::string human(std::size_t bytes) {
  constexpr std::string_view kUnits = "BKMGT";
  double amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (amount >= 1024 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{}B", bytes) : fmt::format("{:.2f}{}", amount, kUnits[unit]);
}

void server_section(const Facts& facts, Text out) {
  const auto up =
      std::chrono::duration_cast<std::chrono::seconds>(facts.context.now - facts.context.server.started_at());
  const std::int64_t now_ms = facts.context.layer.clock().to_wall_ms(facts.context.now);
  fmt::format_to(
      out,
      "redis_version:{}\r\nforebay_version:{}\r\nredis_mode:standalone\r\nos:Linux\r\narch_bits:64\r\n"
      "process_id:{}\r\ntcp_port:{}\r\nserver_time_usec:{}\r\nuptime_in_seconds:{}\r\nuptime_in_days:{}\r\n",
      kRedisVersion, FOREBAY_VERSION, getpid(), facts.context.server.resp_port(), now_ms * 1000, up.count(),
      up.count() / 86400);
}

void clients_section(const Facts& facts, Text out) {
  std::size_t subscribed = 0;
  facts.context.server.clients().for_each(
      [&](const Session& session) { subscribed += session.subscribed() ? 1 : 0; });
  fmt::format_to(out,
                 "connected_clients:{}\r\nmaxclients:{}\r\nblocked_clients:{}\r\npubsub_clients:{}\r\n"
                 "tracking_clients:{}\r\n",
                 facts.server.clients, facts.context.server.limits().max_clients.load(),
                 facts.context.server.key_feed().waiters().size(), subscribed,
                 facts.context.server.key_feed().tracking()->totals().clients);
}

void memory_section(const Facts& facts, Text out) {
  const std::size_t resident = resident_bytes();
  fmt::format_to(
      out,
      "used_memory:{}\r\nused_memory_human:{}\r\nused_memory_rss:{}\r\nused_memory_rss_human:{}\r\n"
      "maxmemory:{}\r\nmaxmemory_human:{}\r\nmaxmemory_policy:{}\r\nmem_fragmentation_ratio:{:.2f}\r\n"
      "mem_clients_normal:{}\r\nmaxmemory_clients:{}\r\nused_memory_lua:{}\r\nnumber_of_cached_scripts:{}"
      "\r\n",
      facts.layer.bytes, human(facts.layer.bytes), resident, human(resident), facts.layer.limit,
      human(facts.layer.limit), redis_policy_name(facts.context.layer.memory_policy()),
      facts.layer.bytes == 0 ? 0 : static_cast<double>(resident) / static_cast<double>(facts.layer.bytes),
      facts.server.client_memory, facts.context.server.limits().max_client_memory.load(),
      facts.context.server.scripts().memory(), facts.context.server.scripts().count());
}

// What a Redis with only this program's features would say, so that tools don't miss it.
void persistence_section(const Facts&, Text out) {
  fmt::format_to(
      out, "loading:0\r\nrdb_changes_since_last_save:0\r\nrdb_bgsave_in_progress:0\r\naof_enabled:0\r\n");
}

void stats_section(const Facts& facts, Text out) {
  const Broker& broker = facts.context.server.broker();
  const TrackingTable::Totals tracking = facts.context.server.key_feed().tracking()->totals();
  std::uint64_t hits = 0;
  std::uint64_t misses = 0;
  for (const NamespaceStats& space : facts.layer.namespaces) {
    hits += space.hits + space.stale;
    misses += space.misses + space.negative + space.errors;
  }
  fmt::format_to(
      out,
      "total_connections_received:{}\r\ntotal_commands_processed:{}\r\ninstantaneous_ops_per_sec:{:.0f}\r\n"
      "total_net_input_bytes:{}\r\ntotal_net_output_bytes:{}\r\nrejected_connections:{}\r\n"
      "expired_keys:{}\r\nevicted_keys:{}\r\nkeyspace_hits:{}\r\nkeyspace_misses:{}\r\n"
      "total_error_replies:{}\r\nclient_query_buffer_limit_disconnections:{}\r\n"
      "client_output_buffer_limit_disconnections:{}\r\nevicted_clients:{}\r\n"
      "login_timeout_disconnections:{}\r\npubsub_channels:{}\r\npubsub_patterns:{}\r\n"
      "pubsubshard_channels:{}\r\ntracking_total_keys:{}\r\ntracking_total_items:{}\r\n"
      "tracking_total_prefixes:{}\r\n",
      facts.server.connections, facts.server.commands, facts.server.commands_per_second,
      facts.server.bytes_in, facts.server.bytes_out, facts.server.rejected, facts.layer.expired,
      facts.layer.evicted, hits, misses, facts.server.error_replies, facts.server.closed_query,
      facts.server.closed_output, facts.server.closed_memory, facts.server.closed_login,
      broker.size(Topic::kChannel), broker.size(Topic::kPattern), broker.size(Topic::kShard), tracking.keys,
      tracking.items, tracking.prefixes);
}

void replication_section(const Facts&, Text out) {
  fmt::format_to(out, "role:master\r\nconnected_slaves:0\r\n");
}

void cpu_section(const Facts&, Text out) {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  fmt::format_to(out, "used_cpu_sys:{}.{:06}\r\nused_cpu_user:{}.{:06}\r\n", used.ru_stime.tv_sec,
                 used.ru_stime.tv_usec, used.ru_utime.tv_sec, used.ru_utime.tv_usec);
}

// Of commands that are quick only some are timed, which stand for all.
void commandstats_section(const Facts& facts, Text out) {
  const auto all = all_commands();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const ServerStats& counts = facts.server;
    if (counts.calls[i] + counts.rejected_calls[i] == 0) continue;
    const double each = counts.timed_calls[i] == 0 ? 0
                                                   : static_cast<double>(counts.nanoseconds[i]) /
                                                         static_cast<double>(counts.timed_calls[i]) / 1000;
    fmt::format_to(
        out, "cmdstat_{}:calls={},usec={:.0f},usec_per_call={:.2f},rejected_calls={},failed_calls={}\r\n",
        all[i]->name, counts.calls[i], each * static_cast<double>(counts.calls[i]), each,
        counts.rejected_calls[i], counts.failed_calls[i]);
  }
}

void sources_section(const Facts& facts, Text out) {
  for (const SourceStats& source : facts.layer.sources) {
    fmt::format_to(out,
                   "source_{}:loads={},keys={},writes={},errors={},in_flight={},queued={},breaker={}\r\n",
                   source.name, source.loads, source.load_keys, source.writes, source.errors,
                   source.in_flight, source.queued, source.breaker);
  }
}

void keyspace_section(const Facts& facts, Text out) {
  const auto places = layer::entries_of_databases(facts.context.layer);
  const Databases& databases = facts.context.server.databases();
  for (unsigned database = 0; database < databases.count(); ++database) {
    const auto& [entries, with_expiry] = places.at(databases.place_of(database));
    if (entries != 0)
      fmt::format_to(out, "db{}:keys={},expires={},avg_ttl=0\r\n", database, entries, with_expiry);
  }
}

struct Section {
  std::string_view name;
  std::string_view title;
  bool by_default;
  void (*write)(const Facts& facts, Text out);
};

constexpr std::array kSections{
    Section{"server", "Server", true, server_section},
    Section{"clients", "Clients", true, clients_section},
    Section{"memory", "Memory", true, memory_section},
    Section{"persistence", "Persistence", true, persistence_section},
    Section{"stats", "Stats", true, stats_section},
    Section{"replication", "Replication", true, replication_section},
    Section{"cpu", "CPU", true, cpu_section},
    Section{"commandstats", "Commandstats", false, commandstats_section},
    Section{"sources", "Sources", true, sources_section},
    Section{"keyspace", "Keyspace", true, keyspace_section},
};

bool chosen(const Section& section, std::span<const std::string_view> names) {
  if (names.empty()) return section.by_default;
  return std::any_of(names.begin(), names.end(), [&section](std::string_view name) {
    if (equals_ignoring_case(name, "all") || equals_ignoring_case(name, "everything")) return true;
    return equals_ignoring_case(name, "default") ? section.by_default
                                                 : equals_ignoring_case(name, section.name);
  });
}

}  // namespace

void info_command(Context& context) {
  const Facts facts{context, context.server.stats(), context.layer.stats()};
  std::string text;
  for (const Section& section : kSections) {
    if (!chosen(section, context.args.subspan(1))) continue;
    if (!text.empty()) text.append("\r\n");
    fmt::format_to(std::back_inserter(text), "# {}\r\n", section.title);
    section.write(facts, std::back_inserter(text));
  }
  context.reply.verbatim(text);
}

}  // namespace forebay::server
