// Keyspace notifications over sockets.

#include "server/pubsub/key_notifier.h"

#include <string>
#include <vector>

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class KeyNotifierTest : public ServerTest {
 protected:
  // Events since the last call: "set k", up to a mark that is set last.
  std::string events(TestClient& listener, TestClient& writer) {
    writer.ask({"SET", "mark", "x"});
    std::string text;
    for (;;) {
      const resp::Reply message = listener.reply_tree();
      if (message.kind == resp::ReplyKind::kError) return text + message.text;
      const std::string channel = message.children.at(2).text;
      const std::string event = channel.substr(channel.find(':') + 1) + " " + message.children.at(3).text;
      if (event == "set mark") return text;
      text += (text.empty() ? "" : ", ") + event;
    }
  }
};

TEST_F(KeyNotifierTest, SaysWhatBecameOfPlainKeys) {
  start();
  auto writer = connect();
  EXPECT_EQ(writer->ask({"CONFIG", "SET", "notify-keyspace-events", "AE"}), "+OK");
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  const auto after = [&](const std::vector<std::string>& command) {
    writer->ask(command);
    return events(*listener, *writer);
  };
  EXPECT_EQ(after({"SET", "k", "1"}), "set k");
  EXPECT_EQ(after({"INCR", "k"}), "incrby k");
  EXPECT_EQ(after({"DECRBY", "k", "2"}), "incrby k");
  EXPECT_EQ(after({"INCRBYFLOAT", "k", "0.5"}), "incrbyfloat k");
  EXPECT_EQ(after({"APPEND", "k", "x"}), "append k");
  EXPECT_EQ(after({"EXPIRE", "k", "100"}), "expire k");
  EXPECT_EQ(after({"PERSIST", "k"}), "persist k");
  EXPECT_EQ(after({"SET", "k", "1", "EX", "100"}), "set k, expire k");
  EXPECT_EQ(after({"GET", "k"}), "");
  EXPECT_EQ(after({"DEL", "k"}), "del k");
  EXPECT_EQ(after({"DEL", "k"}), "") << "there was none";
  EXPECT_EQ(after({"MSET", "a", "1", "b", "2"}), "set a, set b");
  writer->ask({"MULTI"});
  writer->ask({"SETRANGE", "a", "0", "x"});
  writer->ask({"GETDEL", "b"});
  EXPECT_EQ(after({"EXEC"}), "setrange a, del b");
}

TEST_F(KeyNotifierTest, SaysWhatBecameOfPlacesAndCounts) {
  start();
  auto writer = connect();
  EXPECT_EQ(writer->ask({"CONFIG", "SET", "notify-keyspace-events", "Ez$"}), "+OK");
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  const auto after = [&](const std::vector<std::string>& command) {
    writer->ask(command);
    return events(*listener, *writer);
  };
  EXPECT_EQ(after({"ZADD", "z", "1", "m"}), "zadd z");
  EXPECT_EQ(after({"GEOADD", "g", "1", "2", "here"}), "zadd g");
  EXPECT_EQ(after({"GEORADIUS", "g", "1", "2", "3", "km", "STORE", "s"}), "georadiusstore s");
  EXPECT_EQ(after({"GEORADIUSBYMEMBER", "g", "here", "3", "km", "STORE", "s"}), "georadiusstore s");
  EXPECT_EQ(after({"GEOSEARCHSTORE", "s", "g", "FROMMEMBER", "here", "BYRADIUS", "3", "km"}),
            "geosearchstore s");
  EXPECT_EQ(after({"PFADD", "h", "e"}), "pfadd h");
  EXPECT_EQ(after({"PFMERGE", "h", "none"}), "pfadd h");
  EXPECT_EQ(after({"PFCOUNT", "h"}), "");
}

TEST_F(KeyNotifierTest, SaysThatKeysExpire) {
  start();
  auto writer = connect();
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", "KEx"});
  auto listener = connect();
  listener->ask({"SUBSCRIBE", "__keyevent@0__:expired", "__keyspace@0__:k"});
  listener->reply();
  writer->ask({"SET", "k", "v", "PX", "50"});
  clock.advance(1s);
  EXPECT_EQ(listener->reply(), "[message __keyspace@0__:k expired]");
  EXPECT_EQ(listener->reply(), "[message __keyevent@0__:expired k]");
}

TEST_F(KeyNotifierTest, IsOffAtFirstAndAgainWhenTurnedOff) {
  start();
  auto writer = connect();
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__key*"});
  writer->ask({"SET", "k", "1"});
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", "KEA"});
  EXPECT_EQ(writer->ask({"CONFIG", "GET", "notify-keyspace-events"}), "[notify-keyspace-events AKE]");
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", ""});
  writer->ask({"SET", "k", "2"});
  EXPECT_EQ(listener->ask({"PING"}), "[pong ]");
  EXPECT_EQ(writer->ask({"CONFIG", "SET", "notify-keyspace-events", "KEq"}),
            "-ERR CONFIG SET failed (possibly related to argument 'notify-keyspace-events') - Invalid event "
            "class character. Use 'Ag$lshzxeKEtd'.");
}

TEST_F(KeyNotifierTest, OnlyTheKindsThatWereAskedFor) {
  start();
  auto writer = connect();
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", "E$"});
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__key*"});
  writer->ask({"SET", "k", "1"});
  writer->ask({"EXPIRE", "k", "100"});
  writer->ask({"DEL", "k"});
  EXPECT_EQ(events(*listener, *writer), "set k");
}

}  // namespace
}  // namespace forebay::server
