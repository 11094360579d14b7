// The built program, as a shell sees it: what it prints and how it ends.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "support/eventually.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"
#include "support/test_client.h"

namespace forebay::cli {
namespace {

using test::eventually;
using test::Output;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

std::string program() {
  return (test::binary_dir() / "forebay").string();
}

Output forebay(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), program());
  return test::run(arguments);
}

std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

void write(const std::filesystem::path& file, std::string_view text) {
  std::ofstream(file) << text;
}

TEST(Program, HelpListsEverySubcommandAndEndsWithZero) {
  const Output help = forebay({"--help"});
  EXPECT_EQ(help.status, 0);
  for (const char* name : {"serve", "check", "demo", "warm", "purge", "explain", "drain", "deadletters",
                           "journal", "simulate"}) {
    EXPECT_THAT(help.text, HasSubstr(name));
    const Output own = forebay({name, "--help"});
    EXPECT_EQ(own.status, 0) << name;
    EXPECT_THAT(own.text, HasSubstr(std::string("Usage: forebay ") + name));
  }
}

TEST(Program, VersionIsOneLine) {
  const Output version = forebay({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_THAT(version.text, testing::MatchesRegex("forebay [0-9]+\\.[0-9]+\\.[0-9]+\n"));
}

TEST(Program, WrongUseEndsWithTwo) {
  EXPECT_EQ(forebay({}).status, 2);
  EXPECT_EQ(forebay({"check"}).status, 2);
  EXPECT_EQ(forebay({"serve", "a", "b"}).status, 2);
  EXPECT_EQ(forebay({"serve", "--port"}).status, 2);
  EXPECT_EQ(forebay({"purge"}).status, 2);
  EXPECT_EQ(forebay({"purge", "--all", "key"}).status, 2);
  EXPECT_EQ(forebay({"warm"}).status, 2);
  EXPECT_EQ(forebay({"explain"}).status, 2);
  EXPECT_EQ(forebay({"deadletters"}).status, 2);
  EXPECT_EQ(forebay({"deadletters", "show"}).status, 2);
  EXPECT_EQ(forebay({"deadletters", "edit", "a/b/0/1"}).status, 2);
  EXPECT_EQ(forebay({"journal"}).status, 2);
  EXPECT_EQ(forebay({"journal", "export"}).status, 2);
  EXPECT_EQ(forebay({"demo", "--clients", "0"}).status, 2);
  const Output unknown = forebay({"serv"});
  EXPECT_EQ(unknown.status, 2);
  EXPECT_THAT(unknown.text, HasSubstr("there is no subcommand \"serv\"; did you mean \"serve\"?"));
}

class Check : public testing::Test {
 protected:
  Output check(std::string_view toml, std::vector<std::string> more = {}) {
    write(folder_ / "f.toml", toml);
    std::vector<std::string> arguments{"check", (folder_ / "f.toml").string()};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return forebay(arguments);
  }
  void sql(const std::string& statements) {
    ASSERT_EQ(test::run({"sqlite3", (folder_ / "shop.db").string(), statements}).status, 0);
  }

  test::TempDir folder_;
};

constexpr std::string_view kShop =
    "[source.shop]\n"
    "kind = \"sqlite\"\n"
    "path = \"shop.db\"\n"
    "changes = true\n"
    "[source.code]\n"
    "kind = \"function\"\n"
    "[namespace.user]\n"
    "key = \"user:{id}\"\n"
    "source = \"shop\"\n"
    "table = \"users\"\n"
    "write = \"through\"\n"
    "[namespace.price]\n"
    "key = \"price:{id}\"\n"
    "source = \"code\"\n";

TEST_F(Check, EveryMistakeIsALineWithItsPlace) {
  const Output output = check("[server]\nthread = 1\n[memory]\npolicy = \"lruu\"\nlimit = 5 m\n");
  EXPECT_EQ(output.status, 1);
  const std::string file = (folder_ / "f.toml").string();
  EXPECT_THAT(
      output.text,
      AllOf(StartsWith(file + ":2:1: unknown key \"thread\""),
            HasSubstr("\n" + file + ":4:10: there is no eviction policy \"lruu\"; did you mean \"lru\"?"),
            HasSubstr("\n" + file + ":5:11: not valid TOML"), HasSubstr("3 mistakes\n")));
}

TEST_F(Check, AFileThatIsNotThereIsAFailure) {
  const Output output = forebay({"check", (folder_ / "none.toml").string()});
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr("none.toml: can't be read: No such file"));
}

TEST_F(Check, AGoodFileIsGoodWhenItsTablesAreThere) {
  sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)");
  const Output output = check(kShop);
  EXPECT_EQ(output.status, 0);
  EXPECT_THAT(output.text, HasSubstr("good: 2 sources, 2 namespaces"));
}

TEST_F(Check, LookingLeavesNoTraceInTheDatabase) {
  sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)");
  EXPECT_EQ(check(kShop).status, 0);
  const Output schema =
      test::run({"sqlite3", (folder_ / "shop.db").string(), "SELECT count(*) FROM sqlite_master"});
  EXPECT_EQ(schema.text, "1\n");
}

TEST_F(Check, AMissingTableOrColumnIsSaid) {
  sql("CREATE TABLE other (id INTEGER PRIMARY KEY)");
  const Output table = check(kShop);
  EXPECT_EQ(table.status, 1);
  EXPECT_THAT(table.text, HasSubstr("users"));
  sql("CREATE TABLE users (number INTEGER PRIMARY KEY)");
  const Output column = check(kShop);
  EXPECT_EQ(column.status, 1);
  EXPECT_THAT(column.text, HasSubstr("id"));
}

TEST_F(Check, AMissingTableOrColumnOfADependencyIsSaid) {
  sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)");
  const auto depending = [&](const std::string& on) {
    return check(std::string(kShop) +
                 "[namespace.count]\nkey = \"count:{name}\"\nsource = \"shop\"\n"
                 "query = \"SELECT count(*) FROM users WHERE name = {name}\"\ndepends_on = [\"" +
                 on + "\"]\n");
  };
  EXPECT_EQ(depending("users").status, 0);
  EXPECT_EQ(depending("users(name -> name)").status, 0);
  const Output table = depending("userss");
  EXPECT_EQ(table.status, 1);
  EXPECT_THAT(table.text, AllOf(HasSubstr("namespace 'count'"), HasSubstr("userss")));
  const Output column = depending("users(nam -> name)");
  EXPECT_EQ(column.status, 1);
  EXPECT_THAT(column.text, HasSubstr("nam"));
  EXPECT_THAT(depending("userss\", \"users(nam -> name)").text,
              AllOf(HasSubstr("userss"), HasSubstr("d.nam")));
}

TEST_F(Check, WhatOnlyAKindOfEventsCanJudgeHasItsPlace) {
  const std::string events =
      "[namespace.a]\nkey = \"a:{id}\"\n[events.x]\nkind = \"kafka\"\nbrokers = \"127.0.0.1:1\"\ntopic = "
      "\"t\"\n"
      "invalidate = [\"a:{id}\"]\n";
  const Output wrong = check(events + "kafka = { \"sasl.user\" = \"ada\" }\n");
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(wrong.text,
            (folder_ / "f.toml").string() + ":3:9: events 'x': librdkafka knows no setting \"sasl.user\"\n");
  const Output good = check(events);  // nobody is connected to
  EXPECT_EQ(good.status, 0) << good.text;
}

TEST_F(Check, OfflineAsksNoSource) {
  const Output output = check(kShop, {"--offline"});
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_FALSE(std::filesystem::exists(folder_ / "shop.db"));
}

// A running server on free ports.
class Serve : public testing::Test {
 protected:
  static constexpr std::string_view kPorts = "[server]\nresp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n";

  std::filesystem::path file() const { return folder_ / "f.toml"; }
  std::string log() const { return contents(folder_ / "log"); }
  bool logged(const std::string& text) {
    return eventually([&] { return log().find(text) != std::string::npos || !server_.running(); }) &&
           log().find(text) != std::string::npos;
  }
  void configure(std::string_view more) { write(file(), std::string(kPorts) + std::string(more)); }
  void start() {
    server_ = test::Process({program(), "serve", file().string()}, {.output = folder_ / "log"});
    ASSERT_TRUE(logged("Redis protocol on 127.0.0.1:")) << log();
    const std::string text = log();
    constexpr std::string_view kBefore = "Redis protocol on 127.0.0.1:";
    port_ = static_cast<std::uint16_t>(std::stoi(text.substr(text.find(kBefore) + kBefore.size())));
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  test::TempDir folder_;
  test::Process server_;
  std::uint16_t port_ = 0;
};

TEST_F(Serve, ABadConfigurationStartsNothingAndSaysWhy) {
  configure("[memory]\npolicy = 5\n");
  const Output output = forebay({"serve", file().string()});
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr("f.toml:5:10: policy must be a text"));
}

TEST_F(Serve, ServesUntilSigtermAndEndsWithZero) {
  configure("");
  start();
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "a", "1"}), "+OK");
  EXPECT_EQ(client.ask({"GET", "a"}), "1");
  EXPECT_EQ(server_.stop(SIGTERM), 0) << log();
  EXPECT_THAT(log(), HasSubstr("stopped"));
}

TEST_F(Serve, SigintEndsItAsWell) {
  configure("");
  start();
  EXPECT_EQ(server_.stop(SIGINT), 0) << log();
}

TEST_F(Serve, SighupTakesAChangedFileOver) {
  configure("[default]\nttl = 0\n");
  start();
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "a", "1"}), "+OK");
  EXPECT_EQ(client.ask({"TTL", "a"}), ":-1");
  configure("[default]\nttl = \"1h\"\n[namespace.user]\nkey = \"user:{id}\"\nttl = \"2h\"\n");
  server_.signal(SIGHUP);
  ASSERT_TRUE(logged("was taken over: 0 sources, 1 namespace")) << log();
  EXPECT_EQ(client.ask({"SET", "b", "1"}), "+OK");
  EXPECT_EQ(client.ask({"TTL", "b"}), ":3600");
  EXPECT_EQ(client.ask({"SET", "user:1", "1"}), "+OK");
  EXPECT_EQ(client.ask({"TTL", "user:1"}), ":7200");
  EXPECT_EQ(client.ask({"GET", "a"}), "1") << "entries stay";
}

TEST_F(Serve, SighupWithABadFileSaysEveryMistakeAndChangesNothing) {
  configure("[default]\nttl = \"1h\"\n");
  start();
  configure("[default]\nttl = \"2h\"\n[memory]\npolicy = \"lruu\"\n[log]\nlevl = \"info\"\n");
  server_.signal(SIGHUP);
  ASSERT_TRUE(logged("was not taken over; nothing has changed")) << log();
  EXPECT_THAT(log(), AllOf(HasSubstr("f.toml:7:10: there is no eviction policy"),
                           HasSubstr("f.toml:9:1: unknown key \"levl\"")));
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "a", "1"}), "+OK");
  EXPECT_EQ(client.ask({"TTL", "a"}), ":3600");
  EXPECT_EQ(server_.stop(SIGTERM), 0);
}

TEST_F(Serve, SighupWithASourceThatCannotBeOpenedChangesNothing) {
  configure("[default]\nttl = \"1h\"\n");
  start();
  configure(
      "[default]\nttl = \"2h\"\n[source.a]\nkind = \"sqlite\"\npath = \"none/none.db\"\n"
      "[namespace.a]\nkey = \"a:{id}\"\nsource = \"a\"\ntable = \"a\"\n");
  server_.signal(SIGHUP);
  ASSERT_TRUE(logged("was not taken over; nothing has changed")) << log();
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "b", "1"}), "+OK");
  EXPECT_EQ(client.ask({"TTL", "b"}), ":3600");
}

TEST_F(Serve, ADatabaseThatIsDownKeepsItFromStartingAsLittleAsFromServing) {
  configure(
      "[source.shop]\nkind = \"postgres\"\nurl = \"postgresql://nobody@127.0.0.1:1/none\"\n"
      "[namespace.a]\nkey = \"a:{id}\"\nsource = \"shop\"\ntable = \"a\"\n"
      "[namespace.b]\nkey = \"b:{id}\"\nsource = \"shop\"\ntable = \"b\"\n");
  const Output checked = forebay({"check", file().string()});
  EXPECT_EQ(checked.status, 1);
  EXPECT_THAT(checked.text, AllOf(HasSubstr("namespace 'a'"), HasSubstr("namespace 'b'")));
  start();
  EXPECT_THAT(log(), HasSubstr("source 'shop': circuit breaker opened"));
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "x", "1"}), "+OK");
  EXPECT_THAT(client.ask({"GET", "a:1"}), HasSubstr("-UNAVAILABLE source 'shop'"));
  EXPECT_EQ(server_.stop(SIGTERM), 0) << log();
}

TEST_F(Serve, WhatOnlyAStartCanChangeIsSaidAtSighup) {
  configure("");
  start();
  configure("threads = 3\n");
  server_.signal(SIGHUP);
  ASSERT_TRUE(logged("take effect at the next start")) << log();
}

TEST_F(Serve, APortInUseIsAFailureThatNamesIt) {
  configure("");
  start();
  const auto other = folder_ / "other.toml";
  write(other, "[server]\nresp = \"" + address() + "\"\nhttp = \"\"\n");
  const Output output = forebay({"serve", other.string()});
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr(address()));
}

TEST_F(Serve, ExplainAndPurgeSpeakToIt) {
  configure("[namespace.user]\nkey = \"user:{id}\"\n");
  start();
  test::TestClient client(port_);
  for (const char* key : {"user:1", "user:2", "x:1", "x:2", "y"})
    EXPECT_EQ(client.ask({"SET", key, "1"}), "+OK");
  const Output explained = forebay({"explain", "--server", address(), "user:1", "absent"});
  EXPECT_EQ(explained.status, 0);
  EXPECT_THAT(explained.text, testing::ContainsRegex("key +user:1\nnamespace +user\ntier +memory\n"));
  EXPECT_THAT(explained.text, testing::ContainsRegex("key +absent\n"));

  EXPECT_EQ(forebay({"purge", "--server", address(), "y", "absent"}).text, "dropped 1 cached copy\n");
  EXPECT_EQ(forebay({"purge", "--server", address(), "--match", "x:*"}).text, "dropped 2 cached copies\n");
  EXPECT_EQ(client.ask({"EXISTS", "user:1", "user:2", "x:1", "y"}), ":2");
  EXPECT_EQ(forebay({"purge", "--server", address(), "--namespace", "user"}).text,
            "dropped all cached copies of user\n");
  EXPECT_EQ(client.ask({"EXISTS", "user:1", "user:2"}), ":0");
  EXPECT_EQ(client.ask({"SET", "z", "1"}), "+OK");
  EXPECT_EQ(forebay({"purge", "--server", address(), "--all"}).status, 0);
  EXPECT_EQ(client.ask({"DBSIZE"}), ":0");
  const Output unknown = forebay({"purge", "--server", address(), "--namespace", "nobody"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.text, StartsWith("forebay: the server says: ERR"));
}

TEST_F(Serve, WarmLoadsKeysFromTheCommandLineAndFromStandardInput) {
  ASSERT_EQ(test::run({"sqlite3", (folder_ / "shop.db").string(),
                       "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users VALUES "
                       "(1,'a'),(2,'b'),(3,'c')"})
                .status,
            0);
  configure(
      "[source.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n[namespace.user]\nkey = \"user:{id}\"\nsource = "
      "\"shop\"\ntable = "
      "\"users\"\n");
  start();
  const Output given = forebay({"warm", "--server", address(), "user", "user:1", "user:2"});
  EXPECT_EQ(given.status, 0);
  EXPECT_EQ(given.text, "loaded 2 of 2 keys\n");
  write(folder_ / "keys", "user:1\nuser:3\n\n");
  const Output piped = test::run({"sh", "-c", "exec \"$0\" warm --server " + address() + " user < \"$1\"",
                                  program(), (folder_ / "keys").string()});
  EXPECT_EQ(piped.text, "loaded 1 of 2 keys\n") << "the other was fresh";
  EXPECT_EQ(forebay({"warm", "--server", address(), "user", "other:1"}).status, 1);
}

TEST_F(Serve, DrainAndDeadLettersSpeakToIt) {
  const std::string database = (folder_ / "shop.db").string();
  ASSERT_EQ(test::run({"sqlite3", database,
                       "CREATE TABLE users (id INTEGER PRIMARY KEY, age INTEGER CHECK (age >= 0))"})
                .status,
            0);
  configure(
      "[journal]\npath = \"journal\"\n[source.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\n"
      "[namespace.user]\nkey = \"user:{id}\"\nsource = \"shop\"\ntable = \"users\"\nwrite = \"behind\"\n"
      "flush = { every = \"1h\" }\n");
  start();
  test::TestClient client(port_);
  EXPECT_EQ(client.ask({"SET", "user:1", "{\"age\":1}"}), "+OK");
  EXPECT_EQ(client.ask({"SET", "user:2", "{\"age\":-1}"}), "+OK");
  const auto ask = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--server", address()});
    return forebay(arguments);
  };
  EXPECT_EQ(ask({"deadletters", "list"}).text, "no dead letters\n");
  EXPECT_EQ(ask({"drain", "--namespace", "user"}).text, "the databases have all writes of user\n");
  EXPECT_EQ(ask({"drain"}).status, 0);
  EXPECT_EQ(test::run({"sqlite3", database, "SELECT age FROM users"}).text, "1\n");
  const std::string listed = ask({"deadletters", "list"}).text;
  EXPECT_THAT(listed, HasSubstr("user:2\n    "));
  EXPECT_THAT(listed, HasSubstr("CHECK constraint failed"));
  const std::string id = listed.substr(0, listed.find(' '));
  EXPECT_THAT(ask({"deadletters", "show", id}).text, HasSubstr("operation  {\"row\":{\"age\":-1}}\n"));
  const Output wrong = ask({"deadletters", "edit", id, "{"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_THAT(wrong.text, HasSubstr("it is no JSON"));
  const Output unknown = ask({"deadletters", "edit", id, "{\"row\":{\"height\":2}}"});
  EXPECT_EQ(unknown.status, 1);
  EXPECT_THAT(unknown.text, HasSubstr("there is no column height"));
  EXPECT_THAT(ask({"deadletters", "show", id}).text, HasSubstr("operation  {\"row\":{\"age\":-1}}\n"));
  EXPECT_EQ(ask({"deadletters", "edit", id, "{\"row\":{\"age\":2}}"}).text, "changed: " + id + "\n");
  EXPECT_EQ(ask({"deadletters", "retry", id}).text, "written again: " + id + "\n");
  EXPECT_EQ(ask({"drain"}).status, 0);
  EXPECT_EQ(test::run({"sqlite3", database, "SELECT age FROM users WHERE id = 2"}).text, "2\n");
  const Output gone = ask({"deadletters", "drop", id});
  EXPECT_EQ(gone.status, 1);
  EXPECT_THAT(gone.text, HasSubstr("there is no dead letter"));
}

TEST_F(Serve, SigtermFlushesWhatItCanAndTheJournalKeepsTheRest) {
  const std::string database = (folder_ / "shop.db").string();
  const auto sql = [&](const std::string& text) { return test::run({"sqlite3", database, text}).text; };
  ASSERT_EQ(sql("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)"), "");
  configure(
      "drain_timeout = \"3s\"\n[journal]\npath = \"journal\"\n"
      "[source.shop]\nkind = \"sqlite\"\npath = \"shop.db\"\ntimeout = \"1s\"\n"
      "[namespace.user]\nkey = \"user:{id}\"\nsource = \"shop\"\ntable = \"users\"\nwrite = \"behind\"\n"
      "flush = { every = \"1h\" }\n");
  start();
  EXPECT_EQ(test::TestClient(port_).ask({"SET", "user:1", "{\"name\":\"a\"}"}), "+OK");
  EXPECT_EQ(server_.stop(SIGTERM), 0) << log();
  EXPECT_EQ(sql("SELECT name FROM users"), "a\n");

  const auto start_again = [&] {
    std::filesystem::remove(folder_ / "log");  // it names the port
    start();
  };
  start_again();
  {
    // Somebody else holds the database while the server ends.
    test::SqliteFile other(database);
    other.run("BEGIN EXCLUSIVE");
    EXPECT_EQ(test::TestClient(port_).ask({"SET", "user:2", "{\"name\":\"b\"}"}), "+OK");
    EXPECT_EQ(server_.stop(SIGTERM), 0) << log();
  }
  EXPECT_THAT(log(), HasSubstr("the journal keeps 1 write that the databases do not have yet"));
  EXPECT_EQ(sql("SELECT count(*) FROM users"), "1\n");

  start_again();
  EXPECT_EQ(forebay({"drain", "--server", address()}).status, 0);
  EXPECT_EQ(sql("SELECT group_concat(name) FROM users"), "a,b\n");
}

TEST_F(Serve, APasswordIsAskedForAndTaken) {
  configure("password = \"open sesame\"\n");
  start();
  const Output without = forebay({"explain", "--server", address(), "a"});
  EXPECT_EQ(without.status, 1);
  EXPECT_THAT(without.text, HasSubstr("NOAUTH"));
  EXPECT_EQ(forebay({"explain", "--server", address(), "--password", "open sesame", "a"}).status, 0);
  const Output from_environment = test::run({program(), "explain", "--server", address(), "a"},
                                            {.environment = {"FOREBAY_PASSWORD=open sesame"}});
  EXPECT_EQ(from_environment.status, 0) << from_environment.text;
  EXPECT_THAT(log(), Not(HasSubstr("sesame")));
}

TEST(Remote, NobodyThereIsAFailureThatNamesTheAddress) {
  const std::string address = "127.0.0.1:" + std::to_string(test::free_port());
  const Output output = forebay({"explain", "--server", address, "a"});
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(output.text, HasSubstr(address));
}

}  // namespace
}  // namespace forebay::cli
