// COMMAND, CONFIG, INFO and their like.

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class ServerCommandsTest : public ServerTest {
 protected:
  static std::string line_of(const std::string& info, const std::string& name) {
    const std::size_t at = info.find("\n" + name + ":");
    if (at == std::string::npos) return "(absent)";
    const std::size_t from = at + name.size() + 2;
    return info.substr(from, info.find('\r', from) - from);
  }
};

TEST_F(ServerCommandsTest, InfoHasTheLinesThatToolsParse) {
  start();
  auto client = connect();
  client->ask({"SET", "k", "v", "EX", "100"});
  client->ask({"GET", "k"});
  client->ask({"GET", "absent"});
  const std::string info = client->ask({"INFO"});
  EXPECT_EQ(line_of(info, "redis_version"), "7.4.0");
  EXPECT_NE(line_of(info, "forebay_version"), "(absent)");
  EXPECT_EQ(line_of(info, "tcp_port"), std::to_string(server->resp_port()));
  EXPECT_EQ(line_of(info, "connected_clients"), "1");
  EXPECT_EQ(line_of(info, "maxmemory_policy"), "allkeys-lru");
  EXPECT_EQ(line_of(info, "maxmemory"), std::to_string(std::size_t{512} << 20));
  EXPECT_EQ(line_of(info, "total_commands_processed"), "4");
  EXPECT_EQ(line_of(info, "keyspace_hits"), "1");
  EXPECT_EQ(line_of(info, "keyspace_misses"), "1");
  EXPECT_EQ(line_of(info, "db0"), "keys=1,expires=1,avg_ttl=0");
  for (const char* name : {"used_memory", "mem_fragmentation_ratio", "used_cpu_sys", "used_cpu_user",
                           "expired_keys", "evicted_keys", "instantaneous_ops_per_sec", "role"}) {
    EXPECT_NE(line_of(info, name), "(absent)") << name;
  }
  EXPECT_EQ(info.find("# Commandstats"), std::string::npos);
  const std::string some = client->ask({"INFO", "commandstats", "KEYSPACE"});
  EXPECT_TRUE(some.starts_with("# Commandstats\r\n")) << some;
  EXPECT_TRUE(line_of(some, "cmdstat_get").starts_with("calls=2,"));
  EXPECT_EQ(some.find("# Server"), std::string::npos);
}

TEST_F(ServerCommandsTest, InfoCountsEveryReplyThatIsAnError) {
  start();
  auto client = connect();
  client->ask({"SET", "k", "v"});
  client->ask({"NOPE"});                                                // refused before it ran
  client->ask({"INCR", "k"});                                           // refused by the command
  EXPECT_EQ(client->ask({"GET", "slow:!"}), "-REFUSED no such thing");  // by the source, later
  EXPECT_EQ(client->ask({"GET", "slow:1"}), "v1");
  EXPECT_EQ(line_of(client->ask({"INFO"}), "total_error_replies"), "3");
  client->ask({"CONFIG", "RESETSTAT"});
  EXPECT_EQ(line_of(client->ask({"INFO"}), "total_error_replies"), "0");
}

TEST_F(ServerCommandsTest, CommandStatsTellFailedFromRejectedCalls) {
  start();
  auto client = connect();
  const auto counts = [&](const std::string& command) {
    return line_of(client->ask({"INFO", "commandstats"}), "cmdstat_" + command);
  };
  client->ask({"STRLEN"});
  EXPECT_EQ(counts("strlen"), "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0");
  client->ask({"SET", "k", "v"});
  client->ask({"INCR", "k"});
  EXPECT_EQ(counts("incr"), "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1");
  client->ask({"GET", "slow:!"});  // the source refuses
  EXPECT_EQ(counts("get"), "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1");
  client->ask({"MULTI"});
  client->ask({"INCR", "k"});
  client->ask({"GET", "k"});
  client->ask({"EXEC"});
  EXPECT_EQ(counts("incr"), "calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=2");
  EXPECT_EQ(counts("get"), "calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1");
  client->ask({"MULTI"});
  client->ask({"GET", "slow:1"});  // has a source: not in a transaction
  client->ask({"INCR", "k"});
  client->ask({"EXEC"});
  EXPECT_EQ(counts("get"), "calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=1");
  EXPECT_EQ(counts("incr"), "calls=2,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=2");
  client->ask({"CONFIG", "RESETSTAT"});
  EXPECT_EQ(counts("incr"), "(absent)");
}

TEST_F(ServerCommandsTest, ConfigGetTakesGlobs) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxclients"}), "[maxclients 10000]");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "SAVE", "append*"}), "[appendonly no save ]");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "nope"}), "[]");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "requirepass"}), "[]");
}

TEST_F(ServerCommandsTest, ConfigSetChangesWhatMayBeChanged) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "noeviction"}), "+OK");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxmemory"}), "[maxmemory 104857600]");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxmemory-policy"}), "[maxmemory-policy noeviction]");
  EXPECT_EQ(client->ask({"SET", "kept", "1"}), "+OK");
  for (const char* const policy :
       {"allkeys-lfu", "allkeys-random", "volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl",
        "fifo", "ttl", "sieve", "s3-fifo", "w-tinylfu"}) {
    EXPECT_EQ(client->ask({"CONFIG", "SET", "maxmemory-policy", policy}), "+OK");
    EXPECT_EQ(client->ask({"CONFIG", "GET", "maxmemory-policy"}),
              "[maxmemory-policy " + std::string(policy) + "]");
    EXPECT_EQ(client->ask({"GET", "kept"}), "1") << policy;
  }
  EXPECT_EQ(client->ask({"CONFIG", "SET", "maxmemory-policy", "allkeys-lru"}), "+OK");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxmemory-policy"}), "[maxmemory-policy allkeys-lru]");
  EXPECT_EQ(client->ask({"CONFIG", "SET", "timeout", "30"}), "+OK");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "timeout"}), "[timeout 30]");
}

TEST_F(ServerCommandsTest, ConfigSetRefusesTheRestAndThenChangesNothing) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"CONFIG", "SET", "nope", "1"}),
            "-ERR Unknown option or number of arguments for CONFIG SET - 'nope'");
  EXPECT_EQ(client->ask({"CONFIG", "SET", "port", "1"}),
            "-ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config");
  EXPECT_EQ(
      client->ask({"CONFIG", "SET", "maxclients", "5", "maxmemory", "lots"}),
      "-ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value");
  EXPECT_EQ(client->ask({"CONFIG", "GET", "maxclients"}), "[maxclients 10000]");
  EXPECT_TRUE(
      client->ask({"CONFIG", "SET", "maxmemory-policy", "nope"}).starts_with("-ERR CONFIG SET failed"));
  EXPECT_EQ(client->ask({"CONFIG", "SET", "maxclients"}),
            "-ERR wrong number of arguments for 'config|set' command");
  for (const char* dangerous : {"dir", "dbfilename", "requirepass", "protected-mode", "bind", "unixsocket"}) {
    EXPECT_TRUE(client->ask({"CONFIG", "SET", dangerous, "x"}).starts_with("-ERR")) << dangerous;
  }
  EXPECT_TRUE(client->ask({"CONFIG", "REWRITE"}).starts_with("-ERR CONFIG REWRITE is not supported"));
  EXPECT_TRUE(client->ask({"SHUTDOWN"}).starts_with("-ERR SHUTDOWN"));
}

TEST_F(ServerCommandsTest, ResetStatStartsCountersAgain) {
  start();
  auto client = connect();
  for (int i = 0; i < 10; ++i) client->ask({"GET", "absent"});
  EXPECT_EQ(client->ask({"CONFIG", "RESETSTAT"}), "+OK");
  const std::string info = client->ask({"INFO", "stats"});
  EXPECT_EQ(line_of(info, "keyspace_misses"), "0");
  EXPECT_LT(std::stoi(line_of(info, "total_commands_processed")), 3);
}

TEST_F(ServerCommandsTest, CommandDescribesEveryCommand) {
  start();
  auto client = connect();
  const std::string count = client->ask({"COMMAND", "COUNT"});
  client->send_command({"COMMAND"});
  EXPECT_EQ(":" + std::to_string(client->reply_tree().children.size()), count);
  EXPECT_EQ(client->ask({"COMMAND", "INFO", "get", "nope"}),
            "[[get :2 [+readonly +fast] :1 :1 :1 [+@read +@string +@fast] [] "
            "[[flags [+RO +access] begin_search [type index spec [index :1]] "
            "find_keys [type range spec [lastkey :0 keystep :1 limit :0]]]] []] (nil)]");
  EXPECT_EQ(client->ask({"COMMAND", "DOCS", "ping"}),
            "[ping [summary Returns the server's liveliness response. since 1.0.0 group connection]]");
  EXPECT_EQ(client->ask({"COMMAND", "LIST", "FILTERBY", "PATTERN", "CLI*"}), "[client]");
  EXPECT_EQ(client->ask({"COMMAND", "LIST", "FILTERBY", "NOPE", "x"}), "-ERR syntax error");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "MSET", "a", "1", "b", "2"}), "[a b]");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "PING"}), "-ERR The command has no key arguments");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "NOPE"}), "-ERR Invalid command specified");
  EXPECT_EQ(client->ask({"COMMAND", "GETKEYS", "GET"}),
            "-ERR Invalid number of arguments specified for command");
}

TEST_F(ServerCommandsTest, TimeIsTheWallClock) {
  start();
  auto client = connect();
  client->send_command({"TIME"});
  const resp::Reply time = client->reply_tree();
  ASSERT_EQ(time.children.size(), 2u);
  EXPECT_GT(std::stoll(time.children[0].text), 1'700'000'000);
}

}  // namespace
}  // namespace forebay::server
