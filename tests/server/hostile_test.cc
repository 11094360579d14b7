// Broken, hostile and slow clients: they get an error or a closed connection, and nobody else notices.

#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "server/resp/reply_queue.h"
#include "server/server_fixture.h"
#include "support/resident.h"

namespace forebay::server {
namespace {

using test::resident_bytes;

class HostileTest : public ServerTest {
 protected:
  // A client that asks for `keys` cold keys of 20 kB at once, with an output limit of 1 MiB, and has read
  // nothing when more than that has been loaded for it.
  std::unique_ptr<TestClient> greedy_client(std::size_t keys) {
    options.max_output_buffer = std::size_t{1} << 20;
    source.least_size = 20'000;
    start();
    auto client = connect(4096);
    const std::string id = client->ask({"CLIENT", "ID"}).substr(1);
    std::string pipeline;
    for (std::size_t i = 0; i < keys; ++i) {
      pipeline += TestClient::encode({"GET", "slow:" + std::to_string(i)});
    }
    client->send(pipeline);
    auto other = connect();
    EXPECT_TRUE(eventually([&] {
      const std::string line = other->ask({"CLIENT", "LIST", "ID", id});
      const std::size_t at = line.find(" omem=");
      return at != std::string::npos && std::stoul(line.substr(at + 6)) > options.max_output_buffer;
    }));
    return client;
  }
};

TEST_F(HostileTest, MalformedFramesGetAnErrorAndAreClosed) {
  start();
  connect()->ask({"PING"});
  const std::size_t before = resident_bytes();
  const std::pair<std::string, std::string> cases[] = {
      {"*2147483648\r\n", "invalid multibulk length"},   {"*1\r\n$-2\r\n", "invalid bulk length"},
      {"*1\r\n$99999999999\r\n", "invalid bulk length"}, {"*1\r\nx\r\n", "expected '$', got 'x'"},
      {"SET 'k\r\n", "unbalanced quotes in request"},    {std::string(70'000, 'a'), "too big inline request"},
  };
  for (const auto& [frame, error] : cases) {
    auto client = connect();
    client->send("PING\r\n" + frame);
    EXPECT_EQ(client->read_all(), "+PONG\r\n-ERR Protocol error: " + error + "\r\n");
  }
  EXPECT_LT(resident_bytes(), before + (std::size_t{8} << 20));
  EXPECT_TRUE(others_are_served());
}

TEST_F(HostileTest, AnnouncedSizesCostNothing) {
  start();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 100; ++i) clients.push_back(connect());
  for (auto& client : clients) client->ask({"PING"});
  const std::size_t before = resident_bytes();
  for (auto& client : clients) client->send("*1000000\r\n$67108864\r\nabc");
  for (auto& client : clients) client->send("d");
  EXPECT_TRUE(others_are_served());
  EXPECT_TRUE(eventually([this] { return server->stats().bytes_in >= 100 * 24; }));
  EXPECT_LT(resident_bytes(), before + (std::size_t{8} << 20));
}

TEST_F(HostileTest, LimitsAreTighterWithoutThePassword) {
  options.password = "secret";
  start();
  auto client = connect();
  client->send("*11\r\n");
  EXPECT_EQ(client->read_all(), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  client = connect();
  client->send("*1\r\n$16385\r\n");
  EXPECT_EQ(client->read_all(), "-ERR Protocol error: unauthenticated bulk length\r\n");
  client = connect();
  EXPECT_EQ(client->ask({"AUTH", "secret"}), "+OK");
  EXPECT_EQ(client->ask({"SET", "k", std::string(20'000, 'x')}), "+OK");
}

TEST_F(HostileTest, OtherProtocolsAreClosedWithoutAWord) {
  start();
  for (const std::string_view opening :
       {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "POST / HTTP/1.1\r\n\r\nSET k v\r\n",
        "Host: x\r\nSET k v\r\n", "\x16\x03\x01\x02\x00\x01\x00"}) {
    auto client = connect();
    client->send(opening);
    EXPECT_EQ(client->read_all(), "");
  }
  EXPECT_EQ(connect()->ask({"GET", "k"}), "(nil)");
}

TEST_F(HostileTest, AClientThatDoesNotReadIsClosedAtTheOutputLimit) {
  options.max_output_buffer = std::size_t{4} << 20;
  start();
  auto client = connect(4096);
  ASSERT_EQ(client->ask({"SET", "big", std::string(std::size_t{3} << 20, 'x')}), "+OK");
  const std::size_t before = resident_bytes();
  std::string flood = TestClient::encode({"MGET", "big", "big", "big", "big"});
  for (int i = 0; i < 5; ++i) flood += flood;
  client->send(flood);
  EXPECT_TRUE(eventually([this] { return server->stats().closed_output == 1; }));
  EXPECT_LT(resident_bytes(), before + (std::size_t{64} << 20));
  EXPECT_TRUE(others_are_served());
}

TEST_F(HostileTest, AClientWithoutThePasswordIsClosedAtATighterLimit) {
  options.password = "secret";
  start();
  auto client = connect(2048);
  std::string flood;
  for (int i = 0; i < 10'000; ++i) flood += "PING\r\n";
  for (int i = 0; i < 200 && server->stats().closed_output == 0; ++i) {
    if (!client->send(flood)) break;
  }
  EXPECT_TRUE(eventually([this] { return server->stats().closed_output == 1; }));
}

TEST_F(HostileTest, ASlowReaderGetsEverythingAndHoldsNobodyUp) {
  options.max_output_buffer = std::size_t{4} << 20;
  start();
  auto client = connect(4096);
  const std::string value(std::size_t{1} << 20, 'x');
  ASSERT_EQ(client->ask({"SET", "big", value}), "+OK");
  std::string pipeline;
  for (int i = 0; i < 64; ++i) pipeline += TestClient::encode({"GET", "big"});
  client->send(pipeline);
  EXPECT_TRUE(others_are_served());
  for (int i = 0; i < 64; ++i) {
    ASSERT_EQ(client->reply(), value) << i;
  }
  EXPECT_EQ(server->stats().closed_output, 0u);
}

TEST_F(HostileTest, ColdReadsOfAGreedyPipelineStayWithinTheOutputLimit) {
  constexpr std::size_t kKeys = 1500;
  auto client = greedy_client(kKeys);
  for (std::size_t i = 0; i < kKeys; ++i) {
    const std::string value = client->reply();
    ASSERT_EQ(value.size(), source.least_size) << i;
    ASSERT_TRUE(value.starts_with("v" + std::to_string(i) + ".")) << i;
  }
  EXPECT_EQ(server->stats().closed_output, 0u);
  // After the first ones, whose size was unknown, no more at once than fit into half of the limit.
  std::size_t keys = 0;
  for (const std::size_t batch : source.batches()) {
    if (keys >= ReplyQueue::kMaxOpen) {
      EXPECT_LE(batch, options.max_output_buffer / 2 / source.least_size + 1) << "after " << keys << " keys";
    }
    keys += batch;
  }
  EXPECT_EQ(keys, kKeys);
}

TEST_F(HostileTest, AGreedyReaderOfColdKeysThatTakesNothingIsClosed) {
  auto client = greedy_client(1500);
  EXPECT_TRUE(eventually([this] {
    clock.advance(options.request_timeout / 10);
    return server->stats().closed_idle == 1;
  }));
  EXPECT_TRUE(others_are_served());
}

TEST_F(HostileTest, AHalfSentRequestIsClosedAfterTheRequestTimeout) {
  start();
  auto idle = connect();
  EXPECT_EQ(idle->ask({"PING"}), "+PONG");
  auto client = connect();
  client->send("*2\r\n$3\r\nGET\r\n$1");
  EXPECT_TRUE(
      eventually([&] { return idle->ask({"CLIENT", "LIST"}).find(" qbuf=15 ") != std::string::npos; }));
  clock.advance(options.request_timeout + 1s);
  EXPECT_TRUE(client->closed());
  EXPECT_EQ(idle->ask({"PING"}), "+PONG");
}

TEST_F(HostileTest, ASilentClientIsClosedAfterTheIdleTimeout) {
  options.idle_timeout = 60s;
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
  clock.advance(50s);
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
  clock.advance(61s);
  EXPECT_TRUE(client->closed());
}

TEST_F(HostileTest, AClientThatWaitsForALoadIsNotIdle) {
  options.idle_timeout = 5s;
  start();
  source.shut();
  auto client = connect();
  client->send_command({"GET", "slow:1"});
  source.wait_for_loads(1);
  auto silent = connect();
  EXPECT_EQ(silent->ask({"PING"}), "+PONG");
  clock.advance(6s);
  EXPECT_TRUE(silent->closed());
  source.open();
  EXPECT_EQ(client->reply(), "v1");
}

TEST_F(HostileTest, ResetsInTheMiddleLeaveNothingBehind) {
  start();
  for (int i = 0; i < 50; ++i) {
    auto client = connect();
    client->send(TestClient::encode({"SET", "k", std::string(100'000, 'x')}) +
                 TestClient::encode({"GET", "k"}));
    client->abort();
  }
  EXPECT_TRUE(eventually([this] { return server->stats().clients == 0; }));
}

TEST_F(HostileTest, ClientsBeyondTheLimitAreTurnedAway) {
  options.max_clients = 2;
  start();
  auto first = connect();
  auto second = connect();
  EXPECT_EQ(first->ask({"PING"}), "+PONG");
  EXPECT_EQ(second->ask({"PING"}), "+PONG");
  EXPECT_EQ(connect()->read_all(), "-ERR max number of clients reached\r\n");
  second.reset();
  EXPECT_TRUE(eventually([this] { return server->stats().clients == 1; }));
  EXPECT_EQ(connect()->ask({"PING"}), "+PONG");
}

TEST_F(HostileTest, AcceptingResumesWhenDescriptorsAreFreeAgain) {
  options.threads = 1;
  start();
  rlimit saved{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &saved), 0);
  auto keeps = connect();
  EXPECT_EQ(keeps->ask({"PING"}), "+PONG");
  // The client's socket exists already; the server's end can't be accepted.
  const int spare = ::socket(AF_INET, SOCK_STREAM, 0);
  const rlimit none{static_cast<rlim_t>(spare), saved.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server->resp_port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(spare, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(keeps->ask({"PING"}), "+PONG");
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &saved), 0);
  EXPECT_TRUE(eventually([this] { return server->stats().clients == 2; }));
  ::close(spare);
}

TEST_F(HostileTest, AMillionArgumentsAreOneError) {
  start();
  auto client = connect();
  std::string request = "*1000000\r\n$4\r\nNOPE\r\n";
  for (int i = 1; i < 1'000'000; ++i) request += "$1\r\na\r\n";
  EXPECT_TRUE(client->send(request));
  EXPECT_TRUE(client->reply().starts_with("-ERR unknown command 'NOPE', with args beginning with: 'a' 'a' "));
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
}

}  // namespace
}  // namespace forebay::server
