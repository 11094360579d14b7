#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "memory/tier.h"
#include "support/manual_time.h"

namespace forebay::memory {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

using namespace std::chrono_literals;

inline Stamp expiring(Instant at) {
  Stamp stamp;
  stamp.expires = at;
  return stamp;
}

// What a tier holds for a key, as a test compares it.
struct Seen {
  std::string bytes;
  Stamp stamp;
  std::uint64_t revision = 0;
  Instant accessed;
  bool shared = false;
};

class TierFixture : public ::testing::Test {
 protected:
  void open(std::size_t limit, const std::string& policy = "lru", std::size_t shards = 1,
            std::size_t max_value = 0) {
    TierOptions options;
    options.limit = limit;
    options.policy = policy;
    options.shards = shards;
    options.max_value = max_value;
    auto opened = Tier::open(options, clock);
    ASSERT_TRUE(opened.has_value());
    tier = std::move(*opened);
  }

  Instant now() const { return clock.now(); }

  std::optional<Seen> look(std::string_view key, Touch touch = Touch::kYes) {
    std::optional<Seen> seen;
    tier->find(
        key, now(),
        [&](const EntryView& entry) {
          EXPECT_EQ(entry.key(), key);
          seen = Seen{std::string(entry.bytes()), entry.stamp(), entry.revision(), entry.accessed(),
                      entry.shared() != nullptr};
        },
        touch);
    return seen;
  }
  std::optional<std::string> get(std::string_view key) {
    auto seen = look(key);
    if (!seen) return std::nullopt;
    return seen->bytes;
  }
  PutOutcome put(std::string_view key, std::string_view bytes, const Stamp& stamp = {}) {
    return tier->put(key, bytes, stamp, now());
  }
  void tick_until_done() {
    while (tier->tick(now())) {
    }
  }
  std::set<std::string> scan_all(std::size_t count = 10) {
    std::set<std::string> keys;
    std::uint64_t cursor = 0;
    do {
      cursor = tier->scan(cursor, count, now(), [&](const EntryView& entry) { keys.emplace(entry.key()); });
    } while (cursor != 0);
    return keys;
  }

  test::ManualClock clock;
  std::unique_ptr<Tier> tier;
};

}  // namespace forebay::memory
