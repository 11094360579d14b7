// What happens to the log itself and to the connection: what is kept, and what is a gap.

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>

#include "feed/mysql/followed_layer.h"

namespace forebay::feed {
namespace {

using namespace std::chrono_literals;
using test::eventually;

constexpr std::string_view kSpaces = R"toml(
[namespace.item]
key = "item:{id}"
source = "db"
table = "items"
[namespace.team]
key = "team:{team}"
source = "db"
query = "SELECT id, n FROM items WHERE team = {team} ORDER BY id"
depends_on = ["items(team -> team)"]
)toml";

class BinlogItself : public test::FollowedLayer {
 protected:
  BinlogItself() : FollowedLayer(own_server()) {
    sql("DROP TABLE IF EXISTS items");
    sql("CREATE TABLE items (id int PRIMARY KEY, team int, n int)");
    sql("INSERT INTO items SELECT seq, seq % 5, 0 FROM seq_0_to_49");
  }
  static test::MariadbServer& own_server() {
    static test::MariadbServer server(test::with_log({"--innodb-flush-log-at-trx-commit=1"}));
    return server;
  }
  void kill_readers() {
    for (const std::string& id :
         lines(sql("SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"))) {
      sql("KILL " + id);
    }
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> all;
    for (std::size_t from = 0; from < text.size();) {
      const std::size_t end = std::min(text.find('\n', from), text.size());
      all.push_back(text.substr(from, end - from));
      from = end + 1;
    }
    return all;
  }
  bool shows(const std::string& key, const std::string& part) {
    return eventually([&] { return get(key).find(part) != std::string::npos; });
  }
};

TEST_F(BinlogItself, AConnectionThatIsTornGoesOnWhereItWas) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:2"));
  for (int round = 1; round <= 3; ++round) {
    kill_readers();
    sql("UPDATE items SET n = " + std::to_string(round) + " WHERE id = 1");
    EXPECT_TRUE(shows("item:1", "\"n\":" + std::to_string(round)));
  }
  EXPECT_TRUE(cached("item:2"));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(BinlogItself, NewFilesAndARestartOfTheServerAreNoGap) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:2"));
  sql("FLUSH BINARY LOGS");
  sql("UPDATE items SET n = 1 WHERE id = 1");
  sql("FLUSH BINARY LOGS");
  EXPECT_TRUE(shows("item:1", "\"n\":1"));
  ASSERT_TRUE(caught_up());
  EXPECT_TRUE(cached("item:2"));
  server_->stop();
  server_->start();
  sql("UPDATE items SET n = 2 WHERE id = 1");
  EXPECT_TRUE(shows("item:1", "\"n\":2"));
  EXPECT_TRUE(eventually([&] { return feed().heard; }, 60s));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(BinlogItself, WhatWasPurgedMeanwhileLeavesNoStaleCopy) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(caught_up());
  // While the reader is away.
  server_->stop();
  server_->start();
  sql("UPDATE items SET n = 7 WHERE id = 1");
  sql("FLUSH BINARY LOGS");
  sql("PURGE BINARY LOGS TO '" + lines(sql("SHOW BINARY LOGS")).back() + "'");
  EXPECT_TRUE(shows("item:1", "\"n\":7"));
}

TEST_F(BinlogItself, ALogThatIsBegunAnewIsAGap) {
  open(kSpaces);
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(becomes_cached("item:1"));
    const std::uint64_t gaps = feed().gaps;
    sql("RESET MASTER");
    sql("UPDATE items SET n = " + std::to_string(100 + round) + " WHERE id = 1");
    EXPECT_TRUE(shows("item:1", "\"n\":" + std::to_string(100 + round)));
    EXPECT_TRUE(eventually([&] { return feed().gaps > gaps; }, 60s));
    EXPECT_TRUE(eventually([&] { return feed().heard; }, 60s)) << health();
  }
}

// Commits may have vanished with the machine that a server ran on, unless it writes both logs at once.
TEST_F(BinlogItself, WhatWasLoadedSinceTheLastProofGoesWhenAServerThatMayLoseCommitsComesBack) {
  for (const bool may_lose : {true, false}) {
    sql(std::string("SET GLOBAL sync_binlog = ") + (may_lose ? "0" : "1"));
    open(kSpaces);
    ASSERT_TRUE(becomes_cached("item:2"));
    ASSERT_TRUE(caught_up());
    // Unless a proof comes just between the two.
    bool gone = false;
    for (int round = 0; round < 5 && !gone; ++round) {
      // Of a round before it would be older than the last proof.
      layer_->purge_match("item:1");
      ASSERT_TRUE(becomes_cached("item:1"));
      server_->stop(SIGKILL);
      server_->start();
      sql(std::string("SET GLOBAL sync_binlog = ") + (may_lose ? "0" : "1"));
      ASSERT_TRUE(eventually([&] { return feed().heard; }, 60s)) << health();
      ASSERT_TRUE(caught_up());
      gone = !cached("item:1");
    }
    EXPECT_EQ(gone, may_lose);
    EXPECT_TRUE(cached("item:2"));
    EXPECT_EQ(feed().gaps, 0u);
  }
  sql("SET GLOBAL sync_binlog = 1");
}

TEST_F(BinlogItself, AServerThatHangsIsNoticed) {
  open(kSpaces);
  server_->pause();
  EXPECT_TRUE(eventually([&] { return !feed().heard; }, 60s));
  server_->resume();
  EXPECT_TRUE(eventually([&] { return feed().heard; }, 60s)) << health();
}

// Rows are changed all the while, and the server, its log and the feed's connection are disturbed at random. In the end
// every cached copy is what the database has.
TEST_F(BinlogItself, DisturbancesLeaveNoStaleCopyBehind) {
  std::minstd_rand random(20261130);
  open(kSpaces);
  const auto touch = [&] {
    for (int i = 0; i < 50; ++i) get("item:" + std::to_string(i));
    for (int i = 0; i < 5; ++i) get("team:" + std::to_string(i));
  };
  const auto disturb = [&] {
    switch (random() % 6) {
      case 0:
        return kill_readers();
      case 1:
        server_->stop(SIGKILL);
        return server_->start();
      case 2:
        sql("RESET MASTER");
        return;
      case 3:
        sql("FLUSH BINARY LOGS");
        return;
      case 4:
        sql("FLUSH BINARY LOGS");
        sql("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY");
        return;
      default:
        return;
    }
  };
  for (int round = 0; round < 25; ++round) {
    touch();
    try {
      for (int i = 0; i < 20; ++i)
        sql("UPDATE items SET n = n + 1, team = " + std::to_string(random() % 5) +
            " WHERE id = " + std::to_string(random() % 50));
      disturb();
      for (int i = 0; i < 5; ++i)
        sql("UPDATE items SET n = n + 1 WHERE id = " + std::to_string(random() % 50));
    } catch (const std::runtime_error&) {
      // The server was not back yet, or has no log to purge.
    }
  }
  ASSERT_TRUE(eventually([&] { return feed().heard; }, 60s)) << health();
  ASSERT_TRUE(caught_up());
  touch();
  for (int i = 0; i < 50; ++i) {
    const std::string id = std::to_string(i);
    EXPECT_EQ(get("item:" + id),
              sql("SELECT concat('{\"id\":', id, ',\"team\":', team, ',\"n\":', n, '}') FROM "
                  "items WHERE id = " +
                  id));
  }
}

}  // namespace
}  // namespace forebay::feed
