#include "resp/request_parser.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>

#include "base/decimal.h"

namespace forebay::resp {
namespace {

// A count or a length with its type byte and CR fits easily; a longer head cannot be a number.
constexpr std::size_t kMaxHead = 32;
// Announced multibulk counts beyond this are wrong whatever the limit (as in Redis).
constexpr std::int64_t kMaxCount = std::numeric_limits<std::int32_t>::max();
// Views kept between requests; a request with more gives its memory back.
constexpr std::size_t kKeptArguments = 1024;

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char escaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// The size of a head of one or two digits with its CRLF, as almost all are; 0: it is another, or not all
// there.
std::size_t short_head(std::string_view bytes, std::size_t at) {
  if (bytes.size() - at < 5 || bytes[at + 1] < '1' || bytes[at + 1] > '9') return 0;
  if (bytes[at + 2] == '\r') return bytes[at + 3] == '\n' ? 4 : 0;
  const bool two_digits =
      bytes[at + 2] >= '0' && bytes[at + 2] <= '9' && bytes[at + 3] == '\r' && bytes[at + 4] == '\n';
  return two_digits ? 5 : 0;
}

std::int64_t short_number(std::string_view bytes, std::size_t at, std::size_t size) {
  const int first = bytes[at + 1] - '0';
  return size == 4 ? first : first * 10 + (bytes[at + 2] - '0');
}

bool equals_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() == lower.size() &&
         std::equal(text.begin(), text.end(), lower.begin(), [](char a, char b) {
           return (a >= 'A' && a <= 'Z' ? static_cast<char>(a + 32) : a) == b;
         });
}

// A browser or a proxy that was made to send HTTP here could smuggle commands in the lines that follow its
// first one.
bool is_http(std::span<const std::string_view> args) {
  if (args.empty()) return false;
  if (equals_ignoring_case(args[0], "post") || equals_ignoring_case(args[0], "host:")) return true;
  return args.size() == 3 && args[2].starts_with("HTTP/");
}

// Takes one token off an inline request. False: its quotes are unbalanced. The token's text is in `line`
// unless it was quoted; then it is at the end of `unquoted`, from `at`.
struct Token {
  std::string_view plain;
  std::size_t at = 0;
  std::size_t size = 0;
  bool quoted = false;
};

bool take_token(std::string_view line, std::size_t& i, std::string& unquoted, Token& token) {
  const std::size_t begin = i;
  while (i < line.size() && !is_space(line[i]) && line[i] != '"' && line[i] != '\'') ++i;
  if (i == line.size() || is_space(line[i])) {
    token.plain = line.substr(begin, i - begin);
    return true;
  }
  token.quoted = true;
  token.at = unquoted.size();
  unquoted.append(line.substr(begin, i - begin));
  const char quote = line[i++];
  for (;; ++i) {
    if (i == line.size()) return false;
    const char c = line[i];
    if (c == quote) break;
    if (c != '\\' || i + 1 == line.size()) {
      unquoted.push_back(c);
    } else if (quote == '\'') {
      // Within single quotes only the quote itself can be escaped.
      if (line[i + 1] == '\'') ++i;
      unquoted.push_back(line[i]);
    } else if (line[i + 1] == 'x' && i + 3 < line.size() && hex_digit(line[i + 2]) >= 0 &&
               hex_digit(line[i + 3]) >= 0) {
      unquoted.push_back(static_cast<char>(hex_digit(line[i + 2]) * 16 + hex_digit(line[i + 3])));
      i += 3;
    } else {
      ++i;
      unquoted.push_back(escaped(line[i]));
    }
  }
  // The closing quote must end its argument.
  if (++i < line.size() && !is_space(line[i])) return false;
  token.size = unquoted.size() - token.at;
  return true;
}

}  // namespace

void RequestParser::start() {
  state_ = State::kStart;
  finished_ = false;
  position_ = scanned_ = remaining_ = length_ = 0;
  args_.clear();
  if (args_.capacity() > kKeptArguments) std::vector<std::string_view>().swap(args_);
}

void RequestParser::reset() {
  start();
  std::string().swap(unquoted_);
}

RequestStatus RequestParser::fail(std::string_view text) {
  error_.assign("ERR Protocol error: ").append(text);
  return RequestStatus::kError;
}

RequestStatus RequestParser::parse(std::string_view bytes, const RequestLimits& limits) {
  if (finished_) start();
  if (bytes.empty()) return RequestStatus::kIncomplete;
  if (bytes[0] != '*') return parse_inline(bytes, limits);
  if (!args_.empty() && base_ != bytes.data()) {
    for (std::string_view& arg : args_) arg = {bytes.data() + (arg.data() - base_), arg.size()};
  }
  base_ = bytes.data();
  const RequestStatus status = parse_multibulk(bytes, limits);
  if (status == RequestStatus::kComplete) finished_ = true;
  return status;
}

RequestStatus RequestParser::parse_multibulk(std::string_view bytes, const RequestLimits& limits) {
  for (;;) {
    if (state_ == State::kArgument) {
      const std::size_t available = bytes.size() - position_;
      if (available < length_ + 2) return RequestStatus::kIncomplete;
      if (bytes[position_ + length_] != '\r' || bytes[position_ + length_ + 1] != '\n') {
        return fail("bulk string is not followed by CRLF");
      }
      args_.emplace_back(bytes.data() + position_, length_);
      position_ += length_ + 2;
      scanned_ = position_;
      state_ = State::kArgumentHead;
      if (--remaining_ == 0) return RequestStatus::kComplete;
    }

    // A head: `*count` or `$length`, then CRLF.
    if (state_ == State::kArgumentHead && position_ < bytes.size() && bytes[position_] != '$') {
      std::string text = "expected '$', got '";
      text.push_back(bytes[position_]);
      return fail(text.append("'"));
    }
    std::optional<std::int64_t> number;
    bool line_ends = true;
    if (const std::size_t size = short_head(bytes, position_); size > 0) {
      number = short_number(bytes, position_, size);
      position_ = scanned_ = position_ + size;
    } else {
      const std::size_t limit = std::min(bytes.size(), position_ + kMaxHead);
      const char* from = bytes.data() + scanned_;
      const auto* cr =
          scanned_ < limit ? static_cast<const char*>(std::memchr(from, '\r', limit - scanned_)) : nullptr;
      if (cr == nullptr) {
        if (bytes.size() - position_ >= kMaxHead) {
          return fail(state_ == State::kStart ? "too big mbulk count string" : "too big bulk count string");
        }
        scanned_ = bytes.size();
        return RequestStatus::kIncomplete;
      }
      const auto end = static_cast<std::size_t>(cr - bytes.data());
      if (end + 1 == bytes.size()) {
        scanned_ = end;
        return RequestStatus::kIncomplete;
      }
      number = canonical_integer_of(bytes.substr(position_ + 1, end - position_ - 1));
      line_ends = bytes[end + 1] == '\n';
      position_ = scanned_ = end + 2;
    }

    if (state_ == State::kStart) {
      if (!number || !line_ends || *number > kMaxCount) return fail("invalid multibulk length");
      if (!limits.authenticated &&
          *number > static_cast<std::int64_t>(RequestLimits::kUnauthenticatedArguments)) {
        return fail("unauthenticated multibulk length");
      }
      if (*number <= 0) return RequestStatus::kComplete;
      if (static_cast<std::uint64_t>(*number) > limits.max_arguments) return fail("invalid multibulk length");
      remaining_ = static_cast<std::size_t>(*number);
      state_ = State::kArgumentHead;
      continue;
    }
    if (!number || !line_ends || *number < 0 || static_cast<std::uint64_t>(*number) > limits.max_bulk) {
      return fail("invalid bulk length");
    }
    if (!limits.authenticated && *number > static_cast<std::int64_t>(RequestLimits::kUnauthenticatedBulk)) {
      return fail("unauthenticated bulk length");
    }
    length_ = static_cast<std::size_t>(*number);
    state_ = State::kArgument;
  }
}

RequestStatus RequestParser::parse_inline(std::string_view bytes, const RequestLimits& limits) {
  // No command starts with a control byte other than white space; TLS's first byte is 0x16.
  if (bytes[0] == 0x16) return RequestStatus::kForeign;
  const std::size_t limit = std::min(bytes.size(), limits.max_inline + 1);
  const void* found = std::memchr(bytes.data() + scanned_, '\n', limit - scanned_);
  if (found == nullptr) {
    if (bytes.size() > limits.max_inline) return fail("too big inline request");
    scanned_ = bytes.size();
    return RequestStatus::kIncomplete;
  }
  const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
  std::string_view line = bytes.substr(0, end);
  if (line.ends_with('\r')) line.remove_suffix(1);
  position_ = end + 1;
  return split_inline(line);
}

RequestStatus RequestParser::split_inline(std::string_view line) {
  args_.clear();
  unquoted_.clear();
  unquoted_.reserve(line.size());  // an argument is never longer than its spelling: views into it stay valid
  for (std::size_t i = 0;;) {
    while (i < line.size() && is_space(line[i])) ++i;
    if (i == line.size()) break;
    Token token;
    if (!take_token(line, i, unquoted_, token)) return fail("unbalanced quotes in request");
    args_.push_back(token.quoted ? std::string_view(unquoted_).substr(token.at, token.size) : token.plain);
  }
  if (is_http(args_)) return RequestStatus::kForeign;
  finished_ = true;
  return RequestStatus::kComplete;
}

}  // namespace forebay::resp
