#pragma once

// Who may connect, and how fast a password may be guessed. No sockets here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/clock.h"
#include "forebay/result.h"

namespace forebay::server {

// `host:port`, `[v6]:port`, `:port` or `*:port` (every interface), split. Port 0 lets the system choose.
struct HostPort {
  std::string host;  // a numeric address; empty: every interface
  std::uint16_t port = 0;
};
Result<HostPort> parse_host_port(std::string_view text);

// Whether the numeric address reaches this machine only (127.0.0.0/8, ::1, the same as IPv4-mapped IPv6).
bool is_loopback(std::string_view address);

// Whose address counts as one with this one: a host has 2^64 of IPv6. Others are returned as they are.
std::string address_group(std::string_view address);

// Whether a Host header names this server for sure: an address, localhost, or one of `names`. Any other name
// may be one that a page in a browser had point here, to read what that browser can reach.
bool names_this_server(std::string_view host, std::span<const std::string> names);

// Protected mode: without a password only this machine is served.
bool admits(std::string_view peer_address, bool has_password, bool protected_mode);
inline constexpr std::string_view kDenied =
    "DENIED Forebay is running in protected mode: no password is set, so only connections from the loopback "
    "interface "
    "are accepted. To serve other machines, set server.password in the configuration; or, if the network is "
    "trusted, "
    "set server.protected_mode = false.";

// Compares without revealing by its duration how much of `given` is right (its length may show).
bool equal_in_constant_time(std::string_view given, std::string_view secret);

// Slows down password guessing: how long the answer to a password is held back, by peer address. Doubles with
// each failure from kFirst up to kMost, and is forgotten kForget after the last one, or once a right password
// was given. The right one has to wait as well: else it would be known by what is answered at once, and the
// others need not be waited for. Thread-safe; at most kHosts are remembered, beyond that the one that failed
// longest ago is forgotten.
class AuthThrottle {
 public:
  static constexpr std::chrono::milliseconds kFirst{50};
  static constexpr std::chrono::milliseconds kMost{2000};
  static constexpr std::chrono::seconds kForget{60};
  static constexpr std::size_t kHosts = 1024;

  Duration on_failure(std::string_view host, Instant now);
  // How long the answer to a right password is held back now.
  Duration delay(std::string_view host, Instant now);
  void on_success(std::string_view host);

 private:
  struct Record {
    Duration delay;
    Instant last;
  };
  Mutex mutex_;
  std::unordered_map<std::string, Record, StringHash, std::equal_to<>> hosts_ GUARDED_BY(mutex_);
};

}  // namespace forebay::server
