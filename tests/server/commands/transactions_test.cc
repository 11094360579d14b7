#include <atomic>
#include <string>
#include <thread>

#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

class Transactions : public PlainKeys {
 protected:
  Client other_{*layer_, *server_};
};

TEST_F(Transactions, QueuedCommandsRunTogether) {
  EXPECT_EQ(run("MULTI"), "+OK");
  EXPECT_EQ(run("SET", "a", "1"), "+QUEUED");
  EXPECT_EQ(run("INCR", "a"), "+QUEUED");
  EXPECT_EQ(run("MGET", "a", "b"), "+QUEUED");
  EXPECT_EQ(other_("GET", "a"), "$-1");
  EXPECT_EQ(run("EXEC"), "*3|+OK|:2|*2|$1|2|$-1");
  EXPECT_EQ(run("GET", "a"), "$1|2");
  EXPECT_EQ(run("MULTI"), "+OK");
  EXPECT_EQ(run("EXEC"), "*0");
}

TEST_F(Transactions, AnErrorInsideStopsNothing) {
  run("SET", "text", "abc");
  run("MULTI");
  run("SET", "a", "1");
  run("INCR", "text");
  run("SET", "b", "2");
  EXPECT_EQ(run("EXEC"), "*3|+OK|-ERR value is not an integer or out of range|+OK");
  EXPECT_EQ(run("GET", "b"), "$1|2");
}

TEST_F(Transactions, AnErrorWhileQueueingAbortsAll) {
  run("MULTI");
  run("SET", "a", "1");
  EXPECT_EQ(run("GET"), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(run("SET", "b", "1"), "+QUEUED");
  EXPECT_EQ(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(run("EXISTS", "a", "b"), ":0");
  EXPECT_EQ(run("EXEC"), "-ERR EXEC without MULTI");
}

TEST_F(Transactions, WhatCannotNestSaysSoAndAborts) {
  run("MULTI");
  EXPECT_EQ(run("MULTI"), "-ERR MULTI calls can not be nested");
  EXPECT_EQ(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
  run("MULTI");
  EXPECT_EQ(run("WATCH", "a"), "-ERR WATCH inside MULTI is not allowed");
  EXPECT_EQ(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
  run("MULTI");
  EXPECT_EQ(run("FOREBAY", "STATS"), "-ERR Command not allowed inside a transaction");
  EXPECT_EQ(run("DISCARD"), "+OK");
}

TEST_F(Transactions, DiscardForgets) {
  EXPECT_EQ(run("DISCARD"), "-ERR DISCARD without MULTI");
  run("WATCH", "a");
  other_("SET", "a", "1");
  run("MULTI");
  run("SET", "a", "2");
  EXPECT_EQ(run("DISCARD"), "+OK");
  EXPECT_EQ(run("GET", "a"), "$1|1");
  run("MULTI");
  run("INCR", "a");
  EXPECT_EQ(run("EXEC"), "*1|:2");
}

TEST_F(Transactions, AWatchedKeyThatChangedAborts) {
  struct Case {
    std::vector<std::string_view> change;
    bool aborts;
  };
  const std::vector<Case> cases = {
      {{"SET", "a", "1"}, true},      {{"EXPIRE", "a", "10"}, true}, {{"DEL", "a"}, true},
      {{"FLUSHALL"}, true},           {{"RENAME", "a", "c"}, true},  {{"APPEND", "a", ""}, true},
      {{"SET", "other", "1"}, false}, {{"GET", "a"}, false},         {{"SETNX", "a", "1"}, false},
      {{"SET", "none", "1"}, true},   {{"DEL", "none"}, false},      {{"EXPIRE", "none", "10"}, false},
  };
  for (const Case& c : cases) {
    run("FLUSHALL");
    run("SET", "a", "1");
    EXPECT_EQ(run("WATCH", "a", "none"), "+OK");
    other_.run(c.change);
    run("MULTI");
    run("SET", "done", "1");
    EXPECT_EQ(run("EXEC"), c.aborts ? "*-1" : "*1|+OK") << c.change[0];
    EXPECT_EQ(run("EXISTS", "done"), c.aborts ? ":0" : ":1") << c.change[0];
  }
}

TEST_F(Transactions, AnAbortedExecIsNullInResp3) {
  Client client(*layer_, *server_, resp::Protocol::kResp3);
  client("WATCH", "a");
  run("SET", "a", "1");
  client("MULTI");
  EXPECT_EQ(client("EXEC"), "_");
}

TEST_F(Transactions, AWatchedKeyThatExpiredAborts) {
  run("SET", "a", "1", "PX", "100");
  run("WATCH", "a");
  clock_.advance(100ms);
  run("MULTI");
  run("INCR", "a");
  EXPECT_EQ(run("EXEC"), "*-1");
}

TEST_F(Transactions, UnwatchAndExecForgetWatchedKeys) {
  run("SET", "a", "1");
  run("WATCH", "a");
  other_("SET", "a", "2");
  EXPECT_EQ(run("UNWATCH"), "+OK");
  run("MULTI");
  run("SET", "b", "1");
  EXPECT_EQ(run("EXEC"), "*1|+OK");
  run("WATCH", "a");
  run("MULTI");
  run("EXEC");
  other_("SET", "a", "3");
  run("MULTI");
  run("SET", "b", "2");
  EXPECT_EQ(run("EXEC"), "*1|+OK");
}

TEST_F(Transactions, CommandsOnAllKeysWorkInside) {
  run("MSET", "a", "1", "b", "2");
  run("MULTI");
  for (const auto& command : std::vector<std::vector<std::string_view>>{{"DBSIZE"},
                                                                        {"KEYS", "*"},
                                                                        {"RENAME", "a", "c"},
                                                                        {"FLUSHALL"},
                                                                        {"DBSIZE"},
                                                                        {"RANDOMKEY"},
                                                                        {"SET", "d", "1"},
                                                                        {"SCAN", "0", "COUNT", "100"},
                                                                        {"MSETNX", "e", "1", "f", "2"}}) {
    EXPECT_EQ(client_->run(command), "+QUEUED");
  }
  EXPECT_EQ(run("EXEC"), "*9|:2|*2|$1|a|$1|b|+OK|+OK|:0|$-1|+OK|*2|$1|0|*1|$1|d|:1");
}

TEST_F(Transactions, NobodySeesHalfOfOne) {
  run("MSET", "x", "0", "y", "0");
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::thread reader([&] {
    Client client(*layer_, *server_);
    while (!stop) {
      const std::string reply = client("MGET", "x", "y");
      const std::size_t bar = reply.find('|', reply.find('|') + 1);
      const std::string first = reply.substr(bar + 1, reply.find('|', bar + 1) - bar - 1);
      const std::string second = reply.substr(reply.rfind('|') + 1);
      if (first != second) ++torn;
    }
  });
  for (int i = 0; i < 2000; ++i) {
    run("MULTI");
    run("INCR", "x");
    run("INCR", "y");
    run("EXEC");
  }
  stop = true;
  reader.join();
  EXPECT_EQ(torn, 0);
}

TEST_F(Transactions, AreBoundedInSize) {
  Transaction transaction;
  transaction.begin(0, 0);
  const std::string large(Transaction::kMaxBytes, 'x');
  const std::string_view args[] = {"set", "a", large};
  EXPECT_FALSE(transaction.queue(*find_command("set"), args));
  for (std::size_t i = 0; i < Transaction::kMaxWatched; ++i) {
    ASSERT_TRUE(transaction.watch(std::to_string(i), i, 0));
  }
  EXPECT_FALSE(transaction.watch("one more", 1, 0));
  EXPECT_TRUE(transaction.watch("0", 1, 0));
}

}  // namespace
}  // namespace forebay::server
