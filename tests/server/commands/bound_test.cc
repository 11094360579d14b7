// Commands on keys that have a source: a real SQLite database, the machine's own time.

#include <sqlite3.h>

#include <string>

#include "layer/open.h"
#include "server/commands/harness.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSchema = R"(
  CREATE TABLE packages (name TEXT PRIMARY KEY, version TEXT NOT NULL, size INTEGER, note TEXT);
  INSERT INTO packages VALUES ('curl', '8.1', 300, NULL), ('wget', '1.21', 900, 'old'), ('vim', '9.0', 4000, 'editor');
  CREATE TABLE views (name TEXT PRIMARY KEY, views INTEGER NOT NULL DEFAULT 0 CHECK (views < 1000));
  INSERT INTO views VALUES ('curl', 7);
)";

config::Pattern pattern(const std::string& prefix) {
  config::Pattern pattern;
  pattern.text = prefix + "{name}";
  pattern.literals = {prefix, ""};
  pattern.fields = {"name"};
  return pattern;
}

config::Namespace table(const std::string& name, const std::string& table, config::WriteStrategy write) {
  config::Namespace space;
  space.name = name;
  space.key = pattern(name + ":");
  space.source = "catalog";
  space.table = table;
  space.write = write;
  space.ttl = 60s;
  return space;
}

class BoundKeys : public testing::Test {
 protected:
  BoundKeys() {
    const std::string path = (folder_ / "catalog.db").string();
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) throw std::runtime_error("sqlite3_open");
    sql(kSchema);

    config::Model model;
    config::Source catalog;
    catalog.name = "catalog";
    catalog.kind = "sqlite";
    catalog.path = path;
    config::Source broken;
    broken.name = "broken";
    broken.kind = "function";
    model.sources = {catalog, broken};

    auto views = table("views", "views", config::WriteStrategy::kThrough);
    views.kind = ValueKind::kCounter;
    views.value_column = "views";
    auto note = table("note", "packages", config::WriteStrategy::kThrough);
    note.kind = ValueKind::kText;
    note.value_column = "note";
    config::Namespace report;
    report.name = "report";
    report.key = pattern("report:");
    report.source = "catalog";
    report.query = "SELECT json_array(version, size) FROM packages WHERE name = {name}";
    config::Namespace failing;
    failing.name = "failing";
    failing.key = pattern("failing:");
    failing.source = "broken";
    config::Namespace plain;
    plain.name = "plain";
    plain.key = pattern("plain:");
    plain.read = config::ReadStrategy::kAside;
    model.namespaces = {table("pkg", "packages", config::WriteStrategy::kThrough),
                        table("aside", "packages", config::WriteStrategy::kAside),
                        views,
                        note,
                        report,
                        failing,
                        plain};

    Environment environment;
    environment.functions["broken"].load = [this](std::span<const KeyFields>,
                                                  const CallContext&) -> Result<std::vector<Loaded>> {
      return Error{failure_, "source 'broken' is broken"};
    };
    auto layer = layer::open_layer(model, std::move(environment));
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_);
    client_.emplace(*layer_, *server_);
  }
  ~BoundKeys() override {
    client_.reset();
    server_.reset();
    layer_.reset();
    sqlite3_close(database_);
  }

  void sql(const std::string& statement) {
    char* message = nullptr;
    sqlite3_busy_timeout(database_, 5000);
    if (sqlite3_exec(database_, statement.c_str(), nullptr, nullptr, &message) != SQLITE_OK) {
      throw std::runtime_error(message);
    }
  }
  std::string ask(const std::string& query) {
    std::string answer;
    sqlite3_exec(
        database_, query.c_str(),
        [](void* out, int, char** columns, char**) {
          *static_cast<std::string*>(out) = columns[0] ? columns[0] : "NULL";
          return 0;
        },
        &answer, nullptr);
    return answer;
  }
  std::uint64_t loads() {
    for (const SourceStats& source : layer_->stats().sources) {
      if (source.name == "catalog") return source.loads;
    }
    return 0;
  }

  template <class... Args>
  std::string run(const Args&... args) {
    return (*client_)(args...);
  }

  test::TempDir folder_;
  sqlite3* database_ = nullptr;
  ErrorCode failure_ = ErrorCode::kUnavailable;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

const std::string kCurl = R"({"name":"curl","version":"8.1","size":300,"note":null})";

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "|" + text;
}

TEST_F(BoundKeys, AMissIsLoadedAndTheNextReadIsAnsweredAtOnce) {
  EXPECT_EQ(run("GET", "pkg:curl"), bulk(kCurl));
  EXPECT_TRUE(client_->last_was_deferred());
  EXPECT_EQ(run("GET", "pkg:curl"), bulk(kCurl));
  EXPECT_FALSE(client_->last_was_deferred());
  EXPECT_EQ(run("GET", "pkg:none"), "$-1");
  EXPECT_EQ(run("GET", "note:wget"), "$3|old");
  EXPECT_EQ(run("GET", "views:curl"), "$1|7");
  EXPECT_EQ(run("GET", "report:curl"), bulk(R"(["8.1",300])"));
}

TEST_F(BoundKeys, MgetLoadsAllItsMissesTogetherAndKeepsTheirOrder) {
  run("SET", "free", "x");
  run("GET", "pkg:vim");
  const std::string vim = R"({"name":"vim","version":"9.0","size":4000,"note":"editor"})";
  const std::string wget = R"({"name":"wget","version":"1.21","size":900,"note":"old"})";
  const std::uint64_t before = loads();
  EXPECT_EQ(run("MGET", "free", "pkg:curl", "pkg:vim", "pkg:none", "pkg:wget", "missing"),
            "*6|$1|x|" + bulk(kCurl) + "|" + bulk(vim) + "|$-1|" + bulk(wget) + "|$-1");
  EXPECT_LE(loads(), before + 2);  // of three; the timer of the load before may send the first on its way
  EXPECT_EQ(run("MGET", "pkg:curl", "free"), "*2|" + bulk(kCurl) + "|$1|x");
  EXPECT_FALSE(client_->last_was_deferred());
}

TEST_F(BoundKeys, OtherReadsLoadToo) {
  EXPECT_EQ(run("STRLEN", "pkg:curl"), ":" + std::to_string(kCurl.size()));
  EXPECT_EQ(run("GETRANGE", "note:wget", "0", "0"), "$1|o");
  EXPECT_EQ(run("EXISTS", "pkg:wget", "pkg:none", "note:vim", "missing"), ":2");
  EXPECT_EQ(run("TYPE", "pkg:vim"), "+hash");
  EXPECT_EQ(run("TYPE", "pkg:none"), "+none");
  EXPECT_EQ(run("TYPE", "note:wget"), "+string");
  EXPECT_EQ(run("LCS", "note:wget", "note:vim", "LEN"), ":1");
  EXPECT_EQ(run("GETEX", "note:wget", "EX", "7"), "$3|old");
  EXPECT_EQ(run("TTL", "note:wget"), ":7");
}

TEST_F(BoundKeys, RowsAreReadAsHashes) {
  EXPECT_EQ(run("HGET", "pkg:curl", "version"), "$3|8.1");
  EXPECT_EQ(run("HGET", "pkg:curl", "note"), "$-1");
  EXPECT_EQ(run("HGET", "pkg:curl", "bogus"), "$-1");
  EXPECT_EQ(run("HGET", "pkg:none", "version"), "$-1");
  EXPECT_EQ(run("HMGET", "pkg:curl", "size", "note", "name"), "*3|$3|300|$-1|$4|curl");
  EXPECT_EQ(run("HMGET", "pkg:none", "size", "note"), "*2|$-1|$-1");
  EXPECT_EQ(run("HGETALL", "pkg:curl"), "*6|$4|name|$4|curl|$7|version|$3|8.1|$4|size|$3|300");
  EXPECT_EQ(run("HGETALL", "pkg:none"), "*0");
  EXPECT_EQ(run("HKEYS", "pkg:curl"), "*3|$4|name|$7|version|$4|size");
  EXPECT_EQ(run("HVALS", "pkg:curl"), "*3|$4|curl|$3|8.1|$3|300");
  EXPECT_EQ(run("HLEN", "pkg:curl"), ":3");
  EXPECT_EQ(run("HEXISTS", "pkg:curl", "note"), ":0");
  EXPECT_EQ(run("HEXISTS", "pkg:curl", "name"), ":1");
  EXPECT_EQ(run("HSTRLEN", "pkg:curl", "name"), ":4");
  EXPECT_EQ(run("HSCAN", "pkg:curl", "0", "MATCH", "v*"), "*2|$1|0|*2|$7|version|$3|8.1");
  EXPECT_EQ(run("HRANDFIELD", "pkg:curl", "9", "WITHVALUES"),
            "*6|$4|name|$4|curl|$7|version|$3|8.1|$4|size|$3|300");
  EXPECT_EQ(run("HRANDFIELD", "pkg:curl").substr(0, 1), "$");
  EXPECT_EQ(run("HRANDFIELD", "pkg:curl", "-7").substr(0, 3), "*7|");
  EXPECT_EQ(run("HRANDFIELD", "pkg:none"), "$-1");
  EXPECT_EQ(run("HRANDFIELD", "pkg:none", "3"), "*0");
  EXPECT_EQ(run("HRANDFIELD", "pkg:curl", "x"), "-ERR value is not an integer or out of range");
  EXPECT_EQ(run("HRANDFIELD", "pkg:curl", "1", "x"), "-ERR syntax error");
  EXPECT_EQ(run("HRANDFIELD", "report:curl").substr(0, 10), "-WRONGTYPE");
  Client client(*layer_, *server_, resp::Protocol::kResp3);
  EXPECT_EQ(client("HRANDFIELD", "pkg:curl", "1", "WITHVALUES").substr(0, 6), "*1|*2|");
  EXPECT_EQ(client("HGETALL", "pkg:curl"), "%3|$4|name|$4|curl|$7|version|$3|8.1|$4|size|$3|300");
}

TEST_F(BoundKeys, HashCommandsNeedARow) {
  EXPECT_EQ(run("HGET", "plainkey", "f"), "$-1");
  EXPECT_EQ(run("HSET", "plain:key", "f", "v"), ":1");
  const std::string wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
  EXPECT_EQ(run("HGETALL", "report:curl"), wrong_type);
  EXPECT_EQ(run("HSET", "views:curl", "views", "1"), wrong_type);
}

TEST_F(BoundKeys, HsetChangesColumnsAndCreatesRows) {
  run("GET", "pkg:curl");
  EXPECT_EQ(run("HSET", "pkg:curl", "note", "fast", "size", "301"), ":0");
  EXPECT_EQ(ask("SELECT note || size || version FROM packages WHERE name = 'curl'"), "fast3018.1");
  EXPECT_EQ(run("HMGET", "pkg:curl", "note", "size"), "*2|$4|fast|$3|301");
  EXPECT_EQ(run("HSET", "pkg:new", "version", "0", "version", "1"), ":1");
  EXPECT_EQ(run("HGET", "pkg:new", "version"), "$1|1");
  EXPECT_EQ(run("HMSET", "pkg:new", "version", "2"), "+OK");
  EXPECT_EQ(run("HDEL", "pkg:curl", "note", "note"), ":1");
  EXPECT_EQ(ask("SELECT note FROM packages WHERE name = 'curl'"), "NULL");
  EXPECT_EQ(run("HDEL", "pkg:none", "note"), ":0");
  EXPECT_EQ(run("HINCRBY", "pkg:curl", "size", "9"), ":310");
  EXPECT_EQ(run("HINCRBYFLOAT", "pkg:curl", "size", "0.5"), "$5|310.5");
  EXPECT_EQ(run("HSET", "pkg:curl", "note"), "-ERR wrong number of arguments for 'hset' command");
  EXPECT_EQ(run("HINCRBY", "pkg:curl", "size", "x"), "-ERR value is not an integer or out of range");
}

TEST_F(BoundKeys, ARefusedWriteSaysWhyAndChangesNothing) {
  run("GET", "pkg:curl");
  EXPECT_TRUE(run("HDEL", "pkg:curl", "version").starts_with("-REFUSED "));
  EXPECT_EQ(run("GET", "pkg:curl"), bulk(kCurl));
  EXPECT_EQ(run("INCRBY", "views:curl", "5000").substr(0, 9), "-REFUSED ");
  EXPECT_EQ(run("GET", "views:curl"), "$1|7");
}

TEST_F(BoundKeys, SetWritesTheSource) {
  EXPECT_EQ(run("SET", "pkg:curl", R"({"version":"9","size":1})"), "+OK");
  EXPECT_EQ(ask("SELECT version FROM packages WHERE name = 'curl'"), "9");
  EXPECT_EQ(run("HGET", "pkg:curl", "version"), "$1|9");
  EXPECT_EQ(run("SET", "pkg:curl", "no json").substr(0, 5), "-ERR ");
  EXPECT_EQ(run("SET", "note:curl", "hello", "EX", "5"), "+OK");
  EXPECT_EQ(ask("SELECT note FROM packages WHERE name = 'curl'"), "hello");
  EXPECT_EQ(run("TTL", "note:curl"), ":5");
  for (const char* option : {"NX", "XX", "GET", "KEEPTTL"}) {
    EXPECT_EQ(run("SET", "note:curl", "x", option),
              "-ERR SET's options NX, XX, GET and KEEPTTL are not available on keys of namespace 'note', "
              "which have a "
              "source");
  }
  EXPECT_EQ(ask("SELECT note FROM packages WHERE name = 'curl'"), "hello");
}

TEST_F(BoundKeys, AnAsideNamespaceKeepsWhatTheClientSets) {
  EXPECT_EQ(run("SET", "aside:curl", "mine"), "+OK");
  EXPECT_EQ(run("GET", "aside:curl"), "$4|mine");
  EXPECT_EQ(ask("SELECT version FROM packages WHERE name = 'curl'"), "8.1");
  EXPECT_EQ(run("DEL", "aside:curl"), ":1");
  EXPECT_EQ(run("GET", "aside:curl"), bulk(kCurl));
  EXPECT_EQ(run("HSET", "aside:curl", "note", "x").substr(0, 5), "-ERR ");
}

TEST_F(BoundKeys, CountersCountInTheDatabase) {
  EXPECT_EQ(run("INCR", "views:curl"), ":8");
  EXPECT_EQ(run("INCRBY", "views:curl", "10"), ":18");
  EXPECT_EQ(run("DECR", "views:curl"), ":17");
  EXPECT_EQ(run("DECRBY", "views:curl", "7"), ":10");
  EXPECT_EQ(run("INCR", "views:new"), ":1");
  EXPECT_EQ(ask("SELECT views FROM views WHERE name = 'curl'"), "10");
  EXPECT_EQ(run("GET", "views:curl"), "$2|10");
  EXPECT_EQ(run("INCR", "pkg:curl"),
            "-ERR keys of namespace 'pkg' are no counters; HINCRBY raises a column of a row");
  EXPECT_EQ(run("INCR", "note:curl"), "-ERR keys of namespace 'note' are no counters");
}

TEST_F(BoundKeys, WhatOnlyMemoryCouldDoIsRefused) {
  for (const auto& args : std::vector<std::vector<std::string_view>>{{"APPEND", "pkg:curl", "x"},
                                                                     {"SETRANGE", "pkg:curl", "0", "x"},
                                                                     {"SETBIT", "pkg:curl", "0", "1"},
                                                                     {"GETSET", "pkg:curl", "x"},
                                                                     {"GETDEL", "pkg:curl"},
                                                                     {"SETNX", "pkg:curl", "x"},
                                                                     {"MSET", "a", "1", "pkg:curl", "x"},
                                                                     {"MSETNX", "pkg:curl", "x"},
                                                                     {"RENAME", "pkg:curl", "a"},
                                                                     {"RENAMENX", "a", "pkg:curl"},
                                                                     {"COPY", "a", "pkg:curl"},
                                                                     {"PFADD", "pkg:curl", "x"},
                                                                     {"PFCOUNT", "a", "pkg:curl"},
                                                                     {"PFMERGE", "a", "pkg:curl"}}) {
    EXPECT_EQ(client_->run(args), "-ERR " + std::string(args[0]) +
                                      " is not available on keys of namespace 'pkg', which have a source");
  }
  EXPECT_EQ(run("EXISTS", "a"), ":0");
  EXPECT_EQ(ask("SELECT version FROM packages WHERE name = 'curl'"), "8.1");
}

TEST_F(BoundKeys, AreNoStreams) {
  const std::string wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
  for (const auto& args : std::vector<std::vector<std::string_view>>{
           {"XADD", "pkg:curl", "*", "f", "v"},
           {"XLEN", "pkg:curl"},
           {"XRANGE", "pkg:curl", "-", "+"},
           {"XDEL", "pkg:curl", "1-0"},
           {"XTRIM", "pkg:curl", "MAXLEN", "1"},
           {"XSETID", "pkg:curl", "1-0"},
           {"XREAD", "STREAMS", "a", "pkg:curl", "0", "0"},
           {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "pkg:curl", ">"},
           {"XGROUP", "CREATE", "pkg:curl", "g", "0", "MKSTREAM"},
           {"XGROUP", "CREATE", "pkg:curl", "g", "x", "MKSTREAM"},
           {"XINFO", "STREAM", "pkg:curl"},
           {"XACK", "pkg:curl", "g", "1-0"},
           {"XPENDING", "pkg:curl", "g"},
           {"XCLAIM", "pkg:curl", "g", "c", "0", "1-0"},
           {"XAUTOCLAIM", "pkg:curl", "g", "c", "0", "0"}}) {
    EXPECT_EQ(client_->run(args), wrong_type) << args[0];
  }
}

TEST_F(BoundKeys, AreNoSortedSetsOfPlaces) {
  const std::string wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value";
  EXPECT_EQ(run("GEOADD", "pkg:curl", "1", "2", "here"), wrong_type);
  EXPECT_EQ(run("GEOPOS", "pkg:curl", "here"), wrong_type);
  EXPECT_EQ(run("GEOSEARCH", "pkg:curl", "FROMLONLAT", "1", "2", "BYRADIUS", "3", "km"), wrong_type);
  run("GEOADD", "a", "1", "2", "here");
  EXPECT_EQ(run("GEORADIUS", "a", "1", "2", "3", "km", "STORE", "pkg:curl"), wrong_type);
  EXPECT_EQ(run("GEOSEARCHSTORE", "pkg:curl", "a", "FROMLONLAT", "1", "2", "BYRADIUS", "3", "km"),
            wrong_type);
}

TEST_F(BoundKeys, DelDropsTheCachedCopyOnly) {
  EXPECT_EQ(run("DEL", "pkg:curl"), ":0");
  run("GET", "pkg:curl");
  EXPECT_EQ(run("DEL", "pkg:curl", "pkg:vim"), ":1");
  EXPECT_EQ(ask("SELECT count(*) FROM packages"), "3");
  sql("UPDATE packages SET note = 'changed' WHERE name = 'curl'");
  EXPECT_EQ(run("HGET", "pkg:curl", "note"), "$7|changed");
}

TEST_F(BoundKeys, ExpiryIsTheCachedCopys) {
  EXPECT_EQ(run("TTL", "pkg:curl"), ":-2");
  EXPECT_EQ(run("EXPIRE", "pkg:curl", "5"), ":0");
  run("GET", "pkg:curl");
  EXPECT_EQ(run("TTL", "pkg:curl"), ":60");
  EXPECT_EQ(run("EXPIRE", "pkg:curl", "5"), ":1");
  EXPECT_EQ(run("TTL", "pkg:curl"), ":5");
  EXPECT_EQ(run("PERSIST", "pkg:curl"), ":1");
  EXPECT_EQ(run("TTL", "pkg:curl"), ":-1");
  EXPECT_EQ(run("PEXPIREAT", "pkg:curl", "9223372036854775807"), ":1");
  EXPECT_NE(run("TTL", "pkg:curl"), ":-1");
  EXPECT_EQ(run("PEXPIREAT", "pkg:curl", "-9223372036854775808"), ":1");
  EXPECT_EQ(run("TTL", "pkg:curl"), ":-2");
  run("GET", "pkg:curl");
  EXPECT_EQ(run("EXPIRE", "pkg:curl", "-1"), ":1");
  EXPECT_EQ(run("GET", "pkg:curl"), bulk(kCurl));
  EXPECT_TRUE(client_->last_was_deferred());
}

TEST_F(BoundKeys, RememberedAbsencesAreNoKeys) {
  run("GET", "pkg:none");
  EXPECT_EQ(run("KEYS", "*"), "*0");
  EXPECT_EQ(run("RANDOMKEY"), "$-1");
  run("GET", "pkg:curl");
  EXPECT_EQ(run("SCAN", "0", "TYPE", "hash", "COUNT", "100"), "*2|$1|0|*1|$8|pkg:curl");
  EXPECT_EQ(run("SCAN", "0", "TYPE", "string", "COUNT", "100"), "*2|$1|0|*0");
}

TEST_F(BoundKeys, StayOutOfTransactions) {
  const std::string refused =
      "-ERR keys of namespace 'pkg' have a source and can't be part of a transaction or a script";
  EXPECT_EQ(run("WATCH", "a", "pkg:curl"), refused);
  run("MULTI");
  EXPECT_EQ(run("GET", "pkg:curl"), refused);
  EXPECT_EQ(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
  run("MULTI");
  EXPECT_EQ(run("MSET", "a", "1", "pkg:curl", "2"), refused);
  EXPECT_EQ(run("EXEC"), "-EXECABORT Transaction discarded because of previous errors.");
}

TEST_F(BoundKeys, ErrorsOfTheSourceHaveACodeOfTheirOwn) {
  const std::vector<std::pair<ErrorCode, std::string>> codes = {
      {ErrorCode::kInvalidArgument, "ERR"},     {ErrorCode::kUnsupported, "ERR"},
      {ErrorCode::kRefused, "REFUSED"},         {ErrorCode::kConflict, "CONFLICT"},
      {ErrorCode::kUnavailable, "UNAVAILABLE"}, {ErrorCode::kTimeout, "TIMEOUT"},
      {ErrorCode::kOverloaded, "OVERLOADED"},   {ErrorCode::kInternal, "INTERNAL"},
  };
  for (const auto& [code, prefix] : codes) {
    failure_ = code;
    const std::string reply = run("GET", "failing:" + prefix);
    EXPECT_TRUE(reply.starts_with("-" + prefix + " ")) << reply;
    EXPECT_NE(reply.find("broken"), std::string::npos) << reply;
  }
  failure_ = ErrorCode::kTimeout;
  EXPECT_TRUE(run("MGET", "free", "failing:1", "failing:2").starts_with("-TIMEOUT "));
  EXPECT_TRUE(run("EXISTS", "free", "failing:3").starts_with("-TIMEOUT "));
  EXPECT_TRUE(run("HGET", "failing:4", "f").starts_with("-WRONGTYPE"));
}

}  // namespace
}  // namespace forebay::server
