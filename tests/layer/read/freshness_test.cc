#include "layer/namespaces/freshness.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/manual_time.h"

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;
using forebay::test::FixedRandom;
using forebay::test::SeededRandom;

const Instant kNow{1h};

Stamp loaded(const config::Namespace& policy, Random& random) {
  Stamp stamp;
  stamp.loaded_at = kNow;
  set_times(policy, stamp, kNow, random);
  return stamp;
}

TEST(Freshness, WindowsFollowEachOther) {
  config::Namespace policy;
  policy.ttl = 10s;
  policy.stale_while_revalidate = 5s;
  policy.stale_if_error = 60s;
  FixedRandom random({0});
  const Stamp stamp = loaded(policy, random);
  EXPECT_EQ(classify(policy, stamp, kNow + 9999ms), Freshness::kFresh);
  EXPECT_EQ(classify(policy, stamp, kNow + 10s), Freshness::kStaleServe);
  EXPECT_EQ(classify(policy, stamp, kNow + 15s), Freshness::kStaleIfError);
  EXPECT_TRUE(serves_errors(policy, stamp, kNow + 69s));
  EXPECT_FALSE(serves_errors(policy, stamp, kNow + 70s));
  EXPECT_EQ(stamp.expires, kNow + 70s);
}

TEST(Freshness, WithoutTtlAnEntryStaysFresh) {
  config::Namespace policy;
  FixedRandom random({0});
  const Stamp stamp = loaded(policy, random);
  EXPECT_EQ(stamp.expires, kNever);
  EXPECT_EQ(classify(policy, stamp, kNow + 24h * 365), Freshness::kFresh);
}

TEST(Freshness, JitteredTtlsSpreadOverTheShare) {
  config::Namespace policy;
  policy.ttl = 100s;
  policy.jitter = 0.2;
  SeededRandom random(7);
  Instant least = kNever, most{};
  for (int i = 0; i < 1000; ++i) {
    const Stamp stamp = loaded(policy, random);
    least = std::min(least, stamp.fresh_until);
    most = std::max(most, stamp.fresh_until);
  }
  EXPECT_GE(least, kNow + 80s);
  EXPECT_LE(least, kNow + 81s);
  EXPECT_LE(most, kNow + 100s);
  EXPECT_GE(most, kNow + 99s);
}

// The published rule: P(refresh at `left` before expiry) = P(-ln u >= left / (delta beta)) = exp(-left /
// (delta beta)).
TEST(XFetch, RefreshesAsOftenAsThePaperSays) {
  config::Namespace policy;
  policy.ttl = 100s;
  policy.xfetch = 1.5;
  SeededRandom random(11);
  Stamp stamp = loaded(policy, random);
  stamp.load_cost = 2s;
  for (const double left : {1.0, 3.0, 6.0}) {
    const Instant at =
        stamp.fresh_until - std::chrono::duration_cast<Duration>(std::chrono::duration<double>(left));
    int refreshed = 0;
    constexpr int kTries = 20'000;
    for (int i = 0; i < kTries; ++i) refreshed += refresh_due(policy, stamp, at, random) ? 1 : 0;
    EXPECT_NEAR(refreshed / static_cast<double>(kTries), std::exp(-left / (2.0 * 1.5)), 0.015) << left;
  }
}

TEST(RefreshAhead, IsDueFromItsShareOfTheTtlOn) {
  config::Namespace policy;
  policy.ttl = 100s;
  policy.refresh_ahead = 0.75;
  FixedRandom random({0});
  const Stamp stamp = loaded(policy, random);
  EXPECT_FALSE(refresh_due(policy, stamp, kNow + 74s, random));
  EXPECT_TRUE(refresh_due(policy, stamp, kNow + 75s, random));
}

TEST(RefreshAhead, ValuesThatAClientWroteAreNotReloaded) {
  config::Namespace policy;
  policy.ttl = 100s;
  policy.refresh_ahead = 0.5;
  FixedRandom random({0});
  Stamp stamp = loaded(policy, random);
  stamp.loaded_at = {};
  EXPECT_FALSE(refresh_due(policy, stamp, kNow + 90s, random));
}

}  // namespace
}  // namespace forebay::layer
