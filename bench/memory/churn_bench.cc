// Whether the memory tier's limit is the memory it takes.
//
//   churn_bench churn [limit in MiB = 512] [operations in millions = 36]
//     Writes, reads, erasures and expiries of values from 10 bytes to 100 kB, whose mix shifts between small
//     and large as a day's traffic does; prints resident memory over the limit as it goes, and the worst.
//     Exits with 1 if that is above 1.15.
//   churn_bench overhead [entries = 1000000] [plain]
//     Bytes of resident memory for each entry of a 14-byte key and a 64-byte value, beyond those 78, with and
//     without an expiry.
//
// Time is simulated: 10,000 operations a second, a tick every 10 ms; the 36 million operations are an hour of
// that.

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>
#include <string_view>

#include "forebay/clock.h"
#include "memory/tier.h"

namespace {

using namespace forebay;

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

// Log-uniform between the bounds: as many values of tens of bytes as of thousands.
std::size_t draw_size(std::mt19937_64& random, double least, double most) {
  const double unit = static_cast<double>(random() >> 11) * 0x1.0p-53;
  return static_cast<std::size_t>(least * std::pow(most / least, unit));
}

int churn(std::size_t limit, std::size_t operations) {
  const std::size_t before = resident_bytes();
  SimulatedClock clock;
  auto opened = memory::Tier::open({.limit = limit, .max_value = 0, .policy = "lru", .shards = 0}, clock);
  if (!opened) return 2;
  memory::Tier& tier = **opened;
  std::mt19937_64 random(1);
  const std::string bytes(100'000, 'x');
  double worst = 0;
  for (std::size_t i = 0; i < operations; ++i) {
    // Four phases, each for an eighth of the run: all sizes, small, large, middling.
    const std::size_t phase = i * 8 / operations % 4;
    const double least = phase == 2 ? 10'000 : phase == 3 ? 500 : 10;
    const double most = phase == 1 ? 200 : phase == 3 ? 5'000 : 100'000;
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
        Stamp stamp;
        if (random() % 2 == 0) stamp.expires = clock.now() + std::chrono::milliseconds(random() % 600'000);
        tier.put(key, std::string_view(bytes).substr(0, draw_size(random, least, most)), stamp, clock.now());
      }
    }
    if (i % 100 == 0) {
      clock.advance(std::chrono::milliseconds(10));
      tier.tick(clock.now());
    }
    if (i % 20'000 != 19'999) continue;
    const double ratio = static_cast<double>(resident_bytes() - before) / static_cast<double>(limit);
    worst = std::max(worst, ratio);
    if (i / 20'000 % (operations / 640'000) != 0) continue;
    const auto stats = tier.stats();
    std::printf("phase %zu  entries %8zu  counted/limit %.3f  resident/limit %.3f\n", phase, stats.entries,
                static_cast<double>(stats.bytes) / static_cast<double>(limit), ratio);
    std::fflush(stdout);
  }
  std::printf("worst resident/limit %.3f (at most 1.15)\n", worst);
  return worst <= 1.15 ? 0 : 1;
}

int overhead(std::size_t entries, bool expiring) {
  SimulatedClock clock;
  auto opened = memory::Tier::open({}, clock);
  if (!opened) return 2;
  memory::Tier& tier = **opened;
  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < entries; ++i) {
    char key[32];
    std::snprintf(key, sizeof(key), "key:%010zu", i);
    Stamp stamp;
    if (expiring) stamp.expires = clock.now() + std::chrono::milliseconds(3'600'000 + i % 1000);
    tier.put(key, std::string(64, 'v'), stamp, clock.now());
  }
  while (tier.tick(clock.now())) {
  }
  const double each = static_cast<double>(resident_bytes() - before) / static_cast<double>(entries);
  std::printf("%zu entries %s: %.1f bytes each, %.1f beyond key and value; counted %.1f\n", entries,
              expiring ? "with an expiry" : "without one", each, each - 78,
              static_cast<double>(tier.stats().bytes) / static_cast<double>(entries));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "churn";
  const auto number = [&](int at, std::size_t otherwise) {
    return argc > at ? std::strtoull(argv[at], nullptr, 10) : otherwise;
  };
  if (mode == "overhead") {
    const std::size_t entries = number(2, 1'000'000);
    return overhead(entries, argc <= 3);
  }
  return churn(number(2, 512) << 20, number(3, 36) * 1'000'000);
}
