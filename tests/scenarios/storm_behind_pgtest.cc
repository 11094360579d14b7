// A storm of increments becomes a few transactions: the short form of ./dev bench behind.

#include <string>
#include <thread>
#include <vector>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

class StormBehind : public BehindService {};

TEST_P(StormBehind, IncrementsOfAThousandCountersTakeATransactionALane) {
  constexpr int kKeys = 1'000, kConnections = 4, kRounds = 10;
  constexpr int kLanes = 4;
  database_->run("CREATE TABLE counters(id integer PRIMARY KEY, n bigint NOT NULL)");
  configure(
      "[namespace.count]\nkey = \"count:{id}\"\nsource = \"db\"\ntable = \"counters\"\ntype = \"counter\"\n"
      "value = \"n\"\nwrite = \"behind\"\nflush = { every = \"1h\", batch = 10000 }\n");
  start();
  count_transactions();
  std::vector<std::jthread> threads;
  for (int t = 0; t < kConnections; ++t) {
    threads.emplace_back([&] {
      const auto client = forebay_.connect();
      std::string pipeline;
      for (int key = 0; key < kKeys; ++key) {
        pipeline += TestClient::encode({"INCR", "count:" + std::to_string(key)});
      }
      for (int round = 0; round < kRounds; ++round) {
        client->send(pipeline);
        for (int key = 0; key < kKeys; ++key) {
          const std::string reply = client->reply();
          ASSERT_EQ(reply.front(), ':') << reply;
        }
      }
    });
  }
  threads.clear();
  const std::string each = std::to_string(kConnections * kRounds);
  EXPECT_EQ(forebay_.metric("forebay_journal_pending{namespace=\"count\"}"), kKeys * kConnections * kRounds);
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM counters"), "0");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM counters WHERE n = " + each), std::to_string(kKeys));
  EXPECT_LE(transactions(), kLanes);
  EXPECT_EQ(ask("GET", "count:7"), each);
}

INSTANTIATE_TEST_SUITE_P(On, StormBehind, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
