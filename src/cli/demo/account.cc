#include "cli/demo/account.h"

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

namespace forebay::cli::demo {
namespace {

constexpr std::array<std::string_view, kRequestKinds> kNames{"GET package:<name>",  "GET rdepends:<name>",
                                                             "MGET of 10 packages", "GET of an absent name",
                                                             "HSET package:<name>", "INCR views:<name>"};

// Of all namespaces, what readers were given.
struct Reads {
  std::uint64_t memory = 0, stale = 0, misses = 0, errors = 0, coalesced = 0;
};

Reads reads(const Layer& layer) {
  Reads sum;
  for (const NamespaceStats& stats : layer.stats().namespaces) {
    sum.memory += stats.hits + stats.negative;
    sum.stale += stats.stale;
    sum.misses += stats.misses;
    sum.errors += stats.errors;
    sum.coalesced += stats.coalesced;
  }
  return sum;
}

std::vector<std::string> latency_row(std::string label, const Samples& samples) {
  return {std::move(label), with_commas(samples.count()), in_words(samples.quantile(0.5)),
          in_words(samples.quantile(0.99))};
}

}  // namespace

SourceWork source_work(const Layer& layer) {
  SourceWork sum;
  for (const SourceStats& stats : layer.stats().sources) {
    sum.calls += stats.loads;
    sum.keys += stats.load_keys;
    sum.time += std::chrono::microseconds(stats.load_microseconds);
  }
  return sum;
}

Result<void> give_account(Laboratory& laboratory) {
  Answered answered(laboratory.population.names().size());
  for (const auto& part : std::initializer_list<std::function<Result<void>()>>{
           [&] { return mixed_load(laboratory, answered); },
           [&] { return same_requests_without_cache(laboratory, answered); },
           [&] { return stampede(laboratory); },
           [&] { return cold_batches(laboratory); },
           [&] { return stale_while_loading(laboratory); },
           [&] { return write_through(laboratory); },
           [&] { return changes_made_elsewhere(laboratory); },
       }) {
    if (auto done = part(); !done) return done;
    if (laboratory.interrupted()) return {};
  }
  return {};
}

Result<void> mixed_load(Laboratory& laboratory, Answered& answered) {
  Console& console = laboratory.console;
  console.heading(fmt::format("A load: {} clients for {} s, beginning with nothing in memory",
                              laboratory.clients, laboratory.seconds.count()));
  const Reads before = reads(laboratory.layer);
  const SourceWork work_before = source_work(laboratory.layer);
  const LoadResult result =
      run_load(laboratory.population, forebay_backend(laboratory.port), answered,
               {.clients = laboratory.clients,
                .seed = 1,
                .duration = laboratory.seconds,
                .requests_each = 0,
                .on_progress = [&](std::size_t requests) {
                  const Reads now = reads(laboratory.layer);
                  const auto memory = static_cast<double>(now.memory - before.memory);
                  console.progress(
                      fmt::format("  {} requests, {} of the keys read were in memory", with_commas(requests),
                                  percent(memory, memory + static_cast<double>(now.misses - before.misses))));
                  return !laboratory.interrupted();
                }});
  if (result.error) return *result.error;

  std::vector<std::vector<std::string>> rows{{"request", "count", "p50", "p99"}};
  for (std::size_t kind = 0; kind < kRequestKinds; ++kind) {
    const bool read = kind <= static_cast<std::size_t>(RequestKind::kPackages);
    if (result.first[kind].count() > 0)
      rows.push_back(latency_row(fmt::format("{}, miss", kNames[kind]), result.first[kind]));
    if (result.again[kind].count() > 0) {
      rows.push_back(latency_row(fmt::format("{}{}", kNames[kind], read ? ", hit" : ""), result.again[kind]));
    }
  }
  rows.push_back(latency_row("all", result.all()));
  console.text(format_table(rows));

  const Reads now = reads(laboratory.layer);
  const SourceWork work = source_work(laboratory.layer) - work_before;
  const std::uint64_t memory = now.memory + now.stale - before.memory - before.stale;
  const std::uint64_t misses = now.misses - before.misses;
  const double seconds = std::chrono::duration<double>(result.elapsed).count();
  console.line();
  console.paragraph(
      fmt::format(
          "{} requests a second. Of {} keys read {} were in memory (hit rate {}); of the {} misses {} joined "
          "a "
          "load that was under way. The database was asked {} times for {} keys and worked {} for that.",
          with_commas(static_cast<std::uint64_t>(static_cast<double>(result.requests()) / seconds)),
          with_commas(memory + misses), with_commas(memory),
          percent(static_cast<double>(memory), static_cast<double>(memory + misses)), with_commas(misses),
          with_commas(now.coalesced - before.coalesced), with_commas(work.calls), with_commas(work.keys),
          in_words(work.time)),
      2);
  laboratory.claim(now.errors == before.errors, "every answer was right, and none was an error");
  return {};
}

Result<void> same_requests_without_cache(Laboratory& laboratory, Answered& answered) {
  constexpr std::size_t kSample = 10'000;
  Console& console = laboratory.console;
  const std::size_t each = std::max<std::size_t>(kSample / laboratory.clients, 1);
  console.heading(fmt::format("The same {} requests, {} clients: with and without the cache",
                              with_commas(each * laboratory.clients), laboratory.clients));

  const auto run = [&](const OpenBackend& backend, std::string_view where) {
    return run_load(laboratory.population, backend, answered,
                    {.clients = laboratory.clients,
                     .seed = 1'000'000,
                     .duration = {},
                     .requests_each = each,
                     .on_progress = [&](std::size_t requests) {
                       console.progress(fmt::format("  {}: {} requests", where, with_commas(requests)));
                       return !laboratory.interrupted();
                     }});
  };
  const SourceWork before = source_work(laboratory.layer);
  const LoadResult cached = run(forebay_backend(laboratory.port), "through Forebay");
  if (cached.error) return *cached.error;
  const SourceWork work = source_work(laboratory.layer) - before;
  const LoadResult direct = run(sqlite_backend(laboratory.database), "straight from SQLite");
  if (direct.error) return *direct.error;

  const auto writes = [](const LoadResult& result) {
    return result.again[static_cast<std::size_t>(RequestKind::kWrite)].count() +
           result.again[static_cast<std::size_t>(RequestKind::kCount)].count();
  };
  std::vector<std::vector<std::string>> rows{{"", "took", "reads", "writes", "p50", "p99", "p99.9"}};
  const auto add = [&](std::string label, const LoadResult& result, std::uint64_t queries) {
    const Samples all = result.all();
    rows.push_back({std::move(label), in_words(result.elapsed), with_commas(queries),
                    with_commas(writes(result)), in_words(all.quantile(0.5)), in_words(all.quantile(0.99)),
                    in_words(all.quantile(0.999))});
  };
  add("Forebay, over a socket", cached, work.calls);
  add("SQLite, in this process", direct, direct.requests() - writes(direct));
  console.text(format_table(rows));
  console.line();
  console.paragraph(
      "Forebay is warm from the load above; reads and writes are what reached the database. An embedded "
      "SQLite finds a single row faster than any server can answer over a socket, so its p50 wins here; what "
      "a cache in front takes away is the expensive queries, and the waiting behind them.",
      2);
  laboratory.claim(work.calls < (direct.requests() - writes(direct)) / 2,
                   fmt::format("{} queries instead of {}", with_commas(work.calls),
                               with_commas(direct.requests() - writes(direct))));
  return {};
}

}  // namespace forebay::cli::demo
