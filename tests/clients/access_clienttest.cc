// The same random rules of users to Forebay and to redis-server: what is told of them must be equal, and so must be what
// they permit.

#include <algorithm>
#include <string>

#include "clients/beside_redis.h"

namespace forebay {
namespace {

class Rules : public Draws {
 public:
  using Draws::Draws;

  std::string user() { return "u" + std::to_string(below(6)); }
  Args change() {
    return with({"ACL", "SETUSER", user()}, 6, [&] { return Args{below(12) == 0 ? selector() : rule()}; });
  }
  Args look() { return {"ACL", "GETUSER", user()}; }
  Args request() {
    switch (below(8)) {
      case 0:
        return {pick({"GET", "TYPE", "INCR", "TTL", "EXISTS", "GETDEL", "STRLEN", "LPOP", "LLEN", "HGETALL"}),
                key()};
      case 1:
        return {
            pick({"APPEND", "SETNX", "LPUSH", "SADD", "EXPIRE", "GETSET", "PFADD", "SISMEMBER", "RPUSHX"}),
            key(), "1"};
      case 2:
        return {pick({"COPY", "RENAME", "RPOPLPUSH", "PFMERGE", "MGET", "DEL", "SINTERSTORE", "SUNION"}),
                key(), key()};
      case 3:
        return below(2) != 0 ? Args{"SET", key(), "v", pick({"GET", "NX", "KEEPTTL"})}
                             : Args{"BITFIELD", key(), pick({"GET", "get"}), "u8", "0"};
      case 4:
        return {pick({"PUBLISH", "SPUBLISH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "UNSUBSCRIBE",
                      "PUNSUBSCRIBE"}),
                channel(), pick({"1", "ch:1"})};
      case 5:
        return pick_of({{"CONFIG", "GET", "x"},
                        {"CONFIG", "SET", "x", "y"},
                        {"CLIENT", "ID"},
                        {"CLIENT", "LIST"},
                        {"ACL", "WHOAMI"},
                        {"ACL", "USERS"},
                        {"INFO"},
                        {"KEYS", "*"},
                        {"PING"},
                        {"SELECT", "0"},
                        {"SELECT", "1"},
                        {"FLUSHALL"},
                        {"DBSIZE"},
                        {"MULTI"},
                        {"COMMAND"},
                        {"COMMAND", "COUNT"},
                        {"SCRIPT", "EXISTS", "x"},
                        {"SLOWLOG", "GET"},
                        {"MONITOR"},
                        {"AUTH", "x"},
                        {"CLIENT"},
                        {"CONFIG", "NOPE"},
                        {"NOPE"},
                        {"GET"},
                        {"WAIT", "0", "0"},
                        {"SWAPDB", "0", "1"}});
      case 6:
        return pick_of({{"ZUNIONSTORE", key(), "2", key(), key()},
                        {"EVAL", "x", "2", key(), key()},
                        {"EVAL_RO", "x", "1", key()},
                        {"SORT", key(), "STORE", key()},
                        {"BITOP", "AND", key(), key()},
                        {"XREAD", "COUNT", "1", "STREAMS", key(), key(), "0", "0"},
                        {"LMPOP", "2", key(), key(), "LEFT"},
                        {"XGROUP", "CREATE", key(), "g", "0"},
                        {"XINFO", "STREAM", key()},
                        {"OBJECT", "ENCODING", key()},
                        {"MEMORY", "USAGE", key()},
                        {"SINTERCARD", "2", key(), key()},
                        {"GEORADIUS", key(), "1", "1", "1", "m", "STORE", key()},
                        {"XREADGROUP", "GROUP", "g", "c", "STREAMS", key(), ">"}});
      default:
        return {pick({"ZADD", "HSET", "SETRANGE", "LREM", "SMOVE", "ZRANGESTORE", "LINSERT"}), key(), key(),
                "1", "1"};
    }
  }

 private:
  Args pick_of(const std::vector<Args>& choices) { return choices[below(choices.size())]; }
  std::string key() { return pick({"a1", "a2", "b1", "ab", "c", "*", "r:1", "w:1", "rw"}); }
  std::string channel() { return pick({"ch:1", "ch:*", "x", "news", "ch:2"}); }
  std::string pattern() { return pick({"a*", "?1", "[ab]*", "r:*", "w:*", "c", "rw", "*1", "", "a b"}); }
  std::string command() {
    return pick({"get",         "SET",        "incr",    "del",          "config",      "config|get",
                 "Client|List", "acl|whoami", "client",  "ping",         "select",      "publish",
                 "subscribe",   "psubscribe", "eval",    "sort",         "object",      "memory|usage",
                 "xgroup",      "mget",       "copy",    "rename",       "zunionstore", "bitfield",
                 "keys",        "info",       "command", "command|count"});
  }
  std::string category() {
    return pick({"read",        "write",     "keyspace",    "string",   "list",      "set",
                 "sortedset",   "hash",      "bitmap",      "geo",      "stream",    "pubsub",
                 "admin",       "fast",      "slow",        "blocking", "dangerous", "connection",
                 "transaction", "scripting", "hyperloglog", "READ",     "nope"});
  }
  // What may stand inside a selector, too.
  std::string permission() {
    switch (below(10)) {
      case 0:
        return pick({"allkeys", "resetkeys", "~*", "allchannels", "resetchannels", "&*", "+@all", "-@all",
                     "allcommands", "nocommands", "ALLKEYS"});
      case 1:
      case 2:
        return "~" + pattern();
      case 3:
        return pick({"%R~", "%W~", "%RW~", "%r~", "%WR~", "%RR~", "%~", "%X~", "%R"}) + pattern();
      case 4:
        return "&" + pick({"ch:*", "x", "news", "ch:1", "a b"});
      case 5:
      case 6:
        return pick({"+@", "-@"}) + category();
      case 7:
        return pick({"+select|0", "+nope", "-config|nope", "+config|", "+get|x", "+config|get|x", "foo", "+",
                     "-", "%"});
      default:
        return pick({"+", "-"}) + command();
    }
  }
  std::string rule() {
    switch (below(10)) {
      case 0:
        return pick({"on", "off", "nopass", "resetpass", "ON", "sanitize-payload", "skip-sanitize-payload"});
      case 1:
        return pick({">pw", ">other", "<pw", "<none", "#abc", "!abc",
                     "#30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4",
                     "!30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"});
      case 2:
        return below(6) == 0 ? pick({"reset", "clearselectors", "", "(+get", "+get)"}) : permission();
      default:
        return permission();
    }
  }
  std::string selector() {
    std::string text = "(";
    for (std::size_t words = below(4); words > 0; --words) text += permission() + " ";
    return text + permission() + ")";
  }
};

class AccessBesideRedis : public BesideRedis {
 protected:
  // Without what 7.0 and 7.2 say in other words: how it names whoever is refused; that payloads are sanitised; and rules
  // of commands, which 7.0 works out anew from what they come to and 7.2 keeps as they were given.
  static std::string read(const Args& args, resp::Reply reply) {
    if (args.size() < 3) return show(reply);
    if (args[1] == "DRYRUN" && reply.text.starts_with("This user "))
      reply.text.replace(0, 9, "User " + args[2]);
    if (args[1] != "GETUSER") return show(reply);
    for (std::size_t at = 0; at + 1 < reply.children.size(); at += 2) {
      resp::Reply& value = reply.children[at + 1];
      if (reply.children[at].text == "flags") {
        std::erase_if(value.children,
                      [](const resp::Reply& flag) { return flag.text.ends_with("sanitize-payload"); });
      } else if (reply.children[at].text == "commands") {
        value.text = value.text.substr(0, 5);
      } else if (reply.children[at].text == "selectors") {
        for (resp::Reply& selector : value.children) selector.children[1].text.resize(5);
      }
    }
    return show(reply);
  }
};

TEST_F(AccessBesideRedis, RandomRulesPermitTheSame) {
  for (const std::string protocol : {"2", "3"}) {
    for (unsigned seed = protocol == "2" ? 1 : 11; seed % 10 < 4 && !HasFatalFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", RESP" + protocol);
      Rules rules(seed);
      compare(
          protocol, 6'000,
          [&] {
            const std::size_t what = rules.below(8);
            if (what < 2) return rules.change();
            if (what == 2) return rules.look();
            Args args{"ACL", "DRYRUN", rules.user()};
            Draws::append(args, rules.request());
            return args;
          },
          read);
    }
  }
}

// Who is told a user's rules can make the same user of them.
TEST_F(AccessBesideRedis, RulesAsTheyAreToldMakeTheSameUser) {
  Rules rules(5);
  test::TestClient theirs(redis_port());
  test::TestClient ours(our_port());
  for (int round = 0; round < 300; ++round) {
    for (int i = 0; i < 4; ++i) ours.ask(rules.change());
    ours.send_command({"ACL", "LIST"});
    const resp::Reply lines = ours.reply_tree();
    const std::string line = lines.children[1 + rules.below(lines.children.size() - 1)].text;
    Args make{"ACL", "SETUSER", "copy", "reset"};
    std::string name;
    std::size_t word = 0;
    for (std::size_t at = 0; at <= line.size(); ++word) {
      const std::size_t end = std::min(line.find(' ', at), line.size());
      const std::string text = line.substr(at, end - at);
      if (word == 1) name = text;
      if (word > 1) make.push_back(text);
      at = end + 1;
    }
    ASSERT_EQ(theirs.ask(make), "+OK") << line;
    for (int i = 0; i < 20; ++i) {
      const Args request = rules.request();
      Args of_ours{"ACL", "DRYRUN", name};
      Args of_theirs{"ACL", "DRYRUN", "copy"};
      Draws::append(of_ours, request);
      Draws::append(of_theirs, request);
      theirs.send_command(of_theirs);
      ours.send_command(of_ours);
      const std::string wanted = read(of_ours, theirs.reply_tree());
      ASSERT_EQ(read(of_ours, ours.reply_tree()), wanted) << line << "\n" << in_one_line(request);
    }
  }
}

TEST_F(AccessBesideRedis, CategoriesHoldTheSameCommands) {
  test::TestClient theirs(redis_port());
  test::TestClient ours(our_port());
  const auto names = [](test::TestClient& client, const Args& args) {
    client.send_command(args);
    std::vector<std::string> all;
    for (const resp::Reply& child : client.reply_tree().children) all.push_back(child.text);
    std::ranges::sort(all);
    return all;
  };
  const auto known_to_both = [&](std::vector<std::string> some, const std::vector<std::string>& others) {
    std::erase_if(some, [&](const std::string& name) { return !std::ranges::binary_search(others, name); });
    return some;
  };
  std::vector<std::string> our_all;
  std::vector<std::string> their_all;
  const std::vector<std::string> categories = names(theirs, {"ACL", "CAT"});
  EXPECT_EQ(names(ours, {"ACL", "CAT"}), categories);
  for (const std::string category : {"fast", "slow"}) {
    Draws::append(our_all, names(ours, {"ACL", "CAT", category}));
    Draws::append(their_all, names(theirs, {"ACL", "CAT", category}));
  }
  std::ranges::sort(our_all);
  std::ranges::sort(their_all);
  for (const std::string& category : categories) {
    EXPECT_EQ(known_to_both(names(ours, {"ACL", "CAT", category}), their_all),
              known_to_both(names(theirs, {"ACL", "CAT", category}), our_all))
        << category;
  }
}

}  // namespace
}  // namespace forebay
