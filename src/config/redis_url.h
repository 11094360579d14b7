#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "forebay/result.h"

namespace forebay::config {

// Where a Redis server is and who asks it.
struct RedisUrl {
  std::string host;  // a name or an IP address, without brackets
  std::uint16_t port = 6379;
  std::string user;      // empty: the default one
  std::string password;  // empty: none
  unsigned database = 0;
};

// redis://[[user]:password@]host[:port][/database], where %XX stands for a byte of user or password. kConfig says what is
// wrong with it, without quoting it. Names are not looked up.
Result<RedisUrl> parse_redis_url(std::string_view text);

}  // namespace forebay::config
