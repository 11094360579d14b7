// CLIENT TRACKING over sockets: whoever keeps what it reads is told when it is no longer true.

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "server/server_fixture.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

class TrackingTest : public ServerTest {
 protected:
  std::unique_ptr<TestClient> tracking(const std::vector<std::string>& how = {}) {
    auto client = connect();
    client->ask({"HELLO", "3"});
    std::vector<std::string> command{"CLIENT", "TRACKING", "ON"};
    command.insert(command.end(), how.begin(), how.end());
    EXPECT_EQ(client->ask(command), "+OK");
    return client;
  }
  // What it was told up to now, by a reply that comes behind that. What another client has done is told by then,
  // as that client has its answer; it is in the mailbox of this one's loop, which empties it after the sockets.
  std::string told(TestClient& client) {
    std::string text;
    for (int round = 0; round < 2; ++round) {
      client.send_command({"PING"});
      for (std::string reply = client.reply(); reply != "+PONG"; reply = client.reply()) text += reply;
    }
    return text;
  }
};

TEST_F(TrackingTest, WhoHasReadAKeyIsToldOnceThatItHasChanged) {
  start();
  auto writer = connect();
  writer->ask({"SET", "k", "1"});
  auto client = tracking();
  EXPECT_EQ(client->ask({"GET", "k"}), "1");
  EXPECT_EQ(told(*client), "");
  writer->ask({"SET", "k", "2"});
  EXPECT_EQ(client->reply(), "[invalidate [k]]");
  writer->ask({"SET", "k", "3"});
  EXPECT_EQ(told(*client), "") << "what it kept was forgotten already";
  EXPECT_EQ(client->ask({"GET", "k"}), "3");
  writer->ask({"DEL", "k"});
  EXPECT_EQ(client->reply(), "[invalidate [k]]");
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)") << "that there is none is an answer, too";
  writer->ask({"SET", "k", "4"});
  EXPECT_EQ(client->reply(), "[invalidate [k]]");
}

TEST_F(TrackingTest, APurgedTagIsToldToWhoKeepsWhatHadIt) {
  start();
  auto writer = connect();
  writer->ask({"MSET", "a", "1", "b", "2"});
  EXPECT_EQ(writer->ask({"FOREBAY", "TAG", "a", "t", "u"}), ":1");
  auto client = tracking();
  client->ask({"MGET", "a", "b"});
  EXPECT_EQ(writer->ask({"FOREBAY", "PURGE", "TAG", "u"}), "+OK");
  EXPECT_EQ(client->reply(), "[invalidate [a]]") << "by the upkeep, as nobody has asked for it since";
  EXPECT_EQ(told(*client), "");
  EXPECT_EQ(writer->ask({"EXISTS", "a", "b"}), ":1");
}

TEST_F(TrackingTest, KeysOfOtherDatabasesAreToldByTheirNames) {
  start();
  auto writer = connect();
  auto first = tracking();
  auto client = tracking();
  client->ask({"SELECT", "3"});
  client->ask({"GET", "k"});
  first->ask({"GET", "k"});
  writer->ask({"SELECT", "3"});
  writer->ask({"SET", "k", "1"});
  EXPECT_EQ(client->reply(), "[invalidate [k]]");
  EXPECT_EQ(told(*first), "") << "its key is another one";
  auto broadcast = tracking({"BCAST", "PREFIX", "k"});
  writer->ask({"SET", "k", "2"});
  EXPECT_EQ(broadcast->reply(), "[invalidate [k]]");
}

TEST_F(TrackingTest, EveryWayToChangeAKeyIsTold) {
  start();
  auto writer = connect();
  auto client = tracking();
  const std::vector<std::vector<std::string>> changes = {
      {"APPEND", "k", "x"},
      {"SET", "k", "1"},
      {"INCR", "k"},
      {"EXPIRE", "k", "100"},
      {"PERSIST", "k"},
      {"GETEX", "k", "EX", "10"},
      {"SETRANGE", "k", "0", "y"},
      {"GETDEL", "k"},
      {"SETNX", "k", "v"},
      {"RENAME", "k", "other"},
      {"COPY", "other", "k"},
      {"MSET", "k", "v", "l", "w"},
      {"UNLINK", "k"},
  };
  for (const auto& change : changes) {
    client->ask({"MGET", "k", "absent"});
    EXPECT_NE(writer->ask(change)[0], '-') << change[0];
    EXPECT_EQ(client->reply(), "[invalidate [k]]") << change[0];
  }
}

TEST_F(TrackingTest, KeysThatLeaveByThemselvesAreTold) {
  model.memory.limit = std::size_t{8} << 20;
  start();
  auto writer = connect();
  auto client = tracking();
  writer->ask({"SET", "k", "v", "PX", "50"});
  EXPECT_EQ(client->ask({"GET", "k"}), "v");
  clock.advance(1s);
  EXPECT_EQ(client->reply(), "[invalidate [k]]") << "expired";
  writer->ask({"SET", "evicted", "v"});
  EXPECT_EQ(client->ask({"GET", "evicted"}), "v");
  const std::string value(10'000, 'x');
  for (int i = 0; i < 2000; ++i) writer->ask({"SET", "filler" + std::to_string(i), value});
  EXPECT_EQ(client->reply(), "[invalidate [evicted]]");
}

TEST_F(TrackingTest, FlushTellsToForgetEverything) {
  start();
  auto client = tracking();
  auto broadcast = tracking({"BCAST", "PREFIX", "none"});
  client->ask({"GET", "k"});
  connect()->ask({"FLUSHALL"});
  EXPECT_EQ(client->reply(), "[invalidate (nil)]");
  EXPECT_EQ(broadcast->reply(), "[invalidate (nil)]");
  EXPECT_EQ(server->key_feed().tracking()->totals().keys, 0u);
}

TEST_F(TrackingTest, AnInvalidationComesBehindTheAnswerThatItIsAbout) {
  start();
  source.shut();
  auto client = tracking();
  client->send_command({"GET", "slow:1"});
  source.wait_for_loads(1);
  // The load will bring what was read before this.
  connect()->ask({"DEL", "slow:1"});
  source.open();
  EXPECT_EQ(client->reply(), "v1");
  EXPECT_EQ(client->reply(), "[invalidate [slow:1]]");
  EXPECT_EQ(client->ask({"GET", "slow:1"}), "v1");
  EXPECT_EQ(told(*client), "") << "this one was stored";
}

TEST_F(TrackingTest, AnAnswerWhoseCopyIsNotKeptIsTakenBack) {
  start();
  auto client = tracking();
  EXPECT_EQ(client->ask({"GET", "slow:-7"}), "(nil)");
  EXPECT_EQ(client->reply(), "[invalidate [slow:-7]]") << "nobody remembers that there is none";
}

TEST_F(TrackingTest, WhatStaysInMemoryAfterItsTimeIsTakenBackThen) {
  model.namespaces[0].ttl = 10s;
  model.namespaces[0].stale_while_revalidate = 1h;
  start();
  auto client = tracking();
  EXPECT_EQ(client->ask({"GET", "slow:1"}), "v1");
  EXPECT_EQ(told(*client), "");
  clock.advance(11s);
  EXPECT_EQ(client->reply(), "[invalidate [slow:1]]") << "its ttl has ended";
  source.shut();
  EXPECT_EQ(client->ask({"GET", "slow:1"}), "v1") << "stale";
  EXPECT_EQ(client->reply(), "[invalidate [slow:1]]") << "and so not to be kept";
  source.open();
}

TEST_F(TrackingTest, NoLoopLeavesOutOnesOwnChanges) {
  start();
  auto client = tracking({"NOLOOP"});
  auto plain = tracking();
  for (auto* each : {client.get(), plain.get()}) {
    each->ask({"GET", "k"});
  }
  client->ask({"SET", "k", "own"});
  EXPECT_EQ(plain->reply(), "[invalidate [k]]");
  EXPECT_EQ(told(*client), "");
  plain->ask({"GET", "k"});
  EXPECT_EQ(plain->ask({"SET", "k", "own"}), "+OK");
  EXPECT_EQ(plain->reply(), "[invalidate [k]]") << "behind the reply";
}

TEST_F(TrackingTest, BroadcastTellsOfEveryKeyWithThePrefix) {
  start();
  auto client = tracking({"BCAST", "PREFIX", "user:", "PREFIX", "item:"});
  auto all = tracking({"BCAST"});
  auto writer = connect();
  writer->ask({"SET", "user:1", "v"});
  EXPECT_EQ(client->reply(), "[invalidate [user:1]]");
  EXPECT_EQ(all->reply(), "[invalidate [user:1]]");
  writer->ask({"SET", "other", "v"});
  EXPECT_EQ(all->reply(), "[invalidate [other]]");
  EXPECT_EQ(told(*client), "");
  EXPECT_EQ(
      client->ask({"CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "user:a"}),
      "-ERR Prefix 'user:a' overlaps with an existing prefix 'user:'. Prefixes for a single client must "
      "not overlap.");
}

TEST_F(TrackingTest, OptInAndOptOutHeedClientCaching) {
  start();
  auto writer = connect();
  auto in = tracking({"OPTIN"});
  in->ask({"GET", "a"});
  EXPECT_EQ(in->ask({"CLIENT", "CACHING", "YES"}), "+OK");
  in->ask({"GET", "b"});
  in->ask({"GET", "c"});
  EXPECT_EQ(in->ask({"CLIENT", "CACHING", "YES"}), "+OK");
  in->ask({"MULTI"});
  in->ask({"GET", "d"});
  in->ask({"EXEC"});
  auto out = tracking({"OPTOUT"});
  out->ask({"GET", "a"});
  EXPECT_EQ(out->ask({"CLIENT", "CACHING", "NO"}), "+OK");
  out->ask({"GET", "b"});
  for (const char* key : {"a", "b", "c", "d"}) writer->ask({"SET", key, "v"});
  EXPECT_EQ(told(*in), "[invalidate [b]][invalidate [d]]");
  EXPECT_EQ(told(*out), "[invalidate [a]]");
  EXPECT_TRUE(in->ask({"CLIENT", "CACHING", "NO"}).starts_with("-ERR CLIENT CACHING NO is only valid"));
  EXPECT_TRUE(
      writer->ask({"CLIENT", "CACHING", "YES"}).starts_with("-ERR CLIENT CACHING can be called only"));
}

TEST_F(TrackingTest, AClientOfRespTwoIsToldByAnother) {
  start();
  auto listener = connect();
  const std::string id = listener->ask({"CLIENT", "ID"}).substr(1);
  EXPECT_EQ(listener->ask({"SUBSCRIBE", "__redis__:invalidate"}), "[subscribe __redis__:invalidate :1]");
  auto client = connect();
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "REDIRECT", "99999"}),
            "-ERR The client ID you want redirect to does not exist");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "REDIRECT", id}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "GETREDIR"}), ":" + id);
  client->ask({"GET", "k"});
  auto writer = connect();
  writer->ask({"SET", "k", "v"});
  EXPECT_EQ(listener->reply(), "[message __redis__:invalidate [k]]");
  writer->ask({"FLUSHALL"});
  EXPECT_EQ(listener->reply(), "[message __redis__:invalidate (nil)]");
}

TEST_F(TrackingTest, WhoIsToldByAClientThatHasGoneHearsThat) {
  start();
  auto listener = connect();
  const std::string id = listener->ask({"CLIENT", "ID"}).substr(1);
  auto client = tracking({"REDIRECT", id});
  client->ask({"GET", "k"});
  listener.reset();
  auto writer = connect();
  EXPECT_TRUE(eventually([&] { return writer->ask({"CLIENT", "LIST", "ID", id}) == ""; }));
  writer->ask({"SET", "k", "v"});
  EXPECT_EQ(client->reply(), "[tracking-redir-broken :" + id + "]");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKINGINFO"}),
            "{flags [on broken_redirect] redirect :" + id + " prefixes []}");
}

TEST_F(TrackingTest, AFullTableTellsOfTheKeysThatItForgets) {
  start();
  auto client = tracking();
  EXPECT_EQ(client->ask({"CONFIG", "SET", "tracking-table-max-keys", "3"}), "+OK");
  for (int i = 0; i < 10; ++i) client->send_command({"GET", "k" + std::to_string(i)});
  int forgotten = 0;
  for (int replies = 0; replies < 10 || forgotten < 7;) {
    (client->reply() == "(nil)" ? replies : forgotten) += 1;
  }
  EXPECT_EQ(forgotten, 7);
  EXPECT_EQ(server->key_feed().tracking()->totals().keys, 3u);
}

TEST_F(TrackingTest, MistakesAreRedisMistakes) {
  start();
  auto client = connect();
  client->ask({"HELLO", "3"});
  EXPECT_EQ(client->ask({"CLIENT", "TRACKINGINFO"}), "{flags [off] redirect :-1 prefixes []}");
  EXPECT_EQ(client->ask({"CLIENT", "GETREDIR"}), ":-1");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "MAYBE"}), "-ERR syntax error");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "PREFIX", "a"}),
            "-ERR PREFIX option requires BCAST mode to be enabled");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "OPTIN", "OPTOUT"}),
            "-ERR You can't use both OPTIN and OPTOUT");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "BCAST", "OPTIN"}),
            "-ERR OPTIN and OPTOUT are not compatible with BCAST");
  EXPECT_EQ(client->ask({"CLIENT", "TRACKING", "ON", "OPTIN"}), "+OK");
  EXPECT_TRUE(
      client->ask({"CLIENT", "TRACKING", "ON", "BCAST"}).starts_with("-ERR You can't switch BCAST mode"));
  EXPECT_TRUE(client->ask({"CLIENT", "TRACKING", "ON", "OPTOUT"}).starts_with("-ERR You can't switch OPTIN"));
  EXPECT_EQ(client->ask({"RESET"}), "+RESET");
  EXPECT_EQ(client->ask({"CLIENT", "GETREDIR"}), ":-1");
  EXPECT_EQ(server->key_feed().tracking()->totals().clients, 0u);
}

// Near caches read and are told on one connection each, while others write. In the end each of them either has
// the value that is there, or has been told to forget the one it has.
TEST_F(TrackingTest, NoNearCacheKeepsAnOldValue) {
  options.threads = 4;
  start();
  constexpr int kKeys = 20;
  constexpr int kRounds = 1500;
  std::atomic<int> reading{4};
  std::vector<std::thread> threads;
  std::vector<std::unique_ptr<TestClient>> clients;
  std::vector<std::map<std::string, std::string>> near(4);
  for (int i = 0; i < 4; ++i) clients.push_back(tracking());
  const auto key = [](unsigned number) { return "key" + std::to_string(number % kKeys); };
  // Takes what comes up to a reply, and returns that.
  const auto reply = [&](std::size_t who) {
    for (;;) {
      const resp::Reply got = clients[who]->reply_tree();
      if (got.kind != resp::ReplyKind::kPush) return got.text;
      near[who].erase(got.children.at(1).children.at(0).text);
    }
  };
  for (std::size_t who = 0; who < 4; ++who) {
    threads.emplace_back([&, who] {
      std::mt19937 random(static_cast<unsigned>(who));
      for (int i = 0; i < kRounds; ++i) {
        const std::string read = key(random());
        if (near[who].contains(read)) {
          clients[who]->send_command({"PING"});
          reply(who);
          continue;
        }
        clients[who]->send_command({"GET", read});
        const std::string value = reply(who);
        near[who][read] = value;
      }
      --reading;
    });
  }
  for (unsigned who = 0; who < 2; ++who) {
    threads.emplace_back([&, who] {
      auto writer = connect();
      std::mt19937 random(100 + who);
      for (int i = 0; reading > 0; ++i) {
        const std::string value = std::to_string(who) + "." + std::to_string(i);
        switch (random() % 4) {
          case 0:
            writer->ask({"DEL", key(random())});
            break;
          case 1:
            writer->ask({"APPEND", key(random()), "x"});
            break;
          default:
            writer->ask({"SET", key(random()), value});
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto judge = connect();
  for (std::size_t who = 0; who < 4; ++who) {
    for (int i = 0; i < 2; ++i) {
      clients[who]->send_command({"PING"});
      reply(who);
    }
    for (const auto& [read, value] : near[who]) {
      const std::string now = judge->ask({"GET", read});
      EXPECT_EQ(value, now == "(nil)" ? "" : now) << read << " in near cache " << who;
    }
  }
}

}  // namespace
}  // namespace forebay::server
