// What a program sees when the database is gone, slow, hung, full, or hangs up in the middle.

#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "base/cancel.h"
#include "source/postgres/fixture.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

class PostgresFailures : public PostgresTest {
 protected:
  void SetUp() override {
    sql("DROP TABLE IF EXISTS things CASCADE");
    sql("CREATE TABLE things(id integer PRIMARY KEY, n integer); INSERT INTO things VALUES (1, 10), (2, 20)");
  }
  // Every test leaves a server that answers.
  void TearDown() override { test::PostgresServer::shared(); }

  static std::future<Result<std::vector<Loaded>>> load_async(Dataset& dataset, const CallContext& context) {
    return std::async(std::launch::async, [&dataset, context] {
      const std::vector<KeyFields> keys = {{"1"}};
      return dataset.load(keys, context);
    });
  }
  static std::future<Result<Written>> write_async(Dataset& dataset, const CallContext& context) {
    return std::async(std::launch::async,
                      [&dataset, context] { return dataset.write({"1"}, Update{{{"n", "11"}}}, context); });
  }
  // A trigger that waits while the test holds the advisory lock 7: in the statement, or only at COMMIT.
  void make_writes_wait(bool at_commit) {
    sql("CREATE OR REPLACE FUNCTION wait_for_seven() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN PERFORM pg_advisory_xact_lock_shared(7); RETURN NEW; END$$");
    sql(at_commit
            ? "CREATE CONSTRAINT TRIGGER waits AFTER UPDATE ON things DEFERRABLE INITIALLY DEFERRED "
              "FOR EACH ROW EXECUTE FUNCTION wait_for_seven()"
            : "CREATE TRIGGER waits BEFORE UPDATE ON things FOR EACH ROW EXECUTE FUNCTION wait_for_seven()");
  }
};

TEST_F(PostgresFailures, ADeadDatabaseIsUnavailableUntilItIsBack) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":10})");
  server_.stop();
  for (const Error& error :
       {load_error(*dataset, "1", within()), write_error(*dataset, "1", Update{{{"n", "1"}}})}) {
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
    EXPECT_NE(error.message.find("source shop, table things"), std::string::npos) << error.message;
  }
  EXPECT_FALSE(database->ping(within()).has_value());
  server_.start();
  EXPECT_TRUE(database->ping(within()).has_value());
  EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":10})");
}

TEST_F(PostgresFailures, ARestartBetweenTwoCallsIsNotNoticed) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  for (const int how : {SIGINT, SIGQUIT, SIGKILL}) {
    EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":10})");
    server_.stop(how);
    server_.start();
    EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":10})");
    server_.stop(how);
    server_.start();
    EXPECT_TRUE(dataset->write({"1"}, Update{{{"n", "10"}}}, within()).has_value());
  }
}

TEST_F(PostgresFailures, AReadWhoseConnectionBreaksIsRepeatedOnceOnAnother) {
  auto database = source();
  auto dataset = open(
      *database, query("SELECT 'read' AS a, pg_advisory_xact_lock_shared(7)::text AS b, {id}::int AS id"));
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("SELECT pg_advisory_lock(7)");
  auto loading = load_async(*dataset, within());
  wait_for_statement("advisory");
  const std::string first = backend_running("advisory");
  sql("SELECT pg_terminate_backend(" + first + ")");
  ASSERT_TRUE(test::eventually([&] { return runs("advisory") && backend_running("advisory") != first; }));
  other.run("SELECT pg_advisory_unlock(7)");
  auto loaded = loading.get();
  ASSERT_TRUE(loaded.has_value()) << loaded.error().message;
  EXPECT_EQ(loaded->front().value, R"({"a":"read","b":"","id":1})");

  other.run("SELECT pg_advisory_lock(7)");
  loading = load_async(*dataset, within());
  for (int i = 0; i < 2; ++i) {
    wait_for_statement("advisory");
    const std::string running = backend_running("advisory");
    sql("SELECT pg_terminate_backend(" + running + ")");
    ASSERT_TRUE(test::eventually([&] { return backend_running("advisory") != running; }));
  }
  loaded = loading.get();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnavailable) << loaded.error().message;
}

TEST_F(PostgresFailures, AWriteWhoseConnectionBreaksIsNotRepeatedAndChangesNothing) {
  make_writes_wait(false);
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("SELECT pg_advisory_lock(7)");
  auto writing = write_async(*dataset, within());
  wait_for_statement("UPDATE");
  sql("SELECT pg_terminate_backend(" + backend_running("UPDATE") + ")");
  auto written = writing.get();
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable) << written.error().message;
  other.run("SELECT pg_advisory_unlock(7)");
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
  EXPECT_TRUE(write_async(*dataset, within()).get().has_value());
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "11");
}

// The transaction of a write that was not confirmed.
std::uint64_t unconfirmed(const Result<Written>& written) {
  EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().message);
  if (!written || !written->unconfirmed) {
    ADD_FAILURE() << "confirmed";
    return 0;
  }
  EXPECT_NE(written->unconfirmed->why.find("source shop, table things: the commit was not confirmed"),
            std::string::npos)
      << written->unconfirmed->why;
  return written->unconfirmed->transaction;
}

TEST_F(PostgresFailures, ACommitThatIsCutOffIsUnconfirmedAndMayHaveHappened) {
  auto database = source();
  DatasetSpec spec = table("things");
  spec.watch_columns = {"n"};
  auto dataset = open(*database, spec);
  ASSERT_NE(dataset, nullptr);
  hold_commits();
  auto writing = write_async(*dataset, within());
  wait_for_statement("COMMIT");
  sql("SELECT pg_terminate_backend(" + backend_running("COMMIT") + ")");
  const auto written = writing.get();
  let_commits_go();
  const std::uint64_t transaction = unconfirmed(written);
  EXPECT_NE(transaction, 0u);
  EXPECT_EQ(written->images.before, (Fields{{"n", "10"}}));
  EXPECT_EQ(written->images.after, (Fields{{"n", "11"}}));
  EXPECT_TRUE(database->has_ended(transaction, within()).value());
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "11");
}

TEST_F(PostgresFailures, ACommitThatIsNotAnsweredIsInProgressUntilItIsSeen) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  hold_commits();
  auto writing = write_async(*dataset, within(5s));
  wait_for_statement("COMMIT");
  // Its process stands still, as when its disk does.
  const pid_t backend = std::stoi(backend_running("COMMIT"));
  ::kill(backend, SIGSTOP);
  const std::uint64_t transaction = unconfirmed(writing.get());
  EXPECT_FALSE(database->has_ended(transaction, within()).value());
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
  let_commits_go();
  ::kill(backend, SIGCONT);
  EXPECT_TRUE(test::eventually([&] { return database->has_ended(transaction, within()).value(); }));
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "11");
}

TEST_F(PostgresFailures, ATransactionThatIsNotKnownHasEnded) {
  auto database = source();
  EXPECT_TRUE(database->has_ended(1'000'000'000, within()).value()) << "of the future, as after a failover";
  EXPECT_TRUE(database->has_ended(1, within()).value()) << "long gone";
  server_.pause();
  EXPECT_FALSE(database->has_ended(1, within(200ms)).has_value());
  server_.resume();
}

TEST_F(PostgresFailures, ACommitThatTheServerRefusesIsRefused) {
  sql("ALTER TABLE things ADD CONSTRAINT other FOREIGN KEY (n) REFERENCES things(id) DEFERRABLE INITIALLY "
      "DEFERRED NOT VALID");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  const Error error = write_error(*dataset, "1", Update{{{"n", "99"}}});
  EXPECT_EQ(error.code, ErrorCode::kRefused) << error.message;
  EXPECT_NE(error.message.find("is not present in table"), std::string::npos) << error.message;
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(PostgresFailures, ACommitThatTheServerGivesUpHasAKnownOutcome) {
  make_writes_wait(true);
  sql("DROP ROLE IF EXISTS impatient; CREATE ROLE impatient LOGIN SUPERUSER; ALTER ROLE impatient SET "
      "lock_timeout = '50ms'");
  auto database = source(4, "impatient");
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("SELECT pg_advisory_lock(7)");
  const Error error = write_error(*dataset, "1", Update{{{"n", "11"}}});
  EXPECT_EQ(error.code, ErrorCode::kTimeout) << error.message;
  EXPECT_EQ(error.scope, ErrorScope::kCall);
  other.run("SELECT pg_advisory_unlock(7)");
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(PostgresFailures, WhoWaitsForALockIsToldSoAndKeepsTheSession) {
  auto database = source(1);
  auto dataset = open(*database, table("things"));
  auto pid = open(*database, query("SELECT pg_backend_pid() AS pid, {id}::int AS id"));
  ASSERT_NE(dataset, nullptr);
  ASSERT_NE(pid, nullptr);
  const auto before = load_one(*pid, "1");
  Session other(server_);
  const auto waited = [&](const Error& error) {
    EXPECT_EQ(error.code, ErrorCode::kTimeout) << error.message;
    EXPECT_EQ(error.scope, ErrorScope::kCall) << error.message;
    EXPECT_NE(error.message.find("waited for a lock that another session holds"), std::string::npos)
        << error.message;
  };
  other.run("BEGIN; SELECT * FROM things WHERE id = 1 FOR UPDATE");
  waited(write_error(*dataset, "1", Update{{{"n", "11"}}}, within(300ms)));
  other.run("ROLLBACK; BEGIN; LOCK TABLE things");
  waited(write_error(*dataset, "1", Update{{{"n", "11"}}}, within(300ms)));
  waited(load_error(*dataset, "1", within(300ms)));
  other.run("ROLLBACK");
  EXPECT_EQ(load_one(*pid, "1"), before);
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(PostgresFailures, AConflictWithAnotherWriterSaysNothingOfTheServer) {
  sql("DROP ROLE IF EXISTS strict; CREATE ROLE strict LOGIN SUPERUSER; ALTER ROLE strict SET "
      "default_transaction_isolation = 'repeatable read'");
  auto database = source(1, "strict");
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("BEGIN; UPDATE things SET n = 12 WHERE id = 1");
  auto writing = write_async(*dataset, within(30s));
  wait_for_statement("UPDATE");
  ASSERT_TRUE(
      test::eventually([&] { return sql("SELECT count(*) FROM pg_locks WHERE NOT granted") == "1"; }));
  other.run("COMMIT");
  const auto written = writing.get();
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kUnavailable) << written.error().message;
  EXPECT_EQ(written.error().scope, ErrorScope::kCall);
}

TEST_F(PostgresFailures, TheServerIsToldTheCallsTimeout) {
  auto database = source(1);
  auto dataset = open(*database, query("SELECT current_setting('statement_timeout') AS t, {id}::int AS id"));
  ASSERT_NE(dataset, nullptr);
  const std::vector<KeyFields> keys = {{"1"}};
  EXPECT_EQ(dataset->load(keys, within(45s))->front().value, R"({"t":"45s","id":1})");
  EXPECT_EQ(dataset->load(keys, within(12345ms))->front().value, R"({"t":"12345ms","id":1})");
}

TEST_F(PostgresFailures, AStatementThatIsTooSlowIsEndedByTheServerAndTheSessionIsKept) {
  auto database = source(1);
  auto slow = open(*database, query("SELECT pg_sleep(600), {id}::int AS id"));
  auto quick = open(*database, query("SELECT pg_backend_pid() AS pid, {id}::int AS id"));
  ASSERT_NE(slow, nullptr);
  ASSERT_NE(quick, nullptr);
  const auto before = load_one(*quick, "1");
  // The server's error and the deadline are 100 ms apart, which a busy machine may use up: once is enough.
  EXPECT_TRUE(test::eventually([&] {
    const auto pid = load_one(*quick, "1");
    const Error error = load_error(*slow, "1", within(50ms));
    EXPECT_EQ(error.code, ErrorCode::kTimeout) << error.message;
    return load_one(*quick, "1") == pid;
  })) << before.value_or("");
  EXPECT_FALSE(runs("pg_sleep"));
}

TEST_F(PostgresFailures, ACancelledLoadDisappearsFromTheServer) {
  auto database = source();
  auto dataset = open(*database, query("SELECT pg_sleep(600), {id}::int AS id"));
  ASSERT_NE(dataset, nullptr);
  CancelFlag flag;
  auto loading = load_async(*dataset, within(600s, &flag));
  wait_for_statement("pg_sleep");
  flag.cancel();
  const auto loaded = loading.get();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled) << loaded.error().message;
  EXPECT_TRUE(test::eventually([&] { return !runs("pg_sleep"); }));
  EXPECT_EQ(load_error(*dataset, "1", within(600s, &flag)).code, ErrorCode::kCancelled);
}

TEST_F(PostgresFailures, ACancelledWriteChangesNothing) {
  make_writes_wait(false);
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  Session other(server_);
  other.run("SELECT pg_advisory_lock(7)");
  CancelFlag flag;
  auto writing = write_async(*dataset, within(600s, &flag));
  wait_for_statement("UPDATE");
  flag.cancel();
  const auto written = writing.get();
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kCancelled) << written.error().message;
  other.run("SELECT pg_advisory_unlock(7)");
  EXPECT_TRUE(test::eventually([&] { return !runs("UPDATE"); }));
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(PostgresFailures, ManyCancellationsNeverHitAnotherCall) {
  auto database = source(2);
  auto slow = open(*database, query("SELECT pg_sleep(600), {id}::int AS id"));
  auto quick = open(*database, table("things"));
  ASSERT_NE(slow, nullptr);
  ASSERT_NE(quick, nullptr);
  for (int i = 0; i < 20; ++i) {
    CancelFlag flag;
    auto loading = load_async(*slow, within(600s, &flag));
    if (i % 2 == 0) wait_for_statement("pg_sleep");
    flag.cancel();
    for (int j = 0; j < 5; ++j) EXPECT_EQ(load_one(*quick, "2"), R"({"id":2,"n":20})");
    EXPECT_FALSE(loading.get().has_value());
  }
  EXPECT_TRUE(test::eventually([&] { return !runs("pg_sleep") && sessions() <= 2; }));
}

TEST_F(PostgresFailures, AHungServerHoldsNobodyBeyondTheTimeout) {
  auto database = source(2);
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(load_one(*dataset, "1").has_value());
  server_.pause();
  // One on the connection there is, the others on such as have to be opened.
  for (int i = 0; i < 3; ++i) {
    const Error error = load_error(*dataset, "1", within(100ms));
    EXPECT_EQ(error.code, ErrorCode::kTimeout) << error.message;
  }
  const Error error = write_error(*dataset, "1", Update{{{"n", "1"}}}, within(100ms));
  EXPECT_EQ(error.code, ErrorCode::kTimeout) << error.message;
  EXPECT_FALSE(database->ping(within(100ms)).has_value());
  server_.resume();
  EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":10})");
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(PostgresFailures, ACancellationWakesACallThatAHungServerHolds) {
  auto database = source(2);
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(load_one(*dataset, "1").has_value());
  server_.pause();
  for (int i = 0; i < 2; ++i) {
    CancelFlag flag;
    auto loading = load_async(*dataset, within(600s, &flag));
    flag.cancel();
    const auto loaded = loading.get();
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled) << loaded.error().message;
  }
  // The source goes away although the thread that sends cancel requests is held by the server.
  dataset.reset();
  database.reset();
  server_.resume();
}

TEST_F(PostgresFailures, ACallThatFindsEveryConnectionBusyWaitsAndThenSaysSo) {
  auto database = source(1);
  auto slow = open(*database, query("SELECT pg_sleep(600), {id}::int AS id"));
  auto quick = open(*database, table("things"));
  ASSERT_NE(slow, nullptr);
  ASSERT_NE(quick, nullptr);
  EXPECT_EQ(database->concurrency(), 1U);
  CancelFlag flag;
  auto loading = load_async(*slow, within(600s, &flag));
  wait_for_statement("pg_sleep");
  const Error error = load_error(*quick, "1", within(20ms));
  EXPECT_EQ(error.code, ErrorCode::kTimeout);
  EXPECT_NE(error.message.find("connections were busy"), std::string::npos) << error.message;
  // A call that waits for a connection can be cancelled.
  CancelFlag waiting;
  auto second = load_async(*quick, within(600s, &waiting));
  waiting.cancel();
  EXPECT_EQ(second.get().error().code, ErrorCode::kCancelled);
  // And one gets it as soon as it is free.
  auto third = load_async(*quick, within(600s));
  flag.cancel();
  EXPECT_FALSE(loading.get().has_value());
  EXPECT_TRUE(third.get().has_value());
}

TEST_F(PostgresFailures, AServerThatTakesNoMoreSessionsIsUnavailable) {
  sql("DROP ROLE IF EXISTS lonely; CREATE ROLE lonely LOGIN CONNECTION LIMIT 1; GRANT SELECT ON things TO "
      "lonely");
  auto one = source(1, "lonely");
  auto two = source(1, "lonely");
  auto dataset = open(*one, table("things", {"id"}, false));
  ASSERT_NE(dataset, nullptr);
  const Error error = open_error(*two, table("things", {"id"}, false));
  EXPECT_EQ(error.code, ErrorCode::kUnavailable) << error.message;
  EXPECT_NE(error.message.find("too many connections"), std::string::npos) << error.message;
}

TEST_F(PostgresFailures, AnAddressThatNobodyListensOnIsNamedWithoutItsPassword) {
  config::Source settings;
  settings.name = "shop";
  settings.url = "postgresql://ada:secret@/db?host=/nonexistent-folder";
  auto database = source::open_postgres(settings);
  ASSERT_TRUE(database.has_value());
  const Error error = (*database)->ping(within()).error();
  EXPECT_EQ(error.code, ErrorCode::kUnavailable);
  EXPECT_NE(error.message.find("source shop"), std::string::npos) << error.message;
  EXPECT_EQ(error.message.find("secret"), std::string::npos) << error.message;
  for (const std::string url : {"", "postgresql://ada:secret@[", "nonsense secret", "pasword=secret"}) {
    settings.url = url;
    auto refused = source::open_postgres(settings);
    ASSERT_FALSE(refused.has_value()) << url;
    EXPECT_EQ(refused.error().code, ErrorCode::kConfig);
    EXPECT_EQ(refused.error().message.find("secret"), std::string::npos) << refused.error().message;
  }
}

TEST_F(PostgresFailures, PreparedStatementsSurviveChangesOfTheTableAndTheSession) {
  auto database = source(1);
  auto rows = open(*database, table("things"));
  auto all = open(*database, query("SELECT * FROM things WHERE id = {id}"));
  ASSERT_NE(rows, nullptr);
  ASSERT_NE(all, nullptr);
  EXPECT_TRUE(load_one(*rows, "1").has_value());
  EXPECT_TRUE(load_one(*all, "1").has_value());
  sql("ALTER TABLE things ALTER COLUMN n TYPE bigint");
  EXPECT_EQ(load_one(*rows, "1"), R"({"id":1,"n":10})");
  EXPECT_EQ(load_one(*all, "1"), R"({"id":1,"n":10})");
  EXPECT_TRUE(rows->write({"1"}, Update{{{"n", "3000000000"}}}, within()).has_value());
  sql("ALTER TABLE things ALTER COLUMN n TYPE numeric");
  EXPECT_EQ(write_error(*rows, "1", Update{{{"n", "3000000001"}}}).code, ErrorCode::kConfig)
      << "it reads otherwise: to be opened anew";
  rows = open(*database, table("things"));
  all = open(*database, query("SELECT * FROM things WHERE id = {id}"));
  EXPECT_TRUE(rows->write({"1"}, Update{{{"n", "3000000001"}}}, within()).has_value());
  EXPECT_EQ(load_one(*rows, "1"), R"({"id":1,"n":3000000001})");
  sql("ALTER TABLE things ADD COLUMN extra text");
  EXPECT_EQ(load_one(*rows, "1"), R"({"id":1,"n":3000000001})");
  EXPECT_EQ(load_error(*all, "1", within()).code, ErrorCode::kRefused);
  sql("ALTER TABLE things DROP COLUMN n");
  const Error error = load_error(*rows, "1", within());
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_NE(error.message.find("n"), std::string::npos);
}

}  // namespace
}  // namespace forebay
