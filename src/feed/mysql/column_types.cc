#include "feed/mysql/column_types.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace forebay::feed::mysql {
namespace {

// What follows a type in a table map's metadata.
std::size_t metadata_bytes(std::uint8_t type) {
  switch (type) {
    case type::kFloat:
    case type::kDouble:
    case type::kTimestamp2:
    case type::kDateTime2:
    case type::kTime2:
    case type::kBlobCompressed:
    case type::kVector:
    case type::kJson:
    case type::kTinyBlob:
    case type::kMediumBlob:
    case type::kLongBlob:
    case type::kBlob:
    case type::kGeometry:
      return 1;
    case type::kVarchar:
    case type::kBit:
    case type::kVarcharCompressed:
    case type::kDecimal:
    case type::kEnum:
    case type::kSet:
    case type::kVarString:
    case type::kString:
      return 2;
    default:
      return 0;
  }
}

// Of a type whose values all have the same number of bytes; nothing: it is another one.
std::optional<std::size_t> fixed_bytes(const TableMap::Column& column) {
  const std::size_t fraction = (std::min<std::size_t>(column.meta, 6) + 1) / 2;
  switch (column.type) {
    case type::kTiny:
    case type::kYear:
      return 1;
    case type::kShort:
      return 2;
    case type::kInt24:
    case type::kDate:
    case type::kNewDate:
    case type::kTime:
      return 3;
    case type::kLong:
    case type::kFloat:
    case type::kTimestamp:
      return 4;
    case type::kDouble:
    case type::kLongLong:
    case type::kDateTime:
      return 8;
    case type::kTimestamp2:
      return 4 + fraction;
    case type::kDateTime2:
      return 5 + fraction;
    case type::kTime2:
      return 3 + fraction;
    case type::kNull:
      return 0;
    case type::kBit:
      return (column.meta >> 8) + ((column.meta & 0xff) != 0 ? 1 : 0);
    case type::kDecimal:
      return decimal_bytes(column.meta & 0xff, column.meta >> 8);
    case type::kEnum:
    case type::kSet:
      return column.meta;
    default:
      return std::nullopt;
  }
}

// Of a type whose values say how long they are, the bytes that say it; 0: it is none.
std::size_t length_bytes(const TableMap::Column& column) {
  switch (column.type) {
    case type::kVarchar:
    case type::kVarString:
    case type::kVarcharCompressed:
    case type::kString:
      return column.meta > 255 ? 2 : 1;
    case type::kTinyBlob:
    case type::kMediumBlob:
    case type::kLongBlob:
    case type::kBlob:
    case type::kBlobCompressed:
    case type::kVector:
    case type::kJson:
    case type::kGeometry:
      return column.meta <= 4 ? column.meta : 0;
    default:
      return 0;
  }
}

// 'a','it''s' between the brackets of a type. Nothing: a letter is written in another way than by itself.
std::optional<std::vector<std::string>> words_of(std::string_view type) {
  std::vector<std::string> words;
  const std::size_t open = type.find('(');
  const std::size_t close = type.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  std::string_view rest = type.substr(open + 1, close - open - 1);
  if (rest.contains('\\')) return std::nullopt;
  while (rest.starts_with('\'')) {
    rest.remove_prefix(1);
    std::string& word = words.emplace_back();
    while (!rest.empty() && (rest.front() != '\'' || rest.starts_with("''"))) {
      word += rest.front();
      rest.remove_prefix(rest.front() == '\'' ? 2 : 1);
    }
    rest.remove_prefix(std::min<std::size_t>(rest.size(), 1));
    if (rest.starts_with(',')) rest.remove_prefix(1);
  }
  if (!rest.empty()) return std::nullopt;
  return words;
}

Letters letters_of(std::string_view character_set) {
  if (character_set.starts_with("utf8")) return Letters::kUtf8;
  // Of these, the lower half is ASCII.
  constexpr std::string_view kLikeAscii[] = {"ascii",  "latin1", "latin2", "latin5", "latin7", "cp1250",
                                             "cp1251", "cp1256", "cp1257", "cp850",  "cp852",  "cp866",
                                             "koi8r",  "koi8u",  "greek",  "hebrew", "macce",  "macroman"};
  const bool known = std::ranges::find(kLikeAscii, character_set) != std::end(kLikeAscii);
  return known ? Letters::kAscii : Letters::kUnknown;
}

struct KnownType {
  std::string_view name;
  Column::Kind kind;
  std::uint8_t types[2];
};
constexpr KnownType kKnown[] = {
    {"tinyint", Column::Kind::kInteger, {type::kTiny, type::kTiny}},
    {"smallint", Column::Kind::kInteger, {type::kShort, type::kShort}},
    {"mediumint", Column::Kind::kInteger, {type::kInt24, type::kInt24}},
    {"int", Column::Kind::kInteger, {type::kLong, type::kLong}},
    {"bigint", Column::Kind::kInteger, {type::kLongLong, type::kLongLong}},
    {"year", Column::Kind::kYear, {type::kYear, type::kYear}},
    {"bit", Column::Kind::kBits, {type::kBit, type::kBit}},
    {"decimal", Column::Kind::kDecimal, {type::kDecimal, type::kDecimal}},
    {"float", Column::Kind::kFloat, {type::kFloat, type::kFloat}},
    {"double", Column::Kind::kFloat, {type::kDouble, type::kDouble}},
    {"date", Column::Kind::kDate, {type::kDate, type::kNewDate}},
    {"time", Column::Kind::kTime, {type::kTime2, type::kTime}},
    {"datetime", Column::Kind::kDateTime, {type::kDateTime2, type::kDateTime}},
    {"timestamp", Column::Kind::kTimestamp, {type::kTimestamp2, type::kTimestamp}},
    {"char", Column::Kind::kChar, {type::kString, type::kString}},
    {"varchar", Column::Kind::kText, {type::kVarchar, type::kVarcharCompressed}},
    {"tinytext", Column::Kind::kText, {type::kBlob, type::kBlobCompressed}},
    {"text", Column::Kind::kText, {type::kBlob, type::kBlobCompressed}},
    {"mediumtext", Column::Kind::kText, {type::kBlob, type::kBlobCompressed}},
    {"longtext", Column::Kind::kText, {type::kBlob, type::kBlobCompressed}},
    {"binary", Column::Kind::kBinary, {type::kString, type::kString}},
    {"varbinary", Column::Kind::kBytes, {type::kVarchar, type::kVarcharCompressed}},
    {"tinyblob", Column::Kind::kBytes, {type::kBlob, type::kBlobCompressed}},
    {"blob", Column::Kind::kBytes, {type::kBlob, type::kBlobCompressed}},
    {"mediumblob", Column::Kind::kBytes, {type::kBlob, type::kBlobCompressed}},
    {"longblob", Column::Kind::kBytes, {type::kBlob, type::kBlobCompressed}},
    {"enum", Column::Kind::kEnum, {type::kEnum, type::kEnum}},
    {"set", Column::Kind::kSet, {type::kSet, type::kSet}},
};

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

TableMap::Column column_of(std::uint8_t type, Reader& metadata) {
  TableMap::Column column{type, 0};
  const std::size_t bytes = metadata_bytes(type);
  if (type != type::kString) {
    column.meta = static_cast<std::uint16_t>(metadata.number(bytes));
    return column;
  }
  // The first byte is the true type, of which two bits are the upper ones of a length above 255, turned over.
  const auto real = static_cast<std::uint8_t>(metadata.number(1));
  column.meta = static_cast<std::uint16_t>(metadata.number(1));
  if (real == type::kEnum || real == type::kSet) {
    column.type = real;
  } else {
    column.meta = static_cast<std::uint16_t>(column.meta | ((real & 0x30) ^ 0x30) << 4);
  }
  return column;
}

std::optional<std::string_view> take_cell(const TableMap::Column& column, Reader& reader) {
  const auto fixed = fixed_bytes(column);
  const std::size_t said = fixed ? 0 : length_bytes(column);
  if (!fixed && said == 0) return std::nullopt;
  const std::string_view bytes = reader.take(fixed ? *fixed : reader.number(said));
  if (!reader.good()) return std::nullopt;
  return bytes;
}

Column described_column(std::string_view name, std::string_view data_type, std::string_view column_type,
                        std::string_view character_set, std::string_view octets, std::string_view digits) {
  Column column;
  column.name = name;
  column.described = fmt::format("{} {} {}", name, column_type, character_set);
  column.is_unsigned = column_type.contains("unsigned");
  column.zerofill = column_type.contains("zerofill");
  column.bytes = number_of(octets);
  column.digits = static_cast<int>(number_of(digits));
  column.letters = letters_of(character_set);
  const auto* known = std::ranges::find(kKnown, data_type, &KnownType::name);
  if (known == std::end(kKnown)) return column;
  column.kind = known->kind;
  column.types.assign(std::begin(known->types), std::end(known->types));
  if (column.kind != Column::Kind::kEnum && column.kind != Column::Kind::kSet) return column;
  if (auto words = words_of(column_type)) {
    column.words = std::move(*words);
  } else {
    column.kind = Column::Kind::kUnknown;
  }
  return column;
}

bool fits(const Column& column, const TableMap::Column& told) {
  if (!column.types.empty() && std::ranges::find(column.types, told.type) == column.types.end()) return false;
  // What MariaDB's old form of times has after the second is of no length that the log tells.
  const bool old = told.type == type::kTime || told.type == type::kDateTime || told.type == type::kTimestamp;
  return !old || (column.digits == 0 && !column.types.empty());
}

std::optional<std::string> text_of(const Column& column, const TableMap::Column& told,
                                   std::string_view bytes) {
  using enum Column::Kind;
  if (told.type == type::kBlobCompressed || told.type == type::kVarcharCompressed) return std::nullopt;
  switch (column.kind) {
    case kUnknown:
      return std::nullopt;
    case kInteger:
      return integer_value(bytes, column.is_unsigned);
    case kYear:
      return year_value(bytes);
    case kBits:
      return bits_value(bytes);
    case kDecimal:
      if (column.zerofill) return std::nullopt;
      return decimal_value(bytes, told.meta & 0xff, told.meta >> 8);
    case kFloat:
      return float_value(bytes);
    case kDate:
      return date_value(bytes);
    case kTime:
      return told.type == type::kTime2 ? time_value(bytes, told.meta) : std::nullopt;
    case kDateTime:
      return told.type == type::kDateTime2 ? date_time_value(bytes, told.meta) : std::nullopt;
    case kTimestamp:
      return told.type == type::kTimestamp2 ? timestamp_value(bytes, told.meta) : std::nullopt;
    case kChar:
    case kText:
      return letters_value(bytes, column.letters, column.kind == kChar);
    case kBinary:
    case kBytes:
      return bytes_value(bytes, column.kind == kBinary ? column.bytes : 0);
    case kEnum:
      return enum_value(bytes, column.words);
    case kSet:
      return set_value(bytes, column.words);
  }
  return std::nullopt;
}

}  // namespace forebay::feed::mysql
