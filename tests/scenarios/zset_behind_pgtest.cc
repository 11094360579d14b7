// Scores of a table written behind with the commands of sorted sets.

#include <string>
#include <vector>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class ZsetBehind : public BehindService {
 protected:
  ZsetBehind() {
    database_->run(
        "CREATE TABLE scores(game text, player text, score double precision NOT NULL, "
        "PRIMARY KEY (game, player))");
    database_->run("INSERT INTO scores VALUES ('eu', 'ann', 10), ('eu', 'bob', 2.5), ('us', 'ann', 7)");
    configure(
        "[namespace.board]\nkey = \"board:{game}\"\nsource = \"db\"\ntable = \"scores\"\ntype = \"zset\"\n"
        "member = \"player\"\nvalue = \"score\"\nwrite = \"behind\"\nflush = { every = \"1h\" }\n");
    start();
  }
  std::string scores() {
    return database_->ask("SELECT game, player, score FROM scores ORDER BY game, player");
  }
};

TEST_P(ZsetBehind, ScoresAreReadAsWrittenThroughCrashesAndArriveOnce) {
  const std::string before = scores();
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "0.25", "bob"), "2.75") << "the database's score counts";
  EXPECT_EQ(ask("ZSCORE", "board:eu", "ann"), "10");
  EXPECT_EQ(ask("ZSCORE", "board:eu", "zed"), "(nil)");
  EXPECT_EQ(ask("ZADD", "board:eu", "11.5", "ann", "-100", "cid", "0", "zed"), ":2");
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "-1.5", "ann"), "10");
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "3", "new"), "3");
  EXPECT_EQ(ask("ZREM", "board:us", "ann"), ":0") << "nothing was known of it";
  EXPECT_EQ(ask("ZREM", "board:eu", "zed", "nobody"), ":1");
  EXPECT_EQ(ask("ZADD", "board:us", "1e3", "ann b:c"), ":1");
  const auto check = [&](const std::string& when) {
    EXPECT_EQ(ask("ZMSCORE", "board:eu", "ann", "bob", "cid", "new", "zed", "nobody"),
              "[10 2.75 -100 3 (nil) (nil)]")
        << when;
    EXPECT_EQ(ask("ZSCORE", "board:us", "ann"), "(nil)") << when;
    EXPECT_EQ(ask("ZSCORE", "board:us", "ann b:c"), "1000") << when;
  };
  check("pending");
  EXPECT_EQ(scores(), before) << "nothing has been sent";
  ask("FLUSHALL");
  check("pending, without cached copies");
  kill_and_start();
  check("pending, after kill -9");
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "1", "cid"), "-99");
  EXPECT_EQ(ask("ZADD", "board:eu", "-100", "cid"), ":0");
  kill_and_start();
  check("pending, after another kill -9");

  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  check("in the database");
  const std::string after = postgres()
                                ? "eu|ann|10\neu|bob|2.75\neu|cid|-100\neu|new|3\nus|ann b:c|1000"
                                : "eu|ann|10.0\neu|bob|2.75\neu|cid|-100.0\neu|new|3.0\nus|ann b:c|1000.0";
  EXPECT_EQ(scores(), after);
  kill_and_start();
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(scores(), after) << "nothing was sent twice";
  check("in the database, after kill -9");
}

TEST_P(ZsetBehind, IncrementsKeepWhatOthersAdded) {
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "5", "ann"), "15");
  database_->run("UPDATE scores SET score = score + 100 WHERE game = 'eu' AND player = 'ann'");
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "5", "ann"), "20") << "not noticed yet";
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(ask("ZSCORE", "board:eu", "ann"), "120");
}

TEST_P(ZsetBehind, WhatATableCantKeepOrIsNotSupportedIsRefusedAndNothingIsPending) {
  const std::string before = scores();
  for (const char* number : {"nan", "NaN", "-nan", "one", ""}) {
    EXPECT_THAT(ask("ZADD", "board:eu", number, "ann"), StartsWith("-ERR value is not a valid float"));
    EXPECT_THAT(ask("ZINCRBY", "board:eu", number, "ann"), StartsWith("-ERR value is not a valid float"));
  }
  for (const char* number : {"inf", "-inf", "+Infinity"}) {
    EXPECT_THAT(ask("ZADD", "board:eu", number, "ann"), HasSubstr("must be finite"));
    EXPECT_THAT(ask("ZINCRBY", "board:eu", number, "ann"), HasSubstr("must be finite"));
  }
  EXPECT_EQ(ask("ZADD", "board:eu", "1", "ann", "2"), "-ERR syntax error");
  // One bad score refuses the command's others as well.
  EXPECT_THAT(ask("ZADD", "board:eu", "1", "ann", "nan", "bob"),
              StartsWith("-ERR value is not a valid float"));
  EXPECT_EQ(ask("ZINCRBY", "board:eu", "1.7e308", "max"), "1.7e+308");
  EXPECT_THAT(ask("ZINCRBY", "board:eu", "1.7e308", "max"), HasSubstr("would become infinite"));
  EXPECT_EQ(ask("ZMSCORE", "board:eu", "ann", "bob", "max"), "[10 2.5 1.7e+308]");
  EXPECT_EQ(ask("ZREM", "board:eu", "max"), ":1");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(forebay_.run({"deadletters", "list"}).text, "no dead letters\n");
  EXPECT_EQ(scores(), before);
}

INSTANTIATE_TEST_SUITE_P(On, ZsetBehind, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
