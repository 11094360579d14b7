#include "cli/resp_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <system_error>
#include <utility>

namespace forebay::cli {
namespace {

constexpr std::size_t kReadSize = std::size_t{16} << 10;

std::string system_message(int error) {
  return std::generic_category().message(error);
}

// Connects a non-blocking socket. Returns 0 or the errno.
int connect_within(int socket, const addrinfo& address, std::chrono::milliseconds timeout) {
  if (::connect(socket, address.ai_addr, address.ai_addrlen) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd ready{socket, POLLOUT, 0};
  int count = 0;
  do {
    count = ::poll(&ready, 1, timeout.count() > 0 ? static_cast<int>(timeout.count()) : -1);
  } while (count < 0 && errno == EINTR);
  if (count == 0) return ETIMEDOUT;
  if (count < 0) return errno;
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

}  // namespace

Result<RespClient> RespClient::connect(const std::string& host, std::uint16_t port,
                                       std::chrono::milliseconds timeout) {
  const std::string service = std::to_string(port);
  std::string peer = host + ":" + service;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), service.c_str(), &hints, &found); error != 0) {
    return {ErrorCode::kUnavailable, "cannot resolve " + peer + ": " + ::gai_strerror(error)};
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    const int socket = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket < 0) {
      error = errno;
      continue;
    }
    error = connect_within(socket, *address, timeout);
    if (error == 0) {
      const int yes = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      return RespClient(socket, std::move(peer), timeout);
    }
    ::close(socket);
  }
  return {error == ETIMEDOUT ? ErrorCode::kTimeout : ErrorCode::kUnavailable,
          "cannot connect to " + peer + ": " + system_message(error)};
}

Result<RespClient> RespClient::connect(std::string_view address, std::chrono::milliseconds timeout) {
  const std::size_t colon = address.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string_view::npos) {
    const std::string_view digits = address.substr(colon + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
    if (error != std::errc() || end != digits.data() + digits.size()) port = 0;
  }
  if (port == 0) {
    return {ErrorCode::kInvalidArgument, "\"" + std::string(address) + "\" is not of the form host:port"};
  }
  std::string_view host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  return connect(std::string(host), port, timeout);
}

RespClient::RespClient(int socket, std::string peer, std::chrono::milliseconds timeout)
    : socket_(socket), timeout_(timeout), peer_(std::move(peer)), in_(kReadSize) {}

RespClient::RespClient(RespClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)),
      timeout_(other.timeout_),
      peer_(std::move(other.peer_)),
      out_(std::move(other.out_)),
      in_(std::move(other.in_)),
      unparsed_(std::exchange(other.unparsed_, {})),
      parser_(std::move(other.parser_)) {}

RespClient& RespClient::operator=(RespClient&& other) noexcept {
  std::swap(socket_, other.socket_);
  std::swap(timeout_, other.timeout_);
  std::swap(peer_, other.peer_);
  std::swap(out_, other.out_);
  std::swap(in_, other.in_);
  std::swap(unparsed_, other.unparsed_);
  std::swap(parser_, other.parser_);
  return *this;
}

RespClient::~RespClient() {
  if (socket_ >= 0) ::close(socket_);
}

Result<resp::Reply> RespClient::call(std::span<const std::string_view> arguments) {
  append(arguments);
  if (auto sent = send(); !sent) return std::move(sent.error());
  return receive();
}

Result<resp::Reply> RespClient::call(std::initializer_list<std::string_view> arguments) {
  return call(std::span<const std::string_view>(arguments.begin(), arguments.size()));
}

void RespClient::append(std::span<const std::string_view> arguments) {
  const auto head = [this](char type, std::size_t count) {
    out_ += type;
    out_ += std::to_string(count);
    out_ += "\r\n";
  };
  head('*', arguments.size());
  for (const std::string_view argument : arguments) {
    head('$', argument.size());
    out_ += argument;
    out_ += "\r\n";
  }
}

void RespClient::append(std::initializer_list<std::string_view> arguments) {
  append(std::span<const std::string_view>(arguments.begin(), arguments.size()));
}

Result<void> RespClient::send() {
  std::size_t sent = 0;
  while (sent < out_.size()) {
    const ssize_t count = ::send(socket_, out_.data() + sent, out_.size() - sent, MSG_NOSIGNAL);
    if (count >= 0) {
      sent += static_cast<std::size_t>(count);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (auto ready = wait_for(POLLOUT); !ready) return ready;
    } else if (errno != EINTR) {
      return {ErrorCode::kUnavailable, "sending to " + peer_ + ": " + system_message(errno)};
    }
  }
  out_.clear();
  return {};
}

Result<resp::Reply> RespClient::receive() {
  for (;;) {
    auto complete = parser_.feed(unparsed_);
    if (!complete) {
      return {complete.error().code,
              "not a reply of the Redis protocol from " + peer_ + ": " + complete.error().message};
    }
    if (*complete) return parser_.take();

    const ssize_t count = ::recv(socket_, in_.data(), in_.size(), 0);
    const int error = errno;
    if (count > 0) {
      unparsed_ = {in_.data(), static_cast<std::size_t>(count)};
      continue;
    }
    if (count < 0 && error == EINTR) continue;
    if (count == 0) return {ErrorCode::kUnavailable, peer_ + " closed the connection"};
    if (error != EAGAIN && error != EWOULDBLOCK) {
      return {ErrorCode::kUnavailable, "receiving from " + peer_ + ": " + system_message(error)};
    }
    if (auto ready = wait_for(POLLIN); !ready) return std::move(ready.error());
  }
}

Result<void> RespClient::wait_for(short events) {
  pollfd ready{socket_, events, 0};
  for (;;) {
    const int count = ::poll(&ready, 1, timeout_.count() > 0 ? static_cast<int>(timeout_.count()) : -1);
    if (count > 0) return {};
    if (count == 0) {
      return {ErrorCode::kTimeout,
              peer_ + " did not answer within " + std::to_string(timeout_.count()) + " ms"};
    }
    if (errno != EINTR)
      return {ErrorCode::kUnavailable, "waiting for " + peer_ + ": " + system_message(errno)};
  }
}

}  // namespace forebay::cli
