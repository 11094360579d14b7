#pragma once

// What went wrong with MySQL or MariaDB, and what a caller may do about it.
//
// The server's error number says it (MySQL 8.0 and MariaDB 10.11, server error message references). What means
// that the server can't serve now (too many connections, shut down, read only, out of resources) is
// kUnavailable, as are a deadlock and a lost connection; a lock that somebody else holds or the statement's time
// being up is kTimeout. All others are kRefused, with the server's message: it has understood the statement and
// goes on.

#include <expected>
#include <string>
#include <string_view>

#include "forebay/result.h"
#include "source/cause.h"

namespace forebay::source::mysql {

struct Failure {
  Error error;
  unsigned code = 0;  // the server's, or libmariadb's from 2000 to 2999; 0: ours (deadline, cancellation)
  bool lost = false;  // the connection is gone; what was sent may or may not have taken effect
};

template <class T>
using Outcome = std::expected<T, Failure>;

namespace code {
inline constexpr unsigned kDuplicateKey = 1062;
inline constexpr unsigned kNoSuchTable = 1146;
inline constexpr unsigned kLockWaitTimeout = 1205;
inline constexpr unsigned kDeadlock = 1213;
}  // namespace code

// What the server says. `cancelled`: the call was cancelled, which is what an interrupted statement then means.
Failure failure_of(unsigned number, std::string_view message, bool cancelled);

// Who can help. What isn't known to speak of something else speaks of the data.
Cause cause_of(const Failure& failure);

// Whether a write that was refused may be taken in another order: a foreign key, a unique value.
bool may_be_early(const Failure& failure);

// Whether the session's prepared statements may no longer fit the database.
bool statements_may_be_stale(const Failure& failure);

Failure ours(Error error);

// Puts in front of a message where it happened ("source shop, table orders").
Error located(Error error, std::string_view where);
Error located(const Failure& failure, std::string_view where);

}  // namespace forebay::source::mysql
