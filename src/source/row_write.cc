#include "source/row_write.h"

#include <fmt/format.h>

namespace forebay::source {

Error misspelled_key() {
  return {ErrorCode::kRefused, "the row that equals this key is spelled differently"};
}

Error several_rows() {
  return {ErrorCode::kRefused, "several rows have this key; a query can serve them"};
}

Error row_exists() {
  return {ErrorCode::kRefused, "the row exists already"};
}

Error table_has_changed() {
  return {ErrorCode::kConfig, "the table has other columns than when it was opened"};
}

namespace write_mistake {

Error not_writable() {
  return {ErrorCode::kUnsupported, "not opened for writing"};
}

Error wrong_key(std::size_t fields, std::size_t wanted) {
  return {ErrorCode::kInternal, fmt::format("a key of {} fields instead of {}", fields, wanted)};
}

Error other_column(std::string_view value_column) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("this namespace's values are its column {}", value_column)};
}

Error given_twice(std::string_view column) {
  return {ErrorCode::kInvalidArgument, fmt::format("column {} is given twice", column)};
}

Error contradicts_key(std::string_view column) {
  return {ErrorCode::kInvalidArgument,
          fmt::format("column {} is part of the key and can't be changed", column)};
}

Error no_column(std::string_view column) {
  return {ErrorCode::kInvalidArgument, fmt::format("there is no column {}", column)};
}

Error no_addend(std::string_view column) {
  return {ErrorCode::kInvalidArgument, fmt::format("column {} can't be changed", column)};
}

}  // namespace write_mistake
}  // namespace forebay::source
