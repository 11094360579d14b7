#include "config/redis_url.h"

#include <charconv>
#include <optional>

#include "config/address.h"

namespace forebay::config {
namespace {

constexpr std::string_view kScheme = "redis://";

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      decoded += text[at];
      continue;
    }
    unsigned byte = 0;
    const char* begin = text.data() + at + 1;
    if (text.size() - at < 3) return std::nullopt;
    if (const auto [end, error] = std::from_chars(begin, begin + 2, byte, 16);
        error != std::errc() || end != begin + 2)
      return std::nullopt;
    decoded += static_cast<char>(byte);
    at += 2;
  }
  return decoded;
}

Error wrong(const char* what) {
  return {ErrorCode::kConfig, what};
}

// What stands before the @.
Result<void> read_user(std::string_view text, RedisUrl& url) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos)
    return wrong("url names a user and no password: write user:password@host");
  const auto user = percent_decoded(text.substr(0, colon));
  const auto password = percent_decoded(text.substr(colon + 1));
  if (!user || !password)
    return wrong("url has a % in its user or password that two hexadecimal digits do not follow: write %25");
  url.user = *user;
  url.password = *password;
  return {};
}

}  // namespace

Result<RedisUrl> parse_redis_url(std::string_view text) {
  if (text.starts_with("rediss://"))
    return wrong("TLS to a Redis server (rediss://) is not available in this version");
  if (!text.starts_with(kScheme)) return wrong("url must begin with redis://");
  text.remove_prefix(kScheme.size());
  RedisUrl url;
  if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
    if (text.substr(0, at).find_first_of("/@?#") != std::string_view::npos)
      return wrong(
          "url does not say clearly where the password ends: the letters @ : / ? # % are written %40 %3A %2F "
          "%3F "
          "%23 %25 in it");
    if (auto user = read_user(text.substr(0, at), url); !user) return std::move(user).error();
    text.remove_prefix(at + 1);
  }
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.database);
    if (!digits.empty() && (error != std::errc() || end != digits.data() + digits.size()))
      return wrong("url must end with the number of a database, such as /0, or with the port");
    text = text.substr(0, slash);
  }
  const std::size_t bracket = text.find(']');
  const bool has_port =
      text.find(':', bracket == std::string_view::npos ? 0 : bracket) != std::string_view::npos;
  const auto address = parse_address(has_port ? std::string(text) : std::string(text) + ":6379");
  if (!address || address->host.empty() || address->port == 0)
    return wrong("url must name a host, such as \"redis://127.0.0.1:6379\"");
  url.host = address->host;
  url.port = address->port;
  return url;
}

}  // namespace forebay::config
