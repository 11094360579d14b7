// Writes: other unique keys, triggers and cascades, locks, deadlocks, rights, a table that changes.

#include <gtest/gtest.h>

#include <algorithm>
#include <future>

#include "source/mysql/fixture.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

class MysqlWrites : public MysqlTest {
 protected:
  void SetUp() override {
    for (const char* name : {"log", "parts", "orders", "things"})
      sql(std::string("DROP TABLE IF EXISTS ") + name);
    sql("CREATE TABLE things(id int PRIMARY KEY, n int, mail varchar(40) UNIQUE)");
    sql("INSERT INTO things VALUES (1, 10, 'a'), (2, 20, 'b')");
  }
  static bool tells(const AlsoChanged& also, std::string_view table) {
    return std::ranges::find(also.tables, table) != also.tables.end();
  }
};

TEST_F(MysqlWrites, AnUpsertNeverHitsAnotherUniqueValuesRow) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(write_error(*dataset, "3", Upsert{{{"n", "1"}, {"mail", "a"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*dataset, "2", Upsert{{{"mail", "a"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(sql("SELECT group_concat(id, ':', n, ':', mail ORDER BY id) FROM things"), "1:10:a,2:20:b");
}

TEST_F(MysqlWrites, CascadesAndTriggersAreToldAndTheRowIsReadAsTheyLeftIt) {
  sql("CREATE TABLE orders(id int PRIMARY KEY, code int UNIQUE, n int)");
  sql("CREATE TABLE parts(id int PRIMARY KEY, of_order int REFERENCES orders(id) ON DELETE CASCADE, code int "
      "REFERENCES orders(code) ON UPDATE CASCADE)");
  sql("CREATE TABLE log(what text)");
  sql("INSERT INTO orders VALUES (1, 7, 1), (2, 8, 1)");
  sql("INSERT INTO parts VALUES (1, 1, 7), (2, 1, 8)");
  auto database = source();
  auto dataset = open(*database, table("orders"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(write(*dataset, "2", Update{{{"n", "2"}}}).also.tables.empty());
  const Written moved = write(*dataset, "2", Update{{{"code", "9"}}});
  EXPECT_TRUE(tells(moved.also, "parts"));
  EXPECT_FALSE(moved.also.anything);
  EXPECT_EQ(sql("SELECT code FROM parts WHERE id = 2"), "9");

  sql("CREATE TRIGGER doubles BEFORE UPDATE ON orders FOR EACH ROW SET NEW.n = NEW.n * 2");
  sql("CREATE TRIGGER logs AFTER UPDATE ON orders FOR EACH ROW INSERT INTO log VALUES (NEW.n)");
  EXPECT_EQ(dataset->fit(within()).value_or(Fit::kUnknown), Fit::kChanged);
  dataset = open(*database, table("orders"));
  ASSERT_NE(dataset, nullptr);
  const Written doubled = write(*dataset, "2", Update{{{"n", "4"}}});
  EXPECT_EQ(doubled.after.value, R"({"id":2,"code":9,"n":8})");
  EXPECT_TRUE(tells(doubled.also, "log"));
  EXPECT_TRUE(tells(doubled.also, "forebay.log"));
  EXPECT_FALSE(tells(doubled.also, "parts"));

  const Written gone = write(*dataset, "1", Remove{});
  EXPECT_TRUE(tells(gone.also, "parts"));
  EXPECT_EQ(sql("SELECT count(*) FROM parts"), "0");
}

TEST_F(MysqlWrites, ATriggerThatCallsAProcedureMayChangeAnything) {
  sql("DROP PROCEDURE IF EXISTS note_it");
  sql("CREATE TABLE log(what text)");
  sql("CREATE PROCEDURE note_it() INSERT INTO log VALUES ('x')");
  sql("CREATE TRIGGER calls AFTER UPDATE ON things FOR EACH ROW CALL note_it()");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(write(*dataset, "1", Update{{{"n", "1"}}}).also.anything);
  EXPECT_FALSE(write(*dataset, "3", Upsert{{{"n", "1"}}}).also.anything);
}

TEST_F(MysqlWrites, WhoWaitsForALockIsToldAndNothingHasChanged) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  test::MariadbSession other(server_);
  other.run("BEGIN");
  other.run("UPDATE things SET n = 11 WHERE id = 1");
  const Error error = write_error(*dataset, "1", Update{{{"n", "12"}}}, within(3s));
  EXPECT_EQ(error.code, ErrorCode::kTimeout);
  EXPECT_EQ(error.scope, ErrorScope::kCall);
  EXPECT_NE(error.message.find("waited for a lock that another session holds"), std::string::npos)
      << error.message;
  EXPECT_EQ(write_error(*dataset, "1", Update{{{"n", "12"}}}, within(200ms)).code, ErrorCode::kTimeout);
  other.run("ROLLBACK");
  EXPECT_EQ(write(*dataset, "1", Update{{{"n", "13"}}}).after.value, R"({"id":1,"n":13,"mail":"a"})");
}

TEST_F(MysqlWrites, AWriteThatLosesADeadlockIsRunAgain) {
  sql("CREATE TABLE log(what text)");
  sql("INSERT INTO log VALUES ('x')");
  sql("CREATE TRIGGER locks BEFORE UPDATE ON things FOR EACH ROW UPDATE log SET what = concat(what, 'y')");
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  // The other side has changed more rows, so that the server ends ours.
  sql("CREATE TABLE parts(id int PRIMARY KEY)");
  test::MariadbSession other(server_);
  other.run("BEGIN");
  other.run("INSERT INTO parts SELECT seq FROM seq_1_to_1000");
  other.run("UPDATE log SET what = 'other'");
  auto writing = std::async(std::launch::async, [&] { return write(*dataset, "1", Update{{{"n", "11"}}}); });
  wait_for_statement("UPDATE log SET what = concat");
  other.run("UPDATE things SET n = 12 WHERE id = 1");
  other.run("COMMIT");
  EXPECT_EQ(writing.get().after.value, R"({"id":1,"n":11,"mail":"a"})");
  EXPECT_EQ(sql("SELECT what FROM log"), "otheryy");
}

TEST_F(MysqlWrites, ARoleWithoutRightsIsToldWhatIsMissing) {
  sql("CREATE OR REPLACE USER reader");
  auto database = source(2, "reader");
  EXPECT_EQ(open_error(*database, table("things")).code,
            ErrorCode::kUnavailable);  // no right to the database
  sql("GRANT SELECT ON things TO reader");
  auto rows = open(*database, table("things", {"id"}, false));
  ASSERT_NE(rows, nullptr);
  EXPECT_TRUE(load_one(*rows, "1").has_value());
  const Error error = open_error(*database, table("things"));
  EXPECT_EQ(error.code, ErrorCode::kConfig);
  EXPECT_NE(error.message.find("may not INSERT"), std::string::npos) << error.message;
  sql("GRANT INSERT, UPDATE ON things TO reader");
  auto written = source(2, "reader");
  auto dataset = open(*written, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->write({"1"}, Update{{{"n", "5"}}}, within()).has_value());
  EXPECT_EQ(write_error(*dataset, "1", Remove{}).code, ErrorCode::kRefused);
  sql("DROP USER reader");
}

TEST_F(MysqlWrites, ATableThatHasChangedUnderTheDatasetIsNoRowOfAnotherShape) {
  auto database = source();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(load_one(*dataset, "1").has_value());
  sql("ALTER TABLE things MODIFY n varchar(10)");
  EXPECT_EQ(load_error(*dataset, "1", within()).code, ErrorCode::kConfig);
  EXPECT_EQ(write_error(*dataset, "1", Update{{{"n", "1"}}}).code, ErrorCode::kConfig);
  EXPECT_EQ(dataset->fit(within()).value_or(Fit::kUnknown), Fit::kChanged);
  dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load_one(*dataset, "1"), R"({"id":1,"n":"10","mail":"a"})");
  sql("TRUNCATE TABLE things");
  EXPECT_EQ(load_one(*dataset, "1"), std::nullopt);
}

TEST_F(MysqlWrites, AViewHasTheTablesThatItShows) {
  sql("CREATE OR REPLACE VIEW inner_view AS SELECT id, n FROM things WHERE n > 1");
  sql("CREATE OR REPLACE VIEW outer_view AS SELECT v.id FROM inner_view v JOIN things t ON t.id = v.id");
  auto database = source();
  const std::vector<std::string> names = {"things", "forebay.things", "outer_view", "nowhere"};
  auto known = database->known_tables(names, within());
  ASSERT_TRUE(known.has_value()) << known.error().message;
  EXPECT_FALSE((*known)[0].id.empty());
  EXPECT_EQ((*known)[1].id, (*known)[0].id);
  EXPECT_TRUE((*known)[0].shows.empty());
  EXPECT_NE(std::ranges::find((*known)[2].shows, (*known)[0].id), (*known)[2].shows.end());
  EXPECT_TRUE((*known)[3].id.empty());
  auto view = open(*database, table("outer_view", {"id"}, false));
  ASSERT_NE(view, nullptr);
  EXPECT_EQ(load_one(*view, "1"), R"({"id":1})");
  EXPECT_EQ(open_error(*database, table("outer_view")).code, ErrorCode::kConfig);
}

}  // namespace
}  // namespace forebay
