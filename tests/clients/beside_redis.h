#pragma once

// The same commands to Forebay and to the machine's redis-server.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "clients/served.h"
#include "support/eventually.h"
#include "support/process.h"
#include "support/test_client.h"

namespace forebay {

using Args = std::vector<std::string>;

// With what kind of reply each part is.
inline std::string show(const resp::Reply& reply) {
  using resp::ReplyKind;
  switch (reply.kind) {
    case ReplyKind::kArray:
    case ReplyKind::kSet:
    case ReplyKind::kMap:
    case ReplyKind::kPush: {
      std::string text = reply.kind == ReplyKind::kArray ? "[" : reply.kind == ReplyKind::kSet ? "~[" : "%[";
      for (const resp::Reply& child : reply.children) text += show(child) + ' ';
      return text + "]";
    }
    case ReplyKind::kReal: {
      char text[40];
      std::snprintf(text, sizeof(text), ",%.17g", reply.real);
      return text;
    }
    case ReplyKind::kBulk:
      return '"' + reply.text + '"';
    default:
      return test::shown(reply);
  }
}

inline std::string in_one_line(const Args& args) {
  std::string command;
  for (const std::string& arg : args) command += '\'' + arg + "' ";
  return command;
}

class BesideRedis : public Served {
 protected:
  BesideRedis() {
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

  std::uint16_t our_port() const { return static_cast<std::uint16_t>(port()); }
  std::uint16_t redis_port() const { return redis_port_; }

  // As many as `rounds` commands of `next()`, each to both. `read` makes of a reply what has to be equal.
  template <class Next, class Read>
  void compare(const std::string& protocol, int rounds, Next next, Read read) {
    test::TestClient theirs(redis_port());
    test::TestClient ours(our_port());
    const auto same = [&](const Args& args) {
      theirs.send_command(args);
      ours.send_command(args);
      const std::string wanted = read(args, theirs.reply_tree());
      ASSERT_EQ(read(args, ours.reply_tree()), wanted) << in_one_line(args);
    };
    for (test::TestClient* client : {&theirs, &ours}) client->ask({"HELLO", protocol});
    same({"FLUSHALL"});
    for (int round = 0; round < rounds && !HasFatalFailure(); ++round) same(next());
  }

 private:
  test::TempDir folder_;
  std::uint16_t redis_port_ = 0;
  test::Process redis_;
};

// What a test draws its commands from.
class Draws {
 public:
  explicit Draws(unsigned seed) : random_(seed) {}

  std::size_t below(std::size_t limit) { return random_() % limit; }
  std::string pick(const std::vector<std::string>& choices) { return choices[below(choices.size())]; }
  static void append(Args& args, const Args& more) { args.insert(args.end(), more.begin(), more.end()); }
  // Between 1 and `most` times what `make` returns, behind `args`.
  template <class Make>
  Args with(Args args, std::size_t most, Make make) {
    for (std::size_t count = 1 + below(most); count > 0; --count) append(args, make());
    return args;
  }

 private:
  std::mt19937 random_;
};

}  // namespace forebay
