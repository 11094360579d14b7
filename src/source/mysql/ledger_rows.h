#pragma once

// The ledger's tables and their statements, in MySQL's SQL.
//
// They are what the other databases have (source/ledger.h), with one column more: forebay_applied.session, in
// which a transaction writes the number of its session while it holds the lane. Nobody but a reader of
// uncommitted rows sees it, which is how a new owner finds the session that an earlier one has left behind:
// to ask the server who holds a lock takes the right PROCESS.

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/ledger.h"
#include "source/mysql/rows.h"

namespace forebay::source::mysql {

inline constexpr const char* kLedgerTables[] = {"forebay_applied", "forebay_dead", "forebay_owner"};

// The statements that make the tables where they are missing; in `schema`, in quotes, if one is given.
std::vector<std::string> ledger_schema(std::string_view schema = {});

namespace dead {
// Parameters named: journal, lane, seq.
inline constexpr const char* kColumns =
    "SELECT journal, lane, seq, namespace, `key`, operation, error, at FROM forebay_dead LIMIT 0";
std::string one();         // reads a letter; named
std::string first_page();  // reads letters in their order; parameter: how many
std::string next_page();   // the same after the named one (journal, seq, lane), then how many
inline constexpr const char* kPutAside =
    "INSERT INTO forebay_dead(journal, lane, seq, namespace, `key`, operation, error) VALUES (?, ?, ?, ?, ?, "
    "?, ?)";
// MySQL does not count a row that is given what it has: it is looked for first.
inline constexpr const char* kFind =
    "SELECT seq FROM forebay_dead WHERE journal = ? AND lane = ? AND seq = ? FOR UPDATE";
// The operation, then named.
inline constexpr const char* kEdit =
    "UPDATE forebay_dead SET operation = ? WHERE journal = ? AND lane = ? AND seq = ?";
inline constexpr const char* kDrop = "DELETE FROM forebay_dead WHERE journal = ? AND lane = ? AND seq = ?";
}  // namespace dead

inline std::vector<Parameter> parameters_of(const DeadId& id) {
  return {id.journal, std::uint64_t{id.lane}, id.seq};
}

inline std::uint64_t number_in(const Rows& rows, std::size_t row, std::size_t column) {
  std::uint64_t number = 0;
  const std::string_view text = rows.cell(row, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

DeadLetter letter_in(const Rows& rows, std::size_t row);

}  // namespace forebay::source::mysql
