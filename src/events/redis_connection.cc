#include "events/redis_connection.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>
#include <utility>

namespace forebay::events {
namespace {

constexpr std::size_t kReadSize = std::size_t{64} << 10;

}  // namespace

Result<config::RedisUrl> redis_of(const config::Events& section) {
  auto url = config::parse_redis_url(section.url);
  if (!url || section.password_env.empty()) return url;
  const char* password = std::getenv(section.password_env.c_str());
  if (password == nullptr)
    return Error{ErrorCode::kConfig,
                 fmt::format("password_env: there is no {} in the environment", section.password_env)};
  url->password = password;
  return url;
}

RedisConnection::RedisConnection(std::string peer, const resp::ReplyLimits& limits,
                                 const CallContext& context)
    : peer_(std::move(peer)),
      timeout_(context.timeout),
      cancel_(context.cancel),
      heard_at_(std::chrono::steady_clock::now()),
      in_(kReadSize),
      parser_(limits) {}

RedisConnection::~RedisConnection() {
  if (cancel_ != nullptr && wake_ >= 0) cancel_->on_cancel(nullptr);
  if (socket_ >= 0) ::close(socket_);
  if (wake_ >= 0) ::close(wake_);
}

Result<std::unique_ptr<RedisConnection>> RedisConnection::open(const config::RedisUrl& url,
                                                               const resp::ReplyLimits& limits,
                                                               const CallContext& context) {
  std::unique_ptr<RedisConnection> made(
      new RedisConnection(fmt::format("{}:{}", url.host, url.port), limits, context));
  if (context.cancel != nullptr) {
    made->wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->wake_ < 0) return made->failure("connecting to", errno);
    context.cancel->on_cancel([wake = made->wake_] { ::eventfd_write(wake, 1); });
  }
  if (auto connected = made->connect(url); !connected) return std::move(connected).error();
  if (auto begun = made->begin(url); !begun) return std::move(begun).error();
  return made;
}

Error RedisConnection::failure(std::string_view doing, int error) const {
  return {error == ETIMEDOUT ? ErrorCode::kTimeout : ErrorCode::kUnavailable,
          fmt::format("{} {}: {}", doing, peer_, std::generic_category().message(error))};
}

Result<void> RedisConnection::connect(const config::RedisUrl& url) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
      error != 0)
    return Error{ErrorCode::kUnavailable, fmt::format("cannot resolve {}: {}", peer_, ::gai_strerror(error))};
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    socket_ = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    error = socket_ < 0 || ::connect(socket_, address->ai_addr, address->ai_addrlen) != 0 ? errno : 0;
    if (socket_ >= 0 && error == EINPROGRESS) {
      const auto ready = wait_for(POLLOUT, timeout_);
      if (!ready) return ready.error();
      socklen_t size = sizeof error;
      error = ETIMEDOUT;
      if (*ready && ::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
    }
    if (error == 0) break;
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  if (error != 0) return failure("connecting to", error);
  const int yes = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return {};
}

Result<void> RedisConnection::begin(const config::RedisUrl& url) {
  const auto done = [this](const Result<resp::Reply>& reply, std::string_view what) -> Result<void> {
    if (!reply) return reply.error();
    if (reply->is_error())
      return Error{ErrorCode::kUnavailable, fmt::format("{} refuses {}: {}", peer_, what, reply->text)};
    return {};
  };
  if (!url.password.empty()) {
    const auto reply = url.user.empty() ? call({"AUTH", url.password}, timeout_)
                                        : call({"AUTH", url.user, url.password}, timeout_);
    if (auto logged_in = done(reply, "the login"); !logged_in) return logged_in;
  }
  if (url.database == 0) return {};
  return done(call({"SELECT", std::to_string(url.database)}, timeout_), "the database");
}

Result<bool> RedisConnection::wait_for(short events, milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    pollfd ready[] = {{socket_, events, 0}, {wake_, POLLIN, 0}};  // a negative one is passed over
    const int count = ::poll(ready, 2, static_cast<int>(std::max(left, milliseconds(0)).count()));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return failure("waiting for", errno);
    if (cancel_ != nullptr && cancel_->cancelled()) return Error{ErrorCode::kCancelled, "cancelled"};
    return ready[0].revents != 0;
  }
}

Result<void> RedisConnection::send(std::initializer_list<std::string_view> arguments) {
  std::string out = fmt::format("*{}\r\n", arguments.size());
  for (const std::string_view argument : arguments)
    out.append(fmt::format("${}\r\n", argument.size())).append(argument).append("\r\n");
  for (std::string_view left = out; !left.empty();) {
    const ssize_t count = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (count >= 0) {
      left.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return failure("sending to", errno);
    const auto ready = wait_for(POLLOUT, timeout_);
    if (!ready) return ready.error();
    if (!*ready) return failure("sending to", ETIMEDOUT);
  }
  return {};
}

Result<std::optional<resp::Reply>> RedisConnection::receive(milliseconds timeout) {
  const auto until = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto complete = parser_.feed(unparsed_);
    if (!complete)
      return Error{complete.error().code, fmt::format("from {}: {}", peer_, complete.error().message)};
    if (*complete) return std::optional<resp::Reply>(parser_.take());

    const ssize_t count = ::recv(socket_, in_.data(), in_.size(), 0);
    const int error = errno;
    if (count > 0) {
      unparsed_ = {in_.data(), static_cast<std::size_t>(count)};
      heard_at_ = std::chrono::steady_clock::now();
      continue;
    }
    if (count == 0) return Error{ErrorCode::kUnavailable, fmt::format("{} closed the connection", peer_)};
    if (error == EINTR) continue;
    if (error != EAGAIN && error != EWOULDBLOCK) return failure("receiving from", error);
    const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
    const auto ready = wait_for(POLLIN, std::max(left, milliseconds(0)));
    if (!ready) return ready.error();
    if (!*ready) return std::optional<resp::Reply>();
  }
}

Result<resp::Reply> RedisConnection::call(std::initializer_list<std::string_view> arguments,
                                          milliseconds timeout) {
  if (auto sent = send(arguments); !sent) return std::move(sent).error();
  auto reply = receive(timeout);
  if (!reply) return std::move(reply).error();
  if (!*reply)
    return Error{ErrorCode::kTimeout, fmt::format("{} did not answer within {} ms", peer_, timeout.count())};
  return std::move(**reply);
}

}  // namespace forebay::events
