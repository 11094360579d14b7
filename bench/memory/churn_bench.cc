// Whether the memory tier's limit is the memory it takes, and whether freeing it ever takes long.
//
//   churn_bench churn [limits in MiB = 64,512] [written, in limits = 40] [workload ...]
//     Writes, reads, erasures and expiries, each workload in a process of its own; prints resident memory
//     over the limit as it goes, and the worst. Exits with 1 if that is above 1.10.
//       mixed   values from 10 bytes to 100 kB, log-uniform
//       phases  all sizes, then small, large and middling ones, as a day's traffic shifts
//       drift   values about a mean that moves from 10 bytes to 100 kB and back, a step each second
//       small   the same from 10 bytes to 1 kB
//   churn_bench instant [entries = 1000000]
//     That many entries expire at one instant, and are cleared: the longest step of freeing them.
//   churn_bench grow [entries = 10000000]
//     From nothing to that many entries: how long single writes take, for each tenth of the way.
//   churn_bench overhead [entries = 1000000] [bytes of a value = 64] [plain]
//     Bytes of resident memory for each entry of a 14-byte key beyond key and value, with an expiry or
//     without.
//
// Time is simulated: 10,000 operations a second, a tick every 10 ms.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/clock.h"
#include "memory/tier.h"

namespace {

using namespace forebay;

constexpr double kMostResident = 1.10;  // of the limit
constexpr double kLeastSize = 10, kMostSize = 100'000;

std::size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::size_t pages = 0;
  statm >> pages >> pages;
  return pages * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

class SimulatedClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  std::int64_t to_wall_ms(Instant at) const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count();
  }
  Instant from_wall_ms(std::int64_t ms) const override { return Instant(std::chrono::milliseconds(ms)); }
  void advance(Duration by) { now_ += by; }

 private:
  Instant now_{std::chrono::hours(1)};
};

std::unique_ptr<memory::Tier> open_tier(std::size_t limit, const Clock& clock) {
  memory::TierOptions options;
  options.limit = limit;
  auto opened = memory::Tier::open(options, clock);
  if (!opened) std::exit(2);
  return std::move(*opened);
}

// The longest of the calls timed, in milliseconds.
class Longest {
 public:
  template <class F>
  auto time(F call) {
    const auto start = std::chrono::steady_clock::now();
    auto result = call();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    longest_ = std::max(longest_, took.count());
    return result;
  }
  double ms() const { return longest_; }

 private:
  double longest_ = 0;
};

// Log-uniform between the bounds: as many values of tens of bytes as of thousands.
std::size_t draw_size(std::mt19937_64& random, double least, double most) {
  const double unit = static_cast<double>(random() >> 11) * 0x1.0p-53;
  return static_cast<std::size_t>(least * std::pow(most / least, unit));
}

struct Sizes {
  double least, most;
};

// The sizes of the writes after `done` of the run and `seconds` of simulated time.
Sizes sizes_of(std::string_view workload, double done, double seconds) {
  if (workload == "phases") {
    switch (static_cast<int>(done * 8) % 4) {
      case 1:
        return {kLeastSize, 200};
      case 2:
        return {10'000, kMostSize};
      case 3:
        return {500, 5'000};
      default:
        return {kLeastSize, kMostSize};
    }
  }
  if (workload == "drift" || workload == "small") {
    // There and back in two minutes.
    const double most = workload == "drift" ? kMostSize : 1'000;
    const double phase = std::fmod(std::floor(seconds), 120) / 60;
    const double mean = kLeastSize * std::pow(most / kLeastSize, phase < 1 ? phase : 2 - phase);
    return {std::max(kLeastSize, mean / 2), std::min(most, mean * 2)};
  }
  return {kLeastSize, kMostSize};
}

int churn(const std::string& workload, std::size_t limit, double written_limits) {
  const std::string bytes(static_cast<std::size_t>(kMostSize), 'x');
  const std::size_t before = resident_bytes();
  SimulatedClock clock;
  const Instant start = clock.now();
  const auto opened = open_tier(limit, clock);
  memory::Tier& tier = *opened;
  std::mt19937_64 random(1);
  const double whole = static_cast<double>(limit);
  double worst = 0, written = 0;
  Longest longest_tick, longest_put;
  constexpr int kLines = 12;
  int line = 0;
  std::printf("%s, limit %zu MiB\n", workload.c_str(), limit >> 20);
  std::printf("  written   entries  counted  payload  resident  (of the limit)\n");
  for (std::size_t i = 0; written < written_limits * whole; ++i) {
    const std::string key = "key:" + std::to_string(random() % 20'000'000);
    switch (random() % 10) {
      case 0:
        tier.erase(key, clock.now(), Departure::kInvalidated);
        break;
      case 1:
      case 2:
        tier.find(key, clock.now(), [](const EntryView&) {});
        break;
      default: {
        const double seconds = std::chrono::duration<double>(clock.now() - start).count();
        const Sizes sizes = sizes_of(workload, written / (written_limits * whole), seconds);
        const std::size_t size = draw_size(random, sizes.least, sizes.most);
        Stamp stamp;
        if (random() % 2 == 0) stamp.expires = clock.now() + std::chrono::milliseconds(random() % 600'000);
        longest_put.time(
            [&] { return tier.put(key, std::string_view(bytes).substr(0, size), stamp, clock.now()); });
        written += static_cast<double>(key.size() + size);
      }
    }
    if (i % 100 == 0) {
      clock.advance(std::chrono::milliseconds(10));
      longest_tick.time([&] { return tier.tick(clock.now()); });
    }
    if (i % 2'000 != 1'999) continue;
    const double ratio = static_cast<double>(resident_bytes() - before) / whole;
    worst = std::max(worst, ratio);
    if (written < written_limits * whole * line / kLines) continue;
    ++line;
    double payload = 0;
    std::uint64_t cursor = 0;
    do {
      cursor = tier.scan(cursor, 1000, clock.now(), [&](const EntryView& entry) {
        payload += static_cast<double>(entry.key().size() + entry.bytes().size());
      });
    } while (cursor != 0);
    const auto stats = tier.stats();
    std::printf("  %7.1f  %8zu  %7.3f  %7.3f  %8.3f\n", written / whole, stats.entries,
                static_cast<double>(stats.bytes) / whole, payload / whole, ratio);
    std::fflush(stdout);
  }
  std::printf("  worst resident %.3f of the limit (at most %.2f); longest tick %.1f ms, put %.1f ms\n\n",
              worst, kMostResident, longest_tick.ms(), longest_put.ms());
  return worst <= kMostResident ? 0 : 1;
}

// In a process of its own, whose memory is this run's and nobody else's.
int run_alone(const std::string& workload, std::size_t limit, double written_limits) {
  std::fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    const int result = churn(workload, limit, written_limits);
    std::fflush(stdout);
    _exit(result);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

std::string key_of(std::size_t i) {
  char key[32];
  std::snprintf(key, sizeof(key), "key:%010zu", i);
  return key;
}

int instant(std::size_t entries) {
  SimulatedClock clock;
  const auto opened = open_tier(0, clock);
  memory::Tier& tier = *opened;
  const auto fill = [&] {
    Stamp stamp;
    stamp.expires = clock.now() + std::chrono::minutes(10);
    for (std::size_t i = 0; i < entries; ++i) tier.put(key_of(i), std::string(64, 'v'), stamp, clock.now());
  };
  const auto free_all = [&](const char* what) {
    Longest tick, other;
    std::size_t ticks = 1;
    const std::size_t before = resident_bytes();
    const auto start = std::chrono::steady_clock::now();
    while (tick.time([&] { return tier.tick(clock.now()); })) {
      ++ticks;
      // What a client would notice.
      other.time([&] { return tier.put("other", "v", {}, clock.now()); });
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    std::printf(
        "%s: %zu ticks, longest %.2f ms, all %.0f ms; a write between them at most %.2f ms; "
        "%zu entries left, resident %zu MiB -> %zu MiB\n",
        what, ticks, tick.ms(), took.count(), other.ms(), tier.size(), before >> 20, resident_bytes() >> 20);
  };
  fill();
  clock.advance(std::chrono::minutes(9));
  while (tier.tick(clock.now())) {
  }
  clock.advance(std::chrono::minutes(2));
  free_all("expiry at one instant");
  fill();
  Longest clear;
  clear.time([&] {
    tier.clear();
    return 0;
  });
  std::printf("clear() itself: %.2f ms\n", clear.ms());
  free_all("what clear() left to do");
  return 0;
}

int grow(std::size_t entries) {
  SimulatedClock clock;
  const auto opened = open_tier(0, clock);
  const std::string value(64, 'v');
  std::vector<float> took;
  took.reserve(entries / 10 + 1);
  std::printf("%12s  %9s  %9s  %9s  %9s\n", "entries", "median us", "99.9 % us", "99.999 %", "most us");
  for (std::size_t i = 1; i <= entries; ++i) {
    const std::string key = key_of(i);
    const auto start = std::chrono::steady_clock::now();
    opened->put(key, value, {}, clock.now());
    const std::chrono::duration<float, std::micro> one = std::chrono::steady_clock::now() - start;
    took.push_back(one.count());
    if (i % (entries / 10) != 0) continue;
    std::ranges::sort(took);
    const auto at = [&](double share) {
      return took[static_cast<std::size_t>(share * static_cast<double>(took.size() - 1))];
    };
    std::printf("%12zu  %9.2f  %9.2f  %9.2f  %9.2f\n", i, at(0.5), at(0.999), at(0.99999), at(1));
    took.clear();
  }
  return 0;
}

int overhead(std::size_t entries, std::size_t value_bytes, bool expiring) {
  SimulatedClock clock;
  const auto opened = open_tier(0, clock);
  memory::Tier& tier = *opened;
  const std::string value(value_bytes, 'v');
  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < entries; ++i) {
    Stamp stamp;
    if (expiring) stamp.expires = clock.now() + std::chrono::milliseconds(3'600'000 + i % 1000);
    tier.put(key_of(i), value, stamp, clock.now());
  }
  while (tier.tick(clock.now())) {
  }
  const double each = static_cast<double>(resident_bytes() - before) / static_cast<double>(entries);
  const double payload = static_cast<double>(14 + value_bytes);
  std::printf("%zu entries %s: %.1f bytes each, %.1f beyond key and value; counted %.1f\n", entries,
              expiring ? "with an expiry" : "without one", each, each - payload,
              static_cast<double>(tier.stats().bytes) / static_cast<double>(entries));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "churn";
  const auto number = [&](int at, std::size_t otherwise) -> std::size_t {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  if (mode == "overhead") return overhead(number(2, 1'000'000), number(3, 64), argc <= 4);
  if (mode == "grow") return grow(std::max<std::size_t>(number(2, 10'000'000), 10));
  if (mode == "instant") return instant(number(2, 1'000'000));
  std::istringstream limits(argc > 2 ? argv[2] : "64,512");
  std::vector<std::string> workloads(argv + std::min(argc, 4), argv + argc);
  if (workloads.empty()) workloads = {"mixed", "phases", "drift", "small"};
  int worst = 0;
  for (std::string limit; std::getline(limits, limit, ',');) {
    for (const std::string& workload : workloads) {
      worst =
          std::max(worst, run_alone(workload, std::stoull(limit) << 20, static_cast<double>(number(3, 40))));
    }
  }
  return worst;
}
