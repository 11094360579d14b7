// Coalescing: a thousand threads ask for the same missing key at the same time, and the source is asked once.
// The first opens a flight; the others join it and share its outcome.

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "forebay/layer.h"
#include "show.h"

namespace {
constexpr int kThreads = 1000;
}

int main() {
  std::atomic<forebay::Layer*> running{nullptr};
  std::atomic<int> loads{0};
  const auto joined = [&] { return running.load()->stats().namespaces.at(1).coalesced; };

  forebay::Environment environment;
  environment.functions["slow"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    ++loads;
    // This load takes until everybody else waits for it.
    show::eventually([&] { return joined() == kThreads - 1; });
    return std::vector<forebay::Loaded>(keys.size(), {.value = "the answer"});
  };
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.slow]
kind    = "function"
timeout = "30s"

[namespace.item]
key    = "item:{id}"
source = "slow"
type   = "text"
read   = "through"
ttl    = "5m"
)",
                                                   std::move(environment)));
  running = layer.get();

  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      const auto answer = layer->get("item:1");
      if (answer && show::text(*answer) == "the answer") ++answered;
    });
  }
  for (auto& thread : threads) thread.join();

  show::expect(answered == kThreads, "a thousand threads have their answer");
  show::expect(loads == 1, "from one load");
  show::expect(joined() == kThreads - 1, "that 999 of them joined");
}
