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

TEST_F(KeyNotifierTest, SaysWhatBecameOfStreams) {
  start();
  auto writer = connect();
  EXPECT_EQ(writer->ask({"CONFIG", "SET", "notify-keyspace-events", "Et"}), "+OK");
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  const auto after = [&](const std::vector<std::string>& command) {
    writer->ask(command);
    writer->ask({"XADD", "mark", "*", "f", "v"});
    std::string text;
    for (;;) {
      const resp::Reply message = listener->reply_tree();
      if (message.children.size() != 4) return text + message.text;
      const std::string channel = message.children[2].text;
      if (message.children[3].text == "mark") return text;
      text += channel.substr(channel.find(':') + 1) + " " + message.children[3].text;
    }
  };
  EXPECT_EQ(after({"XADD", "s", "1-0", "f", "v"}), "xadd s");
  EXPECT_EQ(after({"XADD", "s", "2-0", "f", "v"}), "xadd s");
  EXPECT_EQ(after({"XADD", "s", "2-0", "f", "v"}), "") << "refused";
  EXPECT_EQ(after({"XGROUP", "CREATE", "s", "g", "0"}), "xgroup-create s");
  EXPECT_EQ(after({"XGROUP", "createconsumer", "s", "g", "c"}), "xgroup-createconsumer s");
  EXPECT_EQ(after({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"}), "");
  EXPECT_EQ(after({"XCLAIM", "s", "g", "c", "0", "1-0"}), "");
  EXPECT_EQ(after({"XAUTOCLAIM", "s", "g", "c", "0", "0"}), "");
  EXPECT_EQ(after({"XACK", "s", "g", "1-0"}), "");
  EXPECT_EQ(after({"XGROUP", "SETID", "s", "g", "0"}), "xgroup-setid s");
  EXPECT_EQ(after({"XGROUP", "DELCONSUMER", "s", "g", "c"}), "xgroup-delconsumer s");
  EXPECT_EQ(after({"XGROUP", "DESTROY", "s", "g"}), "xgroup-destroy s");
  EXPECT_EQ(after({"XGROUP", "DESTROY", "s", "g"}), "");
  EXPECT_EQ(after({"XDEL", "s", "1-0"}), "xdel s");
  EXPECT_EQ(after({"XTRIM", "s", "MAXLEN", "0"}), "xtrim s");
  EXPECT_EQ(after({"XSETID", "s", "9-0"}), "xsetid s");
}

// As redis-server 7.0 names them.
TEST_F(KeyNotifierTest, SaysWhatBecameOfCollections) {
  start();
  auto writer = connect();
  EXPECT_EQ(writer->ask({"CONFIG", "SET", "notify-keyspace-events", "Elshzg$"}), "+OK");
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  const auto after = [&](const std::vector<std::string>& command) {
    writer->ask(command);
    return events(*listener, *writer);
  };
  EXPECT_EQ(after({"LPUSH", "l", "1", "2", "3", "4"}), "lpush l");
  EXPECT_EQ(after({"RPUSHX", "l", "5"}), "rpush l");
  EXPECT_EQ(after({"LMOVE", "l", "m", "LEFT", "RIGHT"}), "rpush m, lpop l");
  EXPECT_EQ(after({"BRPOPLPUSH", "m", "l", "0"}), "lpush l, rpop m, del m");
  EXPECT_EQ(after({"RPOPLPUSH", "l", "l"}), "lpush l, rpop l");
  EXPECT_EQ(after({"LMPOP", "2", "left", "l", "RIGHT"}), "rpop l");
  EXPECT_EQ(after({"BLMPOP", "0", "1", "l", "LEFT"}), "lpop l");
  EXPECT_EQ(after({"BRPOP", "l", "0"}), "rpop l");
  EXPECT_EQ(after({"LPOP", "l", "9"}), "lpop l, del l");
  EXPECT_EQ(after({"ZADD", "z", "1", "a", "2", "b", "3", "c"}), "zadd z");
  EXPECT_EQ(after({"ZADD", "z", "INCR", "1", "a"}), "zincr z");
  EXPECT_EQ(after({"BZPOPMIN", "z", "0"}), "zpopmin z");
  EXPECT_EQ(after({"BZMPOP", "0", "1", "z", "MAX"}), "zpopmax z");
  EXPECT_EQ(after({"ZMPOP", "1", "z", "MIN"}), "zpopmin z, del z");
  EXPECT_EQ(after({"SADD", "s", "a"}), "sadd s");
  EXPECT_EQ(after({"SREM", "s", "a"}), "srem s, del s");
  EXPECT_EQ(after({"HSETNX", "h", "f", "v"}), "hset h");
  EXPECT_EQ(after({"HDEL", "h", "f"}), "hdel h, del h");
  EXPECT_EQ(after({"GEOADD", "g", "1", "2", "here"}), "zadd g");
  EXPECT_EQ(after({"GEORADIUS", "g", "1", "2", "3", "km", "STORE", "s"}), "georadiusstore s");
  EXPECT_EQ(after({"GEORADIUSBYMEMBER", "g", "here", "3", "km", "STORE", "s"}), "georadiusstore s");
  EXPECT_EQ(after({"GEOSEARCHSTORE", "s", "g", "FROMMEMBER", "here", "BYRADIUS", "3", "km"}),
            "geosearchstore s");
  EXPECT_EQ(after({"PFADD", "p", "e"}), "pfadd p");
  EXPECT_EQ(after({"PFMERGE", "p", "none"}), "pfadd p");
  EXPECT_EQ(after({"PFCOUNT", "p"}), "");
}

TEST_F(KeyNotifierTest, SaysWhoWaitedForAnElement) {
  start();
  auto writer = connect();
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", "El"});
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__keyevent@0__:*"});
  auto client = connect();
  client->send_command({"BLMOVE", "l", "m", "RIGHT", "LEFT", "0"});
  EXPECT_TRUE(eventually(
      [&] { return writer->ask({"INFO", "clients"}).find("blocked_clients:1") != std::string::npos; }));
  writer->ask({"RPUSH", "l", "a", "b"});
  for (const std::string_view event : {"rpush l", "lpush m", "rpop l"}) {
    const resp::Reply message = listener->reply_tree();
    ASSERT_EQ(message.children.size(), 4u);
    EXPECT_EQ(message.children[2].text, "__keyevent@0__:" + std::string(event.substr(0, event.find(' '))));
    EXPECT_EQ(message.children[3].text, event.substr(event.find(' ') + 1));
  }
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

TEST_F(KeyNotifierTest, SaysOfWhichDatabaseTheKeyIs) {
  start();
  auto writer = connect();
  writer->ask({"CONFIG", "SET", "notify-keyspace-events", "KEA"});
  auto listener = connect();
  listener->ask({"PSUBSCRIBE", "__key*@3__:*"});
  writer->ask({"SET", "k", "v"});
  writer->ask({"SELECT", "3"});
  writer->ask({"SET", "k", "v"});
  EXPECT_EQ(listener->reply(), "[pmessage __key*@3__:* __keyspace@3__:k set]");
  EXPECT_EQ(listener->reply(), "[pmessage __key*@3__:* __keyevent@3__:set k]");
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
