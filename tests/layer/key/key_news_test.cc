// A listener is told of every change that comes after the value that was read.

#include "layer/key/key_news.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Diary final : public KeyListener {
 public:
  void changed(const NamespaceInfo&, std::string_view key, KeyChange how) override {
    constexpr const char* kNames[] = {"stored",  "retimed", "persisted", "dropped",
                                      "changed", "expired", "evicted",   "doubtful"};
    add(std::string(kNames[static_cast<std::size_t>(how)]) + " " + std::string(key));
  }
  void fresh_until(const NamespaceInfo&, std::string_view key, Instant until) override {
    times.emplace_back(std::string(key), until);
  }
  void purged(const NamespaceInfo& space) override { add("purged " + space.name); }
  void cleared() override { add("cleared"); }

  // Each kind of news once, as it may be told more often.
  std::string take() {
    std::string text;
    for (const std::string& line : std::exchange(lines_, {})) text += (text.empty() ? "" : ", ") + line;
    return text;
  }
  std::vector<std::pair<std::string, Instant>> times;

 private:
  void add(std::string line) {
    if (lines_.empty() || lines_.back() != line) lines_.push_back(std::move(line));
  }
  std::vector<std::string> lines_;
};

class KeyNewsTest : public LayerTest {
 protected:
  void listen() {
    open();
    core->listen(diary);
  }

  std::shared_ptr<Diary> diary = std::make_shared<Diary>();
};

TEST_F(KeyNewsTest, WhatALoadBringsToItsReadersIsNoNews) {
  source->rows["1"] = "old";
  listen();
  EXPECT_EQ(get("user:1", 20ms), "old");
  EXPECT_EQ(diary->take(), "");
}

TEST_F(KeyNewsTest, AChangeOfTheSourceIsToldWhetherOrNotThereIsACopy) {
  source->rows["1"] = "old";
  listen();
  get("user:1", 20ms);
  change("1", "new");
  EXPECT_NE(diary->take().find("dropped user:1"), std::string::npos);
  change("1", "newer");
  EXPECT_EQ(diary->take(), "changed user:1");
}

TEST_F(KeyNewsTest, AWriteIsTold) {
  source->rows["1"] = "old";
  listen();
  get("user:1", 20ms);
  set("user:1", "new");
  pass(1s);
  EXPECT_NE(diary->take().find("user:1"), std::string::npos);
}

// The readers of such a load have been answered with what it brought, and nobody would tell them of the next
// change if it were not told now.
TEST_F(KeyNewsTest, ALoadThatIsNotStoredIsDoubtful) {
  source->rows["1"] = "old";
  listen();
  read("user:1");
  dispatch();
  pass(5ms);
  change("1", "new");
  diary->take();
  pass(1s);
  EXPECT_EQ(diary->take(), "doubtful user:1");
}

TEST_F(KeyNewsTest, PurgesAreToldAtOnce) {
  source->rows["1"] = "old";
  listen();
  get("user:1", 20ms);
  ASSERT_TRUE(core->keyspace().purge_namespace("user"));
  EXPECT_EQ(diary->take(), "purged user");
  core->invalidator().drop_everything();
  EXPECT_EQ(diary->take(), "cleared");
}

TEST_F(KeyNewsTest, AClientsOwnValueIsAKeyLikeAnother) {
  listen();
  const auto edit = [&](const Change& change) {
    core->copies().edit(core->at("plain"), clock.now(), [&](const EntryView*) { return change; });
    return diary->take();
  };
  Stamp stamp;
  EXPECT_EQ(edit(Change::replace("value", stamp)), "stored plain");
  stamp.expires = clock.now() + 1s;
  EXPECT_EQ(edit(Change::restamp(stamp)), "retimed plain");
  stamp.expires = kNever;
  EXPECT_EQ(edit(Change::restamp(stamp)), "persisted plain");
  EXPECT_EQ(edit(Change::keep()), "");
  EXPECT_EQ(edit(Change::erase()), "dropped plain");
}

TEST_F(KeyNewsTest, AnEntryThatExpiresIsTold) {
  listen();
  Stamp stamp;
  stamp.expires = clock.now() + 1s;
  core->copies().edit(core->at("plain"), clock.now(),
                      [&](const EntryView*) { return Change::replace("value", stamp); });
  diary->take();
  pass(2s);
  EXPECT_EQ(diary->take(), "expired plain");
}

TEST_F(KeyNewsTest, WhoEndsListeningIsToldNothing) {
  listen();
  core->listen(nullptr);
  core->copies().edit(core->at("plain"), clock.now(),
                      [](const EntryView*) { return Change::replace("value", Stamp()); });
  EXPECT_EQ(diary->take(), "");
}

}  // namespace
}  // namespace forebay::layer::test
