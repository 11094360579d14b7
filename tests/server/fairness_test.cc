// Clients that ask for much: others are served meanwhile, and memory stays bounded.

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "layer/open.h"
#include "server/resp/turn.h"
#include "server/server_fixture.h"
#include "support/resident.h"

namespace forebay::server {
namespace {

using test::kResidentIsOurs;
using test::resident_bytes;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Moves a millisecond each time it is looked at, and calls back before a chosen one of these looks.
class TickingClock final : public Clock {
 public:
  Instant now() const override {
    const int look = ++looks_;
    if (look == at_look_.load()) on_look_();
    return system_clock().now() + look * Turn::kLength;
  }
  std::int64_t to_wall_ms(Instant at) const override { return system_clock().to_wall_ms(at); }
  Instant from_wall_ms(std::int64_t unix_ms) const override { return system_clock().from_wall_ms(unix_ms); }
  // Call from the loop's thread or while nothing is served.
  void before_looks(int more, std::function<void()> call) {
    on_look_ = std::move(call);
    at_look_ = looks_ + more;
  }

 private:
  mutable std::atomic<int> looks_{0};
  std::atomic<int> at_look_{-1};
  std::function<void()> on_look_;
};

class FairnessTest : public ServerTest {
 protected:
  std::size_t client_memory() { return server->stats().client_memory; }
};

class TurnTest : public ServerTest {
 protected:
  ~TurnTest() override {
    server.reset();
    layer.reset();
  }

  TickingClock ticking;
};

TEST_F(TurnTest, ATurnEndsByTimeNotByACountOfCommands) {
  Environment environment;
  environment.clock = &ticking;
  config::Model plain;
  auto opened = layer::open_layer(plain, std::move(environment));
  ASSERT_TRUE(opened);
  layer = std::move(*opened);
  options.threads = 1;
  auto bound = Server::open(options, *layer);
  ASSERT_TRUE(bound);
  server = std::move(*bound);
  server->start();
  auto hog = connect();
  auto other = connect();
  ASSERT_EQ(hog->ask({"SET", "a", "v"}), "+OK");
  ASSERT_EQ(other->ask({"PING"}), "+PONG");
  // One receive brings all of them, and they are fewer than a turn may have.
  constexpr int kCommands = 900;
  std::string pipeline;
  for (int i = 0; i < kCommands; ++i) pipeline += "COPY a b\r\n";
  std::atomic<bool> asked = false;
  // While the hog is being served the other one asks how far it has come.
  ticking.before_looks(40, [&] {
    other->send_command({"INFO", "commandstats"});
    asked = true;
  });
  hog->send(pipeline);
  const std::string stats = other->reply();
  ASSERT_TRUE(asked);
  const std::size_t at = stats.find("cmdstat_copy:calls=");
  ASSERT_NE(at, std::string::npos) << stats;
  EXPECT_LT(std::stoi(stats.substr(at + std::string("cmdstat_copy:calls=").size())), 100);
  for (int i = 0; i < kCommands; ++i) ASSERT_EQ(hog->reply(), i == 0 ? ":1" : ":0");
}

TEST_F(FairnessTest, LargeValuesAreNotCopiedIntoReplies) {
  options.max_output_buffer = std::size_t{1} << 30;
  options.max_client_memory = 0;
  start();
  auto writer = connect();
  const std::string value(kMiB, 'x');
  ASSERT_EQ(writer->ask({"SET", "big", value}), "+OK");
  auto reader = connect(4096);
  const std::size_t before = resident_bytes();
  std::vector<std::string> mget{"MGET"};
  for (int i = 0; i < 100; ++i) mget.push_back("big");
  reader->send_command(mget);
  reader->send_command({"GETRANGE", "big", "1", "-1"});
  reader->send_command({"PING"});
  ASSERT_TRUE(eventually([&] { return client_memory() > 50 * kMiB; }));
  EXPECT_LT(resident_bytes(), before + 32 * kMiB);
  const resp::Reply reply = reader->reply_tree();
  ASSERT_EQ(reply.children.size(), 100u);
  for (const resp::Reply& each : reply.children) ASSERT_EQ(each.text, value);
  EXPECT_EQ(reader->reply_tree().text, value.substr(1));
  EXPECT_EQ(reader->reply(), "+PONG");
}

TEST_F(FairnessTest, OneRequestDoesNotBuildAReplyThatNobodyMayHave) {
  start();
  auto writer = connect();
  ASSERT_EQ(writer->ask({"SET", "k", std::string(10'000, 'x')}), "+OK");
  const std::size_t before = resident_bytes();
  auto greedy = connect(4096);
  std::vector<std::string> mget{"MGET"};
  for (int i = 0; i < 50'000; ++i) mget.push_back("k");  // 500 MB
  greedy->send_command(mget);
  EXPECT_TRUE(eventually([this] { return server->stats().closed_output == 1; }));
  if (kResidentIsOurs) {
    EXPECT_LT(resident_bytes(), before + 2 * options.max_output_buffer);
  }
  EXPECT_TRUE(others_are_served());
}

TEST_F(FairnessTest, HalfSentRequestsOfAllClientsTogetherHaveABound) {
  options.max_client_memory = 32 * kMiB;
  options.request_timeout = 0ms;
  start();
  auto modest = connect();
  std::vector<std::unique_ptr<TestClient>> clients;
  const std::string half = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8000000\r\n" + std::string(4'000'000, 'y');
  for (int i = 0; i < 12; ++i) clients.push_back(connect());
  std::vector<std::thread> senders;
  for (auto& client : clients) senders.emplace_back([&client, &half] { client->send(half); });
  // Those that are not read from wait for those that hold the memory; the largest goes once they have waited
  // for long.
  EXPECT_TRUE(eventually([this] {
    EXPECT_LT(client_memory(), 3 * options.max_client_memory / 2);
    clock.advance(1s);
    return server->stats().closed_memory >= 4;
  }));
  EXPECT_EQ(modest->ask({"SET", "small", "v"}), "+OK");
  for (auto& client : clients) ::shutdown(client->descriptor(), SHUT_RDWR);  // wakes who sends
  for (std::thread& sender : senders) sender.join();
  for (auto& client : clients) client->abort();
  EXPECT_TRUE(eventually([this] { return client_memory() < 2 * kMiB; }));
  EXPECT_EQ(modest->ask({"GET", "small"}), "v");
}

TEST_F(FairnessTest, QueuedTransactionsCountAsTheirClientsMemory) {
  options.max_client_memory = 16 * kMiB;
  start();
  auto client = connect();
  ASSERT_EQ(client->ask({"MULTI"}), "+OK");
  const std::string value(200'000, 'v');
  for (int i = 0; i < 200 && server->stats().closed_memory == 0; ++i) {
    client->send_command({"SET", "k", value});
    clock.advance(100ms);
  }
  EXPECT_TRUE(eventually([this] {
    clock.advance(1s);
    return server->stats().closed_memory == 1;
  }));
  EXPECT_TRUE(others_are_served());
}

TEST_F(FairnessTest, TheBoundOfClientMemoryIsSeenAndMayChange) {
  start();
  auto client = connect();
  EXPECT_NE(client->ask({"INFO", "memory"}).find("maxmemory_clients:536870912"), std::string::npos);
  EXPECT_NE(client->ask({"INFO", "stats"}).find("evicted_clients:0"), std::string::npos);
  EXPECT_EQ(client->ask({"CONFIG", "SET", "maxmemory-clients", "64mb"}), "+OK");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxmemory-clients"}), "[maxmemory-clients 67108864]");
  EXPECT_TRUE(
      client->ask({"CONFIG", "SET", "maxmemory-clients", "1mb"}).starts_with("-ERR CONFIG SET failed"));
}

// More keys than may wait for the source.
TEST_F(FairnessTest, VeryManyKeysAreAskedForInParts) {
  model.sources[0].max_queue = 2'500;
  start();
  auto client = connect();
  constexpr int kKeys = 9'000;
  std::vector<std::string> mget{"MGET"};
  for (int i = 0; i < kKeys; ++i) mget.push_back("slow:" + std::to_string(i));
  client->send_command(mget);
  resp::Reply reply = client->reply_tree();
  ASSERT_EQ(reply.children.size(), static_cast<std::size_t>(kKeys)) << reply.text;
  for (int i = 0; i < kKeys; ++i)
    ASSERT_EQ(reply.children[static_cast<std::size_t>(i)].text, "v" + std::to_string(i));
  // One that the source refuses, in a later part.
  mget[7'000] = "slow:!";
  for (std::size_t i = 1; i < mget.size(); ++i) {
    if (i != 7'000) mget[i] = "slow:x" + std::to_string(i);
  }
  EXPECT_TRUE(client->ask(mget).starts_with("-REFUSED")) << "the first error";
}

TEST_F(FairnessTest, ALoadedReplyBeyondTheOutputBufferIsRefused) {
  options.max_output_buffer = kMiB;
  source.least_size = 1'000;
  start();
  auto client = connect();
  std::vector<std::string> mget{"MGET"};
  for (int i = 0; i < 9'000; ++i) mget.push_back("slow:" + std::to_string(i));
  EXPECT_TRUE(client->ask(mget).starts_with("-ERR the values come to more than server.max_output_buffer"));
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
}

class LoginTest : public ServerTest {
 protected:
  LoginTest() { options.password = "secret"; }
};

TEST_F(LoginTest, ThoseThatHaveNotLoggedInKeepNobodyOut) {
  options.max_clients = 20;
  start();
  auto known = connect();
  ASSERT_EQ(known->ask({"AUTH", "secret"}), "+OK");
  std::vector<std::unique_ptr<TestClient>> idle;
  for (int i = 0; i < 40; ++i) idle.push_back(connect());
  auto late = connect();
  EXPECT_EQ(late->ask({"AUTH", "secret"}), "+OK");
  EXPECT_EQ(known->ask({"PING"}), "+PONG");
  EXPECT_TRUE(eventually([this] { return server->stats().clients <= 20; }));
  EXPECT_TRUE(eventually([this] { return server->stats().closed_login >= 10; }));
}

TEST_F(LoginTest, WhoDoesNotLogInInTimeIsClosed) {
  start();
  auto known = connect();
  ASSERT_EQ(known->ask({"AUTH", "secret"}), "+OK");
  auto unknown = connect();
  unknown->ask({"PING"});
  auto reset = connect();
  ASSERT_EQ(reset->ask({"AUTH", "secret"}), "+OK");
  ASSERT_EQ(reset->ask({"RESET"}), "+RESET");
  clock.advance(options.login_timeout + 1s);
  EXPECT_TRUE(unknown->closed());
  EXPECT_TRUE(reset->closed());
  EXPECT_EQ(known->ask({"PING"}), "+PONG");
  EXPECT_EQ(server->stats().closed_login, 2u);
}

// Else a guess could be given up as wrong as soon as it isn't answered at once.
TEST_F(LoginTest, ARightPasswordWaitsAsLongAsAWrongOneWould) {
  start();
  auto client = connect();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(client->ask({"AUTH", "wrong"}).starts_with("-WRONGPASS"));
  // The answer is deferred: what is asked behind it waits.
  const std::string both = TestClient::encode({"HELLO", "3", "AUTH", "default", "secret", "SETNAME", "ada"}) +
                           TestClient::encode({"CLIENT", "GETNAME"});
  client->send(both);
  EXPECT_TRUE(client->reply().starts_with("{server redis"));
  EXPECT_EQ(client->reply(), "ada");
}

}  // namespace
}  // namespace forebay::server
