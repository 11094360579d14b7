#include "source/postgres/types.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "base/row_json.h"
#include "source/hex_text.h"
#include "source/postgres/spelling.h"

namespace forebay::source::postgres {
namespace {

// PostgreSQL's own bound on an array's dimensions.
constexpr int kDimensionsMax = 6;

// DateStyle ISO and TimeZone UTC give `2026-01-31 12:00:00.5+00`. What is no plain date of our era (infinity,
// BC) stays.
std::string iso8601(std::string_view text, bool with_zone) {
  std::string out(text);
  const std::size_t blank = out.find(' ');
  if (blank == std::string::npos || !is_digit(out[0]) || out.ends_with("BC")) return out;
  out[blank] = 'T';
  if (with_zone && out.ends_with("+00")) out.replace(out.size() - 3, 3, "Z");
  return out;
}

std::string_view without_padding(std::string_view text) {
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

void append_scalar_json(std::string& out, Shape shape, std::string_view text) {
  switch (shape) {
    case Shape::kBoolean:
      out += text == "t" ? "true" : "false";
      return;
    case Shape::kInteger:
    case Shape::kNumber:
      append_json_number(out, text);
      return;
    case Shape::kJson:
      out += text;  // the server has checked it
      return;
    case Shape::kBytes:
      out += '"';
      append_base64(out, bytes_of_hex_text(text).value_or(std::string(text)));
      out += '"';
      return;
    case Shape::kTimestamp:
    case Shape::kTimestampTz:
      append_json_string(out, iso8601(text, shape == Shape::kTimestampTz));
      return;
    case Shape::kPadded:
      append_json_string(out, without_padding(text));
      return;
    case Shape::kText:
    case Shape::kUuid:
      append_json_string(out, text);
      return;
  }
}

// Turns an array's text, `{a,"b c",{…},NULL}` with `[2:3]=` in front where indices don't begin at 1, into
// JSON.
class ArrayReader {
 public:
  ArrayReader(const Type& type, std::string_view text) : type_(type), text_(text) {}

  // Nothing: it is no array's text.
  std::optional<std::string> read() {
    if (text_.starts_with('[')) {
      const std::size_t equals = text_.find('=');
      if (equals == std::string_view::npos) return std::nullopt;
      text_.remove_prefix(equals + 1);
    }
    if (!array(0) || !text_.empty()) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool array(int depth) {
    if (depth >= kDimensionsMax || !take('{')) return false;
    out_ += '[';
    if (!take('}')) {
      do {
        if (text_.starts_with('{') ? !array(depth + 1) : !element()) return false;
      } while (take(type_.delimiter) && (out_ += ',', true));
      if (!take('}')) return false;
    }
    out_ += ']';
    return true;
  }

  bool element() {
    if (take('"')) {
      std::string value;
      while (!text_.empty() && text_.front() != '"') {
        if (text_.front() == '\\') text_.remove_prefix(1);
        if (text_.empty()) return false;
        value += text_.front();
        text_.remove_prefix(1);
      }
      append_scalar_json(out_, type_.shape, value);
      return take('"');
    }
    std::size_t end = 0;
    while (end < text_.size() && text_[end] != type_.delimiter && text_[end] != '}') ++end;
    const std::string_view value = text_.substr(0, end);
    if (value.empty()) return false;
    text_.remove_prefix(end);
    if (value == "NULL") {
      out_ += "null";
    } else {
      append_scalar_json(out_, type_.shape, value);
    }
    return true;
  }

  const Type& type_;
  std::string_view text_;
  std::string out_;
};

std::string array_json(const Type& type, std::string_view text) {
  if (auto json = ArrayReader(type, text).read()) return std::move(*json);
  std::string out;
  append_json_string(out, text);
  return out;
}

Error refused(std::string message) {
  return {ErrorCode::kRefused, std::move(message)};
}

Result<std::string> storable(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return refused("PostgreSQL's text can't hold a NUL");
  if (!is_utf8(text)) return refused("the value is not UTF-8");
  return std::string(text);
}

bool begins_json(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos &&
         std::string_view("{[\"").find(text[first]) != std::string_view::npos;
}

bool begins_string(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '"';
}

// A string of a JSON column arrives here without its quotes. What looks like the beginning of JSON is left
// for the database to judge, so that a mistake in an object doesn't end up as a string.
Result<std::string> json_parameter(std::string_view text) {
  if (begins_json(text) || is_json(text)) return storable(text);
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

Result<std::string> scalar_parameter(Shape shape, std::string_view text) {
  if (shape == Shape::kJson) return json_parameter(text);
  if (shape != Shape::kBytes) return storable(text);
  const auto bytes = decode_base64(text);
  if (!bytes) return refused("a bytea column takes base64");
  return hex_text(*bytes);
}

void append_quoted_element(std::string& literal, std::string_view text) {
  literal += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') literal += '\\';
    literal += c;
  }
  literal += '"';
}

// The elements of a JSON array's text. Requires one that is_json().
std::vector<std::string_view> json_elements(std::string_view array) {
  std::vector<std::string_view> elements;
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  const auto add = [&](std::string_view element) {
    while (!element.empty() && blank(element.front())) element.remove_prefix(1);
    while (!element.empty() && blank(element.back())) element.remove_suffix(1);
    if (!element.empty()) elements.push_back(element);
  };
  int depth = 0;
  std::size_t from = 1;
  for (std::size_t i = 0; i < array.size(); ++i) {
    const char c = array[i];
    if (c == '"') {
      for (++i; array[i] != '"'; ++i) {
        if (array[i] == '\\') ++i;
      }
    } else if (c == '[' || c == '{') {
      ++depth;
    } else if (c == ']' || c == '}') {
      if (--depth == 0) add(array.substr(from, i - from));
    } else if (c == ',' && depth == 1) {
      add(array.substr(from, i - from));
      from = i + 1;
    }
  }
  return elements;
}

Result<std::string> array_literal(const Type& type, std::string_view json, int depth) {
  if (depth >= kDimensionsMax) return refused("the array is nested too deeply");
  std::string literal = "{";
  for (const std::string_view element : json_elements(json)) {
    if (literal.size() > 1) literal += type.delimiter;
    if (element == "null") {
      literal += "NULL";
    } else if (element.starts_with('[') && type.shape != Shape::kJson) {
      auto nested = array_literal(type, element, depth + 1);
      if (!nested) return nested.error();
      literal += *nested;
    } else {
      std::string text(element);
      if (type.shape != Shape::kJson) {
        auto fields = fields_of_row(fmt::format("{{\"v\":{}}}", element));
        if (!fields) return fields.error();
        text = fields->front().second.value_or("");
      }
      auto value = scalar_parameter(type.shape, text);
      if (!value) return value.error();
      append_quoted_element(literal, *value);
    }
  }
  literal += '}';
  return literal;
}

Shown scalar_shown(const Type& type, std::string& text) {
  switch (type.shape) {
    case Shape::kBoolean:
      text = boolean_text(text);
      return Shown::kJson;
    case Shape::kInteger:
      text = integer_text(text, type.integer_bytes);
      return Shown::kJson;
    case Shape::kNumber:
      text = type.float_bytes != 0 ? float_text(text, type.float_bytes) : numeric_text(text);
      return Shown::kJson;
    case Shape::kJson:
      return begins_json(text) || is_json(text) ? Shown::kJson : Shown::kString;
    case Shape::kUuid:
      text = uuid_text(text);
      return Shown::kString;
    case Shape::kPadded:
      text.resize(without_padding(text).size());
      return Shown::kString;
    case Shape::kText:
    case Shape::kBytes:
    case Shape::kTimestamp:
    case Shape::kTimestampTz:
      return Shown::kString;
  }
  return Shown::kString;
}

// Requires an array's JSON.
std::string array_shown(const Type& type, std::string_view json, int depth) {
  std::string out = "[";
  for (const std::string_view element : json_elements(json)) {
    if (out.size() > 1) out += ',';
    if (element == "null") {
      out += element;
    } else if (type.shape == Shape::kJson) {
      append_json_value(out, element);
    } else if (element.starts_with('[') && depth < kDimensionsMax) {
      out += array_shown(type, element, depth + 1);
    } else {
      auto fields = fields_of_row(fmt::format("{{\"v\":{}}}", element));
      std::string text = fields ? fields->front().second.value_or("") : std::string(element);
      if (scalar_shown(type, text) == Shown::kJson) {
        append_json_value(out, text);
      } else {
        append_json_string(out, text);
      }
    }
  }
  return out += ']';
}

}  // namespace

const char* never_takes(const Type& type, std::string_view text, bool raw) {
  const bool bytes = type.shape == Shape::kBytes && !type.array;
  if (bytes && raw) return nullptr;
  // What isn't JSON becomes a string of it.
  if (type.shape == Shape::kJson && !type.array && !begins_json(text)) return nullptr;
  if (text.find('\0') != std::string_view::npos) return "text without a NUL";
  if (!is_utf8(text)) return "UTF-8";
  if (type.array) return nullptr;
  switch (type.shape) {
    case Shape::kBoolean:
      return may_be_boolean(text) ? nullptr : "true or false";
    case Shape::kInteger:
      if (may_be_integer(text, type.integer_bytes)) return nullptr;
      return type.integer_bytes == 2   ? "a 16-bit integer"
             : type.integer_bytes == 8 ? "a 64-bit integer"
                                       : "a 32-bit integer";
    case Shape::kNumber:
      return may_be_number(text) ? nullptr : "a number";
    case Shape::kBytes:
      return decode_base64(text) ? nullptr : "bytes, given as base64";
    case Shape::kJson:
      return is_json(text) ? nullptr : "JSON";
    case Shape::kUuid:
      return may_be_uuid(text) ? nullptr : "a UUID";
    case Shape::kText:
    case Shape::kPadded:
    case Shape::kTimestamp:
    case Shape::kTimestampTz:
      return nullptr;
  }
  return nullptr;
}

bool reads_alike(Oid a, Oid b) {
  constexpr Oid kAlike[][3] = {{20, 21, 23}, {19, 25, 1043}};
  if (a == b) return true;
  return std::ranges::any_of(kAlike, [&](const auto& group) {
    return std::ranges::find(group, a) != std::end(group) && std::ranges::find(group, b) != std::end(group);
  });
}

Type built_in_type(Oid oid) {
  // pg_type.dat; these numbers are part of the protocol and don't change.
  switch (oid) {
    case 16:
      return {.shape = Shape::kBoolean, .one_spelling = true};
    case 17:
      return {.shape = Shape::kBytes, .one_spelling = true};
    case 20:
      return {.shape = Shape::kInteger, .integer_bytes = 8, .one_spelling = true};
    case 21:
      return {.shape = Shape::kInteger, .integer_bytes = 2, .one_spelling = true};
    case 23:
      return {.shape = Shape::kInteger, .integer_bytes = 4, .one_spelling = true};
    case 26:
      return {.shape = Shape::kInteger, .integer_bytes = -4, .one_spelling = true};
    case 700:
      return {.shape = Shape::kNumber, .float_bytes = 4};
    case 701:
      return {.shape = Shape::kNumber, .float_bytes = 8};
    case 1700:
      return {.shape = Shape::kNumber};
    case 114:
    case 3802:
      return {.shape = Shape::kJson};
    case 1042:
      return {.shape = Shape::kPadded, .one_spelling = true};
    case 1114:
      return {.shape = Shape::kTimestamp, .one_spelling = true};
    case 1184:
      return {.shape = Shape::kTimestampTz, .one_spelling = true};
    case 2950:
      return {.shape = Shape::kUuid, .one_spelling = true};
    case 19:    // name
    case 25:    // text
    case 650:   // cidr
    case 829:   // macaddr
    case 869:   // inet
    case 1043:  // varchar
    case 1082:  // date
    case 1083:  // time
      return {.one_spelling = true};
    default:
      return {};
  }
}

void append_json(std::string& out, const Type& type, std::string_view text) {
  if (type.array) {
    out += array_json(type, text);
  } else {
    append_scalar_json(out, type.shape, text);
  }
}

std::string plain_text(const Type& type, std::string_view text) {
  if (type.array) return array_json(type, text);
  switch (type.shape) {
    case Shape::kBoolean:
      return text == "t" ? "true" : "false";
    case Shape::kBytes: {
      std::string out;
      append_base64(out, bytes_of_hex_text(text).value_or(std::string(text)));
      return out;
    }
    case Shape::kTimestamp:
    case Shape::kTimestampTz:
      return iso8601(text, type.shape == Shape::kTimestampTz);
    case Shape::kPadded:
      return std::string(without_padding(text));
    default:
      return std::string(text);
  }
}

std::string raw_value(const Type& type, std::string_view text) {
  if (type.shape == Shape::kBytes && !type.array) return bytes_of_hex_text(text).value_or(std::string(text));
  return plain_text(type, text);
}

Result<std::string> parameter(const Type& type, std::string_view text) {
  if (!type.array) return scalar_parameter(type.shape, text);
  if (is_json(text) && text.find_first_not_of(" \t\r\n") == text.find('[')) {
    return array_literal(type, text.substr(text.find('[')), 0);
  }
  return storable(text);
}

Result<std::string> string_parameter(const Type& type, std::string_view text) {
  if (type.array || type.shape != Shape::kJson) return parameter(type, text);
  std::string quoted;
  append_json_string(quoted, text);
  return quoted;
}

Result<std::string> raw_parameter(const Type& type, std::string_view text) {
  if (type.shape == Shape::kBytes && !type.array) return hex_text(text);
  return parameter(type, text);
}

Shown shown_as(const Type& type, Given given, bool raw, std::string& text) {
  if (type.array) {
    if (is_json(text) && text.find_first_not_of(" \t\r\n") == text.find('[')) {
      text = array_shown(type, text, 0);
      return Shown::kJson;
    }
    // PostgreSQL's own form, in which bytes and JSON are as it would write them.
    const bool written = type.shape == Shape::kJson || type.shape == Shape::kBytes;
    Type elements = type;
    if (!written) elements.shape = Shape::kText;
    if (auto read = ArrayReader(elements, text).read()) text = written ? *read : array_shown(type, *read, 0);
    return Shown::kJson;
  }
  if (type.shape == Shape::kJson && given == Given::kJsonString) return Shown::kString;
  const Shown as = scalar_shown(type, text);
  if (raw && type.shape == Shape::kJson && as == Shown::kString) {
    std::string quoted;
    append_json_string(quoted, text);
    text = std::move(quoted);
  }
  return as;
}

Take take_of(const Type& type, const OptionalText& text, bool known) {
  if (type.array || type.shape != Shape::kJson) return {};
  if (!text) return {Take::How::kUnlessNull, type.cast};
  if (known || !is_json(*text) || begins_string(*text)) return {};
  return {Take::How::kUnlessSameString, type.cast};
}

bool may_be_plain_text(const Type& type, std::string_view text) {
  if (text.find('\0') != std::string_view::npos || !is_utf8(text)) return false;
  if (type.array) return true;
  switch (type.shape) {
    case Shape::kBoolean:
      return text == "true" || text == "false";
    case Shape::kInteger:
      return is_canonical_integer(text, type.integer_bytes);
    case Shape::kBytes:
      return decode_base64(text).has_value();
    case Shape::kUuid:
      return is_canonical_uuid(text);
    case Shape::kPadded:
      return !text.ends_with(' ');
    default:
      return true;
  }
}

bool well_known(const Type& type) {
  if (type.array) return false;
  switch (type.shape) {
    case Shape::kBoolean:
    case Shape::kInteger:
    case Shape::kBytes:
    case Shape::kUuid:
    case Shape::kPadded:
      return true;
    default:
      return type.cast == "text" || type.cast == "character varying";
  }
}

void append_array_element(std::string& literal, const Type& type, std::string_view text) {
  if (literal.size() > 1) literal += type.delimiter;
  if (type.shape == Shape::kBytes) {
    append_quoted_element(literal, hex_text(decode_base64(text).value_or("")));
  } else {
    append_quoted_element(literal, text);
  }
}

}  // namespace forebay::source::postgres
