// FOREBAY and its subcommands.

#include <atomic>
#include <map>
#include <mutex>
#include <string>

#include "layer/open.h"
#include "server/commands/harness.h"

namespace forebay::server {
namespace {

using namespace std::chrono_literals;

// A source of the program's own: what a Function is for.
class Shelf {
 public:
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys) {
    std::lock_guard lock(mutex_);
    std::vector<Loaded> loaded;
    for (const KeyFields& key : keys) {
      const auto item = items_.find(key[0]);
      loaded.emplace_back();
      if (item != items_.end()) loaded.back().value = item->second;
    }
    return loaded;
  }
  Result<Written> write(const KeyFields& key, const Write& write) {
    std::lock_guard lock(mutex_);
    Written written;
    written.existed = items_.contains(key[0]);
    if (const auto* upsert = std::get_if<Upsert>(&write)) {
      items_[key[0]] = upsert->fields.at(0).second.value_or("");
      written.after.value = items_[key[0]];
    } else if (std::holds_alternative<Remove>(write)) {
      items_.erase(key[0]);
    }
    return written;
  }
  void put(const std::string& name, const std::string& value) {
    std::lock_guard lock(mutex_);
    items_[name] = value;
  }

 private:
  std::mutex mutex_;
  std::map<std::string, std::string> items_{{"a", "1"}, {"b", "2"}, {"c", "3"}};
};

class ForebayCommand : public testing::Test {
 protected:
  ForebayCommand() {
    config::Model model;
    config::Source shelf;
    shelf.name = "shelf";
    shelf.kind = "function";
    model.sources = {shelf};
    config::Namespace items;
    items.name = "item";
    items.key = {"item:{name}", {"item:", ""}, {"name"}};
    items.source = "shelf";
    items.kind = ValueKind::kText;
    items.value_column = "value";
    items.write = config::WriteStrategy::kThrough;
    items.ttl = 60s;
    model.namespaces = {items};
    Environment environment;
    environment.functions["shelf"] = {
        [this](std::span<const KeyFields> keys, const CallContext&) { return shelf_.load(keys); },
        [this](const KeyFields& key, const Write& write, const CallContext&) {
          return shelf_.write(key, write);
        }};
    auto layer = layer::open_layer(model, std::move(environment));
    if (!layer) throw std::runtime_error(layer.error().message);
    layer_ = std::move(*layer);
    server_ = open_server(*layer_);
    client_.emplace(*layer_, *server_);
  }

  template <class... Args>
  std::string run(const Args&... args) {
    return (*client_)(args...);
  }
  // The line after the one that has this text: a map's value.
  static std::string after(const std::string& reply, const std::string& name) {
    std::size_t at = reply.find("|" + name + "|");
    if (at == std::string::npos) return "no " + name + " in " + reply;
    at += name.size() + 2;
    std::string line = reply.substr(at, reply.find('|', at) - at);
    if (line[0] != '$' || line == "$-1") return line;
    at += line.size() + 1;
    return reply.substr(at, reply.find('|', at) - at);
  }

  Shelf shelf_;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<Server> server_;
  std::optional<Client> client_;
};

TEST_F(ForebayCommand, ReadSaysWhereAnAnswerCameFrom) {
  std::string reply = run("FOREBAY", "READ", "item:a");
  EXPECT_EQ(after(reply, "value"), "1");
  EXPECT_EQ(after(reply, "result"), "miss");
  reply = run("FOREBAY", "READ", "item:a");
  EXPECT_EQ(after(reply, "result"), "hit");
  EXPECT_NE(after(reply, "fresh_for_ms"), "$-1");
  reply = run("FOREBAY", "READ", "item:none");
  EXPECT_EQ(after(reply, "value"), "$-1");
  run("SET", "plain", "x");
  reply = run("FOREBAY", "READ", "plain");
  EXPECT_EQ(after(reply, "value"), "x");
  EXPECT_EQ(after(reply, "fresh_for_ms"), "$-1");
}

TEST_F(ForebayCommand, ReadFreshAsksTheSource) {
  run("GET", "item:a");
  shelf_.put("a", "changed");
  EXPECT_EQ(after(run("FOREBAY", "READ", "item:a"), "value"), "1");
  EXPECT_EQ(after(run("FOREBAY", "READ", "item:a", "LEVEL", "fresh"), "value"), "changed");
}

TEST_F(ForebayCommand, AWritesTokenIsGoodForReadingIt) {
  const std::string written = run("FOREBAY", "WRITE", "item:a", "new");
  EXPECT_EQ(after(written, "existed"), ":1");
  const std::string token = after(written, "token");
  EXPECT_EQ(after(run("FOREBAY", "READ", "item:a", "LEVEL", "ryw", "TOKEN", token), "value"), "new");
  EXPECT_EQ(run("FOREBAY", "READ", "item:a", "LEVEL", "ryw"),
            "-ERR LEVEL ryw needs the TOKEN of a write, other levels take none");
  EXPECT_EQ(run("FOREBAY", "READ", "item:a", "LEVEL", "best"), "-ERR LEVEL is any, ryw or fresh");
  EXPECT_EQ(run("FOREBAY", "READ", "item:a", "TOKEN", "x", "LEVEL", "ryw"),
            "-ERR TOKEN is none that a write has answered");
  EXPECT_EQ(run("FOREBAY", "READ", "item:a", "BOGUS"), "-ERR syntax error");
}

TEST_F(ForebayCommand, RemoveDeletesTheRow) {
  run("GET", "item:a");
  EXPECT_EQ(run("FOREBAY", "REMOVE", "item:a"), ":1");
  EXPECT_EQ(run("GET", "item:a"), "$-1");
  EXPECT_EQ(run("FOREBAY", "REMOVE", "item:a"), ":0");
  run("SET", "plain", "x");
  EXPECT_EQ(run("FOREBAY", "REMOVE", "plain"), ":1");
  EXPECT_EQ(run("EXISTS", "plain"), ":0");
  EXPECT_EQ(run("FOREBAY", "REMOVE", "plain"), ":0");
}

TEST_F(ForebayCommand, WriteOnAPlainKeyIsASet) {
  EXPECT_EQ(after(run("FOREBAY", "WRITE", "plain", "x"), "existed"), ":0");
  EXPECT_EQ(after(run("FOREBAY", "WRITE", "plain", "y"), "existed"), ":1");
  EXPECT_EQ(run("GET", "plain"), "$1|y");
}

TEST_F(ForebayCommand, WarmLoadsWhatIsNotFresh) {
  run("GET", "item:a");
  EXPECT_EQ(run("FOREBAY", "WARM", "item", "item:a", "item:b", "item:c"), ":2");
  run("GET", "item:b");
  EXPECT_FALSE(client_->last_was_deferred());
  EXPECT_EQ(run("FOREBAY", "WARM", "item", "item:a", "other"),
            "-ERR the key 'other' is not of namespace 'item'");
  EXPECT_EQ(run("FOREBAY", "WARM", "itm", "item:a"),
            "-ERR there is no namespace 'itm'; did you mean \"item\"?");
  EXPECT_EQ(run("FOREBAY", "STATS", "bogus"), "-ERR there is no namespace 'bogus'");
}

TEST_F(ForebayCommand, TagsEndWhatHasThem) {
  run("SET", "plain", "1");
  run("RPUSH", "list", "1");
  run("GET", "item:a");
  EXPECT_EQ(run("FOREBAY", "TAG", "plain", "t"), ":1");
  EXPECT_EQ(run("FOREBAY", "TAG", "list", "t", "t", "u"), ":1");
  EXPECT_EQ(run("FOREBAY", "TAG", "item:a", "t"), ":1");
  EXPECT_EQ(run("FOREBAY", "TAG", "none", "t"), ":0");
  EXPECT_EQ(run("FOREBAY", "PURGE", "TAG", "u"), "+OK");
  EXPECT_EQ(run("EXISTS", "plain", "list"), ":1");
  EXPECT_EQ(run("FOREBAY", "TAG", "plain"), ":1") << "it has none any more";
  shelf_.put("a", "new");
  EXPECT_EQ(run("FOREBAY", "PURGE", "TAG", "t"), "+OK");
  EXPECT_EQ(run("EXISTS", "plain"), ":1");
  EXPECT_EQ(run("GET", "item:a"), "$3|new");
  std::vector<std::string> names;
  for (int i = 0; i < 65; ++i) names.push_back(std::to_string(i));
  std::vector<std::string_view> many{"FOREBAY", "TAG", "plain"};
  many.insert(many.end(), names.begin(), names.end());
  EXPECT_EQ(client_->run(many), "-ERR a key has at most 64 tags, those of its namespace included");
  EXPECT_EQ(run("FOREBAY", "TAG"), "-ERR wrong number of arguments for 'forebay|tag' command");
}

TEST_F(ForebayCommand, PurgeDropsCopies) {
  run("GET", "item:a");
  run("GET", "item:b");
  run("SET", "plain", "x");
  EXPECT_EQ(run("FOREBAY", "PURGE", "MATCH", "*:a"), ":1");
  EXPECT_EQ(run("EXISTS", "plain"), ":1");
  EXPECT_EQ(run("FOREBAY", "PURGE", "NAMESPACE", "item"), "+OK");
  EXPECT_EQ(run("KEYS", "*"), "*1|$5|plain");
  EXPECT_EQ(run("FOREBAY", "PURGE", "NAMESPACE", "bogus"), "-ERR there is no namespace 'bogus'");
  EXPECT_EQ(run("FOREBAY", "PURGE", "ALL"), "+OK");
  EXPECT_EQ(run("KEYS", "*"), "*0");
  EXPECT_EQ(run("FOREBAY", "PURGE", "ALL", "x"), "-ERR syntax error");
  EXPECT_EQ(run("FOREBAY", "PURGE", "MATCH", std::string(2000, 'x')),
            "-ERR pattern is longer than 1024 bytes");
}

TEST_F(ForebayCommand, ExplainAnswersAMap) {
  run("GET", "item:a");
  const std::string reply = run("FOREBAY", "EXPLAIN", "item:a");
  EXPECT_EQ(after(reply, "key"), "item:a");
  EXPECT_EQ(after(reply, "namespace"), "item");
  Client client(*layer_, *server_, resp::Protocol::kResp3);
  EXPECT_TRUE(client("FOREBAY", "EXPLAIN", "item:a").starts_with("%"));
}

TEST_F(ForebayCommand, StatsCountRequests) {
  run("GET", "item:a");
  run("GET", "item:a");
  const std::string one = run("FOREBAY", "STATS", "item");
  EXPECT_EQ(after(one, "hits"), ":1");
  EXPECT_EQ(after(one, "misses"), ":1");
  const std::string all = run("FOREBAY", "STATS");
  EXPECT_NE(all.find("|shelf|"), std::string::npos);
  EXPECT_EQ(after(all, "breaker"), "closed");
  EXPECT_EQ(run("FOREBAY", "STATS", "bogus"), "-ERR there is no namespace 'bogus'");
}

TEST_F(ForebayCommand, HelpAndMistakes) {
  EXPECT_TRUE(run("FOREBAY", "HELP").starts_with("*"));
  EXPECT_EQ(run("FOREBAY", "BOGUS"), "-ERR unknown subcommand 'BOGUS'. Try FOREBAY HELP.");
  EXPECT_EQ(run("FOREBAY", "READ"), "-ERR wrong number of arguments for 'forebay|read' command");
}

TEST_F(PlainKeys, CollectionsHaveTheirNamespacesTags) {
  config::Model model;
  config::Namespace space;
  space.name = "s";
  space.key = {"s:{id}", {"s:", ""}, {"id"}};
  space.tags = {{"all", {"all"}, {}}, {"one:{id}", {"one:", ""}, {"id"}}};
  model.namespaces = {space};
  reopen(model);
  const auto make = [&] {
    run("SET", "s:0", "x");
    run("RPUSH", "s:1", "x");
    run("RPUSH", "s:1", "y");
    run("HSET", "s:2", "f", "x");
    run("SADD", "s:3", "x");
    run("ZADD", "s:4", "1", "x");
    run("XADD", "s:5", "1-1", "f", "x");
    run("RPUSH", "list", "x");
    run("COPY", "list", "s:6");
  };
  make();
  EXPECT_EQ(run("EXISTS", "s:0", "s:1", "s:2", "s:3", "s:4", "s:5", "s:6"), ":7");
  run("FOREBAY", "PURGE", "TAG", "one:3");
  EXPECT_EQ(run("EXISTS", "s:0", "s:1", "s:2", "s:3", "s:4", "s:5", "s:6"), ":6");
  make();
  run("RPUSH", "s:1", "z");
  run("FOREBAY", "PURGE", "TAG", "all");
  EXPECT_EQ(run("EXISTS", "s:0", "s:1", "s:2", "s:3", "s:4", "s:5", "s:6"), ":0");
  EXPECT_EQ(run("EXISTS", "list"), ":1");
}

}  // namespace
}  // namespace forebay::server
