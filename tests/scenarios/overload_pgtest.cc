// A journal at its bounds while the database is away: refused with a clear error, or written through, and
// counters that stay exact either way.

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class Overload : public BehindService {
 protected:
  void open(const std::string& bounds, const std::string& when_full = "refuse",
            const std::string& timeout = "1s") {
    database_->run("CREATE TABLE counters(id text PRIMARY KEY, n bigint NOT NULL)");
    database_->run("CREATE TABLE texts(id text PRIMARY KEY, v text NOT NULL)");
    const std::string behind =
        "source = \"db\"\nwrite = \"behind\"\nflush = { every = \"20ms\" }\nwhen_full = \"" + when_full +
        "\"\n";
    configure(
        "[namespace.count]\nkey = \"count:{id}\"\ntable = \"counters\"\ntype = \"counter\"\n"
        "value = \"n\"\n" +
            behind +
            "[namespace.text]\nkey = \"text:{id}\"\ntable = \"texts\"\ntype = \"text\"\nvalue = \"v\"\n" +
            behind,
        {.journal = bounds, .source = "timeout = \"" + timeout + "\"\n"});
    start();
    // What is counted on is known before the database goes.
    for (int i = 0; i < kCounters; ++i) ASSERT_EQ(ask("INCRBY", count(i), "0"), ":0");
    ASSERT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  }
  static std::string count(int number) { return "count:" + std::to_string(number % kCounters); }
  std::string in_database(int number) {
    return database_->ask("SELECT n FROM counters WHERE id = '" + std::to_string(number) + "'");
  }

  // Increments until several in a row are refused; the last refusal.
  std::string increment_until_refused() {
    std::string reply;
    int refused = 0;
    constexpr int kMany = 100'000;
    for (int i = 0; i < kMany && refused < 2 * kCounters; ++i) {
      reply = ask("INCR", count(i));
      if (reply == ":" + std::to_string(sums_.at(i % kCounters) + 1)) {
        ++sums_.at(i % kCounters);
        refused = 0;
      } else {
        EXPECT_THAT(reply, StartsWith("-OVERLOADED "));
        ++refused;
      }
    }
    return reply;
  }
  void expect_sums_are_read() {
    for (int i = 0; i < kCounters; ++i) EXPECT_EQ(ask("GET", count(i)), std::to_string(sums_.at(i))) << i;
  }
  void expect_sums_in_database_and_room() {
    EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
    for (int i = 0; i < kCounters; ++i) EXPECT_EQ(in_database(i), std::to_string(sums_.at(i))) << i;
    EXPECT_TRUE(eventually([&] { return ask("INCR", "count:0") == ":" + std::to_string(sums_[0] + 1); }));
    EXPECT_EQ(ask("FOREBAY", "FLUSHED", "count:0", "20000"), ":1");
    EXPECT_EQ(in_database(0), std::to_string(sums_[0] + 1));
  }

  static constexpr int kCounters = 7;
  std::array<int, kCounters> sums_{};
};

TEST_P(Overload, InRecordsIsRefusedUntilTheDatabaseIsBack) {
  open("max_records = 100\n");
  {
    const Away away(*database_);
    const std::string refusal = increment_until_refused();
    EXPECT_THAT(refusal, HasSubstr("the journal is full: 100 writes"));
    EXPECT_THAT(refusal, HasSubstr("this one was not taken"));
    expect_sums_are_read();
    EXPECT_EQ(ask("PING"), "+PONG");
    kill_and_start();
    EXPECT_THAT(ask("SET", "text:a", "b"), StartsWith("-OVERLOADED ")) << "what is pending still counts";
  }
  expect_sums_in_database_and_room();
}

TEST_P(Overload, InBytesIsRefusedUntilTheDatabaseIsBack) {
  open("max_bytes = \"1MiB\"\n");
  {
    const Away away(*database_);
    const std::string large(100'000, 'x');
    int taken = 0;
    std::string refusal;
    for (; taken < 20; ++taken) {
      refusal = ask("SET", "text:" + std::to_string(taken), large);
      if (refusal != "+OK") break;
    }
    EXPECT_EQ(taken, 10) << refusal;
    EXPECT_THAT(refusal, StartsWith("-OVERLOADED "));
    EXPECT_THAT(refusal, HasSubstr("the journal is full"));
    for (int i = 0; i < taken; ++i) EXPECT_EQ(ask("GET", "text:" + std::to_string(i)), large);
    // Smaller ones still have room, up to the same bound.
    EXPECT_EQ(ask("INCR", "count:3"), ":1");
    ++sums_[3];
    for (int i = 0; i < 20 && ask("SET", "text:small", std::string(5'000, 'y')) == "+OK"; ++i) {
    }
    EXPECT_THAT(ask("SET", "text:small", std::string(5'000, 'y')), StartsWith("-OVERLOADED "));
    expect_sums_are_read();
  }
  expect_sums_in_database_and_room();
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM texts WHERE length(v) = 100000"), "10");
}

TEST_P(Overload, InAgeIsRefusedUntilTheDatabaseIsBack) {
  open("max_age = \"300ms\"\n");
  {
    const Away away(*database_);
    const std::string refusal = increment_until_refused();
    EXPECT_THAT(refusal, HasSubstr("its oldest write has waited for the database"));
    expect_sums_are_read();
  }
  expect_sums_in_database_and_room();
}

// Several connections at the bound all the time: what is refused is not counted, what is not is. They leave
// the database little of the processor.
TEST_P(Overload, CountersStayExactWhateverIsRefusedMeanwhile) {
  open("max_records = 50\n", "refuse", "20s");
  std::atomic<int> taken = 0, refused = 0;
  std::atomic<bool> stop = false;
  std::vector<std::jthread> threads;
  {
    const Away away(*database_);
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&] {
        const auto client = forebay_.connect();
        const std::string increment = TestClient::encode({"INCR", "count:1"});
        while (!stop) {
          std::string pipeline;
          for (int i = 0; i < 10; ++i) pipeline += increment;
          client->send(pipeline);
          for (int i = 0; i < 10; ++i) {
            const std::string reply = client->reply();
            if (reply.front() == ':') {
              ++taken;
            } else {
              EXPECT_THAT(reply, StartsWith("-OVERLOADED "));
              ++refused;
            }
          }
        }
      });
    }
    EXPECT_TRUE(eventually([&] { return refused > 200; }));
  }
  const int before = taken;
  EXPECT_TRUE(eventually([&] { return taken > before + 200; }, 60s)) << "there is room again";
  stop = true;
  threads.clear();
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(in_database(1), std::to_string(taken));
  EXPECT_EQ(ask("GET", "count:1"), std::to_string(taken));
}

// At the bound writes go through, after what is pending for their key: they are slow, none is refused, and
// the last one of a key is the one that stays.
TEST_P(Overload, WritesGoThroughInTheirOrderAtTheBoundWhereTheNamespaceSaysSo) {
  open("max_records = 20\n", "through");
  constexpr int kThreads = 4, kWrites = 100;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const auto client = forebay_.connect();
      std::string pipeline;
      for (int i = 0; i < kWrites; ++i) {
        pipeline += TestClient::encode({"INCR", "count:1"}) +
                    TestClient::encode({"SET", "text:" + std::to_string(t), std::to_string(i)});
      }
      client->send(pipeline);
      for (int i = 0; i < kWrites; ++i) {
        const std::string added = client->reply();
        EXPECT_EQ(added.front(), ':') << added;
        EXPECT_EQ(client->reply(), "+OK");
      }
    });
  }
  threads.clear();
  const std::string sum = std::to_string(kThreads * kWrites);
  const std::string last = std::to_string(kWrites - 1);
  EXPECT_EQ(ask("GET", "count:1"), sum);
  for (int t = 0; t < kThreads; ++t) EXPECT_EQ(ask("GET", "text:" + std::to_string(t)), last);
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(in_database(1), sum);
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM texts WHERE v = '" + last + "'"),
            std::to_string(kThreads));
  EXPECT_GT(forebay_.metric("forebay_journal_applied_total{source=\"db\",namespace=\"count\"}"), 20)
      << "some were written behind";
  EXPECT_GT(forebay_.metric("forebay_source_calls_total{source=\"db\",op=\"write\"}"), 0)
      << "and some through";
}

INSTANTIATE_TEST_SUITE_P(On, Overload, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
