// A pooler between Forebay and PostgreSQL: PgBouncer, which lends one session of the server by the transaction.

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <future>

#include "base/cancel.h"
#include "source/postgres/fixture.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

// PgBouncer with one session of the server for all its clients.
class PgBouncer {
 public:
  explicit PgBouncer(const std::string& server_url) {
    const std::string socket_folder = server_url.substr(server_url.find("host=") + 5);
    // PgBouncer refuses to run as root, too.
    const std::string user = geteuid() == 0 ? "postgres" : "";
    std::ofstream(folder_ / "ini")
        << "[databases]\npostgres = host=" << socket_folder << " user=postgres\n[pgbouncer]\nlisten_addr =\n"
        << "unix_socket_dir = " << folder_.path().string() << "\nlisten_port = 6432\nauth_type = any\n"
        << "pool_mode = transaction\ndefault_pool_size = 1\nmax_client_conn = 50\nserver_reset_query =\n";
    if (!user.empty() && chown(folder_.path().c_str(), getpwnam(user.c_str())->pw_uid, 0) != 0)
      throw std::runtime_error("chown failed");
    process_ = test::Process({"/usr/sbin/pgbouncer", (folder_ / "ini").string()},
                             {.output = folder_ / "log", .user = user});
    if (!test::eventually([&] { return PQping(url().c_str()) == PQPING_OK; })) {
      std::ifstream log(folder_ / "log");
      throw std::runtime_error("pgbouncer did not start:\n" +
                               std::string(std::istreambuf_iterator<char>(log), {}));
    }
  }
  static bool is_installed() { return access("/usr/sbin/pgbouncer", X_OK) == 0; }

  std::string url() const {
    return "postgresql://postgres@/postgres?port=6432&host=" + folder_.path().string();
  }

 private:
  test::TempDir folder_;
  test::Process process_;
};

class PostgresPooler : public PostgresTest {
 protected:
  void SetUp() override {
    if (!PgBouncer::is_installed()) GTEST_SKIP() << "there is no pgbouncer";
    bouncer_.emplace(server_.url());
    client_ = {PQconnectdb(bouncer_->url().c_str()), &PQfinish};
    sql("DROP TABLE IF EXISTS things CASCADE; DROP TABLE IF EXISTS forebay_applied, forebay_dead;"
        "CREATE TABLE things(id integer PRIMARY KEY, n integer, at timestamptz, CHECK (n < 100));"
        "INSERT INTO things VALUES (1, 10, '2026-01-01 00:00Z')");
  }

  std::shared_ptr<Source> pooled(config::Pooler pooler = config::Pooler::kTransaction) const {
    config::Source settings;
    settings.name = "shop";
    settings.kind = "postgres";
    settings.url = bouncer_->url();
    settings.pool = 3;
    settings.pooler = pooler;
    settings.timeout = settings.connect_timeout = 30s;
    auto opened = source::open_postgres(settings);
    return opened ? *opened : nullptr;
  }

  // What another client of the pooler is told. Its statements may run in any session that Forebay has used.
  std::string ask(const std::string& text) const {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(client_.get(), text.c_str()), &PQclear);
    if (PQresultStatus(result.get()) != PGRES_TUPLES_OK) return PQerrorMessage(client_.get());
    return PQntuples(result.get()) == 0 ? "" : PQgetvalue(result.get(), 0, 0);
  }
  std::string settings() const {
    return ask(
        "SELECT string_agg(name || '=' || setting, E'\\n' ORDER BY name) FROM pg_settings "
        "WHERE name NOT IN ('application_name')");
  }
  // What the pooler's other clients find.
  void expect_untouched(const std::string& after_what) const {
    EXPECT_EQ(settings(), before_) << after_what;
    EXPECT_EQ(ask("SELECT count(*) FROM pg_prepared_statements"), "0") << after_what;
    EXPECT_EQ(ask("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"), "0") << after_what;
    EXPECT_EQ(ask("INSERT INTO others VALUES (1) RETURNING n"), "1") << after_what;
  }

  std::optional<PgBouncer> bouncer_;
  std::unique_ptr<PGconn, decltype(&PQfinish)> client_{nullptr, &PQfinish};
  std::string before_;
};

TEST_F(PostgresPooler, OtherClientsFindEverySettingUntouched) {
  sql("DROP TABLE IF EXISTS others; CREATE TABLE others(n integer)");
  before_ = settings();
  ASSERT_NE(before_.find("default_transaction_read_only=off"), std::string::npos) << before_;
  const auto database = pooled();
  const auto things = open(*database, table("things"));
  ASSERT_NE(things, nullptr);
  expect_untouched("opening a table");
  const auto asked = open(*database, query("SELECT n, at FROM things WHERE id = {id}"));
  ASSERT_NE(asked, nullptr);
  expect_untouched("opening a query");

  const std::string row = R"({"id":1,"n":10,"at":"2026-01-01T00:00:00Z"})";
  EXPECT_EQ(load(*things, {{"1"}, {"2"}}).front(), row);
  EXPECT_EQ(load_one(*asked, "1"), R"({"n":10,"at":"2026-01-01T00:00:00Z"})");
  expect_untouched("loads");
  EXPECT_EQ(things->write({"1"}, Update{{{"n", "11"}}}, within())->after.value,
            R"({"id":1,"n":11,"at":"2026-01-01T00:00:00Z"})");
  EXPECT_EQ(things->write({"2"}, Upsert{{{"n", "1"}}}, within())->after.value, R"({"id":2,"n":1,"at":null})");
  EXPECT_EQ(write_error(*things, "1", Update{{{"n", "100"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*things, "1", Update{{{"n", "many"}}}).code, ErrorCode::kRefused);
  expect_untouched("writes");
  ASSERT_TRUE(database->ping(within()).has_value());

  const auto ledger = database->ledger();
  ASSERT_TRUE(ledger->open("j", 1, within()).has_value());
  WriteBatch batch;
  batch.journal = "j";
  batch.upto = 3;
  batch.writes = {{things.get(), {"3"}, {Upsert{{{"n", "3"}}}}},
                  {things.get(), {"4"}, {Upsert{{{"n", "100"}}}}},
                  {things.get(), {"5"}, {Update{{{"at", "nonsense"}}}}}};
  EXPECT_EQ(ledger->apply(batch, within())->refused.size(), 2u);
  batch.writes.resize(1);
  EXPECT_TRUE(ledger->apply(batch, within())->refused.empty());
  EXPECT_EQ(sql("SELECT last_seq FROM forebay_applied"), "3");
  expect_untouched("batches");
}

TEST_F(PostgresPooler, TimeoutsAndCancellationsLeaveNothingBehind) {
  sql("DROP TABLE IF EXISTS others; CREATE TABLE others(n integer)");
  before_ = settings();
  const auto database = pooled();
  const auto things = open(*database, table("things"));
  const auto slow = open(*database, query("SELECT pg_sleep(600), {id}::int AS id"));
  ASSERT_NE(things, nullptr);
  ASSERT_NE(slow, nullptr);
  EXPECT_EQ(load_error(*slow, "1", within(200ms)).code, ErrorCode::kTimeout);
  expect_untouched("a load that is too slow");
  {
    Session other(server_);
    other.run("BEGIN; UPDATE things SET n = 1 WHERE id = 1");
    const Error error = write_error(*things, "1", Update{{{"n", "2"}}}, within(300ms));
    EXPECT_EQ(error.code, ErrorCode::kTimeout);
    EXPECT_EQ(error.scope, ErrorScope::kCall) << error.message;
    expect_untouched("a write that waits for a lock");
  }
  CancelFlag flag;
  auto loading = std::async(std::launch::async, [&] {
    const std::vector<KeyFields> keys = {{"1"}};
    return slow->load(keys, within(600s, &flag));
  });
  ASSERT_TRUE(test::eventually([&] {
    return sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
               "'%pg_sleep(600)%' "
               "AND pid <> pg_backend_pid()") == "1";
  }));
  flag.cancel();
  EXPECT_EQ(loading.get().error().code, ErrorCode::kCancelled);
  expect_untouched("a load that was cancelled");
}

TEST_F(PostgresPooler, WhatAQueryDoesIsReadOnlyHere) {
  sql("DROP SEQUENCE IF EXISTS numbers; CREATE SEQUENCE numbers");
  const auto database = pooled();
  const auto writes = open(*database, query("SELECT nextval('numbers') AS n, {id}::int AS id"));
  ASSERT_NE(writes, nullptr);
  const Error error = load_error(*writes, "1", within());
  EXPECT_EQ(error.code, ErrorCode::kRefused) << error.message;
  EXPECT_NE(error.message.find("read-only"), std::string::npos) << error.message;
}

TEST_F(PostgresPooler, APoolerThatWasNotAnnouncedIsRefusedBeforeAnythingIsSet) {
  sql("DROP TABLE IF EXISTS others; CREATE TABLE others(n integer)");
  before_ = settings();
  const auto database = pooled(config::Pooler::kNone);
  const Error error = open_error(*database, table("things"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("pooler = \"transaction\""), std::string::npos) << error.message;
  EXPECT_EQ(database->ping(within()).error().code, ErrorCode::kConfig);
  expect_untouched("a connection that was refused");
  // And without a pooler the setting does no harm.
  config::Source settings;
  settings.name = "shop";
  settings.url = server_.url();
  settings.pooler = config::Pooler::kTransaction;
  const auto direct = *source::open_postgres(settings);
  const auto things = open(*direct, table("things"));
  ASSERT_NE(things, nullptr);
  EXPECT_TRUE(load_one(*things, "1").has_value());
}

}  // namespace
}  // namespace forebay
