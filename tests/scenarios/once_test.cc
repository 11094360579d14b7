// A client that does not know what became of its writes repeats them by their op-ids, after its connection or
// the server is gone.

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

class Once : public BehindService {
 protected:
  void SetUp() override {
    database_->run("CREATE TABLE counters(id text PRIMARY KEY, n bigint NOT NULL)");
    database_->run("CREATE TABLE texts(id text PRIMARY KEY, v text)");
    const std::string behind = "write = \"behind\"\nflush = { every = \"5ms\" }\n";
    configure(
        "[namespace.count]\nkey = \"count:{id}\"\nsource = \"db\"\ntable = \"counters\"\n"
        "type = \"counter\"\nvalue = \"n\"\n" +
        behind +
        "[namespace.lazy]\nkey = \"lazy:{id}\"\nsource = \"db\"\ntable = \"counters\"\n"
        "type = \"counter\"\nvalue = \"n\"\ndurability = \"os\"\n" +
        behind);
    start();
  }
  std::string requests(const std::string& key, int first, int last) {
    std::string all;
    for (int i = first; i <= last; ++i)
      all += TestClient::encode({"FOREBAY", "ONCE", key + std::to_string(i), "INCR", key});
    return all;
  }
};

// Whatever the kill met: writes not read yet, in the queue, synced and not answered, answered, flushed.
TEST_P(Once, WritesThatAKillLeftInDoubtCountExactlyOnce) {
  constexpr int kRounds = 6;
  constexpr int kWrites = 150;
  for (int round = 0; round < kRounds; ++round) {
    for (const std::string key : {"count:a", "lazy:b"}) {
      const int first = round * kWrites + 1;
      const int last = first + kWrites - 1;
      client_->send(requests(key, first, last));
      // One reply says that the first group is on the disk; those after it are anywhere.
      if (round % 2 == 0) {
        EXPECT_EQ(client_->reply(), ":" + std::to_string(first));
      }
      kill_and_start();
      client_->send(requests(key, first, last));
      for (int i = first; i <= last; ++i) ASSERT_EQ(client_->reply(), ":" + std::to_string(i)) << key;
    }
  }
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(database_->ask("SELECT n FROM counters ORDER BY id"),
            std::to_string(kRounds * kWrites) + "\n" + std::to_string(kRounds * kWrites));
  // All of them are known still, flushed and trimmed as they are.
  client_->send(requests("count:a", 1, kRounds * kWrites));
  for (int i = 1; i <= kRounds * kWrites; ++i) ASSERT_EQ(client_->reply(), ":" + std::to_string(i));
  EXPECT_EQ(ask("GET", "count:a"), std::to_string(kRounds * kWrites));
}

INSTANTIATE_TEST_SUITE_P(, Once, testing::Values("sqlite"), database_name);

}  // namespace
}  // namespace forebay::test
