#include "cli/simulate.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "cli/configuration.h"
#include "cli/demo/console.h"
#include "cli/simulate/cache_size.h"
#include "cli/simulate/curve.h"
#include "cli/simulate/simulation.h"
#include "cli/simulate/trace.h"
#include "memory/eviction/registry.h"

namespace forebay::cli {
namespace {

using simulate::CacheSize;
using simulate::Outcome;
using simulate::SimulatedCache;
using simulate::TraceFile;

constexpr const char* kCurveSizes[] = {"0.1%", "0.2%", "0.5%", "1%", "2%", "5%", "10%", "20%", "50%"};

struct Options {
  std::string trace;
  std::vector<std::string> policies;
  std::vector<std::string> sizes;
  std::string curve;
  std::size_t shards = 1;
  std::size_t threads = std::max(1U, std::thread::hardware_concurrency());
  std::uint64_t seed = 1;
  bool csv = false;
};

// What is to be run: every policy at every size, the sizes of one policy beside each other.
struct Plan {
  std::vector<std::string> policies;
  std::vector<CacheSize> sizes;
  std::vector<std::uint64_t> amounts;  // of the sizes
  std::vector<SimulatedCache> caches;
};

Error wrong(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

// What can be said of the command line without looking into the trace.
Result<Plan> understand(const Options& options, const TraceFile& trace) {
  Plan plan;
  for (const std::string& name : options.policies) {
    if (name == "all") {
      for (const std::string_view each : memory::policy_names()) plan.policies.emplace_back(each);
      continue;
    }
    if (const auto row = memory::find_policy(name); !row) return row.error();
    plan.policies.push_back(name);
  }
  std::vector<std::string> sizes = options.sizes;
  if (sizes.empty()) {
    if (options.curve.empty()) return wrong("--size is required (without one, --curve chooses sizes)");
    sizes.assign(std::begin(kCurveSizes), std::end(kCurveSizes));
  }
  for (const std::string& text : sizes) {
    auto size = CacheSize::parse(text);
    if (!size) return size.error();
    if (size->unit() == CacheSize::Unit::kBytes && trace.format != simulate::TraceFormat::kKeySizeTime) {
      return wrong(fmt::format("--size {}: {} has no sizes (a .kst trace has): give entries or a share", text,
                               trace.path));
    }
    plan.sizes.push_back(std::move(*size));
  }
  const auto is_bytes = [](const CacheSize& size) { return size.unit() == CacheSize::Unit::kBytes; };
  const auto of_bytes = std::ranges::count_if(plan.sizes, is_bytes);
  if (!options.curve.empty() && of_bytes != 0 && of_bytes != std::ssize(plan.sizes))
    return wrong("--curve: sizes in bytes and sizes in entries have no common axis");
  return plan;
}

// Turns the sizes into numbers, for which shares need a pass over the trace.
Result<void> settle(Plan& plan, const Options& options, const TraceFile& trace) {
  std::uint64_t unique = 0;
  if (std::ranges::any_of(plan.sizes,
                          [](const CacheSize& s) { return s.unit() == CacheSize::Unit::kShare; })) {
    simulate::Progress progress;
    const auto counted = simulate::count_unique_keys(trace, progress);
    if (!counted) return counted.error();
    unique = *counted;
    if (unique == 0) return wrong(fmt::format("{}: no requests", trace.path));
  }
  for (const CacheSize& size : plan.sizes) {
    const std::uint64_t amount = size.amount(unique);
    if (amount == 0)
      return wrong(
          fmt::format("--size {}: no entry, as {} has {} unique keys", size.text(), trace.path, unique));
    plan.amounts.push_back(amount);
  }
  for (const std::string& policy : plan.policies) {
    for (std::size_t i = 0; i < plan.sizes.size(); ++i) {
      SimulatedCache cache;
      cache.policy = policy;
      cache.limit = plan.amounts[i];
      cache.count =
          plan.sizes[i].unit() == CacheSize::Unit::kBytes ? memory::Count::kBytes : memory::Count::kEntries;
      cache.shards = options.shards;
      cache.policy_options.seed = options.seed;
      plan.caches.push_back(std::move(cache));
    }
  }
  return {};
}

// A field of a CSV line (RFC 4180).
std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

void print_csv(const Plan& plan, const TraceFile& trace, const std::vector<Outcome>& outcomes) {
  fmt::print("trace,policy,size,requests,misses,miss_ratio\n");
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    fmt::print("{},{},{},{},{},{:.6f}\n", csv_field(trace.name), plan.caches[i].policy,
               plan.sizes[i % plan.sizes.size()].text(), outcomes[i].requests, outcomes[i].misses,
               outcomes[i].miss_ratio());
  }
}

void print_table(const Plan& plan, const TraceFile& trace, const std::vector<Outcome>& outcomes) {
  std::vector<std::vector<std::string>> rows;
  auto& head = rows.emplace_back(std::vector<std::string>{"miss ratio"});
  for (std::size_t i = 0; i < plan.sizes.size(); ++i) {
    const bool share = plan.sizes[i].unit() == CacheSize::Unit::kShare;
    head.push_back(share ? fmt::format("{} = {}", plan.sizes[i].text(), demo::with_commas(plan.amounts[i]))
                         : plan.sizes[i].text());
  }
  for (std::size_t p = 0; p < plan.policies.size(); ++p) {
    auto& row = rows.emplace_back(std::vector<std::string>{plan.policies[p]});
    for (std::size_t s = 0; s < plan.sizes.size(); ++s)
      row.push_back(fmt::format("{:.4f}", outcomes[p * plan.sizes.size() + s].miss_ratio()));
  }
  fmt::print("{}: {} requests\n{}", trace.name, demo::with_commas(outcomes.front().requests),
             demo::format_table(rows));
}

// False: the file can't be written; that has been said.
bool write_curves(const std::string& file, const Plan& plan, const TraceFile& trace,
                  const std::vector<Outcome>& outcomes) {
  std::vector<simulate::Curve> curves;
  for (std::size_t p = 0; p < plan.policies.size(); ++p) {
    simulate::Curve curve{plan.policies[p], {}};
    for (std::size_t s = 0; s < plan.sizes.size(); ++s) {
      curve.points.push_back(
          {static_cast<double>(plan.amounts[s]), outcomes[p * plan.sizes.size() + s].miss_ratio()});
    }
    std::ranges::sort(curve.points, {}, &simulate::CurvePoint::size);
    curves.push_back(std::move(curve));
  }
  const auto axis = plan.sizes.front().unit() == CacheSize::Unit::kBytes ? simulate::SizeAxis::kBytes
                                                                         : simulate::SizeAxis::kEntries;
  std::ofstream out(file, std::ios::binary);
  out << simulate::draw_curves(trace.name, axis, curves);
  out.close();
  if (out) return true;
  print_error(fmt::format("{}: can't be written", file));
  return false;
}

int run_simulate(const Options& options) {
  const TraceFile trace(options.trace);
  auto plan = understand(options, trace);
  if (!plan) {
    print_error(fmt::format("forebay: {}", plan.error().message));
    return kWrongUse;
  }
  seed_hashes(options.seed);
  const bool terminal = isatty(STDERR_FILENO) == 1;
  if (const auto settled = settle(*plan, options, trace); !settled) {
    print_error(settled.error().message);
    return kFailed;
  }
  const auto outcomes = simulate::simulate_all(trace, plan->caches, options.threads, [&](double share) {
    if (terminal)
      fmt::print(stderr, "\r{}: {} runs, {:3.0f} %", trace.name, plan->caches.size(), share * 100);
  });
  if (terminal) fmt::print(stderr, "\r\033[K");
  if (!outcomes) {
    print_error(outcomes.error().message);
    return kFailed;
  }
  options.csv ? print_csv(*plan, trace, *outcomes) : print_table(*plan, trace, *outcomes);
  if (!options.curve.empty() && !write_curves(options.curve, *plan, trace, *outcomes)) return kFailed;
  return kDone;
}

}  // namespace

void add_simulate(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      program.add_subcommand("simulate", "Say how often each eviction policy would miss on a request trace");
  command->footer(
      "TRACE: NAME.keys (u64 keys), NAME.kst (u64 key, size, timestamp), both little-endian, or text with "
      "one key a "
      "line; each also compressed, as NAME.keys.zst.\n"
      "SIZE: entries (20000), bytes (64MiB, of a .kst trace) or a share of the trace's unique keys (1%).\n"
      "Status 0: done, 1: the trace can't be read, 2: wrong use.");
  command->add_option("TRACE", options->trace, "Request trace")->required();
  command->add_option("--policy", options->policies, "Eviction policies, or all")->required()->delimiter(',');
  command->add_option("--size", options->sizes, "Sizes of the cache")->delimiter(',');
  command->add_flag("--csv", options->csv, "Print comma-separated lines instead of a table");
  command->add_option("--curve", options->curve, "Draw miss-ratio curves into this file (SVG)");
  command->add_option("--shards", options->shards, "Shards of the memory tier")
      ->check(CLI::Range(1U, 64U))
      ->capture_default_str();
  command->add_option("--threads", options->threads, "Runs at the same time")
      ->check(CLI::Range(1U, 256U))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Of all that is left to chance: one seed, one result")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->callback([options, &chosen] { chosen = [options] { return run_simulate(*options); }; });
}

}  // namespace forebay::cli
