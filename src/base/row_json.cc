#include "base/row_json.h"

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <unordered_set>
#include <utility>

namespace forebay {
namespace {

namespace json = boost::json;

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

struct Utf8Piece {
  std::size_t length;  // at least 1
  bool valid;
};

// The well-formed sequence that `text` begins with, or the longest piece that begins one and goes wrong
// (Unicode 15, table 3-7). Requires text[0] >= 0x80.
Utf8Piece utf8_piece(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  std::size_t length = 0;
  unsigned char low = 0x80;
  unsigned char high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;   // shorter forms exist
    if (lead == 0xED) high = 0x9F;  // surrogates
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
  } else {
    return {1, false};
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text.size() || byte(i) < low || byte(i) > high) return {i, false};
    low = 0x80;
    high = 0xBF;
  }
  return {length, true};
}

bool is_json_number(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t from = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - from;
  };
  if (i < text.size() && text[i] == '-') ++i;
  const bool leading_zero = i < text.size() && text[i] == '0';
  const std::size_t whole = digits();
  if (whole == 0 || (leading_zero && whole > 1)) return false;
  if (i < text.size() && text[i] == '.') {
    ++i;
    if (digits() == 0) return false;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '+' || text[i] == '-')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

json::parse_options parse_options(std::size_t depth = kJsonDepthMax) {
  json::parse_options options;
  options.max_depth = depth;
  return options;
}

// What Boost's event parser asks of a handler; the base ignores everything.
struct IgnoreAll {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) { return true; }
  bool on_object_end(std::size_t, json::error_code&) { return true; }
  bool on_array_begin(json::error_code&) { return true; }
  bool on_array_end(std::size_t, json::error_code&) { return true; }
  bool on_key_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_key(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

// Collects the outermost object's members; below it, events are written out again as compact JSON text.
class RowHandler {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  enum class Stop { kNo, kNotAnObject, kFound };

  // `only`: the one column that is wanted; parsing stops once it is known.
  explicit RowHandler(std::optional<std::string_view> only) : only_(only) {}

  Fields fields;
  std::vector<bool> strings;  // for each field
  Stop stop = Stop::kNo;

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }

  bool on_object_begin(json::error_code&) {
    if (depth_ > 0) open('{');
    ++depth_;
    return true;
  }
  bool on_object_end(std::size_t, json::error_code& ec) { return --depth_ == 0 || close('}', ec); }
  bool on_array_begin(json::error_code& ec) {
    if (depth_ == 0) return refuse(ec);
    open('[');
    ++depth_;
    return true;
  }
  bool on_array_end(std::size_t, json::error_code& ec) {
    --depth_;
    return close(']', ec);
  }

  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    if (depth_ == 1) {
      column_ = std::exchange(text_, {});
    } else {
      separate();
      append_json_string(nested_, text_);
      nested_ += ':';
      text_.clear();
    }
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(json::string_view part, std::size_t, json::error_code& ec) {
    text_.append(part.data(), part.size());
    if (depth_ != 1) {
      if (depth_ == 0) return refuse(ec);
      separate();
      append_json_string(nested_, text_);
      text_.clear();
      return true;
    }
    return member(std::exchange(text_, {}), ec, Quoted::kYes);
  }
  bool on_number_part(json::string_view part, json::error_code&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_int64(std::int64_t, json::string_view part, json::error_code& ec) { return number(part, ec); }
  bool on_uint64(std::uint64_t, json::string_view part, json::error_code& ec) { return number(part, ec); }
  bool on_double(double, json::string_view part, json::error_code& ec) { return number(part, ec); }
  bool on_bool(bool value, json::error_code& ec) { return word(value ? "true" : "false", ec); }
  bool on_null(json::error_code& ec) {
    if (depth_ == 1) return member(std::nullopt, ec);
    return word("null", ec);
  }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }

 private:
  enum class Quoted : bool { kNo, kYes };

  bool refuse(json::error_code& ec) {
    stop = Stop::kNotAnObject;
    ec = json::error::syntax;
    return false;
  }
  // A comma where the nested text so far ends with a whole value.
  void separate() {
    if (!nested_.empty() && nested_.back() != '{' && nested_.back() != '[' && nested_.back() != ':')
      nested_ += ',';
  }
  void open(char bracket) {
    separate();
    nested_ += bracket;
  }
  bool close(char bracket, json::error_code& ec) {
    nested_ += bracket;
    return depth_ > 1 || member(std::exchange(nested_, {}), ec);
  }
  bool number(json::string_view part, json::error_code& ec) {
    text_.append(part.data(), part.size());
    const std::string digits = std::exchange(text_, {});
    return word(digits, ec);
  }
  bool word(std::string_view value, json::error_code& ec) {
    if (depth_ == 0) return refuse(ec);
    if (depth_ == 1) return member(std::string(value), ec);
    separate();
    nested_ += value;
    return true;
  }
  bool member(OptionalText value, json::error_code& ec, Quoted quoted = Quoted::kNo) {
    if (only_) {
      if (column_ != *only_) return true;
      fields.emplace_back(std::move(column_), std::move(value));
      stop = Stop::kFound;
      ec = json::error::incomplete;  // any error ends the parse
      return false;
    }
    fields.emplace_back(std::move(column_), std::move(value));
    strings.push_back(quoted == Quoted::kYes);
    return true;
  }

  std::optional<std::string_view> only_;
  std::size_t depth_ = 0;
  std::string column_;
  std::string text_;    // parts of the key, string or number being read
  std::string nested_;  // the nested value being read, as far as it is written
};

// Runs the parser over the whole text. False: not exactly one JSON value, or the handler stopped.
template <class Handler>
bool parse_all(json::basic_parser<Handler>& parser, std::string_view text) {
  json::error_code ec;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
  return !ec && used == text.size();
}

Error not_a_row() {
  return {ErrorCode::kInvalidArgument, "the value is not a JSON object"};
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<signed char, 256> make_base64_values() {
  std::array<signed char, 256> values{};
  for (signed char& value : values) value = -1;
  for (std::size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<signed char>(i);
  }
  return values;
}
constexpr std::array<signed char, 256> kBase64Values = make_base64_values();

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  std::size_t copied = 0;  // text[0, copied) is in `out`
  std::size_t i = 0;
  const auto flush = [&](std::size_t skip) {
    out.append(text, copied, i - copied);
    i += skip;
    copied = i;
  };
  while (i < text.size()) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x80) {
      const Utf8Piece piece = utf8_piece(text.substr(i));
      if (piece.valid) {
        i += piece.length;
      } else {
        flush(piece.length);
        out += kReplacement;
      }
    } else if (c == '"' || c == '\\') {
      flush(1);
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20) {
      flush(1);
      switch (c) {
        case '\b':
          out += "\\b";
          break;
        case '\f':
          out += "\\f";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        default:
          out += "\\u00";
          out += kHex[c >> 4];
          out += kHex[c & 15];
      }
    } else {
      ++i;
    }
  }
  flush(0);
  out += '"';
}

bool is_json(std::string_view text) {
  json::basic_parser<IgnoreAll> parser(parse_options());
  return parse_all(parser, text);
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    if (static_cast<unsigned char>(text[0]) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    const Utf8Piece piece = utf8_piece(text);
    if (!piece.valid) return false;
    text.remove_prefix(piece.length);
  }
  return true;
}

void append_base64(std::string& out, std::string_view bytes) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  out.reserve(out.size() + (bytes.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 2 < bytes.size(); i += 3) {
    const std::uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    out += kBase64[group >> 18];
    out += kBase64[group >> 12 & 63];
    out += kBase64[group >> 6 & 63];
    out += kBase64[group & 63];
  }
  if (i == bytes.size()) return;
  const bool two = i + 2 == bytes.size();
  const std::uint32_t group = byte(i) << 16 | (two ? byte(i + 1) << 8 : 0);
  out += kBase64[group >> 18];
  out += kBase64[group >> 12 & 63];
  out += two ? kBase64[group >> 6 & 63] : '=';
  out += '=';
}

std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const signed char value = kBase64Values[static_cast<unsigned char>(c)];
    if (value < 0) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(group >> bits & 0xFF);
    }
  }
  if ((group & ((1U << bits) - 1)) != 0) return std::nullopt;
  return out;
}

void append_json_number(std::string& out, std::string_view digits) {
  if (is_json_number(digits)) {
    out += digits;
  } else {
    append_json_string(out, digits);
  }
}

void append_json_value(std::string& out, std::string_view value) {
  if (is_json(value)) {
    out += value;
  } else {
    append_json_string(out, value);
  }
}

void RowJson::name(std::string_view column) {
  out_ += out_.empty() ? '{' : ',';
  append_json_string(out_, column);
  out_ += ':';
}

void RowJson::null(std::string_view column) {
  name(column);
  out_ += "null";
}

void RowJson::boolean(std::string_view column, bool value) {
  name(column);
  out_ += value ? "true" : "false";
}

void RowJson::number(std::string_view column, std::string_view digits) {
  name(column);
  append_json_number(out_, digits);
}

void RowJson::text(std::string_view column, std::string_view value) {
  name(column);
  append_json_string(out_, value);
}

void RowJson::bytes(std::string_view column, std::string_view value) {
  name(column);
  out_ += '"';
  append_base64(out_, value);
  out_ += '"';
}

void RowJson::json(std::string_view column, std::string_view value) {
  name(column);
  append_json_value(out_, value);
}

std::string RowJson::take() {
  if (out_.empty()) out_ += '{';
  out_ += '}';
  return std::exchange(out_, {});
}

Result<Fields> fields_of_row(std::string_view json, std::vector<bool>* strings, std::size_t depth) {
  json::basic_parser<RowHandler> parser(parse_options(depth), std::nullopt);
  if (!parse_all(parser, json)) return not_a_row();
  Fields& fields = parser.handler().fields;
  std::unordered_set<std::string_view> names;
  for (const auto& [column, value] : fields) {
    if (!names.insert(column).second) {
      return Error{ErrorCode::kInvalidArgument, "the value names column " + column + " twice"};
    }
  }
  if (strings != nullptr) *strings = std::move(parser.handler().strings);
  return std::move(fields);
}

Result<std::optional<OptionalText>> field_of_row(std::string_view json, std::string_view column) {
  json::basic_parser<RowHandler> parser(parse_options(kJsonDepthMax + 1), column);
  const bool whole = parse_all(parser, json);
  RowHandler& handler = parser.handler();
  if (handler.stop == RowHandler::Stop::kFound) {
    return std::optional<OptionalText>(std::move(handler.fields.front().second));
  }
  if (!whole) return not_a_row();
  return std::optional<OptionalText>();
}

}  // namespace forebay
