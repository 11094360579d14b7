// The same clients that wait for keys, on Forebay and on Debian's redis-server: each of them gets the same replies,
// RESP2 and RESP3.
//
// A scenario is one command after the other, each by a client of its own name. One that waits is asked for its reply
// when somebody says `reply`, so what comes later shows who was served.

#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "clients/served.h"
#include "support/eventually.h"
#include "support/process.h"
#include "support/test_client.h"

namespace forebay {
namespace {

constexpr const char* kScenarios[] = {
    // In the order in which they came, several by one push.
    "a> BLPOP k 0 | b> BRPOP k 0 | c> BLPOP j k 0 | p RPUSH k 1 2 3 4 | a reply | b reply | c reply | p "
    "LRANGE k 0 -1",
    // A key of another type.
    "a> BLPOP k 0 | p SET k x | b BLPOP k 0 | p DEL k | p LPUSH k y | a reply | p EXISTS k",
    "a> BZPOPMIN k 0 | b> BLPOP k 0 | p RPUSH k 1 2 | b reply | p DEL k | p ZADD k 1 m 2 n | a reply | p "
    "ZRANGE k 0 -1",
    // Moves, and who waits for their target.
    "a> BLMOVE s d LEFT RIGHT 0 | b> BLPOP d 0 | p RPUSH s 1 2 | a reply | b reply | p LLEN s | p EXISTS d",
    "p SET d x | a> BLMOVE s d LEFT RIGHT 0 | b> BLPOP s 0 | p RPUSH s 1 | a reply | b reply",
    "a> BRPOPLPUSH k k 0 | p RPUSH k 1 2 | a reply | p LRANGE k 0 -1",
    // Transactions and scripts.
    "a> BLPOP k 0 | p MULTI | p LPUSH k a | p LPUSH k b | p EXEC | a reply | p LRANGE k 0 -1",
    "a> BLPOP k 0 | p MULTI | p LPUSH k a | p DEL k | p EXEC | p LPUSH k z | a reply",
    "a> BLPOP k1 k2 0 | p MULTI | p LPUSH k2 a | p LPUSH k1 b | p EXEC | a reply | p LRANGE k1 0 -1",
    "a MULTI | a BLMOVE a b LEFT RIGHT 0 | a BRPOPLPUSH a b 0 | a BLPOP a 0 | a BLMPOP 0 1 a LEFT | a "
    "BZPOPMIN a 0 | "
    "a BZMPOP 0 1 a MIN | a EXEC",
    // Other ways to come to be.
    "a> BLPOP k 0 | p RPUSH o 1 2 | p RENAME o k | a reply | p LRANGE k 0 -1",
    "a> BLPOP k 0 | p RPUSH o 1 2 | p COPY o k | a reply | p LRANGE k 0 -1",
    "a> BZPOPMAX k 0 | p ZADD o 1 a 2 b | p ZUNIONSTORE k 1 o | a reply | p ZRANGE k 0 -1",
    // Several at once.
    "a> BLMPOP 0 2 k l RIGHT COUNT 2 | p RPUSH l 1 2 3 | a reply | p LRANGE l 0 -1",
    "a> BZMPOP 0 2 k l MAX COUNT 2 | p ZADD l 1 a 2 b 3 c | a reply | p ZRANGE l 0 -1",
    "a> BLPOP k k k 0 | p RPUSH k 1 2 | a reply | p LLEN k",
    // Time is up.
    "a BLPOP k 0.01 | a BLMOVE k l LEFT LEFT 0.01 | a BRPOPLPUSH k l 0.01 | a BLMPOP 0.01 1 k LEFT | "
    "a BZPOPMAX k 0.01 | a BZMPOP 0.01 1 k MIN | p RPUSH k 1 | p LLEN k",
    // Mistakes.
    "a BLMOVE a b LEFT X 0 | a BLMOVE a b LEFT RIGHT x | a BLMPOP 0 0 a LEFT | a BLMPOP x 0 a LEFT | a "
    "BLMPOP 0 1 a X | "
    "a BLMPOP 0 3 a LEFT | a BLMPOP -1 3 a LEFT | a BLPOP l -1 | a BLPOP l x | a BLPOP l nan | a BZMPOP 0 1 "
    "z x | "
    "a BZMPOP z 1 st MIN | a BLPOP | a BLPOP k",
    "a SET st x | a RPUSH l 1 | a BLPOP st 0 | a BLPOP st l 0 | a BLMOVE st b LEFT LEFT 0 | a BLMOVE l st "
    "LEFT LEFT 0 | "
    "a BZPOPMIN st 0 | a BZMPOP 0 1 st MIN | a BLMPOP 0 1 l LEFT COUNT 0 | a BLMPOP 0 1 l LEFT COUNT | "
    "a LRANGE l 0 -1",
    "p CLIENT UNBLOCK x | p CLIENT UNBLOCK 999999 | p CLIENT UNBLOCK 1 x | p CLIENT UNBLOCK 1 TIMEOUT x",
};

// One server with the clients of a scenario.
class Stage {
 public:
  Stage(std::uint16_t port, std::string protocol) : port_(port), protocol_(std::move(protocol)) {
    named("control").ask({"FLUSHALL"});
  }

  // What the step shows.
  std::string play(const std::string& step) {
    std::istringstream words(step);
    std::string name;
    words >> name;
    std::vector<std::string> args;
    for (std::string word; words >> word;) args.push_back(word);
    if (args == std::vector<std::string>{"reply"}) return test::shown(named(name).reply_tree());
    if (!name.ends_with('>')) {
      named(name).send_command(args);
      return test::shown(named(name).reply_tree());
    }
    name.pop_back();
    const int before = waiting();
    named(name).send_command(args);
    return test::eventually([&] { return waiting() == before + 1; }) ? "waits" : "does not wait";
  }

 private:
  int waiting() {
    const std::string text = named("control").ask({"INFO", "clients"});
    return std::stoi(text.substr(text.find("blocked_clients:") + 16));
  }
  test::TestClient& named(const std::string& name) {
    std::unique_ptr<test::TestClient>& client = clients_[name];
    if (client == nullptr) {
      client = std::make_unique<test::TestClient>(port_);
      client->ask({"HELLO", protocol_});
    }
    return *client;
  }

  std::uint16_t port_;
  std::string protocol_;
  std::map<std::string, std::unique_ptr<test::TestClient>> clients_;
};

class BlockingAgainstRedis : public Served {
 protected:
  BlockingAgainstRedis() {
    redis_port_ = test::free_port();
    redis_ = test::Process(
        {"redis-server", "--port", std::to_string(redis_port_), "--save", "", "--bind", "127.0.0.1"},
        {.output = (folder_ / "redis.log"), .directory = folder_.path()});
    const bool answers = test::eventually([&] {
      try {
        return test::TestClient(redis_port_).ask({"PING"}) == "+PONG";
      } catch (const std::runtime_error&) {
        return false;
      }
    });
    if (!answers) throw std::runtime_error("redis-server does not answer");
  }

  void compare(const std::string& scenario, const std::string& protocol) {
    // Who has gone with the scenario before waits no more.
    for (const std::uint16_t one : {redis_port_, static_cast<std::uint16_t>(port())}) {
      EXPECT_TRUE(test::eventually([&] {
        return test::TestClient(one).ask({"INFO", "clients"}).find("blocked_clients:0\r\n") !=
               std::string::npos;
      }));
    }
    Stage theirs(redis_port_, protocol);
    Stage ours(static_cast<std::uint16_t>(port()), protocol);
    std::istringstream steps(scenario);
    for (std::string step; std::getline(steps, step, '|');) {
      const std::string wanted = theirs.play(step);
      ASSERT_EQ(ours.play(step), wanted) << step << "\nof: " << scenario << "\nRESP" << protocol;
    }
  }

  test::TempDir folder_;
  std::uint16_t redis_port_ = 0;
  test::Process redis_;
};

TEST_F(BlockingAgainstRedis, TheSameClientsAreServed) {
  for (const char* scenario : kScenarios) {
    for (const char* protocol : {"2", "3"}) compare(scenario, protocol);
  }
}

}  // namespace
}  // namespace forebay
