// Ends and new beginnings of a server with writes behind: in front of a dead database, under SIGTERM and
// SIGHUP, with writers at work; and what can be asked and seen meanwhile.

#include <array>
#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class RestartBehind : public BehindService {
 protected:
  RestartBehind() {
    database_->run("CREATE TABLE people(id text PRIMARY KEY, name text, age integer)");
    database_->run("CREATE TABLE texts(id text PRIMARY KEY, v text)");
    database_->run("CREATE TABLE counters(id text PRIMARY KEY, n bigint NOT NULL)");
    database_->run("INSERT INTO people VALUES ('old', 'Eve', 40)");
  }
  // `flush`: how long writes wait at most.
  void configure_as(const std::string& write, const std::string& flush,
                    const std::string& server = "") const {
    const std::string rest = "source = \"db\"\nttl = \"1h\"\nwrite = \"" + write + "\"\n" +
                             (write == "behind" ? "flush = { every = \"" + flush + "\" }\n" : "");
    configure(
        "[namespace.person]\nkey = \"person:{id}\"\ntable = \"people\"\n" + rest +
            "[namespace.text]\nkey = \"text:{id}\"\ntable = \"texts\"\ntype = \"text\"\nvalue = \"v\"\n" +
            rest +
            "[namespace.count]\nkey = \"count:{id}\"\ntable = \"counters\"\ntype = \"counter\"\n"
            "value = \"n\"\n" +
            rest,
        {.server = server, .source = "timeout = \"" + timeout_ + "\"\nconnect_timeout = \"30s\"\n"});
  }
  double metric(const std::string& name, const std::string& label) const {
    return forebay_.metric(name + "{" + label + "}");
  }

  std::string timeout_ = "500ms";
};

// Whole values, rows and counters whose row is known: none needs the source to be read, which is down from
// before the restart until after the reads.
TEST_P(RestartBehind, WhatIsPendingIsServedAfterARestartWithoutTheDatabase) {
  configure_as("behind", "1h");
  start();
  EXPECT_EQ(ask("SET", "text:a", "hello"), "+OK");
  EXPECT_EQ(ask("FOREBAY", "REMOVE", "text:b"), ":0");
  EXPECT_EQ(ask("SET", "count:a", "40"), "+OK");
  EXPECT_EQ(ask("INCRBY", "count:a", "2"), ":42");
  forebay_.kill();
  {
    const Away away(*database_);
    start();
    EXPECT_EQ(ask("GET", "text:a"), "hello");
    EXPECT_EQ(ask("GET", "text:b"), "(nil)");
    EXPECT_EQ(ask("GET", "count:a"), "42");
    EXPECT_EQ(ask("INCR", "count:a"), ":43");
    EXPECT_EQ(metric("forebay_source_calls_total", "source=\"db\",op=\"load\""), 0);
    EXPECT_EQ(metric("forebay_journal_pending", "namespace=\"count\""), 3);
  }
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(database_->ask("SELECT n FROM counters"), "43");
  EXPECT_EQ(database_->ask("SELECT id, v FROM texts"), "a|hello");
}

// Partial rows are loaded and merged by themselves, as soon as the database tells where its ledger stands.
TEST_P(RestartBehind, RowsWithPendingColumnsAreWarmBeforeAnybodyAsks) {
  configure_as("behind", "1h");
  start();
  EXPECT_EQ(ask("HSET", "person:old", "age", "41"), ":1");
  kill_and_start();
  EXPECT_TRUE(eventually([&] { return metric("forebay_entries", "namespace=\"person\"") == 1; }));
  const double loads = metric("forebay_source_calls_total", "source=\"db\",op=\"load\"");
  EXPECT_EQ(ask("GET", "person:old"), R"({"id":"old","name":"Eve","age":41})");
  EXPECT_EQ(metric("forebay_source_calls_total", "source=\"db\",op=\"load\""), loads);
  EXPECT_EQ(metric("forebay_requests_total", "namespace=\"person\",result=\"hit\""), 1);
}

TEST_P(RestartBehind, SigtermInFrontOfADeadDatabaseEndsInTimeAndTheNextStartGoesOn) {
  configure_as("behind", "20ms", "drain_timeout = \"700ms\"\n");
  start();
  EXPECT_EQ(ask("INCRBY", "count:a", "40"), ":40");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  {
    const Away away(*database_);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ask("INCR", "count:a"), ":" + std::to_string(41 + i));
    EXPECT_EQ(ask("SET", "text:a", "last"), "+OK");
    EXPECT_EQ(forebay_.terminate(20s), 0) << "it waits for the database: " << forebay_.log();
    EXPECT_THAT(forebay_.log(), HasSubstr("the journal keeps 101 writes that the databases do not have yet"));
    start();
    EXPECT_EQ(ask("GET", "text:a"), "last");
    EXPECT_EQ(forebay_.terminate(), 0);
  }
  EXPECT_EQ(database_->ask("SELECT n FROM counters"), "40");
  start();
  EXPECT_TRUE(eventually([&] { return database_->ask("SELECT n FROM counters") == "140"; }));
  EXPECT_TRUE(eventually([&] { return database_->ask("SELECT v FROM texts") == "last"; }));
  EXPECT_EQ(forebay_.terminate(), 0);
  EXPECT_EQ(forebay_.log().find("the journal keeps"), std::string::npos) << forebay_.log();
}

// A client that wants no replies, and one that has gone before its own.
TEST_P(RestartBehind, WhatNobodyWaitsForIsInTheJournalAllTheSame) {
  configure_as("behind", "1h");
  start();
  EXPECT_EQ(ask("SET", "count:a", "1"), "+OK");
  const auto journal = [&] { return std::filesystem::file_size(folder_ / "journal/journal.db-wal"); };
  auto before = journal();
  {
    const auto silent = forebay_.connect();
    silent->send(TestClient::encode({"CLIENT", "REPLY", "OFF"}) + TestClient::encode({"INCR", "count:a"}));
    EXPECT_TRUE(eventually([&] { return journal() > before; }));
  }
  before = journal();
  forebay_.connect()->send(TestClient::encode({"INCR", "count:a"}) + TestClient::encode({"QUIT"}));
  EXPECT_TRUE(eventually([&] { return journal() > before; }));
  forebay_.kill();
  start();
  EXPECT_EQ(ask("GET", "count:a"), "3");
}

// A live change of strategy under load.
TEST_P(RestartBehind, SwitchingBetweenBehindAndThroughUnderWritersLosesNothing) {
  timeout_ = "30s";              // nothing is away here, only slow at times
  configure_as("behind", "1h");  // something is pending whenever it is switched
  start();
  constexpr std::size_t kWriters = 3;
  std::atomic<bool> stop = false;
  std::atomic<int> answered = 0;
  std::array<int, kWriters> sums{};
  std::array<std::string, kWriters> last;
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < kWriters; ++t) {
    threads.emplace_back([&, t] {
      const auto client = forebay_.connect();
      constexpr int kPipeline = 8;
      for (int n = 0; !stop; n += kPipeline) {
        std::string pipeline;
        for (int i = 0; i < kPipeline; ++i) {
          pipeline += TestClient::encode({"INCR", "count:shared"}) +
                      TestClient::encode({"SET", "text:" + std::to_string(t), std::to_string(n + i)});
        }
        client->send(pipeline);
        for (int i = 0; i < kPipeline; ++i) {
          const std::string added = client->reply();
          EXPECT_EQ(added.front(), ':') << added;
          ++sums[t];
          EXPECT_EQ(client->reply(), "+OK");
          last[t] = std::to_string(n + i);
          ++answered;
        }
      }
    });
  }
  for (const char* write : {"through", "behind", "through", "behind"}) {
    const int before = answered;
    EXPECT_TRUE(eventually([&] { return answered > before + 50; })) << "writers are at work";
    configure_as(write, "1h");
    EXPECT_TRUE(forebay_.reload()) << forebay_.log();
    if (write == std::string("through")) {
      EXPECT_EQ(metric("forebay_journal_pending", "namespace=\"count\""), 0) << "drained before";
    }
  }
  stop = true;
  threads.clear();
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  int sum = 0;
  for (const int one : sums) sum += one;
  EXPECT_EQ(database_->ask("SELECT n FROM counters"), std::to_string(sum));
  EXPECT_EQ(ask("GET", "count:shared"), std::to_string(sum));
  for (std::size_t t = 0; t < kWriters; ++t) {
    EXPECT_EQ(database_->ask("SELECT v FROM texts WHERE id = '" + std::to_string(t) + "'"), last[t]);
    EXPECT_EQ(ask("GET", "text:" + std::to_string(t)), last[t]);
  }
}

TEST_P(RestartBehind, AnotherServerOnTheSameJournalDoesNotStart) {
  configure_as("behind", "1h");
  start();
  EXPECT_EQ(ask("SET", "text:a", "1"), "+OK");
  const TempDir elsewhere;
  std::filesystem::copy_file(folder_ / "forebay.toml", elsewhere / "forebay.toml");
  std::filesystem::create_directory_symlink(folder_ / "journal", elsewhere / "journal");
  ForebayProcess other(elsewhere.path());
  try {
    other.start();
    ADD_FAILURE() << "it started:\n" << other.log();
  } catch (const std::runtime_error& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("journal"));
    EXPECT_THAT(failure.what(), HasSubstr("another process"));
  }
  EXPECT_EQ(ask("GET", "text:a"), "1");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(database_->ask("SELECT v FROM texts"), "1");
}

TEST_P(RestartBehind, FlushedAnswersWhenTheDatabaseHasItOrWhenItsTimeIsOver) {
  configure_as("behind", "1h");
  start();
  EXPECT_EQ(ask("SET", "text:a", "1"), "+OK");
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM texts"), "0");
  EXPECT_EQ(ask("FOREBAY", "FLUSHED", "text:a", "20000"), ":1") << "it hurries what waits for an hour";
  EXPECT_EQ(database_->ask("SELECT v FROM texts"), "1");
  const auto waits = forebay_.connect();
  {
    const Away away(*database_);
    EXPECT_EQ(ask("SET", "text:a", "2"), "+OK");
    EXPECT_EQ(ask("FOREBAY", "FLUSHED", "text:a", "50"), ":0");
    EXPECT_EQ(ask("FOREBAY", "FLUSHED", "text:other", "50"), ":1") << "nothing is pending for it";
    EXPECT_EQ(ask("GET", "text:a"), "2");
    waits->send_command({"FOREBAY", "FLUSHED", "text:a"});  // as long as it takes
    EXPECT_EQ(ask("FOREBAY", "DRAIN", "50"), ":0");
  }
  EXPECT_EQ(waits->reply(), ":1");
  EXPECT_EQ(database_->ask("SELECT v FROM texts"), "2");
}

// Everything that the issue calls seen, from the first pending write to a dead letter.
TEST_P(RestartBehind, MetricsStatsAndExplainTellWhatIsGoingOn) {
  database_->run(postgres() ? "ALTER TABLE people ADD CHECK (age >= 0)"
                            : "DROP TABLE people; CREATE TABLE people(id text PRIMARY KEY, name text, "
                              "age integer CHECK (age >= 0))");
  configure_as("behind", "50ms");
  start();
  EXPECT_EQ(ask("SET", "count:a", "1"), "+OK");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  const std::string space = "namespace=\"count\"", flushed = "source=\"db\",namespace=\"count\"";
  EXPECT_EQ(metric("forebay_journal_pending", space), 0);
  EXPECT_EQ(metric("forebay_journal_pending_bytes", space), 0);
  EXPECT_EQ(metric("forebay_journal_oldest_seconds", space), 0);
  EXPECT_EQ(metric("forebay_journal_applied_total", flushed), 1);
  EXPECT_EQ(metric("forebay_journal_batches_total", flushed), 1);
  EXPECT_EQ(metric("forebay_journal_largest_batch", flushed), 1);
  const double flushing = metric("forebay_journal_flush_seconds_total", flushed);
  EXPECT_GT(flushing, 0);
  EXPECT_EQ(metric("forebay_journal_retries_total", flushed), 0);
  {
    const Away away(*database_);
    std::string pipeline;
    for (int i = 0; i < 10; ++i) pipeline += TestClient::encode({"INCR", "count:a"});
    client_->send(pipeline);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(client_->reply(), ":" + std::to_string(2 + i));
    EXPECT_EQ(metric("forebay_journal_pending", space), 10);
    const double bytes = metric("forebay_journal_pending_bytes", space);
    EXPECT_GT(bytes, 10 * std::string("count:a").size());
    EXPECT_EQ(metric("forebay_journal_pending", "namespace=\"text\""), 0);
    EXPECT_TRUE(eventually([&] { return metric("forebay_journal_oldest_seconds", space) > 0.1; }));
    EXPECT_TRUE(eventually([&] { return metric("forebay_journal_retries_total", flushed) > 0; }));
    EXPECT_THAT(ask("FOREBAY", "STATS", "count"), HasSubstr("pending_writes :10 "));
    EXPECT_THAT(ask("FOREBAY", "STATS", "count"),
                HasSubstr("pending_bytes :" + std::to_string(static_cast<int>(bytes))));
    EXPECT_THAT(ask("FOREBAY", "STATS", "count"), Not(HasSubstr("pending_oldest_ms :0 ")));
    const std::string explained = ask("FOREBAY", "EXPLAIN", "count:a");
    EXPECT_THAT(explained, HasSubstr(" pending_writes 10 "));
    EXPECT_THAT(explained, HasSubstr(R"( pending {"add":{"n":")"));
    EXPECT_THAT(explained, HasSubstr(" pending_age_ms "));
    EXPECT_THAT(explained, HasSubstr(" pending_state "));
  }
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(metric("forebay_journal_pending", space), 0);
  EXPECT_EQ(metric("forebay_journal_pending_bytes", space), 0);
  EXPECT_EQ(metric("forebay_journal_oldest_seconds", space), 0);
  EXPECT_EQ(metric("forebay_journal_applied_total", flushed), 11);
  EXPECT_GT(metric("forebay_journal_flush_seconds_total", flushed), flushing);
  EXPECT_EQ(ask("FOREBAY", "EXPLAIN", "count:a").find("pending_age_ms"), std::string::npos);
  const std::string person = "source=\"db\",namespace=\"person\"";
  EXPECT_EQ(metric("forebay_dead_letters", person), 0);

  EXPECT_EQ(ask("SET", "person:a", R"({"age":-1})"), "+OK");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  EXPECT_EQ(metric("forebay_dead_letters", person), 1);
  EXPECT_EQ(metric("forebay_journal_refused_total", person), 1);
  EXPECT_EQ(metric("forebay_journal_applied_total", person), 0);
  EXPECT_EQ(metric("forebay_journal_applied_total", flushed), 11);
  EXPECT_THAT(ask("FOREBAY", "STATS", "person"), HasSubstr("refused_writes :1 dead_letters :1"));
}

INSTANTIATE_TEST_SUITE_P(On, RestartBehind, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
