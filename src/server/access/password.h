#pragma once

// Passwords of users are kept and compared as SHA-256, so that neither ACL LIST nor a memory dump tells them.

#include <cstddef>
#include <string>
#include <string_view>

#include "forebay/result.h"

namespace forebay::server::access {

// 64 characters of lower-case hexadecimal.
std::string hash_of_password(std::string_view password);
// Whether the text may be such a hash.
bool is_password_hash(std::string_view text);
// A new secret of so many bits, rounded up to whole hexadecimal digits. kInternal: the system gives no chance.
Result<std::string> random_secret(std::size_t bits);

}  // namespace forebay::server::access
