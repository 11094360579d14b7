#include "cli/resp_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace forebay::cli {
namespace {

// A server of one connection that reads `expected` bytes and then sends its replies, in pieces that cut them
// anywhere.
class Peer {
 public:
  Peer(std::size_t expected, std::string replies, std::size_t piece) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 1);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ::ntohs(address.sin_port);
    thread_ = std::thread([this, expected, replies = std::move(replies), piece] {
      const int socket = ::accept(listener_, nullptr, nullptr);
      while (received_.size() < expected) {
        char buffer[256];
        const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        received_.append(buffer, static_cast<std::size_t>(count));
      }
      for (std::size_t at = 0; at < replies.size(); at += piece) {
        ::send(socket, replies.data() + at, std::min(piece, replies.size() - at), MSG_NOSIGNAL);
      }
      ::close(socket);
    });
  }
  ~Peer() {
    join();
    ::close(listener_);
  }

  void join() {
    if (thread_.joinable()) thread_.join();
  }
  std::uint16_t port() const { return port_; }
  const std::string& received() const { return received_; }  // after join()

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::string received_;
  std::thread thread_;
};

TEST(RespClient, ACommandIsSentInTheProtocolsFormAndItsReplyReturned) {
  const std::string request = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\na\r\nb\r\n";
  Peer peer(request.size(), "+OK\r\n", 2);
  auto client = RespClient::connect("127.0.0.1", peer.port());
  ASSERT_TRUE(client) << client.error().message;
  const auto reply = client->call({"SET", "k", "a\r\nb"});
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->text, "OK");
  peer.join();
  EXPECT_EQ(peer.received(), request);
}

TEST(RespClient, PipelinedRepliesComeInOrderHoweverTheyAreCut) {
  for (const std::size_t piece : {1, 3, 1000}) {
    Peer peer(1, "$3\r\none\r\n:2\r\n-ERR three\r\n", piece);
    auto client = RespClient::connect("127.0.0.1:" + std::to_string(peer.port()));
    ASSERT_TRUE(client) << client.error().message;
    for (const std::string_view key : {"a", "b", "c"}) client->append({"GET", key});
    ASSERT_TRUE(client->send());
    const auto first = client->receive(), second = client->receive(), third = client->receive();
    ASSERT_TRUE(first && second && third);
    EXPECT_EQ(first->text, "one");
    EXPECT_EQ(second->integer, 2);
    EXPECT_TRUE(third->is_error());
  }
}

TEST(RespClient, AMovedClientKeepsWhatItHasReceived) {
  Peer peer(1, "+one\r\n+two\r\n", 1000);
  auto client = RespClient::connect("127.0.0.1", peer.port());
  ASSERT_TRUE(client) << client.error().message;
  const auto first = client->call({"PING"});
  ASSERT_TRUE(first);
  RespClient moved = *std::move(client);
  const auto second = moved.receive();
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->text, "two");
}

TEST(RespClient, AClosedConnectionIsAnErrorThatNamesTheServer) {
  Peer peer(1, "$10\r\nhalf", 1000);
  auto client = RespClient::connect("127.0.0.1", peer.port());
  ASSERT_TRUE(client) << client.error().message;
  const auto reply = client->call({"GET", "k"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(reply.error().message.find("127.0.0.1:" + std::to_string(peer.port())), std::string::npos);
}

TEST(RespClient, BytesThatAreNoReplyAreAnError) {
  Peer peer(1, "HTTP/1.1 400 Bad Request\r\n", 1000);
  auto client = RespClient::connect("127.0.0.1", peer.port());
  ASSERT_TRUE(client) << client.error().message;
  const auto reply = client->call({"GET", "k"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kInvalidArgument);
}

TEST(RespClient, AServerThatSaysNothingTimesOut) {
  Peer peer(1000, "", 1);
  auto client = RespClient::connect("127.0.0.1", peer.port(), std::chrono::milliseconds(50));
  ASSERT_TRUE(client) << client.error().message;
  const auto reply = client->call({"GET", "k"});
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::kTimeout);
  client = Error{};  // closes the connection, for which the peer waits
}

TEST(RespClient, AddressesWithoutAPortAreRefused) {
  for (const std::string_view address :
       {"localhost", "localhost:", "localhost:x", "localhost:0", "localhost:70000", ""}) {
    const auto client = RespClient::connect(address);
    ASSERT_FALSE(client) << address;
    EXPECT_EQ(client.error().code, ErrorCode::kInvalidArgument) << address;
  }
}

TEST(RespClient, ARefusedConnectionSaysSo) {
  const auto client = RespClient::connect("127.0.0.1:1");
  ASSERT_FALSE(client);
  EXPECT_EQ(client.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace forebay::cli
