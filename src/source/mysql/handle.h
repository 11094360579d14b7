#pragma once

// libmariadb's handles with owners, set up for an address.

#include <mysql.h>

#include <csignal>
#include <memory>
#include <string>

#include "source/mysql/address.h"

namespace forebay::source::mysql {

// What TLS writes to a socket that the other side has closed raises SIGPIPE, which ends a program that does not
// expect it. Not for this thread, as long as this lives.
class WithoutSigpipe {
 public:
  WithoutSigpipe();
  ~WithoutSigpipe();
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t earlier_{};
  bool was_pending_ = false;
};

struct HandleDeleter {
  void operator()(MYSQL* handle) const;
};
using HandlePtr = std::unique_ptr<MYSQL, HandleDeleter>;

// Not connected yet. Null: no memory.
HandlePtr make_handle(const Address& address, unsigned connect_seconds);

// The arguments of mysql_real_connect().
const char* text_or_null(const std::string& text);
// Blocks.
bool connect(MYSQL* handle, const Address& address);

}  // namespace forebay::source::mysql
