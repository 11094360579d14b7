// One client: pipelines, splits, order of deferred replies.

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class ConnectionTest : public ServerTest {};

TEST_F(ConnectionTest, AnswersOneCommandAfterTheOther) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
  EXPECT_EQ(client->ask({"SET", "k", "v"}), "+OK");
  EXPECT_EQ(client->ask({"GET", "k"}), "v");
  EXPECT_EQ(client->ask({"get", "k"}), "v");
  EXPECT_EQ(client->ask({"GET", "absent"}), "(nil)");
}

TEST_F(ConnectionTest, AnswersAPipelineInOrder) {
  start();
  auto client = connect();
  std::string pipeline;
  for (int i = 0; i < 5000; ++i) {
    pipeline += TestClient::encode({"SET", "k" + std::to_string(i % 7), std::to_string(i)});
    pipeline += TestClient::encode({"GET", "k" + std::to_string(i % 7)});
  }
  client->send(pipeline);
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(client->reply(), "+OK");
    ASSERT_EQ(client->reply(), std::to_string(i));
  }
}

TEST_F(ConnectionTest, EverySplitOfAStreamGivesTheSameReplies) {
  start();
  const std::string stream = TestClient::encode({"SET", "k", "a\r\nb"}) + "GET k\r\n" +
                             TestClient::encode({"NOPE", "x"}) + "*0\r\n" +
                             TestClient::encode({"MGET", "k", "k"}) + "ECHO 'a b'\r\n*1\r\n$-5\r\n";
  auto whole_client = connect();
  whole_client->send(stream);
  const std::string whole = whole_client->read_all();
  EXPECT_NE(whole.find("a b\r\n-ERR Protocol error: invalid bulk length\r\n"), std::string::npos) << whole;
  for (std::size_t split = 1; split < stream.size(); ++split) {
    auto client = connect();
    client->send(stream.substr(0, split));
    client->send(stream.substr(split));
    ASSERT_EQ(client->read_all(), whole) << split;
  }
}

TEST_F(ConnectionTest, TakesAValueOfManyReads) {
  start();
  auto client = connect();
  const std::string value(5'000'000, 'x');
  EXPECT_EQ(client->ask({"SET", "big", value}), "+OK");
  EXPECT_EQ(client->ask({"GET", "big"}), value);
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
}

TEST_F(ConnectionTest, RepliesKeepTheirOrderAroundDeferredReads) {
  start();
  source.shut();
  auto client = connect();
  client->ask({"SET", "k", "here"});
  client->send(TestClient::encode({"GET", "slow:1"}) + TestClient::encode({"GET", "k"}) +
               TestClient::encode({"GET", "slow:2"}) + TestClient::encode({"GET", "slow:-3"}) +
               TestClient::encode({"ECHO", "last"}));
  source.wait_for_loads(1);
  EXPECT_TRUE(others_are_served());
  source.open();
  EXPECT_EQ(client->reply(), "v1");
  EXPECT_EQ(client->reply(), "here");
  EXPECT_EQ(client->reply(), "v2");
  EXPECT_EQ(client->reply(), "(nil)");
  EXPECT_EQ(client->reply(), "last");
}

TEST_F(ConnectionTest, ReadsOfOnePipelineShareALoad) {
  start();
  source.shut();
  auto client = connect();
  for (const int first : {0, 500}) {
    std::string pipeline;
    for (int i = first; i < first + 500; ++i) {
      pipeline += TestClient::encode({"GET", "slow:" + std::to_string(i)});
    }
    client->send(pipeline);
    source.wait_for_loads(1);
    source.open();
    for (int i = first; i < first + 500; ++i) ASSERT_EQ(client->reply(), "v" + std::to_string(i));
  }
  EXPECT_EQ(source.batches(), (std::vector<std::size_t>{500, 500}));
}

TEST_F(ConnectionTest, AWriteWaitsForTheReadsBeforeIt) {
  start();
  source.shut();
  auto client = connect();
  client->send(TestClient::encode({"GET", "slow:1"}) + TestClient::encode({"SET", "after", "x"}) +
               TestClient::encode({"GET", "after"}));
  source.wait_for_loads(1);
  auto other = connect();
  EXPECT_EQ(other->ask({"GET", "after"}), "(nil)");
  source.open();
  EXPECT_EQ(client->reply(), "v1");
  EXPECT_EQ(client->reply(), "+OK");
  EXPECT_EQ(client->reply(), "x");
}

TEST_F(ConnectionTest, AClientThatLeavesDoesNotDisturbItsLoads) {
  start();
  source.shut();
  {
    auto client = connect();
    client->send_command({"GET", "slow:1"});
    source.wait_for_loads(1);
    client->abort();
  }
  EXPECT_TRUE(eventually([this] { return server->stats().clients == 0; }));
  source.open();
  EXPECT_EQ(connect()->ask({"GET", "slow:1"}), "v1");
}

TEST_F(ConnectionTest, AClientThatEndsSendingStillGetsItsReplies) {
  start();
  source.shut();
  auto client = connect();
  client->send(TestClient::encode({"GET", "slow:1"}) + TestClient::encode({"PING"}));
  client->end_sending();
  source.wait_for_loads(1);
  source.open();
  EXPECT_EQ(client->reply(), "v1");
  EXPECT_EQ(client->reply(), "+PONG");
  EXPECT_TRUE(client->closed());
}

TEST_F(ConnectionTest, QuitAnswersAndCloses) {
  start();
  auto client = connect();
  client->send(TestClient::encode({"PING"}) + TestClient::encode({"QUIT"}) + TestClient::encode({"PING"}));
  EXPECT_EQ(client->reply(), "+PONG");
  EXPECT_EQ(client->reply(), "+OK");
  EXPECT_TRUE(client->closed());
}

TEST_F(ConnectionTest, ReplyModesSilenceWhatTheySay) {
  start();
  auto client = connect();
  client->send(TestClient::encode({"CLIENT", "REPLY", "OFF"}) + TestClient::encode({"PING"}) +
               TestClient::encode({"CLIENT", "REPLY", "ON"}));
  EXPECT_EQ(client->reply(), "+OK");
  client->send(TestClient::encode({"CLIENT", "REPLY", "SKIP"}) + TestClient::encode({"ECHO", "a"}) +
               TestClient::encode({"GET", "slow:1"}));
  EXPECT_EQ(client->reply(), "v1");
  client->send(TestClient::encode({"CLIENT", "REPLY", "SKIP"}) + TestClient::encode({"GET", "slow:2"}) +
               TestClient::encode({"ECHO", "b"}));
  EXPECT_EQ(client->reply(), "b");
}

TEST_F(ConnectionTest, ManyClientsAreServedAtOnce) {
  start();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 200; ++i) clients.push_back(connect());
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < clients.size(); ++i) clients[i]->send_command({"ECHO", std::to_string(i)});
    for (std::size_t i = 0; i < clients.size(); ++i) ASSERT_EQ(clients[i]->reply(), std::to_string(i));
  }
  EXPECT_EQ(server->stats().clients, 200u);
}

}  // namespace
}  // namespace forebay::server
