#pragma once

// libpq's result with an owner, and its cells as views.

#include <libpq-fe.h>

#include <cstddef>
#include <memory>
#include <string_view>

namespace forebay::source::postgres {

struct ResultDeleter {
  void operator()(PGresult* result) const { PQclear(result); }
};
using ResultPtr = std::unique_ptr<PGresult, ResultDeleter>;

// "" for NULL; valid as long as the result.
inline std::string_view cell(const ResultPtr& rows, int row, int column) {
  return {PQgetvalue(rows.get(), row, column),
          static_cast<std::size_t>(PQgetlength(rows.get(), row, column))};
}
inline bool is_null(const ResultPtr& rows, int row, int column) {
  return PQgetisnull(rows.get(), row, column) != 0;
}
inline int row_count(const ResultPtr& rows) {
  return PQntuples(rows.get());
}

}  // namespace forebay::source::postgres
