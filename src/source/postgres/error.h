#pragma once

// What went wrong with PostgreSQL, and what a caller may do about it.
//
// The SQLSTATE (PostgreSQL 15, appendix A) says whether the server can serve now: 08, 28, 53, 57P and 58 mean
// that it can't, 40 that it would have at another moment: kUnavailable; 57014 is a timeout or a cancellation,
// 55P03 a lock that somebody else holds: kTimeout. All others are kRefused, with the server's message and
// detail: the server has understood the statement, and goes on.
//
// Whether a statement was refused for its data or for what it is made of, the SQLSTATE does not always say.
// Class 42 is a missing table, and a malformed ltree; XX000 is damage, and a malformed hstore. Whatever code a
// function of the database's owner RAISEs, it is that of the data. Where there is doubt, BatchSteps finds out.

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
  std::string sqlstate;      // empty: not the server's word but ours (connection, deadline, cancellation)
  bool lost = false;         // the connection is gone; what was sent may or may not have taken effect
  std::string routine = {};  // the server's function that reported it
};

template <class T>
using Outcome = std::expected<T, Failure>;

// What an error result of the server says. `cancelled`: the call was cancelled, which is what a 57014 then
// means.
Failure failure_of(const PGresult* result, bool cancelled);

// Who can help. What isn't known to speak of something else speaks of the data.
Cause cause_of(const Failure& failure);

// Of a failure in doubt whose statement runs with other values: whether something is missing, or forbidden,
// that functions and triggers of the database use. A row may have led there, or every row may.
bool is_behind_the_table(const Failure& failure);

// libpq's text of what last went wrong with a connection, on one line and without a full stop.
std::string connection_message(const PGconn* connection);

// Puts in front of a message where it happened ("source shop, table orders").
Error located(Error error, std::string_view where);
Error located(const Failure& failure, std::string_view where);

}  // namespace forebay::source::postgres
