#include "source/mysql/address.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace forebay::source::mysql {
namespace {

Error wrong(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Nothing: a % without two digits, or a NUL.
std::optional<std::string> decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 1 < text.size() ? hex_value(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

// What stands before `mark`, which `text` loses with the mark; all of it where there is none.
std::string_view take_until(std::string_view& text, char mark) {
  const std::size_t at = text.find(mark);
  const std::string_view part = text.substr(0, at);
  text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  return part;
}

bool set_ssl_mode(Address& address, std::string_view text) {
  constexpr std::array<std::pair<std::string_view, SslMode>, 5> kModes = {{
      {"disabled", SslMode::kDisabled},
      {"preferred", SslMode::kPreferred},
      {"required", SslMode::kRequired},
      {"verify-ca", SslMode::kVerifyCa},
      {"verify-identity", SslMode::kVerifyIdentity},
  }};
  for (const auto& [name, mode] : kModes) {
    if (text != name) continue;
    address.ssl = mode;
    return true;
  }
  return false;
}

Result<void> set_option(Address& address, std::string_view option) {
  const std::string_view name = take_until(option, '=');
  const auto value = decoded(option);
  if (!value) return wrong("an option of its url is not percent-encoded text");
  if (name == "ssl-mode") {
    if (set_ssl_mode(address, *value)) return {};
    return wrong("ssl-mode is disabled, preferred, required, verify-ca or verify-identity");
  }
  const std::pair<std::string_view, std::string*> texts[] = {{"socket", &address.socket},
                                                             {"ssl-ca", &address.ssl_ca},
                                                             {"ssl-cert", &address.ssl_cert},
                                                             {"ssl-key", &address.ssl_key}};
  for (const auto& [known, place] : texts) {
    if (name != known) continue;
    *place = *value;
    return {};
  }
  return wrong("its url takes the options socket, ssl-mode, ssl-ca, ssl-cert and ssl-key");
}

Result<void> set_host(Address& address, std::string_view authority) {
  std::string_view port;
  if (authority.starts_with('[')) {
    authority.remove_prefix(1);
    const std::string_view host = take_until(authority, ']');
    address.host = host;
    if (authority.starts_with(':')) port = authority.substr(1);
  } else {
    const auto host = decoded(take_until(authority, ':'));
    if (!host) return wrong("the host in its url is not percent-encoded text");
    address.host = *host;
    port = authority;
  }
  if (port.empty()) return {};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || end != port.data() + port.size() || address.port == 0 || address.port > 65'535)
    return wrong("the port in its url is a number up to 65535");
  return {};
}

}  // namespace

Result<Address> parse_address(std::string_view url) {
  Address address;
  const std::size_t scheme = url.find("://");
  if (scheme == std::string_view::npos ||
      (url.substr(0, scheme) != "mysql" && url.substr(0, scheme) != "mariadb"))
    return wrong("its url must be mysql://user:password@host:port/database");
  url.remove_prefix(scheme + 3);
  std::string_view place = take_until(url, '?');
  while (!url.empty()) {
    if (auto set = set_option(address, take_until(url, '&')); !set) return set.error();
  }
  std::string_view authority = take_until(place, '/');
  const auto database = decoded(place);
  if (!database || database->empty() || database->contains('/'))
    return wrong("its url must name a database: mysql://user:password@host:port/database");
  address.database = *database;
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    std::string_view password = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    const auto user = decoded(take_until(password, ':'));
    const auto secret = decoded(password);
    if (!user || !secret) return wrong("the user or the password in its url is not percent-encoded text");
    address.user = *user;
    address.password = *secret;
  }
  if (auto set = set_host(address, authority); !set) return set.error();
  if (address.host.empty() && address.socket.empty()) address.host = "localhost";
  return address;
}

}  // namespace forebay::source::mysql
