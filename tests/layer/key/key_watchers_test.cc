// A watcher is told of every change that comes after the value it has read.

#include "layer/key/key_watchers.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Client final : public KeyWatcher {
 public:
  void changed(std::string_view key) override { told.emplace_back(key); }
  std::vector<std::string> told;
};

class KeyWatchersTest : public LayerTest {
 protected:
  // Reads as a client does that keeps what it reads.
  std::string watched(const std::string& key) {
    return core->watchers().watched(core->at(key), client, [&] { return get(key, 20ms); });
  }

  std::shared_ptr<Client> client = std::make_shared<Client>();
};

TEST_F(KeyWatchersTest, AChangeAfterTheReadIsTold) {
  source->rows["1"] = "old";
  open();
  EXPECT_EQ(watched("user:1"), "old");
  EXPECT_TRUE(client->told.empty()) << "what the load itself stores is no change";
  change("1", "new");
  EXPECT_EQ(client->told, std::vector<std::string>{"user:1"});
}

TEST_F(KeyWatchersTest, AChangeBetweenTheRegistrationAndTheReadIsTold) {
  source->rows["1"] = "old";
  open();
  get("user:1", 20ms);
  core->watchers().watched(core->at("user:1"), client, [&] { change("1", "new"); });
  EXPECT_EQ(client->told, std::vector<std::string>{"user:1"});
}

TEST_F(KeyWatchersTest, AChangeWhileTheValueIsLoadedIsTold) {
  source->rows["1"] = "old";
  open();
  core->watchers().watched(core->at("user:1"), client, [&] {
    read("user:1");
    dispatch();
    pass(5ms);
  });
  change("1", "new");
  EXPECT_EQ(client->told, std::vector<std::string>{"user:1"});
}

TEST_F(KeyWatchersTest, AWriteThroughIsTold) {
  source->rows["1"] = "old";
  open();
  watched("user:1");
  set("user:1", "new");
  pass(1s);
  EXPECT_EQ(client->told, std::vector<std::string>{"user:1"});
}

TEST_F(KeyWatchersTest, AWatcherIsToldOnceForEachRegistration) {
  source->rows["1"] = "old";
  open();
  watched("user:1");
  watched("user:1");
  change("1", "new");
  change("1", "newer");
  EXPECT_EQ(client->told.size(), 1u);
  watched("user:1");
  change("1", "newest");
  EXPECT_EQ(client->told.size(), 2u);
}

TEST_F(KeyWatchersTest, APurgeTellsTheWatchersOfItsNamespace) {
  source->rows["1"] = "old";
  open();
  watched("user:1");
  watched("elsewhere");
  ASSERT_TRUE(core->keyspace().purge_namespace("user"));
  EXPECT_EQ(client->told, std::vector<std::string>{"user:1"});
  core->invalidator().drop_everything();
  EXPECT_EQ(client->told.size(), 2u);
}

TEST_F(KeyWatchersTest, AClientsOwnValueIsAKeyLikeAnother) {
  open();
  watched("plain");
  core->copies().edit(core->at("plain"), clock.now(),
                      [](const EntryView*) { return Change::replace("value", Stamp()); });
  EXPECT_EQ(client->told, std::vector<std::string>{"plain"});
}

TEST(KeyWatchers, WhereThereAreTooManySomeAreTold) {
  KeyWatchers watchers(2);
  Namespace space;
  const auto client = std::make_shared<Client>();
  for (const char* key : {"a", "b", "c"}) watchers.watched(KeyRef(space, key), client, [] {});
  EXPECT_EQ(client->told.size(), 1u);
}

}  // namespace
}  // namespace forebay::layer::test
