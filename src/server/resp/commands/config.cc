// CONFIG: Redis's names for what of the configuration clients may see, and for the little they may change.
//
// Nothing that names a file, an address or a password can be set from here: the list is closed.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "server/resp/commands/arguments.h"
#include "server/resp/commands/policy_names.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/server.h"
#include "server/resp/commands/subcommand.h"
#include "server/script/scripts.h"
#include "server/server.h"
#include "server/tracking/key_feed.h"
#include "server/watch/slow_log.h"

namespace forebay::server {
namespace {

// "100", "100mb", "1g": bytes. k, m, g are powers of 1000; kb, mb, gb of 1024, as in redis.conf.
std::optional<std::size_t> parse_bytes(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  constexpr std::array<std::pair<std::string_view, std::size_t>, 8> kUnits{{{"", 1},
                                                                            {"b", 1},
                                                                            {"k", 1000},
                                                                            {"kb", 1024},
                                                                            {"m", 1000 * 1000},
                                                                            {"mb", 1024 * 1024},
                                                                            {"g", 1000 * 1000 * 1000},
                                                                            {"gb", 1024 * 1024 * 1024}}};
  for (const auto& [name, factor] : kUnits) {
    if (!equals_ignoring_case(unit, name)) continue;
    if (number > std::numeric_limits<std::size_t>::max() / factor) return std::nullopt;
    return number * factor;
  }
  return std::nullopt;
}

std::optional<std::size_t> parse_count(std::string_view text, std::size_t least, std::size_t most) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return std::nullopt;
  return number;
}

// What CONFIG SET has understood, applied together once every value is known to be good.
struct Staged {
  std::optional<std::size_t> memory_limit;
  std::optional<std::string> memory_policy;
  std::optional<std::size_t> max_clients;
  std::optional<std::chrono::milliseconds> idle_timeout;
  std::optional<std::size_t> max_value;
  std::optional<std::size_t> max_query_buffer;
  std::optional<std::size_t> max_client_memory;
  std::optional<std::size_t> lua_time_limit;  // ms
  std::optional<std::size_t> tracked_keys;
  std::optional<std::uint32_t> events;
  std::optional<std::int64_t> slower_than;  // microseconds
  std::optional<std::size_t> slow_entries;
  std::optional<std::size_t> subscriber_output_hard;
  std::optional<std::size_t> subscriber_output_soft;
  std::optional<std::chrono::seconds> subscriber_output_patience;
};

struct Parameter {
  std::string_view name;
  std::string (*get)(Server& server);
  // Stages the value; returns what is wrong with it, or nothing. Null: can't be changed.
  std::string_view (*stage)(std::string_view value, Staged& staged);
};

std::string yes_or_no(bool value) {
  return value ? "yes" : "no";
}

std::string lua_time_limit(Server& server) {
  const auto limit = server.scripts().limit.load(std::memory_order_relaxed);
  return std::to_string(limit > std::chrono::hours(24 * 365) ? 0 : limit.count());
}
std::string_view set_lua_time_limit(std::string_view value, Staged& staged) {
  staged.lua_time_limit = parse_count(value, 0, std::numeric_limits<std::int32_t>::max());
  return staged.lua_time_limit ? "" : "argument must be between 0 and 2147483647 inclusive";
}

std::string output_limits(Server& server) {
  const RuntimeLimits& limits = server.limits();
  return fmt::format("normal {} 0 0 pubsub {} {} {}", limits.max_output_buffer.load(),
                     limits.subscriber_output_hard.load(), limits.subscriber_output_soft.load(),
                     limits.subscriber_output_patience.load().count());
}

// `pubsub <hard> <soft> <seconds>`. The limit of other clients is the configuration's, and there are no
// replicas.
std::string_view stage_output_limits(std::string_view value, Staged& staged) {
  std::array<std::string_view, 4> words;
  for (std::string_view& word : words) {
    const std::size_t end = std::min(value.find(' '), value.size());
    word = value.substr(0, end);
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  const auto seconds = parse_count(words[3], 0, std::numeric_limits<std::int32_t>::max());
  staged.subscriber_output_hard = parse_bytes(words[1]);
  staged.subscriber_output_soft = parse_bytes(words[2]);
  if (!equals_ignoring_case(words[0], "pubsub") || !value.empty() || !staged.subscriber_output_hard ||
      !staged.subscriber_output_soft || !seconds) {
    return "argument must be: pubsub <hard limit> <soft limit> <soft seconds>";
  }
  staged.subscriber_output_patience = std::chrono::seconds(*seconds);
  return "";
}

constexpr std::array kParameters{
    Parameter{"appendonly", [](Server&) { return std::string("no"); },
              [](std::string_view value, Staged&) -> std::string_view {
                return equals_ignoring_case(value, "no") ? ""
                                                         : "there is no persistence: argument must be no";
              }},
    Parameter{"bind", [](Server& server) { return server.options().resp; }, nullptr},
    Parameter{"client-output-buffer-limit", output_limits, stage_output_limits},
    Parameter{"client-query-buffer-limit",
              [](Server& server) { return std::to_string(server.limits().max_query_buffer.load()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.max_query_buffer = parse_bytes(value);
                return staged.max_query_buffer >= std::size_t{1} << 20
                           ? ""
                           : "argument must be a memory value of at least 1mb";
              }},
    Parameter{"busy-reply-threshold", lua_time_limit, set_lua_time_limit},
    Parameter{"databases", [](Server& server) { return std::to_string(server.options().databases); },
              nullptr},
    Parameter{"io-threads", [](Server& server) { return std::to_string(server.options().threads); }, nullptr},
    Parameter{"lua-time-limit", lua_time_limit, set_lua_time_limit},
    Parameter{"maxclients", [](Server& server) { return std::to_string(server.limits().max_clients.load()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.max_clients = parse_count(value, 1, 1'000'000);
                return staged.max_clients ? "" : "argument must be between 1 and 1000000 inclusive";
              }},
    Parameter{"maxmemory", [](Server& server) { return std::to_string(server.layer().stats().limit); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.memory_limit = parse_bytes(value);
                return staged.memory_limit ? "" : "argument must be a memory value";
              }},
    Parameter{"maxmemory-clients",
              [](Server& server) { return std::to_string(server.limits().max_client_memory.load()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                constexpr std::size_t kLeast = std::size_t{16} << 20;
                staged.max_client_memory = parse_bytes(value);
                return staged.max_client_memory == std::size_t{0} || staged.max_client_memory >= kLeast
                           ? ""
                           : "argument must be 0 or a memory value of at least 16mb";
              }},
    Parameter{"maxmemory-policy",
              [](Server& server) { return std::string(redis_policy_name(server.layer().memory_policy())); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.memory_policy = own_policy_name(value);
                return "";
              }},
    // Frameworks set it; eviction takes no samples.
    Parameter{"maxmemory-samples", [](Server&) { return std::string("5"); },
              [](std::string_view value, Staged&) -> std::string_view {
                return parse_count(value, 1, 64) ? "" : "argument must be between 1 and 64 inclusive";
              }},
    Parameter{"notify-keyspace-events",
              [](Server& server) { return KeyNotifier::letters(server.key_feed().notifier().events()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.events = KeyNotifier::parse(value);
                return staged.events ? "" : "Invalid event class character. Use 'Ag$lshzxeKEtd'.";
              }},
    Parameter{"port", [](Server& server) { return std::to_string(server.resp_port()); }, nullptr},
    Parameter{
        "proto-max-bulk-len", [](Server& server) { return std::to_string(server.limits().max_value.load()); },
        [](std::string_view value, Staged& staged) -> std::string_view {
          staged.max_value = parse_bytes(value);
          return staged.max_value >= std::size_t{1} << 20 ? ""
                                                          : "argument must be a memory value of at least 1mb";
        }},
    Parameter{"protected-mode", [](Server& server) { return yes_or_no(server.options().protected_mode); },
              nullptr},
    Parameter{"save", [](Server&) { return std::string(); },
              [](std::string_view value, Staged&) -> std::string_view {
                return value.empty() ? "" : "there is no persistence: argument must be empty";
              }},
    Parameter{"slowlog-log-slower-than",
              [](Server& server) { return std::to_string(server.slow_log().slower_than().count()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.slower_than = parse_integer(value);
                return staged.slower_than && *staged.slower_than >= -1 ? "" : "argument must be at least -1";
              }},
    Parameter{"slowlog-max-len", [](Server& server) { return std::to_string(server.slow_log().most()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.slow_entries = parse_count(value, 0, 1'000'000);
                return staged.slow_entries ? "" : "argument must be between 0 and 1000000 inclusive";
              }},
    Parameter{"timeout",
              [](Server& server) {
                const auto timeout = server.limits().idle_timeout.load();
                return std::to_string(std::chrono::ceil<std::chrono::seconds>(timeout).count());
              },
              [](std::string_view value, Staged& staged) -> std::string_view {
                const auto seconds = parse_count(value, 0, std::numeric_limits<std::int32_t>::max());
                if (!seconds) return "argument must be between 0 and 2147483647 inclusive";
                staged.idle_timeout = std::chrono::seconds(*seconds);
                return "";
              }},
    Parameter{"tracking-table-max-keys",
              [](Server& server) { return std::to_string(server.key_feed().tracking()->most()); },
              [](std::string_view value, Staged& staged) -> std::string_view {
                staged.tracked_keys = parse_count(value, 0, std::numeric_limits<std::int64_t>::max());
                return staged.tracked_keys ? "" : "argument couldn't be parsed into an integer";
              }},
};

void get(Context& context) {
  std::vector<const Parameter*> chosen;
  for (const Parameter& parameter : kParameters) {
    const auto patterns = context.args.subspan(2);
    if (std::any_of(patterns.begin(), patterns.end(),
                    [&](std::string_view pattern) { return name_matches(pattern, parameter.name); })) {
      chosen.push_back(&parameter);
    }
  }
  context.reply.map(chosen.size());
  for (const Parameter* parameter : chosen) {
    context.reply.bulk(parameter->name);
    context.reply.bulk(parameter->get(context.server));
  }
}

void reply_failed(Context& context, std::string_view name, std::string_view why) {
  context.reply.error(
      fmt::format("ERR CONFIG SET failed (possibly related to argument '{}') - {}", name, why));
}

void apply(Server& server, const Staged& staged) {
  RuntimeLimits& limits = server.limits();
  if (staged.max_clients) limits.max_clients.store(*staged.max_clients);
  if (staged.idle_timeout) limits.idle_timeout.store(*staged.idle_timeout);
  if (staged.max_value) limits.max_value.store(*staged.max_value);
  if (staged.max_client_memory) limits.max_client_memory.store(*staged.max_client_memory);
  if (staged.tracked_keys) server.key_feed().tracking()->set_most(*staged.tracked_keys);
  if (staged.events) server.notify(*staged.events);
  if (staged.slower_than) server.slow_log().set_slower_than(SlowLog::Microseconds(*staged.slower_than));
  if (staged.slow_entries) server.slow_log().set_most(*staged.slow_entries);
  if (staged.subscriber_output_patience) {
    limits.subscriber_output_hard.store(*staged.subscriber_output_hard);
    limits.subscriber_output_soft.store(*staged.subscriber_output_soft);
    limits.subscriber_output_patience.store(*staged.subscriber_output_patience);
  }
  if (staged.max_query_buffer) limits.max_query_buffer.store(*staged.max_query_buffer);
  // 0 means without a limit.
  if (staged.lua_time_limit)
    server.scripts().limit.store(*staged.lua_time_limit == 0
                                     ? std::chrono::milliseconds::max() / 2
                                     : std::chrono::milliseconds(*staged.lua_time_limit),
                                 std::memory_order_relaxed);
}

void set(Context& context) {
  const auto args = context.args;
  if (args.size() % 2 != 0) return reply_wrong_arity(context.reply, "config|set");
  Staged staged;
  for (std::size_t i = 2; i < args.size(); i += 2) {
    const auto* parameter = std::find_if(
        kParameters.begin(), kParameters.end(),
        [&](const Parameter& candidate) { return equals_ignoring_case(args[i], candidate.name); });
    if (parameter == kParameters.end()) {
      return context.reply.error(fmt::format(
          "ERR Unknown option or number of arguments for CONFIG SET - '{}'", args[i].substr(0, 128)));
    }
    if (parameter->stage == nullptr)
      return reply_failed(context, parameter->name, "can't set immutable config");
    const std::string_view wrong = parameter->stage(args[i + 1], staged);
    if (!wrong.empty()) return reply_failed(context, parameter->name, wrong);
  }
  if (staged.memory_limit || staged.memory_policy) {
    const bool policy = staged.memory_policy.has_value();
    const Result<void> done = context.layer.set_memory(staged.memory_limit, std::move(staged.memory_policy));
    if (!done) return reply_failed(context, policy ? "maxmemory-policy" : "maxmemory", done.error().message);
  }
  apply(context.server, staged);
  context.reply.ok();
}

void resetstat(Context& context) {
  context.server.reset_stats();
  context.layer.reset_stats();
  context.reply.ok();
}

void rewrite(Context& context) {
  context.reply.error(
      "ERR CONFIG REWRITE is not supported: edit the configuration file and send the process SIGHUP");
}

constexpr std::array kSubcommands{
    Subcommand{"get", -3, "GET <pattern> [<pattern> ...]: parameters and their values", get},
    Subcommand{"resetstat", 2, "RESETSTAT: counters start again from zero", resetstat},
    Subcommand{"rewrite", 2, "REWRITE: not supported", rewrite},
    Subcommand{"set", -4, "SET <parameter> <value> [<parameter> <value> ...]: changes until the next start",
               set},
};

}  // namespace

void config_command(Context& context) {
  run_subcommand(context, "config", kSubcommands);
}

std::span<const Subcommand> config_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
