// max_staleness: what answers was right that long ago at most, whatever the other windows say.

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class MaxStaleness : public LayerTest {
 protected:
  MaxStaleness() {
    policy.ttl = 1h;
    policy.stale_if_error = 1h;
    policy.max_staleness = 5s;
    source->rows = {{"1", "old"}};
  }
};

TEST_F(MaxStaleness, WithoutAFeedItBoundsTheAgeSinceTheLoad) {
  open();
  EXPECT_EQ(get("user:1"), "old");
  source->rows["1"] = "new";
  pass(4s);
  EXPECT_EQ(get("user:1"), "old");
  pass(2s);
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(MaxStaleness, ItOverridesWhatMayAnswerWhileTheSourceFails) {
  open();
  EXPECT_EQ(get("user:1"), "old");
  source->load_error = Error{ErrorCode::kUnavailable, "down"};
  pass(6s);
  EXPECT_EQ(fact("user:1", "max_staleness"), "exceeded: the next read loads");
  EXPECT_NE(get("user:1"), "old");
}

TEST_F(MaxStaleness, ACopyThatNoChangeHasEndedIsRightAsOfTheLastProof) {
  source_config.changes = true;
  open();
  EXPECT_EQ(get("user:1"), "old");
  source->rows["1"] = "new";
  pass(4s);
  core->invalidator().complete_as_of("db", clock.now());
  pass(4s);
  EXPECT_EQ(get("user:1"), "old") << "no change was told of: it is as good as new";
  pass(2s);
  EXPECT_EQ(get("user:1"), "new");
}

}  // namespace
}  // namespace forebay::layer::test
