#pragma once

// Types of columns as the binary log has them: how long their values are, and what they mean as text.
//
// Pure functions; thread-safe. Linear in a value's length.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "feed/mysql/events.h"
#include "feed/mysql/reader.h"
#include "feed/mysql/values.h"
#include "forebay/dataset.h"

namespace forebay::feed::mysql {

// A column of a table map, from its type and what of the metadata is its.
TableMap::Column column_of(std::uint8_t type, Reader& metadata);

// The next value of a row; nothing: its length is not known, or it is not there.
std::optional<std::string_view> take_cell(const TableMap::Column& column, Reader& reader);

// A column as the catalogue describes it.
struct Column {
  // What its bytes in the log are. kUnknown: a type whose values are not read (spatial types, UUID, MySQL's JSON).
  enum class Kind : std::uint8_t {
    kUnknown,
    kInteger,
    kYear,
    kBits,
    kDecimal,
    kFloat,
    kDate,
    kTime,
    kDateTime,
    kTimestamp,
    kChar,
    kText,
    kBinary,
    kBytes,
    kEnum,
    kSet,
  };
  std::string name;
  std::string described;  // all that the catalogue says of it: another text is another column
  Kind kind = Kind::kUnknown;
  std::vector<std::uint8_t> types;  // in the log; empty: any
  bool is_unsigned = false;
  bool zerofill = false;
  int digits = 0;           // of a second
  std::uint64_t bytes = 0;  // kBinary: its length
  Letters letters = Letters::kUnknown;
  std::vector<std::string> words;  // kEnum, kSet
  bool wanted = false;             // somebody looks for it
  bool referenced = false;         // a cascade depends on it
  bool primary = false;
};

// A column from its row in information_schema.columns.
Column described_column(std::string_view name, std::string_view data_type, std::string_view column_type,
                        std::string_view character_set, std::string_view octets, std::string_view digits);

// Whether values of a column can be read as one of the catalogue's: its type is what it should be.
bool fits(const Column& column, const TableMap::Column& told);

// A value as the layer compares it: source::mysql::plain_text(). Nothing: it is not known for sure.
std::optional<std::string> text_of(const Column& column, const TableMap::Column& told,
                                   std::string_view bytes);

}  // namespace forebay::feed::mysql
