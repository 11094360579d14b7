// Servers and accounts that can't have a feed as they are: what is said, with what mends it.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "feed/mysql/admin.h"
#include "feed/mysql/followed_layer.h"

namespace forebay::feed {
namespace {

using test::eventually;

class BinlogSetup : public test::FollowedLayer {
 protected:
  BinlogSetup() {
    sql("DROP TABLE IF EXISTS items");
    sql("CREATE TABLE items (id int PRIMARY KEY, place point, team varchar(20))");
    sql("CREATE OR REPLACE USER reader@localhost");
    sql("GRANT SELECT ON forebay.* TO reader@localhost");
  }
  static std::string refusal(const std::string& url) {
    const auto opened =
        Layer::open("[source.db]\nkind = \"mysql\"\nurl = \"" + url +
                    "\"\nfeed = \"binlog\"\n[namespace.item]\nkey = \"item:{id}\"\nsource = \"db\"\ntable = "
                    "\"items\"\n");
    return opened ? "it started" : opened.error().message;
  }
  static config::Source source(const std::string& url) {
    config::Source source;
    source.kind = "mysql";
    source.url = url;
    source.timeout = std::chrono::seconds(20);
    return source;
  }
};

TEST_F(BinlogSetup, AServerWithoutALogOfRowsIsRefusedWithWhatToDo) {
  test::MariadbServer& plain = test::MariadbServer::shared();
  plain.exec("CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY)");
  EXPECT_NE(refusal(plain.url()).find("log_bin = ON"), std::string::npos) << refusal(plain.url());
  sql("SET GLOBAL binlog_format = MIXED");
  EXPECT_NE(refusal(server_->url()).find("SET GLOBAL binlog_format = ROW"), std::string::npos);
  sql("SET GLOBAL binlog_format = ROW");
  EXPECT_EQ(refusal(server_->url()), "it started");
}

TEST_F(BinlogSetup, AnAccountWithoutTheRightsIsToldWhichAndTheStatementsMendIt) {
  const std::string url = server_->url("reader");
  EXPECT_NE(refusal(url).find("GRANT REPLICATION SLAVE, BINLOG MONITOR"), std::string::npos) << refusal(url);
  auto statements = mysql::statements(source(url), {});
  ASSERT_TRUE(statements) << statements.error().message;
  ASSERT_EQ(*statements, std::vector<std::string>{
                             "GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO 'reader'@'localhost';"});
  sql("GRANT BINLOG MONITOR ON *.* TO reader@localhost");
  EXPECT_NE(refusal(url).find("may not read the binary log"), std::string::npos) << refusal(url);
  sql(statements->front());
  EXPECT_EQ(refusal(url), "it started");
  EXPECT_EQ(*mysql::statements(source(url), {}), std::vector<std::string>());
}

TEST_F(BinlogSetup, WhatItCannotHearIsSaidWithWhatMendsIt) {
  const WatchedTable tables[] = {{"items", {"id", "team"}}, {"nothing", {"id"}}};
  auto notes = mysql::check(source(server_->url()), tables);
  ASSERT_TRUE(notes) << notes.error().message;
  EXPECT_EQ(*notes, std::vector<std::string>{"there is no table nothing"});
  sql("SET GLOBAL binlog_row_image = NOBLOB");
  notes = mysql::check(source(server_->url()), {tables, 1});
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_NE(notes->front().find("SET GLOBAL binlog_row_image = FULL"), std::string::npos) << notes->front();
  EXPECT_EQ(*mysql::statements(source(server_->url()), tables),
            std::vector<std::string>{"SET GLOBAL binlog_row_image = FULL;"});
  sql("SET GLOBAL binlog_row_image = FULL");
  const WatchedTable spatial[] = {{"items", {"place"}}};
  notes = mysql::check(source(server_->url()), spatial);
  ASSERT_EQ(notes->size(), 1u);
  EXPECT_NE(notes->front().find("values of place"), std::string::npos) << notes->front();
}

TEST_F(BinlogSetup, AFormatThatIsChangedLaterIsSaid) {
  open("[namespace.item]\nkey = \"item:{id}\"\nsource = \"db\"\ntable = \"items\"\n");
  sql("SET GLOBAL binlog_format = STATEMENT");
  EXPECT_TRUE(eventually([&] {
    return health().find("binlog_format has become STATEMENT") != std::string::npos;
  })) << health();
  sql("SET GLOBAL binlog_format = ROW");
  EXPECT_TRUE(eventually([&] { return health().empty(); })) << health();
}

}  // namespace
}  // namespace forebay::feed
