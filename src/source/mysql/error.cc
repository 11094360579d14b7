#include "source/mysql/error.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "source/ledger.h"

namespace forebay::source::mysql {
namespace {

bool is_one_of(unsigned number, std::initializer_list<unsigned> numbers) {
  return std::ranges::find(numbers, number) != numbers.end();
}

// libmariadb's own: the connection, or what came over it.
bool is_of_client(unsigned number) {
  return number >= 2000 && number < 3000;
}

// 1317: KILL QUERY; 1969 (MariaDB), 3024 (MySQL): the statement's own limit.
bool is_timeout(unsigned number) {
  return is_one_of(number, {1205, 1317, 1969, 3024});
}

// About other writers of the same rows: deadlock, a row that has changed since it was read.
bool is_conflict(unsigned number) {
  return is_one_of(number, {1020, 1213, 1614});
}

bool is_unavailable(unsigned number) {
  return number < 1000 ||  // the operating system's
         is_one_of(number,
                   {
                       1021, 1026, 1028, 1030, 1037, 1038, 1041, 1114,        // disk, memory, storage
                       1040, 1203, 1226, 1129, 1130, 1135, 1045, 1698,        // connections, accounts
                       1053, 1077, 1079, 1152, 1158, 1159, 1160, 1161, 1927,  // shutdown, network, KILL
                       1180, 1181, 1206, 1290, 1836, 3100, 4031, 1877,        // commit, locks, read only
                   });
}

// A table, a column, a function or a right that is missing.
bool is_of_schema(unsigned number) {
  return is_one_of(number, {1044, 1049, 1054, 1072, 1103, 1109, 1142, 1143, 1146, 1227, 1305, 1347, 1356,
                            1370, 1449, 1932, 1942});
}

}  // namespace

Failure failure_of(unsigned number, std::string_view message, bool cancelled) {
  Failure failure{{ErrorCode::kRefused, std::string(message)}, number};
  Error& error = failure.error;
  if (error.message.empty()) error.message = "the server gave no reason";
  if (is_of_client(number)) {
    error.code = ErrorCode::kUnavailable;
    failure.lost = true;
  } else if (is_timeout(number)) {
    error.code = cancelled && number != code::kLockWaitTimeout ? ErrorCode::kCancelled : ErrorCode::kTimeout;
  } else if (is_conflict(number) || is_unavailable(number)) {
    error.code = ErrorCode::kUnavailable;
  }
  if (is_conflict(number) || number == code::kLockWaitTimeout) error.scope = ErrorScope::kCall;
  if (number == code::kLockWaitTimeout)
    error.message = "waited for a lock that another session holds: " + error.message;
  // The server ends these sessions.
  if (is_one_of(number, {1053, 1152, 1927, 4031})) failure.lost = true;
  return failure;
}

Cause cause_of(const Failure& failure) {
  if (failure.lost) return Cause::kPassing;
  if (failure.code == 0) return source::cause_of(failure.error);
  if (is_of_schema(failure.code)) return Cause::kSchema;
  // 1243: prepared statement gone; 1615: it has to be prepared anew; 1792: a read-only transaction.
  const bool passing =
      failure.error.code != ErrorCode::kRefused || is_one_of(failure.code, {1243, 1615, 1792});
  return passing ? Cause::kPassing : Cause::kData;
}

bool may_be_early(const Failure& failure) {
  return is_one_of(failure.code, {1062, 1216, 1217, 1451, 1452, 1557, 1586, 1761, 1762});
}

bool statements_may_be_stale(const Failure& failure) {
  return is_one_of(failure.code, {1243, 1615});
}

Failure ours(Error error) {
  return {std::move(error), 0, false};
}

Error located(Error error, std::string_view where) {
  error.message = fmt::format("{}: {}", where, error.message);
  return error;
}

Error located(const Failure& failure, std::string_view where) {
  return located(failure.error, where);
}

}  // namespace forebay::source::mysql
