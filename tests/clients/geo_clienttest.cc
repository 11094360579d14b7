// The same random geo and HyperLogLog commands to Forebay and to redis-server: every reply must be equal, errors and
// the order of what was found included.

#include <cmath>
#include <cstdlib>
#include <string>

#include "clients/beside_redis.h"

namespace forebay {
namespace {

// Geo commands whose arguments are mostly valid and sometimes nonsense.
class GeoCommands : public Draws {
 public:
  using Draws::Draws;

  Args next() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return add();
      case 3:
        return with({pick({"GEOPOS", "GEOHASH"}), key()}, 4, [&] { return Args{member()}; });
      case 4: {
        Args args = {"GEODIST", key(), member(), member()};
        if (below(2) != 0) args.push_back(unit());
        return args;
      }
      case 5:
      case 6:
        return search();
      case 7:
      case 8:
        return by_radius();
      case 9:
        return {"ZRANGE", key(), "0", "-1", "WITHSCORES"};
      case 10:
        return below(3) != 0 ? Args{"ZREM", key(), member()} : Args{"DEL", key()};
      default:
        return below(20) == 0 ? Args{"SET", key(), "text"}
                              : Args{"ZADD", key(), std::to_string(below(1u << 31)), member()};
    }
  }

 private:
  Args add() {
    Args args = {"GEOADD", key()};
    for (const std::string option : {"NX", "XX", "CH"}) {
      if (below(6) == 0) args.push_back(option);
    }
    args = with(args, 8, [&] {
      Args one = place();
      one.push_back(member());
      return one;
    });
    if (below(30) == 0) args.push_back("more");
    return args;
  }

  Args search() {
    Args args = below(4) == 0 ? Args{"GEOSEARCHSTORE", key(), key()} : Args{"GEOSEARCH", key()};
    Args parts = below(3) == 0 ? Args{"FROMMEMBER", member()} : Args{"FROMLONLAT"};
    if (parts.size() == 1) append(parts, centre());
    append(args, parts);
    append(args,
           below(2) != 0 ? Args{"BYRADIUS", extent(), unit()} : Args{"BYBOX", extent(), extent(), unit()});
    if (below(15) == 0) append(args, {"BYRADIUS", "1", "m"});
    if (args[0] == "GEOSEARCHSTORE" && below(2) != 0) args.push_back("STOREDIST");
    return options(args);
  }

  Args by_radius() {
    Args args;
    if (below(2) != 0) {
      args = {pick({"GEORADIUS", "GEORADIUS", "GEORADIUS_RO"}), key()};
      append(args, centre());
    } else {
      args = {pick({"GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER", "GEORADIUSBYMEMBER_RO"}), key(), member()};
    }
    append(args, {extent(), unit()});
    if (below(4) == 0) append(args, {pick({"STORE", "STOREDIST"}), key()});
    return options(args);
  }

  Args options(Args args) {
    const bool stores = args[0] == "GEOSEARCHSTORE" || args[args.size() - 2].starts_with("STORE");
    for (const std::string option : {"WITHDIST", "WITHHASH", "WITHCOORD"}) {
      if (below(stores ? 20 : 3) == 0) args.push_back(option);
    }
    if (below(3) == 0) args.push_back(pick({"ASC", "DESC", "x"}));
    if (below(3) == 0) append(args, {"COUNT", pick({"1", "3", "10", "100", "0", "-1", "x"})});
    if (below(4) == 0) args.push_back("ANY");
    return args;
  }

  std::string key() { return "k" + std::to_string(below(5)); }
  std::string member() { return "m" + std::to_string(below(200)); }
  std::string unit() { return below(25) == 0 ? "parsec" : pick({"m", "km", "KM", "ft", "mi"}); }
  std::string extent() {
    if (below(25) == 0) return pick({"-1", "x", "", "nan"});
    return below(10) == 0 ? pick({"0", "inf"}) : std::to_string(std::pow(10.0, below(80) / 10.0));
  }
  std::string between(double low, double high) {
    return std::to_string(low + (high - low) * static_cast<double>(below(1'000'000)) / 1e6);
  }
  Args centre() {
    if (below(15) == 0) return {pick({"180", "-180", "0"}), pick({"85.05112878", "-85.05112878", "0"})};
    return place();
  }
  // Everywhere, at the edges and, mostly, near one another. No two are equal, so that distances have one order.
  Args place() {
    switch (below(30)) {
      case 0:
        return below(2) != 0 ? Args{pick({"180", "-180", "0"}), between(-85, 85)}
                             : Args{between(-180, 180), pick({"85.05112878", "-85.05112878", "0"})};
      case 1:
        return {pick({"181", "x", "1"}), pick({"86", "-90", "1", "x"})};
      case 2:
      case 3:
      case 4:
        return {between(170, 180), between(-60, 60)};
      case 5:
      case 6:
      case 7:
        return {between(-180, 180), between(70, 85)};
      case 8:
      case 9:
      case 10:
      case 11:
        return {between(-180, 180), between(-85, 85)};
      default:
        return {between(13, 14), between(52, 53)};
    }
  }
};

class GeoBesideRedis : public BesideRedis {
 protected:
  // Redis 7.0 writes the digits of scores in another way than 7.2.
  static std::string read(const Args& args, resp::Reply reply) {
    if (args[0] != "ZRANGE") return show(reply);
    for (std::size_t i = 1; i < reply.children.size(); i += 2) {
      resp::Reply& score = reply.children[i];
      if (score.kind != resp::ReplyKind::kBulk) continue;
      score.real = std::strtod(score.text.c_str(), nullptr);
      score.kind = resp::ReplyKind::kReal;
    }
    return show(reply);
  }
};

void compare_seeds(const std::string& protocol, unsigned first, auto compare) {
  for (unsigned seed = first; seed < first + 4 && !testing::Test::HasFatalFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", RESP" + protocol);
    compare(seed);
  }
}

TEST_F(GeoBesideRedis, RandomCommandsGetTheSameReplies) {
  for (const std::string protocol : {"2", "3"}) {
    compare_seeds(protocol, protocol == "2" ? 1 : 11, [&](unsigned seed) {
      GeoCommands commands(seed);
      compare(protocol, 3'000, [&] { return commands.next(); }, read);
    });
  }
}

// HyperLogLogs, and strings that are none or that have been damaged.
class CountCommands : public Draws {
 public:
  using Draws::Draws;

  Args next() {
    switch (below(10)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return with({"PFADD", key()}, 1 + below(300), [&] { return Args{element()}; });
      case 4:
      case 5:
        return {"PFCOUNT", key()};
      case 6:
        return with({"PFCOUNT"}, 4, [&] { return Args{key()}; });
      case 7:
        return with({"PFMERGE"}, 4, [&] { return Args{key()}; });
      case 8:
        return below(3) == 0 ? Args{"PFADD", key()} : Args{pick({"DEL", "TYPE", "TTL"}), key()};
      default:
        return odd();
    }
  }

 private:
  Args odd() {
    using namespace std::string_literals;
    switch (below(6)) {
      case 0:
        return {"SET", damaged(), "HYLL"s + pick({"\0"s, "\1"s, "\2"s}) + "\0\0\0"s + std::string(8, '\x80')};
      case 1:
        return {"SET", damaged(),
                "HYLL\1\0\0\0"s + std::string(8, '\x80') + pick({"\x7f\xff"s, "\x7f\xff\x00"s, "x"s})};
      case 2:
        return {"SET", key(), pick({"", "HYLL", "text"})};
      case 3:
        return {"LPUSH", key(), "x"};
      case 4:
        return {"PFCOUNT", key(), damaged()};
      default:
        return {pick({"DEL", "PFCOUNT", "PFMERGE"}), damaged()};
    }
  }

  // Nothing is added to these: what Redis makes of that depends on how much of one it has looked at.
  std::string damaged() { return "d" + std::to_string(below(3)); }
  std::string key() { return "h" + std::to_string(below(6)); }
  // Mostly few, so that what there is gets no larger; sometimes of an endless number.
  std::string element() {
    return std::string(below(30), 'e') +
           std::to_string(below(40) == 0 ? below(1'000'000'000) : below(40'000));
  }
};

class CountsBesideRedis : public BesideRedis {
 protected:
  static std::string value_of(test::TestClient& client, const std::string& key) {
    client.send_command({"GET", key});
    return client.reply_tree().text;
  }
};

TEST_F(CountsBesideRedis, RandomCommandsGetTheSameReplies) {
  for (const std::string protocol : {"2", "3"}) {
    compare_seeds(protocol, protocol == "2" ? 1 : 11, [&](unsigned seed) {
      CountCommands commands(seed);
      compare(
          protocol, 2'000, [&] { return commands.next(); },
          [](const Args&, const resp::Reply& reply) { return show(reply); });
    });
  }
}

TEST_F(CountsBesideRedis, ValuesMeanTheSameThere) {
  test::TestClient theirs(redis_port());
  test::TestClient ours(our_port());
  // Sparse ones, some just before and behind where they become dense, and dense ones.
  for (const int elements : {0, 1, 10, 500, 900, 1'000, 1'300, 2'000, 20'000}) {
    SCOPED_TRACE(elements);
    Args args = {"PFADD", "k"};
    for (int i = 0; i < elements; ++i) args.push_back("element " + std::to_string(i));
    for (test::TestClient* client : {&theirs, &ours}) {
      client->ask({"DEL", "k"});
      client->ask(args);
    }
    const std::string wanted = theirs.ask({"PFCOUNT", "k"});
    EXPECT_EQ(ours.ask({"PFCOUNT", "k"}), wanted);
    theirs.ask({"SET", "copy", value_of(ours, "k")});
    EXPECT_EQ(theirs.ask({"PFCOUNT", "copy"}), wanted);
    EXPECT_EQ(theirs.ask({"PFADD", "copy", "another one"}), ":1");
    ours.ask({"SET", "copy", value_of(theirs, "k")});
    EXPECT_EQ(ours.ask({"PFCOUNT", "copy"}), wanted);
    EXPECT_EQ(ours.ask({"PFADD", "copy", "another one"}), ":1");
    EXPECT_EQ(ours.ask({"PFCOUNT", "copy"}), theirs.ask({"PFCOUNT", "copy"}));
  }
}

}  // namespace
}  // namespace forebay
