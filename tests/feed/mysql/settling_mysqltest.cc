// A change that is in the binary log and that nobody sees yet: while a commit waits for a semi-synchronous replica.

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "feed/mysql/followed_layer.h"

namespace forebay::feed {
namespace {

using test::eventually;

constexpr std::string_view kSpaces = R"toml(
[namespace.item]
key = "item:{id}"
source = "db"
table = "items"
)toml";

class Settling : public test::FollowedLayer {
 protected:
  Settling() : FollowedLayer(own_server()) {
    sql("DROP TABLE IF EXISTS items");
    sql("CREATE TABLE items (id int PRIMARY KEY, name varchar(20))");
    sql("INSERT INTO items VALUES (1, 'old'), (2, 'old'), (3, 'old')");
  }
  ~Settling() override { wait_for_replicas(false); }

  static test::MariadbServer& own_server() {
    static test::MariadbServer server(
        test::with_log({"--rpl-semi-sync-master-wait-point=AFTER_SYNC",
                        "--rpl-semi-sync-master-timeout=600000", "--rpl-semi-sync-master-wait-no-slave=ON"}));
    return server;
  }
  // There is none: from then on commits wait.
  void wait_for_replicas(bool wait) {
    sql(std::string("SET GLOBAL rpl_semi_sync_master_enabled = ") + (wait ? "ON" : "OFF"));
  }
  // Another session's statement, which waits as long as it has to.
  std::thread waiting(const std::string& statement) {
    return std::thread([this, statement] { sql(statement); });
  }
};

TEST_F(Settling, AChangeThatNobodySeesYetIsNotCachedInItsOldForm) {
  open(kSpaces);
  ASSERT_TRUE(becomes_cached("item:1"));
  ASSERT_TRUE(becomes_cached("item:3"));
  wait_for_replicas(true);
  std::thread one = waiting("UPDATE items SET name = 'seen later' WHERE id = 1");
  EXPECT_TRUE(eventually([&] { return fact("item:1", "unsettled") == "yes"; }));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get("item:1"), R"({"id":1,"name":"old"})") << "nobody sees it";
    EXPECT_FALSE(cached("item:1")) << "an old row would stay for ever";
  }
  EXPECT_TRUE(cached("item:3"));
  wait_for_replicas(false);
  one.join();
  EXPECT_TRUE(
      eventually([&] { return get("item:1").find("seen later") != std::string::npos && cached("item:1"); }));
  EXPECT_EQ(fact("item:1", "unsettled"), "");
  EXPECT_EQ(feed().gaps, 0u);
}

// It is in the log before the place at which a feed begins that only asks where the log ends.
TEST_F(Settling, AChangeThatNobodySeesWhenTheFeedBeginsIsHeardOf) {
  wait_for_replicas(true);
  std::thread two = waiting("UPDATE items SET name = 'seen later' WHERE id = 2");
  ASSERT_TRUE(eventually([&] {
    return sql("SELECT count(*) FROM information_schema.processlist WHERE state LIKE '%semi-sync%'") != "0";
  }));
  open(kSpaces);
  for (int i = 0; i < 5; ++i) get("item:2");
  EXPECT_EQ(get("item:2"), R"({"id":2,"name":"old"})");
  wait_for_replicas(false);
  two.join();
  EXPECT_TRUE(eventually([&] { return get("item:2").find("seen later") != std::string::npos; }));
}

}  // namespace
}  // namespace forebay::feed
