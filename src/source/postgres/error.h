#pragma once

// What went wrong with PostgreSQL, and what a caller may do about it.
//
// The SQLSTATE's class decides (PostgreSQL 15, appendix A): 22, 23, 42 and whatever else speaks of the
// statement or its data is kRefused, with the server's message and detail; 57014 is a timeout or a
// cancellation; 08, 53, 57P and 58 mean that the server can't serve now, 40 and 55P03 that it would have at
// another moment: kUnavailable.

#include <libpq-fe.h>

#include <expected>
#include <string>
#include <string_view>

#include "forebay/result.h"
#include "source/cause.h"
#include "source/postgres/result.h"

namespace forebay::source::postgres {

struct Failure {
  Error error;
  std::string sqlstate;  // empty: not the server's word but ours (connection, deadline, cancellation)
  bool lost = false;     // the connection is gone; what was sent may or may not have taken effect
};

template <class T>
using Outcome = std::expected<T, Failure>;

// What an error result of the server says. `cancelled`: the call was cancelled, which is what a 57014 then
// means.
Failure failure_of(const PGresult* result, bool cancelled);

// The same for a bare SQLSTATE of five characters.
ErrorCode code_of(std::string_view sqlstate, bool cancelled);

// Who can help, for a SQLSTATE. What isn't known to speak of something else speaks of the data: triggers
// raise codes of their own.
Cause cause_of(std::string_view sqlstate);
// The same for a failure that may be ours.
Cause cause_of(const Failure& failure);

// libpq's text of what last went wrong with a connection, on one line and without a full stop.
std::string connection_message(const PGconn* connection);

// Puts in front of a failure's message where it happened ("source shop, table orders").
Error located(const Failure& failure, std::string_view where);

}  // namespace forebay::source::postgres
