#include "support/test_client.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

namespace forebay::test {

TestClient::TestClient(std::uint16_t port, int receive_buffer)
    : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (receive_buffer > 0)
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("can't connect to port " + std::to_string(port));
  }
}

TestClient::TestClient(const std::string& path) : socket_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    throw std::runtime_error("can't connect to " + path);
}

TestClient::~TestClient() {
  if (socket_ >= 0) ::close(socket_);
}

bool TestClient::send(std::string_view bytes) {
  while (!bytes.empty()) {
    pollfd waiting{socket_, POLLOUT, 0};
    if (::poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) != 1) return false;
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string TestClient::encode(const std::vector<std::string>& args) {
  std::string bytes = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  return bytes;
}

resp::Reply TestClient::reply_tree() {
  const auto failure = [](std::string_view what) {
    resp::Reply reply;
    reply.kind = resp::ReplyKind::kError;
    reply.text = what;
    return reply;
  };
  for (;;) {
    std::string_view rest = std::string_view(received_).substr(used_);
    const Result<bool> complete = parser_.feed(rest);
    used_ = received_.size() - rest.size();
    if (!complete) return failure(complete.error().message);
    if (*complete) return parser_.take();
    received_.resize(std::size_t{64} << 10);
    used_ = 0;
    pollfd waiting{socket_, POLLIN, 0};
    const bool readable = ::poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) == 1;
    const ssize_t bytes = readable ? ::recv(socket_, received_.data(), received_.size(), 0) : 0;
    received_.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
    if (!readable) return failure("timeout");
    if (bytes <= 0) return failure("closed");
  }
}

std::string TestClient::reply() {
  const resp::Reply reply = reply_tree();
  if (reply.is_error() && (reply.text == "closed" || reply.text == "timeout")) return "(" + reply.text + ")";
  return shown(reply);
}

std::string TestClient::read_all() {
  std::string all = received_.substr(used_);
  received_.clear();
  used_ = 0;
  char buffer[16384];
  for (;;) {
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, std::chrono::milliseconds(kPatience).count()) != 1) return all + "(timeout)";
    const ssize_t bytes = ::recv(socket_, buffer, sizeof buffer, 0);
    if (bytes <= 0) return all;
    all.append(buffer, static_cast<std::size_t>(bytes));
  }
}

void TestClient::end_sending() {
  ::shutdown(socket_, SHUT_WR);
}

void TestClient::abort() {
  const linger reset{1, 0};
  ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  ::close(std::exchange(socket_, -1));
}

std::uint16_t TestClient::local_port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

std::string shown(const resp::Reply& reply) {
  using resp::ReplyKind;
  switch (reply.kind) {
    case ReplyKind::kNull:
      return "(nil)";
    case ReplyKind::kSimple:
      return "+" + reply.text;
    case ReplyKind::kError:
      return "-" + reply.text;
    case ReplyKind::kInteger:
      return ":" + std::to_string(reply.integer);
    case ReplyKind::kBulk:
    case ReplyKind::kVerbatim:
    case ReplyKind::kBig:
      return reply.text;
    case ReplyKind::kReal:
      return std::to_string(reply.real);
    case ReplyKind::kBoolean:
      return reply.integer != 0 ? "true" : "false";
    case ReplyKind::kArray:
    case ReplyKind::kSet:
    case ReplyKind::kPush:
    case ReplyKind::kMap:
      break;
  }
  const bool map = reply.kind == ReplyKind::kMap;
  std::string text(1, map ? '{' : '[');
  for (std::size_t i = 0; i < reply.children.size(); ++i) {
    if (i > 0) text += ' ';
    text += shown(reply.children[i]);
  }
  return text + (map ? '}' : ']');
}

}  // namespace forebay::test
