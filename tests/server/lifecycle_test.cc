// Opening, protected mode, draining.

#include <thread>

#include "layer/open.h"
#include "server/admission.h"
#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class LifecycleTest : public ServerTest {
 protected:
  std::string refusal() {
    auto opened = layer::open_layer(config::Model{});
    EXPECT_TRUE(opened);
    const auto bound = Server::open(options, **opened);
    return bound ? "" : bound.error().message;
  }
};

TEST_F(LifecycleTest, RefusesToListenBeyondThisMachineWithoutAPassword) {
  for (const char* address : {"0.0.0.0:0", ":0", "*:0", "[::]:0"}) {
    options.resp = address;
    EXPECT_NE(refusal().find("there is no password"), std::string::npos) << address;
  }
  options.password = "secret";
  options.resp = "0.0.0.0:0";
  EXPECT_EQ(refusal(), "");
  options.password.clear();
  options.protected_mode = false;
  EXPECT_EQ(refusal(), "");
}

TEST_F(LifecycleTest, RefusesMalformedAddresses) {
  for (const char* address :
       {"localhost", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "nowhere:1", "1.2.3:4"}) {
    options.resp = address;
    EXPECT_NE(refusal().find("server.resp"), std::string::npos) << address;
  }
}

TEST_F(LifecycleTest, RefusesAPortThatIsInUse) {
  start();
  options.resp = "127.0.0.1:" + std::to_string(server->resp_port());
  EXPECT_NE(refusal().find("Address already in use"), std::string::npos);
}

TEST_F(LifecycleTest, StopAnswersWhatHasArrivedAndClosesIdleClients) {
  start();
  source.shut();
  auto idle = connect();
  EXPECT_EQ(idle->ask({"PING"}), "+PONG");
  auto waiting = connect();
  waiting->send(TestClient::encode({"GET", "slow:1"}) + TestClient::encode({"SET", "k", "v"}));
  source.wait_for_loads(1);
  std::thread stopper([this] { server->stop(); });
  EXPECT_TRUE(idle->closed());
  EXPECT_FALSE(server->serving());
  source.open();
  EXPECT_EQ(waiting->reply(), "v1");
  EXPECT_EQ(waiting->reply(), "+OK");
  EXPECT_TRUE(waiting->closed());
  stopper.join();
}

TEST_F(LifecycleTest, StopGivesUpAfterTheDrainTimeout) {
  options.drain_timeout = 50ms;
  start();
  source.shut();
  auto waiting = connect();
  waiting->send_command({"GET", "slow:1"});
  source.wait_for_loads(1);
  server->stop();
  EXPECT_TRUE(waiting->closed());
}

TEST_F(LifecycleTest, AServerThatNeverStartedCanBeDestroyed) {
  EXPECT_EQ(refusal(), "");
}

TEST(Admission, KnowsLoopbackAddresses) {
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.9.9.9"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_TRUE(is_loopback("::ffff:127.0.0.1"));
  EXPECT_FALSE(is_loopback("::ffff:10.0.0.1"));
  EXPECT_FALSE(is_loopback("128.0.0.1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("localhost.example"));
}

TEST(Admission, ProtectedModeServesThisMachineOnlyUnlessThereIsAPassword) {
  EXPECT_TRUE(admits("127.0.0.1", false, true));
  EXPECT_FALSE(admits("10.0.0.1", false, true));
  EXPECT_TRUE(admits("10.0.0.1", true, true));
  EXPECT_TRUE(admits("10.0.0.1", false, false));
}

TEST(Admission, ComparesPasswordsExactly) {
  EXPECT_TRUE(equal_in_constant_time("secret", "secret"));
  for (const char* wrong : {"", "s", "secre", "secreT", "secrets", "secretsecret"}) {
    EXPECT_FALSE(equal_in_constant_time(wrong, "secret")) << wrong;
  }
  EXPECT_FALSE(equal_in_constant_time("x", ""));
  EXPECT_TRUE(equal_in_constant_time("", ""));
}

TEST(Admission, KnowsWhichHostNamesItself) {
  const std::string names[] = {"cache.internal"};
  for (const char* host : {"127.0.0.1", "127.0.0.1:8380", "10.1.2.3:80", "[::1]:8380", "[2001:db8::1]",
                           "localhost", "LOCALHOST:1", "cache.internal", "Cache.Internal.:8380"}) {
    EXPECT_TRUE(names_this_server(host, names)) << host;
  }
  for (const char* host : {"", "evil.example", "evil.example:8380", "127.0.0.1.evil.example",
                           "localhost.evil", "xcache.internal", "cache.internal.evil", "1.2.3", ":80"}) {
    EXPECT_FALSE(names_this_server(host, names)) << host;
  }
}

TEST(AuthThrottle, DoublesTheDelayUntilItIsForgotten) {
  AuthThrottle throttle;
  const Instant start{std::chrono::hours(1)};
  EXPECT_EQ(throttle.on_failure("a", start), AuthThrottle::kFirst);
  EXPECT_EQ(throttle.on_failure("a", start), 2 * AuthThrottle::kFirst);
  EXPECT_EQ(throttle.on_failure("b", start), AuthThrottle::kFirst);
  for (int i = 0; i < 20; ++i) throttle.on_failure("a", start);
  EXPECT_EQ(throttle.on_failure("a", start), AuthThrottle::kMost);
  EXPECT_EQ(throttle.on_failure("a", start + AuthThrottle::kForget + 1s), AuthThrottle::kFirst);
  throttle.on_failure("a", start + AuthThrottle::kForget + 1s);
  EXPECT_EQ(throttle.delay("a", start + AuthThrottle::kForget + 1s), 2 * AuthThrottle::kFirst);
  EXPECT_EQ(throttle.delay("a", start + 3 * AuthThrottle::kForget), 0s);
  EXPECT_EQ(throttle.delay("c", start), 0s);
  throttle.on_success("a");
  EXPECT_EQ(throttle.delay("a", start + AuthThrottle::kForget + 1s), 0s);
  EXPECT_EQ(throttle.on_failure("a", start + AuthThrottle::kForget + 1s), AuthThrottle::kFirst);
}

TEST(AuthThrottle, RemembersABoundedNumberOfHosts) {
  AuthThrottle throttle;
  Instant now{std::chrono::hours(1)};
  for (std::size_t i = 0; i <= AuthThrottle::kHosts; ++i) {
    now += 1ms;
    throttle.on_failure(std::to_string(i), now);
  }
  EXPECT_EQ(throttle.on_failure("0", now), AuthThrottle::kFirst);  // forgotten
  EXPECT_EQ(throttle.on_failure(std::to_string(AuthThrottle::kHosts), now), 2 * AuthThrottle::kFirst);
}

}  // namespace
}  // namespace forebay::server
