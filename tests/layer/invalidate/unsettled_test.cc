// A change that is reported before the source shows it: until it is settled, loads of its keys answer and are
// not stored.

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Unsettled : public LayerTest {
 protected:
  Unsettled() {
    team.name = "team";
    team.key = {"team:{team}", {"team:", ""}, {"team"}};
    team.source = "db";
    team.query = "SELECT count(*) FROM users WHERE team = {team}";
    team.kind = ValueKind::kText;
    team.ttl = 1h;
    team.depends_on = {{"users", {}}};  // any row may concern any team
    policy.ttl = 1h;
    source->rows = {{"1", "old"}, {"red", "old"}};
  }
  // The feed reports a change of user 1, as number 7 of its log.
  auto report() {
    RowChange change;
    change.table = "users";
    change.images = {{{"id", "1"}}, {{"id", "1"}}};
    change.evidence = source->proves ? 7 : 0;
    return core->invalidator().row_changes("db", change);
  }

  config::Namespace team;
};

TEST_F(Unsettled, ALoadAfterTheReportIsAnsweredAndNotStored) {  // X4
  open();
  EXPECT_EQ(get("user:1"), "old");
  const auto unsettled = report();
  EXPECT_EQ(fact("user:1", "unsettled"), "yes");
  EXPECT_EQ(get("user:1"), "old");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(fact("user:1", "miss_cause"), "fenced");
  source->rows["1"] = "new";
  core->invalidator().settle(unsettled);
  EXPECT_EQ(fact("user:1", "unsettled"), "");
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
}

// The namespace that takes another's place has its changes, too.
TEST_F(Unsettled, AReloadMeanwhileSettlesNothing) {
  model.namespaces = {team};
  open();
  const auto before = report();
  EXPECT_EQ(fact("team:red", "unsettled"), "yes");
  model.namespaces.at(1).ttl = 2h;
  ASSERT_TRUE(core->configuration().reload(model));
  EXPECT_EQ(fact("team:red", "unsettled"), "yes");
  EXPECT_EQ(get("team:red"), "old");
  EXPECT_EQ(fact("team:red", "state"), "absent");
  const auto after = report();
  source->rows["red"] = "new";
  core->invalidator().settle(before);
  EXPECT_EQ(get("team:red"), "new");
  EXPECT_EQ(fact("team:red", "state"), "absent") << "the other change is still open";
  core->invalidator().settle(after);
  EXPECT_EQ(fact("team:red", "unsettled"), "");
  EXPECT_EQ(get("team:red"), "new");
  EXPECT_EQ(fact("team:red", "state"), "fresh");
}

TEST_F(Unsettled, ALoadThatIsUnderWayWhenTheChangeIsSettledIsNotStored) {
  open();
  const auto unsettled = report();
  auto reader = read("user:1");
  dispatch();
  pass(5ms);  // it has read the old row
  source->rows["1"] = "new";
  core->invalidator().settle(unsettled);
  pass(20ms);
  EXPECT_EQ(reader.text(), "old");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Unsettled, ALoadThatIsProvedToIncludeTheChangeIsStored) {
  source->proves = true;
  source->change_number = 6;
  open();
  const auto unsettled = report();
  EXPECT_EQ(get("user:1"), "old");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  source->rows["1"] = "new";
  source->change_number = 7;
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  core->invalidator().settle(unsettled);
  EXPECT_EQ(fact("user:1", "state"), "fresh");
}

TEST_F(Unsettled, ANamespaceWhoseKeysAreNotKnownStoresNothingUntilItIsSettled) {
  model.namespaces.push_back(team);
  open();
  EXPECT_EQ(get("team:red"), "old");
  const auto unsettled = report();
  EXPECT_EQ(get("team:red"), "old");
  EXPECT_EQ(fact("team:red", "state"), "absent");
  auto reader = read("team:red");
  dispatch();
  pass(5ms);
  source->rows["red"] = "new";
  core->invalidator().settle(unsettled);
  pass(20ms);
  EXPECT_EQ(reader.text(), "old");
  EXPECT_EQ(get("team:red"), "new");
  EXPECT_EQ(fact("team:red", "state"), "fresh");
}

TEST_F(Unsettled, TwoReportsOfOneChangeAreSettledTwice) {
  open();
  const auto first = report();
  const auto second = report();
  core->invalidator().settle(first);
  get("user:1");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  core->invalidator().settle(second);
  get("user:1");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
}

}  // namespace
}  // namespace forebay::layer::test
