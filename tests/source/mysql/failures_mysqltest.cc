// What a program sees when the database is gone, slow, hung, or hangs up in the middle.

#include <gtest/gtest.h>

#include <future>

#include "base/cancel.h"
#include "source/mysql/fixture.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

class MysqlFailures : public MysqlTest {
 protected:
  void SetUp() override {
    sql("DROP TABLE IF EXISTS things");
    sql("CREATE TABLE things(id int PRIMARY KEY, n int)");
    sql("INSERT INTO things VALUES (1, 10), (2, 20)");
  }
  // Every test leaves a server that answers.
  void TearDown() override { test::MariadbServer::shared(); }

  static constexpr const char* kRow = R"({"id":1,"n":10})";
};

TEST_F(MysqlFailures, ADeadDatabaseIsUnavailableUntilItIsBack) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
  server_.stop();
  for (const Error& error :
       {load_error(*dataset, "1", within()), write_error(*dataset, "1", Update{{{"n", "1"}}})}) {
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
    EXPECT_NE(error.message.find("source shop, table things"), std::string::npos) << error.message;
  }
  EXPECT_FALSE(database->ping(within()).has_value());
  server_.start();
  EXPECT_TRUE(database->ping(within()).has_value());
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
}

TEST_F(MysqlFailures, ARestartBetweenTwoCallsIsNotNoticed) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
  server_.stop();
  server_.start();
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
  server_.stop();
  server_.start();
  EXPECT_TRUE(dataset->write({"1"}, Update{{{"n", "10"}}}, within()).has_value());
}

TEST_F(MysqlFailures, AHungServerHoldsNobody) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
  server_.pause();
  EXPECT_EQ(load_error(*dataset, "1", within(300ms)).code, ErrorCode::kTimeout);
  EXPECT_EQ(write_error(*dataset, "1", Update{{{"n", "11"}}}, within(300ms)).code, ErrorCode::kTimeout);
  server_.resume();
  EXPECT_TRUE(load_one(*dataset, "1").has_value());
}

TEST_F(MysqlFailures, ALoadThatNobodyWaitsForIsEndedOnTheServer) {
  auto database = source();
  auto dataset = open(*database, query("SELECT count(*) AS cancelled_load FROM seq_1_to_1000000 a, "
                                       "seq_1_to_1000000 b WHERE a.seq + b.seq = {id}"));
  ASSERT_NE(dataset, nullptr);
  CancelFlag cancel;
  auto loading = std::async(std::launch::async, [&] {
    const std::vector<KeyFields> keys = {{"1"}};
    return dataset->load(keys, within(600s, &cancel));
  });
  wait_for_statement("cancelled_load");
  cancel.cancel();
  auto loaded = loading.get();
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled) << loaded.error().message;
  EXPECT_TRUE(test::eventually([&] { return running("cancelled_load").empty(); }));
}

TEST_F(MysqlFailures, AReadWhoseConnectionBreaksIsRepeatedAndAWriteIsNot) {
  auto database = source();
  auto dataset = open(
      *database, query("SELECT n, (SELECT GET_LOCK('seven', 600)) AS got_lock FROM things WHERE id = {id}"));
  auto rows = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  ASSERT_NE(rows, nullptr);
  test::MariadbSession other(server_);
  other.run("SELECT GET_LOCK('seven', 0)");
  auto loading = std::async(std::launch::async, [&] { return load_one(*dataset, "1"); });
  wait_for_statement("got_lock");
  const std::string first = running("got_lock");
  sql("KILL CONNECTION " + first);
  ASSERT_TRUE(test::eventually([&] {
    const std::string now = running("got_lock");
    return !now.empty() && now != first;
  }));
  other.run("SELECT RELEASE_LOCK('seven')");
  EXPECT_EQ(loading.get(), R"({"n":10,"got_lock":1})");

  other.run("BEGIN");
  other.run("UPDATE things SET n = 10 WHERE id = 1");
  auto writing = std::async(std::launch::async,
                            [&] { return write_error(*rows, "1", Update{{{"n", "11"}}}, within()); });
  wait_for_statement("FOR UPDATE");
  sql("KILL CONNECTION " + running("FOR UPDATE"));
  EXPECT_EQ(writing.get().code, ErrorCode::kUnavailable);
  other.run("ROLLBACK");
  EXPECT_EQ(sql("SELECT n FROM things WHERE id = 1"), "10");
}

TEST_F(MysqlFailures, ACommitThatIsNotConfirmedIsKnownByItsSession) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), kRow);
  // A commit waits for who backs the database up.
  test::MariadbSession backup(server_);
  backup.run("BACKUP STAGE START");
  backup.run("BACKUP STAGE BLOCK_COMMIT");
  auto written = dataset->write({"1"}, Update{{{"n", "11"}}}, within(1s));
  ASSERT_TRUE(written.has_value()) << written.error().message;
  ASSERT_TRUE(written->unconfirmed.has_value());
  EXPECT_NE(written->unconfirmed->why.find("source shop, table things: the commit was not confirmed"),
            std::string::npos)
      << written->unconfirmed->why;
  const std::uint64_t transaction = written->unconfirmed->transaction;
  EXPECT_NE(transaction, 0u);
  backup.run("BACKUP STAGE END");
  EXPECT_TRUE(test::eventually([&] { return database->has_ended(transaction, within()).value_or(false); }));
  const std::string n = sql("SELECT n FROM things WHERE id = 1");
  EXPECT_TRUE(n == "10" || n == "11") << n;
  // A session that goes on has not ended; one from before the server's start has.
  const std::uint64_t now = std::stoull(sql("SELECT UNIX_TIMESTAMP()"));
  test::MariadbSession lives(server_);
  const std::uint64_t id = std::stoull(lives.run("SELECT CONNECTION_ID()"));
  EXPECT_FALSE(database->has_ended(now << 32 | id, within()).value_or(true));
  EXPECT_TRUE(database->has_ended((now - 100'000) << 32 | id, within()).value_or(false));
}

TEST_F(MysqlFailures, AFunctionThatWritesIsRefusedByTheReadOnlySession) {
  sql("DROP FUNCTION IF EXISTS sneak");
  sql("CREATE FUNCTION sneak() RETURNS int BEGIN INSERT INTO things VALUES (9, 9); RETURN 1; END");
  auto database = source();
  const Error error = open_error(*database, query("SELECT sneak() AS n FROM things WHERE id = {id}"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("READ ONLY"), std::string::npos) << error.message;
  EXPECT_EQ(sql("SELECT count(*) FROM things"), "2");
}

TEST_F(MysqlFailures, AUrlIsReadWithoutTellingItsPassword) {
  config::Source settings;
  settings.name = "shop";
  for (const char* url : {"mysql://u:s3cret@h:99999/db", "mysql://u:s3cret@h/", "postgres://u:s3cret@h/db",
                          "mysql://u:s3cret@h/db?tls=yes", "mysql://u:s3cret%zz@h/db", "s3cret",
                          "mysql://u:s3cret@h/db?ssl-mode=maybe"}) {
    settings.url = url;
    auto opened = source::open_mysql(settings);
    ASSERT_FALSE(opened.has_value()) << url;
    EXPECT_EQ(opened.error().code, ErrorCode::kConfig) << url;
    EXPECT_EQ(opened.error().message.find("s3cret"), std::string::npos) << opened.error().message;
  }
  sql("CREATE OR REPLACE USER locked IDENTIFIED BY 'p@ss:word/?'");
  sql("GRANT SELECT ON things TO locked");
  const std::string host = "@/forebay?ssl-mode=disabled&socket=" + server_.socket().string();
  settings.timeout = settings.connect_timeout = 30s;
  settings.url = "mariadb://locked:p%40ss%3Aword%2F%3F" + host;
  EXPECT_TRUE((*source::open_mysql(settings))->ping(within()).has_value());
  settings.url = "mysql://locked:wr0ng" + host;
  const auto refused = (*source::open_mysql(settings))->ping(within());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(refused.error().message.find("wr0ng"), std::string::npos) << refused.error().message;
  sql("DROP USER locked");
}

}  // namespace
}  // namespace forebay
