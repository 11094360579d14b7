// Writes behind on a real journal and a real SQLite file, as a program uses them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <future>
#include <map>
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

class BehindOnSqlite : public ::testing::Test {
 protected:
  BehindOnSqlite() : path((folder / "shop.db").string()), other(path) {
    other.run(
        "PRAGMA journal_mode=WAL;"
        "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT CHECK(name <> ''), shop TEXT, price NUMERIC, "
        "sold INTEGER);"
        "CREATE TABLE visits(page TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0);"
        "CREATE TABLE log(id INTEGER PRIMARY KEY, line TEXT);"
        "INSERT INTO items VALUES (1,'pen','north',1.5,3),(2,'ink','north',3,0);"
        "INSERT INTO visits VALUES ('home',40)");
  }

  std::string toml() const {
    return "[journal]\npath = \"" + (folder / "journal").string() +
           "\"\n[source.shop]\nkind = \"sqlite\"\npath = \"" + path + "\"\ntimeout = \"" + timeout +
           "\"\n"
           "[namespace.item]\nkey = \"item:{id}\"\nsource = \"shop\"\ntable = \"items\"\nwrite = \"" +
           item_write + "\"\nttl = \"1h\"\n" + (item_write == "behind" ? flush : "") +
           "[namespace.stock]\nkey = \"stock:{shop}\"\nsource = \"shop\"\n"
           "query = \"SELECT count(*) FROM items WHERE shop = {shop}\"\ntype = \"text\"\nttl = \"1h\"\n"
           "depends_on = [\"items(shop -> shop)\"]\n"
           "[namespace.visits]\nkey = \"visits:{page}\"\nsource = \"shop\"\ntable = \"visits\"\ntype = "
           "\"counter\"\nvalue = \"views\"\nwrite = \"behind\"\nttl = \"1h\"\n" +
           flush +
           "[namespace.log]\nkey = \"log:{id}\"\nsource = \"shop\"\ntable = \"log\"\nwrite = \"behind\"\n"
           "append = true\nttl = \"1h\"\n" +
           flush + more;
  }
  void open() {
    auto opened = Layer::open(toml());
    ASSERT_TRUE(opened) << opened.error().message;
    layer = std::move(*opened);
  }
  // As after kill -9, but for what the operating system would have kept of a write in progress.
  void crash() {
    layer.reset();
    open();
  }
  std::string get(std::string_view key) {
    const auto answer = layer->get(key);
    if (!answer) return "!" + answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(nil)";
  }
  std::string add(std::string_view key, std::int64_t amount) {
    const auto answer = layer->add(key, amount);
    if (!answer) return "!" + answer.error().message;
    return answer->added.value_or("(none)");
  }
  template <class T, class Call>
  Result<T> wait(Call call) {
    std::promise<Result<T>> promise;
    auto future = promise.get_future();
    call([&](Result<T> result) { promise.set_value(std::move(result)); });
    return future.get();
  }
  std::uint64_t pending(std::string_view space) {
    for (const NamespaceStats& each : layer->stats().namespaces) {
      if (each.name == space) return each.pending_records;
    }
    return 0;
  }
  std::vector<PutAside> letters() {
    auto all =
        wait<std::vector<PutAside>>([&](auto done) { layer->dead_letters("", "", 100, std::move(done)); });
    EXPECT_TRUE(all) << all.error().message;
    return all ? *all : std::vector<PutAside>();
  }

  forebay::test::TempDir folder;
  std::string path;
  SqliteFile other;
  std::string flush = "flush = { every = \"1h\", batch = 10000 }\n";
  std::string timeout = "2s";
  std::string item_write = "behind";
  std::string more;
  std::unique_ptr<Layer> layer;
};

TEST_F(BehindOnSqlite, RowsCountersAndAppendsArriveAsTheyWereAnswered) {
  open();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"north","price":1.5,"sold":3})");
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"north","price":1.5,"sold":3})");
  ASSERT_TRUE(layer->set("item:3", R"({"name":"cup","shop":"south"})"));
  ASSERT_TRUE(layer->remove("item:2"));
  EXPECT_EQ(get("item:2"), "(nil)");
  EXPECT_EQ(add("visits:home", 2), "42");
  EXPECT_EQ(add("visits:new", 5), "5");
  ASSERT_TRUE(layer->set("log:1", R"({"line":"hello"})"));
  EXPECT_EQ(other.ask("SELECT name FROM items WHERE id = 1"), "pen");
  EXPECT_EQ(other.ask("SELECT count(*) FROM log"), "0");

  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT group_concat(id || name) FROM items"), "1pencil,3cup");
  EXPECT_EQ(other.ask("SELECT group_concat(page || views) FROM visits"), "home42,new5");
  EXPECT_EQ(other.ask("SELECT line FROM log"), "hello");
  const auto loads = layer->stats().sources.at(0).loads;
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"north","price":1.5,"sold":3})");
  EXPECT_EQ(layer->stats().sources.at(0).loads, loads);
  EXPECT_EQ(get("visits:home"), "42");
  EXPECT_EQ(layer->stats().sources.at(0).loads, loads);
  EXPECT_EQ(get("item:2"), "(nil)");
}

TEST_F(BehindOnSqlite, ARowsColumnsAreMergedWithoutItsBeingLoaded) {
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"price", "2"}}));
  ASSERT_TRUE(layer->set_fields("item:1", {{"shop", "south"}}));
  EXPECT_EQ(layer->stats().sources.at(0).loads, 0u);
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pen","shop":"south","price":2,"sold":3})");
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT name || shop || price FROM items WHERE id = 1"), "pensouth2");
}

TEST_F(BehindOnSqlite, WhatDependsOnARowChangesWhenTheDatabaseDoes) {
  open();
  EXPECT_EQ(get("stock:north"), "2");
  ASSERT_TRUE(layer->set_fields("item:1", {{"shop", "south"}}));
  EXPECT_EQ(get("stock:north"), "2");
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(get("stock:north"), "1");
  EXPECT_EQ(get("stock:south"), "1");
}

TEST_F(BehindOnSqlite, PendingWritesOutliveTheProcessAndAreSeenByEveryRead) {
  open();
  EXPECT_EQ(add("visits:home", 2), "42");
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  layer.reset();
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "40");
  open();
  EXPECT_EQ(get("visits:home"), "42");
  EXPECT_NE(get("item:1").find("pencil"), std::string::npos);
  layer->purge_all();
  EXPECT_EQ(get("visits:home"), "42");
  EXPECT_EQ(add("visits:home", 1), "43");
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "43");
  crash();
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "43");
  EXPECT_EQ(get("visits:home"), "43");
}

TEST_F(BehindOnSqlite, ADatabaseThatIsBusyIsWaitedFor) {
  timeout = "1s";
  flush = "flush = { every = \"1ms\" }\n";
  open();
  EXPECT_EQ(add("visits:home", 1), "41");
  ASSERT_TRUE(layer->drain(10s));
  other.run("BEGIN IMMEDIATE");
  for (int i = 0; i < 10; ++i) EXPECT_EQ(add("visits:home", 1), std::to_string(42 + i));
  EXPECT_TRUE(eventually([&] { return layer->stats().flushes.at(0).retries > 0; }));
  EXPECT_EQ(get("visits:home"), "51");
  other.run("COMMIT");
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "51");
}

TEST_F(BehindOnSqlite, WhileNothingIsKnownOfATableItsWritesAreTaken) {
  path = (folder / "late.db").string();
  Environment environment;
  environment.unreachable = Unreachable::kServeWithout;
  auto opened = Layer::open(toml(), environment);
  ASSERT_TRUE(opened) << opened.error().message;
  layer = std::move(*opened);
  ASSERT_TRUE(layer->set_fields("item:1", {{"colour", "red"}}));
  ASSERT_TRUE(layer->set_fields("item:2", {{"name", "cup"}}));
  SqliteFile late(path);
  late.run(
      "PRAGMA journal_mode=WAL; CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, shop TEXT);"
      "CREATE TABLE visits(page TEXT PRIMARY KEY, views INTEGER); CREATE TABLE log(id INTEGER PRIMARY KEY, "
      "line TEXT)");
  ASSERT_TRUE(layer->drain(30s));
  EXPECT_EQ(late.ask("SELECT group_concat(id || name) FROM items"), "2cup");
  ASSERT_EQ(letters().size(), 1u);
  EXPECT_NE(letters()[0].letter.error.find("no column colour"), std::string::npos);
  const auto known = layer->set_fields("item:1", {{"colour", "red"}});
  ASSERT_FALSE(known);
  EXPECT_NE(known.error().message.find("no column colour"), std::string::npos);
}

TEST_F(BehindOnSqlite, AColumnThatIsAddedIsKnownSoon) {
  open();
  EXPECT_FALSE(layer->set_fields("item:1", {{"colour", "red"}}));
  other.run("ALTER TABLE items ADD COLUMN colour TEXT");
  ASSERT_TRUE(eventually([&] { return layer->set_fields("item:1", {{"colour", "red"}}).has_value(); }));
  EXPECT_NE(get("item:1").find(R"("colour":"red")"), std::string::npos);
  EXPECT_NE(get("item:2").find(R"("colour":null)"), std::string::npos);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT colour FROM items WHERE id = 1"), "red");
  EXPECT_FALSE(layer->set_fields("item:1", {{"color", "red"}}));
  EXPECT_TRUE(letters().empty());
}

TEST_F(BehindOnSqlite, ATableThatIsGoneIsSaidAndWaitedForAndNothingIsPutAside) {
  open();
  for (int i = 10; i < 200; ++i) {
    ASSERT_TRUE(layer->set_fields("item:" + std::to_string(i), {{"name", "cup"}}));
  }
  other.run("ALTER TABLE items RENAME TO gone");
  layer->drain("", 0ms, [](bool) {});
  ASSERT_TRUE(eventually([&] { return !layer->stats().health.empty(); }));
  EXPECT_NE(layer->stats().health[0].find("no such table"), std::string::npos) << layer->stats().health[0];
  EXPECT_NE(get("item:10").find("no such table"),
            std::string::npos);  // rows are merged with what the database has
  ASSERT_TRUE(layer->set_fields("item:10", {{"shop", "north"}}));
  EXPECT_TRUE(letters().empty());
  other.run("ALTER TABLE gone RENAME TO items");
  ASSERT_TRUE(layer->drain(30s));
  EXPECT_EQ(other.ask("SELECT count(*) || max(shop) FROM items WHERE name = 'cup'"), "190north");
  EXPECT_TRUE(letters().empty());
  EXPECT_TRUE(layer->stats().health.empty());
}

TEST_F(BehindOnSqlite, ARefusedRowIsALetterThatCanBeEditedAndSentAgain) {
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", ""}}));
  ASSERT_TRUE(layer->set_fields("item:2", {{"name", "blue ink"}}));
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT group_concat(name) FROM items"), "pen,blue ink");
  EXPECT_NE(get("item:1").find("\"pen\""), std::string::npos);
  auto dead = letters();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_EQ(dead[0].letter.key, "item:1");
  EXPECT_NE(dead[0].letter.error.find("CHECK"), std::string::npos);
  EXPECT_EQ(layer->stats().flushes.at(0).dead_letters, 1u);

  // Sent again as it is it is refused again, and stays.
  EXPECT_TRUE(*wait<bool>([&](auto done) { layer->retry_dead_letter(dead[0].id, std::move(done)); }));
  ASSERT_TRUE(layer->drain(10s));
  ASSERT_EQ(letters().size(), 1u);

  EXPECT_TRUE(*wait<bool>([&](auto done) {
    layer->edit_dead_letter(dead[0].id, R"({"fields":{"name":"fountain pen"}})", std::move(done));
  }));
  const auto shown =
      wait<std::optional<PutAside>>([&](auto done) { layer->dead_letter(dead[0].id, std::move(done)); });
  ASSERT_TRUE(shown && *shown);
  EXPECT_NE((**shown).letter.operation.find("fountain pen"), std::string::npos);
  EXPECT_TRUE(*wait<bool>([&](auto done) { layer->retry_dead_letter(dead[0].id, std::move(done)); }));
  EXPECT_NE(get("item:1").find("fountain pen"), std::string::npos);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT name FROM items WHERE id = 1"), "fountain pen");
  EXPECT_TRUE(letters().empty());
  EXPECT_FALSE(*wait<bool>([&](auto done) { layer->retry_dead_letter(dead[0].id, std::move(done)); }));
}

TEST_F(BehindOnSqlite, ALetterCanBeDroppedAndItsIdIsChecked) {
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", ""}}));
  ASSERT_TRUE(layer->drain(10s));
  const auto dead = letters();
  ASSERT_EQ(dead.size(), 1u);
  EXPECT_TRUE(*wait<bool>([&](auto done) { layer->drop_dead_letter(dead[0].id, std::move(done)); }));
  EXPECT_TRUE(letters().empty());
  EXPECT_FALSE(*wait<bool>([&](auto done) { layer->drop_dead_letter(dead[0].id, std::move(done)); }));
  for (const char* bad : {"", "shop", "shop/x/y/z", "shop/j/1/2/3", "nowhere/j/1/2"}) {
    const auto answer = wait<bool>([&](auto done) { layer->drop_dead_letter(bad, std::move(done)); });
    ASSERT_FALSE(answer) << bad;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument) << bad;
  }
  const auto wrong = wait<bool>(
      [&](auto done) { layer->edit_dead_letter(dead[0].id, "{\"nonsense\":1}", std::move(done)); });
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(BehindOnSqlite, AnEditThatTheTableNeverTakesIsRefusedAndTheLetterStays) {
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", ""}}));
  ASSERT_TRUE(layer->drain(10s));
  const auto dead = letters();
  ASSERT_EQ(dead.size(), 1u);
  const std::pair<const char*, const char*> mistakes[] = {
      {R"({"fields":{"colour":"red"}})", "there is no column colour"},
      {R"({"row":{"name":"x","id":2}})", "column id is part of the key"},
      {R"({"add":{"sold":"many"}})", "is no 64-bit integer"},
      {R"({"add":{"colour":"1"}})", "there is no column colour"},
      {R"({"fields":{"name":5}})", "name"},
      {"no effect", ""},
  };
  for (const auto& [edit, message] : mistakes) {
    const auto answer =
        wait<bool>([&](auto done) { layer->edit_dead_letter(dead[0].id, edit, std::move(done)); });
    ASSERT_FALSE(answer) << edit;
    EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument) << edit;
    EXPECT_NE(answer.error().message.find(message), std::string::npos) << answer.error().message;
  }
  EXPECT_EQ(letters().at(0).letter.operation, dead[0].letter.operation);
  auto gone = dead[0].id;
  gone.back() = gone.back() == '9' ? '8' : '9';
  EXPECT_FALSE(*wait<bool>([&](auto done) { layer->edit_dead_letter(gone, "{}", std::move(done)); }));
}

TEST_F(BehindOnSqlite, AfterALetterLaterWritesOfItsKeyAreHeldAndRetriedInOrder) {
  flush = "flush = { every = \"1h\" }\nafter_dead_letter = \"hold\"\n";
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", ""}}));
  ASSERT_TRUE(layer->drain(10s));
  ASSERT_TRUE(layer->set_fields("item:1", {{"price", "9"}}));
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT price FROM items WHERE id = 1"), "1.5");
  auto dead = letters();
  ASSERT_EQ(dead.size(), 2u);
  EXPECT_TRUE(*wait<bool>([&](auto done) {
    layer->edit_dead_letter(dead[0].id, R"({"fields":{"name":"quill","price":"8"}})", std::move(done));
  }));
  EXPECT_TRUE(*wait<bool>([&](auto done) { layer->retry_dead_letter(dead[1].id, std::move(done)); }));
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT name || price FROM items WHERE id = 1"), "quill9");
  EXPECT_TRUE(letters().empty());
}

TEST_F(BehindOnSqlite, AReloadFromBehindToThroughDrainsFirst) {
  open();
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  EXPECT_EQ(add("visits:home", 1), "41");
  item_write = "through";
  const auto model = config::read(toml(), "new.toml");
  ASSERT_TRUE(model) << model.error().message;
  const auto taken = layer::reload_layer(*layer, *model);
  ASSERT_TRUE(taken) << taken.error().message;
  EXPECT_EQ(other.ask("SELECT name FROM items WHERE id = 1"), "pencil");
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "40");  // stays behind
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pen"}}));
  EXPECT_EQ(other.ask("SELECT name FROM items WHERE id = 1"), "pen");
  EXPECT_EQ(get("visits:home"), "41");
}

TEST_F(BehindOnSqlite, AReloadIsRefusedWhereTheDatabaseDoesNotTakeWhatIsPending) {
  timeout = "10s";
  more = "[server]\ndrain_timeout = \"100ms\"\n";
  open();
  EXPECT_EQ(add("visits:home", 1), "41");
  ASSERT_TRUE(layer->drain(10s));
  other.run("BEGIN IMMEDIATE");
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  item_write = "through";
  const auto model = config::read(toml(), "new.toml");
  ASSERT_TRUE(model) << model.error().message;
  const auto refused = layer::reload_layer(*layer, *model);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("'item'"), std::string::npos) << refused.error().message;
  other.run("COMMIT");
  ASSERT_TRUE(layer->set_fields("item:1", {{"shop", "south"}}));
  EXPECT_THAT(get("item:1"), testing::HasSubstr("pencil"));
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT name || shop FROM items WHERE id = 1"), "pencilsouth");
}

TEST_F(BehindOnSqlite, WritesDuringAReloadThatDrainsWaitAndGoWhereItSays) {
  timeout = "1s";
  more = "[server]\ndrain_timeout = \"1m\"\n";
  open();
  ASSERT_TRUE(layer->set_fields("item:2", {{"name", "ink"}}));
  ASSERT_TRUE(layer->drain(10s));  // from here on the ledger is known
  other.run("BEGIN IMMEDIATE");
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  item_write = "through";
  const auto model = config::read(toml(), "new.toml");
  ASSERT_TRUE(model) << model.error().message;
  Result<void> taken;
  std::jthread reload([&] { taken = layer::reload_layer(*layer, *model); });
  EXPECT_TRUE(eventually([&] { return layer->stats().flushes.at(0).retries > 0; }));
  std::promise<Result<WriteAnswer>> written;
  auto answer = written.get_future();
  layer->write("item:1", Update{{{"shop", "south"}}, true},
               [&](Result<WriteAnswer> result) { written.set_value(std::move(result)); });
  EXPECT_EQ(pending("item"), 1u);
  other.run("COMMIT");
  reload.join();
  ASSERT_TRUE(taken) << taken.error().message;
  ASSERT_TRUE(answer.get());
  EXPECT_EQ(other.ask("SELECT name || shop FROM items WHERE id = 1"), "pencilsouth");
}

TEST_F(BehindOnSqlite, OfTwoWritesWithOneIdThatAReloadHoldsOneIsWritten) {
  timeout = "50ms";
  open();
  ASSERT_TRUE(layer->set_fields("item:2", {{"name", "ink"}}));
  ASSERT_TRUE(layer->drain(10s));  // from here on the ledger is known
  other.run("BEGIN IMMEDIATE");
  ASSERT_TRUE(layer->set_fields("item:1", {{"name", "pencil"}}));
  timeout = "20s";  // a source with other settings is another one
  const auto model = config::read(toml(), "new.toml");
  ASSERT_TRUE(model) << model.error().message;
  Result<void> taken;
  std::jthread reload([&] { taken = layer::reload_layer(*layer, *model); });
  EXPECT_TRUE(eventually([&] { return layer->stats().flushes.at(0).retries > 0; }));
  std::array<std::promise<Result<WriteAnswer>>, 2> written;
  for (auto& each : written) {
    layer->write("item:1", Add{"sold", "5", false},
                 [&](Result<WriteAnswer> result) { each.set_value(std::move(result)); }, {"an id"});
  }
  EXPECT_EQ(pending("item"), 1u);
  other.run("COMMIT");
  reload.join();
  ASSERT_TRUE(taken) << taken.error().message;
  int repeated = 0;
  for (auto& each : written) {
    const auto answer = each.get_future().get();
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->added, "8");
    repeated += answer->repeated ? 1 : 0;
  }
  EXPECT_EQ(repeated, 1);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT name || sold FROM items WHERE id = 1"), "pencil8");
}

// Many threads and a few ids: each is written once, and all its callers are told the same.
TEST_F(BehindOnSqlite, CallersWithTheSameIdsAtOnceAreAllToldOfOneWrite) {
  flush = "flush = { every = \"1ms\" }\n";
  open();
  constexpr int kIds = 200;
  constexpr int kThreads = 4;
  std::array<std::array<std::string, kIds>, kThreads> said;
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (std::size_t i = 0; i < kIds; ++i) {
          const std::string id = "id " + std::to_string(i);
          const auto answer = wait<WriteAnswer>([&](auto done) {
            layer->write("visits:" + std::to_string(i % 3), Add{"views", "1", false}, std::move(done), {id});
            layer->dispatch();
          });
          said.at(t).at(i) = answer ? answer->added.value_or("(none)") : answer.error().message;
          if (t == 0 && i % 10 == 0) layer->purge_all();
        }
      });
    }
  }
  for (std::size_t i = 0; i < kIds; ++i) {
    for (std::size_t t = 1; t < kThreads; ++t) EXPECT_EQ(said.at(t).at(i), said.at(0).at(i)) << i;
  }
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT sum(views) FROM visits WHERE page <> 'home'"), std::to_string(kIds));
}

TEST_F(BehindOnSqlite, WritersAndReloadsLoseNothing) {
  flush = "flush = { every = \"2ms\" }\n";
  open();
  std::atomic<bool> stop = false;
  std::vector<std::int64_t> sums(3);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < sums.size(); ++t) {
    threads.emplace_back([&, t] {
      while (!stop) {
        const auto added = wait<WriteAnswer>(
            [&](auto done) { layer->write("item:1", Add{"sold", "1", false}, std::move(done)); });
        ASSERT_TRUE(added) << added.error().message;
        ++sums[t];
      }
    });
  }
  for (int i = 0; i < 6; ++i) {
    item_write = i % 2 == 0 ? "through" : "behind";
    const auto model = config::read(toml(), "new.toml");
    ASSERT_TRUE(model) << model.error().message;
    const auto taken = layer::reload_layer(*layer, *model);
    ASSERT_TRUE(taken) << taken.error().message;
  }
  stop = true;
  threads.clear();
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT sold FROM items WHERE id = 1"),
            std::to_string(3 + sums[0] + sums[1] + sums[2]));
}

TEST_F(BehindOnSqlite, AKeyCanBeWaitedFor) {
  open();
  EXPECT_EQ(add("visits:home", 1), "41");
  std::promise<bool> flushed;
  layer->when_flushed("visits:home", 0ms, [&](bool good) { flushed.set_value(good); });
  EXPECT_TRUE(flushed.get_future().get());
  EXPECT_EQ(other.ask("SELECT views FROM visits"), "41");
  bool at_once = false;
  layer->when_flushed("visits:home", 0ms, [&](bool good) { at_once = good; });
  EXPECT_TRUE(at_once);
}

TEST_F(BehindOnSqlite, ExplainAndStatsShowWhatIsPending) {
  open();
  EXPECT_EQ(add("visits:home", 1), "41");
  EXPECT_EQ(add("visits:home", 1), "42");
  std::map<std::string, std::string> facts;
  for (auto& [name, text] : layer->explain("visits:home").facts) facts[name] = text;
  EXPECT_EQ(facts["pending_writes"], "2");
  EXPECT_EQ(facts["pending"], R"({"add":{"views":"2"}})");
  EXPECT_EQ(facts["pending_state"], "waiting");
  const auto stats = layer->stats();
  for (const auto& space : stats.namespaces) {
    EXPECT_EQ(space.pending_records, space.name == "visits" ? 2u : 0u) << space.name;
  }
  EXPECT_TRUE(stats.health.empty());
}

// Readers never see an addition that has not begun, twice, or not at all once it was answered, whatever is
// evicted, flushed or applied meanwhile.
TEST_F(BehindOnSqlite, CountersNeverGoAstrayUnderPurgesAndFlushes) {
  flush = "flush = { every = \"1ms\" }\n";
  open();
  constexpr int kKeys = 3;
  std::array<std::atomic<std::int64_t>, kKeys> begun{};
  std::array<std::atomic<std::int64_t>, kKeys> answered{};
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 300; ++i) {
        const auto k = static_cast<std::size_t>((i + t) % kKeys);
        ++begun[k];
        const auto added = layer->add("visits:k" + std::to_string(k), 1);
        ASSERT_TRUE(added) << added.error().message;
        ++answered[k];
      }
    });
  }
  std::jthread purges([&] {
    while (!stop) {
      layer->purge_all();
      std::this_thread::yield();
    }
  });
  std::jthread reader([&] {
    for (std::size_t i = 0; !stop; ++i) {
      const std::size_t k = i % kKeys;
      const std::int64_t least = answered[k];
      const auto answer = layer->get("visits:k" + std::to_string(k));
      const std::int64_t most = begun[k];
      ASSERT_TRUE(answer) << answer.error().message;
      const std::int64_t value = answer->value ? std::stoll(std::string(answer->value->view())) : 0;
      ASSERT_GE(value, least);
      ASSERT_LE(value, most);
    }
  });
  threads.clear();
  stop = true;
  purges.join();
  reader.join();
  ASSERT_TRUE(layer->drain(10s));
  for (std::size_t k = 0; k < kKeys; ++k) {
    EXPECT_EQ(other.ask("SELECT views FROM visits WHERE page = 'k" + std::to_string(k) + "'"),
              std::to_string(answered[k].load()));
  }
}

}  // namespace
}  // namespace forebay
