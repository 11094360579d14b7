#include "server/listen.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "server/admission.h"

namespace forebay::server {
namespace {

// Every interface means IPv4: the configuration names an IPv6 address where one is wanted.
socklen_t fill(const HostPort& address, sockaddr_storage& out) {
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
  if (inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    return sizeof(sockaddr_in6);
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
  *v4 = {};
  v4->sin_family = AF_INET;
  v4->sin_port = htons(address.port);
  if (!address.host.empty()) inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr);
  return sizeof(sockaddr_in);
}

}  // namespace

void Descriptor::reset() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Result<Descriptor> listen_on(const HostPort& address, Port port, std::string_view front) {
  const auto failed = [&](std::string_view step) {
    return Error{ErrorCode::kConfig, fmt::format("server.{} {}:{}: {}: {}", front, address.host, address.port,
                                                 step, std::strerror(errno))};
  };
  sockaddr_storage storage{};
  const socklen_t size = fill(address, storage);
  Descriptor listener(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!listener.is_open()) return failed("can't open a socket");
  const int on = 1;
  if (::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return failed("can't reuse it");
  if (port == Port::kShared && ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0) {
    return failed("can't share the port");
  }
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&storage), size) != 0)
    return failed("can't bind");
  if (::listen(listener.get(), SOMAXCONN) != 0) return failed("can't listen");
  return listener;
}

std::uint16_t port_of(const Descriptor& listener) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return 0;
  return ntohs(storage.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port
                                             : reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
}

AddressText text_of(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return {host, fmt::format("[{}]:{}", host, ntohs(v6.sin6_port))};
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  return {host, fmt::format("{}:{}", host, ntohs(v4.sin_port))};
}

}  // namespace forebay::server
