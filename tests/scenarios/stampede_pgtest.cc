// What many clients who want the same thing, or many things, at the same time cost a real PostgreSQL.

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "scenarios/service.h"
#include "support/eventually.h"
#include "support/postgres_server.h"

namespace forebay::test {
namespace {

std::string configuration(std::string_view url) {
  return "[source.db]\nkind = 'postgres'\nurl = '" + std::string(url) + R"('
pool = 4
timeout = "30s"
[namespace.slow]
key = "slow:{id}"
source = "db"
query = "SELECT body, clock_timestamp() AS loaded FROM stampede_items, pg_sleep(0.1) WHERE id = {id}::int"
ttl = "1h"
[namespace.item]
key = "item:{id}"
source = "db"
table = "stampede_items"
ttl = "1h"
)";
}

class Stampede : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    PostgresServer::shared().exec(
        "DROP TABLE IF EXISTS stampede_items;"
        "CREATE TABLE stampede_items (id int PRIMARY KEY, body text NOT NULL);"
        "INSERT INTO stampede_items SELECT i, 'body ' || i FROM generate_series(1, 1000) AS i");
  }

  Service service_{configuration(PostgresServer::shared().url())};
};

TEST_F(Stampede, AThousandClientsOnOneColdKeyCostOneQueryAndAllGetTheValue) {
  constexpr std::size_t kClients = 1'000;
  if (!raise_file_limit(kClients)) GTEST_SKIP() << "too few open files allowed";
  auto clients = service_.connect(kClients);
  const auto replies = get_together(clients, std::vector<std::string>(kClients, "slow:7"));
  EXPECT_EQ(service_.source().loads, 1u);
  EXPECT_TRUE(replies[0].text.starts_with(R"({"body":"body 7","loaded":")")) << replies[0].text;
  // The time at which the database ran the query is part of the value: one query, one time.
  for (const resp::Reply& reply : replies) ASSERT_EQ(reply.text, replies[0].text);
  const NamespaceStats stats = service_.space("slow");
  EXPECT_EQ(stats.coalesced + stats.hits, kClients - 1);
}

TEST_F(Stampede, AnMgetOfFiveHundredColdKeysTakesAtMostTwoQueries) {
  auto client = service_.connect();
  std::vector<std::string> keys;
  for (int i = 1; i <= 500; ++i) keys.push_back("item:" + std::to_string(i));
  std::vector<std::string_view> command{"MGET"};
  command.insert(command.end(), keys.begin(), keys.end());
  const auto reply = client.call(command);
  ASSERT_TRUE(reply) << reply.error().message;
  ASSERT_EQ(reply->children.size(), 500u);
  for (std::size_t i = 0; i < 500; ++i) {
    const std::string id = std::to_string(i + 1);
    ASSERT_EQ(reply->children[i].text, R"({"id":)" + id + R"(,"body":"body )" + id + "\"}");
  }
  EXPECT_LE(service_.source().loads, 2u);
  EXPECT_EQ(service_.source().load_keys, 500u);
}

TEST_F(Stampede, APipelineOfColdKeysSharesItsQueries) {
  auto client = service_.connect();
  for (int i = 1; i <= 100; ++i) client.append({"GET", "item:" + std::to_string(i)});
  ASSERT_TRUE(client.send());
  for (int i = 1; i <= 100; ++i) {
    const auto reply = client.receive();
    ASSERT_TRUE(reply) << reply.error().message;
    ASSERT_NE(reply->text.find("body " + std::to_string(i) + "\""), std::string::npos);
  }
  EXPECT_LE(service_.source().loads, 2u);
}

// Keeps a table to itself until it is destroyed, so that a test decides how long a query takes.
class TableLock {
 public:
  TableLock(const std::string& url, const std::string& table)
      : connection_(::PQconnectdb(url.c_str()), &::PQfinish) {
    run("BEGIN");
    run("LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE");
  }

 private:
  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&::PQclear)> result(::PQexec(connection_.get(), sql.c_str()),
                                                                 &::PQclear);
    if (::PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      throw std::runtime_error(::PQerrorMessage(connection_.get()));
    }
  }

  std::unique_ptr<PGconn, decltype(&::PQfinish)> connection_;
};

// No query ends before all 200 wait: the first ones take up the pool's four connections, and everything else
// gathers behind them.
TEST_F(Stampede, TwoHundredClientsMissingDifferentKeysTogetherTakeAtMostEightQueries) {
  constexpr std::size_t kClients = 200;
  if (!raise_file_limit(kClients)) GTEST_SKIP() << "too few open files allowed";
  auto clients = service_.connect(kClients);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kClients; ++i) keys.push_back("item:" + std::to_string(i + 1));
  const auto waits = [&](const std::string& key) {
    const auto facts = service_.layer().explain(key).facts;
    const auto fact = std::ranges::find(facts, "in_flight", &std::pair<std::string, std::string>::first);
    return fact != facts.end() && fact->second != "no";
  };

  auto lock = std::make_unique<TableLock>(PostgresServer::shared().url(), "stampede_items");
  const auto replies = get_together(clients, keys, [&] {
    EXPECT_TRUE(eventually([&] { return std::ranges::all_of(keys, waits); }));
    lock.reset();
  });
  for (std::size_t i = 0; i < kClients; ++i) {
    EXPECT_NE(replies[i].text.find("\"body " + std::to_string(i + 1) + "\""), std::string::npos)
        << replies[i].text;
  }
  EXPECT_LE(service_.source().loads, 8u);
  EXPECT_EQ(service_.source().load_keys, kClients);
}

}  // namespace
}  // namespace forebay::test
