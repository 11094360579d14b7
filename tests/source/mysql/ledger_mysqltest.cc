// The ledger of batches where something stands in its way.

#include <gtest/gtest.h>

#include <future>

#include "source/mysql/fixture.h"

namespace forebay {
namespace {

using namespace std::chrono_literals;

class MysqlLedger : public MysqlTest {
 protected:
  void SetUp() override {
    for (const char* name : {"forebay_applied", "forebay_dead", "forebay_owner", "things"})
      sql(std::string("DROP TABLE IF EXISTS ") + name);
    sql("CREATE TABLE things(id int PRIMARY KEY, n int)");
  }
  static LedgerOwner owner(const std::string& process) {
    LedgerOwner made;
    made.journal = "j";
    made.home = "a";
    made.process = process;
    made.place = "host:/a";
    return made;
  }
};

TEST_F(MysqlLedger, ANewOwnerEndsTheSessionThatAnEarlierOneLeftBehind) {
  auto database = source();
  auto ledger = database->ledger();
  ASSERT_TRUE(ledger->open("j", 1, within()).has_value());
  ASSERT_TRUE(ledger->claim(owner("p1"), within()).has_value());
  // What an owner's transaction does first; then its machine is gone.
  test::MariadbSession lost(server_);
  lost.run("BEGIN");
  lost.run("SELECT last_seq FROM forebay_applied WHERE journal = 'j' FOR UPDATE");
  lost.run("UPDATE forebay_applied SET session = CONNECTION_ID() WHERE journal = 'j'");
  EXPECT_FALSE(ledger->claim(owner("p2"), within()).has_value());
  EXPECT_TRUE(test::eventually([&] { return ledger->claim(owner("p2"), within()).has_value(); }));
  EXPECT_THROW(lost.run("COMMIT"), std::runtime_error);
}

TEST_F(MysqlLedger, ABatchThatLosesADeadlockIsAppliedOnce) {
  auto database = source();
  auto ledger = database->ledger();
  auto dataset = open(*database, table("things"));
  ASSERT_NE(dataset, nullptr);
  ASSERT_TRUE(ledger->open("j", 1, within()).has_value());
  sql("INSERT INTO things VALUES (1, 1), (2, 2)");
  sql("INSERT INTO things SELECT seq, 0 FROM seq_100_to_2000");
  test::MariadbSession other(server_);
  other.run("BEGIN");
  other.run("UPDATE things SET n = 7 WHERE id >= 100");  // more than the batch has changed
  other.run("UPDATE things SET n = 20 WHERE id = 2");
  WriteBatch batch;
  batch.journal = "j";
  batch.upto = 2;
  batch.writes.push_back({dataset.get(), {"1"}, {Add{"n", "5"}}});
  batch.writes.push_back({dataset.get(), {"2"}, {Add{"n", "5"}}});
  auto applying = std::async(std::launch::async, [&] { return ledger->apply(batch, within()); });
  ASSERT_TRUE(test::eventually([&] {
    return sql("SELECT variable_value FROM information_schema.global_status WHERE variable_name = "
               "'INNODB_ROW_LOCK_CURRENT_WAITS'") == "1";
  }));
  other.run("UPDATE things SET n = 10 WHERE id = 1");
  other.run("COMMIT");
  const auto applied = applying.get();
  ASSERT_TRUE(applied.has_value()) << applied.error().message;
  EXPECT_EQ(sql("SELECT group_concat(n ORDER BY id) FROM things WHERE id < 100"), "15,25");
}

TEST_F(MysqlLedger, ARoleThatMayNotMakeItsTablesIsToldTheStatements) {
  sql("CREATE OR REPLACE USER keeper");
  sql("GRANT SELECT, INSERT, UPDATE ON things TO keeper");
  auto database = source(2, "keeper");
  const auto refused = database->ledger()->open("j", 1, within());
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kConfig);
  EXPECT_NE(refused.error().message.find("GRANT SELECT, INSERT, UPDATE, DELETE ON `forebay`.forebay_dead TO "
                                         "'keeper'@'%'"),
            std::string::npos)
      << refused.error().message;
  // They are what it needs.
  std::string text = refused.error().message;
  text.erase(0, text.find("CREATE TABLE"));
  for (std::size_t end = 0; (end = text.find(';')) != std::string::npos;
       text.erase(0, std::min(end + 2, text.size())))
    sql(text.substr(0, end));
  const auto opened = database->ledger()->open("j", 1, within());
  EXPECT_TRUE(opened.has_value()) << opened.error().message;
  sql("DROP USER keeper");
}

}  // namespace
}  // namespace forebay
