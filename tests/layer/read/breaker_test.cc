#include "layer/load/breaker.h"

#include <gtest/gtest.h>

namespace forebay::layer {
namespace {

using namespace std::chrono_literals;

class BreakerTest : public ::testing::Test {
 protected:
  BreakerOptions options() {
    BreakerOptions options;
    options.minimum = 4;
    options.ratio = 0.5;
    options.window = 10s;
    options.open_for = 1s;
    options.open_max = 3s;
    return options;
  }
  Instant now{1h};
  Breaker breaker{options()};
};

TEST_F(BreakerTest, OpensWhenHalfOfEnoughCallsFailed) {
  EXPECT_FALSE(breaker.record(true, now));
  EXPECT_FALSE(breaker.record(true, now));
  EXPECT_FALSE(breaker.record(false, now));
  EXPECT_TRUE(breaker.allows());
  EXPECT_TRUE(breaker.record(false, now));
  EXPECT_FALSE(breaker.allows());
  EXPECT_EQ(breaker.probe_at(), now + 1s);
}

TEST_F(BreakerTest, FewCallsNeverOpenIt) {
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(breaker.record(false, now));
  EXPECT_TRUE(breaker.allows());
}

TEST_F(BreakerTest, FailuresOutsideTheWindowAreForgotten) {
  for (int i = 0; i < 3; ++i) breaker.record(false, now);
  now += 11s;
  EXPECT_FALSE(breaker.record(false, now));
  EXPECT_TRUE(breaker.allows());
}

TEST_F(BreakerTest, FailuresInsideTheWindowAddUpAcrossItsSlices) {
  for (int i = 0; i < 3; ++i) {
    breaker.record(false, now);
    now += 2s;
  }
  EXPECT_TRUE(breaker.record(false, now));
}

TEST_F(BreakerTest, FailedProbesDoubleThePauseUpToItsLimit) {
  for (int i = 0; i < 4; ++i) breaker.record(false, now);
  breaker.begin_probe();
  EXPECT_EQ(breaker.state(), Breaker::State::kHalfOpen);
  breaker.end_probe(false, now);
  EXPECT_EQ(breaker.probe_at(), now + 2s);
  breaker.begin_probe();
  breaker.end_probe(false, now);
  EXPECT_EQ(breaker.probe_at(), now + 3s);
}

TEST_F(BreakerTest, AGoodProbeClosesItWithAnEmptyWindow) {
  for (int i = 0; i < 4; ++i) breaker.record(false, now);
  breaker.begin_probe();
  breaker.end_probe(true, now);
  EXPECT_TRUE(breaker.allows());
  EXPECT_FALSE(breaker.record(false, now));
}

}  // namespace
}  // namespace forebay::layer
