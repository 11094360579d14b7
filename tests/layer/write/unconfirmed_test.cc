// A commit that was not confirmed is not finished: nothing that it may yet change is cached until the source says
// what has become of it (rule X14).

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Unconfirmed : public LayerTest {
 protected:
  Unconfirmed() {
    team.name = "team";
    team.key = {"team:{team}", {"team:", ""}, {"team"}};
    team.source = "db";
    team.query = "SELECT count(*) FROM users WHERE team = {team}";
    team.kind = ValueKind::kText;
    team.ttl = 1h;
    team.depends_on = {{"users", {}}};  // any row may concern any team
    policy.ttl = 1h;
    source->rows = {{"1", "old"}, {"2", "two"}, {"red", "old"}};
    source->unconfirmed = 77;
    source->commit_takes = 2s;  // long after the answer
    source->write_takes = 1s;
  }
  void open_with_team() {
    model.namespaces = {team};
    open();
  }
  // The database has it at last, and knows it.
  void committed() {
    pass(2s);
    ASSERT_EQ(source->rows["1"], "new");
    source->ended = true;
    pass(1s);
  }

  config::Namespace team;
};

TEST_F(Unconfirmed, ReadsInBetweenAreAnsweredAndNotStored) {  // X14
  open();
  EXPECT_EQ(get("user:1"), "old");
  auto writer = set("user:1", "new");
  pass(1s);
  EXPECT_EQ(writer.text(), "!unknown_outcome");
  EXPECT_EQ(get("user:1", 20ms), "old");
  EXPECT_EQ(fact("user:1", "state"), "absent");
  EXPECT_EQ(fact("user:1", "write"), "its commit is not confirmed: in progress");
  EXPECT_EQ(fact("user:1", "unsettled"), "yes");
  EXPECT_EQ(get("user:2"), "two");
  EXPECT_EQ(fact("user:2", "state"), "fresh") << "another key";
  committed();
  EXPECT_EQ(fact("user:1", "write"), "");
  EXPECT_EQ(fact("user:1", "unsettled"), "");
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
}

TEST_F(Unconfirmed, ALoadThatReadBeforeTheCommitAndEndsAfterItIsNotStored) {
  open();
  set("user:1", "new");
  pass(1s);
  source->load_takes = 1500ms;
  auto reader = read("user:1");
  dispatch();
  pass(1s);
  ASSERT_EQ(source->rows["1"], "new");
  source->ended = true;
  pass(400ms);
  ASSERT_EQ(fact("user:1", "unsettled"), "");
  pass(1s);
  EXPECT_EQ(reader.text(), "old");
  source->load_takes = 10ms;
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Unconfirmed, WhatDependsOnTheRowIsNotStoredEither) {
  open_with_team();
  EXPECT_EQ(get("team:red"), "old");
  set("user:1", "new");
  pass(1s);
  EXPECT_EQ(get("team:red", 20ms), "old");
  EXPECT_EQ(fact("team:red", "state"), "absent");
  EXPECT_EQ(fact("team:red", "unsettled"), "yes");
  source->rows["red"] = "new";
  committed();
  EXPECT_EQ(get("team:red"), "new");
  EXPECT_EQ(fact("team:red", "state"), "fresh");
}

TEST_F(Unconfirmed, TheSourceIsAskedUntilItAnswers) {
  open();
  source->ended = Error{ErrorCode::kUnavailable, "gone"};
  set("user:1", "new");
  pass(60s);
  EXPECT_GT(source->asked, 50u);
  EXPECT_LT(source->asked, 200u);
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "absent") << "nobody has said yet what became of it";
  source->ended = true;
  pass(1s);
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  const std::size_t asked = source->asked;
  pass(60s);
  EXPECT_EQ(source->asked, asked);
}

TEST_F(Unconfirmed, TwoOfOneKeyEndOneByOne) {
  open();
  auto first = set("user:1", "newer");
  pass(1s);
  auto second = set("user:1", "new");
  pass(1s);
  EXPECT_EQ(second.text(), "!unknown_outcome");
  EXPECT_EQ(fact("user:1", "unsettled"), "yes");
  committed();
  EXPECT_EQ(fact("user:1", "unsettled"), "");
  EXPECT_EQ(get("user:1"), "new");
}

TEST_F(Unconfirmed, OneThatNobodyCanTellOfIsDroppedOnce) {
  open_with_team();
  source->unconfirmed = 0;
  source->commit_takes = 500ms;
  EXPECT_EQ(get("team:red"), "old");
  EXPECT_EQ(get("user:1"), "old");
  set("user:1", "new");
  pass(1s);
  EXPECT_EQ(source->asked, 0u);
  EXPECT_EQ(fact("team:red", "state"), "absent");
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
}

TEST_F(Unconfirmed, AnErrorThatSaysSoLeavesDependentsInDoubt) {
  open_with_team();
  source->unconfirmed.reset();
  source->commit_takes = 500ms;
  source->write_error = Error{ErrorCode::kUnknownOutcome, "disk on fire"};
  source->commit_despite_error = true;
  EXPECT_EQ(get("team:red"), "old");
  auto writer = set("user:1", "new");
  pass(1s);
  EXPECT_EQ(writer.text(), "!unknown_outcome");
  EXPECT_EQ(fact("team:red", "state"), "absent");
}

// What a write changes besides its row, by triggers and cascades.
class AlsoChangedRows : public LayerTest {};

TEST_F(AlsoChangedRows, LoseTheirCopies) {
  config::Namespace post = policy;
  post.name = "post";
  post.key = {"post:{id}", {"post:", ""}, {"id"}};
  post.table = "blog.posts";
  config::Namespace other = policy;
  other.name = "other";
  other.key = {"other:{id}", {"other:", ""}, {"id"}};
  other.table = "others";
  model.namespaces = {post, other};
  source->rows = {{"1", "old"}, {"2", "two"}};
  open();
  for (const char* key : {"user:1", "user:2", "post:1", "other:1"}) get(key);
  source->also.tables = {"blog.posts"};
  set("user:1", "new");
  pass(10ms);
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  EXPECT_EQ(fact("user:2", "state"), "fresh");
  EXPECT_EQ(fact("other:1", "state"), "fresh");
  EXPECT_EQ(fact("post:1", "state"), "absent");

  get("post:1");
  source->also.tables = {"users"};  // other rows of its own table
  set("user:1", "newer");
  pass(10ms);
  EXPECT_EQ(fact("user:2", "state"), "absent");
  EXPECT_EQ(fact("post:1", "state"), "fresh");

  source->also = {{}, true};
  set("user:1", "newest");
  pass(10ms);
  EXPECT_EQ(fact("post:1", "state"), "absent");
  EXPECT_EQ(fact("other:1", "state"), "absent");
}

}  // namespace
}  // namespace forebay::layer::test
