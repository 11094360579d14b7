// Sorted sets of a table read together: every reading command on a board answers as on a plain key with the same
// members, whatever was written before, through or behind.

#include <random>
#include <string>
#include <vector>

#include "server/commands/harness.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

using Args = std::vector<std::string>;

class BoardCommands : public testing::TestWithParam<const char*> {
 protected:
  BoardCommands() {
    database_.run(
        "CREATE TABLE scores(game TEXT, player TEXT, score REAL, PRIMARY KEY (game, player));"
        "INSERT INTO scores VALUES ('eu','ann',10),('eu','bob',2.5),('eu','cid',-7),('eu','dan',2.5),"
        "('eu','none',NULL),('eu','eve',0.1),('us','ann',1);"
        "CREATE TABLE levels(game INTEGER, player TEXT, level INTEGER NOT NULL, PRIMARY KEY (game, player));"
        "INSERT INTO levels VALUES (7,'ann',3),(7,'bob',9007199254740991);"
        "CREATE TABLE clans(game TEXT COLLATE NOCASE, player TEXT, score REAL, PRIMARY KEY (game, player));"
        "INSERT INTO clans VALUES ('Red','ann',3)");
    auto layer = Layer::open(
        "[journal]\npath = '" + (folder_ / "journal").string() + "'\n[source.db]\nkind = 'sqlite'\npath = '" +
        path_ + "'\nchanges = true\npoll_interval = '5ms'\n" + space("board", "scores", "score", "") +
        space("level", "levels", "level", "max_members = 3\n") + space("clan", "clans", "score", "") +
        "[namespace.row]\nkey = 'row:{game}:{player}'\nsource = 'db'\ntable = 'scores'\nwrite = 'through'\n");
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_);
    client_.emplace(*layer_, *server_);
  }

  static std::string space(const std::string& name, const std::string& table, const std::string& value,
                           const std::string& more) {
    const bool behind = GetParam() == std::string("behind");
    return "[namespace." + name + "]\nkey = '" + name + ":{game}'\nsource = 'db'\ntable = '" + table +
           "'\ntype = 'zset'\nmember = 'player'\nvalue = '" + value + "'\nwrite = '" + GetParam() + "'\n" +
           (behind ? "flush = { every = '1h' }\n" : "") + more;
  }
  static bool behind() { return GetParam() == std::string("behind"); }

  template <class... Rest>
  std::string run(const Rest&... args) {
    return (*client_)(args...);
  }
  std::string run(const Args& args) {
    const std::vector<std::string_view> views(args.begin(), args.end());
    return client_->run(views);
  }
  std::uint64_t loads() { return layer_->stats().sources.at(0).loads; }
  // What the board has, highest first.
  std::string top() { return run("ZRANGE", "board:eu", "0", "-1", "REV", "WITHSCORES"); }

  test::TempDir folder_;
  const std::string path_ = (folder_ / "game.db").string();
  test::SqliteFile database_{path_};
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

TEST_P(BoardCommands, RowsAreMembersTiesAreInTheOrderOfTheirBytes) {
  EXPECT_EQ(top(), "*10|$3|ann|$2|10|$3|dan|$3|2.5|$3|bob|$3|2.5|$3|eve|$3|0.1|$3|cid|$2|-7");
  EXPECT_EQ(run("ZCARD", "board:us"), ":1");
  EXPECT_EQ(run("ZCARD", "board:nowhere"), ":0");
  EXPECT_EQ(run("ZRANK", "board:nowhere", "ann"), "$-1");
  EXPECT_EQ(run("ZRANGE", "level:7", "0", "-1", "WITHSCORES"), "*4|$3|ann|$1|3|$3|bob|$16|9007199254740991");
  EXPECT_EQ(run("ZCARD", "level:07"), ":0") << "equal to the database, spelled otherwise";
  EXPECT_EQ(run("ZCARD", "clan:Red"), ":1");
  EXPECT_EQ(run("ZCARD", "clan:RED"), ":0");
}

TEST_P(BoardCommands, ABoardIsReadOnceAndWritesEditItInPlace) {
  top();
  const auto before = loads();
  EXPECT_EQ(run("ZINCRBY", "board:us", "1", "ann"), "$1|2");  // of another board
  const auto others = loads();
  EXPECT_EQ(run("ZADD", "board:eu", "3", "fay"), ":1");
  EXPECT_EQ(run("ZREVRANK", "board:eu", "fay"), ":1");
  EXPECT_EQ(run("ZREM", "board:eu", "fay"), ":1");
  EXPECT_EQ(run("ZRANK", "board:eu", "fay"), "$-1");
  EXPECT_EQ(run("ZCARD", "board:eu"), ":5");
  if (behind()) {
    // Nothing was sent to the database, whose changes would have ended the board.
    EXPECT_EQ(loads(), others);
    EXPECT_LE(others, before + 1);
    EXPECT_FALSE(client_->last_was_deferred());
  }
}

TEST_P(BoardCommands, ACommandThatWritesIsSeenByTheNextThatReads) {
  for (int round = 1; round <= 50; ++round) {
    ASSERT_EQ(run("ZINCRBY", "board:eu", "1", "new").find('-'), std::string::npos);
    ASSERT_EQ(run("ZCOUNT", "board:eu", std::to_string(round), std::to_string(round)).substr(0, 1), ":");
    const std::string range = run("ZRANGEBYSCORE", "board:eu", std::to_string(round), "9", "WITHSCORES");
    if (round <= 9) {
      ASSERT_NE(range.find("$3|new|$1|" + std::to_string(round)), std::string::npos) << range;
    }
    if (round % 7 == 0) run("FLUSHALL");
  }
  EXPECT_EQ(run("ZSCORE", "board:eu", "new"), "$2|50");
  EXPECT_EQ(run("ZREVRANK", "board:eu", "new"), ":0");
}

TEST_P(BoardCommands, MoreMembersThanAllowedAreAnErrorThatNamesTheSetting) {
  EXPECT_EQ(run("ZADD", "level:7", "4", "cid"), ":1");
  EXPECT_EQ(run("ZCARD", "level:7"), ":3");
  EXPECT_EQ(run("ZADD", "level:7", "5", "dan"), ":1");
  if (behind()) {
    EXPECT_EQ(run("FOREBAY", "DRAIN", "20000"), ":1");
  }
  run("FLUSHALL");
  EXPECT_NE(run("ZCARD", "level:7").find("more than max_members = 3 members"), std::string::npos);
  EXPECT_EQ(run("ZSCORE", "level:7", "dan"), "$1|5") << "a member is read without the others";
}

TEST_P(BoardCommands, WhatOthersChangeInTheTableIsNoticed) {
  top();
  database_.run("UPDATE scores SET score = 99 WHERE player = 'bob'; DELETE FROM scores WHERE player = 'cid'");
  EXPECT_TRUE(test::eventually([&] { return run("ZREVRANK", "board:eu", "bob") == ":0"; }));
  EXPECT_TRUE(test::eventually([&] { return run("ZRANK", "board:eu", "cid") == "$-1"; }));
}

TEST_P(BoardCommands, AnotherNamespaceOnTheTableChangesTheBoardToo) {
  top();
  EXPECT_EQ(run("HSET", "row:eu:ann", "score", "-100"), ":0");
  EXPECT_EQ(run("ZRANK", "board:eu", "ann"), ":0");
  EXPECT_EQ(run("SET", "row:eu:gus", R"({"score":500})"), "+OK");
  EXPECT_EQ(run("ZREVRANK", "board:eu", "gus"), ":0");
}

TEST_P(BoardCommands, ABoardIsAKeyThatCanBeDroppedAndNotSet) {
  EXPECT_EQ(run("TYPE", "board:eu"), "+zset");
  EXPECT_EQ(run("TYPE", "board:eu"), "+zset");
  EXPECT_EQ(run("TYPE", "board:nowhere"), "+none");
  EXPECT_EQ(run("EXISTS", "board:eu", "board:nowhere"), ":1");
  for (int i = 0; i < 2; ++i) {  // loaded, and not
    EXPECT_EQ(run("GET", "board:eu").substr(0, 10), "-WRONGTYPE");
    EXPECT_EQ(run("HGETALL", "board:eu").substr(0, 10), "-WRONGTYPE");
    EXPECT_EQ(run("SADD", "board:eu", "x").substr(0, 10), "-WRONGTYPE");
    EXPECT_EQ(run("MGET", "board:eu"), "*1|$-1");
    EXPECT_EQ(run("SET", "board:eu", "x").substr(0, 4), "-ERR");
    run("DEL", "board:eu");
  }
  EXPECT_EQ(run("ZCARD", "board:eu"), ":5");
  EXPECT_EQ(run("DEL", "board:eu"), ":1");
  EXPECT_EQ(run("ZCARD", "board:eu"), ":5") << "a row is deleted by ZREM";
  EXPECT_EQ(run("FOREBAY", "PURGE", "NAMESPACE", "board").substr(0, 1), "+");
  database_.run("DELETE FROM scores WHERE player = 'eve'");
  EXPECT_TRUE(test::eventually([&] { return run("ZCARD", "board:eu") == ":4"; }));
  EXPECT_NE(run("FOREBAY", "EXPLAIN", "board:eu").find("$9|namespace|$5|board"), std::string::npos);
}

// The same commands on the board and on a plain key with the same members.
TEST_P(BoardCommands, RandomCommandsAnswerAsOnAPlainKey) {
  std::mt19937 random(7);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  const auto pick = [&](const Args& choices) { return choices[below(choices.size())]; };
  const auto member = [&] { return "m" + std::to_string(below(40)); };
  const auto score = [&] { return pick({"0", "1", "2", "-3.5", "7", "1e3", "2.25"}); };
  const auto bound = [&] { return pick({"-inf", "+inf", "0", "(1", "2", "(7", "1000"}); };
  const auto index = [&] { return pick({"0", "1", "5", "-1", "-4", "100"}); };
  const auto draw = [&]() -> Args {
    switch (below(14)) {
      case 0:
      case 1:
        return {"ZINCRBY", "", score(), member()};
      case 2:
        // Behind, what is not known to be there counts as new unless an option asks for the row.
        return {"ZADD", "", "CH", score(), member(), score(), member()};
      case 3: {
        Args args = {"ZADD", "", "CH"};
        for (const char* option : {"NX", "XX", "GT", "LT", "CH", "INCR"}) {
          if (below(3) == 0) args.emplace_back(option);
        }
        args.insert(args.end(), {score(), member()});
        return args;
      }
      case 4:
        return {"ZRANGE", "", index(), index(), "WITHSCORES"};
      case 5:
        return {"ZRANGE", "", index(), index(), "REV"};
      case 6:
        return {"ZRANGE", "", bound(), bound(), "BYSCORE", "LIMIT", "1", "4"};
      case 7:
        return {pick({"ZRANGEBYSCORE", "ZREVRANGEBYSCORE"}), "", bound(), bound(), "WITHSCORES"};
      case 8:
        return {pick({"ZRANK", "ZREVRANK", "ZSCORE"}), "", member()};
      case 9:
        return {pick({"ZRANK", "ZREVRANK"}), "", member(), "WITHSCORE"};
      case 10:
        return {pick({"ZCOUNT", "ZRANGE"}), "", bound(), bound()};
      case 11:
        return {"ZREVRANGE", "", index(), index(), "WITHSCORES"};
      case 12:
        return {pick({"ZLEXCOUNT", "ZRANGEBYLEX"}), "", "-", "[m2"};
      default:
        return {"ZCARD", ""};
    }
  };
  for (int round = 0; round < 3'000; ++round) {
    Args args = draw();
    std::string command;
    for (const std::string& arg : args) command += arg + ' ';
    args[1] = "board:random";
    const std::string ours = run(args);
    args[1] = "plain";
    ASSERT_EQ(ours, run(args)) << command << "in round " << round;
    if (round % 97 == 0) run("FOREBAY", "PURGE", "NAMESPACE", "board");
    if (round % 500 == 0 && behind()) {
      ASSERT_EQ(run("FOREBAY", "DRAIN", "20000"), ":1");
    }
  }
  if (behind()) {
    ASSERT_EQ(run("FOREBAY", "DRAIN", "20000"), ":1");
  }
  run("FOREBAY", "PURGE", "NAMESPACE", "board");
  EXPECT_EQ(run("ZRANGE", "board:random", "0", "-1", "WITHSCORES"),
            run("ZRANGE", "plain", "0", "-1", "WITHSCORES"));
}

TEST_P(BoardCommands, ZaddsOptionsAreDecidedByTheRow) {
  EXPECT_EQ(run("ZADD", "board:eu", "NX", "CH", "1", "ann", "1", "new"), ":1");
  EXPECT_EQ(run("ZADD", "board:eu", "XX", "1", "nobody"), ":0");
  EXPECT_EQ(run("ZSCORE", "board:eu", "nobody"), "$-1");
  EXPECT_EQ(run("ZADD", "board:eu", "GT", "CH", "5", "ann", "5", "bob", "5", "hal"), ":2");
  EXPECT_EQ(run("ZADD", "board:eu", "LT", "CH", "3", "ann", "6", "bob"), ":1");
  EXPECT_EQ(run("ZADD", "board:eu", "CH", "3", "ann", "4", "bob"), ":1");
  EXPECT_EQ(run("ZADD", "board:eu", "GT", "INCR", "-1", "bob"), "$-1");
  EXPECT_EQ(run("ZADD", "board:eu", "GT", "INCR", "1.5", "bob"), "$3|5.5");
  EXPECT_EQ(run("ZADD", "board:eu", "NX", "INCR", "1", "bob"), "$-1");
  EXPECT_EQ(run("ZADD", "board:eu", "XX", "INCR", "1", "nobody"), "$-1");
  EXPECT_EQ(run("ZADD", "board:eu", "NX", "XX", "1", "ann"),
            "-ERR XX and NX options at the same time are not compatible");
  EXPECT_EQ(run("ZMSCORE", "board:eu", "ann", "bob", "new", "hal"), "*4|$1|3|$3|5.5|$1|1|$1|5");
  if (behind()) {
    EXPECT_EQ(run("FOREBAY", "DRAIN", "20000"), ":1");
  }
  EXPECT_EQ(database_.ask("SELECT group_concat(player || '=' || score, ' ') FROM (SELECT * FROM scores WHERE "
                          "game = 'eu' AND player IN ('ann','bob','new','hal','nobody') ORDER BY player)"),
            "ann=3.0 bob=5.5 hal=5.0 new=1.0");
}

TEST_P(BoardCommands, ZaddsOptionsSeeWhatOthersHaveWritten) {
  if (behind()) return;  // against what this server knows
  EXPECT_EQ(run("ZSCORE", "board:eu", "bob"), "$3|2.5");
  database_.run("UPDATE scores SET score = 50 WHERE player = 'bob'");
  EXPECT_EQ(run("ZADD", "board:eu", "GT", "CH", "40", "bob"), ":0")
      << "decided in the database's transaction";
  EXPECT_EQ(run("ZSCORE", "board:eu", "bob"), "$2|50");
}

INSTANTIATE_TEST_SUITE_P(Written, BoardCommands, testing::Values("through", "behind"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace forebay::server
