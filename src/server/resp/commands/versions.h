#pragma once

#include <string_view>

namespace forebay::server {

// The Redis whose commands and replies are those that clients find here; clients choose features by it.
inline constexpr std::string_view kRedisVersion = "7.4.0";

// CLIENT SETNAME and HELLO SETNAME: printable ASCII without blanks.
bool valid_client_name(std::string_view name);
inline constexpr std::string_view kBadClientName =
    "ERR Client names cannot contain spaces, newlines or special characters.";

}  // namespace forebay::server
