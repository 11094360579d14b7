// Writes behind through the server: when they are answered, what clients may ask about them, and the writes
// that a database refused.

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <filesystem>
#include <string>
#include <vector>

#include "config/reader.h"
#include "layer/open.h"
#include "server/commands/harness.h"
#include "server/server_fixture.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

using testing::HasSubstr;
using testing::Not;

class Behind : public ServerTest {
 protected:
  Behind() {
    sql("CREATE TABLE views(name TEXT PRIMARY KEY, n INTEGER CHECK (n < 1000));"
        "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER CHECK (age >= 0));"
        "CREATE TABLE rates(name TEXT PRIMARY KEY, rate REAL);"
        "CREATE TABLE scores(game INTEGER, who TEXT, score REAL, PRIMARY KEY (game, who))");
    auto read = config::read(
        "[journal]\npath = \"journal\"\n"
        "[source.db]\nkind = \"sqlite\"\npath = \"db\"\n"
        "[namespace.views]\nkey = \"views:{name}\"\nsource = \"db\"\ntable = \"views\"\ntype = \"counter\"\n"
        "value = \"n\"\nwrite = \"behind\"\nflush = { every = \"1h\" }\n"
        "[namespace.rate]\nkey = \"rate:{name}\"\nsource = \"db\"\ntable = \"rates\"\ntype = \"counter\"\n"
        "value = \"rate\"\nwrite = \"behind\"\nflush = { every = \"1h\" }\n"
        "[namespace.rated]\nkey = \"rated:{name}\"\nsource = \"db\"\ntable = \"rates\"\ntype = \"counter\"\n"
        "value = \"rate\"\nwrite = \"through\"\n"
        "[namespace.user]\nkey = \"user:{id}\"\nsource = \"db\"\ntable = \"users\"\nwrite = \"behind\"\n"
        "flush = { every = \"1h\" }\n"
        "[namespace.board]\nkey = \"board:{game}\"\nsource = \"db\"\ntable = \"scores\"\ntype = \"zset\"\n"
        "member = \"who\"\nvalue = \"score\"\nwrite = \"behind\"\nflush = { every = \"1h\" }\n"
        "[namespace.through]\nkey = \"through:{name}\"\nsource = \"db\"\ntable = \"views\"\n"
        "type = \"counter\"\nvalue = \"n\"\nwrite = \"through\"\n",
        "f.toml", {.policies = {}, .policies_with_options = {}, .folder = folder_.path().string()});
    EXPECT_TRUE(read) << read.error().message;
    if (read) model = std::move(*read);
    options.http = "127.0.0.1:0";
  }
  ~Behind() override {
    server.reset();
    layer.reset();
  }

  // What the database says to a query of one text or number; statements return "".
  std::string sql(const std::string& text) {
    sqlite3* database = nullptr;
    sqlite3_open((folder_ / "db").c_str(), &database);
    sqlite3_busy_timeout(database, 10'000);
    std::string found;
    char* message = nullptr;
    sqlite3_exec(
        database, text.c_str(),
        [](void* out, int, char** values, char**) {
          *static_cast<std::string*>(out) = values[0] == nullptr ? "NULL" : values[0];
          return 0;
        },
        &found, &message);
    EXPECT_EQ(message, nullptr) << message;
    sqlite3_free(message);
    sqlite3_close(database);
    return found;
  }
  std::string http(const std::string& method, const std::string& target, const std::string& body = "",
                   const std::string& header = "") {
    TestClient client(server->http_port());
    client.send(method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + header +
                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
    client.end_sending();
    return client.read_all();
  }
  // A row that the database refuses, put aside; its id.
  std::string put_aside(TestClient& client) {
    EXPECT_EQ(client.ask({"SET", "user:7", R"({"name":"Ada","age":-1})"}), "+OK");
    EXPECT_EQ(client.ask({"FOREBAY", "DRAIN"}), ":1");
    client.send_command({"FOREBAY", "DEADLETTERS", "LIST"});
    const resp::Reply letters = client.reply_tree();
    return letters.children.size() == 1 ? letters.children[0].children[1].text : "none";
  }

  forebay::test::TempDir folder_;
};

TEST_F(Behind, PipelinedWritesShareCommitsAndEveryReadSeesThem) {
  start();
  auto client = connect();
  constexpr int kWrites = 2'000;
  EXPECT_EQ(client->ask({"INCR", "views:a"}), ":1");  // what they begin from is known then
  std::string requests;
  for (int i = 0; i < kWrites; ++i) {
    requests += TestClient::encode({"INCRBY", "views:a", "0"});
    requests += TestClient::encode(
        {"SET", "user:" + std::to_string(i % 7), R"({"name":"n)" + std::to_string(i) + "\"}"});
  }
  requests += TestClient::encode({"INCR", "views:a"}) + TestClient::encode({"GET", "views:a"}) +
              TestClient::encode({"HGET", "user:0", "name"});
  client->send(requests);
  for (int i = 0; i < kWrites; ++i) {
    ASSERT_EQ(client->reply(), ":1");
    ASSERT_EQ(client->reply(), "+OK");
  }
  EXPECT_EQ(client->reply(), ":2");
  EXPECT_EQ(client->reply(), "2");
  EXPECT_EQ(client->reply(), "n1995");
  EXPECT_EQ(sql("SELECT count(*) FROM users"), "0");
  EXPECT_EQ(client->ask({"FOREBAY", "FLUSHED", "views:a", "20000"}), ":1");
  EXPECT_EQ(sql("SELECT n FROM views WHERE name = 'a'"), "2");
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN", "NAMESPACE", "user"}), ":1");
  EXPECT_EQ(sql("SELECT name FROM users WHERE id = 0"), "n1995");
}

TEST_F(Behind, WritesHoldTheirConnectionUpOnlyWhereTheyAreNotInEffectYet) {
  start();
  Client client(*layer, *server);
  EXPECT_EQ(client("SET", "views:a", "5"), "+OK");
  EXPECT_TRUE(client.last_was_held());
  EXPECT_EQ(client("INCR", "views:a"), ":6");
  EXPECT_TRUE(client.last_was_held());
  EXPECT_EQ(client("HSET", "user:1", "name", "Eve"), ":1");
  EXPECT_TRUE(client.last_was_held());
  EXPECT_EQ(client("ZINCRBY", "board:1", "3", "mia"), "$1|3");
  EXPECT_FALSE(client.last_was_held());  // loaded first
  EXPECT_EQ(client("ZINCRBY", "board:1", "3", "mia"), "$1|6");
  EXPECT_TRUE(client.last_was_held());
  EXPECT_EQ(client("ZADD", "board:1", "3", "eve", "4", "ada"), ":2");
  EXPECT_TRUE(client.last_was_in_effect());
  EXPECT_EQ(client("INCR", "views:unknown"), ":1");  // loaded first
  EXPECT_FALSE(client.last_was_in_effect());
  EXPECT_EQ(client("INCR", "through:a"), ":1");
  EXPECT_FALSE(client.last_was_in_effect());
}

TEST_F(Behind, IncrByFloatAddsToNumbersWithAFraction) {
  sql("INSERT INTO rates VALUES ('a', 10.5), ('huge', 1.7e308), ('b', 2)");
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rate:a", "0.1"}), "10.6");
  EXPECT_THAT(client->ask({"INCR", "rate:a"}), HasSubstr("does not hold an integer"));
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rate:a", "-5.6"}), "5");
  EXPECT_EQ(client->ask({"INCR", "rate:a"}), ":6");
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rate:a", "5.0e3"}), "5006");
  EXPECT_EQ(client->ask({"GET", "rate:a"}), "5006");
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rate:new", "3"}), "3");
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rated:b", "0.5"}), "2.5");
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rated:b", "0.5"}), "3");
  EXPECT_EQ(client->ask({"INCR", "rated:b"}), ":4");
  for (const char* key : {"rate:a", "rated:b"}) {
    EXPECT_EQ(client->ask({"INCRBYFLOAT", key, "x"}), "-ERR value is not a valid float");
    EXPECT_EQ(client->ask({"INCRBYFLOAT", key, "nan"}), "-ERR value is not a valid float");
    EXPECT_EQ(client->ask({"INCRBYFLOAT", key, "-inf"}), "-ERR increment would produce NaN or Infinity");
  }
  for (const char* key : {"rate:huge", "rated:huge"}) {
    EXPECT_THAT(client->ask({"INCRBYFLOAT", key, "1.7e308"}), HasSubstr("would become infinite"));
    EXPECT_THAT(client->ask({"INCRBYFLOAT", key, "1e400"}), HasSubstr("-ERR"));
  }
  EXPECT_THAT(client->ask({"INCRBYFLOAT", "views:a", "0.5"}), HasSubstr("column n holds integers"));
  EXPECT_THAT(client->ask({"INCRBYFLOAT", "through:a", "0.5"}), HasSubstr("column n holds integers"));
  EXPECT_THAT(client->ask({"INCRBYFLOAT", "user:1", "0.5"}),
              HasSubstr("are no counters; HINCRBYFLOAT raises"));
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(sql("SELECT group_concat(name || rate, ' ') FROM (SELECT * FROM rates ORDER BY name)"),
            "a5006.0 b4.0 huge1.7e+308 new3.0");
  EXPECT_EQ(sql("SELECT count(*) FROM forebay_dead"), "0");
  EXPECT_EQ(client->ask({"GET", "rate:a"}), "5006");
  EXPECT_EQ(client->ask({"INCRBYFLOAT", "rate:huge", "0"}).size(), 309u);
}

TEST_F(Behind, AKeyThatGotASourceSinceItWasQueuedAbortsItsTransaction) {
  const config::Model bound = model;
  model.namespaces.clear();
  start();
  auto client = connect();
  for (const std::vector<std::string>& command : {std::vector<std::string>{"INCR", "views:a"},
                                                  {"GET", "views:a"},
                                                  {"MGET", "x", "views:a"},
                                                  {"SET", "views:a", "1"},
                                                  {"DEL", "views:a"}}) {
    EXPECT_TRUE(layer::reload_layer(*layer, model));
    EXPECT_EQ(client->ask({"MULTI"}), "+OK");
    EXPECT_EQ(client->ask(command), "+QUEUED");
    ASSERT_TRUE(layer::reload_layer(*layer, bound));
    EXPECT_THAT(client->ask({"EXEC"}), testing::StartsWith("-EXECABORT "));
  }
  EXPECT_EQ(client->ask({"INCR", "views:a"}), ":1");
}

TEST_F(Behind, WhatTheTableCanNotTakeIsRefusedAtOnce) {
  start();
  auto client = connect();
  EXPECT_THAT(client->ask({"HSET", "user:1", "colour", "red"}),
              AllOf(HasSubstr("-ERR"), HasSubstr("no column colour"), HasSubstr("users")));
  EXPECT_THAT(client->ask({"HINCRBY", "user:1", "colour", "1"}), HasSubstr("no column colour"));
  EXPECT_THAT(client->ask({"HDEL", "user:1", "colour"}), HasSubstr("no column colour"));
  EXPECT_THAT(client->ask({"SET", "user:1", R"({"name":"Ada","colour":"red"})"}),
              HasSubstr("no column colour"));
  EXPECT_THAT(client->ask({"HSET", "user:one", "name", "Ada"}), HasSubstr("-REFUSED"));
  EXPECT_THAT(client->ask({"SET", "views:a", "many"}), HasSubstr("64-bit integer"));
  EXPECT_EQ(client->ask({"HSET", "user:1", "name", "Ada"}), ":1");
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(sql("SELECT last_seq FROM forebay_applied WHERE last_seq > 0"), "1");
  EXPECT_EQ(sql("SELECT count(*) FROM forebay_dead"), "0");
}

// A write that has to load first holds its connection up, so that what follows sees it.
TEST_F(Behind, AnIncrementOfAnUnknownCounterIsSeenByWhatFollowsIt) {
  sql("INSERT INTO views VALUES ('b', 40)");
  start();
  auto client = connect();
  client->send(TestClient::encode({"INCR", "views:b"}) + TestClient::encode({"SET", "views:b", "5"}) +
               TestClient::encode({"INCR", "views:b"}) + TestClient::encode({"GET", "views:b"}));
  EXPECT_EQ(client->reply(), ":41");
  EXPECT_EQ(client->reply(), "+OK");
  EXPECT_EQ(client->reply(), ":6");
  EXPECT_EQ(client->reply(), "6");
}

TEST_F(Behind, WhatIsAskedWronglyIsRefused) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"FOREBAY", "FLUSHED", "absent"}), ":1");
  EXPECT_THAT(client->ask({"FOREBAY", "FLUSHED", "a", "-1"}), HasSubstr("timeout is no number"));
  EXPECT_THAT(client->ask({"FOREBAY", "FLUSHED", "a", "1", "2"}), HasSubstr("syntax error"));
  EXPECT_THAT(client->ask({"FOREBAY", "DRAIN", "NAMESPACE", "vews"}), HasSubstr("did you mean \"views\"?"));
  EXPECT_THAT(client->ask({"FOREBAY", "DRAIN", "soon"}), HasSubstr("timeout is no number"));
  EXPECT_THAT(client->ask({"FOREBAY", "DEADLETTERS", "BURY", "1"}), HasSubstr("takes LIST"));
  EXPECT_THAT(client->ask({"FOREBAY", "DEADLETTERS", "LIST", "COUNT", "0"}),
              HasSubstr("COUNT is 1 to 10000"));
  EXPECT_THAT(client->ask({"FOREBAY", "DEADLETTERS", "LIST", "COUNT"}), HasSubstr("syntax error"));
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "LIST"}), "[]");
  EXPECT_TRUE(others_are_served());
}

TEST_F(Behind, ADeadLetterIsListedShownEditedAndRetried) {
  start();
  auto client = connect();
  const std::string id = put_aside(*client);
  ASSERT_THAT(id, testing::StartsWith("db/"));
  const std::string shown = client->ask({"FOREBAY", "DEADLETTERS", "SHOW", id});
  EXPECT_THAT(shown, HasSubstr("user:7"));
  EXPECT_THAT(shown, HasSubstr("CHECK constraint failed"));
  EXPECT_THAT(shown, HasSubstr(R"({"row":{"name":"Ada","age":-1}})"));
  EXPECT_THAT(client->ask({"FOREBAY", "DEADLETTERS", "EDIT", id, R"({"row":{"name":"Ada","age":1})"}),
              HasSubstr("it is no JSON, at byte"));
  EXPECT_THAT(client->ask({"FOREBAY", "DEADLETTERS", "EDIT", id, R"({"row":{"colour":"red"}})"}),
              HasSubstr("there is no column colour"));
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "EDIT", id, R"({"row":{"name":"Ada","age":36}})"}), ":1");
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "RETRY", id}), ":1");
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(sql("SELECT age FROM users WHERE id = 7"), "36");
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "LIST"}), "[]");
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "DROP", id}), ":0");
}

TEST_F(Behind, DeadLettersAreThereOverHttp) {
  start();
  auto client = connect();
  const std::string id = put_aside(*client);
  const std::string list = http("GET", "/deadletters?count=5&source=db");
  EXPECT_THAT(list, testing::StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(list, HasSubstr("\"id\":\"" + id + "\""));
  EXPECT_THAT(http("GET", "/deadletters?after=" + id), HasSubstr("[]"));
  EXPECT_THAT(http("GET", "/deadletters/" + id), HasSubstr(R"("operation":{"row":{"name":"Ada","age":-1}})"));
  EXPECT_THAT(http("PUT", "/deadletters/" + id, "{"), testing::StartsWith("HTTP/1.1 400"));
  const std::string unknown = http("PUT", "/deadletters/" + id, R"({"row":{"colour":"red"}})");
  EXPECT_THAT(unknown, testing::StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(unknown, HasSubstr("no column colour"));
  EXPECT_THAT(http("PUT", "/deadletters/" + id, R"({"row":{"name":"Ada","age":3}})"), HasSubstr("changed\n"));
  EXPECT_THAT(http("POST", "/deadletters/" + id + "/retry"), HasSubstr("written again\n"));
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_EQ(sql("SELECT age FROM users WHERE id = 7"), "3");
  EXPECT_THAT(http("GET", "/deadletters/" + id), testing::StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(http("DELETE", "/deadletters/" + id), testing::StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(http("DELETE", "/deadletters"), testing::StartsWith("HTTP/1.1 405"));
  EXPECT_THAT(http("GET", "/deadletters?limit=5"), testing::StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(http("GET", "/deadlettersx"), testing::StartsWith("HTTP/1.1 404"));
}

TEST_F(Behind, DeadLettersTakeThePasswordAndNoPagesWishes) {
  options.password = "open sesame";
  start();
  EXPECT_THAT(http("GET", "/deadletters"), testing::StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(http("GET", "/deadletters", "", "Authorization: Basic eDp3cm9uZw==\r\n"),
              testing::StartsWith("HTTP/1.1 401"));
  const std::string right = "Authorization: Basic eDpvcGVuIHNlc2FtZQ==\r\n";
  EXPECT_THAT(http("GET", "/deadletters", "", right), testing::StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(http("POST", "/deadletters/db/a/0/1/retry", "", right + "Origin: http://x\r\n"),
              testing::StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(http("GET", "/healthz"), testing::StartsWith("HTTP/1.1 200"));
}

TEST_F(Behind, DeadLettersMakeItDegradedAndNotUnready) {
  start();
  auto client = connect();
  EXPECT_THAT(http("GET", "/readyz"), testing::EndsWith("\r\n\r\nready\n"));
  EXPECT_THAT(http("GET", "/metrics"), HasSubstr("\nforebay_journal_problems 0\n"));
  const std::string id = put_aside(*client);
  const std::string ready = http("GET", "/readyz");
  EXPECT_THAT(ready, testing::StartsWith("HTTP/1.1 200"));
  const std::string sentence = "namespace user: 1 dead letter in source db (alarm: 1)";
  EXPECT_THAT(ready, testing::EndsWith("\r\n\r\ndegraded\n" + sentence + "\n"));
  EXPECT_THAT(http("GET", "/metrics"), HasSubstr("\nforebay_journal_problems 1\n"));
  EXPECT_THAT(client->ask({"FOREBAY", "STATS"}), HasSubstr(sentence));
  EXPECT_EQ(client->ask({"FOREBAY", "DEADLETTERS", "DROP", id}), ":1");
  // What is left is read from the database again.
  EXPECT_TRUE(forebay::test::eventually([&] { return http("GET", "/readyz").ends_with("\r\n\r\nready\n"); }));
}

// A journal of four writes, of which three leave acknowledgements alone.
TEST_F(Behind, AJournalThatIsNearlyFullSaysSo) {
  model.journal.max_records = 4;
  start();
  auto client = connect();
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(client->ask({"INCR", "views:a"}), ":" + std::to_string(i));
  EXPECT_THAT(http("GET", "/readyz"),
              HasSubstr("degraded\nthe journal is 100 % full: acknowledgements are held back by 100.0 ms\n"));
  const std::string stats = client->ask({"FOREBAY", "STATS"});
  EXPECT_THAT(stats, HasSubstr("fill_percent :100 ack_delay_microseconds :100000 acks_held_back :1"));
  std::string metrics = http("GET", "/metrics");
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_fill_ratio 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_ack_delay_seconds 0.1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_acks_held_back_total 1\n"));
  EXPECT_EQ(client->ask({"FOREBAY", "DRAIN"}), ":1");
  EXPECT_TRUE(forebay::test::eventually([&] {
    return http("GET", "/metrics").find("\nforebay_journal_ack_delay_seconds 0\n") != std::string::npos;
  }));
}

TEST_F(Behind, MetricsShowWhatIsPendingAndWhatBecameOfIt) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"INCR", "views:a"}), ":1");
  EXPECT_EQ(client->ask({"SET", "user:1", R"({"name":"Eve"})"}), "+OK");
  EXPECT_THAT(client->ask({"FOREBAY", "STATS", "views"}), HasSubstr("pending_writes :1 "));
  std::string metrics = http("GET", "/metrics");
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_pending{namespace=\"views\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_pending{namespace=\"user\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_oldest_seconds{namespace=\"user\"} "));
  EXPECT_THAT(metrics, Not(HasSubstr("\nforebay_journal_pending_bytes{namespace=\"user\"} 0\n")));
  put_aside(*client);
  metrics = http("GET", "/metrics");
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_pending{namespace=\"views\"} 0\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_applied_total{source=\"db\",namespace=\"views\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_journal_refused_total{source=\"db\",namespace=\"user\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_dead_letters{source=\"db\",namespace=\"user\"} 1\n"));
  EXPECT_THAT(metrics, HasSubstr("\nforebay_dead_letters{source=\"db\",namespace=\"views\"} 0\n"));
  EXPECT_THAT(client->ask({"FOREBAY", "STATS", "user"}), HasSubstr("flushed_writes :1 "));
  EXPECT_THAT(client->ask({"FOREBAY", "STATS", "user"}), HasSubstr("refused_writes :1 dead_letters :1"));
}

}  // namespace
}  // namespace forebay::server
