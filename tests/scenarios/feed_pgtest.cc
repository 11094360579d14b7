// Clients that keep what they have read, while rows are changed by plain SQL.

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <future>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "scenarios/service.h"
#include "support/eventually.h"
#include "support/postgres_server.h"
#include "support/test_client.h"

namespace forebay::test {
namespace {

class Followed : public testing::Test {
 protected:
  Followed() {
    postgres_.exec(
        "CREATE TABLE items (id int PRIMARY KEY, team int, n int);"
        "ALTER TABLE items REPLICA IDENTITY FULL;"
        "INSERT INTO items SELECT i, i % 5, 0 FROM generate_series(0, 49) i");
    service_.emplace("[source.db]\nkind = 'postgres'\nurl = '" + postgres_.url() + R"toml('
feed = "logical"
slot = "kept"
timeout = "20s"
[namespace.item]
key = "item:{id}"
source = "db"
table = "items"
[namespace.team]
key = "team:{team}"
source = "db"
query = "SELECT id, n FROM items WHERE team = {team}::int ORDER BY id"
depends_on = ["items(team -> team)"]
)toml");
    EXPECT_TRUE(eventually([&] { return service_->layer().stats().feeds.at(0).heard; }));
  }

  AuditReport audit(std::size_t sample) {
    std::promise<Result<AuditReport>> found;
    service_->layer().audit("", sample,
                            [&](Result<AuditReport> report) { found.set_value(std::move(report)); });
    auto report = found.get_future().get();
    EXPECT_TRUE(report) << report.error().message;
    return report ? *report : AuditReport{};
  }

  PostgresServer postgres_{{"wal_level = logical", "max_slot_wal_keep_size = '1GB'"}};
  std::optional<Service> service_;
};

TEST_F(Followed, AClientsOwnCopyIsTakenBackAlsoWhenForebaysHasGone) {
  TestClient near(service_->port());
  near.ask({"HELLO", "3"});
  EXPECT_EQ(near.ask({"CLIENT", "TRACKING", "ON"}), "+OK");
  near.ask({"GET", "item:1"});
  near.ask({"GET", "team:1"});
  postgres_.exec("UPDATE items SET n = 1 WHERE id = 1");
  std::set<std::string> told{near.reply(), near.reply()};
  EXPECT_EQ(told, (std::set<std::string>{"[invalidate [item:1]]", "[invalidate [team:1]]"}));

  near.ask({"GET", "item:2"});
  EXPECT_EQ(service_->layer().set_memory(1U << 20, std::nullopt).has_value(), true);
  TestClient other(service_->port());
  for (int i = 0; i < 2000; ++i) other.ask({"SET", "filler:" + std::to_string(i), std::string(2000, 'x')});
  postgres_.exec("UPDATE items SET n = 1 WHERE id = 2");
  EXPECT_EQ(near.reply(), "[invalidate [item:2]]");
}

TEST_F(Followed, TheAuditorTellsWhatIsWrongFromWhatIsOnItsWay) {
  TestClient client(service_->port());
  for (int i = 0; i < 50; ++i) client.ask({"GET", "item:" + std::to_string(i)});
  std::atomic<bool> writing{true};
  std::thread writer([&] {
    for (int i = 0; writing; ++i) {
      postgres_.exec("UPDATE items SET n = n + 1 WHERE id = " + std::to_string(i % 50));
      client.ask({"GET", "item:" + std::to_string(i % 50)});
    }
  });
  const AuditReport busy = audit(300);
  writing = false;
  writer.join();
  EXPECT_GT(busy.checked, 30u);
  EXPECT_EQ(busy.violations, 0u) << "rows change all the while, and nothing is wrong";

  // What a client says that the value is, is cached as if it had been loaded: here it is not what the database has.
  client.ask({"SET", "item:3", R"({"id":3,"team":1,"n":-1})"});
  const AuditReport poisoned = audit(1000);
  EXPECT_EQ(poisoned.keys, std::vector<std::string>{"item:3"});
  postgres_.exec("UPDATE items SET n = 7 WHERE id = 3");
  EXPECT_TRUE(eventually([&] { return client.ask({"GET", "item:3"}).find("\"n\":7") != std::string::npos; }));
  EXPECT_EQ(audit(300).violations, 0u);
}

// Rows are changed all the while, and the server, its sessions and the connection of the feed are killed at random. In
// the end every cached copy is what the database has.
TEST_F(Followed, KillsLeaveNoStaleCopyBehind) {
  std::minstd_rand random(20261130);
  TestClient client(service_->port());
  const auto touch = [&] {
    for (int i = 0; i < 50; ++i) client.ask({"GET", "item:" + std::to_string(i)});
    for (int i = 0; i < 5; ++i) client.ask({"GET", "team:" + std::to_string(i)});
  };
  for (int round = 0; round < 12; ++round) {
    touch();
    try {
      for (int i = 0; i < 20; ++i) {
        const std::string id = std::to_string(random() % 50);
        postgres_.exec("UPDATE items SET n = n + 1, team = " + std::to_string(random() % 5) +
                       " WHERE id = " + id);
      }
      switch (random() % 4) {
        case 0:
          postgres_.exec(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'walsender'");
          break;
        case 1:
          postgres_.exec(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE "
              "'forebay%'");
          break;
        case 2:
          postgres_.stop(SIGKILL);
          postgres_.start();
          break;
        default:
          break;
      }
      for (int i = 0; i < 5; ++i)
        postgres_.exec("UPDATE items SET n = n + 1 WHERE id = " + std::to_string(random() % 50));
    } catch (const std::runtime_error&) {
      // The server was not back yet.
    }
    EXPECT_EQ(audit(20).violations, 0u) << "in round " << round;
  }
  ASSERT_TRUE(eventually([&] {
    const FeedStats feed = service_->layer().stats().feeds.at(0);
    return feed.heard && feed.unsettled == 0 && feed.lag_seconds < 2;
  }));
  touch();
  EXPECT_EQ(audit(200).violations, 0u);
  for (int i = 0; i < 50; ++i) {
    const std::string id = std::to_string(i);
    EXPECT_EQ(client.ask({"GET", "item:" + id}),
              postgres_.exec("SELECT row_to_json(i) FROM items i WHERE id = " + id))
        << id;
  }
  EXPECT_EQ(service_->layer().stats().feeds.at(0).gaps, 0u) << "the slot stays";
}

}  // namespace
}  // namespace forebay::test
