// FOREBAY ONCE over sockets: a client that does not know whether its write was taken asks again.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "config/reader.h"
#include "server/server_fixture.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

using forebay::test::SqliteFile;
using testing::HasSubstr;

class Once : public ServerTest {
 protected:
  Once() : database((folder_ / "db").string()) {
    database.run(
        "CREATE TABLE views(name TEXT PRIMARY KEY, n INTEGER);"
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, age INTEGER);"
        "CREATE TABLE rates(name TEXT PRIMARY KEY, rate REAL);"
        "CREATE TABLE scores(game INTEGER, who TEXT, score REAL, PRIMARY KEY (game, who));"
        "CREATE TABLE texts(id TEXT PRIMARY KEY, v TEXT)");
    configure("");
  }
  ~Once() override {
    server.reset();
    layer.reset();
  }
  void configure(const std::string& journal) {
    const std::string behind = "write = \"behind\"\nflush = { every = \"1h\" }\n";
    auto read = config::read(
        "[journal]\npath = \"journal\"\n" + journal +
            "[source.db]\nkind = \"sqlite\"\npath = \"db\"\n"
            "[namespace.views]\nkey = \"views:{name}\"\nsource = \"db\"\ntable = \"views\"\n"
            "type = \"counter\"\nvalue = \"n\"\n" +
            behind +
            "[namespace.rate]\nkey = \"rate:{name}\"\nsource = \"db\"\ntable = \"rates\"\ntype = "
            "\"counter\"\n"
            "value = \"rate\"\n" +
            behind + "[namespace.user]\nkey = \"user:{id}\"\nsource = \"db\"\ntable = \"users\"\n" + behind +
            "[namespace.text]\nkey = \"text:{id}\"\nsource = \"db\"\ntable = \"texts\"\ntype = \"text\"\n"
            "value = \"v\"\n" +
            behind +
            "[namespace.board]\nkey = \"board:{game}\"\nsource = \"db\"\ntable = \"scores\"\ntype = "
            "\"zset\"\n"
            "member = \"who\"\nvalue = \"score\"\n" +
            behind +
            "[namespace.through]\nkey = \"through:{name}\"\nsource = \"db\"\ntable = \"views\"\n"
            "type = \"counter\"\nvalue = \"n\"\nwrite = \"through\"\n",
        "f.toml", {.policies = {}, .policies_with_options = {}, .folder = folder_.path().string()});
    ASSERT_TRUE(read) << read.error().message;
    model = std::move(*read);
    options.http = "127.0.0.1:0";
  }
  template <class... Args>
  std::string once(TestClient& client, const std::string& id, const Args&... args) {
    return client.ask({"FOREBAY", "ONCE", id, std::string(args)...});
  }
  std::string metric(const std::string& name) {
    TestClient client(server->http_port());
    client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    const std::string all = client.read_all();
    const auto at = all.find("\n" + name + " ");
    return at == std::string::npos ? "none" : all.substr(at + 1, all.find('\n', at + 1) - at - 1);
  }

  forebay::test::TempDir folder_;
  SqliteFile database;
};

TEST_F(Once, EveryCommandThatMakesOneWriteIsAnsweredAgainAsItWas) {
  start();
  auto client = connect();
  const std::vector<std::pair<std::vector<std::string>, std::string>> all = {
      {{"SET", "views:a", "5"}, "+OK"},
      {{"INCR", "views:a"}, ":6"},
      {{"DECR", "views:a"}, ":5"},
      {{"INCRBY", "views:a", "10"}, ":15"},
      {{"DECRBY", "views:a", "3"}, ":12"},
      {{"INCRBYFLOAT", "rate:a", "0.5"}, "0.5"},
      {{"SET", "user:1", R"({"name":"Ada","age":36})"}, "+OK"},
      {{"HSET", "user:1", "name", "Eve", "age", "3"}, ":2"},  // whether it was there is not known
      {{"HSET", "user:2", "name", "Bob", "age", "3"}, ":2"},
      {{"HMSET", "user:2", "name", "Rob"}, "+OK"},
      {{"HINCRBY", "user:2", "age", "1"}, ":4"},
      {{"HINCRBYFLOAT", "user:2", "age", "2"}, "6"},
      {{"HDEL", "user:2", "name"}, ":1"},
      {{"SET", "text:a", "x", "EX", "100"}, "+OK"},
      {{"SETEX", "text:b", "100", "x"}, "+OK"},
      {{"PSETEX", "text:c", "100000", "x"}, "+OK"},
      {{"ZADD", "board:1", "3", "mia"}, ":1"},
      {{"ZADD", "board:1", "4", "mia"}, ":0"},
      {{"ZINCRBY", "board:1", "2", "mia"}, "6"},
      {{"ZREM", "board:1", "mia"}, ":1"},
      {{"FOREBAY", "REMOVE", "user:2"}, ":1"},
      {{"FOREBAY", "REMOVE", "user:2"}, ":0"},
  };
  for (int round = 0; round < 3; ++round) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::vector<std::string> command = {"FOREBAY", "once", "op " + std::to_string(i)};
      command.insert(command.end(), all[i].first.begin(), all[i].first.end());
      EXPECT_EQ(client->ask(command), all[i].second) << round << " " << i;
    }
  }
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(database.ask("SELECT n FROM views"), "12");
  EXPECT_EQ(database.ask("SELECT * FROM users"), "1|Eve|3");
  EXPECT_EQ(database.ask("SELECT count(*) FROM scores"), "0");
  EXPECT_EQ(metric("forebay_journal_op_ids"), "forebay_journal_op_ids " + std::to_string(all.size()));
  EXPECT_EQ(metric("forebay_journal_repeats_total"),
            "forebay_journal_repeats_total " + std::to_string(2 * all.size()));
  EXPECT_THAT(client->ask({"FOREBAY", "STATS"}), HasSubstr(" op_ids :22 repeats :44]"));
}

TEST_F(Once, AClientThatLostItsConnectionAsksAgain) {
  start();
  EXPECT_EQ(connect()->ask({"SET", "views:a", "0"}), "+OK");
  for (int i = 0; i < 50; ++i) {
    const std::string id = "op " + std::to_string(i);
    auto first = connect();
    first->send_command({"FOREBAY", "ONCE", id, "INCR", "views:a"});
    if (i % 2 == 0) first->abort();
    auto second = connect();
    EXPECT_EQ(once(*second, id, "INCR", "views:a"), ":" + std::to_string(i + 1));
    if (i % 2 != 0) {
      EXPECT_EQ(first->reply(), ":" + std::to_string(i + 1));
    }
  }
  auto client = connect();
  EXPECT_EQ(client->ask({"GET", "views:a"}), "50");
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(database.ask("SELECT n FROM views"), "50");
}

TEST_F(Once, PipelinedOnesAreAnsweredInOrder) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"SET", "views:a", "0"}), "+OK");
  constexpr int kWrites = 1'000;
  for (int round = 0; round < 2; ++round) {
    std::string requests;
    for (int i = 1; i <= kWrites; ++i) {
      requests += TestClient::encode({"FOREBAY", "ONCE", "op " + std::to_string(i), "INCR", "views:a"});
      // One that is not remembered, and an old one, among them.
      if (i % 100 == 0) requests += TestClient::encode({"INCRBY", "views:b", "1"});
      if (i % 100 == 0) requests += TestClient::encode({"FOREBAY", "ONCE", "op 1", "INCR", "views:a"});
    }
    client->send(requests);
    for (int i = 1; i <= kWrites; ++i) {
      ASSERT_EQ(client->reply(), ":" + std::to_string(i));
      if (i % 100 == 0) {
        ASSERT_EQ(client->reply(), ":" + std::to_string(10 * round + i / 100));
      }
      if (i % 100 == 0) {
        ASSERT_EQ(client->reply(), ":1");
      }
    }
  }
  EXPECT_EQ(client->ask({"GET", "views:a"}), std::to_string(kWrites));
}

TEST_F(Once, ARepeatedSetLeavesTheTimeOfALaterCopyAlone) {
  start();
  auto client = connect();
  EXPECT_EQ(once(*client, "a", "SET", "text:a", "x", "EX", "10"), "+OK");
  EXPECT_EQ(client->ask({"TTL", "text:a"}), ":10");
  EXPECT_EQ(client->ask({"SET", "text:a", "y", "EX", "1000"}), "+OK");
  EXPECT_EQ(once(*client, "a", "SET", "text:a", "x", "EX", "10"), "+OK");
  EXPECT_EQ(client->ask({"GET", "text:a"}), "y");
  EXPECT_EQ(client->ask({"TTL", "text:a"}), ":1000");
}

TEST_F(Once, WhatItDoesNotTakeIsRefusedAndSaysWhy) {
  start();
  auto client = connect();
  EXPECT_EQ(once(*client, "a", "INCR", "views:a"), ":1");
  EXPECT_THAT(once(*client, "a", "INCR", "views:b"), HasSubstr("-CONFLICT this op-id has been taken"));
  EXPECT_THAT(once(*client, "a", "INCRBY", "views:a", "2"), HasSubstr("-CONFLICT"));
  EXPECT_EQ(once(*client, "a", "INCRBY", "views:a", "1"), ":1");  // the same write
  for (const std::vector<std::string>& command : {std::vector<std::string>{"GET", "views:a"},
                                                  {"MSET", "text:a", "1", "text:b", "2"},
                                                  {"DEL", "views:a"},
                                                  {"APPEND", "text:a", "1"},
                                                  {"SETNX", "text:a", "1"},
                                                  {"EXPIRE", "text:a", "1"},
                                                  {"EXEC"},
                                                  {"FOREBAY", "DRAIN"},
                                                  {"FOREBAY", "ONCE", "b", "INCR", "views:a"},
                                                  {"FOREBAY"},
                                                  {"FLUSHALL"}}) {
    std::vector<std::string> whole = {"FOREBAY", "ONCE", "b"};
    whole.insert(whole.end(), command.begin(), command.end());
    EXPECT_THAT(client->ask(whole),
                AllOf(HasSubstr("-ERR FOREBAY ONCE does not take '"), HasSubstr("one write of one key")))
        << command[0];
  }
  EXPECT_THAT(once(*client, "b", "NOTHING", "views:a"), HasSubstr("-ERR unknown command 'NOTHING'"));
  EXPECT_THAT(once(*client, "b", "INCR"), HasSubstr("wrong number of arguments for 'incr'"));
  EXPECT_THAT(once(*client, "b", "FOREBAY", "REMOVE"),
              HasSubstr("wrong number of arguments for 'forebay|remove'"));
  EXPECT_THAT(client->ask({"FOREBAY", "ONCE", "b"}), HasSubstr("wrong number of arguments"));
  EXPECT_THAT(once(*client, "", "INCR", "views:a"), HasSubstr("1 to 128 bytes"));
  EXPECT_THAT(once(*client, std::string(129, 'x'), "INCR", "views:a"), HasSubstr("1 to 128 bytes"));
  EXPECT_EQ(once(*client, std::string("\0\xff\r\n", 4), "INCR", "views:a"), ":2");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"INCR", "plain"},
                                                  {"INCRBYFLOAT", "plain", "1"},
                                                  {"SET", "plain", "1"},
                                                  {"SETEX", "plain", "10", "1"},
                                                  {"FOREBAY", "REMOVE", "plain"}}) {
    std::vector<std::string> whole = {"FOREBAY", "ONCE", "b"};
    whole.insert(whole.end(), command.begin(), command.end());
    EXPECT_THAT(client->ask(whole), HasSubstr("is for keys that are written behind, and this one is plain"));
  }
  EXPECT_EQ(client->ask({"EXISTS", "plain"}), ":0");
  EXPECT_THAT(once(*client, "b", "FOREBAY", "WRITE", "plain", "1"), HasSubstr("-ERR an op-id is for keys"));
  EXPECT_THAT(once(*client, "b", "INCR", "through:a"),
              HasSubstr("which those of namespace 'through' are not"));
  EXPECT_THAT(once(*client, "b", "ZADD", "board:1", "1", "mia", "2", "eve"), HasSubstr("takes one member"));
  EXPECT_THAT(once(*client, "b", "ZREM", "board:1", "mia", "eve"), HasSubstr("takes one member"));
  EXPECT_THAT(once(*client, "b", "SET", "text:a", "1", "NX"), HasSubstr("are not available"));
  EXPECT_EQ(client->ask({"MULTI"}), "+OK");
  EXPECT_THAT(once(*client, "b", "INCR", "views:a"), HasSubstr("not allowed inside a transaction"));
  EXPECT_THAT(client->ask({"EXEC"}), HasSubstr("-EXECABORT"));
  // None of that has used the id up.
  EXPECT_EQ(once(*client, "b", "INCR", "views:a"), ":3");
  EXPECT_EQ(client->ask({"GET", "views:a"}), "3");
}

TEST_F(Once, TheJournalsSettingsBoundIt) {
  configure("remember = \"0s\"\n");
  start();
  EXPECT_THAT(once(*connect(), "a", "INCR", "views:a"), HasSubstr("-ERR op-ids are not remembered"));
  server.reset();
  layer.reset();
  configure("max_ids = 1\nremember = \"10m\"\n");
  start();
  auto client = connect();
  EXPECT_EQ(once(*client, "a", "INCR", "views:a"), ":1");
  EXPECT_THAT(once(*client, "b", "INCR", "views:a"), HasSubstr("-OVERLOADED 1 op-ids are remembered"));
  EXPECT_EQ(once(*client, "a", "INCR", "views:a"), ":1");
  clock.advance(10min);
  EXPECT_EQ(once(*client, "b", "INCR", "views:a"), ":2");
}

TEST_F(Once, BothProtocolsAndMutedRepliesGoOn) {
  start();
  auto client = connect();
  client->send_command({"HELLO", "3"});
  client->reply_tree();
  EXPECT_EQ(once(*client, "a", "FOREBAY", "WRITE", "text:a", "x").substr(0, 11), "{existed fa");
  EXPECT_EQ(once(*client, "a", "FOREBAY", "WRITE", "text:a", "x").substr(0, 11), "{existed fa");
  client->send(TestClient::encode({"CLIENT", "REPLY", "SKIP"}) +
               TestClient::encode({"FOREBAY", "ONCE", "a", "FOREBAY", "WRITE", "text:a", "x"}) +
               TestClient::encode({"ECHO", "next"}));
  EXPECT_EQ(client->reply(), "next");
}

}  // namespace
}  // namespace forebay::server
