#include "source/ledger.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/row_json.h"
#include "source/sql_mapping.h"

namespace forebay::source {

namespace {

constexpr std::string_view kHexMark = "\\x";

bool fits(std::string_view text, Charset charset) {
  if (text.find('\0') != std::string_view::npos) return false;
  return charset == Charset::kUtf8
             ? is_utf8(text)
             : std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

// The primary key's order is that in which dead letters are listed.
std::vector<std::string> ledger_schema(config::Dialect dialect, std::string_view schema) {
  const std::string prefix = schema.empty() ? std::string() : quote_identifier(schema) + ".";
  return {
      fmt::format("CREATE TABLE IF NOT EXISTS {}forebay_applied (journal text NOT NULL, lane integer NOT "
                  "NULL, last_seq bigint NOT NULL, PRIMARY KEY (journal, lane))",
                  prefix),
      fmt::format("CREATE TABLE IF NOT EXISTS {}forebay_dead (journal text NOT NULL, lane integer NOT NULL, "
                  "seq bigint NOT NULL, namespace text NOT NULL, key text NOT NULL, operation text NOT NULL, "
                  "error text NOT NULL, at {}, PRIMARY KEY (journal, seq, lane))",
                  prefix,
                  dialect == config::Dialect::kSqlite
                      ? "text NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
                      : "timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP"),
  };
}

Error no_ledger(const Error& refused, std::span<const std::string> sql) {
  return {ErrorCode::kConfig,
          fmt::format("the ledger of write = \"behind\" can't be made or used ({}); have it made by: {};",
                      refused.message, fmt::join(sql, "; "))};
}

std::string stored(std::string_view bytes, Charset charset) {
  if (fits(bytes, charset) && !bytes.starts_with(kHexMark)) return std::string(bytes);
  std::string text(kHexMark);
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

std::string restored(std::string_view text) {
  if (!text.starts_with(kHexMark) || text.size() % 2 != 0) return std::string(text);
  std::string bytes;
  for (std::size_t i = kHexMark.size(); i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::string(text);  // somebody has written it by hand
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

std::string readable(std::string_view message, Charset charset) {
  std::string text(message);
  if (fits(text, charset)) return text;
  for (char& c : text) {
    if (c == '\0' || static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return text;
}

Error wrong_position(std::string_view where, const WriteBatch& batch, std::uint64_t found) {
  return {
      ErrorCode::kConflict,
      fmt::format("{}: forebay_applied says {} for lane {} of journal {} where {} or {} was expected: was "
                  "the database restored, or does another server use a copy of the journal?",
                  where, found, batch.lane, batch.journal, batch.after, batch.upto)};
}

Cause cause_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kRefused:
    case ErrorCode::kInvalidArgument:
      return Cause::kData;
    case ErrorCode::kConfig:
    case ErrorCode::kUnsupported:
      return Cause::kSchema;
    default:
      return Cause::kPassing;
  }
}

Error unapplied(Error error, Cause cause) {
  if (error.code == ErrorCode::kRefused) {
    error.code = cause == Cause::kSchema ? ErrorCode::kConfig : ErrorCode::kUnavailable;
  }
  return error;
}

}  // namespace forebay::source
