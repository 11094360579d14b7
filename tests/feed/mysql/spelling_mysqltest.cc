// Values of the log are spelled as the source spells them, type by type: keys are compared by these texts.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "feed/mysql/followed_layer.h"
#include "feed/mysql_binlog.h"
#include "forebay/clock.h"

namespace forebay::feed {
namespace {

using test::eventually;

struct Spelled {
  std::string type;
  std::string value;  // as SQL
  std::string other;
};

void PrintTo(const Spelled& spelled, std::ostream* out) {
  *out << spelled.type << " " << spelled.value;
}

class Spelling : public test::FollowedLayer, public testing::WithParamInterface<Spelled> {};

std::vector<Spelled> all_types() {
  return {
      {"tinyint", "-128", "127"},
      {"tinyint unsigned", "255", "0"},
      {"smallint", "-32768", "1"},
      {"mediumint", "-8388608", "8388607"},
      {"mediumint unsigned", "16777215", "1"},
      {"int", "-2147483648", "1"},
      {"int(8) unsigned zerofill", "42", "43"},
      {"bigint", "-9223372036854775808", "1"},
      {"bigint unsigned", "18446744073709551615", "9223372036854775808"},
      {"decimal(10,2)", "-1234567.5", "0.5"},
      {"decimal(30,12)", "123456789012345678.000000000001", "-0.000000000001"},
      {"decimal(5,5)", "0.12345", "-0.1"},
      {"decimal(65,0)", "-99999999999999999999999999999999999999999999999999999999999999999", "7"},
      {"year", "2026", "0"},
      {"bit(1)", "b'1'", "b'0'"},
      {"bit(64)", "b'1111111111111111111111111111111111111111111111111111111111111111'", "b'10'"},
      {"bit(11)", "b'10000000001'", "b'10'"},
      {"date", "'2026-11-30'", "'1000-01-01'"},
      {"time", "'-838:59:59'", "'00:00:01'"},
      {"time(1)", "'-00:00:00.1'", "'00:00:00.1'"},
      {"time(4)", "'-12:34:56.7891'", "'12:34:56.7891'"},
      {"time(6)", "'-01:02:03.000001'", "'01:02:03.999999'"},
      {"datetime", "'9999-12-31 23:59:59'", "'1000-01-01 00:00:00'"},
      {"datetime(3)", "'2026-01-31 12:00:00.125'", "'2026-01-31 12:00:00.126'"},
      {"datetime(6)", "'2026-01-31 12:00:00.000001'", "'2026-01-31 12:00:00'"},
      {"timestamp NULL", "'2026-01-31 12:00:00'", "'1970-01-01 00:00:01'"},
      {"timestamp(2) NULL", "'2026-01-31 12:00:00.25'", "'2026-01-31 12:00:00.26'"},
      {"timestamp(6) NULL", "'2038-01-19 03:14:07.999999'", "'2026-01-31 12:00:00'"},
      {"char(10)", "'ab '", "'é'"},
      {"char(255)", "repeat('ü', 255)", "'x'"},
      {"varchar(20)", "'Grüße 😀'", "'x '"},
      {"varchar(300)", "repeat('y', 300)", "'x'"},
      {"varchar(20) CHARACTER SET latin1 COLLATE latin1_bin", "'plain'", "'x'"},
      {"tinytext", "'t'", "'u'"},
      {"text", "'text'", "'u'"},
      {"longtext", "repeat('l', 70000)", "'u'"},
      {"binary(4)", "x'0100'", "x'00'"},
      {"varbinary(20)", "x'00ff00'", "x'00'"},
      {"blob", "x'deadbeef'", "x''"},
      {"enum('a','it''s','ü')", "'it''s'", "'ü'"},
      {"set('x','y','z')", "'x,z'", "''"},
  };
}

// The texts of a row in the log.
struct Heard {
  std::string before = "(none)";
  std::string after = "(none)";
};

class Follower {
 public:
  explicit Follower(const std::string& url) {
    source_.name = "db";
    source_.kind = "mysql";
    source_.url = url;
    source_.timeout = std::chrono::seconds(20);
    feed_ = open_mysql_binlog(source_, system_clock());
    const WatchedTable table{"spelled", {"v"}};
    EXPECT_TRUE(feed_->watch({&table, 1}));
    next();
  }

  Heard next_row() {
    Heard heard;
    EXPECT_TRUE(eventually([&] {
      for (const Change& change : next()) {
        EXPECT_FALSE(change.row.whole_table);
        for (const auto& [column, text] : change.row.images.before) heard.before = text.value_or("NULL");
        for (const auto& [column, text] : change.row.images.after) heard.after = text.value_or("NULL");
        return true;
      }
      return false;
    }));
    return heard;
  }

 private:
  std::vector<Change> next() {
    auto delivery = feed_->next(CallContext{std::chrono::milliseconds(100), nullptr});
    EXPECT_TRUE(delivery) << delivery.error().message;
    return delivery ? delivery->changes : std::vector<Change>();
  }

  config::Source source_;
  std::unique_ptr<Feed> feed_;
};

TEST_P(Spelling, TheLogsValuesAreThoseOfTheSource) {
  const Spelled& type = GetParam();
  sql("DROP TABLE IF EXISTS spelled");
  sql("CREATE TABLE spelled (id int PRIMARY KEY, v " + type.type + ")");
  sql("INSERT INTO spelled VALUES (1, " + type.value + ")");
  Follower follower(server_->url());
  // What the source says.
  auto layer = Layer::open("[source.db]\nkind = \"mysql\"\nurl = \"" + server_->url() +
                           "\"\n[namespace.row]\nkey = \"row:{id}\"\nsource = \"db\"\ntable = \"spelled\"\n");
  ASSERT_TRUE(layer) << layer.error().message;
  const auto spelled_by_source = [&] {
    (**layer).purge_all();
    const auto answer = (**layer).get("row:1");
    const std::string row(answer->value->view());
    std::string text = row.substr(std::string(R"({"id":1,"v":)").size());
    text.pop_back();
    return text.starts_with('"') ? text.substr(1, text.size() - 2) : text;
  };
  const std::string before = spelled_by_source();
  sql("UPDATE spelled SET v = " + type.other + " WHERE id = 1");
  const Heard update = follower.next_row();
  EXPECT_EQ(update.before, before);
  EXPECT_EQ(update.after, spelled_by_source());
  sql("UPDATE spelled SET v = NULL WHERE id = 1");
  EXPECT_EQ(follower.next_row().after, "NULL");
}

INSTANTIATE_TEST_SUITE_P(Types, Spelling, testing::ValuesIn(all_types()));

}  // namespace
}  // namespace forebay::feed
