#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Invalidator : public LayerTest {
 protected:
  Invalidator() {
    team.name = "team";
    team.key = {"team:{team}", {"team:", ""}, {"team"}};
    team.source = "db";
    team.query = "SELECT count(*) FROM users WHERE team = {team}";
    team.kind = ValueKind::kText;
    team.ttl = 1h;
    team.depends_on = {{"users", {{"team_name", "team"}}}};
    policy.ttl = 1h;
  }
  void open_both() {
    model.namespaces.push_back(team);
    for (const char* id : {"1", "2", "red", "blue", "green"}) source->rows[id] = "v";
    open();
    for (const char* key : {"user:1", "user:2", "team:red", "team:blue", "team:green"}) get(key);
  }
  std::string cached() {
    std::string all;
    for (const char* key : {"user:1", "user:2", "team:red", "team:blue", "team:green"}) {
      if (fact(key, "state") == "fresh") all += std::string(key) + " ";
    }
    return all;
  }
  void change(Fields before, Fields after, std::string table = "users") {
    RowChange row;
    row.table = std::move(table);
    row.images = {std::move(before), std::move(after)};
    core->invalidator().changed("db", row);
  }
  config::Namespace team;
};

TEST_F(Invalidator, AChangedRowDropsItsKeyAndTheTeamsItLeftAndJoined) {
  open_both();
  change({{"id", "1"}, {"team_name", "red"}}, {{"id", "1"}, {"team_name", "blue"}});
  EXPECT_EQ(cached(), "user:2 team:green ");
  EXPECT_EQ(fact("user:1", "last_invalidation_cause"), "change");
  EXPECT_EQ(fact("team:red", "last_invalidation_cause"), "dependency");
}

TEST_F(Invalidator, AKeyThatMovedIsDroppedUnderBothNames) {
  open_both();
  change({{"id", "1"}, {"team_name", "red"}}, {{"id", "2"}, {"team_name", "red"}});
  EXPECT_EQ(cached(), "team:blue team:green ");
}

TEST_F(Invalidator, TableNamesAreComparedWithoutCaseAndDefaultSchema) {
  open_both();
  change({}, {{"id", "1"}, {"team_name", "red"}}, "public.Users");
  EXPECT_EQ(cached(), "user:2 team:blue team:green ");
  change({}, {{"id", "2"}, {"team_name", "blue"}}, "orders");
  EXPECT_EQ(cached(), "user:2 team:blue team:green ");
}

TEST_F(Invalidator, NamesAreOfOneTableIfTheSourceSaysSo) {
  team.depends_on = {{"app.users", {{"team_name", "team"}}}};
  source->tables = {{"users", {"16384", {}}}, {"app.users", {"16384", {}}}, {"Users", {"7", {}}}};
  open_both();
  change({}, {{"id", "1"}, {"team_name", "red"}}, "app.users");
  EXPECT_EQ(cached(), "user:2 team:blue team:green ");
  set("user:2", "w");
  pass(1s);
  EXPECT_EQ(cached(), "user:2 ") << "a write tells of the table under its own name, with images of nothing";
}

TEST_F(Invalidator, ATableIsKnownByItsIdToo) {
  source->tables = {{"users", {"#16384", {}}}};
  open_both();
  core->invalidator().also_changed("db", {{"#7", "app.others"}});
  EXPECT_EQ(cached(), "user:1 user:2 team:red team:blue team:green ");
  core->invalidator().also_changed("db", {{"#16384", "app.users"}});
  EXPECT_EQ(cached(), "");
}

TEST_F(Invalidator, AViewChangesWithWhatItShows) {
  policy.table = "shown";
  policy.write = config::WriteStrategy::kAside;
  source->tables = {{"shown", {"v", {"16384"}}}, {"users", {"16384", {}}}};
  open_both();
  change({}, {{"id", "1"}, {"team_name", "red"}});
  EXPECT_EQ(cached(), "team:blue team:green ") << "of the view it is not known which row";
}

TEST_F(Invalidator, AViewWhoseKeysAreSaidChangesByThem) {
  policy.table = "shown";
  policy.write = config::WriteStrategy::kAside;
  policy.depends_on = {{"users", {{"id", "id"}}}};
  source->tables = {{"shown", {"v", {"16384"}}}, {"users", {"16384", {}}}};
  open_both();
  change({}, {{"id", "1"}, {"team_name", "red"}});
  EXPECT_EQ(cached(), "user:2 team:blue team:green ");
}

TEST_F(Invalidator, KeysThatAreNotFoundBySpellingAllGo) {
  source->by_spelling = false;
  open_both();
  change({}, {{"id", "1"}, {"team_name", "red"}});
  EXPECT_EQ(cached(), "user:2 ") << "of a table's own row the key is known";
}

// While a source is away nobody knows which names are of one table.
TEST_F(Invalidator, AnyTableMayBeAnyOtherUntilTheSourceSaysWhich) {
  source->names_error = Error{ErrorCode::kInternal, "away"};
  open_both();
  change({}, {{"id", "1"}}, "something");
  EXPECT_EQ(cached(), "");
}

TEST_F(Invalidator, ANullInAMappedColumnConcernsNoKey) {
  open_both();
  change({}, {{"id", "1"}, {"team_name", std::nullopt}});
  EXPECT_EQ(cached(), "user:2 team:red team:blue team:green ");
}

TEST_F(Invalidator, AnUnknownColumnConcernsTheWholeNamespace) {
  open_both();
  change({}, {{"id", "1"}});
  EXPECT_EQ(cached(), "user:2 ");
}

TEST_F(Invalidator, AWholeTableChangeConcernsAllThatStandsOnIt) {
  open_both();
  RowChange change;
  change.table = "users";
  change.whole_table = true;
  core->invalidator().changed("db", change);
  EXPECT_EQ(cached(), "");
}

TEST_F(Invalidator, ChangesOfAnotherSourceConcernNothing) {
  open_both();
  RowChange change;
  change.table = "users";
  change.whole_table = true;
  core->invalidator().changed("elsewhere", change);
  EXPECT_EQ(cached(), "user:1 user:2 team:red team:blue team:green ");
}

TEST_F(Invalidator, LostChangesConcernAllThatHasATableOfTheSource) {
  config::Namespace query = team;
  query.name = "query";
  query.key = {"query:{id}", {"query:", ""}, {"id"}};
  query.depends_on.clear();
  model.namespaces.push_back(query);
  open_both();
  get("query:1");
  core->invalidator().lost("elsewhere");
  EXPECT_EQ(cached(), "user:1 user:2 team:red team:blue team:green ");
  core->invalidator().lost("db");
  EXPECT_EQ(cached(), "");
  EXPECT_EQ(fact("query:1", "state"), "fresh");
}

TEST_F(Invalidator, PurgeByPatternDropsWhatMatches) {
  open_both();
  EXPECT_EQ(core->keyspace().purge_match("team:*e*"), 3u);
  EXPECT_EQ(cached(), "user:1 user:2 ");
}

}  // namespace
}  // namespace forebay::layer::test
