#include "source/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "config/source_kind.h"
#include "source/function.h"
#include "source/mysql.h"
#include "source/postgres.h"
#include "source/sqlite.h"

namespace forebay::source {
namespace {

// To be in the order of config::kSourceKinds, which says what each of them has.
struct Kind {
  std::string_view name;
  Result<std::shared_ptr<Source>> (*open)(const config::Source& settings, const Functions& functions);
};

constexpr Kind kKinds[] = {
    {"sqlite", [](const config::Source& settings, const Functions&) { return open_sqlite(settings); }},
    {"postgres", [](const config::Source& settings, const Functions&) { return open_postgres(settings); }},
    {"mysql", [](const config::Source& settings, const Functions&) { return open_mysql(settings); }},
    {"function", [](const config::Source& settings,
                    const Functions& functions) { return open_function(settings, functions); }},
};

static_assert(std::ranges::equal(kKinds, config::kSourceKinds, {}, &Kind::name, &config::SourceKind::name));

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kKinds)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kKinds[i].name;
  return names;
}();

}  // namespace

std::span<const std::string_view> source_kinds() {
  return kNames;
}

Result<std::shared_ptr<Source>> open_source(const config::Source& settings, const Functions& functions) {
  for (const Kind& kind : kKinds) {
    if (kind.name == settings.kind) return kind.open(settings, functions);
  }
  std::string names;
  for (const std::string_view name : kNames) names += fmt::format("{}{}", names.empty() ? "" : ", ", name);
  return Error{ErrorCode::kConfig, fmt::format("source {}: there is no kind '{}' (there are {})",
                                               settings.name, settings.kind, names)};
}

}  // namespace forebay::source
