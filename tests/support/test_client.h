#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_parser.h"

namespace forebay::test {

// A client that a test speaks through, byte by byte if it must. Blocking; every wait ends after kPatience
// with "(timeout)".
class TestClient {
 public:
  static constexpr std::chrono::seconds kPatience{20};

  // `receive_buffer`: SO_RCVBUF, 0 for the system's.
  explicit TestClient(std::uint16_t port, int receive_buffer = 0);
  // Over a Unix socket.
  explicit TestClient(const std::string& path);
  ~TestClient();
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;

  // False: the peer has closed.
  bool send(std::string_view bytes);
  void send_command(const std::vector<std::string>& args) { send(encode(args)); }
  static std::string encode(const std::vector<std::string>& args);

  // The next reply as text: +OK -ERR… :1 $bytes (nil) [a b] {a b}, "(closed)" or "(timeout)".
  std::string reply();
  resp::Reply reply_tree();  // an error reply "closed" or "timeout" where there is none
  std::string ask(const std::vector<std::string>& args) {
    send_command(args);
    return reply();
  }
  // Everything until the peer closes.
  std::string read_all();
  bool closed() { return reply() == "(closed)"; }
  // No more will be sent.
  void end_sending();
  // Closes with a reset.
  void abort();
  int descriptor() const { return socket_; }
  std::uint16_t local_port() const;

 private:
  int socket_ = -1;
  resp::ReplyParser parser_;
  std::string received_;
  std::size_t used_ = 0;
};

std::string shown(const resp::Reply& reply);

}  // namespace forebay::test
