// A leaderboard on a table of a real database: the program with its journal, beside Debian's redis-server.

#include <random>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/behind_service.h"
#include "support/process.h"

namespace forebay::test {
namespace {

using Args = std::vector<std::string>;

class BoardsOnTables : public BehindService {
 protected:
  BoardsOnTables() {
    database_->run(
        "CREATE TABLE scores(game text, player text, score double precision NOT NULL, "
        "PRIMARY KEY (game, player))");
    database_->run("INSERT INTO scores VALUES ('eu', 'ann', 10), ('eu', 'bob', 2.5), ('us', 'ann', 7)");
    const auto space = [](const std::string& name, const std::string& rest) {
      return "[namespace." + name + "]\nkey = \"" + name +
             ":{game}\"\nsource = \"db\"\ntable = \"scores\"\ntype = \"zset\"\nmember = \"player\"\n"
             "value = \"score\"\n" +
             rest;
    };
    configure(space("behind", "write = \"behind\"\nflush = { every = \"1h\" }\n") +
              space("quick", "write = \"behind\"\nflush = { every = \"1ms\" }\n") +
              space("through", "write = \"through\"\n"));
    start();
  }
  std::string scores() {
    return database_->ask("SELECT game, player, score FROM scores ORDER BY game, player");
  }
};

TEST_P(BoardsOnTables, ALeaderboardSurvivesCrashesWithItsRanks) {
  EXPECT_EQ(ask("ZRANGE", "behind:eu", "0", "9", "REV", "WITHSCORES"), "[ann 10 bob 2.5]");
  EXPECT_EQ(ask("ZINCRBY", "behind:eu", "20", "bob"), "22.5");
  EXPECT_EQ(ask("ZADD", "behind:eu", "15", "cid"), ":1");
  EXPECT_EQ(ask("ZSCORE", "behind:eu", "ann"), "10");
  EXPECT_EQ(ask("ZREM", "behind:eu", "ann"), ":1");
  const auto check = [&](const std::string& when) {
    EXPECT_EQ(ask("ZRANGE", "behind:eu", "0", "9", "REV", "WITHSCORES"), "[bob 22.5 cid 15]") << when;
    EXPECT_EQ(ask("ZREVRANK", "behind:eu", "cid"), ":1") << when;
    EXPECT_EQ(ask("ZCARD", "behind:us"), ":1") << when;
  };
  check("pending");
  ask("FLUSHALL");
  check("pending, without copies");
  kill_and_start();
  check("pending, after kill -9");
  kill_and_start();
  EXPECT_EQ(ask("ZINCRBY", "behind:eu", "0", "cid"), "15") << "written before the board was read";
  check("pending, after another kill -9");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  check("in the database");
  ask("FLUSHALL");
  check("in the database, without copies");
}

TEST_P(BoardsOnTables, OptionsAreDecidedInTheDatabase) {
  EXPECT_EQ(ask("ZCARD", "through:eu"), ":2");
  database_->run("UPDATE scores SET score = 50 WHERE game = 'eu' AND player = 'bob'");
  EXPECT_EQ(ask("ZADD", "through:eu", "GT", "CH", "40", "bob", "40", "ann", "1", "new"), ":2");
  EXPECT_EQ(ask("ZADD", "through:eu", "NX", "1", "bob", "2", "dan"), ":1");
  EXPECT_EQ(ask("ZADD", "through:eu", "XX", "1", "nobody"), ":0");
  EXPECT_EQ(ask("ZADD", "through:eu", "LT", "INCR", "1", "ann"), "(nil)");
  EXPECT_EQ(ask("ZADD", "through:eu", "XX", "INCR", "1", "ann"), "41");
  EXPECT_EQ(ask("ZRANGE", "through:eu", "0", "-1", "WITHSCORES"), "[new 1 dan 2 ann 41 bob 50]");
}

// Writers of several clients while others read and the copies are dropped: what a client was told it sees.
TEST_P(BoardsOnTables, NoIncrementIsLostOrMissed) {
  constexpr int kRounds = 60;
  for (const std::string space : {"through", "quick"}) {
    std::vector<std::thread> writers;
    std::atomic<int> missed{0};
    std::atomic<bool> stop{false};
    for (int writer = 0; writer < 3; ++writer) {
      writers.emplace_back([&, writer] {
        const auto client = forebay_.connect();
        const std::string key = space + ":busy" + space;
        const std::string member = "w" + std::to_string(writer);
        for (int round = 1; round <= kRounds; ++round) {
          client->ask({"ZINCRBY", key, "1", "all"});
          client->ask({"ZINCRBY", key, "1", member});
          const std::string count = std::to_string(round);
          const std::string seen = client->ask({"ZRANGE", key, "0", "-1", "WITHSCORES"});
          if (seen.find(member + ' ' + count) == std::string::npos) ++missed;
        }
      });
    }
    std::thread dropper([&] {
      const auto client = forebay_.connect();
      while (!stop) client->ask({"FOREBAY", "PURGE", "NAMESPACE", space});
    });
    for (std::thread& writer : writers) writer.join();
    stop = true;
    dropper.join();
    EXPECT_EQ(missed, 0) << space;
    EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
    EXPECT_EQ(ask("ZRANGE", space + ":busy" + space, "0", "-1", "WITHSCORES"), "[w0 60 w1 60 w2 60 all 180]");
    EXPECT_EQ(
        database_->ask("SELECT CAST(sum(score) AS integer) FROM scores WHERE game = 'busy" + space + "'"),
        "360");
  }
}

// Where both answer with numbers they may spell them differently.
TEST_P(BoardsOnTables, RandomCommandsAnswerAsRedisDoes) {
  const auto port = free_port();
  const Process redis({"redis-server", "--port", std::to_string(port), "--save", "", "--bind", "127.0.0.1"},
                      {.output = (folder_ / "redis.log"), .directory = folder_.path()});
  ASSERT_TRUE(eventually([&] {
    try {
      return TestClient(port).ask({"PING"}) == "+PONG";
    } catch (const std::runtime_error&) {
      return false;
    }
  }));
  for (const std::string protocol : {"2", "3"}) {
    for (const std::string space : {"behind", "through"}) {
      TestClient theirs(port);
      for (TestClient* client : {&theirs, client_.get()}) client->ask({"HELLO", protocol});
      std::mt19937 random(protocol == "2" ? 5 : 6);
      const auto below = [&](std::size_t limit) { return random() % limit; };
      const auto pick = [&](const Args& choices) { return choices[below(choices.size())]; };
      const std::string key = space + ":random" + protocol + space;
      const auto member = [&] { return "m" + std::to_string(below(30)); };
      const auto score = [&] { return pick({"0", "1", "2", "-3.5", "7", "1000", "2.25"}); };
      const auto bound = [&] { return pick({"-inf", "+inf", "0", "(1", "2", "(7", "x"}); };
      const auto index = [&] { return pick({"0", "1", "5", "-1", "-4", "x"}); };
      for (int round = 0; round < 500; ++round) {
        Args args;
        switch (below(11)) {
          case 0:
          case 1:
            args = {"ZINCRBY", key, score(), member()};
            break;
          case 2:
            args = {"ZADD",  key,     pick({"NX", "XX", "GT", "LT", "CH"}), "CH", score(), member(),
                    score(), member()};
            break;
          case 3:
            args = {"ZADD", key, "CH", score(), member()};
            break;
          case 4:
            args = {"ZRANGE", key, index(), index(), "WITHSCORES"};
            break;
          case 5:
            args = {"ZRANGE", key, index(), index(), "REV"};
            break;
          case 6:
            args = {"ZRANGE", key, bound(), bound(), "BYSCORE", "LIMIT", "0", "3"};
            break;
          case 7:
            args = {pick({"ZREVRANGEBYSCORE", "ZRANGEBYSCORE"}), key, bound(), bound(), "WITHSCORES"};
            break;
          case 8:
            args = {pick({"ZRANK", "ZREVRANK", "ZSCORE"}), key, member()};
            break;
          case 9:
            args = {pick({"ZCOUNT", "ZLEXCOUNT"}), key, bound(), bound()};
            break;
          default:
            args = {"ZADD", key, pick({"GT", "LT", "XX", "NX"}), "INCR", score(), member()};
            break;
        }
        std::string command;
        for (const std::string& arg : args) command += arg + ' ';
        ASSERT_EQ(client_->ask(args), theirs.ask(args)) << command << "in round " << round;
        if (round % 101 == 0) ask("FOREBAY", "PURGE", "NAMESPACE", space);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(On, BoardsOnTables, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
