// A script among other clients: who waits for it, who doesn't, and how it is ended.

#include <string>
#include <thread>
#include <vector>

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

constexpr const char* kForEver = "while true do end";

class ScriptsAmongOthers : public ServerTest {};

TEST_F(ScriptsAmongOthers, OneThatNeverEndsKeepsNobodyButItsLikeWaitingAndIsKilled) {
  start();
  for (const char* script :
       {kForEver, "while true do pcall(function() while true do end end) end",
        "return ('a'):rep(60):find(('a?'):rep(60) .. ('a'):rep(60))",
        "return ('a'):rep(9):gsub('.', function() while true do end end)",
        "local c = coroutine.wrap(function() while true do end end) while true do pcall(c) end",
        "while true do redis.call('exists', 'a') end"}) {
    auto client = connect();
    client->send_command({"EVAL", script, "0"});
    EXPECT_TRUE(eventually([this] { return connect()->ask({"SCRIPT", "KILL"}) == "+OK"; })) << script;
    EXPECT_TRUE(client->reply().starts_with("-ERR Script killed by user with SCRIPT KILL.")) << script;
    EXPECT_TRUE(others_are_served());
    EXPECT_EQ(connect()->ask({"EVAL", "return 1", "0"}), ":1") << script;
  }
}

TEST_F(ScriptsAmongOthers, WhatItHasTouchedWaitsAndWhatItHasNotDoesNot) {
  options.drain_timeout = 50ms;
  start();
  auto writer = connect();
  writer->send_command({"EVAL", "redis.call('set', 'held', 'half') while true do end", "0"});
  EXPECT_TRUE(eventually([this] { return connect()->ask({"SCRIPT", "KILL"}).starts_with("-UNKILLABLE"); }));
  EXPECT_TRUE(eventually([this] { return layer->locked_alone("held"); }));
  std::string free = "a";
  while (layer->locked_alone(free)) free += 'a';
  auto reader = connect();
  reader->send_command({"GET", "held"});
  EXPECT_EQ(connect()->ask({"SET", free, "1"}), "+OK");
  EXPECT_EQ(connect()->ask({"GET", free}), "1");
  server->stop();
  EXPECT_NE(reader->reply(), "(timeout)");
}

TEST_F(ScriptsAmongOthers, OnceItTakesTooLongTheOthersAreToldSo) {
  start();
  EXPECT_EQ(connect()->ask({"CONFIG", "SET", "lua-time-limit", "20"}), "+OK");
  auto client = connect();
  client->send_command({"EVAL", kForEver, "0"});
  EXPECT_TRUE(eventually([this] { return connect()->ask({"DBSIZE"}).starts_with("-BUSY"); }));
  EXPECT_TRUE(connect()->ask({"EVAL", "return 1", "0"}).starts_with("-BUSY"));
  EXPECT_EQ(connect()->ask({"PING"}), "+PONG");
  EXPECT_EQ(connect()->ask({"SCRIPT", "KILL"}), "+OK");
  EXPECT_TRUE(client->reply().starts_with("-ERR Script killed"));
  EXPECT_EQ(connect()->ask({"DBSIZE"}), ":0");
}

TEST_F(ScriptsAmongOthers, WhoBeginsOrEndsTrackingMeanwhileHarmsNobody) {
  start();
  std::vector<std::unique_ptr<TestClient>> early;
  for (int i = 0; i < 6; ++i) {
    early.push_back(connect());
    EXPECT_TRUE(early.back()->ask({"HELLO", "3"}).starts_with("{"));
    EXPECT_EQ(early.back()->ask({"CLIENT", "TRACKING", "ON"}), "+OK");
  }
  auto client = connect();
  client->send_command({"EVAL", "redis.call('set', 'a', '1') for i = 1, 3e7 do end return 'done'", "0"});
  EXPECT_TRUE(eventually([this] { return connect()->ask({"SCRIPT", "KILL"}).starts_with("-UNKILLABLE"); }));
  early.clear();
  std::vector<std::unique_ptr<TestClient>> late;
  for (int i = 0; i < 6; ++i) {
    late.push_back(connect());
    late.back()->send_command({"HELLO", "3"});
    late.back()->send_command({"CLIENT", "TRACKING", "ON"});
  }
  EXPECT_EQ(client->reply(), "done");
  for (auto& each : late) {
    EXPECT_TRUE(each->reply().starts_with("{"));
    EXPECT_EQ(each->reply(), "+OK");
  }
}

TEST_F(ScriptsAmongOthers, OneInATransactionEndsAtTheLimit) {
  start();
  EXPECT_EQ(connect()->ask({"CONFIG", "SET", "lua-time-limit", "20"}), "+OK");
  auto client = connect();
  EXPECT_EQ(client->ask({"MULTI"}), "+OK");
  EXPECT_EQ(client->ask({"EVAL", kForEver, "0"}), "+QUEUED");
  EXPECT_NE(client->ask({"EXEC"}).find("longer than lua-time-limit"), std::string::npos);
  EXPECT_EQ(connect()->ask({"EVAL", "return 1", "0"}), ":1");
}

TEST_F(ScriptsAmongOthers, AServerThatStopsEndsThem) {
  options.drain_timeout = 50ms;
  start();
  auto client = connect();
  client->send_command({"EVAL", "redis.call('set', 'a', '1') while true do end", "0"});
  EXPECT_TRUE(eventually([this] { return connect()->ask({"SCRIPT", "KILL"}).starts_with("-UNKILLABLE"); }));
  server->stop();
}

TEST_F(ScriptsAmongOthers, AClientThatGoesAwayLeavesNothingBehind) {
  start();
  connect()->send_command({"EVAL", "for i = 1, 1e6 do end redis.call('set', 'a', 'done')", "0"});
  EXPECT_TRUE(eventually([this] { return connect()->ask({"GET", "a"}) == "done"; }));
}

// Two counters that only change together, by scripts, transactions and MSET on all event loops.
TEST_F(ScriptsAmongOthers, NobodySeesHalfOfOne) {
  start();
  constexpr int kRounds = 150;
  constexpr const char* kBoth =
      "local n = redis.call('incr', KEYS[1]) for i = 1, 2000 do end "
      "if redis.call('incr', KEYS[2]) ~= n then return redis.error_reply('HALF') end return n";
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      auto client = connect();
      for (int i = 0; i < kRounds; ++i) {
        if (t < 2) {
          if (!client->ask({"EVAL", kBoth, "2", "left", "right"}).starts_with(":")) ++wrong;
        } else if (t == 2) {
          client->ask({"MULTI"});
          client->ask({"INCR", "left"});
          client->ask({"INCR", "right"});
          client->ask({"EXEC"});
        } else {
          const resp::Reply both = [&] {
            client->send_command({"MGET", "left", "right"});
            return client->reply_tree();
          }();
          if (both.children.size() != 2 || test::shown(both.children[0]) != test::shown(both.children[1]))
            ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(connect()->ask({"GET", "left"}), std::to_string(3 * kRounds));
  EXPECT_EQ(connect()->ask({"GET", "right"}), std::to_string(3 * kRounds));
}

}  // namespace
}  // namespace forebay::server
