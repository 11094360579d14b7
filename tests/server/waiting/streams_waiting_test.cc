// Clients that wait for entries of streams, over sockets and on several loops.

#include <algorithm>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "server/server_fixture.h"
#include "server/tracking/key_feed.h"

namespace forebay::server {
namespace {

using Args = std::vector<std::string>;

class StreamsWaitingTest : public ServerTest {
 protected:
  StreamsWaitingTest() { options.threads = 4; }

  std::size_t waiting() { return server->key_feed().waiters().size(); }
  std::unique_ptr<TestClient> waits(const Args& command) {
    const std::size_t before = waiting();
    auto client = connect();
    client->send_command(command);
    EXPECT_TRUE(eventually([&] { return waiting() == before + 1; })) << command[0];
    return client;
  }
};

TEST_F(StreamsWaitingTest, AllWhoWaitForAStreamGetTheEntry) {
  start();
  auto writer = connect();
  writer->ask({"XADD", "s", "1-0", "f", "v"});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(waits({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"}));
  auto patient = waits({"XREAD", "BLOCK", "0", "STREAMS", "s", "5-0"});
  for (int i = 0; i < 4; ++i)
    clients.push_back(waits({"XREAD", "BLOCK", "0", "STREAMS", "other", "s", "0", "1"}));
  writer->ask({"XADD", "s", "2-0", "f", "w"});
  for (auto& client : clients) EXPECT_EQ(client->reply(), "[[s [[2-0 [f w]]]]]");
  EXPECT_EQ(waiting(), 1u) << "who wants later ones is passed over";
  writer->ask({"XADD", "s", "6-0", "f", "x"});
  EXPECT_EQ(patient->reply(), "[[s [[6-0 [f x]]]]]");
}

TEST_F(StreamsWaitingTest, WhatIsThereIsAnsweredAtOnceAndOfAllStreams) {
  start();
  auto client = connect();
  client->ask({"XADD", "a", "1-0", "f", "v"});
  client->ask({"XADD", "b", "1-0", "f", "v"});
  EXPECT_EQ(client->ask({"XREAD", "BLOCK", "0", "STREAMS", "a", "none", "b", "0", "0", "0"}),
            "[[a [[1-0 [f v]]]] [b [[1-0 [f v]]]]]");
}

TEST_F(StreamsWaitingTest, InResp3ItIsAMap) {
  start();
  auto client = connect();
  client->ask({"HELLO", "3"});
  client->send_command({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
  EXPECT_TRUE(eventually([&] { return waiting() == 1; }));
  connect()->ask({"XADD", "s", "1-0", "f", "v"});
  const resp::Reply reply = client->reply_tree();
  EXPECT_EQ(reply.kind, resp::ReplyKind::kMap);
  EXPECT_EQ(reply.children.at(0).text, "s");
}

TEST_F(StreamsWaitingTest, OneOfAGroupGetsAnEntry) {
  start();
  auto writer = connect();
  writer->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  writer->ask({"XGROUP", "CREATE", "s", "h", "$"});
  auto first = waits({"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0", "STREAMS", "s", ">"});
  auto second = waits({"XREADGROUP", "GROUP", "g", "b", "BLOCK", "0", "STREAMS", "s", ">"});
  auto other = waits({"XREADGROUP", "GROUP", "h", "a", "BLOCK", "0", "STREAMS", "s", ">"});
  EXPECT_EQ(writer->ask({"XINFO", "GROUPS", "s"}).find("[name g consumers :2"), 1u)
      << "who waits is a consumer already";
  writer->ask({"XADD", "s", "1-0", "f", "v"});
  EXPECT_EQ(first->reply(), "[[s [[1-0 [f v]]]]]");
  EXPECT_EQ(other->reply(), "[[s [[1-0 [f v]]]]]");
  EXPECT_EQ(waiting(), 1u);
  EXPECT_EQ(writer->ask({"XPENDING", "s", "g"}), "[:1 1-0 1-0 [[a 1]]]");
  writer->ask({"XADD", "s", "2-0", "f", "w"});
  EXPECT_EQ(second->reply(), "[[s [[2-0 [f w]]]]]");
  EXPECT_EQ(writer->ask({"XPENDING", "s", "g"}), "[:2 1-0 2-0 [[a 1] [b 1]]]");
}

TEST_F(StreamsWaitingTest, AGroupThatGoesIsToldToWhoWaitsInIt) {
  start();
  auto writer = connect();
  const std::string gone = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
  for (const Args& end : {Args{"XGROUP", "DESTROY", "s", "g"}, Args{"DEL", "s"}}) {
    writer->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
    auto client = waits({"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0", "STREAMS", "s", ">"});
    writer->ask(end);
    EXPECT_EQ(client->reply(), gone) << end[0];
  }
  writer->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  auto client = waits({"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0", "STREAMS", "s", ">"});
  writer->ask({"SET", "s", "x"});
  EXPECT_EQ(client->reply(), "-WRONGTYPE Operation against a key holding the wrong kind of value");
  // Who waits for a stream only waits on.
  auto reader = waits({"XREAD", "BLOCK", "0", "STREAMS", "s2", "$"});
  writer->ask({"SET", "s2", "x"});
  writer->ask({"DEL", "s2"});
  writer->ask({"XADD", "s2", "1-0", "f", "v"});
  EXPECT_EQ(reader->reply(), "[[s2 [[1-0 [f v]]]]]");
}

TEST_F(StreamsWaitingTest, TheirTimeIsInMilliseconds) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"XREAD", "BLOCK", "20", "STREAMS", "s", "$"}), "(nil)");
  client->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  EXPECT_EQ(client->ask({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "20", "STREAMS", "s", ">"}), "(nil)");
  EXPECT_EQ(client->ask({"XREAD", "BLOCK", "-1", "STREAMS", "s", "$"}), "-ERR timeout is negative");
  EXPECT_EQ(client->ask({"XREAD", "BLOCK", "x", "STREAMS", "s", "$"}),
            "-ERR timeout is not an integer or out of range");
}

TEST_F(StreamsWaitingTest, ATransactionDoesNotWait) {
  start();
  auto client = connect();
  client->ask({"MULTI"});
  client->ask({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
  EXPECT_EQ(client->ask({"EXEC"}), "[(nil)]");
  auto waiter = waits({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
  client->ask({"MULTI"});
  client->ask({"XADD", "s", "1-0", "f", "v"});
  client->ask({"XADD", "s", "2-0", "f", "w"});
  client->ask({"EXEC"});
  EXPECT_EQ(waiter->reply(), "[[s [[1-0 [f v]] [2-0 [f w]]]]]") << "served once all of it is done";
}

TEST_F(StreamsWaitingTest, EveryEntryIsDeliveredExactlyOnce) {
  constexpr int kEntries = 400;
  constexpr int kReaders = 4;
  start();
  auto writer = connect();
  writer->ask({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
  std::vector<std::vector<std::string>> got(kReaders);
  std::vector<std::thread> readers;
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < kReaders; ++i) clients.push_back(connect());
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&, i] {
      for (;;) {
        clients[i]->send_command(
            {"XREADGROUP", "GROUP", "g", std::to_string(i), "BLOCK", "0", "COUNT", "1", "STREAMS", "s", ">"});
        const resp::Reply reply = clients[i]->reply_tree();
        if (reply.children.empty()) return;  // the group is gone, or an error
        got[i].push_back(reply.children[0].children.at(1).children.at(0).children.at(0).text);
      }
    });
  }
  for (int i = 1; i <= kEntries; ++i) writer->ask({"XADD", "s", std::to_string(i) + "-0", "f", "v"});
  EXPECT_TRUE(eventually([&] {
    return writer->ask({"XPENDING", "s", "g"}).starts_with("[:" + std::to_string(kEntries) + " ");
  }));
  writer->ask({"XGROUP", "DESTROY", "s", "g"});
  for (std::thread& reader : readers) reader.join();
  std::multiset<std::string> all;
  for (const auto& ids : got) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), static_cast<std::size_t>(kEntries));
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), static_cast<std::size_t>(kEntries));
}

}  // namespace
}  // namespace forebay::server
