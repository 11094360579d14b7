#pragma once

// What a statement in the binary log means to somebody who follows rows.
//
// With binlog_format = ROW statements are what begins and ends transactions, and what changes tables' form. All others
// mean that some session writes statements: they may change any row of any table, also by triggers and functions.
//
// Pure; thread-safe. Linear in the text's length.

#include <cstdint>
#include <string_view>

namespace forebay::feed::mysql {

enum class Meaning : std::uint8_t {
  kNothing,  // accounts, savepoints, statistics
  kBegin,    // a transaction
  kEnd,      // of a transaction; also of one that was rolled back, but for what can't be
  kXaStart,  // a transaction that will be prepared
  kXaCommit,
  kXaRollback,
  kDefinition,  // of tables, or of what else may stand for them
  kChange,      // of rows, nobody knows which
};

Meaning meaning_of(std::string_view statement);

// The transaction that an XA statement names, as the server writes it; of XA START and XA COMMIT the same.
std::string_view xa_name(std::string_view statement);

// Whether a statement may speak of what has this name, in letters of either case. A name of other letters than those of
// ASCII may be written in many ways: it may always be meant.
bool may_name(std::string_view statement, std::string_view name);

}  // namespace forebay::feed::mysql
