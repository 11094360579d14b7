// Publishing and subscribing over sockets, on two event loops.

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

std::string line_of(const std::string& text, const std::string& name) {
  const std::size_t at = text.find(name + ":");
  if (at == std::string::npos) return "(none)";
  const std::size_t from = at + name.size() + 1;
  return text.substr(from, text.find("\r\n", from) - from);
}

class PubSubTest : public ServerTest {
 protected:
  // So many that both loops have some of them.
  std::vector<std::unique_ptr<TestClient>> subscribers(std::size_t count, const std::string& channel) {
    std::vector<std::unique_ptr<TestClient>> clients;
    for (std::size_t i = 0; i < count; ++i) {
      clients.push_back(connect());
      EXPECT_EQ(clients.back()->ask({"SUBSCRIBE", channel}), "[subscribe " + channel + " :1]");
    }
    return clients;
  }
};

TEST_F(PubSubTest, AMessageReachesSubscribersOfItsChannelAndOfMatchingPatterns) {
  start();
  auto channel = connect();
  auto pattern = connect();
  auto shard = connect();
  auto other = connect();
  EXPECT_EQ(channel->ask({"SUBSCRIBE", "news.it"}), "[subscribe news.it :1]");
  EXPECT_EQ(pattern->ask({"PSUBSCRIBE", "news.*"}), "[psubscribe news.* :1]");
  EXPECT_EQ(shard->ask({"SSUBSCRIBE", "news.it"}), "[ssubscribe news.it :1]");
  EXPECT_EQ(other->ask({"SUBSCRIBE", "news.art"}), "[subscribe news.art :1]");
  auto publisher = connect();
  EXPECT_EQ(publisher->ask({"PUBLISH", "news.it", "hello"}), ":2");
  EXPECT_EQ(publisher->ask({"SPUBLISH", "news.it", "shard"}), ":1");
  EXPECT_EQ(publisher->ask({"PUBLISH", "elsewhere", "x"}), ":0");
  EXPECT_EQ(channel->reply(), "[message news.it hello]");
  EXPECT_EQ(pattern->reply(), "[pmessage news.* news.it hello]");
  EXPECT_EQ(shard->reply(), "[smessage news.it shard]");
  EXPECT_EQ(other->ask({"PING"}), "[pong ]") << "it has got nothing before";
}

TEST_F(PubSubTest, WhatOnePublisherSendsComesInOrder) {
  start();
  auto clients = subscribers(8, "c");
  auto publisher = connect();
  constexpr int kMessages = 3000;
  std::string pipeline;
  for (int i = 0; i < kMessages; ++i) pipeline += TestClient::encode({"PUBLISH", "c", std::to_string(i)});
  publisher->send(pipeline);
  for (auto& client : clients) {
    for (int i = 0; i < kMessages; ++i) ASSERT_EQ(client->reply(), "[message c " + std::to_string(i) + "]");
  }
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(publisher->reply(), ":8");
}

TEST_F(PubSubTest, AllSubscribersSeeTheMessagesOfAChannelInOneOrder) {
  start();
  auto clients = subscribers(8, "c");
  constexpr int kMessages = 500;
  std::vector<std::thread> publishers;
  for (int who = 0; who < 4; ++who) {
    publishers.emplace_back([&, who] {
      auto publisher = connect();
      std::string pipeline;
      for (int i = 0; i < kMessages; ++i)
        pipeline += TestClient::encode({"PUBLISH", "c", std::to_string(who * kMessages + i)});
      publisher->send(pipeline);
      for (int i = 0; i < kMessages; ++i) EXPECT_EQ(publisher->reply(), ":8");
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  std::vector<std::string> first;
  for (int i = 0; i < 4 * kMessages; ++i) first.push_back(clients[0]->reply());
  for (auto& client : clients) {
    if (client == clients[0]) continue;
    for (const std::string& message : first) ASSERT_EQ(client->reply(), message);
  }
}

TEST_F(PubSubTest, ASubscribedClientOfRespTwoMayDoLittleElse) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"SUBSCRIBE", "a", "b"}), "[subscribe a :1]");
  EXPECT_EQ(client->reply(), "[subscribe b :2]");
  EXPECT_EQ(client->ask({"GET", "k"}),
            "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
            "allowed in this context");
  EXPECT_EQ(client->ask({"PING"}), "[pong ]");
  EXPECT_EQ(client->ask({"PING", "x"}), "[pong x]");
  EXPECT_EQ(client->ask({"UNSUBSCRIBE", "a"}), "[unsubscribe a :1]");
  EXPECT_EQ(client->ask({"UNSUBSCRIBE"}), "[unsubscribe b :0]");
  EXPECT_EQ(client->ask({"UNSUBSCRIBE"}), "[unsubscribe (nil) :0]");
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)");
  EXPECT_EQ(client->ask({"SUBSCRIBE", "a"}), "[subscribe a :1]");
  EXPECT_EQ(client->ask({"RESET"}), "+RESET");
  EXPECT_EQ(client->ask({"PUBLISH", "a", "x"}), ":0");
  EXPECT_EQ(client->ask({"PSUBSCRIBE", std::string(2000, '*')}), "-ERR a pattern has at most 1024 bytes");
}

TEST_F(PubSubTest, AClientOfRespThreeGetsMessagesBetweenReplies) {
  start();
  auto client = connect();
  client->ask({"HELLO", "3"});
  EXPECT_EQ(client->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  EXPECT_EQ(client->ask({"PUBLISH", "c", "own"}), ":1");
  EXPECT_EQ(client->reply(), "[message c own]");
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)");
  client->send_command({"PUBLISH", "c", "raw"});
  client->end_sending();
  EXPECT_EQ(client->read_all(), ":1\r\n>3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$3\r\nraw\r\n");
}

TEST_F(PubSubTest, AMessageComesBehindWhatWasAskedBeforeIt) {
  start();
  source.shut();
  auto client = connect();
  client->ask({"HELLO", "3"});
  EXPECT_EQ(client->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  client->send_command({"GET", "slow:1"});
  source.wait_for_loads(1);
  EXPECT_EQ(connect()->ask({"PUBLISH", "c", "later"}), ":1");
  source.open();
  EXPECT_EQ(client->reply(), "v1");
  EXPECT_EQ(client->reply(), "[message c later]");
}

TEST_F(PubSubTest, TransactionsPublishAndSubscribe) {
  start();
  auto listener = connect();
  EXPECT_EQ(listener->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  auto client = connect();
  client->ask({"MULTI"});
  client->ask({"SET", "k", "v"});
  client->ask({"PUBLISH", "c", "k has changed"});
  client->ask({"SUBSCRIBE", "d"});
  EXPECT_EQ(client->ask({"EXEC"}), "[+OK :1 [subscribe d :1]]");
  EXPECT_EQ(listener->reply(), "[message c k has changed]");
  EXPECT_EQ(connect()->ask({"PUBLISH", "d", "x"}), ":1");
  EXPECT_EQ(client->reply(), "[message d x]");
}

TEST_F(PubSubTest, ConfirmationsAndMessagesAreSentWhereRepliesAreNot) {
  start();
  auto client = connect();
  client->send_command({"CLIENT", "REPLY", "OFF"});
  EXPECT_EQ(client->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  EXPECT_EQ(connect()->ask({"PUBLISH", "c", "x"}), ":1");
  EXPECT_EQ(client->reply(), "[message c x]");
}

TEST_F(PubSubTest, WhoDoesNotReadItsMessagesIsClosedAndHoldsNobodyUp) {
  start();
  auto publisher = connect();
  EXPECT_EQ(publisher->ask({"CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"}), "+OK");
  auto slow = connect(4096);
  EXPECT_EQ(slow->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  auto quick = connect();
  EXPECT_EQ(quick->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  const std::string payload(50'000, 'x');
  int sent = 0;
  std::string receivers = ":2";
  for (; receivers == ":2" && sent < 2000; ++sent) {
    receivers = publisher->ask({"PUBLISH", "c", payload});
    ASSERT_EQ(quick->reply(), "[message c " + payload + "]");
  }
  EXPECT_EQ(receivers, ":1") << sent;
  EXPECT_EQ(server->stats().closed_output, 1u);
  EXPECT_GT(server->stats().clients, 1u);
}

TEST_F(PubSubTest, WhoIsBehindForLongIsClosedThoughNothingMoreIsPublished) {
  start();
  auto publisher = connect();
  EXPECT_EQ(publisher->ask({"CONFIG", "SET", "client-output-buffer-limit", "pubsub 0 1mb 60"}), "+OK");
  auto slow = connect(4096);
  EXPECT_EQ(slow->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  const std::string payload(1'000'000, 'x');
  for (int i = 0; i < 20; ++i) publisher->ask({"PUBLISH", "c", payload});
  EXPECT_EQ(publisher->ask({"PUBSUB", "NUMSUB", "c"}), "[c :1]");
  EXPECT_EQ(server->stats().closed_output, 0u);
  clock.advance(61s);
  EXPECT_TRUE(eventually([&] { return server->stats().closed_output == 1; }));
}

TEST_F(PubSubTest, TheLimitsOfSubscribersCanBeSeenAndSet) {
  start();
  auto client = connect();
  const std::string shown = client->ask({"CONFIG", "GET", "client-output-buffer-limit"});
  EXPECT_NE(shown.find("pubsub 33554432 8388608 60"), std::string::npos) << shown;
  EXPECT_EQ(client->ask({"CONFIG", "SET", "client-output-buffer-limit", "pubsub 64mb 16mb 30"}), "+OK");
  const std::string changed = client->ask({"CONFIG", "GET", "client-output-buffer-limit"});
  EXPECT_NE(changed.find("pubsub 67108864 16777216 30"), std::string::npos) << changed;
  for (const char* wrong :
       {"pubsub 1 2", "normal 0 0 0", "pubsub 1 2 3 4", "pubsub x 2 3", "", "pubsub 1 2 -1"}) {
    EXPECT_TRUE(client->ask({"CONFIG", "SET", "client-output-buffer-limit", wrong})
                    .starts_with("-ERR CONFIG SET failed"))
        << wrong;
  }
}

TEST_F(PubSubTest, ASubscriberMayBeSilent) {
  options.idle_timeout = 60s;
  start();
  auto subscriber = connect();
  EXPECT_EQ(subscriber->ask({"SUBSCRIBE", "c"}), "[subscribe c :1]");
  auto idle = connect();
  EXPECT_EQ(idle->ask({"PING"}), "+PONG");
  auto second = subscribers(8, "c");  // whichever loop it is on, some are there
  std::vector<std::unique_ptr<TestClient>> idlers;
  for (int i = 0; i < 8; ++i) {
    idlers.push_back(connect());
    EXPECT_EQ(idlers.back()->ask({"PING"}), "+PONG");
  }
  clock.advance(1h);
  EXPECT_TRUE(idle->closed());
  for (auto& each : idlers) EXPECT_TRUE(each->closed());
  EXPECT_EQ(connect()->ask({"PUBLISH", "c", "x"}), ":9");
  EXPECT_EQ(subscriber->reply(), "[message c x]");
}

TEST_F(PubSubTest, ClientsThatHaveGoneAreSubscribedToNothing) {
  start();
  auto client = connect();
  {
    auto clients = subscribers(6, "c");
    clients[0]->ask({"PSUBSCRIBE", "*"});
    clients[1]->abort();
    EXPECT_EQ(clients[2]->ask({"QUIT"}), "+OK");
    EXPECT_TRUE(clients[2]->closed());
  }
  EXPECT_TRUE(eventually([&] { return client->ask({"PUBSUB", "CHANNELS"}) == "[]"; }));
  EXPECT_EQ(client->ask({"PUBSUB", "NUMPAT"}), ":0");
  EXPECT_EQ(client->ask({"PUBLISH", "c", "x"}), ":0");
}

TEST_F(PubSubTest, IntrospectionNamesChannelsAndCounts) {
  start();
  auto a = connect();
  auto b = connect();
  auto client = connect();
  EXPECT_EQ(a->ask({"SUBSCRIBE", "news"}), "[subscribe news :1]");
  EXPECT_EQ(a->ask({"PSUBSCRIBE", "n*"}), "[psubscribe n* :2]");
  EXPECT_EQ(a->ask({"SSUBSCRIBE", "s"}), "[ssubscribe s :1]");
  EXPECT_EQ(b->ask({"SUBSCRIBE", "news"}), "[subscribe news :1]");
  EXPECT_EQ(client->ask({"PUBSUB", "CHANNELS"}), "[news]");
  EXPECT_EQ(client->ask({"PUBSUB", "CHANNELS", "x*"}), "[]");
  EXPECT_EQ(client->ask({"PUBSUB", "NUMSUB", "news", "none"}), "[news :2 none :0]");
  EXPECT_EQ(client->ask({"PUBSUB", "NUMPAT"}), ":1");
  EXPECT_EQ(client->ask({"PUBSUB", "SHARDCHANNELS"}), "[s]");
  EXPECT_EQ(client->ask({"PUBSUB", "SHARDNUMSUB", "s"}), "[s :1]");
  const std::string info = client->ask({"INFO"});
  EXPECT_EQ(line_of(info, "pubsub_channels"), "1");
  EXPECT_EQ(line_of(info, "pubsub_patterns"), "1");
  EXPECT_EQ(line_of(info, "pubsubshard_channels"), "1");
  EXPECT_EQ(line_of(info, "pubsub_clients"), "2");
  const std::string list = client->ask({"CLIENT", "LIST", "TYPE", "pubsub"});
  EXPECT_NE(list.find("flags=P db=0 sub=1 psub=1 ssub=1"), std::string::npos) << list;
  EXPECT_EQ(std::ranges::count(list, '\n'), 2);
  EXPECT_EQ(client->ask({"CLIENT", "KILL", "TYPE", "pubsub"}), ":2");
  EXPECT_TRUE(a->closed());
  EXPECT_TRUE(b->closed());
  EXPECT_EQ(client->ask({"CLIENT", "LIST", "TYPE", "pubsub"}), "");
}

TEST_F(PubSubTest, ManySubscriptionsCountAsMemoryOfTheClient) {
  start();
  auto client = connect();
  std::vector<std::string> command{"SUBSCRIBE"};
  for (int i = 0; i < 10'000; ++i) command.push_back("channel-" + std::to_string(i));
  client->send_command(command);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_EQ(client->reply(),
              "[subscribe channel-" + std::to_string(i) + " :" + std::to_string(i + 1) + "]");
  EXPECT_TRUE(eventually([&] { return server->stats().client_memory > 2'000'000; }));
  EXPECT_EQ(connect()->ask({"PUBLISH", "channel-77", "x"}), ":1");
  EXPECT_EQ(client->reply(), "[message channel-77 x]");
  client->abort();
  EXPECT_TRUE(eventually([&] { return server->stats().client_memory < 2'000'000; }));
}

// Whoever is subscribed all the time gets everything, while others come and go on both loops.
TEST_F(PubSubTest, HoldsWhileManyComeAndGo) {
  options.threads = 4;
  start();
  auto steady = subscribers(4, "c");
  for (auto& client : steady) client->ask({"PSUBSCRIBE", "c?"});
  constexpr int kPublishers = 3;
  constexpr int kMessages = 200;
  std::vector<std::thread> threads;
  for (int who = 0; who < kPublishers; ++who) {
    threads.emplace_back([&, who] {
      auto publisher = connect();
      for (int i = 0; i < kMessages; ++i) {
        const std::string text = std::to_string(who) + "." + std::to_string(i);
        publisher->ask({"PUBLISH", "c", text});
        publisher->ask({"PUBLISH", "c1", text});
      }
    });
  }
  for (int who = 0; who < 3; ++who) {
    threads.emplace_back([&] {
      for (int i = 0; i < 40; ++i) {
        auto client = connect();
        client->send(TestClient::encode({"SUBSCRIBE", "c"}) + TestClient::encode({"PSUBSCRIBE", "c*", "c?"}) +
                     TestClient::encode({"PUNSUBSCRIBE", "c*"}));
        if (i % 3 == 0) client->reply();
        if (i % 2 == 0) client->abort();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& client : steady) {
    std::vector<std::vector<int>> last(2, std::vector<int>(kPublishers, -1));
    for (int i = 0; i < 2 * kPublishers * kMessages; ++i) {
      const resp::Reply message = client->reply_tree();
      const bool pattern = message.children.at(0).text == "pmessage";
      const std::string& text = message.children.back().text;
      const auto who = static_cast<std::size_t>(text[0] - '0');
      const int number = std::stoi(text.substr(2));
      ASSERT_EQ(number, last[pattern ? 1 : 0][who] + 1) << "none is lost, and none comes twice";
      last[pattern ? 1 : 0][who] = number;
    }
  }
  steady.clear();
  auto client = connect();
  EXPECT_TRUE(eventually([&] { return client->ask({"PUBSUB", "CHANNELS"}) == "[]"; }));
  EXPECT_EQ(client->ask({"PUBSUB", "NUMPAT"}), ":0");
}

}  // namespace
}  // namespace forebay::server
