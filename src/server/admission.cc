#include "server/admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace forebay::server {

Result<HostPort> parse_host_port(std::string_view text) {
  const auto wrong = [text](std::string_view why) {
    return Error{ErrorCode::kConfig, std::string("address '").append(text).append("': ").append(why)};
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong("no port (host:port is expected)");
  const std::string_view port_text = text.substr(colon + 1);
  HostPort result;
  const auto [end, error] =
      std::from_chars(port_text.data(), port_text.data() + port_text.size(), result.port);
  if (error != std::errc() || end != port_text.data() + port_text.size())
    return wrong("the port is no number up to 65535");
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  if (host == "*") host = {};
  result.host = host;
  if (!host.empty()) {
    in_addr v4{};
    in6_addr v6{};
    if (inet_pton(AF_INET, result.host.c_str(), &v4) != 1 &&
        inet_pton(AF_INET6, result.host.c_str(), &v6) != 1) {
      return wrong("the host is no IPv4 or IPv6 address");
    }
  }
  return result;
}

bool is_loopback(std::string_view address) {
  const std::string text(address);
  in_addr v4{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return true;
  return IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127;
}

std::string address_group(std::string_view address) {
  std::string text(address);
  in6_addr v6{};
  if (inet_pton(AF_INET6, text.c_str(), &v6) != 1 || IN6_IS_ADDR_V4MAPPED(&v6)) return text;
  std::fill(std::begin(v6.s6_addr) + 8, std::end(v6.s6_addr), std::uint8_t{0});
  char group[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &v6, group, sizeof group);
  return std::string(group).append("/64");
}

bool names_this_server(std::string_view host, std::span<const std::string> names) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string text(host);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, text.c_str(), &v4) == 1 || inet_pton(AF_INET6, text.c_str(), &v6) == 1) return true;
  const auto same = [&text](std::string_view name) {
    return std::equal(text.begin(), text.end(), name.begin(), name.end(), [](char a, char b) {
      const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
      return lower(a) == lower(b);
    });
  };
  return same("localhost") || std::any_of(names.begin(), names.end(), same);
}

bool admits(std::string_view peer_address, bool has_password, bool protected_mode) {
  return has_password || !protected_mode || is_loopback(peer_address);
}

bool equal_in_constant_time(std::string_view given, std::string_view secret) {
  // Walks the client's text, whose length it knows anyway; the secret's length only enters through the
  // difference.
  unsigned char difference = given.size() == secret.size() ? 0 : 1;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const char expected = secret.empty() ? '\0' : secret[i % secret.size()];
    difference = static_cast<unsigned char>(
        difference | (static_cast<unsigned char>(given[i]) ^ static_cast<unsigned char>(expected)));
  }
  return difference == 0;
}

Duration AuthThrottle::on_failure(std::string_view host, Instant now) {
  const MutexLock lock(mutex_);
  auto found = hosts_.find(host);
  if (found != hosts_.end() && now - found->second.last <= kForget) {
    found->second.delay = std::min<Duration>(found->second.delay * 2, kMost);
    found->second.last = now;
    return found->second.delay;
  }
  if (found == hosts_.end()) {
    if (hosts_.size() >= kHosts) {
      hosts_.erase(std::min_element(hosts_.begin(), hosts_.end(), [](const auto& a, const auto& b) {
        return a.second.last < b.second.last;
      }));
    }
    found = hosts_.emplace(host, Record{}).first;
  }
  found->second = {kFirst, now};
  return kFirst;
}

Duration AuthThrottle::delay(std::string_view host, Instant now) {
  const MutexLock lock(mutex_);
  const auto found = hosts_.find(host);
  return found != hosts_.end() && now - found->second.last <= kForget ? found->second.delay : Duration(0);
}

void AuthThrottle::on_success(std::string_view host) {
  const MutexLock lock(mutex_);
  if (const auto found = hosts_.find(host); found != hosts_.end()) hosts_.erase(found);
}

}  // namespace forebay::server
