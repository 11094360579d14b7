#include "source/mysql/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"
#include "source/mysql/spelling.h"

namespace forebay::source::mysql {
namespace {

Error refused(std::string message) {
  return {ErrorCode::kRefused, std::move(message)};
}

std::string_view without_padding(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

char first_of(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first == std::string_view::npos ? '\0' : text[first];
}
bool begins_json(std::string_view text) {
  const char first = first_of(text);
  return first == '{' || first == '[' || first == '"';
}

Result<std::string> json_text(std::string_view text) {
  if (is_json(text)) return std::string(text);
  if (begins_json(text)) return refused("the value is not JSON");
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

// 2026-01-31T12:00:00Z as the database takes it.
std::string database_time(std::string_view text) {
  std::string out(text);
  if (out.size() > 10 && out[10] == 'T') out[10] = ' ';
  if (out.size() > 19 && out.ends_with('Z')) out.pop_back();
  return out;
}

Parameter integer_parameter(std::string_view text) {
  text = without_blanks(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto number = wide_integer_of(text);
  if (!number) return Parameter();
  if (*number < 0) return static_cast<std::int64_t>(*number);
  return static_cast<std::uint64_t>(*number);
}

bool is_time(Shape shape) {
  return shape == Shape::kDate || shape == Shape::kTime || shape == Shape::kDateTime ||
         shape == Shape::kTimestamp;
}

const char* integer_words(const Type& type) {
  if (type.is_unsigned)
    return type.bytes == 8 ? "an unsigned 64-bit integer" : "an unsigned integer of its size";
  return type.bytes == 8 ? "a 64-bit integer" : "an integer of its size";
}

}  // namespace

void append_json(std::string& out, const Type& type, std::string_view text) {
  switch (type.shape) {
    case Shape::kInteger:
    case Shape::kDecimal:
    case Shape::kFloat:
      append_json_number(out, text);
      return;
    case Shape::kJson:
      append_json_value(out, text);
      return;
    case Shape::kBytes:
      out += '"';
      append_base64(out, text);
      out += '"';
      return;
    default:
      append_json_string(out, plain_text(type, text));
      return;
  }
}

std::string plain_text(const Type& type, std::string_view text) {
  switch (type.shape) {
    case Shape::kBytes: {
      std::string out;
      append_base64(out, text);
      return out;
    }
    case Shape::kDateTime:
    case Shape::kTimestamp: {
      std::string out(text);
      if (out.size() > 10) out[10] = 'T';
      if (type.shape == Shape::kTimestamp) out += 'Z';
      return out;
    }
    default:
      return std::string(text);
  }
}

std::string raw_value(const Type& type, std::string_view text) {
  return type.shape == Shape::kBytes ? std::string(text) : plain_text(type, text);
}

Result<Parameter> parameter(const Type& type, std::string_view text) {
  if (const char* takes = never_takes(type, text, false)) return refused(fmt::format("it takes {}", takes));
  switch (type.shape) {
    case Shape::kInteger:
      return integer_parameter(text);
    case Shape::kDecimal:
      return Parameter(Digits{std::string(without_blanks(text))});
    case Shape::kFloat:
      return Parameter(double_of(without_blanks(text)).value_or(0));
    case Shape::kBytes:
      return Parameter(Bytes{decode_base64(text).value_or("")});
    case Shape::kJson: {
      auto json = json_text(text);
      if (!json) return json.error();
      return Parameter(std::move(*json));
    }
    default:
      return Parameter(is_time(type.shape) ? database_time(text) : std::string(text));
  }
}

Result<Parameter> string_parameter(const Type& type, std::string_view text) {
  if (type.shape != Shape::kJson) return parameter(type, text);
  std::string quoted;
  append_json_string(quoted, text);
  return Parameter(std::move(quoted));
}

Result<Parameter> raw_parameter(const Type& type, std::string_view text) {
  if (type.shape == Shape::kBytes) return Parameter(Bytes{std::string(text)});
  return parameter(type, text);
}

const char* never_takes(const Type& type, std::string_view text, bool raw) {
  switch (type.shape) {
    case Shape::kInteger:
      return is_integer_of(text, type.bytes, type.is_unsigned) ? nullptr : integer_words(type);
    case Shape::kDecimal:
      return is_decimal(without_blanks(text)) ? nullptr : "a number";
    case Shape::kFloat:
      return double_of(without_blanks(text)) ? nullptr : "a number that is finite";
    case Shape::kBytes:
      return raw || decode_base64(text) ? nullptr : "bytes, given as base64";
    case Shape::kJson:
      return !begins_json(text) || is_json(text) ? nullptr : "JSON";
    default:
      return is_utf8(text) ? nullptr : "UTF-8";
  }
}

Shown shown_as(const Type& type, Given given, bool raw, std::string& text) {
  switch (type.shape) {
    case Shape::kInteger:
      text = integer_text(text);
      return Shown::kJson;
    case Shape::kDecimal:
      text = decimal_text(text, type.scale);
      return Shown::kJson;
    case Shape::kFloat:
      text = float_text(text, type.bytes);
      return Shown::kJson;
    case Shape::kJson:
      if (given != Given::kJsonString && (begins_json(text) || is_json(text))) return Shown::kJson;
      if (raw && given != Given::kJsonString) {
        std::string quoted;
        append_json_string(quoted, text);
        text = std::move(quoted);
      }
      return Shown::kString;
    case Shape::kPadded:
      text.resize(without_padding(text).size());
      return Shown::kString;
    default:
      return Shown::kString;
  }
}

bool may_be_plain_text(const Type& type, std::string_view text) {
  switch (type.shape) {
    case Shape::kInteger:
      return is_integer_of(text, type.bytes, type.is_unsigned) && integer_text(text) == text &&
             (type.scale == 0 || text.size() == static_cast<std::size_t>(type.scale));
    case Shape::kDecimal:
      return is_decimal(text) && decimal_text(text, type.scale) == text;
    case Shape::kFloat:
      return double_of(text) && float_text(text, type.bytes) == text;
    case Shape::kBytes:
      return decode_base64(text).has_value();
    case Shape::kPadded:
      return is_utf8(text) && !text.ends_with(' ');
    case Shape::kDate:
      return is_date(text);
    case Shape::kTime:
      return is_time_of_day(text, type.scale);
    case Shape::kDateTime:
      return is_date_time(text, type.scale);
    case Shape::kTimestamp:
      return text.ends_with('Z') && is_date_time(text.substr(0, text.size() - 1), type.scale);
    default:
      return is_utf8(text);
  }
}

bool one_spelling(const Type& type, bool text) {
  switch (type.shape) {
    case Shape::kText:
    case Shape::kPadded:
      return text;
    case Shape::kInteger:
    case Shape::kBytes:
    case Shape::kDate:
    case Shape::kTime:
    case Shape::kDateTime:
    case Shape::kTimestamp:
      return true;
    case Shape::kDecimal:
    case Shape::kFloat:
    case Shape::kJson:
      return false;
  }
  return false;
}

}  // namespace forebay::source::mysql
