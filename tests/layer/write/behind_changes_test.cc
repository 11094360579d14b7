// Writes behind to a table that other programs write to as well, whose changes are noticed by the change log.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "forebay/layer.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using forebay::test::eventually;
using forebay::test::SqliteFile;

class BehindWithChanges : public ::testing::Test {
 protected:
  BehindWithChanges() : path_((folder_ / "shop.db").string()), other_(path_) {
    other_.run(
        "PRAGMA journal_mode=WAL;"
        "CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT, shop TEXT);"
        "CREATE TABLE visits(page TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0);"
        "INSERT INTO items VALUES (1,'pen','north'),(2,'ink','north');"
        "INSERT INTO visits VALUES ('home',40)");
  }

  void open(const std::string& every) {
    const std::string behind = "write = \"behind\"\nttl = \"1h\"\nflush = { every = \"" + every + "\" }\n";
    auto opened = Layer::open(
        "[journal]\npath = \"" + (folder_ / "journal").string() +
        "\"\n[source.shop]\nkind = \"sqlite\"\nchanges = true\npoll_interval = \"20ms\"\npath = \"" + path_ +
        "\"\n[namespace.item]\nkey = \"item:{id}\"\nsource = \"shop\"\ntable = \"items\"\n" + behind +
        "[namespace.visits]\nkey = \"visits:{page}\"\nsource = \"shop\"\ntable = \"visits\"\n"
        "type = \"counter\"\nvalue = \"views\"\n" +
        behind +
        "[namespace.all]\nkey = \"all:{name}\"\nsource = \"shop\"\nttl = \"1h\"\ntype = \"text\"\n"
        "query = \"SELECT sum(views) FROM visits WHERE page LIKE {name}\"\ndepends_on = [\"visits\"]\n");
    ASSERT_TRUE(opened) << opened.error().message;
    layer_ = std::move(*opened);
  }
  std::string get(std::string_view key) {
    const auto answer = layer_->get(key);
    if (!answer) return "!" + answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(nil)";
  }
  std::string add(std::string_view key, std::int64_t amount) {
    const auto answer = layer_->add(key, amount);
    return answer ? answer->added.value_or("(none)") : "!" + answer.error().message;
  }
  bool becomes(std::string_view key, const std::string& value) {
    return eventually([&] { return get(key) == value; });
  }
  NamespaceStats space(std::string_view name) const {
    for (NamespaceStats& stats : layer_->stats().namespaces) {
      if (stats.name == name) return std::move(stats);
    }
    return {};
  }
  std::uint64_t loads() const { return layer_->stats().sources.at(0).loads; }
  // Until the change log has been read up to now, and what was in it has had its effect: a change made after
  // all others has been seen, and another after that one, as the reading that brought the first may still
  // have been under way.
  void wait_for_feed() {
    for (int i = 0; i < 2; ++i) {
      const std::string name = "ink" + std::to_string(++marks_);
      other_.run("UPDATE items SET name = '" + name + "' WHERE id = 2");
      ASSERT_TRUE(becomes("item:2", R"({"id":2,"name":")" + name + R"(","shop":"north"})"));
    }
  }

  test::TempDir folder_;
  const std::string path_;
  SqliteFile other_;
  std::unique_ptr<Layer> layer_;
  int marks_ = 0;
};

TEST_F(BehindWithChanges, WhatOthersAddToACounterThatHasAdditionsPendingIsSeenAndKept) {
  open("1h");
  EXPECT_EQ(add("visits:home", 2), "42");
  other_.run("UPDATE visits SET views = views + 100 WHERE page = 'home'");
  EXPECT_TRUE(becomes("visits:home", "142")) << get("visits:home");
  EXPECT_EQ(add("visits:home", 1), "143");
  EXPECT_EQ(other_.ask("SELECT views FROM visits WHERE page = 'home'"), "140");
  ASSERT_TRUE(layer_->drain(10s));
  EXPECT_EQ(other_.ask("SELECT views FROM visits WHERE page = 'home'"), "143");
  EXPECT_EQ(get("visits:home"), "143");
  wait_for_feed();
  EXPECT_EQ(get("visits:home"), "143");
}

TEST_F(BehindWithChanges, AnotherColumnThatOthersWroteToARowWithPendingWritesIsSeenAndKept) {
  open("1h");
  ASSERT_TRUE(layer_->set_fields("item:1", {{"name", "pencil"}}));
  other_.run("UPDATE items SET shop = 'south' WHERE id = 1");
  EXPECT_TRUE(becomes("item:1", R"({"id":1,"name":"pencil","shop":"south"})")) << get("item:1");
  other_.run("UPDATE items SET name = 'brush' WHERE id = 1");
  wait_for_feed();
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"south"})") << "the pending write comes later";
  ASSERT_TRUE(layer_->drain(10s));
  EXPECT_EQ(other_.ask("SELECT name, shop FROM items WHERE id = 1"), "pencil|south");
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"south"})");
  // After that, others overwrite it as in any namespace.
  other_.run("UPDATE items SET name = 'brush' WHERE id = 1");
  EXPECT_TRUE(becomes("item:1", R"({"id":1,"name":"brush","shop":"south"})"));
  other_.run("DELETE FROM items WHERE id = 1");
  EXPECT_TRUE(becomes("item:1", "(nil)"));
}

TEST_F(BehindWithChanges, ARowThatOthersDeletedIsMadeAgainByAPendingWrite) {
  open("1h");
  EXPECT_EQ(add("visits:home", 2), "42");
  other_.run("DELETE FROM visits WHERE page = 'home'");
  EXPECT_TRUE(becomes("visits:home", "2")) << get("visits:home");
  ASSERT_TRUE(layer_->drain(10s));
  EXPECT_EQ(other_.ask("SELECT views FROM visits WHERE page = 'home'"), "2");
  EXPECT_EQ(get("visits:home"), "2");
}

// The copy is what the transaction returned; that it shows up in the change log is no news. Only where the
// log is read between the commit and the answer, the copy of before goes, and is loaded once.
TEST_F(BehindWithChanges, WhatWasFlushedIsNotLoadedAgainBecauseOfItsOwnChange) {
  open("1h");
  EXPECT_EQ(add("visits:home", 1), "41");
  ASSERT_TRUE(layer_->set_fields("item:1", {{"name", "pencil"}}));
  EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"north"})");
  constexpr std::uint64_t kRounds = 20;
  std::uint64_t again = 0;
  for (std::uint64_t i = 0; i < kRounds; ++i) {
    EXPECT_EQ(add("visits:home", 1), std::to_string(42 + i));
    ASSERT_TRUE(layer_->set_fields("item:1", {{"shop", "s" + std::to_string(i)}}));
    ASSERT_TRUE(layer_->drain(10s));
    wait_for_feed();
    const std::uint64_t before = loads();
    EXPECT_EQ(get("visits:home"), std::to_string(42 + i));
    EXPECT_EQ(get("item:1"), R"({"id":1,"name":"pencil","shop":"s)" + std::to_string(i) + "\"}");
    again += loads() - before;
  }
  EXPECT_LT(again, kRounds) << "it would be twice as many if each change were taken for somebody else's";
  const std::uint64_t before = loads();
  for (int i = 0; i < 100; ++i) get(i % 2 == 0 ? "visits:home" : "item:1");
  EXPECT_EQ(loads(), before) << "and it ends there";
}

// What depends on the table is dropped by a flush, once: the answer that is then loaded stays.
TEST_F(BehindWithChanges, WhatDependsOnAFlushedRowIsLoadedOnceMore) {
  open("1h");
  EXPECT_EQ(get("all:home"), "40");
  EXPECT_EQ(add("visits:home", 2), "42");
  EXPECT_EQ(get("all:home"), "40") << "the database does not have it yet";
  ASSERT_TRUE(layer_->drain(10s));
  EXPECT_TRUE(becomes("all:home", "42"));
  wait_for_feed();
  EXPECT_EQ(get("all:home"), "42");
  const std::uint64_t before = loads();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get("all:home"), "42");
  EXPECT_EQ(loads(), before);
}

// Both add to the same rows all the time, with batches and the feed running against each other.
TEST_F(BehindWithChanges, NoAdditionIsLostOrShownTwiceWhileOthersAddToTheSameRow) {
  open("3ms");
  std::atomic<int> begun = 0, answered = 0, others_begun = 0;
  std::atomic<bool> stop = false;
  constexpr int kOwn = 400, kOthers = 100;
  std::vector<std::jthread> threads;
  threads.emplace_back([&] {
    for (int i = 0; i < kOwn; ++i) {
      ++begun;
      const auto added = layer_->add("visits:home", 1);
      ASSERT_TRUE(added) << added.error().message;
      ++answered;
    }
  });
  threads.emplace_back([&] {
    SqliteFile outside(path_);
    for (int i = 0; i < kOthers; ++i) {
      ++others_begun;
      outside.run("UPDATE visits SET views = views + 1 WHERE page = 'home'");
    }
  });
  std::jthread reader([&] {
    while (!stop) {
      const int least = 40 + answered;
      const std::string text = get("visits:home");
      const int most = 40 + begun + others_begun;
      ASSERT_NE(text.front(), '!') << text;
      ASSERT_GE(std::stoi(text), least);
      ASSERT_LE(std::stoi(text), most);
    }
  });
  threads.clear();
  stop = true;
  reader.join();
  ASSERT_TRUE(layer_->drain(10s));
  EXPECT_EQ(other_.ask("SELECT views FROM visits WHERE page = 'home'"), std::to_string(40 + kOwn + kOthers));
  EXPECT_TRUE(becomes("visits:home", std::to_string(40 + kOwn + kOthers))) << get("visits:home");
}

}  // namespace
}  // namespace forebay
