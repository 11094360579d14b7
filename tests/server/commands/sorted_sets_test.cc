// Sorted sets over a real SQLite table of scores.

#include <string>

#include "server/commands/harness.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

class SortedSets : public testing::Test {
 protected:
  SortedSets() {
    ask("CREATE TABLE scores(game TEXT, player TEXT, score REAL CHECK (score < 1000), "
        "PRIMARY KEY (game, player))");
    ask("INSERT INTO scores VALUES ('eu', 'ann', 10), ('eu', 'bob', 2.5)");
    auto layer =
        Layer::open("[source.db]\nkind = 'sqlite'\npath = '" + path_ +
                    "'\n[namespace.board]\nkey = 'board:{game}'\nsource = 'db'\ntable = 'scores'\n"
                    "type = 'zset'\nmember = 'player'\nvalue = 'score'\nwrite = 'through'\n"
                    "[namespace.row]\nkey = 'row:{game}:{player}'\nsource = 'db'\ntable = 'scores'\n");
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_);
    client_.emplace(*layer_, *server_);
  }

  std::string ask(const std::string& sql) { return database_.ask(sql); }
  template <class... Args>
  std::string run(const Args&... args) {
    return (*client_)(args...);
  }

  test::TempDir folder_;
  const std::string path_ = (folder_ / "game.db").string();
  test::SqliteFile database_{path_};
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

TEST_F(SortedSets, AMembersScoreIsARowsColumn) {
  EXPECT_EQ(run("ZSCORE", "board:eu", "ann"), "$2|10");
  EXPECT_EQ(run("ZSCORE", "board:eu", "bob"), "$3|2.5");
  EXPECT_EQ(run("ZSCORE", "board:eu", "cid"), "$-1");
  EXPECT_EQ(run("ZSCORE", "board:us", "ann"), "$-1");
  EXPECT_EQ(run("ZMSCORE", "board:eu", "bob", "cid", "ann"), "*3|$3|2.5|$-1|$2|10");
  run("ZSCORE", "board:eu", "ann");
  EXPECT_FALSE(client_->last_was_deferred());
}

TEST_F(SortedSets, ZaddWritesRowsAndCountsNewOnes) {
  EXPECT_EQ(run("ZADD", "board:eu", "11.25", "ann", "7", "cid", "-1e2", "dan"), ":2");
  EXPECT_EQ(ask("SELECT group_concat(player || '=' || score) FROM (SELECT * FROM scores ORDER BY player)"),
            "ann=11.25,bob=2.5,cid=7.0,dan=-100.0");
  EXPECT_EQ(run("ZSCORE", "board:eu", "ann"), "$5|11.25");
  EXPECT_EQ(run("ZADD", "board:us", "1", "ann"), ":1");
  EXPECT_EQ(ask("SELECT score FROM scores WHERE game = 'us'"), "1.0");
}

TEST_F(SortedSets, ZincrbyAddsInTheDatabase) {
  ask("UPDATE scores SET score = 20 WHERE player = 'ann'");
  EXPECT_EQ(run("ZINCRBY", "board:eu", "0.5", "ann"), "$4|20.5");
  EXPECT_EQ(run("ZINCRBY", "board:eu", "3", "new"), "$1|3");
  EXPECT_EQ(ask("SELECT score FROM scores WHERE player = 'new'"), "3.0");
}

TEST_F(SortedSets, ZremDeletesRows) {
  EXPECT_EQ(run("ZREM", "board:eu", "ann", "nobody"), ":1");
  EXPECT_EQ(ask("SELECT count(*) FROM scores"), "1");
  EXPECT_EQ(run("ZSCORE", "board:eu", "ann"), "$-1");
}

TEST_F(SortedSets, WhatATableCantKeepIsRefused) {
  EXPECT_EQ(run("ZADD", "board:eu", "nan", "ann"), "-ERR value is not a valid float");
  EXPECT_EQ(run("ZADD", "board:eu", "inf", "ann"), "-ERR a score that a table keeps must be finite");
  EXPECT_EQ(run("ZADD", "board:eu", "1", "ann", "2"), "-ERR syntax error");
  EXPECT_EQ(run("ZADD", "board:eu", "1", "good", "5000", "ann").substr(0, 8), "-REFUSED");
  EXPECT_EQ(run("ZSCORE", "row:eu:ann", "x"),
            "-WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(run("ZSCORE", "plain", "x"), "$-1");
  for (const char* command : {"ZPOPMIN", "ZPOPMAX"})
    EXPECT_NE(run(command, "board:eu").find("is not available on keys of namespace 'board'"),
              std::string::npos);
  EXPECT_NE(run("ZRANGESTORE", "plain", "board:eu", "0", "-1").find("is not available"), std::string::npos);
  EXPECT_NE(run("ZUNION", "2", "board:eu", "plain").find("is not available"), std::string::npos);
  EXPECT_EQ(run("ZSCORE", std::string("board:e\0u", 9), "x").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(ask("SELECT score FROM scores WHERE player = 'ann'"), "10.0");
}

TEST_F(SortedSets, MembersMayHoldAnything) {
  EXPECT_EQ(run("ZADD", "board:eu", "1", "a b:c\n"), ":1");
  EXPECT_EQ(run("ZSCORE", "board:eu", "a b:c\n"), "$1|1");
  EXPECT_EQ(ask("SELECT count(*) FROM scores WHERE player = 'a b:c' || char(10)"), "1");
}

}  // namespace
}  // namespace forebay::server
