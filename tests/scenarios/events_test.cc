// Applications say what they have changed, and a server that knows nothing else of it stops serving the old rows.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "observe/metrics.h"
#include "scenarios/service.h"
#include "support/eventually.h"
#include "support/redis_server.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"
#include "support/test_client.h"

namespace forebay::test {
namespace {

class Events : public testing::Test {
 protected:
  Events() : database_(folder_ / "shop.db") {
    database_.run(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, state TEXT); INSERT INTO orders VALUES (1, 'new'), (2, "
        "'new')");
  }
  std::string toml(const std::string& sections, const std::string& after = "") const {
    return "[source.db]\nkind = 'sqlite'\npath = '" + (folder_ / "shop.db").string() + R"toml('
[namespace.order]
key = "order:{id}"
source = "db"
table = "orders"
[namespace.other]
key = "other:{id}"
source = "db"
table = "orders"
)toml" + sections +
           after;
  }
  std::string section(const std::string& name, const std::string& kind) const {
    const std::string place = kind == "redis-channel" ? "channel" : "stream";
    return "[events." + name + "]\nkind = '" + kind + "'\nurl = '" + redis_.url() + "'\n" + place + " = '" +
           name + "'\nhold_off = 0\ninvalidate = ['order:{order.id}', 'key hint:{order.id}']\n";
  }
  void serve(const std::string& sections) {
    service_.emplace(toml(sections));
    EXPECT_TRUE(eventually([&] { return connected(); }));
  }
  EventStats events() { return service_->layer().stats().events.at(0); }
  bool connected() { return events().connected; }
  void sell(int id) { database_.run("UPDATE orders SET state = 'sold' WHERE id = " + std::to_string(id)); }
  static std::string order(int id, const std::string& state) {
    return R"({"id":)" + std::to_string(id) + R"(,"state":")" + state + "\"}";
  }

  TempDir folder_;
  SqliteFile database_;
  RedisServer redis_;
  std::optional<Service> service_;
};

TEST_F(Events, AMessageOnAChannelEndsTheCopyThatItNames) {
  serve(section("orders", "redis-channel"));
  TestClient client(service_->port());
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "new"));
  EXPECT_EQ(client.ask({"GET", "other:1"}), order(1, "new"));
  client.ask({"SET", "hint:1", "x"});
  sell(1);
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "new"));
  EXPECT_EQ(redis_.ask({"PUBLISH", "orders", R"({"order":{"id":1}})"}), ":1");
  EXPECT_TRUE(eventually([&] { return events().invalidated == 1; }));
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "sold"));
  EXPECT_EQ(client.ask({"GET", "other:1"}), order(1, "new")) << "nobody has named it";
  EXPECT_EQ(client.ask({"GET", "hint:1"}), "(nil)");
}

TEST_F(Events, AnEntryOfAStreamEndsTheCopyThatItNames) {
  serve(section("orders", "redis-stream"));
  TestClient client(service_->port());
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "new"));
  sell(1);
  redis_.ask({"XADD", "orders", "*", "order", R"({"id":[1]})"});
  EXPECT_TRUE(eventually([&] { return events().invalidated == 1; }));
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "sold"));
}

TEST_F(Events, WhatWasPublishedWhileNobodyListenedIsAGap) {
  serve(section("orders", "redis-channel"));
  TestClient client(service_->port());
  client.ask({"GET", "order:1"});
  client.ask({"GET", "other:1"});
  redis_.stop();
  EXPECT_TRUE(eventually([&] { return !connected(); }));
  const auto health = service_->layer().stats().health;
  ASSERT_EQ(health.size(), 1u);
  EXPECT_TRUE(health[0].starts_with("events orders are not heard: ")) << health[0];
  sell(1);
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "new"));
  redis_.start();
  EXPECT_TRUE(eventually([&] { return connected(); }));
  EXPECT_EQ(events().gaps, 1u);
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "sold"));
  EXPECT_EQ(client.ask({"GET", "other:1"}), order(1, "new"));
  EXPECT_TRUE(service_->layer().stats().health.empty());
}

TEST_F(Events, NonsenseIsCountedAndPassedOver) {
  serve(section("orders", "redis-channel"));
  TestClient client(service_->port());
  client.ask({"GET", "order:1"});
  for (const char* text : {"", "nonsense", "[]", "{}", R"({"order":7})"})
    redis_.ask({"PUBLISH", "orders", text});
  sell(1);
  redis_.ask({"PUBLISH", "orders", R"({"order":{"id":1}})"});
  EXPECT_TRUE(eventually([&] { return events().invalidated == 2; }));  // an empty list names no order
  EXPECT_EQ(events().malformed, 4u);
  const std::string metrics = observe::render(observe::layer_metrics(service_->layer().stats()));
  for (const char* line : {"\nforebay_events_total{events=\"orders\",result=\"invalidated\"} 2\n",
                           "\nforebay_events_total{events=\"orders\",result=\"malformed\"} 4\n",
                           "\nforebay_events_total{events=\"orders\",result=\"too_large\"} 0\n",
                           "\nforebay_events_connected{events=\"orders\"} 1\n",
                           "\nforebay_events_gaps_total{events=\"orders\"} 0\n",
                           "\nforebay_events_last_seconds{events=\"orders\"} "})
    EXPECT_NE(metrics.find(line), std::string::npos) << line << " in\n" << metrics;
  EXPECT_EQ(client.ask({"GET", "order:1"}), order(1, "sold"));
}

TEST_F(Events, AReloadAddsChangesAndRemovesSections) {
  serve(section("orders", "redis-channel"));
  Layer& layer = service_->layer();
  const auto names = [&] {
    std::string text;
    for (const EventStats& each : layer.stats().events) text += each.name + " ";
    return text;
  };
  ASSERT_TRUE(layer.reload(toml(section("orders", "redis-channel"), section("sales", "redis-stream"))));
  EXPECT_EQ(names(), "orders sales ");
  EXPECT_TRUE(eventually([&] { return layer.stats().events.at(1).connected; }));
  EXPECT_TRUE(layer.stats().events.at(0).connected) << "it goes on";
  EXPECT_EQ(layer.stats().events.at(0).gaps, 0u);

  ASSERT_TRUE(layer.reload(toml("# a line more\n" + section("orders", "redis-channel") + "max_keys = 7\n")));
  EXPECT_EQ(names(), "orders ");
  EXPECT_TRUE(eventually([&] { return connected(); }));
  EXPECT_EQ(redis_.ask({"PUBLISH", "orders", R"({"order":{"id":1}})"}), ":1");
  EXPECT_TRUE(eventually([&] { return events().invalidated == 1; }));

  ASSERT_TRUE(layer.reload(toml("")));
  EXPECT_EQ(names(), "");
  EXPECT_EQ(redis_.ask({"PUBLISH", "orders", R"({"order":{"id":1}})"}), ":0");
}

}  // namespace
}  // namespace forebay::test
