// The whole layer on a real SQLite file, as a program uses it.

#include <gtest/gtest.h>

#include <latch>
#include <thread>

#include "config/reader.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using forebay::test::eventually;
using forebay::test::SqliteFile;

class LayerOnSqlite : public ::testing::Test {
 protected:
  LayerOnSqlite() : path((folder / "shop.db").string()), other(path) {
    other.run(
        "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK(name <> ''), shop TEXT, price "
        "NUMERIC);"
        "CREATE TABLE visits(page TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO items VALUES (1,'pen','north',1.5),(2,'ink','north',3),(3,'cup','south',7);");
  }

  std::string toml(const std::string& more = "") {
    return "[source.shop]\nkind = \"sqlite\"\npath = \"" + path +
           "\"\nchanges = true\npoll_interval = \"5ms\"\n"
           "[namespace.item]\nkey = \"item:{id}\"\nsource = \"shop\"\ntable = \"items\"\nwrite = "
           "\"through\"\nttl = \"1h\"\n"
           "negative_ttl = \"10s\"\n"
           "[namespace.stock]\nkey = \"stock:{shop}\"\nsource = \"shop\"\n"
           "query = \"SELECT count(*) FROM items WHERE shop = {shop}\"\ntype = \"text\"\nttl = \"1h\"\n"
           "depends_on = [\"items(shop -> shop)\"]\n"
           "[namespace.visits]\nkey = \"visits:{page}\"\nsource = \"shop\"\ntable = \"visits\"\ntype = "
           "\"counter\"\n"
           "value = \"views\"\nwrite = \"through\"\nttl = \"1h\"\n" +
           more;
  }
  void open(const std::string& more = "") {
    auto opened = Layer::open(toml(more));
    ASSERT_TRUE(opened) << opened.error().message;
    layer = std::move(*opened);
  }
  std::string get(std::string_view key) {
    const auto answer = layer->get(key);
    if (!answer) return "!" + answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(nil)";
  }
  std::uint64_t loads() { return layer->stats().sources.at(0).loads; }

  forebay::test::TempDir folder;
  std::string path;
  SqliteFile other;
  std::unique_ptr<Layer> layer;
};

TEST_F(LayerOnSqlite, RowsQueriesAndCountersAreLoadedOnce) {
  open();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5})");
  EXPECT_EQ(get("stock:north"), "2");
  EXPECT_EQ(get("item:9"), "(nil)");
  const auto before = loads();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5})");
  EXPECT_EQ(get("stock:north"), "2");
  EXPECT_EQ(get("item:9"), "(nil)");
  EXPECT_EQ(loads(), before);
}

TEST_F(LayerOnSqlite, WritesAreSeenAtOnceAndInvalidateWhatDependsOnThem) {
  open();
  EXPECT_EQ(get("stock:north"), "2");
  EXPECT_EQ(get("stock:south"), "1");
  ASSERT_TRUE(layer->set_fields("item:1", {{"shop", "south"}}));
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"south","price":1.5})");
  EXPECT_EQ(get("stock:north"), "1");
  EXPECT_EQ(get("stock:south"), "2");
}

TEST_F(LayerOnSqlite, AColumnThatWasAddedIsKnownToTheWriteThatNamesIt) {
  open();
  other.run("ALTER TABLE items ADD COLUMN colour TEXT");
  const auto written = layer->set_fields("item:1", {{"colour", "red"}});
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5,"colour":"red"})");
  EXPECT_EQ(get("item:2"), R"({"id":2,"name":"ink","shop":"north","price":3,"colour":null})");
  EXPECT_FALSE(layer->set_fields("item:1", {{"color", "red"}}));
}

TEST_F(LayerOnSqlite, ATableThatChangesItsShapeIsShownInItWithoutBeingAsked) {
  open();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5})");
  other.run("ALTER TABLE items DROP COLUMN price");
  EXPECT_TRUE(eventually([&] { return get("item:1") == R"({"id":1,"name":"pen","shop":"north"})"; }));
  other.run("ALTER TABLE items RENAME COLUMN name TO title");
  EXPECT_TRUE(eventually([&] { return get("item:1") == R"({"id":1,"title":"pen","shop":"north"})"; }));
  // What was not read before is never shown in the former shape.
  EXPECT_EQ(get("item:2"), R"({"id":2,"title":"ink","shop":"north"})");
  EXPECT_TRUE(layer->stats().misfits.empty());
}

TEST_F(LayerOnSqlite, AReloadOfTheSameConfigurationLooksAtTheTables) {
  open();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5})");
  other.run("ALTER TABLE items ADD COLUMN colour TEXT DEFAULT 'red'");
  ASSERT_TRUE(layer->reload(toml()));
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5,"colour":"red"})");
}

TEST_F(LayerOnSqlite, ANamespaceThatNoLongerFitsSaysSoAndHarmsNoOtherOne) {
  open("[namespace.priced]\nkey = \"priced:{price}\"\nsource = \"shop\"\ntable = \"items\"\nttl = \"1h\"\n");
  EXPECT_EQ(get("priced:7"), R"({"id":3,"name":"cup","shop":"south","price":7})");
  other.run("ALTER TABLE items RENAME COLUMN price TO cost");
  EXPECT_TRUE(
      eventually([&] { return get("item:1") == R"({"id":1,"name":"pen","shop":"north","cost":1.5})"; }));
  EXPECT_TRUE(eventually([&] {
    const auto health = layer->stats().misfits;
    return health.size() == 1 && health[0].find("priced") != std::string::npos &&
           health[0].find("price") != std::string::npos;
  }));
  EXPECT_EQ(get("priced:7").front(), '!');
  ASSERT_TRUE(layer->set_fields("item:1", {{"cost", "2"}}));
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","cost":2})");
  EXPECT_EQ(get("stock:north"), "2");
  other.run("ALTER TABLE items RENAME COLUMN cost TO price");
  EXPECT_TRUE(eventually([&] { return layer->stats().misfits.empty(); }));
  EXPECT_EQ(get("priced:7"), R"({"id":3,"name":"cup","shop":"south","price":7})");
}

TEST_F(LayerOnSqlite, AChangeReachesEveryKeyThatAQueryAnswers) {
  other.run(
      "CREATE TABLE tags(id INTEGER PRIMARY KEY, tag TEXT COLLATE NOCASE, n INT);"
      "INSERT INTO tags VALUES (1, 'Foo', 1)");
  open(
      "[namespace.tag]\nkey = \"tag:{tag}\"\nsource = \"shop\"\nquery = \"SELECT sum(n) AS n FROM tags WHERE "
      "tag = "
      "{tag}\"\ndepends_on = [\"main.TAGS(tag -> tag)\"]\nttl = \"1h\"\n"
      "[namespace.price]\nkey = \"price:{id}\"\nsource = \"shop\"\nquery = \"SELECT sum(price) AS p FROM "
      "items WHERE "
      "id = {id}\"\ndepends_on = [\"ITEMS(id -> id)\"]\nttl = \"1h\"\n");
  for (const char* key : {"tag:Foo", "tag:foo", "tag:FOO"}) EXPECT_EQ(get(key), "1") << key;
  EXPECT_EQ(get("price:1"), "1.5");
  EXPECT_EQ(get("price:01"), "(nil)");
  EXPECT_EQ(get("price:1.0"), "(nil)");
  other.run("UPDATE tags SET n = 5; UPDATE items SET price = 9 WHERE id = 1");
  for (const char* key : {"tag:Foo", "tag:foo", "tag:FOO"})
    EXPECT_TRUE(eventually([&] { return get(key) == "5"; })) << key;
  EXPECT_TRUE(eventually([&] { return get("price:1") == "9"; }));
}

TEST_F(LayerOnSqlite, ARefusedWriteChangesNothingAnywhere) {
  open();
  const std::string before = get("item:1");
  const auto written = layer->set_fields("item:1", {{"name", ""}});
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::kRefused);
  EXPECT_NE(written.error().message.find("CHECK"), std::string::npos) << written.error().message;
  EXPECT_EQ(get("item:1"), before);
}

TEST_F(LayerOnSqlite, CountersAndRemoval) {
  open();
  const auto first = layer->add("visits:home", 2);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(layer->add("visits:home", 3)->added, "5");
  EXPECT_EQ(get("visits:home"), "5");
  ASSERT_TRUE(layer->remove("item:3"));
  EXPECT_EQ(get("item:3"), "(nil)");
}

TEST_F(LayerOnSqlite, ChangesByAnotherProgramAreNoticed) {
  open();
  EXPECT_EQ(get("item:2"), R"({"id":2,"name":"ink","shop":"north","price":3})");
  EXPECT_EQ(get("stock:south"), "1");
  EXPECT_EQ(get("item:4"), "(nil)");
  other.run("UPDATE items SET name='blue ink' WHERE id=2; INSERT INTO items VALUES (4,'mug','south',8)");
  EXPECT_TRUE(eventually([&] { return get("item:2").find("blue") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("stock:south") == "2"; }));
  EXPECT_TRUE(eventually([&] { return get("item:4").find("mug") != std::string::npos; }));
}

TEST_F(LayerOnSqlite, AnotherSpellingOfAKeyNeverOutlivesAChange) {
  open();
  get("item:1");
  get("item:01");
  get("item:1.0");
  other.run("UPDATE items SET name='pencil' WHERE id=1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("pencil") != std::string::npos; }));
  for (const char* alias : {"item:01", "item:1.0", "item: 1"}) {
    EXPECT_EQ(get(alias).find("\"pen\""), std::string::npos) << alias;
  }
}

TEST_F(LayerOnSqlite, FiveHundredColdKeysAreOneQuery) {
  other.run("BEGIN");
  for (int i = 10; i < 510; ++i) {
    other.run("INSERT INTO items VALUES (" + std::to_string(i) + ",'n','north',0)");
  }
  other.run("COMMIT");
  open();
  std::vector<std::string> keys;
  for (int i = 10; i < 510; ++i) keys.push_back("item:" + std::to_string(i));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  const auto before = loads();
  for (const auto& answer : layer->get_many(views)) ASSERT_TRUE(answer && answer->value);
  EXPECT_EQ(loads() - before, 1u);
}

TEST_F(LayerOnSqlite, AReloadKeepsWhatIsUnchangedAndChecksBeforeItTakesOver) {
  open();
  get("item:1");
  get("stock:north");
  const auto changed =
      toml("[namespace.extra]\nkey = \"extra:{id}\"\nsource = \"shop\"\ntable = \"nowhere\"\nttl = \"1s\"\n");
  auto bad = config::read(changed, "bad.toml");
  ASSERT_TRUE(bad) << bad.error().message;
  const auto refused = layer::reload_layer(*layer, *bad);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("nowhere"), std::string::npos);
  std::string other_ttl = toml();
  other_ttl.replace(other_ttl.find("SELECT count(*)"), 15, "SELECT 100+count(*)");
  auto good = config::read(other_ttl, "good.toml");
  ASSERT_TRUE(good);
  const auto before = loads();
  ASSERT_TRUE(layer::reload_layer(*layer, *good));
  get("item:1");
  EXPECT_EQ(loads(), before);  // its namespace is as it was
  EXPECT_EQ(get("stock:north"), "102");
}

TEST_F(LayerOnSqlite, EveryMistakeOfAConfigurationComesAtOnce) {
  const auto opened = Layer::open(
      toml("[namespace.a]\nkey = \"a:{id}\"\nsource = \"shop\"\ntable = \"nowhere\"\nttl = \"1s\"\n"
           "[namespace.b]\nkey = \"b:{nocolumn}\"\nsource = \"shop\"\ntable = \"items\"\nttl = \"1s\"\n"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kConfig);
  EXPECT_NE(opened.error().message.find("nowhere"), std::string::npos);
  EXPECT_NE(opened.error().message.find("nocolumn"), std::string::npos);
}

TEST_F(LayerOnSqlite, ThreadsThatReadWriteAndPurgeAgreeAtTheEnd) {
  open();
  std::vector<std::jthread> threads;
  std::atomic<bool> stop = false;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      while (!stop) {
        (void)layer->get("item:" + std::to_string(1 + t % 3));
        (void)layer->get("stock:north");
        if (t == 3) layer->purge_all();
      }
    });
  }
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(layer->set_fields("item:1", {{"name", "n" + std::to_string(i)}}));
    EXPECT_NE(get("item:1").find("\"n" + std::to_string(i) + "\""), std::string::npos);
  }
  stop = true;
  threads.clear();
  EXPECT_NE(get("item:1").find("\"n59\""), std::string::npos);
}

TEST_F(LayerOnSqlite, ClosingAnswersThoseWhoWait) {
  std::latch loading(1), closing(1);
  Environment environment;
  environment.functions["slow"] = {[&](std::span<const KeyFields> keys, const CallContext&) {
                                     loading.count_down();
                                     closing.wait();
                                     return Result<std::vector<Loaded>>(std::vector<Loaded>(keys.size()));
                                   },
                                   {}};
  auto opened = Layer::open(
      "[source.slow]\nkind = \"function\"\n[namespace.s]\nkey = \"s:{id}\"\nsource = \"slow\"\nttl = "
      "\"1s\"\n",
      std::move(environment));
  ASSERT_TRUE(opened) << opened.error().message;
  std::atomic<int> cancelled = 0;
  (*opened)->read("s:1", {}, [&](Result<Answer> answer) {
    if (!answer && answer.error().code == ErrorCode::kCancelled) ++cancelled;
  });
  (*opened)->dispatch();
  loading.wait();
  std::jthread release([&] {
    EXPECT_TRUE(eventually([&] { return cancelled == 1; }));
    closing.count_down();
  });
  opened->reset();
  EXPECT_EQ(cancelled, 1);
}

}  // namespace
}  // namespace forebay
