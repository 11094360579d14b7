#pragma once

// What a configuration has to know of each kind of source, to say what is wrong with it before anything is
// opened. src/source/registry.cc opens them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/query.h"

namespace forebay::config {

// The key of [source.X] that says where the source is.
enum class SourcePlace : std::uint8_t { kNone, kPath, kUrl };

struct SourceKind {
  std::string_view name;
  SourcePlace place;
  std::optional<Dialect> dialect;  // of its tables and queries; nothing: its namespaces name neither
  bool ledger;                     // it can be written behind
  bool change_log;                 // it keeps a change log of its own (changes = true)
  bool logical_feed;               // its log can be followed (feed = "logical")
  bool binlog_feed;                // likewise (feed = "binlog")
};

inline constexpr SourceKind kSourceKinds[] = {
    {"sqlite", SourcePlace::kPath, Dialect::kSqlite, true, true, false, false},
    {"postgres", SourcePlace::kUrl, Dialect::kPostgres, true, false, true, false},
    {"mysql", SourcePlace::kUrl, Dialect::kMysql, true, false, false, true},
    {"function", SourcePlace::kNone, std::nullopt, false, false, false, false},
};

// Null: there is no such kind.
const SourceKind* find_source_kind(std::string_view name);

// The names of the kinds for which `has` holds, for a message: `"sqlite" or "postgres"`.
std::string source_kinds_that(bool (*has)(const SourceKind&));

}  // namespace forebay::config
