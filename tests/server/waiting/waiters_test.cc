// Clients that wait for keys, over sockets and on several loops.

#include "server/waiting/waiters.h"

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "memory/collection/collection.h"
#include "memory/collection/sequence.h"
#include "memory/tier.h"
#include "server/server_fixture.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

using Args = std::vector<std::string>;

class WaitersTest : public ServerTest {
 protected:
  WaitersTest() { options.threads = 4; }

  std::size_t waiting() { return server->key_feed().waiters().size(); }
  // A client that waits.
  std::unique_ptr<TestClient> waits(const Args& command) {
    const std::size_t before = waiting();
    auto client = connect();
    client->send_command(command);
    EXPECT_TRUE(eventually([&] { return waiting() == before + 1; })) << command[0];
    return client;
  }
  // Whether a client that has been sent nothing gets nothing for as long as another one waits in vain.
  bool still_waits(std::size_t count) {
    EXPECT_EQ(connect()->ask({"BLPOP", "nobody pushes this", "0.3"}), "(nil)");
    return waiting() == count;
  }
};

TEST_F(WaitersTest, AreServedInTheOrderInWhichTheyCameOnWhicheverLoop) {
  start();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 12; ++i) clients.push_back(waits({i % 2 != 0 ? "BLPOP" : "BRPOP", "k", "0"}));
  auto pusher = connect();
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const std::string element = "e" + std::to_string(i);
    pusher->ask({"RPUSH", "k", element});
    EXPECT_EQ(clients[i]->reply(), "[k " + element + "]");
  }
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(WaitersTest, OnePushServesAsManyAsItHasElements) {
  start();
  auto first = waits({"BLPOP", "k", "0"});
  auto second = waits({"BRPOP", "k", "0"});
  auto third = waits({"BLMPOP", "0", "2", "j", "k", "LEFT", "COUNT", "2"});
  EXPECT_EQ(connect()->ask({"RPUSH", "k", "a", "b", "c", "d", "e"}), ":5");
  EXPECT_EQ(first->reply(), "[k a]");
  EXPECT_EQ(second->reply(), "[k e]");
  EXPECT_EQ(third->reply(), "[k [b c]]");
  EXPECT_EQ(connect()->ask({"LRANGE", "k", "0", "-1"}), "[d]");
}

// As in Redis, where those who wait are served before the next command is executed. With one loop, as another one that
// serves at that moment is not waited for.
TEST_F(WaitersTest, HaveBeenServedWhenThePushersNextCommandRuns) {
  options.threads = 1;
  start();
  for (int i = 0; i < 50; ++i) {
    auto client = waits({"BLPOP", "k", "0"});
    auto pusher = connect();
    pusher->send(TestClient::encode({"RPUSH", "k", "a"}) + TestClient::encode({"LLEN", "k"}));
    EXPECT_EQ(pusher->reply(), ":1");
    EXPECT_EQ(pusher->reply(), ":0");
    EXPECT_EQ(client->reply(), "[k a]");
  }
}

// Each is tried when it comes, and the others are not tried again for that: it would take as long as their square.
TEST_F(WaitersTest, ManyReadersOfOneStreamCostNoMoreThanTheirNumber) {
  options.threads = 2;
  start();
  std::vector<std::unique_ptr<TestClient>> clients;
  constexpr std::size_t kClients = 300;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(connect());
    clients.back()->send_command({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
  }
  ASSERT_TRUE(eventually([&] { return waiting() == kClients; }));
  const std::uint64_t tried = server->key_feed().waiters().tried();
  EXPECT_LE(tried, 2 * kClients);
  connect()->ask({"XADD", "s", "1-1", "f", "v"});
  for (auto& client : clients) EXPECT_EQ(client->reply(), "[[s [[1-1 [f v]]]]]");
}

TEST_F(WaitersTest, AreToldThatEverythingIsGone) {
  start();
  for (const std::string_view flush : {"FLUSHALL", "FLUSHDB"}) {
    auto other = connect();
    other->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
    auto client = waits({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"});
    other->ask({std::string(flush)});
    EXPECT_TRUE(client->reply().starts_with("-NOGROUP ")) << flush;
  }
}

TEST_F(WaitersTest, KeepTheirDatabaseFromBeingSwapped) {
  start();
  auto client = connect();
  client->ask({"SELECT", "1"});
  client->send_command({"BLPOP", "k", "0"});
  ASSERT_TRUE(eventually([&] { return waiting() == 1; }));
  auto other = connect();
  EXPECT_TRUE(other->ask({"SWAPDB", "2", "1"}).starts_with("-ERR clients wait for keys of these databases"));
  EXPECT_EQ(other->ask({"SWAPDB", "3", "2"}), "+OK");
  other->ask({"SELECT", "1"});
  other->ask({"RPUSH", "k", "a"});
  EXPECT_EQ(client->reply(), "[k a]");
}

TEST_F(WaitersTest, AreServedByWhateverMakesTheKeyAList) {
  start();
  auto pusher = connect();
  pusher->ask({"RPUSH", "other", "a"});
  const std::vector<std::pair<Args, std::string>> ways = {
      {{"LPUSH", "k", "a"}, ":1"},
      {{"COPY", "other", "k"}, ":1"},
      {{"EVAL", "return redis.call('rpush', KEYS[1], 'a')", "1", "k"}, ":1"},
      {{"LMOVE", "other", "k", "LEFT", "RIGHT"}, "a"},
      {{"RENAME", "renamed", "k"}, "+OK"},
  };
  pusher->ask({"RPUSH", "renamed", "a"});
  for (const auto& [command, reply] : ways) {
    auto client = waits({"BLPOP", "k", "0"});
    EXPECT_EQ(pusher->ask(command), reply) << command[0];
    EXPECT_EQ(client->reply(), "[k a]") << command[0];
    EXPECT_EQ(pusher->ask({"EXISTS", "k"}), ":0") << command[0];
  }
}

TEST_F(WaitersTest, AreServedByWhateverMakesTheKeyASortedSet) {
  start();
  auto pusher = connect();
  pusher->ask({"ZADD", "other", "1", "a"});
  for (const Args& command : std::vector<Args>{{"ZADD", "k", "1", "a"},
                                               {"ZINCRBY", "k", "1", "a"},
                                               {"ZUNIONSTORE", "k", "1", "other"},
                                               {"ZRANGESTORE", "k", "other", "0", "-1"}}) {
    auto client = waits({"BZPOPMIN", "k", "0"});
    pusher->ask(command);
    EXPECT_EQ(client->reply(), "[k a 1]") << command[0];
    client = waits({"BZMPOP", "0", "1", "k", "MAX"});
    pusher->ask(command);
    EXPECT_EQ(client->reply(), "[k [[a 1]]]") << command[0];
  }
}

TEST_F(WaitersTest, AreServedOnceATransactionHasEnded) {
  start();
  auto client = waits({"BLPOP", "k", "0"});
  auto pusher = connect();
  pusher->ask({"MULTI"});
  pusher->ask({"LPUSH", "k", "a"});
  pusher->ask({"LPUSH", "k", "b"});
  pusher->ask({"LLEN", "k"});
  EXPECT_EQ(pusher->ask({"EXEC"}), "[:1 :2 :2]");
  EXPECT_EQ(client->reply(), "[k b]");
  client = waits({"BLPOP", "gone", "0"});
  pusher->ask({"MULTI"});
  pusher->ask({"LPUSH", "gone", "a"});
  pusher->ask({"DEL", "gone"});
  EXPECT_EQ(pusher->ask({"EXEC"}), "[:1 :1]");
  EXPECT_TRUE(still_waits(1));
}

// Longer than a slice, so other commands of the same loop run in between, and those of others find it running.
TEST_F(WaitersTest, AreServedOnceAScriptHasEnded) {
  start();
  auto client = waits({"BLPOP", "k", "0"});
  auto other = connect();
  std::atomic<bool> ended{false};
  std::thread busy([&] {
    while (!ended) other->ask({"PING"});
  });
  const char* script =
      "redis.call('rpush', KEYS[1], 1) for i = 1, 3000000 do end redis.call('rpush', KEYS[1], 2) "
      "return redis.call('llen', KEYS[1])";
  EXPECT_EQ(connect()->ask({"EVAL", script, "1", "k"}), ":2");
  EXPECT_EQ(client->reply(), "[k 1]");
  ended = true;
  busy.join();
}

TEST_F(WaitersTest, WhoMovesAnElementServesThoseWhoWaitForItsTarget) {
  start();
  auto mover = waits({"BLMOVE", "from", "to", "LEFT", "RIGHT", "0"});
  auto client = waits({"BLPOP", "to", "0"});
  EXPECT_EQ(connect()->ask({"RPUSH", "from", "a"}), ":1");
  EXPECT_EQ(mover->reply(), "a");
  EXPECT_EQ(client->reply(), "[to a]");
  EXPECT_EQ(connect()->ask({"EXISTS", "from", "to"}), ":0");
  mover = waits({"BRPOPLPUSH", "from", "from", "0"});
  EXPECT_EQ(connect()->ask({"RPUSH", "from", "a", "b"}), ":2");
  EXPECT_EQ(mover->reply(), "b");
  EXPECT_EQ(connect()->ask({"LRANGE", "from", "0", "-1"}), "[b a]");
}

TEST_F(WaitersTest, ATargetOfAnotherTypeIsAnErrorAndTheElementStays) {
  start();
  auto mover = waits({"BLMOVE", "from", "to", "LEFT", "RIGHT", "0"});
  connect()->ask({"SET", "to", "x"});
  auto client = waits({"BLPOP", "from", "0"});
  connect()->ask({"RPUSH", "from", "a"});
  EXPECT_TRUE(mover->reply().starts_with("-WRONGTYPE"));
  EXPECT_EQ(client->reply(), "[from a]");
}

TEST_F(WaitersTest, OfAnotherTypeThanTheKeyAreLeftForLater) {
  start();
  auto members = waits({"BZPOPMIN", "k", "0"});
  auto elements = waits({"BLPOP", "k", "0"});
  auto pusher = connect();
  EXPECT_EQ(pusher->ask({"SET", "k", "x"}), "+OK");
  EXPECT_TRUE(connect()->ask({"BLPOP", "k", "0"}).starts_with("-WRONGTYPE")) << "whoever comes now is told";
  pusher->ask({"DEL", "k"});
  EXPECT_EQ(pusher->ask({"RPUSH", "k", "a"}), ":1");
  EXPECT_EQ(elements->reply(), "[k a]") << "though another one came first";
  EXPECT_EQ(pusher->ask({"ZADD", "k", "1", "m"}), ":1");
  EXPECT_EQ(members->reply(), "[k m 1]");
}

TEST_F(WaitersTest, WhoHasGoneGetsNoElement) {
  start();
  auto pusher = connect();
  for (int way = 0; way < 4; ++way) {
    auto client = waits({"BLPOP", "k", "0"});
    if (way == 0) client.reset();
    if (way == 1) client->abort();
    if (way == 2) {  // with more requests behind, which nobody reads meanwhile
      client->send(TestClient::encode({"PING"}));
      client->end_sending();
    }
    if (way == 3) {
      EXPECT_EQ(pusher->ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"}), ":1");
    }
    EXPECT_TRUE(eventually([&] { return waiting() == 0; })) << way;
    EXPECT_EQ(pusher->ask({"RPUSH", "k", "a"}), ":1") << way;
    EXPECT_EQ(pusher->ask({"LLEN", "k"}), ":1") << way;
    pusher->ask({"DEL", "k"});
  }
}

TEST_F(WaitersTest, AreToldWhenTheirTimeIsUp) {
  start();
  auto client = connect();
  for (const Args& command : std::vector<Args>{{"BLPOP", "k", "0.05"},
                                               {"BLMOVE", "k", "l", "LEFT", "LEFT", "0.05"},
                                               {"BLMPOP", "0.05", "1", "k", "LEFT"},
                                               {"BZPOPMAX", "k", "0.05"},
                                               {"BZMPOP", "0.05", "1", "k", "MAX"}}) {
    EXPECT_EQ(client->ask(command), "(nil)") << command[0];
    EXPECT_EQ(waiting(), 0u);
  }
  EXPECT_EQ(connect()->ask({"RPUSH", "k", "a"}), ":1");
  EXPECT_EQ(client->ask({"LLEN", "k"}), ":1");
}

TEST_F(WaitersTest, AServedOnesTimerDoesNotEndItsNextWait) {
  start();
  auto client = waits({"BLPOP", "k", "0.2"});
  connect()->ask({"RPUSH", "k", "a"});
  EXPECT_EQ(client->reply(), "[k a]");
  client->send_command({"BLPOP", "k", "0"});
  EXPECT_TRUE(eventually([&] { return waiting() == 1; }));
  EXPECT_TRUE(still_waits(1));
  connect()->ask({"RPUSH", "k", "b"});
  EXPECT_EQ(client->reply(), "[k b]");
}

TEST_F(WaitersTest, CanBeUnblockedByAnotherClient) {
  start();
  auto other = connect();
  auto client = connect();
  const std::string id = client->ask({"CLIENT", "ID"}).substr(1);
  EXPECT_EQ(other->ask({"CLIENT", "UNBLOCK", id}), ":0");
  for (const auto& [how, reply] : std::map<std::string, std::string>{
           {"TIMEOUT", "(nil)"}, {"ERROR", "-UNBLOCKED client unblocked via CLIENT UNBLOCK"}}) {
    client->send_command({"BLPOP", "k", "0"});
    EXPECT_TRUE(eventually([&] { return waiting() == 1; }));
    EXPECT_EQ(other->ask({"CLIENT", "UNBLOCK", id, how}), ":1");
    EXPECT_EQ(client->reply(), reply);
  }
  EXPECT_TRUE(other->ask({"CLIENT", "UNBLOCK", id, "x"}).starts_with("-ERR CLIENT UNBLOCK reason"));
  EXPECT_TRUE(other->ask({"CLIENT", "UNBLOCK", "x"}).starts_with("-ERR value is not an integer"));
  EXPECT_EQ(other->ask({"RPUSH", "k", "a"}), ":1");
  EXPECT_EQ(other->ask({"LLEN", "k"}), ":1") << "it waits no more";
}

TEST_F(WaitersTest, AreShownAndTheirNextRequestsWait) {
  start();
  auto client = waits({"BLPOP", "k", "0"});
  auto other = connect();
  EXPECT_NE(other->ask({"INFO", "clients"}).find("blocked_clients:1\r\n"), std::string::npos);
  EXPECT_NE(other->ask({"CLIENT", "LIST"}).find("flags=b "), std::string::npos);
  client->send(TestClient::encode({"SET", "after", "1"}) + TestClient::encode({"GET", "after"}));
  EXPECT_TRUE(still_waits(1));
  EXPECT_EQ(other->ask({"EXISTS", "after"}), ":0");
  other->ask({"RPUSH", "k", "a"});
  EXPECT_EQ(client->reply(), "[k a]");
  EXPECT_EQ(client->reply(), "+OK");
  EXPECT_EQ(client->reply(), "1");
  EXPECT_NE(other->ask({"INFO", "clients"}).find("blocked_clients:0\r\n"), std::string::npos);
  EXPECT_EQ(other->ask({"CLIENT", "LIST"}).find("flags=b "), std::string::npos);
}

TEST_F(WaitersTest, AreNotIdle) {
  options.idle_timeout = 60s;
  options.threads = 1;  // one sweep looks at both clients
  start();
  auto client = waits({"BLPOP", "k", "0"});
  auto idle = connect();
  EXPECT_EQ(idle->ask({"PING"}), "+PONG");
  clock.advance(1h);
  EXPECT_TRUE(idle->closed());
  EXPECT_EQ(connect()->ask({"RPUSH", "k", "a"}), ":1");
  EXPECT_EQ(client->reply(), "[k a]");
}

TEST_F(WaitersTest, AStoppingServerWaitsForNoneOfThem) {
  options.drain_timeout = 24h;
  start();
  auto client = waits({"BLPOP", "k", "0"});
  auto other = waits({"BLPOP", "k", "100000"});
  other->send(TestClient::encode({"PING"}));
  server->stop();
  EXPECT_TRUE(client->closed());
  EXPECT_TRUE(other->closed());
}

// A change by a thread that is no event loop.
TEST_F(WaitersTest, AreServedWhateverThreadMakesTheChange) {
  start();
  auto client = waits({"BLPOP", "k", "0"});
  layer->edit_collection("k", clock.now(), memory::Tier::edit_room(1, 10),
                         [&](const EntryView*, memory::Collection& all) -> std::optional<Stamp> {
                           all.begin(memory::CollectionKind::kList);
                           memory::Sequence(all).insert(0, "a");
                           return layer->stamp_for("k", clock.now());
                         });
  EXPECT_EQ(client->reply(), "[k a]");
}

TEST_F(WaitersTest, AScriptOrATransactionDoesNotWait) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"EVAL", "return redis.call('blpop', 'k', 0)", "0"}), "(nil)");
  EXPECT_EQ(client->ask({"EVAL", "return redis.call('blmove', 'k', 'l', 'left', 'left', 0)", "0"}), "(nil)");
  client->ask({"MULTI"});
  client->ask({"BLPOP", "k", "0"});
  client->ask({"BZMPOP", "0", "1", "k", "MIN"});
  client->ask({"RPUSH", "k", "a"});
  client->ask({"BRPOP", "k", "0"});
  EXPECT_EQ(client->ask({"EXEC"}), "[(nil) (nil) :1 [k a]]");
  EXPECT_EQ(waiting(), 0u);
}

TEST_F(WaitersTest, ForAKeyWithASourceThereAreNone) {
  start();
  EXPECT_TRUE(connect()->ask({"BLPOP", "slow:1", "0"}).starts_with("-WRONGTYPE"));
  EXPECT_TRUE(connect()->ask({"BLMOVE", "k", "slow:1", "LEFT", "LEFT", "0"}).starts_with("-WRONGTYPE"));
  EXPECT_TRUE(connect()->ask({"BZPOPMIN", "slow:1", "0"}).starts_with("-"));
}

// What comes between a command's first try and its joining must not be missed.
TEST(Waiters, AreTriedAgainOnceTheyHaveJoined) {
  class Slot final : public ReplySlot {
   public:
    void complete(Fill, std::size_t) override { ++completed; }
    int completed = 0;
  };
  int listens = 0;
  Waiters waiters([&] { return std::make_shared<int>(++listens); });
  const auto slot = std::make_shared<Slot>();
  auto waiter = std::make_shared<Waiter>();
  waiter->client = 1;
  waiter->command = find_command("blpop");
  waiter->keys = {"j", "k"};
  waiter->slot = slot;
  std::vector<std::string> tried;
  waiter->attempt = [&](std::string_view key, Instant) -> Waiter::Tried {
    EXPECT_EQ(listens, 1) << "from before the try on, changes are told of";
    EXPECT_TRUE(waiters.waits_for(key));
    tried.emplace_back(key);
    if (key == "j") return {};
    return {Waiter::Tried::Outcome::kServed, [](resp::Writer&) {}, 0};
  };
  waiter->finish = [](ReplySlot::Fill fill) { return fill; };
  waiters.join(waiter);
  EXPECT_TRUE(waiters.due());
  waiters.serve(system_clock(), [] { return true; });
  EXPECT_TRUE(tried.empty()) << "a script runs";
  EXPECT_TRUE(waiters.due());
  waiters.serve(system_clock(), [] { return false; });
  EXPECT_EQ(tried, (std::vector<std::string>{"j", "k"}));
  EXPECT_EQ(slot->completed, 1);
  EXPECT_EQ(waiters.size(), 0u);
  EXPECT_FALSE(waiters.due());
  EXPECT_FALSE(waiters.end(waiter, Unserved::kTimeout)) << "it has its answer";
  waiters.upkeep();
  EXPECT_FALSE(waiters.waits_for("k"));
}

// Elements go from many producers through a list in between to many consumers.
TEST_F(WaitersTest, EveryElementIsReceivedExactlyOnce) {
  constexpr int kEach = 300;
  constexpr int kProducers = 3;
  constexpr int kMovers = 3;
  constexpr int kConsumers = 3;
  start();
  std::vector<std::thread> threads;
  std::vector<std::map<std::string, int>> received(kConsumers);
  for (int i = 0; i < kConsumers; ++i) {
    threads.emplace_back([&, i] {
      auto client = connect();
      for (;;) {
        client->send_command({"BLPOP", "none", "mid", "0"});
        const resp::Reply reply = client->reply_tree();
        if (reply.children.size() != 2 || reply.children[1].text == "end") return;
        ++received[static_cast<std::size_t>(i)][reply.children[1].text];
      }
    });
  }
  for (int i = 0; i < kMovers; ++i) {
    threads.emplace_back([&] {
      auto client = connect();
      while (client->ask({"BLMOVE", "in", "mid", "LEFT", "RIGHT", "0"}) != "end") {
      }
    });
  }
  std::vector<std::thread> producers;
  for (int i = 0; i < kProducers; ++i) {
    producers.emplace_back([&, i] {
      auto client = connect();
      for (int n = 0; n < kEach; ++n) client->ask({"RPUSH", "in", std::to_string(i * kEach + n)});
    });
  }
  for (std::thread& producer : producers) producer.join();
  for (int i = 0; i < kMovers; ++i) connect()->ask({"RPUSH", "in", "end"});
  for (std::thread& thread : threads) thread.join();
  std::map<std::string, int> all;
  for (const auto& one : received) {
    for (const auto& [element, count] : one) all[element] += count;
  }
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kProducers * kEach));
  for (const auto& [element, count] : all) EXPECT_EQ(count, 1) << element;
  EXPECT_EQ(waiting(), 0u);
}

}  // namespace
}  // namespace forebay::server
