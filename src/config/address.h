#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::config {

// Where a front listens.
struct Address {
  std::string host;        // a name or an IP address, without brackets
  std::uint16_t port = 0;  // 0: any free one
};

// "host:port" or "[ipv6]:port"; nothing if it is neither. Names are not looked up.
std::optional<Address> parse_address(std::string_view text);

// Whether only this machine can reach it: localhost, 127.0.0.0/8, ::1. Any other name counts as reachable.
bool is_loopback(const Address& address);

}  // namespace forebay::config
