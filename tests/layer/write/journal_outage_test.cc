// The journal's disk fails and comes back, under the whole layer: real journal, real SQLite source.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <future>
#include <limits>
#include <string>
#include <vector>

#include "forebay/layer.h"
#include "journal/faulty_vfs.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;
using forebay::test::eventually;
using journal::test::FaultyVfs;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class JournalOutage : public testing::Test {
 protected:
  JournalOutage() : other((folder / "shop.db").string()) {
    other.run(
        "PRAGMA journal_mode=WAL;"
        "CREATE TABLE visits(page TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0);"
        "CREATE TABLE names(id TEXT PRIMARY KEY, name TEXT);"
        "INSERT INTO visits VALUES ('home', 40)");
    open();
  }
  void open() {
    const std::string behind = "write = \"behind\"\nttl = \"1h\"\nflush = { every = \"" + every + "\" }\n";
    auto opened =
        Layer::open("[journal]\npath = \"" + (folder / "journal").string() +
                    "\"\n[source.shop]\nkind = \"sqlite\"\npath = \"" + (folder / "shop.db").string() +
                    "\"\n[namespace.visits]\nkey = \"visits:{page}\"\nsource = \"shop\"\n"
                    "table = \"visits\"\ntype = \"counter\"\nvalue = \"views\"\n" +
                    behind +
                    "[namespace.name]\nkey = \"name:{id}\"\nsource = \"shop\"\ntable = \"names\"\n"
                    "type = \"text\"\nvalue = \"name\"\n" +
                    behind);
    ASSERT_TRUE(opened) << opened.error().message;
    layer = std::move(*opened);
  }
  std::string get(const std::string& key) {
    const auto answer = layer->get(key);
    if (!answer) return "!" + answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(nil)";
  }
  // The code of a refused addition.
  ErrorCode refused(const std::string& key) {
    const auto added = layer->add(key, 1);
    EXPECT_FALSE(added);
    return added ? ErrorCode::kInternal : added.error().code;
  }
  // An addition with an op-id: the number, or the error's code.
  std::string add_once(const std::string& id, const std::string& key) {
    std::promise<std::string> said;
    layer->write(
        key, Add{"views", "1", false},
        [&](const Result<WriteAnswer>& answer) {
          said.set_value(answer ? answer->added.value_or("") : std::string(to_string(answer.error().code)));
        },
        {id});
    layer->dispatch();
    return said.get_future().get();
  }
  bool takes_writes() {
    return eventually([&] { return layer->set("name:probe", "x").has_value(); });
  }

  forebay::test::TempDir folder;
  FaultyVfs disk{"/journal/"};
  forebay::test::SqliteFile other;
  std::string every = "1h";
  std::unique_ptr<Layer> layer;
};

TEST_F(JournalOutage, WritesAreRefusedReadsGoOnAndAfterwardsAllIsAsAcknowledged) {
  for (int i = 1; i <= 5; ++i) ASSERT_TRUE(layer->add("visits:home", 1));
  ASSERT_TRUE(layer->set("name:1", "Ada"));
  EXPECT_EQ(get("visits:home"), "45");
  disk.down = true;
  EXPECT_EQ(refused("visits:home"), ErrorCode::kUnknownOutcome);
  const auto renamed = layer->set("name:1", "Eve");
  ASSERT_FALSE(renamed);
  EXPECT_EQ(renamed.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(renamed.error().message, HasSubstr("takes no writes until it can be opened again"));
  EXPECT_EQ(refused("visits:new"), ErrorCode::kUnavailable);
  EXPECT_EQ(get("name:1"), "Ada");
  EXPECT_EQ(get("visits:nowhere"), "(nil)");
  EXPECT_EQ(get("visits:home"), "46");  // as long as it is unknown
  EXPECT_TRUE(eventually([&] { return !layer->stats().health.empty(); }));
  EXPECT_THAT(layer->stats().health, ElementsAre(HasSubstr("takes no writes until it can be opened again")));

  disk.down = false;
  ASSERT_TRUE(takes_writes());
  // What was unknown is lost, and nobody sees it any more.
  EXPECT_EQ(get("visits:home"), "45");
  EXPECT_THAT(layer->stats().health, IsEmpty());
  const auto added = layer->add("visits:home", 10);
  ASSERT_TRUE(added) << added.error().message;
  EXPECT_EQ(added->added, "55");
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits WHERE page = 'home'"), "55");
  EXPECT_EQ(other.ask("SELECT name FROM names WHERE id = '1'"), "Ada");
  layer.reset();
  open();
  EXPECT_EQ(get("visits:home"), "55");
}

// Whatever call it is that fails: an unknown write counts wholly or not at all.
TEST_F(JournalOutage, OneFailedCallAnywhereLosesNothingAndNeedsNoRestart) {
  int sum = 40;
  for (auto* good : {&disk.good_syncs, &disk.good_writes}) {
    for (int step = 0; step < 6; ++step) {
      int unknown = 0;
      *good = step;
      for (int i = 0; i < 6; ++i) {
        const auto added = layer->add("visits:home", 1);
        if (added) {
          ++sum;
        } else {
          unknown += added.error().code == ErrorCode::kUnknownOutcome ? 1 : 0;
        }
      }
      *good = std::numeric_limits<long>::max();
      EXPECT_LE(unknown, 1);
      ASSERT_TRUE(takes_writes());
      const int there = std::atoi(get("visits:home").c_str());
      EXPECT_GE(there, sum);
      EXPECT_LE(there, sum + unknown);
      sum = there;
    }
  }
  EXPECT_GE(disk.failures, 10);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits WHERE page = 'home'"), std::to_string(sum));
}

// What was not acknowledged is asked for again by its id: kept before or not, it counts once.
TEST_F(JournalOutage, RepeatedByTheirIdsAllWritesCountExactlyOnce) {
  int sum = 40;
  int unknown = 0;
  for (auto* good : {&disk.good_syncs, &disk.good_writes}) {
    for (int step = 0; step < 6; ++step) {
      std::vector<std::string> unsure;
      *good = step;
      for (int i = 0; i < 6; ++i) {
        const std::string id = std::to_string(++sum);
        const std::string said = add_once(id, "visits:home");
        unknown += said == "unknown_outcome" ? 1 : 0;
        if (said == "unknown_outcome" || said == "unavailable") unsure.push_back(id);
      }
      // While the journal is closed a repeat is told no more than the first was.
      const bool closed = *good == 0 && !unsure.empty();
      if (closed && step % 2 == 0) {
        disk.down = true;
        EXPECT_THAT(add_once(unsure.front(), "visits:home"),
                    testing::AnyOf("unknown_outcome", "unavailable"));
        disk.down = false;
      }
      *good = std::numeric_limits<long>::max();
      ASSERT_TRUE(takes_writes());
      if (step == 4) {
        layer.reset();
        open();
      }
      for (const std::string& id : unsure)
        EXPECT_GT(std::atoi(add_once(id, "visits:home").c_str()), 40) << id;
      for (const std::string& id : unsure)
        EXPECT_GT(std::atoi(add_once(id, "visits:home").c_str()), 40) << id;
      EXPECT_EQ(get("visits:home"), std::to_string(sum));
    }
  }
  EXPECT_GE(unknown, 4);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits WHERE page = 'home'"), std::to_string(sum));
}

// The flusher is at work all the time, and the disk fails now and then.
TEST_F(JournalOutage, WhileBatchesGoToTheDatabaseNothingIsLostOrDoubled) {
  layer.reset();
  every = "1ms";
  open();
  int least = 40;
  int most = 40;
  for (int i = 0; i < 200; ++i) {
    if (i % 20 == 10) disk.down = true;
    if (i % 20 == 15) {
      disk.down = false;
      ASSERT_TRUE(takes_writes());
    }
    const auto added = layer->add("visits:home", 1);
    if (added) {
      ++least;
      ++most;
    } else if (added.error().code == ErrorCode::kUnknownOutcome) {
      ++most;
    }
  }
  ASSERT_TRUE(takes_writes());
  const std::string there = get("visits:home");
  EXPECT_GE(std::atoi(there.c_str()), least);
  EXPECT_LE(std::atoi(there.c_str()), most);
  ASSERT_TRUE(layer->drain(10s));
  EXPECT_EQ(other.ask("SELECT views FROM visits WHERE page = 'home'"), there);
  EXPECT_EQ(get("visits:home"), there);
  EXPECT_THAT(layer->stats().health, IsEmpty());
}

}  // namespace
}  // namespace forebay
