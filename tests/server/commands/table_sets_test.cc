// Sets that are read from a table's rows.

#include <string>
#include <vector>

#include "server/commands/harness.h"
#include "support/eventually.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

class TableSets : public testing::Test {
 protected:
  TableSets() {
    database_.run(
        "CREATE TABLE tags(post INTEGER, tag TEXT, by_whom TEXT);"
        "INSERT INTO tags VALUES "
        "(1,'red','ann'),(1,'green','ann'),(1,'red','bob'),(1,NULL,'bob'),(2,'blue','ann');"
        "INSERT INTO tags VALUES (3,'a','x'),(3,'b','x'),(3,'c','x')");
    auto layer =
        Layer::open("[source.db]\nkind = 'sqlite'\npath = '" + path_ +
                    "'\nchanges = true\npoll_interval = '5ms'\n[namespace.tags]\nkey = 'tags:{post}'\n"
                    "source = 'db'\ntable = 'tags'\ntype = 'set'\nmember = 'tag'\nmax_members = 2\n");
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_);
    client_.emplace(*layer_, *server_);
    run("SADD", "plain", "red", "green");
  }
  template <class... Args>
  std::string run(const Args&... args) {
    return (*client_)(args...);
  }

  test::TempDir folder_;
  const std::string path_ = (folder_ / "posts.db").string();
  test::SqliteFile database_{path_};
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

TEST_F(TableSets, AreReadAsAPlainSetIs) {
  const std::vector<std::vector<std::string>> commands = {{"SMEMBERS", "k"},
                                                          {"SCARD", "k"},
                                                          {"SISMEMBER", "k", "red"},
                                                          {"SISMEMBER", "k", "blue"},
                                                          {"SMISMEMBER", "k", "blue", "green"},
                                                          {"SRANDMEMBER", "k", "5"},
                                                          {"SSCAN", "k", "0"},
                                                          {"TYPE", "k"}};
  for (int i = 0; i < 2; ++i) {  // loaded, then from memory
    for (const auto& args : commands) {
      const auto on = [&](std::string_view key) {
        std::vector<std::string_view> views(args.begin(), args.end());
        views[1] = key;
        return client_->run(views);
      };
      const std::string ours = on("tags:1");
      const std::string wanted = on("plain");
      EXPECT_EQ(ours.size(), wanted.size()) << args[0] << ": " << ours << " and " << wanted;
      if (args[0] != "SMEMBERS" && args[0] != "SSCAN" && args[0] != "SRANDMEMBER") {
        EXPECT_EQ(ours, wanted) << args[0];
      }
    }
    EXPECT_FALSE(client_->last_was_deferred());
    run("FOREBAY", "PURGE", "NAMESPACE", "tags");
  }
  EXPECT_EQ(run("SCARD", "tags:9"), ":0");
  EXPECT_EQ(run("SMEMBERS", "tags:2"), "*1|$4|blue");
  EXPECT_EQ(run("SMEMBERS", "tags:02"), "*0") << "equal to the database, spelled otherwise";
}

TEST_F(TableSets, AChangeOfTheTableEndsTheSet) {
  EXPECT_EQ(run("SCARD", "tags:2"), ":1");
  database_.run("INSERT INTO tags VALUES (2,'new','ann')");
  EXPECT_TRUE(test::eventually([&] { return run("SISMEMBER", "tags:2", "new") == ":1"; }));
}

TEST_F(TableSets, AreNotWrittenAndNotLargerThanAllowed) {
  const std::string refused = "is not available on keys of namespace 'tags', which are read from a table";
  EXPECT_NE(run("SADD", "tags:1", "x").find(refused), std::string::npos);
  EXPECT_NE(run("SREM", "tags:1", "x").find(refused), std::string::npos);
  EXPECT_NE(run("SPOP", "tags:1").find(refused), std::string::npos);
  EXPECT_NE(run("SMOVE", "plain", "tags:1", "red").find(refused), std::string::npos);
  EXPECT_NE(run("SINTER", "plain", "tags:1").find(refused), std::string::npos);
  EXPECT_NE(run("SUNIONSTORE", "plain", "tags:1").find(refused), std::string::npos);
  EXPECT_EQ(run("SET", "tags:1", "x").substr(0, 4), "-ERR");
  EXPECT_EQ(run("ZCARD", "tags:1").substr(0, 10), "-WRONGTYPE");
  EXPECT_EQ(run("GET", "tags:1").substr(0, 10), "-WRONGTYPE");
  EXPECT_NE(run("SCARD", "tags:3").find("more than max_members = 2 members"), std::string::npos);
}

}  // namespace
}  // namespace forebay::server
