// Values of every column type and kind of write, written behind: what is read back is the same while it is
// pending, with and without a cached copy, after kill -9, once the database has it, and after that.

#include <map>
#include <string>
#include <vector>

#include "scenarios/behind_service.h"

namespace forebay::test {
namespace {

class ColumnsBehind : public BehindService {
 protected:
  ColumnsBehind() {
    const std::string bytes = postgres() ? "bytea" : "blob";
    const std::string json = postgres() ? "jsonb" : "json";
    database_->run(
        "CREATE TABLE things(id text PRIMARY KEY, big bigint, exact numeric(30,2), free numeric, ratio "
        "double precision, body text, doc " +
        json + ", data " + bytes + ", at timestamptz, flag boolean, none text)");
    database_->run("CREATE TABLE lines(id bigint PRIMARY KEY, line text NOT NULL)");
    const std::string rest = "source = \"db\"\nwrite = \"behind\"\nflush = { every = \"1h\" }\ntable = ";
    const auto column = [&](const std::string& name, const std::string& type, const std::string& value) {
      return "[namespace." + name + "]\nkey = \"" + name + ":{id}\"\n" + rest + "\"things\"\ntype = \"" +
             type + "\"\nvalue = \"" + value + "\"\n";
    };
    configure("[namespace.thing]\nkey = \"thing:{id}\"\n" + rest + "\"things\"\n" +
              "[namespace.line]\nkey = \"line:{id}\"\n" + rest + "\"lines\"\nappend = true\n" +
              column("count", "counter", "big") + column("body", "text", "body") +
              column("exact", "text", "exact") + column("at", "text", "at"));
    start();
  }

  // A row's JSON in the database's own spelling.
  std::string row(const std::string& id, const std::string& big, const std::string& exact) const {
    return "{\"id\":\"" + id + "\",\"big\":" + big + ",\"exact\":" + exact + R"(,"free":)" +
           (postgres() ? "12345678901234567890.125" : "0.125") +
           R"(,"ratio":0.1,"body":"ä\n\"x\"","doc":[1],"data":"AP8Q",)"
           R"("at":"2024-02-03T04:05:06.789Z","flag":)" +
           (postgres() ? "true" : "1") + R"(,"none":null})";
  }

  void expect(const std::string& key, const std::string& value) { expected_[key] = value; }
  void check(const std::string& when) {
    for (const auto& [key, value] : expected_) EXPECT_EQ(ask("GET", key), value) << key << " " << when;
  }
  void check_at_every_stage() {
    const auto check_with_and_without_copies = [this](const std::string& when) {
      check(when);
      EXPECT_EQ(ask("FLUSHALL"), "+OK");
      check(when + ", without cached copies");
    };
    check_with_and_without_copies("pending");
    kill_and_start();
    check_with_and_without_copies("pending, after kill -9");
    EXPECT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
    EXPECT_EQ(forebay_.run({"deadletters", "list"}).text, "no dead letters\n");
    check_with_and_without_copies("in the database");
    kill_and_start();
    check_with_and_without_copies("in the database, after kill -9");
  }

  std::map<std::string, std::string> expected_;
};

TEST_P(ColumnsBehind, AWholeRow) {
  const std::string value = row("new", "9223372036854775807", "1.25");
  EXPECT_EQ(ask("SET", "thing:new", value), "+OK");
  expect("thing:new", value);
  check_at_every_stage();
}

// What is written otherwise than the database will spell it, in columns of which no cached copy tells the
// JSON kind.
TEST_P(ColumnsBehind, TextsThatTheDatabaseSpellsItsOwnWay) {
  database_->run("INSERT INTO things(id) VALUES ('nulls')");
  const std::string yes = postgres() ? "true" : "1";
  for (const char* id : {"nulls", "007"}) {
    const std::string key = std::string("thing:") + id;
    ask("HSET", key, "big", "+05", "exact", "2.25", "free", "00.5", "ratio", "1.50", "body", "007");
    ask("HSET", key, "doc", "[1]", "data", "AP8Q", "flag", postgres() ? "t" : "true", "none", "true");
    EXPECT_EQ(ask("HINCRBY", key, "big", "2"), ":7");
  }
  const std::string rest =
      std::string(R"("big":7,"exact":2.25,"free":0.5,"ratio":1.5,"body":"007","doc":[1],)") +
      R"("data":"AP8Q",)";
  expect("thing:nulls", R"({"id":"nulls",)" + rest + R"("at":null,"flag":)" + yes + R"(,"none":"true"})");
  ask("HSET", "thing:007", "at", "2024-02-03T04:05:06Z");
  check_at_every_stage();
  EXPECT_EQ(ask("GET", "thing:007"),
            R"({"id":"007",)" + rest + R"("at":"2024-02-03T04:05:06Z","flag":)" + yes + R"(,"none":"true"})");
}

TEST_P(ColumnsBehind, TheKeyOfARowThatIsNewHasItsColumnsKind) {
  EXPECT_EQ(ask("SET", "line:9007199254740993", R"({"line":"large"})"), "+OK");
  EXPECT_EQ(ask("SET", "thing:12", row("12", "1", "1.25")), "+OK");
  expect("line:9007199254740993", R"({"id":9007199254740993,"line":"large"})");
  expect("thing:12", row("12", "1", "1.25"));
  check_at_every_stage();
}

TEST_P(ColumnsBehind, ColumnsOfARowThatOthersWroteAndThatIsNotLoaded) {
  database_->run("INSERT INTO things VALUES ('old', 1, 2.25, 3, 4.5, 'b', '[1]', " +
                 std::string(postgres() ? "NULL, '2020-01-01T00:00:00Z', false" : "NULL, '2020-01-01', 0") +
                 ", 'filled')");
  const std::string yes = postgres() ? "true" : "1";
  ask("HSET", "thing:old", "big", "-9223372036854775808", "exact", "-7.25", "ratio", "0.1", "body", "");
  ask("HSET", "thing:old", "doc", "[2]", "data", "AP8Q", "flag", yes, "at", "2024-02-03T04:05:06Z");
  ask("HDEL", "thing:old", "none");
  expect("thing:old",
         R"({"id":"old","big":-9223372036854775808,"exact":-7.25,"free":3,"ratio":0.1,"body":"","doc":[2],)"
         R"("data":"AP8Q","at":"2024-02-03T04:05:06Z","flag":)" +
             yes + R"(,"none":null})");
  check_at_every_stage();
}

TEST_P(ColumnsBehind, AdditionsToWhatOthersWrote) {
  database_->run(
      "INSERT INTO things(id, big, exact, ratio) VALUES ('a', 40, 1.50, 0.5), ('b', NULL, NULL, NULL)");
  EXPECT_EQ(ask("INCRBY", "count:a", "2"), ":42");
  EXPECT_EQ(ask("DECRBY", "count:b", "3"), ":-3");
  EXPECT_EQ(ask("INCR", "count:c"), ":1");
  EXPECT_EQ(ask("HINCRBYFLOAT", "thing:a", "exact", "0.25"), "1.75");
  EXPECT_EQ(ask("HINCRBYFLOAT", "thing:a", "ratio", "0.25"), "0.75");
  expect("count:a", "42");
  expect("count:b", "-3");
  expect("count:c", "1");
  check("pending");
  // Somebody else adds as well: additions keep that.
  database_->run("UPDATE things SET big = big + 100 WHERE id = 'a'");
  EXPECT_EQ(ask("DEL", "count:a"), ":1");
  expect("count:a", "142");
  check_at_every_stage();
  EXPECT_EQ(database_->ask("SELECT big, exact, ratio FROM things WHERE id = 'a'"), "142|1.75|0.75");
}

TEST_P(ColumnsBehind, TextsAppendsAndRemovals) {
  database_->run("INSERT INTO things(id, body) VALUES ('gone', 'x'), ('back', 'x')");
  const std::string large(200'000, 'l');
  EXPECT_EQ(ask("SET", "body:large", large), "+OK");
  EXPECT_EQ(ask("SET", "body:empty", ""), "+OK");
  EXPECT_EQ(ask("SET", "body:odd", "ä\r\n\"'\\ {}"), "+OK");
  EXPECT_EQ(ask("SET", "exact:e", "-0.25"), "+OK");
  EXPECT_EQ(ask("SET", "at:t", "2024-02-03T04:05:06Z"), "+OK");
  EXPECT_EQ(ask("SET", "line:1", R"({"line":"first"})"), "+OK");
  EXPECT_EQ(ask("FOREBAY", "REMOVE", "body:gone"), ":0") << "nothing was known of it";
  EXPECT_EQ(ask("FOREBAY", "REMOVE", "body:back"), ":0");
  EXPECT_EQ(ask("SET", "body:back", "again"), "+OK");
  expect("body:large", large);
  expect("body:empty", "");
  expect("body:odd", "ä\r\n\"'\\ {}");
  expect("exact:e", "-0.25");
  expect("at:t", "2024-02-03T04:05:06Z");
  expect("line:1", R"({"id":1,"line":"first"})");
  expect("body:gone", "(nil)");
  expect("body:back", "again");
  check_at_every_stage();
  EXPECT_EQ(database_->ask("SELECT count(*) AS n FROM things WHERE id = 'gone'"), "0");
}

INSTANTIATE_TEST_SUITE_P(On, ColumnsBehind, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
