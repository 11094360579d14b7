// XFetch: each read of an entry that is about to expire draws lots, weighted by what its load cost, whether
// to renew it now, in the background. One of many readers does so early, so they never all meet the expired
// entry together. The formula is from Vattani, Chierichetti, Lowenstein: "Optimal Probabilistic Cache
// Stampede Prevention", VLDB 2015.

#include <atomic>
#include <chrono>
#include <string>

#include "forebay/layer.h"
#include "show.h"

int main() {
  std::atomic<int> loads{0};
  forebay::Environment environment;
  environment.functions["totals"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    // Ten milliseconds of work, which Forebay measures.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
    while (std::chrono::steady_clock::now() < until) continue;
    return std::vector<forebay::Loaded>(keys.size(), {.value = "total " + std::to_string(++loads)});
  };
  // beta = 1 is the paper's choice: early by a few times the load's cost. With a much larger one the lots
  // fall early enough to watch.
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.totals]
kind = "function"

[namespace.total]
key    = "total:{year}"
source = "totals"
type   = "text"
read   = "through"
ttl    = "5s"
xfetch = 100.0
)",
                                                   std::move(environment)));

  show::value_of(layer->get("total:2026"));
  std::printf("Reading until the lot falls:\n");
  int reads = 0;
  bool only_hits = true;
  const bool renewed = show::eventually([&] {
    ++reads;
    const auto answer = show::value_of(layer->get("total:2026"));
    only_hits = only_hits && answer.result == forebay::ReadResult::kHit;
    return show::text(answer) != "total 1";
  });
  show::expect(renewed, "renewed before it expired, after " + std::to_string(reads) + " reads");
  show::expect(only_hits, "no reader waited");
}
