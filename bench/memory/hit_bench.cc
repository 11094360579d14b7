// What a hit in the memory tier costs: find() of keys drawn at random, per
// thread, in processor time.
//
//   hit_bench [entries = 1000000] [find | put] [operations a thread = 4000000]
//
// With one key under callgrind, the instructions of a single find:
//   valgrind --tool=callgrind --toggle-collect='forebay::memory::Tier::find*' hit_bench 1 find 1000

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "forebay/clock.h"
#include "memory/tier.h"

namespace {

using namespace forebay;

struct Lcg {
  std::uint64_t state;
  std::uint64_t next() {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 33;
  }
};

// The processor time of the calling thread, so that a busy machine doesn't count.
double thread_ns() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_nsec);
}

double run(memory::Tier& tier, const std::vector<std::string>& keys, int threads, bool writes,
           std::size_t rounds) {
  const Instant now = system_clock().now();
  const std::string value(64, 'v');
  std::atomic<bool> go{false};
  std::atomic<std::size_t> bytes{0};
  std::atomic<double> took{0};
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      Lcg random{static_cast<std::uint64_t>(t) * 977 + 1};
      std::size_t seen = 0;
      while (!go.load()) {
      }
      const double start = thread_ns();
      for (std::size_t i = 0; i < rounds; ++i) {
        const std::string& key = keys[random.next() % keys.size()];
        if (writes) {
          tier.put(key, value, {}, now);
        } else {
          tier.find(key, now, [&](const EntryView& entry) { seen += entry.bytes().size(); });
        }
      }
      took += thread_ns() - start;
      bytes += seen;
    });
  }
  go = true;
  for (auto& worker : workers) worker.join();
  return took / static_cast<double>(rounds) / threads;
}

}  // namespace

int main(int argc, char** argv) {
  const std::size_t entries = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
  const bool writes = argc > 2 && std::string_view(argv[2]) == "put";
  memory::TierOptions options;
  options.limit = std::size_t{4} << 30;
  auto opened = memory::Tier::open(options, system_clock());
  if (!opened) return 1;
  memory::Tier& tier = **opened;
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < entries; ++i) {
    char key[32];
    std::snprintf(key, sizeof(key), "key:%010zu", i);
    keys.emplace_back(key);
    tier.put(key, std::string(64, 'v'), {}, system_clock().now());
  }
  const std::size_t rounds = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 4'000'000;
  std::printf("%s of %zu keys of 14 bytes, values of 64\n", writes ? "put" : "find", entries);
  for (const int threads : {1, 2, 4}) {
    std::printf("%d thread(s): %7.1f ns of processor time an operation\n", threads,
                run(tier, keys, threads, writes, rounds));
  }
  return 0;
}
