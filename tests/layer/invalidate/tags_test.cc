// Tags: entries carry names, and purging a name ends all of them at once, those that are being loaded included.

#include <string>
#include <vector>

#include "config/pattern.h"
#include "layer/keyspace.h"
#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Tags : public LayerTest {
 protected:
  Tags() {
    policy.kind = ValueKind::kJson;
    policy.value_column.clear();
    policy.ttl = 1h;
    use_tags({"vendor:{vendor}", "user:{id}"});
    source->rows = {{"1", row("a")}, {"2", row("b")}, {"3", R"({"id":"3","vendor":null})"}};
  }

  void use_tags(const std::vector<std::string>& tags) {
    policy.tags.clear();
    for (const std::string& tag : tags) policy.tags.push_back(*config::parse_pattern(tag));
  }
  static std::string row(const std::string& vendor) { return R"({"vendor":")" + vendor + R"("})"; }
  void purge(const std::string& tag) { core->keyspace().purge_tag(tag); }
  bool tag(const std::string& key, const std::vector<std::string_view>& tags) {
    const auto tagged = core->keyspace().tag(key, tags);
    EXPECT_TRUE(tagged) << tagged.error().message;
    return tagged && *tagged;
  }
  // How often the source was asked for a key, by what `act` did.
  template <class Act>
  std::size_t loads_of(Act act) {
    const std::size_t before = source->keys_loaded();
    act();
    return source->keys_loaded() - before;
  }
  bool is_cached(const std::string& key) {
    return loads_of([&] { get(key); }) == 0;
  }
};

TEST_F(Tags, OfARowsColumnsEndAllThatHaveThem) {
  open();
  for (const char* key : {"user:1", "user:2", "user:3"}) get(key);
  purge("vendor:a");
  EXPECT_TRUE(is_cached("user:2"));
  EXPECT_TRUE(is_cached("user:3"));
  EXPECT_EQ(fact("user:1", "miss_cause"), "invalidated");
  EXPECT_FALSE(is_cached("user:1"));
  EXPECT_TRUE(is_cached("user:1")) << "what was loaded after the purge is kept";
}

TEST_F(Tags, OfAKeysFieldsAreThereForAbsentRowsToo) {
  policy.negative_ttl = 30s;
  open();
  EXPECT_EQ(get("user:9"), "(nil)");
  EXPECT_TRUE(is_cached("user:9"));
  source->rows["9"] = row("c");
  purge("user:9");
  EXPECT_EQ(get("user:9"), row("c"));
}

TEST_F(Tags, ANullMakesNoTag) {
  open();
  get("user:3");
  purge("vendor:");
  EXPECT_TRUE(is_cached("user:3"));
  purge("user:3");
  EXPECT_FALSE(is_cached("user:3"));
}

TEST_F(Tags, HoldForLoadsInProgress) {
  open();
  auto before = read("user:1");
  dispatch();
  pass(5ms);
  purge("vendor:a");
  source->rows["1"] = row("a2");
  auto after = read("user:1");
  dispatch();
  pass(1s);
  EXPECT_EQ(before.text(), row("a")) << "it asked before the purge";
  EXPECT_EQ(after.text(), row("a2")) << "it asked after the purge, and shares no older load";
  EXPECT_EQ(get("user:1"), row("a2"));
}

TEST_F(Tags, ALoadInProgressThatNobodyJoinsIsNotKeptEither) {
  open();
  auto before = read("user:1");
  dispatch();
  pass(5ms);
  purge("vendor:a");
  source->rows["1"] = row("a2");
  pass(1s);
  EXPECT_EQ(before.text(), row("a"));
  EXPECT_EQ(get("user:1"), row("a2"));
}

TEST_F(Tags, APurgeOfOthersLeavesALoadInProgress) {
  open();
  read("user:1");
  dispatch();
  pass(5ms);
  purge("vendor:b");
  pass(1s);
  EXPECT_TRUE(is_cached("user:1"));
}

TEST_F(Tags, AWriteGivesTheNewRowsTags) {
  open();
  get("user:1");
  set("user:1", R"({"row":"{\"vendor\":\"b\"}"})");  // the simulated source's row is the first column's text
  pass(1s);
  purge("vendor:a");
  EXPECT_TRUE(is_cached("user:1"));
  purge("vendor:b");
  EXPECT_FALSE(is_cached("user:1"));
}

TEST_F(Tags, AValueThatDoesNotTellItsTagsIsServedAndNotKept) {
  open();
  source->rows["1"] = R"({"name":"no vendor here"})";
  source->rows["2"] = "no json";
  EXPECT_EQ(get("user:1"), R"({"name":"no vendor here"})");
  EXPECT_FALSE(is_cached("user:1"));
  EXPECT_EQ(fact("user:1", "miss_cause"), "rejected");
  EXPECT_EQ(get("user:2"), "no json");
  EXPECT_FALSE(is_cached("user:2"));
}

TEST_F(Tags, OfClientsLastOverReloads) {
  policy.ttl = 10s;
  policy.stale_while_revalidate = 1h;
  open();
  EXPECT_FALSE(tag("user:1", {"sale"})) << "there is no copy";
  get("user:1");
  EXPECT_TRUE(tag("user:1", {"sale", "front"}));
  pass(11s);
  get("user:1");  // stale, and reloaded
  pass(1s);
  EXPECT_TRUE(is_cached("user:1"));
  purge("front");
  EXPECT_FALSE(is_cached("user:1"));
  EXPECT_TRUE(is_cached("user:1"));
  purge("sale");
  EXPECT_TRUE(is_cached("user:1")) << "its tags have gone with the copy";
}

// The copy that had the client's tag is gone when the load comes in, so that nobody can tell what it was tagged.
TEST_F(Tags, OfClientsHoldForAReloadInProgress) {
  policy.ttl = 10s;
  policy.stale_while_revalidate = 1h;
  open();
  get("user:1");
  tag("user:1", {"sale"});
  pass(11s);
  read("user:1");
  dispatch();
  pass(5ms);
  purge("sale");
  source->rows["1"] = row("a2");
  pass(1s);
  EXPECT_EQ(get("user:1"), row("a2"));
}

TEST_F(Tags, OfClientsReplaceThoseBefore) {
  open();
  get("user:1");
  tag("user:1", {"old"});
  tag("user:1", {"new"});
  purge("old");
  EXPECT_TRUE(is_cached("user:1"));
  tag("user:1", {});
  purge("new");
  EXPECT_TRUE(is_cached("user:1"));
  purge("vendor:a");
  EXPECT_FALSE(is_cached("user:1")) << "those of the namespace are not the client's to take away";
}

TEST_F(Tags, AreAtMost64) {
  open();
  get("user:1");
  std::vector<std::string> names;
  for (int i = 0; i < 63; ++i) names.push_back("t" + std::to_string(i));
  const std::vector<std::string_view> tags(names.begin(), names.end());
  const auto refused = core->keyspace().tag("user:1", tags);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(tag("user:1", {tags.begin(), tags.begin() + 62}));
  purge("t61");
  EXPECT_FALSE(is_cached("user:1"));
}

TEST_F(Tags, OfPlainKeysEndThem) {
  open();
  const auto put = [&](const std::string& key) {
    core->copies().edit(core->at(key), clock.now(),
                        [](const EntryView*) { return Change::replace("v", {}); });
  };
  const auto there = [&](const std::string& key) {
    return core->keyspace().peek(core->at(key), clock.now(), [](const EntryView&) {});
  };
  put("plain:1");
  put("plain:2");
  EXPECT_TRUE(tag("plain:1", {"t"}));
  put("plain:1");
  purge("t");
  EXPECT_FALSE(there("plain:1")) << "a client's tags last over new values";
  EXPECT_TRUE(there("plain:2"));
}

}  // namespace
}  // namespace forebay::layer::test
