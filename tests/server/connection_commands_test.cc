// HELLO, AUTH, SELECT, RESET and CLIENT as Redis 7 answers them.

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class ConnectionCommandsTest : public ServerTest {
 protected:
  // The value of `name=` in a CLIENT LIST line.
  static std::string field(const std::string& line, const std::string& name) {
    const std::size_t at = line.find(" " + name + "=");
    if (at == std::string::npos) return "(absent)";
    const std::size_t from = at + name.size() + 2;
    return line.substr(from, line.find_first_of(" \n", from) - from);
  }
};

TEST_F(ConnectionCommandsTest, RefusesWhatItDoesNotKnowWithRedisTexts) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"NOPE", "a", "b c"}),
            "-ERR unknown command 'NOPE', with args beginning with: 'a' 'b c' ");
  EXPECT_EQ(client->ask({"GET"}), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(client->ask({"PING", "a", "b"}), "-ERR wrong number of arguments for 'ping' command");
  EXPECT_EQ(client->ask({"CLIENT", "NOPE"}), "-ERR unknown subcommand 'NOPE'. Try CLIENT HELP.");
  EXPECT_EQ(client->ask({"CLIENT", "GETNAME", "x"}),
            "-ERR wrong number of arguments for 'client|getname' command");
  EXPECT_EQ(client->ask({"CLIENT"}), "-ERR wrong number of arguments for 'client' command");
}

TEST_F(ConnectionCommandsTest, HelloNegotiatesTheProtocol) {
  start();
  auto client = connect();
  const std::string id = client->ask({"CLIENT", "ID"}).substr(1);
  EXPECT_EQ(client->ask({"HELLO", "3", "SETNAME", "me"}),
            "{server redis version 7.4.0 proto :3 id :" + id + " mode standalone role master modules []}");
  EXPECT_EQ(client->ask({"CLIENT", "GETNAME"}), "me");
  EXPECT_EQ(client->ask({"HELLO"}).substr(0, 15), "{server redis v");
  EXPECT_EQ(client->ask({"HELLO", "2"}).substr(0, 15), "[server redis v");
  EXPECT_EQ(client->ask({"HELLO", "4"}), "-NOPROTO unsupported protocol version");
  EXPECT_EQ(client->ask({"HELLO", "x"}), "-ERR Protocol version is not an integer or out of range");
  EXPECT_EQ(client->ask({"HELLO", "3", "NOPE"}), "-ERR Syntax error in HELLO option 'NOPE'");
  EXPECT_EQ(client->ask({"HELLO", "3", "SETNAME", "a b"}),
            "-ERR Client names cannot contain spaces, newlines or special characters.");
}

TEST_F(ConnectionCommandsTest, NothingRunsBeforeThePassword) {
  options.password = "secret";
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"PING"}), "-NOAUTH Authentication required.");
  EXPECT_EQ(client->ask({"GET", "k"}), "-NOAUTH Authentication required.");
  EXPECT_TRUE(client->ask({"HELLO", "3"}).starts_with("-NOAUTH HELLO must be called"));
  EXPECT_EQ(client->ask({"AUTH", "wrong"}), "-WRONGPASS invalid username-password pair or user is disabled.");
  EXPECT_EQ(client->ask({"AUTH", "someone", "secret"}),
            "-WRONGPASS invalid username-password pair or user is disabled.");
  EXPECT_EQ(client->ask({"PING"}), "-NOAUTH Authentication required.");
  EXPECT_EQ(client->ask({"AUTH", "default", "secret"}), "+OK");
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
  EXPECT_EQ(client->ask({"RESET"}), "+RESET");
  EXPECT_EQ(client->ask({"PING"}), "-NOAUTH Authentication required.");
  EXPECT_TRUE(client->ask({"HELLO", "3", "AUTH", "default", "secret"}).starts_with("{server redis"));
  EXPECT_EQ(client->ask({"PING"}), "+PONG");
}

TEST_F(ConnectionCommandsTest, AWrongPasswordDelaysItsOwnConnectionOnly) {
  options.password = "secret";
  start();
  auto guesser = connect();
  std::string guesses;
  for (int i = 0; i < 3; ++i) guesses += TestClient::encode({"AUTH", "guess" + std::to_string(i)});
  guesser->send(guesses + TestClient::encode({"AUTH", "secret"}));
  EXPECT_EQ(connect()->ask({"AUTH", "secret"}), "+OK");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(guesser->reply().starts_with("-WRONGPASS"));
  EXPECT_EQ(guesser->reply(), "+OK");
}

TEST_F(ConnectionCommandsTest, AuthWithoutAPasswordConfiguredIsAnError) {
  start();
  auto client = connect();
  EXPECT_TRUE(
      client->ask({"AUTH", "x"}).starts_with("-ERR AUTH <password> called without any password configured"));
  EXPECT_EQ(client->ask({"AUTH", "default", "anything"}), "+OK");
  EXPECT_EQ(client->ask({"AUTH", "a", "b", "c"}), "-ERR syntax error");
}

TEST_F(ConnectionCommandsTest, SelectKnowsSixteenDatabases) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"SET", "k", "first"}), "+OK");
  EXPECT_EQ(client->ask({"SELECT", "15"}), "+OK");
  EXPECT_EQ(client->ask({"GET", "k"}), "(nil)");
  EXPECT_NE(client->ask({"CLIENT", "INFO"}).find(" db=15 "), std::string::npos);
  EXPECT_EQ(client->ask({"SELECT", "16"}), "-ERR DB index is out of range");
  EXPECT_EQ(client->ask({"SELECT", "-1"}), "-ERR DB index is out of range");
  EXPECT_EQ(client->ask({"SET", "k", "last"}), "+OK") << "a wrong number changes nothing";
  EXPECT_EQ(client->ask({"RESET"}), "+RESET");
  EXPECT_EQ(client->ask({"GET", "k"}), "first");
  EXPECT_EQ(client->ask({"SELECT", "x"}), "-ERR value is not an integer or out of range");
}

TEST_F(ConnectionCommandsTest, ResetForgetsEverything) {
  start();
  auto client = connect();
  client->ask({"HELLO", "3", "SETNAME", "me"});
  client->ask({"MULTI"});
  EXPECT_EQ(client->ask({"RESET"}), "+RESET");
  EXPECT_EQ(client->ask({"EXEC"}), "-ERR EXEC without MULTI");
  EXPECT_EQ(client->ask({"CLIENT", "GETNAME"}), "(nil)");
  EXPECT_EQ(client->ask({"HELLO"}).front(), '[');
}

TEST_F(ConnectionCommandsTest, RefusedCommandsSpoilATransaction) {
  start();
  auto client = connect();
  EXPECT_EQ(client->ask({"MULTI"}), "+OK");
  EXPECT_EQ(client->ask({"GET"}), "-ERR wrong number of arguments for 'get' command");
  EXPECT_EQ(client->ask({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client->ask({"MULTI"}), "+OK");
  EXPECT_TRUE(client->ask({"NOPE"}).starts_with("-ERR unknown command"));
  EXPECT_EQ(client->ask({"EXEC"}), "-EXECABORT Transaction discarded because of previous errors.");
  EXPECT_EQ(client->ask({"MULTI"}), "+OK");
  EXPECT_EQ(client->ask({"SET", "k", "v"}), "+QUEUED");
  EXPECT_EQ(client->ask({"INFO", "keyspace"}), "+QUEUED");
  EXPECT_EQ(client->ask({"CONFIG", "SET", "maxclients", "100"}), "+QUEUED");
  EXPECT_EQ(client->ask({"EXEC"}).substr(0, 5), "[+OK ");
}

TEST_F(ConnectionCommandsTest, ClientListShowsWhatClientsSayOfThemselves) {
  start();
  auto client = connect();
  auto other = connect();
  EXPECT_EQ(client->ask({"CLIENT", "SETNAME", "worker"}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "SETINFO", "LIB-NAME", "mylib"}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "SETINFO", "lib-ver", "1.2"}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "SETINFO", "nope", "1.2"}), "-ERR Unrecognized option 'nope'");
  EXPECT_EQ(client->ask({"CLIENT", "NO-EVICT", "on"}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "NO-TOUCH", "on"}), "+OK");
  EXPECT_EQ(client->ask({"CLIENT", "NO-TOUCH", "maybe"}), "-ERR syntax error");
  const std::string id = client->ask({"CLIENT", "ID"}).substr(1);
  const std::string line = other->ask({"CLIENT", "LIST", "ID", id});
  EXPECT_EQ(field(line, "addr"), "127.0.0.1:" + std::to_string(client->local_port()));
  EXPECT_EQ(field(line, "laddr"), "127.0.0.1:" + std::to_string(server->resp_port()));
  EXPECT_EQ(field(line, "name"), "worker");
  EXPECT_EQ(field(line, "lib-name"), "mylib");
  EXPECT_EQ(field(line, "lib-ver"), "1.2");
  EXPECT_EQ(field(line, "flags"), "eT");
  EXPECT_EQ(field(line, "cmd"), "client");
  EXPECT_EQ(line.find("\n"), line.size() - 1);
  EXPECT_EQ(field(client->ask({"CLIENT", "INFO"}), "name"), "worker");
  EXPECT_EQ(other->ask({"CLIENT", "LIST", "TYPE", "pubsub"}), "");
  EXPECT_EQ(other->ask({"CLIENT", "LIST", "TYPE", "nope"}), "-ERR Unknown client type 'nope'");
  EXPECT_EQ(other->ask({"CLIENT", "LIST", "ID", "x"}), "-ERR Invalid client ID");
}

TEST_F(ConnectionCommandsTest, KillClosesWhomItNames) {
  start();
  auto killer = connect();
  auto first = connect();
  auto second = connect();
  first->ask({"PING"});
  const std::string id = second->ask({"CLIENT", "ID"}).substr(1);
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "127.0.0.1:1"}), "-ERR No such client");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "127.0.0.1:" + std::to_string(first->local_port())}), "+OK");
  EXPECT_TRUE(first->closed());
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "ID", id}), ":1");
  EXPECT_TRUE(second->closed());
  EXPECT_TRUE(eventually([this] { return server->stats().clients == 1; }));
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "ID", id}), ":0");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "TYPE", "normal"}), ":0");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "ID", "0"}), "-ERR client-id should be greater than 0");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "ID"}), "-ERR No such client");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "NOPE", "x"}), "-ERR syntax error");
  EXPECT_EQ(killer->ask({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"}), ":1");
  EXPECT_TRUE(killer->closed());
}

}  // namespace
}  // namespace forebay::server
