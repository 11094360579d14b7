// What Queue::append() and of() cost without a journal and a database behind them: increments over some keys.
//
//   append_bench [keys] [appends] [threads]     (1000, 1000000 and 1)

#include <fmt/format.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include "base/hash.h"
#include "journal/queue.h"

namespace forebay::journal {
namespace {

// Numbers ops and forgets them.
class NoJournal final : public Journal {
 public:
  const std::string& id() const override { return id_; }
  std::uint32_t lanes() const override { return 4; }
  Result<std::uint64_t> append(const OpView&, Durability) override {
    // Relaxed: a number is all that it gives.
    return next_.fetch_add(1, std::memory_order_relaxed);
  }
  void when_committed(std::uint64_t, std::uint64_t, Kept kept) override { kept({}); }
  void when_kept(std::uint64_t, Kept kept) override { kept({}); }
  Result<std::vector<Op>> read(std::uint32_t, const std::string*, std::uint64_t, std::uint64_t) override {
    return std::vector<Op>();
  }
  void trim(std::uint64_t, std::vector<Applied>) override {}
  Result<void> note(Notes) override { return {}; }
  void watch(Watcher*) override {}

 private:
  const std::string id_ = "none";
  std::atomic<std::uint64_t> next_{1};
};

// Seconds of processor time that the threads took together for `count` calls each.
template <class F>
double timed(int threads, int count, F call) {
  const std::clock_t begin = std::clock();
  {
    std::vector<std::jthread> running;
    for (int thread = 0; thread < threads; ++thread) {
      running.emplace_back([&, thread] {
        for (int i = 0; i < count; ++i) call(thread, i);
      });
    }
  }
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void run(int keys, int appends, int threads) {
  NoJournal journal;
  Queue queue(journal, system_clock());
  std::vector<std::string> names;
  for (int i = 0; i < keys; ++i) names.push_back(fmt::format("views:{:08}", i));
  Effect effect;
  effect.sums.push_back({"n", "1", false});
  const FlushRule rule{.batch = 1'000'000};
  const Place& place = queue.place("db", "views", rule, Durability::kFsync);
  const int each = appends / threads;
  const auto name = [&](int thread, int i) -> const std::string& {
    return names[static_cast<std::size_t>((static_cast<std::int64_t>(i) * 7919 + thread) % keys)];
  };
  const double encoded = timed(1, appends, [&](int, int) {
    if (encode(effect).empty()) std::abort();
  });
  const double appended = timed(threads, each, [&](int thread, int i) {
    const std::string& key = name(thread, i);
    if (!queue.append({place, key, hash_bytes(key), system_clock().now()}, effect)) std::abort();
  });
  const double asked = timed(threads, each, [&](int thread, int i) {
    if (!queue.of(name(thread, i))) std::abort();
  });
  const double none = timed(threads, each, [&](int, int) {
    if (queue.of("somebody else")) std::abort();
  });
  const auto ns = [&](double seconds) { return seconds * 1e9 / each / threads; };
  fmt::print("{} appends over {} keys, {} threads; processor ns a call:\n", appends, keys, threads);
  fmt::print("  append  {:7.0f}   of which encode(), about  {:.0f}\n", ns(appended), encoded * 1e9 / appends);
  fmt::print("  of      {:7.0f}\n  of none {:7.0f}\n", ns(asked), ns(none));
}

}  // namespace
}  // namespace forebay::journal

int main(int argc, char** argv) {
  const auto argument = [&](int at, int otherwise) { return argc > at ? std::atoi(argv[at]) : otherwise; };
  forebay::journal::run(argument(1, 1000), argument(2, 1'000'000), argument(3, 1));
  return 0;
}
