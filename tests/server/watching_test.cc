// MONITOR, SLOWLOG, MEMORY, CLIENT PAUSE and what a server says that is alone.

#include <string>
#include <vector>

#include "server/server_fixture.h"
#include "server/watch/command_text.h"
#include "support/eventually.h"

namespace forebay::server {
namespace {

using WatchingTest = ServerTest;

resp::Reply tree(TestClient& client, const std::vector<std::string>& command) {
  client.send_command(command);
  return client.reply_tree();
}

std::string without_time(const std::string& line) {
  return line.substr(line.find('['));
}

TEST_F(WatchingTest, MonitorShowsWhatEveryClientDoes) {
  start();
  auto watcher = connect();
  EXPECT_EQ(watcher->ask({"MONITOR"}), "+OK");
  auto client = connect();
  const auto shown = [&] {
    std::string line = without_time(watcher->reply());
    const std::size_t address = line.find(' ') + 1;
    return line.replace(address, line.find(']') - address, "client");
  };
  client->ask({"SET", "a \"b\"\n", std::string("\x01\xff", 2)});
  EXPECT_EQ(shown(), R"([0 client] "SET" "a \"b\"\n" "\x01\xff")");
  client->ask({"SELECT", "2"});
  client->ask({"GET", "k"});
  EXPECT_EQ(shown(), R"([0 client] "SELECT" "2")");
  EXPECT_EQ(shown(), R"([2 client] "GET" "k")") << "the key by the client's name for it";
  client->ask({"EVAL", "return redis.call('GET', KEYS[1])", "1", "k"});
  EXPECT_EQ(shown(), R"x([2 client] "EVAL" "return redis.call('GET', KEYS[1])" "1" "k")x");
  EXPECT_EQ(shown(), R"([2 client] "GET" "k")") << "what a script calls, too";
  client->ask({"MULTI"});
  client->ask({"INCR", "n"});
  client->ask({"EXEC"});
  EXPECT_EQ(shown(), R"([2 client] "MULTI")");
  EXPECT_EQ(shown(), R"([2 client] "EXEC")");
  EXPECT_EQ(shown(), R"([2 client] "INCR" "n")");
  client->ask({"AUTH", "secret"});
  EXPECT_EQ(shown(), R"x([2 client] "AUTH" "(redacted)")x");
  client->ask({"CONFIG", "GET", "save"});
  client->ask({"PING"});
  EXPECT_EQ(shown(), R"([2 client] "PING")") << "what is about the server is not shown";
  EXPECT_EQ(watcher->ask({"RESET"}), "+RESET");
  client->ask({"PING"});
  EXPECT_EQ(watcher->ask({"ECHO", "mine"}), "mine") << "nothing else is shown any more";
}

TEST_F(WatchingTest, TheSlowLogKeepsTheNewestSlowCommands) {
  start();
  auto client = connect();
  client->ask({"CLIENT", "SETNAME", "me"});
  EXPECT_EQ(client->ask({"CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "2"}), "+OK");
  client->ask({"SLOWLOG", "RESET"});
  client->ask({"KEYS", "first*"});
  client->ask({"KEYS", "second*"});
  client->ask({"CONFIG", "SET", "slowlog-log-slower-than", "-1"});
  const resp::Reply log = tree(*client, {"SLOWLOG", "GET"});
  ASSERT_EQ(log.children.size(), 2u);
  const resp::Reply& newest = log.children[0];
  ASSERT_EQ(newest.children.size(), 6u);
  EXPECT_EQ(newest.children[3].children[1].text, "second*");
  EXPECT_EQ(newest.children[5].text, "me");
  EXPECT_EQ(log.children[1].children[3].children[1].text, "first*");
  EXPECT_EQ(client->ask({"SLOWLOG", "LEN"}), ":2");
  EXPECT_EQ(tree(*client, {"SLOWLOG", "GET", "1"}).children.size(), 1u);
  EXPECT_EQ(tree(*client, {"SLOWLOG", "GET", "-1"}).children.size(), 2u);
  EXPECT_EQ(client->ask({"SLOWLOG", "GET", "-2"}), "-ERR count should be greater than or equal to -1");
  EXPECT_EQ(client->ask({"SLOWLOG", "RESET"}), "+OK");
  client->ask({"KEYS", "third*"});
  EXPECT_EQ(client->ask({"SLOWLOG", "LEN"}), ":0");
}

TEST_F(WatchingTest, TheSlowLogShortensWhatIsLong) {
  start();
  auto client = connect();
  client->ask({"CONFIG", "SET", "slowlog-log-slower-than", "0"});
  client->ask({"SORT", std::string(200, 'x')});
  const resp::Reply entry = tree(*client, {"SLOWLOG", "GET", "1"}).children[0];
  EXPECT_EQ(entry.children[3].children[1].text, std::string(128, 'x') + "... (72 more bytes)");
  std::vector<std::string> command{"SUNION"};
  for (int i = 0; i < 40; ++i) command.push_back("k" + std::to_string(i));
  client->ask(command);
  const resp::Reply many = tree(*client, {"SLOWLOG", "GET", "1"}).children[0];
  ASSERT_EQ(many.children[3].children.size(), 32u);
  EXPECT_EQ(many.children[3].children[31].text, "... (10 more arguments)");
}

TEST_F(WatchingTest, CommandsHaveTheirTimes) {
  start();
  auto client = connect();
  for (int i = 0; i < 5000; ++i) client->ask({"SET", "key:" + std::to_string(i), "v"});
  client->ask({"SORT", "none"});
  EXPECT_EQ(client->ask({"INFO", "commandstats"}).find("cmdstat_set:calls=5000,usec=0,"), std::string::npos);
  EXPECT_NE(client->ask({"INFO", "commandstats"}).find("cmdstat_sort:calls=1,usec="), std::string::npos);
}

TEST_F(WatchingTest, APauseHoldsCommandsBack) {
  start();
  auto operator_ = connect();
  auto client = connect();
  EXPECT_EQ(operator_->ask({"CLIENT", "PAUSE", "3600000", "WRITE"}), "+OK");
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)") << "reads go on";
  client->send_command({"SET", "k", "v"});
  EXPECT_EQ(operator_->ask({"GET", "k"}), "(nil)");
  EXPECT_EQ(operator_->ask({"CLIENT", "UNPAUSE"}), "+OK");
  EXPECT_EQ(client->reply(), "+OK");
  EXPECT_EQ(operator_->ask({"CLIENT", "PAUSE", "3600000"}), "+OK");
  client->send_command({"GET", "k"});
  EXPECT_TRUE(operator_->ask({"CLIENT", "ID"}).size() > 0) << "what may end it runs";
  clock.advance(std::chrono::hours(1));
  EXPECT_EQ(client->reply(), "v") << "it ends by itself";
  EXPECT_EQ(operator_->ask({"CLIENT", "PAUSE", "-1"}), "-ERR timeout is negative");
  EXPECT_EQ(operator_->ask({"CLIENT", "PAUSE", "1", "SOME"}), "-ERR CLIENT PAUSE mode must be WRITE or ALL");
}

TEST_F(WatchingTest, APauseDoesNotHoldUpTheEnd) {
  start();
  auto client = connect();
  client->ask({"CLIENT", "PAUSE", "3600000", "WRITE"});
  client->send_command({"SET", "k", "v"});
  connect()->ask({"PING"});
  server->stop();
  EXPECT_EQ(client->reply(), "+OK");
}

TEST_F(WatchingTest, MemoryUsageGrowsWithTheValue) {
  start();
  auto client = connect();
  client->ask({"SET", "k", std::string(1000, 'x')});
  const int text = std::stoi(client->ask({"MEMORY", "USAGE", "k"}).substr(1));
  EXPECT_GT(text, 1000);
  EXPECT_LT(text, 1100);
  for (int i = 0; i < 1000; ++i) client->ask({"RPUSH", "l", std::string(100, 'x')});
  EXPECT_GT(std::stoi(client->ask({"MEMORY", "USAGE", "l", "SAMPLES", "0"}).substr(1)), 100'000);
  EXPECT_EQ(client->ask({"MEMORY", "USAGE", "none"}), "(nil)");
}

TEST_F(WatchingTest, AServerThatIsAloneSaysSo) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"ROLE"}), "[master :0 []]");
  EXPECT_EQ(client->ask({"WAIT", "1", "100"}), ":0");
  EXPECT_EQ(client->ask({"WAIT", "1", "-1"}), "-ERR timeout is negative");
  EXPECT_EQ(client->ask({"CLUSTER", "INFO"}), "-ERR This instance has cluster support disabled");
  EXPECT_EQ(client->ask({"READONLY"}), "-ERR This instance has cluster support disabled");
  EXPECT_EQ(client->ask({"LATENCY", "LATEST"}), "[]");
  EXPECT_EQ(client->ask({"ACL", "WHOAMI"}), "default");
  EXPECT_EQ(client->ask({"ACL", "USERS"}), "[default]");
  EXPECT_EQ(client->ask({"MODULE", "LIST"}), "[]");
  EXPECT_TRUE(client->ask({"LASTSAVE"}).starts_with(":"));
  EXPECT_NE(client->ask({"LOLWUT"}).find("Forebay "), std::string::npos);
  EXPECT_EQ(client->ask({"CONFIG", "SET", "save", "", "appendonly", "no", "maxmemory-samples", "10"}), "+OK");
  EXPECT_TRUE(client->ask({"CONFIG", "SET", "appendonly", "yes"}).starts_with("-ERR CONFIG SET failed"));
}

TEST_F(WatchingTest, CommandInfoSaysWhereKeysAre) {
  start();
  auto client = connect();
  const resp::Reply get = tree(*client, {"COMMAND", "INFO", "get"}).children[0];
  ASSERT_EQ(get.children[8].children.size(), 1u);
  const resp::Reply store = tree(*client, {"COMMAND", "INFO", "zunionstore"}).children[0];
  ASSERT_EQ(store.children[8].children.size(), 2u);
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "ZUNIONSTORE", "to", "2", "a", "b", "WEIGHTS", "1", "2"}),
            "[to a b]");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "EVAL", "return 1", "2", "a", "b", "c"}), "[a b]");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "SORT", "k", "BY", "store", "LIMIT", "0", "1", "STORE", "to"}),
            "[k to]");
}

}  // namespace
}  // namespace forebay::server
