#include "config/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace forebay::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr std::string_view kFull = R"toml(
[server]
resp = "0.0.0.0:6381"
http = ""
threads = 2
password = "secret"
protected_mode = true
max_clients = 100
max_value = "1MiB"
max_query_buffer = "2MiB"
max_output_buffer = 4096
max_arguments = 1000
databases = 4
idle_timeout = "1h30m"
request_timeout = "0"
drain_timeout = 0

[memory]
limit = "64MiB"
policy = "noeviction"
weigh = "cost_per_byte"
admission = "frequent"
max_value = "64kB"
max_share = 0.5

[default]
ttl = "1h"
jitter = 0.25

[log]
level = "warn"

[source.catalog]
kind = "sqlite"
path = "data/../catalog.db"
pool = 8
timeout = "3s"
connect_timeout = "1s"
changes = true
poll_interval = "20ms"
breaker_ratio = 1
breaker_minimum = 5
breaker_window = "5s"
breaker_open = "100ms"
breaker_open_max = "10s"
max_queue = 7

[source.a]
kind = "postgres"
url = "postgres://user@host/db"

[namespace.package]
key = "package:{name}:v{version}"
source = "catalog"
table = "main.packages"
version = "version_no"
read = "through"
write = "through"
ttl = "5m"
jitter = 0.1
stale_while_revalidate = "30s"
stale_if_error = "1h"
stale_throttle = "2s"
refresh_ahead = 0.75
xfetch = 1
negative_ttl = "10s"
soft_timeout = "50ms"
timeout = "1s"
max_batch = 100

[namespace.rdepends]
key = "rdepends:{name}:{name2}"
source = "a"
query = "SELECT package FROM depends WHERE target = {name} AND kind = {name2} AND meta <> '{\"a\":1}'"
depends_on = ["depends(target -> name , kind->name2)", "packages"]

[namespace.views]
key = "views:{name}"
source = "catalog"
table = "package_views"
type = "counter"
value = "views"
write = "around"

[namespace.session]
key = "session:{id}"
ttl = "10m"

[journal]
path = "queue"
max_bytes = "2MiB"
max_records = 10
max_age = "1h"
remember = "2h"
max_ids = 7

[namespace.order]
key = "order:{id}"
source = "a"
table = "orders"
write = "behind"
flush = { every = "200ms", batch = 50, bytes = "64KiB" }
durability = "os"
after_dead_letter = "hold"
when_full = "through"
append = true
alarm = { age = "10m", dead_letters = 100 }
)toml";

TEST(Reader, WhoMayComeAndHowReachesTheModel) {
  ReadOptions options;
  options.folder = "/etc/forebay";
  const auto model = read(R"toml(
[server]
resp = ""
unix_socket = "run/f.sock"
unix_socket_mode = "0770"
[server.tls]
address = "127.0.0.1:6390"
certificate = "/certificates/server.crt"
key = "server.key"
client_ca = "clients.crt"
client_auth = "optional"
min_version = "1.3"
ciphers = "HIGH"
ciphersuites = "TLS_AES_128_GCM_SHA256"
[user.reader]
acl = "on >secret +@read"
)toml",
                          "f.toml", options);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  const Server& server = model->server;
  EXPECT_EQ(server.unix_socket, "/etc/forebay/run/f.sock");
  EXPECT_EQ(server.unix_socket_mode, 0770U);
  EXPECT_EQ(server.tls,
            (Tls{"127.0.0.1:6390", "/certificates/server.crt", "/etc/forebay/server.key",
                 "/etc/forebay/clients.crt", ClientAuth::kOptional, true, "HIGH", "TLS_AES_128_GCM_SHA256"}));
  ASSERT_EQ(server.users.size(), 1U);
  EXPECT_EQ(server.users[0].name, "reader");
  EXPECT_EQ(server.users[0].acl, "on >secret +@read");
}

TEST(Reader, EveryKeyReachesTheModel) {
  const auto model = read(kFull, "f.toml");
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->file, "f.toml");
  const Server& server = model->server;
  EXPECT_EQ(server.resp, "0.0.0.0:6381");
  EXPECT_EQ(server.http, "");
  EXPECT_EQ(server.threads, 2U);
  EXPECT_EQ(server.password, "secret");
  EXPECT_EQ(server.max_clients, 100U);
  EXPECT_EQ(server.max_value, 1048576U);
  EXPECT_EQ(server.max_query_buffer, 2097152U);
  EXPECT_EQ(server.max_output_buffer, 4096U);
  EXPECT_EQ(server.max_arguments, 1000U);
  EXPECT_EQ(server.databases, 4U);
  EXPECT_EQ(server.idle_timeout, 90min);
  EXPECT_EQ(server.request_timeout, 0ms);
  EXPECT_EQ(server.drain_timeout, 0ms);
  EXPECT_EQ(model->memory.limit, std::size_t{64} << 20);
  EXPECT_EQ(model->memory.policy, "noeviction");
  EXPECT_EQ(model->memory.weigh, Weigh::kCostPerByte);
  EXPECT_EQ(model->memory.admission, Admission::kFrequent);
  EXPECT_EQ(model->memory.max_value, 64000U);
  EXPECT_EQ(model->memory.max_share, 0.5);
  EXPECT_EQ(model->defaults.ttl, 1h);
  EXPECT_EQ(model->defaults.jitter, 0.25);
  EXPECT_EQ(model->log.level, "warn");

  ASSERT_EQ(model->sources.size(), 2U);
  const Source& source = model->sources[0];
  EXPECT_EQ(source.name, "catalog");
  EXPECT_EQ(source.kind, "sqlite");
  EXPECT_EQ(source.pool, 8U);
  EXPECT_EQ(source.timeout, 3s);
  EXPECT_EQ(source.connect_timeout, 1s);
  EXPECT_TRUE(source.changes);
  EXPECT_EQ(source.poll_interval, 20ms);
  EXPECT_EQ(source.breaker_ratio, 1.0);
  EXPECT_EQ(source.breaker_minimum, 5U);
  EXPECT_EQ(source.breaker_window, 5s);
  EXPECT_EQ(source.breaker_open, 100ms);
  EXPECT_EQ(source.breaker_open_max, 10s);
  EXPECT_EQ(source.max_queue, 7U);
  EXPECT_EQ(source.at.line, 33U);
  EXPECT_EQ(model->sources[1].name, "a");
  EXPECT_EQ(model->sources[1].url, "postgres://user@host/db");

  EXPECT_EQ(model->journal.path, "queue");
  EXPECT_EQ(model->journal.max_bytes, 2097152U);
  EXPECT_EQ(model->journal.max_records, 10U);
  EXPECT_EQ(model->journal.max_age, 1h);
  EXPECT_EQ(model->journal.remember, 2h);
  EXPECT_EQ(model->journal.max_ids, 7U);

  ASSERT_EQ(model->namespaces.size(), 5U);
  const Namespace& package = model->namespaces[0];
  EXPECT_EQ(package.name, "package");
  EXPECT_EQ(package.key.text, "package:{name}:v{version}");
  EXPECT_THAT(package.key.literals, ElementsAre("package:", ":v", ""));
  EXPECT_THAT(package.key.fields, ElementsAre("name", "version"));
  EXPECT_EQ(package.source, "catalog");
  EXPECT_EQ(package.table, "main.packages");
  EXPECT_EQ(package.version_column, "version_no");
  EXPECT_EQ(package.kind, ValueKind::kJson);
  EXPECT_EQ(package.read, ReadStrategy::kThrough);
  EXPECT_EQ(package.write, WriteStrategy::kThrough);
  EXPECT_EQ(package.ttl, 5min);
  EXPECT_EQ(package.jitter, 0.1);
  EXPECT_EQ(package.stale_while_revalidate, 30s);
  EXPECT_EQ(package.stale_if_error, 1h);
  EXPECT_EQ(package.stale_throttle, 2s);
  EXPECT_EQ(package.refresh_ahead, 0.75);
  EXPECT_EQ(package.xfetch, 1.0);
  EXPECT_EQ(package.negative_ttl, 10s);
  EXPECT_EQ(package.soft_timeout, 50ms);
  EXPECT_EQ(package.timeout, 1s);
  EXPECT_EQ(package.max_batch, 100U);

  const Namespace& rdepends = model->namespaces[1];
  EXPECT_THAT(rdepends.query, HasSubstr("'{\"a\":1}'"));
  EXPECT_EQ(rdepends.read, ReadStrategy::kThrough);
  EXPECT_EQ(rdepends.write, WriteStrategy::kAside);
  ASSERT_EQ(rdepends.depends_on.size(), 2U);
  EXPECT_EQ(rdepends.depends_on[0].table, "depends");
  EXPECT_THAT(rdepends.depends_on[0].columns, ElementsAre(Pair("target", "name"), Pair("kind", "name2")));
  EXPECT_EQ(rdepends.depends_on[1].table, "packages");
  EXPECT_TRUE(rdepends.depends_on[1].columns.empty());

  const Namespace& views = model->namespaces[2];
  EXPECT_EQ(views.kind, ValueKind::kCounter);
  EXPECT_EQ(views.value_column, "views");
  EXPECT_EQ(views.write, WriteStrategy::kAround);

  const Namespace& session = model->namespaces[3];
  EXPECT_EQ(session.read, ReadStrategy::kAside) << "nothing can be loaded without a source";
  EXPECT_EQ(session.ttl, 10min);

  const Namespace& order = model->namespaces[4];
  EXPECT_EQ(order.write, WriteStrategy::kBehind);
  EXPECT_EQ(order.flush_every, 200ms);
  EXPECT_EQ(order.flush_batch, 50U);
  EXPECT_EQ(order.flush_bytes, std::size_t{64} << 10);
  EXPECT_EQ(order.durability, Durability::kOs);
  EXPECT_EQ(order.after_dead_letter, AfterDeadLetter::kHold);
  EXPECT_EQ(order.when_full, WhenFull::kThrough);
  EXPECT_TRUE(order.append);
  EXPECT_EQ(order.alarm_age, 10min);
  EXPECT_EQ(order.alarm_dead_letters, 100U);
}

TEST(Reader, AnEmptyTextIsTheDefaults) {
  const auto model = read("", "f.toml");
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->server.resp, Server().resp);
  EXPECT_EQ(model->memory.policy, Memory().policy);
  EXPECT_TRUE(model->sources.empty());
  EXPECT_TRUE(model->namespaces.empty());
}

TEST(Reader, ALoopbackAddressNeedsNoPassword) {
  for (const std::string address : {"127.0.0.1:1", "127.8.8.8:1", "localhost:1", "[::1]:1"}) {
    EXPECT_TRUE(read("[server]\nresp = \"" + address + "\"\n", "f").has_value()) << address;
  }
}

TEST(Reader, AServerBeyondLoopbackNeedsAPasswordOrAChoice) {
  EXPECT_FALSE(read("[server]\nresp = \"0.0.0.0:1\"\n", "f").has_value());
  EXPECT_TRUE(read("[server]\nresp = \"0.0.0.0:1\"\npassword = \"x\"\n", "f").has_value());
  EXPECT_TRUE(read("[server]\nresp = \"0.0.0.0:1\"\nprotected_mode = false\n", "f").has_value());
}

TEST(Reader, PatternsWithLiteralPrefixesOfTheirOwnDoNotCollide) {
  const auto model = read(
      "[namespace.a]\nkey = \"user:{id}\"\n"
      "[namespace.b]\nkey = \"user:by-mail:{mail}\"\n"
      "[namespace.c]\nkey = \"{tenant}:{id}\"\n"
      "[namespace.d]\nkey = \"user\"\n",
      "f");
  EXPECT_TRUE(model.has_value()) << model.error().message;
}

TEST(Reader, AnyPolicyPassesWhereTheCallerNamesNone) {
  const auto model = read("[memory]\npolicy = \"clock\"\n", "f");
  ASSERT_TRUE(model.has_value());
  EXPECT_EQ(model->memory.policy, "clock");
}

TEST(Reader, WritesWaitForTheDiskAndAreNotHeldUpWhereNothingElseIsSaid) {
  const auto model = read(
      "[journal]\npath = \"j\"\n[source.s]\nkind = \"sqlite\"\npath = \"a\"\n"
      "[namespace.n]\nkey = \"n:{x}\"\nsource = \"s\"\ntable = \"t\"\nwrite = \"behind\"\nflush = {}\n",
      "f.toml", {.policies = {}, .policies_with_options = {}, .folder = "/data"});
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->journal.path, "/data/j");
  EXPECT_EQ(model->journal.max_bytes, std::size_t{1} << 30);
  EXPECT_EQ(model->journal.max_records, 1'000'000U);
  EXPECT_EQ(model->journal.max_age, 0ms);
  EXPECT_EQ(model->journal.remember, 1h);
  EXPECT_EQ(model->journal.max_ids, 1'000'000U);
  const Namespace& space = model->namespaces[0];
  EXPECT_EQ(space.flush_every, 1s);
  EXPECT_EQ(space.flush_batch, 500U);
  EXPECT_EQ(space.flush_bytes, std::size_t{1} << 20);
  EXPECT_EQ(space.durability, Durability::kFsync);
  EXPECT_EQ(space.after_dead_letter, AfterDeadLetter::kContinue);
  EXPECT_EQ(space.when_full, WhenFull::kRefuse);
  EXPECT_FALSE(space.append);
}

TEST(Reader, ARelativeSqlitePathStartsAtTheFilesOwnFolder) {
  const std::filesystem::path folder = std::filesystem::path(testing::TempDir()) / "forebay-reader-test";
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "forebay.toml").string();
  std::ofstream(path) << "[source.a]\nkind = \"sqlite\"\npath = \"../a.db\"\n[source.b]\nkind = "
                         "\"sqlite\"\npath = \"/x/b.db\"\n";
  const auto model = read_file(path);
  std::filesystem::remove_all(folder);
  ASSERT_TRUE(model.has_value()) << model.error().message;
  EXPECT_EQ(model->file, path);
  EXPECT_EQ(model->sources[0].path, (folder.parent_path() / "a.db").string());
  EXPECT_EQ(model->sources[1].path, "/x/b.db");
}

TEST(Reader, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  for (const std::string path : {"/nowhere/forebay.toml", "/tmp"}) {
    const auto model = read_file(path);
    ASSERT_FALSE(model.has_value());
    EXPECT_EQ(model.error().code, ErrorCode::kConfig);
    EXPECT_THAT(model.error().message, HasSubstr(path));
  }
}

TEST(Reader, WindowsLineEndsAndAByteOrderMarkMakeNoDifference) {
  EXPECT_TRUE(read("\xef\xbb\xbf[log]\r\nlevel = \"warn\"\r\n", "f").has_value());
  const auto wrong = check("[log]\r\n\r\nlevel = 5\r\nlevl = 1\r\n", "f");
  ASSERT_FALSE(wrong.has_value());
  ASSERT_EQ(wrong.error().size(), 2U);
  EXPECT_EQ(wrong.error()[0].at.line, 3U);
  EXPECT_EQ(wrong.error()[0].at.column, 9U);
  EXPECT_EQ(wrong.error()[1].at.line, 4U);
}

// The TOML library is in undefined territory with these unless it is helped (document.cc).
TEST(Reader, LettersOfAllAlphabetsStandInTextsAndAreMistakesOutsideOfThem) {
  for (const std::string letter : {"\u00e9", "\u0436", "\u3042", "\ufeb0"}) {
    const auto good = read(
        "[namespace.a]\nkey = \"\"\"" + letter + ":\\\n  " + letter + "{id}\"\"\" # " + letter + "\n", "f");
    ASSERT_TRUE(good.has_value()) << good.error().message;
    EXPECT_EQ(good->namespaces[0].key.text, letter + ":" + letter + "{id}");
    for (const std::string& text : {letter + " = 1\n", "[log]\n" + letter + "\n", "[" + letter + "]\n",
                                    "[log]\nlevel = " + letter + "\n", "[log]\nlevel = 1" + letter + "\n"}) {
      EXPECT_FALSE(read(text, "f").has_value()) << text;
    }
  }
}

}  // namespace
}  // namespace forebay::config
