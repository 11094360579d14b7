// A layer that follows a real PostgreSQL's log.

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "forebay/layer.h"
#include "support/eventually.h"
#include "support/postgres_server.h"

namespace forebay::feed {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::PostgresServer;

PostgresServer& server() {
  static PostgresServer server({"wal_level = logical", "max_replication_slots = 20", "max_wal_senders = 20",
                                "max_prepared_transactions = 5", "logical_decoding_work_mem = 64kB",
                                "max_slot_wal_keep_size = '1GB'"});
  return server;
}

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
[namespace.strict]
key = "strict:{id}"
source = "db"
query = "SELECT name FROM items WHERE id = {id}::int"
depends_on = ["items(id -> id)"]
on_feed_loss = "bypass"
)toml";

class LogicalFeed : public testing::Test {
 protected:
  LogicalFeed() {
    sql("DROP PUBLICATION IF EXISTS forebay; DROP TABLE IF EXISTS items CASCADE;"
        "CREATE TABLE items (id int PRIMARY KEY, team text, name text);"
        "ALTER TABLE items REPLICA IDENTITY FULL;"
        "INSERT INTO items SELECT i, CASE WHEN i <= 5 THEN 'red' ELSE 'blue' END, 'n' || i FROM "
        "generate_series(1, 10) i;"
        "INSERT INTO items VALUES (11, 'grey', 'n11')");
  }
  ~LogicalFeed() override {
    layer_.reset();
    sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active");
  }

  static std::string sql(const std::string& text) { return server().exec(text); }

  void open(std::string_view more = "", std::string_view spaces = kSpaces) {
    layer_.reset();
    std::string toml =
        "[source.db]\nkind = \"postgres\"\nurl = \"" + server().url() + "\"\nfeed = \"logical\"\n";
    toml += "timeout = \"20s\"\n";
    toml += more;
    toml += spaces;
    auto opened = Layer::open(toml);
    ASSERT_TRUE(opened) << opened.error().message;
    layer_ = std::move(*opened);
    ASSERT_TRUE(eventually([this] { return feed().heard && feed().lag_seconds < 5; })) << health();
  }

  std::string get(std::string_view key) {
    auto answer = layer_->get(key);
    if (!answer) return answer.error().message;
    return answer->value ? std::string(answer->value->view()) : "(none)";
  }
  std::string fact(std::string_view key, std::string_view name) {
    for (const auto& [fact, value] : layer_->explain(key).facts) {
      if (fact == name) return value;
    }
    return "";
  }
  bool cached(std::string_view key) { return fact(key, "state") == "fresh"; }
  FeedStats feed() { return layer_->stats().feeds.at(0); }
  std::string health() {
    std::string text;
    for (const std::string& line : layer_->stats().health) text += line + "\n";
    return text;
  }
  // All that was changed up to now has been heard of.
  bool caught_up() {
    const std::string position = sql("SELECT pg_current_wal_lsn()");
    return eventually([&] {
      return sql("SELECT count(*) FROM pg_replication_slots WHERE confirmed_flush_lsn >= '" + position +
                 "'") != "0";
    });
  }

  // All that is cached by now is known to be in the log.
  bool proved() {
    const auto since = std::chrono::steady_clock::now();
    return eventually([&] {
      const std::chrono::duration<double> ago = std::chrono::steady_clock::now() - since;
      return feed().lag_seconds < ago.count();
    });
  }

  std::unique_ptr<Layer> layer_;
};

TEST_F(LogicalFeed, AnUpdateElsewhereEndsTheRowAndTheListsItWasInAndIsInNow) {
  open();
  for (const char* key : {"item:1", "item:2", "item:6", "team:red", "team:blue", "team:grey", "strict:1"})
    get(key);
  ASSERT_TRUE(eventually([&] { return get("strict:1"), cached("strict:1"); }));
  sql("UPDATE items SET team = 'blue', name = 'moved' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1") == R"({"id":1,"team":"blue","name":"moved"})"; }));
  EXPECT_TRUE(eventually([&] { return get("team:red").find("n1\"") == std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("team:blue").find("moved") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("strict:1").find("moved") != std::string::npos; }));
  for (const char* key : {"item:2", "item:6", "team:grey"})
    EXPECT_TRUE(cached(key)) << key << " does not depend on the row";
  sql("DELETE FROM items WHERE id = 6");
  EXPECT_TRUE(eventually([&] { return get("item:6") == "(none)"; }));
  sql("INSERT INTO items VALUES (20, 'grey', 'new')");
  EXPECT_TRUE(eventually([&] { return get("team:grey").find("new") != std::string::npos; }));
  EXPECT_TRUE(cached("item:2"));
  EXPECT_EQ(feed().gaps, 0u);
}

TEST_F(LogicalFeed, AKeyThatMovesEndsBothItsNames) {
  open();
  EXPECT_EQ(get("item:1"), R"({"id":1,"team":"red","name":"n1"})");
  EXPECT_EQ(get("item:30"), "(none)");
  sql("UPDATE items SET id = 30 WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1") == "(none)"; }));
  EXPECT_TRUE(eventually([&] { return get("item:30") != "(none)"; }));
}

TEST_F(LogicalFeed, ATruncateEndsAllOfTheTable) {
  open();
  get("item:1");
  get("team:red");
  sql("TRUNCATE items");
  EXPECT_TRUE(eventually(
      [&] { return get("item:1") == "(none)" && get("team:red").find("n1") == std::string::npos; }));
}

TEST_F(LogicalFeed, AWriteThroughForebayKeepsTheCopyThatItMade) {
  open();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(layer_->set_fields("item:1", {{"name", "w" + std::to_string(i)}}));
    ASSERT_TRUE(caught_up());
    ASSERT_TRUE(cached("item:1")) << "the log told of the write that made it, in round " << i;
  }
  sql("UPDATE items SET name = 'theirs' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("theirs") != std::string::npos; }));
}

// A statement on a connection of its own, which waits as long as it likes.
class Waiting {
 public:
  explicit Waiting(std::string statements)
      : thread_([text = std::move(statements)] { server().exec(text); }) {}
  ~Waiting() { thread_.join(); }

 private:
  std::thread thread_;
};

// Whether the setting is in force: sessions read it sooner than the checkpointer, which tells commits to wait.
bool commits_wait() {
  std::atomic<bool> over{false};
  std::thread probe([&over] {
    server().exec("SELECT pg_logical_emit_message(true, 'probe', '')");
    over = true;
  });
  bool waits = false;
  while (!over && !waits)
    waits = server().exec("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") != "0";
  if (waits)
    server().exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
  probe.join();
  return waits;
}

// X4. While a commit waits for a synchronous standby it is in the log, and nobody sees it.
TEST_F(LogicalFeed, AChangeThatNobodySeesYetIsNotCachedInItsOldForm) {
  open();
  get("item:1");
  get("item:2");
  get("item:3");
  sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
  sql("SELECT pg_reload_conf()");
  ASSERT_TRUE(eventually(commits_wait));
  {
    // Of one, only a subtransaction has written: a snapshot would call that visible.
    const Waiting one("UPDATE items SET name = 'seen later' WHERE id = 1");
    const Waiting two(
        "BEGIN; SAVEPOINT s; UPDATE items SET name = 'seen later' WHERE id = 2; RELEASE s; COMMIT");
    EXPECT_TRUE(eventually(
        [&] { return fact("item:1", "unsettled") == "yes" && fact("item:2", "unsettled") == "yes"; }));
    for (int i = 0; i < 5; ++i) {
      for (const char* key : {"item:1", "item:2"}) {
        EXPECT_EQ(get(key).find("seen later"), std::string::npos) << "nobody sees it";
        EXPECT_FALSE(cached(key)) << "an old row would stay for ever";
      }
    }
    EXPECT_TRUE(cached("item:3"));
    EXPECT_TRUE(feed().heard) << "notes don't wait for the standby";
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
  }
  for (const std::string key : {"item:1", "item:2"}) {
    EXPECT_TRUE(eventually([&] { return get(key).find("seen later") != std::string::npos && cached(key); }))
        << key;
    EXPECT_EQ(fact(key, "unsettled"), "");
  }
}

TEST_F(LogicalFeed, APreparedTransactionIsHeardOfWhenItCommits) {
  open();
  get("item:1");
  sql("BEGIN; UPDATE items SET name = 'later' WHERE id = 1; PREPARE TRANSACTION 'p'");
  EXPECT_TRUE(cached("item:1"));
  sql("COMMIT PREPARED 'p'");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("later") != std::string::npos; }));
}

TEST_F(LogicalFeed, LargeTransactionsAreHeardOfWithoutWhatTheyTookBack) {
  sql("INSERT INTO items SELECT i, 'big', repeat('x', 100) FROM generate_series(1001, 6000) i");
  open();
  for (const char* key : {"item:1", "item:1001", "item:6000"}) get(key);
  sql("BEGIN; UPDATE items SET name = 'all' WHERE id > 1000; SAVEPOINT s; UPDATE items SET name = 'never' "
      "WHERE id = 1;"
      "UPDATE items SET name = repeat('y', 200) WHERE id > 1000; ROLLBACK TO s; COMMIT");
  EXPECT_TRUE(eventually([&] { return get("item:1001").find("all") != std::string::npos; }));
  EXPECT_TRUE(eventually([&] { return get("item:6000").find("all") != std::string::npos; }));
  EXPECT_TRUE(cached("item:1"));
}

TEST_F(LogicalFeed, ATemporarySlotThatIsTornLeavesAGapAndOneThatStaysDoesNot) {
  for (const bool stays : {false, true}) {
    open(stays ? "slot = \"kept\"\n" : "");
    const std::uint64_t gaps = feed().gaps;
    get("item:1");
    get("item:2");
    ASSERT_TRUE(caught_up());
    ASSERT_TRUE(proved());
    sql("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active;"
        "UPDATE items SET name = name || '!' WHERE id = 1");
    EXPECT_TRUE(
        eventually([&] { return get("item:1") == sql("SELECT row_to_json(i) FROM items i WHERE id = 1"); }));
    EXPECT_EQ(feed().gaps, gaps + (stays ? 0 : 1));
    EXPECT_EQ(cached("item:2"), stays);
  }
}

TEST_F(LogicalFeed, WhatWasLoadedSinceTheLastProofGoesWhenTheServerComesBack) {
  open("slot = \"kept\"\n");
  get("item:2");
  ASSERT_TRUE(proved());
  // Unless a proof comes just between the two.
  bool gone = false;
  for (int round = 0; round < 5 && !gone; ++round) {
    get("item:1");
    server().stop(SIGKILL);
    server().start();
    ASSERT_TRUE(eventually([&] { return feed().heard && feed().lag_seconds < 1; }));
    gone = !cached("item:1");
  }
  EXPECT_TRUE(gone) << "its commit may have vanished";
  EXPECT_TRUE(cached("item:2"));
}

TEST_F(LogicalFeed, WhileTheFeedIsTornItsNamespacesDoAsTheyAreTold) {
  open("slot = \"kept\"\n");
  get("item:1");
  ASSERT_TRUE(eventually([&] { return get("strict:1"), cached("strict:1"); }));
  // Another session has the slot meanwhile.
  sql("ALTER SYSTEM SET max_wal_senders = 0");
  server().stop();
  EXPECT_TRUE(eventually([&] { return !feed().heard; }));
  EXPECT_EQ(fact("item:1", "feed"), "not heard: copies live by their ttl");
  EXPECT_EQ(fact("strict:1", "feed"), "not heard: nothing is kept");
  EXPECT_TRUE(cached("item:1"));
  EXPECT_FALSE(cached("strict:1"));
  EXPECT_NE(health().find("the feed of source db is not heard"), std::string::npos) << health();
  server().start();
  sql("ALTER SYSTEM RESET max_wal_senders");
  EXPECT_TRUE(eventually([&] { return get("strict:1").find("n1") != std::string::npos; }));
  EXPECT_FALSE(cached("strict:1")) << "nobody would hear of its changes";
  server().stop();
  server().start();
  EXPECT_TRUE(eventually([&] { return get("strict:1"), cached("strict:1"); }, 60s)) << health();
}

TEST_F(LogicalFeed, PartitionsAreTheirRootAlsoWhenTheyAreDetached) {
  sql("DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, team text, name text) PARTITION BY RANGE "
      "(id);"
      "CREATE TABLE items_low PARTITION OF items FOR VALUES FROM (0) TO (100);"
      "CREATE TABLE items_high PARTITION OF items FOR VALUES FROM (100) TO (200);"
      "ALTER TABLE items_low REPLICA IDENTITY FULL; ALTER TABLE items_high REPLICA IDENTITY FULL;"
      "INSERT INTO items VALUES (1, 'red', 'n1'), (101, 'red', 'n101')");
  open();
  EXPECT_NE(get("item:1"), "(none)");
  EXPECT_NE(get("team:red").find("n101"), std::string::npos);
  sql("UPDATE items_high SET name = 'through the partition'");
  EXPECT_TRUE(eventually([&] { return get("team:red").find("through the partition") != std::string::npos; }));
  sql("TRUNCATE items_high");
  EXPECT_TRUE(eventually([&] { return get("team:red").find("through") == std::string::npos; }));
  EXPECT_NE(get("item:1"), "(none)");
  sql("ALTER TABLE items DETACH PARTITION items_low");
  EXPECT_TRUE(eventually([&] { return get("item:1") == "(none)"; })) << "the log has nothing of that";
}

TEST_F(LogicalFeed, WhatItCannotHearIsSaidWithWhatMendsIt) {
  sql("DROP TABLE items; CREATE TABLE items (id int PRIMARY KEY, team text, name text);"
      "INSERT INTO items VALUES (1, 'red', 'n1');"
      "DROP TABLE IF EXISTS bare; CREATE TABLE bare (id int UNIQUE, name text); INSERT INTO bare VALUES (1, "
      "'b')");
  open("", std::string(kSpaces) + R"(
[namespace.bare]
key = "bare:{id}"
source = "db"
table = "bare"
)");
  EXPECT_TRUE(eventually([&] { return health().find("REPLICA IDENTITY FULL") != std::string::npos; }));
  EXPECT_NE(health().find("public.bare has no replica identity"), std::string::npos) << health();
  EXPECT_NE(health().find("an UPDATE or DELETE in public.items does not tell the old team"),
            std::string::npos)
      << health();
  sql("UPDATE bare SET name = 'the application goes on'");
  get("team:red");
  get("item:1");
  sql("UPDATE items SET team = 'blue' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("team:red").find("n1") == std::string::npos; }))
      << "all teams were dropped";
  sql("ALTER TABLE items REPLICA IDENTITY FULL; ALTER TABLE bare REPLICA IDENTITY FULL");
  EXPECT_TRUE(eventually([&] { return health().empty(); })) << health();
  get("bare:1");
  sql("UPDATE bare SET name = 'heard'");
  EXPECT_TRUE(eventually([&] { return get("bare:1").find("heard") != std::string::npos; }));
}

TEST_F(LogicalFeed, AServerThatCannotHaveOneIsRefusedWithWhatToDo) {
  const auto refusal = [](const PostgresServer& where, std::string_view more) {
    std::string toml =
        "[source.db]\nkind = \"postgres\"\nurl = \"" + where.url() + "\"\nfeed = \"logical\"\n";
    toml += more;
    toml += "[namespace.item]\nkey = \"item:{id}\"\nsource = \"db\"\ntable = \"items\"\n";
    const auto opened = Layer::open(toml);
    return opened ? "it started" : opened.error().message;
  };
  PostgresServer& plain = PostgresServer::shared();
  plain.exec("CREATE TABLE IF NOT EXISTS items (id int PRIMARY KEY)");
  EXPECT_NE(refusal(plain, "").find("needs wal_level = logical"), std::string::npos) << refusal(plain, "");
  sql("ALTER SYSTEM SET max_slot_wal_keep_size = -1");
  sql("SELECT pg_reload_conf()");
  ASSERT_TRUE(eventually([] { return sql("SHOW max_slot_wal_keep_size") == "-1"; }));
  const std::string text = refusal(server(), "slot = \"kept\"\n");
  EXPECT_NE(text.find("max_slot_wal_keep_size"), std::string::npos) << text;
  EXPECT_EQ(refusal(server(), "slot = \"kept\"\nunbounded_wal = true\n"), "it started");
  sql("ALTER SYSTEM RESET max_slot_wal_keep_size");
  sql("SELECT pg_reload_conf()");
}

TEST_F(LogicalFeed, ARoleThatMayNotMakeThePublicationSaysWhatSomebodyHasToRun) {
  sql("DO $$ BEGIN CREATE ROLE reader LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
      "GRANT SELECT ON items TO reader");
  std::string toml =
      "[source.db]\nkind = \"postgres\"\nurl = \"" + server().url("reader") + "\"\nfeed = \"logical\"\n";
  toml += "[namespace.item]\nkey = \"item:{id}\"\nsource = \"db\"\ntable = \"items\"\n";
  auto opened = Layer::open(toml);
  ASSERT_TRUE(opened) << opened.error().message;
  layer_ = std::move(*opened);
  const std::string statement = "CREATE PUBLICATION \"forebay\" FOR TABLE ONLY public.items";
  EXPECT_TRUE(eventually([&] {
    return health().find("somebody who may has to run: " + statement) != std::string::npos;
  })) << health();
  sql(statement);
  EXPECT_TRUE(eventually([&] { return feed().heard; })) << health();
  get("item:1");
  sql("UPDATE items SET name = 'heard' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return get("item:1").find("heard") != std::string::npos; }));
}

}  // namespace
}  // namespace forebay::feed
