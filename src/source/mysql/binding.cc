#include "source/mysql/binding.h"

#include <fmt/format.h>

#include <string_view>

#include "source/mysql/spelling.h"

namespace forebay::source::mysql {
namespace {

constexpr unsigned kBinaryCharset = 63;

void bind_bytes(MYSQL_BIND& bind, enum_field_types type, const std::string& bytes) {
  bind.buffer_type = type;
  bind.buffer = const_cast<char*>(bytes.data());  // libmariadb only reads it
  bind.buffer_length = bytes.size();
}

struct Binder {
  MYSQL_BIND& bind;
  void operator()(std::monostate) const { bind.buffer_type = MYSQL_TYPE_NULL; }
  void operator()(const std::string& text) const { bind_bytes(bind, MYSQL_TYPE_STRING, text); }
  void operator()(const Bytes& bytes) const { bind_bytes(bind, MYSQL_TYPE_BLOB, bytes.bytes); }
  void operator()(const Digits& digits) const { bind_bytes(bind, MYSQL_TYPE_NEWDECIMAL, digits.text); }
  void operator()(const std::int64_t& number) const { bind_number(MYSQL_TYPE_LONGLONG, &number); }
  void operator()(const std::uint64_t& number) const {
    bind_number(MYSQL_TYPE_LONGLONG, &number);
    bind.is_unsigned = 1;
  }
  void operator()(const double& number) const { bind_number(MYSQL_TYPE_DOUBLE, &number); }
  template <class Number>
  void bind_number(enum_field_types type, const Number* number) const {
    bind.buffer_type = type;
    bind.buffer = const_cast<Number*>(number);  // libmariadb only reads it
  }
};

// What the server calls a type that has no number of its own: "json", "uuid", "inet6".
std::string_view attribute(const MYSQL_FIELD& field, mariadb_field_attr_t which) {
  MARIADB_CONST_STRING text{};
  if (mariadb_field_attr(&text, &field, which) != 0 || text.str == nullptr) return {};
  return {text.str, text.length};
}

Shape shape_of_text(const MYSQL_FIELD& field) {
  if (attribute(field, MARIADB_FIELD_ATTR_FORMAT_NAME) == "json") return Shape::kJson;
  if (field.charsetnr == kBinaryCharset && attribute(field, MARIADB_FIELD_ATTR_DATA_TYPE_NAME).empty() &&
      (field.flags & (ENUM_FLAG | SET_FLAG)) == 0)
    return Shape::kBytes;
  return Shape::kText;
}

int scale_of(const MYSQL_FIELD& field) {
  return field.decimals <= 38 ? static_cast<int>(field.decimals) : 0;
}

std::string time_text(const MYSQL_TIME& time, const MYSQL_FIELD& field) {
  std::string out;
  if (field.type == MYSQL_TYPE_TIME) {
    out = fmt::format("{}{:02}:{:02}:{:02}", time.neg != 0 ? "-" : "", time.day * 24 + time.hour, time.minute,
                      time.second);
  } else {
    out = fmt::format("{:04}-{:02}-{:02}", time.year, time.month, time.day);
    if (field.type == MYSQL_TYPE_DATE) return out;
    out += fmt::format(" {:02}:{:02}:{:02}", time.hour, time.minute, time.second);
  }
  const auto digits = static_cast<std::size_t>(scale_of(field));
  if (digits == 0 || digits > 6) return out;
  return out + "." + fmt::format("{:06}", time.second_part).substr(0, digits);
}

std::string bit_text(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
  return std::to_string(value);
}

enum_field_types buffer_type_of(const MYSQL_FIELD& field) {
  switch (field.type) {
    case MYSQL_TYPE_TINY:
    case MYSQL_TYPE_SHORT:
    case MYSQL_TYPE_INT24:
    case MYSQL_TYPE_LONG:
    case MYSQL_TYPE_LONGLONG:
    case MYSQL_TYPE_YEAR:
      return MYSQL_TYPE_LONGLONG;
    case MYSQL_TYPE_FLOAT:
    case MYSQL_TYPE_DOUBLE:
    case MYSQL_TYPE_DATE:
    case MYSQL_TYPE_TIME:
    case MYSQL_TYPE_DATETIME:
    case MYSQL_TYPE_TIMESTAMP:
      return field.type;
    default:
      return MYSQL_TYPE_BLOB;
  }
}

}  // namespace

std::vector<MYSQL_BIND> bound(std::span<const Parameter> parameters) {
  std::vector<MYSQL_BIND> binds(parameters.size());
  for (std::size_t i = 0; i < parameters.size(); ++i) std::visit(Binder{binds[i]}, parameters[i]);
  return binds;
}

Type type_of(const MYSQL_FIELD& field) {
  const bool is_unsigned = (field.flags & UNSIGNED_FLAG) != 0;
  switch (field.type) {
    case MYSQL_TYPE_TINY:
      return {Shape::kInteger, 1, is_unsigned};
    case MYSQL_TYPE_SHORT:
      return {Shape::kInteger, 2, is_unsigned};
    case MYSQL_TYPE_YEAR:
      return {Shape::kInteger, 2, true, 4};
    case MYSQL_TYPE_INT24:
      return {Shape::kInteger, 3, is_unsigned};
    case MYSQL_TYPE_LONG:
      return {Shape::kInteger, 4, is_unsigned};
    case MYSQL_TYPE_LONGLONG:
      return {Shape::kInteger, 8, is_unsigned};
    case MYSQL_TYPE_BIT:
      return {Shape::kInteger, 8, true};
    case MYSQL_TYPE_DECIMAL:
    case MYSQL_TYPE_NEWDECIMAL:
      return {Shape::kDecimal, 0, is_unsigned, scale_of(field)};
    case MYSQL_TYPE_FLOAT:
      return {Shape::kFloat, 4};
    case MYSQL_TYPE_DOUBLE:
      return {Shape::kFloat, 8};
    case MYSQL_TYPE_DATE:
      return {Shape::kDate};
    case MYSQL_TYPE_TIME:
      return {Shape::kTime, 0, false, scale_of(field)};
    case MYSQL_TYPE_DATETIME:
      return {Shape::kDateTime, 0, false, scale_of(field)};
    case MYSQL_TYPE_TIMESTAMP:
      return {Shape::kTimestamp, 0, false, scale_of(field)};
    case MYSQL_TYPE_JSON:
      return {Shape::kJson};
    case MYSQL_TYPE_GEOMETRY:
      return {Shape::kBytes};
    default:
      return {shape_of_text(field)};
  }
}

RowBuffers::RowBuffers(std::span<const MYSQL_FIELD> fields)
    : fields_(fields), cells_(fields.size()), binds_(fields.size()) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    MYSQL_BIND& bind = binds_[i];
    bind.buffer_type = buffer_type_of(fields[i]);
    bind.is_unsigned = (fields[i].flags & UNSIGNED_FLAG) != 0 ? 1 : 0;
    bind.buffer = &cells_[i].value;
    // Of bytes the length is asked first.
    bind.buffer_length = bind.buffer_type == MYSQL_TYPE_BLOB ? 0 : sizeof(cells_[i].value);
    bind.length = &cells_[i].length;
    bind.is_null = &cells_[i].null;
    bind.error = &cells_[i].error;
  }
}

bool RowBuffers::add_bytes(Rows& rows, MYSQL_STMT* statement, std::size_t column) {
  const bool bits = fields_[column].type == MYSQL_TYPE_BIT;
  std::string small(bits ? cells_[column].length : 0, '\0');
  char* room = bits ? small.data() : rows.add_room(cells_[column].length);
  if (cells_[column].length > 0) {
    MYSQL_BIND bind{};
    unsigned long length = 0;
    my_bool null = 0;
    my_bool error = 0;
    bind.buffer_type = MYSQL_TYPE_BLOB;
    bind.buffer = room;
    bind.buffer_length = cells_[column].length;
    bind.length = &length;
    bind.is_null = &null;
    bind.error = &error;
    if (mysql_stmt_fetch_column(statement, &bind, static_cast<unsigned>(column), 0) != 0) return false;
  }
  if (bits) rows.add(bit_text(small));
  return true;
}

bool RowBuffers::add_to(Rows& rows, MYSQL_STMT* statement) {
  for (std::size_t i = 0; i < cells_.size(); ++i) {
    const Cell& cell = cells_[i];
    if (cell.null != 0) {
      rows.add_null();
      continue;
    }
    switch (binds_[i].buffer_type) {
      case MYSQL_TYPE_LONGLONG:
        rows.add(binds_[i].is_unsigned != 0 ? std::to_string(static_cast<std::uint64_t>(cell.value.integer))
                                            : std::to_string(cell.value.integer));
        break;
      case MYSQL_TYPE_FLOAT:
        rows.add(float_text(static_cast<double>(cell.value.single), 4));
        break;
      case MYSQL_TYPE_DOUBLE:
        rows.add(float_text(cell.value.number, 8));
        break;
      case MYSQL_TYPE_BLOB:
        if (!add_bytes(rows, statement, i)) return false;
        break;
      default:
        rows.add(time_text(cell.value.time, fields_[i]));
        break;
    }
  }
  return true;
}

}  // namespace forebay::source::mysql
