// The same random commands on hashes, sets, sorted sets and lists to Forebay and to Debian's redis-server, RESP2
// and RESP3: every reply must be equal, errors included, but for the order of what has none.
//
// Left out is what depends on chance (which member SPOP takes), what the machine's 7.0 has not (ZRANK's WITHSCORE)
// or shows in another way than 7.2 (an encoding, the digits of fractions).

#include <algorithm>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "clients/served.h"
#include "support/eventually.h"
#include "support/process.h"
#include "support/test_client.h"

namespace forebay {
namespace {

using Args = std::vector<std::string>;
using resp::Reply;
using resp::ReplyKind;

// With what kind of reply each part is.
std::string show(const Reply& reply) {
  switch (reply.kind) {
    case ReplyKind::kArray:
    case ReplyKind::kSet:
    case ReplyKind::kMap:
    case ReplyKind::kPush: {
      std::string text = reply.kind == ReplyKind::kArray ? "[" : reply.kind == ReplyKind::kSet ? "~[" : "%[";
      for (const Reply& child : reply.children) text += show(child) + ' ';
      return text + "]";
    }
    case ReplyKind::kReal:
      return "," + std::to_string(reply.real);
    case ReplyKind::kBulk:
      return '"' + reply.text + '"';
    default:
      return test::shown(reply);
  }
}

// The elements in an order of their own; pairs stay together.
void sort_elements(Reply& reply, bool pairs) {
  const std::size_t step = pairs ? 2 : 1;
  std::vector<std::vector<Reply>> groups;
  for (std::size_t i = 0; i + step <= reply.children.size(); i += step) {
    const auto first = reply.children.begin() + static_cast<std::ptrdiff_t>(i);
    groups.emplace_back(first, first + static_cast<std::ptrdiff_t>(step));
  }
  std::ranges::sort(groups, {}, [](const std::vector<Reply>& group) {
    std::string text;
    for (const Reply& one : group) text += show(one) + ' ';
    return text;
  });
  reply.children.clear();
  for (const auto& group : groups) reply.children.insert(reply.children.end(), group.begin(), group.end());
}

std::string in_some_order(const Args& args, Reply reply) {
  static const std::set<std::string> kUnordered = {"HKEYS",  "HVALS",  "HGETALL", "HRANDFIELD", "SMEMBERS",
                                                   "SINTER", "SUNION", "SDIFF",   "SPOP",       "SRANDMEMBER",
                                                   "HSCAN",  "SSCAN",  "ZSCAN",   "ZRANDMEMBER"};
  if (!kUnordered.contains(args[0])) return show(reply);
  if (args[0].ends_with("SCAN") && reply.children.size() == 2) {
    sort_elements(reply.children[1], args[0] != "SSCAN");
    return show(reply);
  }
  const bool flat = !reply.children.empty() && reply.children[0].kind == ReplyKind::kBulk;
  sort_elements(reply, flat && (args[0] == "HGETALL" || args.back().starts_with("WITH")));
  return show(reply);
}

// Draws commands whose arguments are mostly valid and sometimes nonsense.
class Commands {
 public:
  explicit Commands(unsigned seed) : random_(seed) {}

  Args next() {
    switch (below(10)) {
      case 9:
        return sort();
      case 0:
      case 1:
        return hash();
      case 2:
      case 3:
        return set();
      case 4:
      case 5:
        return sorted_set();
      case 6:
      case 7:
        return list();
      default:
        return generic();
    }
  }

 private:
  Args hash() {
    switch (below(14)) {
      case 0:
      case 1:
        return with({pick({"HSET", "HSET", "HMSET"}), key()}, 5, [&] { return Args{member(), value()}; });
      case 2:
        return {"HSETNX", key(), member(), value()};
      case 3:
        return {pick({"HGET", "HEXISTS", "HSTRLEN"}), key(), member()};
      case 4:
        return with({"HMGET", key()}, 4, [&] { return Args{member()}; });
      case 5:
        return {pick({"HGETALL", "HKEYS", "HVALS", "HLEN"}), key()};
      case 6:
        return with({"HDEL", key()}, 3, [&] { return Args{member()}; });
      case 7:
        return {"HINCRBY", key(), member(), number()};
      case 8:
        return {"HINCRBYFLOAT", key(), member(), pick({"1", "0.5", "-1.25", "1e3", "inf", "x"})};
      case 9:
        return {"HSCAN", key(), pick({"0", "0", "x"}), "COUNT", "10000"};
      case 10:
        return {"HSCAN", key(), "0", "MATCH", "m*", "COUNT", "10000"};
      case 11:
        return {"HRANDFIELD", key(), pick({"1000", "0", "x"}), pick({"WITHVALUES", "WITHVALUES", "x"})};
      case 12:
        return {"HRANDFIELD", key(), "1000"};
      default:
        return {pick({"HSET", "HDEL", "HGET"}), key(), member()};
    }
  }

  Args set() {
    switch (below(12)) {
      case 0:
      case 1:
        return with({"SADD", key()}, 8, [&] { return Args{member()}; });
      case 2:
        return with({pick({"SREM", "SMISMEMBER"}), key()}, 4, [&] { return Args{member()}; });
      case 3:
        return {pick({"SMEMBERS", "SCARD"}), key()};
      case 4:
        return {"SISMEMBER", key(), member()};
      case 5:
        return {"SPOP", key(), pick({"1000", "0", "-1", "x"})};
      case 6:
        return {"SRANDMEMBER", key(), pick({"1000", "0", "x"})};
      case 7:
        return {"SMOVE", key(), key(), member()};
      case 8:
        return with({pick({"SINTER", "SUNION", "SDIFF"})}, 3, [&] { return Args{key()}; });
      case 9:
        return with({pick({"SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"}), key()}, 3,
                    [&] { return Args{key()}; });
      case 10: {
        Args args = {"SINTERCARD", pick({"1", "2", "2", "0", "x", "9"}), key(), key()};
        if (below(2) != 0) append(args, {pick({"LIMIT", "LIMIT", "x"}), pick({"2", "0", "-1"})});
        return args;
      }
      default:
        return {"SSCAN", key(), "0", "COUNT", "10000"};
    }
  }

  Args sorted_set() {
    switch (below(21)) {
      case 0: {
        Args args = {"ZADD", key()};
        for (const std::string option : {"NX", "XX", "GT", "LT", "CH", "INCR"}) {
          if (below(4) == 0) args.push_back(option);
        }
        return with(args, 2, [&] { return Args{score(), member()}; });
      }
      case 1:
      case 2:
        return with({"ZADD", key()}, 6, [&] { return Args{score(), member()}; });
      case 3:
        return with({pick({"ZREM", "ZMSCORE"}), key()}, 3, [&] { return Args{member()}; });
      case 4:
        return {pick({"ZSCORE", "ZRANK", "ZREVRANK"}), key(), member()};
      case 5:
        return {"ZINCRBY", key(), score(), member()};
      case 6:
        return {"ZCOUNT", key(), bound(), bound()};
      case 7: {
        Args args = {"ZRANGE", key(), number(), number()};
        if (below(3) == 0) args.push_back("REV");
        if (below(3) == 0) args.push_back("WITHSCORES");
        if (below(9) == 0) append(args, {"LIMIT", "0", "1"});
        return args;
      }
      case 8: {
        Args args = {"ZRANGE", key(), bound(), bound(), "BYSCORE"};
        if (below(3) == 0) args.push_back("REV");
        if (below(3) == 0) args.push_back("WITHSCORES");
        if (below(3) == 0) append(args, {"LIMIT", number(), number()});
        return args;
      }
      case 9: {
        Args args = {pick({"ZRANGEBYSCORE", "ZREVRANGEBYSCORE"}), key(), bound(), bound()};
        if (below(3) == 0) args.push_back("WITHSCORES");
        if (below(3) == 0) append(args, {"LIMIT", number(), number()});
        return args;
      }
      case 10:
        return {"ZREVRANGE", key(), number(), number(), "WITHSCORES"};
      case 11:
        return below(2) ? Args{"ZRANGESTORE", key(), key(), number(), number()}
                        : Args{"ZRANGESTORE", key(), key(), bound(), bound(), "BYSCORE", "LIMIT", "1", "3"};
      case 12:
        return {pick({"ZREMRANGEBYRANK", "ZREMRANGEBYSCORE"}), key(), pick({"0", "1", "-2", "x"}),
                pick({"0", "1", "-1"})};
      case 13: {
        Args args = {pick({"ZPOPMIN", "ZPOPMAX"}), key()};
        if (below(2) != 0) args.push_back(pick({"1", "2", "0", "-1", "x"}));
        return args;
      }
      case 14: {
        Args args = numbered({"ZMPOP"});
        args.push_back(pick({"MIN", "MAX", "MIN", "MAX", "x"}));
        if (below(2) != 0) append(args, {"COUNT", pick({"1", "2", "0", "x"})});
        return args;
      }
      case 15: {
        Args args = numbered({pick({"ZUNION", "ZINTER", "ZDIFF"})});
        if (below(3) == 0) append(args, {"WEIGHTS", "2", "3"});
        if (below(3) == 0) append(args, {"AGGREGATE", pick({"SUM", "MIN", "MAX", "x"})});
        if (below(2) == 0) args.push_back("WITHSCORES");
        return args;
      }
      case 16: {
        Args args = numbered({pick({"ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"}), key()});
        if (below(4) == 0) append(args, {"WEIGHTS", "2", "x"});
        return args;
      }
      case 17: {
        Args args = numbered({"ZINTERCARD"});
        if (below(2) == 0) append(args, {"LIMIT", pick({"1", "0", "-1"})});
        return args;
      }
      case 19: {
        if (below(2) != 0) return {pick({"BZPOPMIN", "BZPOPMAX"}), key(), key(), wait()};
        Args args = numbered({"BZMPOP", wait()});
        args.push_back(pick({"MIN", "MAX", "x"}));
        return args;
      }
      case 18:
        return below(2) ? Args{"ZSCAN", key(), "0", "COUNT", "10000"}
                        : Args{"ZRANDMEMBER", key(), pick({"1000", "0", "x"}), "WITHSCORES"};
      default:
        return by_member();
    }
  }

  // Of a key whose scores are all equal.
  Args by_member() {
    switch (below(6)) {
      case 0:
      case 1:
        return with({"ZADD", "lex"}, 6, [&] { return Args{"0", member()}; });
      case 2:
        return {pick({"ZRANGEBYLEX", "ZREVRANGEBYLEX", "ZLEXCOUNT"}), "lex", member_bound(), member_bound()};
      case 3: {
        Args args = {"ZRANGE", "lex", member_bound(), member_bound(), "BYLEX"};
        if (below(3) == 0) args.push_back("REV");
        if (below(3) == 0) append(args, {"LIMIT", number(), number()});
        return args;
      }
      case 4:
        return {"ZREMRANGEBYLEX", "lex", member_bound(), pick({"[m1", "(m2", "x"})};
      default:
        return {"ZREM", "lex", member()};
    }
  }

  Args list() {
    switch (below(16)) {
      case 0:
      case 1:
      case 2:
        return with({pick({"LPUSH", "RPUSH"}), key()}, 6, [&] { return Args{member()}; });
      case 3:
        return {pick({"LPUSHX", "RPUSHX"}), key(), member()};
      case 4: {
        Args args = {pick({"LPOP", "RPOP"}), key()};
        if (below(2) != 0) args.push_back(pick({"2", "0", "-1", "x", "100"}));
        return args;
      }
      case 5:
        return {"LRANGE", key(), number(), number()};
      case 6:
        return below(2) ? Args{"LINDEX", key(), number()} : Args{"LLEN", key()};
      case 7:
        return {"LSET", key(), number(), member()};
      case 8:
        return {"LINSERT", key(), pick({"BEFORE", "AFTER", "x"}), member(), member()};
      case 9:
        return {"LREM", key(), pick({"0", "1", "-1", "2", "-2", "x"}), member()};
      case 10:
        return {"LTRIM", key(), pick({"0", "1", "-50", "x"}), pick({"-1", "-2", "30"})};
      case 11: {
        Args args = {"LPOS", key(), member()};
        if (below(2) != 0) append(args, {"RANK", pick({"1", "-1", "2", "-2", "0", "x"})});
        if (below(2) != 0) append(args, {"COUNT", pick({"0", "1", "2", "-1"})});
        if (below(4) == 0) append(args, {"MAXLEN", pick({"0", "5", "-1"})});
        return args;
      }
      case 12:
        return below(2) ? Args{"RPOPLPUSH", key(), key()} : Args{"LMOVE", key(), key(), side(), side()};
      case 13:
        return below(3) ? Args{pick({"BLPOP", "BRPOP"}), key(), key(), wait()}
                        : Args{"BRPOPLPUSH", key(), key(), wait()};
      case 14: {
        if (below(2) != 0) return {"BLMOVE", key(), key(), side(), side(), wait()};
        Args args = numbered({"BLMPOP", wait()});
        args.push_back(side());
        if (below(2) != 0) append(args, {"COUNT", pick({"1", "2", "0"})});
        return args;
      }
      default: {
        Args args = numbered({"LMPOP"});
        args.push_back(side());
        if (below(2) != 0) append(args, {"COUNT", pick({"1", "2", "0"})});
        return args;
      }
    }
  }

  // Of keys of any type. Weights are the keys of numbers and hashes that set_weights() makes. Equal weights that are
  // texts have no order.
  Args sort() {
    if (below(5) == 0) return set_weight();
    const bool ordered = below(4) != 0;  // a set has an order only then
    Args args = {below(4) ? "SORT" : "SORT_RO", ordered && below(3) ? key() : pick({"numbers", "lex"})};
    if (!ordered || below(2) != 0)
      append(args, {"BY", ordered ? pick({"w_*", "wh_*->f", "*"}) : pick({"nosort", "#"})});
    for (std::size_t count = below(3); count > 0; --count)
      append(args, {"GET", pick({"#", "w_*", "wh_*->f", "wh_*->", "none_*", "none", "w_*->f", "wh_*"})});
    if (below(2) != 0) args.push_back(pick({"ASC", "DESC", "DESC", "asc"}));
    if (below(3) != 0 && std::ranges::find(args, "BY") == args.end()) args.push_back("ALPHA");
    if (below(3) == 0)
      append(args, {"LIMIT", pick({"0", "1", "5", "-1", "x"}), pick({"0", "2", "100", "-1", "-7"})});
    if (below(4) == 0) append(args, {"STORE", key()});
    if (below(30) == 0) append(args, {pick({"x", "BY", "GET", "LIMIT", "STORE"})});
    return args;
  }
  Args set_weight() {
    switch (below(4)) {
      case 0:
        return {"SET", "w_" + member(), pick({"1", "2.5", "-3", "1e2", "", "0x10"})};
      case 1:
        return {"HSET", "wh_" + member(), "f", pick({"1", "2.5", "-3", "7"})};
      case 2:
        return below(3) ? Args{"RPUSH", "numbers", pick({"5", "-1", "2.5", "1e3", "0x1F", "10", "3"})}
                        : Args{"DEL", pick({"numbers", "w_1"})};
      default:
        return {"DEL", pick({"w_", "wh_"}) + member()};
    }
  }

  Args generic() {
    switch (below(10)) {
      case 0:
        return {pick({"DEL", "UNLINK", "EXISTS"}), key(), key()};
      case 1:
        return {pick({"RENAME", "RENAMENX", "COPY"}), key(), key()};
      case 2:
        return {"COPY", key(), key(), "REPLACE"};
      case 3:
        return {"EXPIRE", key(), "1000"};
      case 4:
        return {pick({"PERSIST", "TYPE", "GETDEL", "GET", "STRLEN", "INCR"}), key()};
      case 5:
        return {pick({"APPEND", "SETNX", "GETSET"}), key(), "1"};
      case 6:
        return {"MGET", key(), key()};
      case 7:
        return {"SET", key(), "v", "GET"};
      case 8:
        return {"SETRANGE", key(), "0", "x"};
      default:
        return {"DBSIZE"};
    }
  }

  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::string pick(const std::vector<std::string>& choices) { return choices[below(choices.size())]; }
  static void append(Args& args, const Args& more) { args.insert(args.end(), more.begin(), more.end()); }
  template <class Make>
  Args with(Args args, std::size_t most, Make make) {
    for (std::size_t count = 1 + below(most); count > 0; --count) append(args, make());
    return args;
  }
  Args numbered(Args args) {
    const std::size_t keys = 1 + below(3);
    args.push_back(below(9) == 0 ? pick({"0", "x", "9"}) : std::to_string(keys));
    for (std::size_t i = 0; i < keys; ++i) args.push_back(key());
    return args;
  }
  std::string key() { return "k" + std::to_string(below(8)); }
  // Few, so that they meet; some too long for a leaf, so that collections have both forms.
  std::string member() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return std::to_string(below(20));
      case 3:
        return std::string(70, 'x');
      case 4:
        return "long" + std::string(below(2) ? 500 : 900, 'y');
      default:
        return "m" + std::to_string(below(30));
    }
  }
  std::string value() { return below(2) ? member() : pick({"", "1.5", "-7", "9223372036854775807", "x"}); }
  std::string number() {
    return pick({"0", "1", "-1", "2", "5", "-3", "100", "-100", "9223372036854775807", "-9223372036854775808",
                 "x", "1.5"});
  }
  std::string score() {
    return below(10) == 0 ? pick({"inf", "-inf", "1e3", "x", "nan"})
                          : pick({"0", "1", "2", "3", "-1", "2.5", "0.25", "10", "-4"});
  }
  std::string bound() {
    return below(15) == 0 ? pick({"x", "(x", "", "nan"})
                          : pick({"-inf", "+inf", "(1", "1", "(2", "0", "3", "(-1", "10", "2.5"});
  }
  std::string member_bound() {
    return below(15) == 0 ? pick({"x", "m", ""}) : pick({"-", "+", "[m1", "(m1", "[m25", "(m27", "[a", "[5"});
  }
  // What a command waits at most, in seconds.
  std::string wait() { return below(9) == 0 ? pick({"x", "-1", "", "nan"}) : "0.001"; }
  std::string side() { return below(9) == 0 ? pick({"left", "x"}) : pick({"LEFT", "RIGHT"}); }

  std::mt19937 random_;
};

class CollectionsAgainstRedis : public Served {
 protected:
  CollectionsAgainstRedis() {
    redis_port_ = test::free_port();
    redis_ = test::Process(
        {"redis-server", "--port", std::to_string(redis_port_), "--save", "", "--bind", "127.0.0.1"},
        {.output = (folder_ / "redis.log"), .directory = folder_.path()});
    const bool answers = test::eventually([&] {
      try {
        return test::TestClient(redis_port_).ask({"PING"}) == "+PONG";
      } catch (const std::runtime_error&) {
        return false;
      }
    });
    if (!answers) throw std::runtime_error("redis-server does not answer");
  }

  // The same commands to both.
  void compare(unsigned seed, int rounds, const std::string& protocol) {
    test::TestClient theirs(redis_port_);
    test::TestClient ours(static_cast<std::uint16_t>(port()));
    Commands commands(seed);
    const auto same = [&](const Args& args) {
      theirs.send_command(args);
      ours.send_command(args);
      std::string command;
      for (const std::string& arg : args) command += '\'' + arg + "' ";
      const std::string wanted = in_some_order(args, theirs.reply_tree());
      ASSERT_EQ(in_some_order(args, ours.reply_tree()), wanted) << command;
    };
    for (test::TestClient* client : {&theirs, &ours}) client->ask({"HELLO", protocol});
    same({"FLUSHALL"});
    for (int round = 0; round < rounds && !HasFatalFailure(); ++round) same(commands.next());
  }

  test::TempDir folder_;
  std::uint16_t redis_port_ = 0;
  test::Process redis_;
};

constexpr int kRounds = 4'000;

TEST_F(CollectionsAgainstRedis, RandomCommandsGetTheSameReplies) {
  for (unsigned seed = 1; seed <= 4 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare(seed, kRounds, "2");
  }
}

TEST_F(CollectionsAgainstRedis, AndTheSameInResp3) {
  for (unsigned seed = 11; seed <= 14 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    compare(seed, kRounds, "3");
  }
}

}  // namespace
}  // namespace forebay
