// A layer that follows a real MariaDB's binary log: rows, lists, and what is not a row's change.

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "feed/mysql/followed_layer.h"

namespace forebay::feed {
namespace {

using test::eventually;

constexpr std::string_view kSpaces = R"toml(
[namespace.item]
key = "item:{id}"
source = "db"
table = "items"
write = "through"
[namespace.team]
key = "team:{team}"
source = "db"
query = "SELECT id, name FROM items WHERE team = {team} ORDER BY id"
depends_on = ["items(team -> team)"]
)toml";

class BinlogFeed : public test::FollowedLayer {
 protected:
  BinlogFeed() {
    sql("DROP TABLE IF EXISTS items");
    sql("CREATE TABLE items (id int PRIMARY KEY, team varchar(20), name varchar(200))");
    sql("INSERT INTO items SELECT seq, CASE WHEN seq <= 5 THEN 'red' ELSE 'blue' END, concat('n', seq) FROM "
        "seq_1_to_10");
    sql("INSERT INTO items VALUES (11, 'grey', 'n11')");
  }
};

TEST_F(BinlogFeed, AnUpdateElsewhereEndsTheRowAndTheListsItWasInAndIsInNow) {
  open(kSpaces);
  for (const char* key : {"item:1", "item:2", "item:6", "team:red", "team:blue", "team:grey"}) {
    ASSERT_TRUE(becomes_cached(key)) << key;
  }
  sql("UPDATE items SET team = 'blue', name = 'moved' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1") == R"({"id":1,"team":"blue","name":"moved"})"; }));
  EXPECT_TRUE(eventually([&] { return get("team:red").find("n1\"") == std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("team:blue").find("moved") != std::string::npos; }));
  for (const char* key : {"item:2", "item:6", "team:grey"})
    EXPECT_TRUE(cached(key)) << key << " does not depend on the row";
  sql("DELETE FROM items WHERE id = 6");
  EXPECT_TRUE(eventually([&] { return get("item:6") == "(none)"; }));
  sql("INSERT INTO items VALUES (20, 'grey', 'new')");
  EXPECT_TRUE(eventually([&] { return get("team:grey").find("new") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2"));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(BinlogFeed, AKeyThatMovesEndsBothItsNames) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  EXPECT_EQ(get("item:30"), "(none)");
  sql("UPDATE items SET id = 30 WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1") == "(none)"; }));
  EXPECT_TRUE(eventually([&] { return get("item:30") != "(none)"; }));
}

TEST_F(BinlogFeed, ATransactionCountsWhenItIsCommittedAndNotWhenItIsNot) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:2"));
  test::MariadbSession session(*server_);
  session.run("BEGIN");
  session.run("UPDATE items SET name = 'one' WHERE id = 1");
  session.run("SAVEPOINT s");
  session.run("UPDATE items SET name = 'never' WHERE id = 2");
  session.run("ROLLBACK TO s");
  ASSERT_TRUE(caught_up());
  EXPECT_TRUE(cached("item:1"));
  session.run("COMMIT");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("one") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2"));
}

TEST_F(BinlogFeed, APreparedTransactionIsHeardOfWhenItCommits) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:2"));
  test::MariadbSession session(*server_);
  for (const char* statement :
       {"XA START 'p'", "UPDATE items SET name = 'later' WHERE id = 1", "XA END 'p'", "XA PREPARE 'p'"})
    session.run(statement);
  ASSERT_TRUE(caught_up());
  EXPECT_TRUE(cached("item:1"));
  session.run("XA COMMIT 'p'");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("later") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2"));
  for (const char* statement : {"XA START 'q'", "UPDATE items SET name = 'never' WHERE id = 2", "XA END 'q'",
                                "XA PREPARE 'q'", "XA ROLLBACK 'q'"})
    session.run(statement);
  ASSERT_TRUE(caught_up());
  EXPECT_TRUE(cached("item:2"));
}

TEST_F(BinlogFeed, ATransactionThatWasPreparedBeforeTheFeedBeganEndsAll) {
  test::MariadbSession session(*server_);
  for (const char* statement : {"XA START 'before'", "UPDATE items SET name = 'later' WHERE id = 1",
                                "XA END 'before'", "XA PREPARE 'before'"})
    session.run(statement);
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  session.run("XA COMMIT 'before'");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("later") != std::string::npos; }));
}

TEST_F(BinlogFeed, TruncateAndOtherDefinitionsEndAllOfTheirTable) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("team:red"));
  sql("TRUNCATE items");
  EXPECT_TRUE(eventually(
      [&] { return get("item:1") == "(none)" && get("team:red").find("n1") == std::string::npos; }));
  sql("DROP TABLE IF EXISTS fresh");
  sql("CREATE TABLE fresh (id int PRIMARY KEY, team varchar(20), name varchar(200))");
  sql("INSERT INTO fresh VALUES (1, 'red', 'swapped')");
  sql("RENAME TABLE items TO stale_items, fresh TO items");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("swapped") != std::string::npos; }));
  sql("DROP TABLE stale_items");
}

TEST_F(BinlogFeed, ColumnsThatAreAddedMovedAndDroppedAreFollowed) {
  open(kSpaces);
  for (const char* change :
       {"ADD COLUMN early varchar(20) FIRST", "MODIFY team varchar(20) AFTER name", "DROP COLUMN early",
        "CHANGE name name varchar(300)", "ADD COLUMN twice int AS (id * 2) VIRTUAL AFTER id"}) {
    sql(std::string("ALTER TABLE items ") + change);
    ASSERT_TRUE(becomes_cached("team:red")) << change;
    ASSERT_TRUE(becomes_cached("team:grey")) << change;
    ASSERT_TRUE(caught_up());
    ASSERT_TRUE(becomes_cached("team:red")) << change;
    ASSERT_TRUE(becomes_cached("team:grey")) << change;
    const std::string name = "n" + std::to_string(change[0]) + std::to_string(change[5]);
    sql("UPDATE items SET name = '" + name + "' WHERE id = 1");
    EXPECT_TRUE(eventually([&] { return get("team:red").find(name) != std::string::npos; })) << change;
    EXPECT_TRUE(cached("team:grey")) << change;
  }
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(BinlogFeed, NamesOfColumnsComeFromTheLogWhereItHasThem) {
  sql("SET GLOBAL binlog_row_metadata = FULL");
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("team:red"));
  ASSERT_TRUE(becomes_cached("team:blue"));
  sql("UPDATE items SET name = 'told' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("team:red").find("told") != std::string::npos; }));
  EXPECT_TRUE(cached("team:blue"));
  sql("SET GLOBAL binlog_row_metadata = NO_LOG");
}

// A session may write statements, whatever the server's own setting is.
TEST_F(BinlogFeed, AStatementEndsAllOfTheSource) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  test::MariadbSession session(*server_);
  session.run("SET SESSION binlog_format = STATEMENT");
  session.run("UPDATE items SET name = 'by a statement' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("by a statement") != std::string::npos; }));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(BinlogFeed, APartOfARowEndsWhatItDoesNotTellOf) {
  sql("SET GLOBAL binlog_row_image = MINIMAL");
  open(kSpaces);
  EXPECT_TRUE(eventually([&] {
    return health().find(
               "does not tell the old team, so that it drops all of the namespaces that look for it: "
               "SET GLOBAL binlog_row_image = FULL") != std::string::npos;
  })) << health();
  for (const char* key : {"item:1", "item:2", "team:red"}) ASSERT_TRUE(becomes_cached(key)) << key;
  sql("UPDATE items SET name = 'part' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("part") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("team:red").find("part") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2")) << "its key is told";
  sql("SET GLOBAL binlog_row_image = FULL");
  EXPECT_TRUE(eventually([&] { return health().empty(); })) << health();
}

TEST_F(BinlogFeed, CompressedEventsAreRead) {
  sql("SET GLOBAL log_bin_compress = ON");
  sql("SET GLOBAL log_bin_compress_min_len = 10");
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:2"));
  sql("UPDATE items SET name = repeat('long ', 30) WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("long long") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2"));
  sql("ALTER TABLE items COMMENT = 'a definition that is long enough to be compressed by the server'");
  EXPECT_TRUE(eventually([&] { return !cached("item:2"); }));
  EXPECT_EQ(feed().gaps, 0u);
  sql("SET GLOBAL log_bin_compress = OFF");
}

TEST_F(BinlogFeed, WhatAViewShowsIsFollowed) {
  sql("CREATE OR REPLACE VIEW reds AS SELECT id, name FROM items WHERE team = 'red'");
  open(std::string(kSpaces) + R"(
[namespace.red]
key = "red:{id}"
source = "db"
table = "reds"
)");
  ASSERT_TRUE(becomes_cached("red:1"));
  sql("UPDATE items SET name = 'shown' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("red:1").find("shown") != std::string::npos; }));
  ASSERT_TRUE(caught_up());
  ASSERT_TRUE(becomes_cached("red:1"));
  sql("CREATE OR REPLACE VIEW reds AS SELECT id, 'another' AS name FROM items WHERE team = 'red'");
  EXPECT_TRUE(eventually([&] { return get("red:1").find("another") != std::string::npos; }));
  layer_.reset();
  sql("DROP VIEW reds");
}

TEST_F(BinlogFeed, ALargeTransactionEndsItsTables) {
  sql("INSERT INTO items SELECT seq, 'big', 'x' FROM seq_1000_to_120000");
  open(kSpaces);
  for (const char* key : {"item:1000", "item:120000", "team:big"}) get(key);
  sql("UPDATE items SET name = 'all' WHERE id >= 1000");
  EXPECT_TRUE(eventually([&] { return get("item:1000").find("all") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("item:120000").find("all") != std::string::npos; }));
}

}  // namespace
}  // namespace forebay::feed
