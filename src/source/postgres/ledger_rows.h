#pragma once

// What the ledger's tables have in common with whoever reads and writes their rows.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/ledger.h"
#include "source/ledger.h"
#include "source/postgres/connection.h"
#include "source/postgres/result.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {

inline std::uint64_t number_in(const ResultPtr& rows, int row, int column) {
  std::uint64_t number = 0;
  const std::string_view text = cell(rows, row, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

inline Charset charset_of(const Connection& connection) {
  return connection.is_utf8() ? Charset::kUtf8 : Charset::kAscii;
}

inline std::vector<OptionalText> parameters_of(const DeadId& id) {
  return {id.journal, std::to_string(id.lane), std::to_string(id.seq)};
}

inline const DeadLetterSql& dead_letter_sql() {
  static const DeadLetterSql statements(Dialect::kPostgres);
  return statements;
}

}  // namespace forebay::source::postgres
