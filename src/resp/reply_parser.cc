#include "resp/reply_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "base/decimal.h"

namespace forebay::resp {
namespace {

// Longest line of a simple reply, an error or a big number.
constexpr std::size_t kMaxLine = std::size_t{64} << 10;

// Longest text that is passed over: no server has longer ones.
constexpr std::size_t kMostCut = std::size_t{1} << 40;

Error malformed(std::string_view what) {
  return {ErrorCode::kInvalidArgument, std::string("malformed reply: ").append(what)};
}

std::optional<double> parse_real(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

Reply ReplyParser::take() {
  bytes_ = nodes_ = 0;
  return std::exchange(done_, Reply());
}

Result<bool> ReplyParser::feed(std::string_view& bytes) {
  while (!bytes.empty()) {
    Result<bool> complete = false;
    if (text_remaining_ > 0) {
      // The last two bytes are the CRLF.
      const std::size_t count = std::min(text_remaining_, bytes.size());
      partial_.text.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      text_remaining_ -= count;
      if (partial_.cut && partial_.text.size() > 2) partial_.text.erase(0, partial_.text.size() - 2);
      if (text_remaining_ > 0) return false;
      if (!partial_.text.ends_with("\r\n")) return malformed("bulk string is not followed by CRLF");
      partial_.text.resize(partial_.text.size() - 2);
      if (partial_.kind == ReplyKind::kVerbatim && !partial_.cut) {
        if (partial_.text.size() < 4 || partial_.text[3] != ':')
          return malformed("verbatim string without a format");
        partial_.text.erase(0, 4);
      }
      complete = finish(std::exchange(partial_, Reply()));
    } else {
      const std::size_t end = bytes.find('\n');
      const std::size_t count = end == std::string_view::npos ? bytes.size() : end + 1;
      if (line_.size() + count > kMaxLine) return malformed("line too long");
      line_.append(bytes.substr(0, count));
      bytes.remove_prefix(count);
      if (end == std::string_view::npos) return false;
      if (line_.size() < 3 || line_[line_.size() - 2] != '\r') return malformed("line does not end in CRLF");
      line_.resize(line_.size() - 2);
      complete = head();
      line_.clear();
    }
    if (!complete || *complete) return complete;
  }
  return false;
}

Result<bool> ReplyParser::head() {
  const std::string_view rest = std::string_view(line_).substr(1);
  if (++nodes_ > limits_.max_nodes) return malformed("too many elements");
  Reply reply;
  switch (line_[0]) {
    case '+':
    case '-':
    case '(':
      reply.kind = line_[0] == '+'   ? ReplyKind::kSimple
                   : line_[0] == '-' ? ReplyKind::kError
                                     : ReplyKind::kBig;
      reply.text = rest;
      bytes_ += rest.size();
      if (bytes_ > limits_.max_bytes) return malformed("reply too large");
      return finish(std::move(reply));
    case '_':
      if (!rest.empty()) return malformed("null with content");
      return finish(std::move(reply));
    case '#':
      if (rest != "t" && rest != "f") return malformed("boolean is neither t nor f");
      reply.kind = ReplyKind::kBoolean;
      reply.integer = rest == "t" ? 1 : 0;
      return finish(std::move(reply));
    case ',': {
      const auto real = parse_real(rest);
      if (!real) return malformed("invalid double");
      reply.kind = ReplyKind::kReal;
      reply.real = *real;
      return finish(std::move(reply));
    }
    default:
      break;
  }
  const auto number = canonical_integer_of(rest);
  if (!number) return malformed("invalid number");
  switch (line_[0]) {
    case ':':
      reply.kind = ReplyKind::kInteger;
      reply.integer = *number;
      return finish(std::move(reply));
    case '$':
      return text(ReplyKind::kBulk, *number);
    case '!':
      return text(ReplyKind::kError, *number);
    case '=':
      return text(ReplyKind::kVerbatim, *number);
    case '*':
      return aggregate(ReplyKind::kArray, *number, false);
    case '~':
      return aggregate(ReplyKind::kSet, *number, false);
    case '>':
      return aggregate(ReplyKind::kPush, *number, false);
    case '%':
      return aggregate(ReplyKind::kMap, *number, false);
    case '|':
      return aggregate(ReplyKind::kMap, *number, true);
    default:
      return malformed("unknown type");
  }
}

Result<bool> ReplyParser::text(ReplyKind kind, std::int64_t length) {
  if (length == -1 && kind == ReplyKind::kBulk) return finish(Reply());
  partial_.cut = length >= 0 && static_cast<std::uint64_t>(length) > limits_.max_text;
  const std::size_t room = partial_.cut ? kMostCut : limits_.max_bytes - bytes_;
  if (length < 0 || static_cast<std::uint64_t>(length) > room) return malformed("invalid bulk length");
  if (!partial_.cut) bytes_ += static_cast<std::size_t>(length);
  partial_.kind = kind;
  text_remaining_ = static_cast<std::size_t>(length) + 2;
  return false;
}

Result<bool> ReplyParser::aggregate(ReplyKind kind, std::int64_t count, bool attribute) {
  if (count == -1 && kind == ReplyKind::kArray) return finish(Reply());
  const std::uint64_t most = limits_.max_nodes - nodes_;
  if (count < 0 || static_cast<std::uint64_t>(count) > most) return malformed("invalid aggregate length");
  auto children = static_cast<std::size_t>(count);
  if (kind == ReplyKind::kMap) children *= 2;  // count is at most max_nodes: no overflow
  if (children > most) return malformed("invalid aggregate length");
  if (stack_.size() >= limits_.max_depth) return malformed("nested too deeply");
  Reply reply;
  reply.kind = kind;
  if (children > 0) {
    stack_.push_back({std::move(reply), children, attribute});
    return false;
  }
  if (attribute) return false;
  return finish(std::move(reply));
}

// Puts a complete reply where it belongs, and completes what it was the last part of.
Result<bool> ReplyParser::finish(Reply reply) {
  while (!stack_.empty()) {
    Open& open = stack_.back();
    open.reply.children.push_back(std::move(reply));
    if (--open.remaining > 0) return false;
    const bool attribute = open.attribute;
    reply = std::move(open.reply);
    stack_.pop_back();
    if (attribute) return false;
  }
  done_ = std::move(reply);
  return true;
}

}  // namespace forebay::resp
