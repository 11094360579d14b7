#pragma once

// Where a server is and how it is spoken to: mysql://user:password@host:port/database?ssl-mode=required.
//
// `mariadb://` is the same. ?socket=/path is a unix socket. ssl-mode is disabled, preferred (the default: TLS
// where the server has it), required, verify-ca or verify-identity; ssl-ca, ssl-cert and ssl-key are files.
// Each part is percent-decoded.

#include <cstdint>
#include <string>
#include <string_view>

#include "forebay/result.h"

namespace forebay::source::mysql {

enum class SslMode : std::uint8_t { kDisabled, kPreferred, kRequired, kVerifyCa, kVerifyIdentity };

struct Address {
  std::string user;
  std::string password;
  std::string host;
  unsigned port = 0;  // 0: 3306
  std::string database;
  std::string socket;
  SslMode ssl = SslMode::kPreferred;
  std::string ssl_ca;
  std::string ssl_cert;
  std::string ssl_key;
};

// kConfig; the message never quotes the text, which may hold a password. Pure.
Result<Address> parse_address(std::string_view url);

}  // namespace forebay::source::mysql
