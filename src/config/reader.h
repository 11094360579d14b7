#pragma once

// From TOML to a checked model. Everything that can be known without touching a database is checked here, and
// all that is wrong is reported at once; docs/configuration.md lists the keys. Functions are thread-safe.
//
// To add a key: a field with its default in model.h, one line in the reader of its section
// (server_sections.cc, source_section.cc, namespace_section.cc), a row in tests/config/mistakes_test.cc if it
// can be wrong in a way of its own, a line in the documentation.

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/mistake.h"
#include "config/model.h"
#include "forebay/result.h"

namespace forebay::config {

struct ReadOptions {
  // Names that memory.policy may have (memory/eviction/registry knows them); empty: any, and the memory tier
  // decides.
  std::span<const std::string_view> policies;
  // Those of them that heed memory.weigh and memory.admission.
  std::span<const std::string_view> policies_with_options;
  // Where a relative sqlite path starts; empty: the working directory.
  std::string_view folder;
  // What is wrong with the rules of a user of that name, if anything; null: they are not looked at.
  std::optional<WrongRules> (*check_rules)(std::string_view user, std::string_view rules) = nullptr;
  // Whether clients need no password under these settings, users included; null: where [server] has none.
  bool (*lets_everybody_in)(const Server& server) = nullptr;
};

// At most this many mistakes are reported; then one line says how many more there are.
inline constexpr std::size_t kMaxMistakes = 100;

// The model, or all mistakes in the order of the file. `file_name` goes into the model for messages. O(n log
// n).
std::expected<Model, std::vector<Mistake>> check(std::string_view toml, std::string_view file_name,
                                                 const ReadOptions& options = {});

// The same with all mistakes in one Error (kConfig), a line each: `file:line:column: what`.
Result<Model> read(std::string_view toml, std::string_view file_name, const ReadOptions& options = {});

// read() of a file of at most kMaxFile bytes, `folder` being its own. A file that can't be read is kConfig,
// too.
inline constexpr std::size_t kMaxFile = std::size_t{16} << 20;
Result<Model> read_file(const std::string& path, const ReadOptions& options = {});

}  // namespace forebay::config
