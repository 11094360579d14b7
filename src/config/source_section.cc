// [source.X].

#include <fmt/format.h>

#include <array>
#include <filesystem>

#include "config/sections.h"
#include "config/source_kind.h"
#include "config/units.h"

namespace forebay::config {
namespace {

constexpr std::string_view kLaterKinds[] = {"mysql", "mariadb", "http"};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kSourceKinds)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kSourceKinds[i].name;
  return names;
}();

constexpr std::string_view kPoolers[] = {"none", "transaction"};  // as Pooler has them

void read_path(Section& section, Source& source, std::string_view folder) {
  if (!section.has("path")) {
    section.report_missing(section.header(),
                           fmt::format("{} needs a path: the database file", section.name()));
  } else if (source.path.empty()) {
    section.report(section.at("path"), "path must name the database file");
  } else if (source.path == ":memory:") {
    section.report(
        section.at("path"),
        "path = \":memory:\" would give each connection an empty database of its own: name a file");
  }
  if (section.has("url")) {
    section.report(
        section.key_at("url"),
        fmt::format("url is for kind = {}; a {} source has a path",
                    source_kinds_that([](const SourceKind& kind) { return kind.place == SourcePlace::kUrl; }),
                    source.kind));
  }
  if (!source.path.empty() && !folder.empty()) {
    source.path = (std::filesystem::path(folder) / source.path).lexically_normal().string();
  }
}

void read_url(Section& section, const Source& source) {
  if (!section.has("url")) {
    section.report_missing(
        section.header(),
        fmt::format("{} needs a url, such as \"postgres://user@host/database\"", section.name()));
  } else if (source.url.empty()) {
    section.report(section.at("url"),
                   "url must name the database, such as \"postgres://user@host/database\"");
  }
  if (section.has("path")) {
    section.report(section.key_at("path"), fmt::format("path is for kind = {}; a {} source has a url",
                                                       source_kinds_that([](const SourceKind& kind) {
                                                         return kind.place == SourcePlace::kPath;
                                                       }),
                                                       source.kind));
  }
}

void read_place(Section& section, Source& source, SourcePlace place, std::string_view folder) {
  switch (place) {
    case SourcePlace::kPath:
      return read_path(section, source, folder);
    case SourcePlace::kUrl:
      return read_url(section, source);
    case SourcePlace::kNone:
      for (const std::string_view key : {"path", "url"}) {
        if (section.has(key))
          section.report(section.key_at(key), fmt::format("a {} source has no {}", source.kind, key));
      }
  }
}

}  // namespace

void read_source(Section& section, Source& source, std::string_view folder) {
  const SourceKind* kind = nullptr;
  if (const auto choice = section.choice("kind", kNames, kLaterKinds)) {
    kind = &kSourceKinds[*choice];
    source.kind = kind->name;
  } else if (!section.has("kind")) {
    section.report_missing(section.header(),
                           fmt::format("{} needs a kind: {}", section.name(),
                                       source_kinds_that([](const SourceKind&) { return true; })));
  }
  section.text("path", source.path);
  section.text("url", source.url);
  if (kind != nullptr) read_place(section, source, kind->place, folder);
  if (const auto choice = section.choice("pooler", kPoolers)) {
    source.pooler = *choice == 1 ? Pooler::kTransaction : Pooler::kNone;
    if (kind != nullptr && kind->place != SourcePlace::kUrl)
      section.report(section.key_at("pooler"),
                     fmt::format("pooler is for kind = {}", source_kinds_that([](const SourceKind& each) {
                                   return each.place == SourcePlace::kUrl;
                                 })));
  }
  section.count("pool", source.pool, std::size_t{1}, std::size_t{256});
  section.duration("timeout", source.timeout, 1ms, 1h);
  section.duration("connect_timeout", source.connect_timeout, 1ms, 1h);
  section.flag("changes", source.changes);
  section.duration("poll_interval", source.poll_interval, 1ms, 1h);
  section.share("breaker_ratio", source.breaker_ratio, 0.0, 1.0);
  section.count("breaker_minimum", source.breaker_minimum, std::size_t{1}, std::size_t{10'000});
  section.duration("breaker_window", source.breaker_window, 100ms, 1h);
  const bool open = section.duration("breaker_open", source.breaker_open, 1ms, 1h);
  section.duration("breaker_open_max", source.breaker_open_max, 1ms, 24h);
  section.count("max_queue", source.max_queue, std::size_t{1}, std::size_t{10'000'000});

  if (source.breaker_ratio <= 0.0) {
    section.report(section.at("breaker_ratio"), "breaker_ratio must be above 0 and at most 1");
  }
  if (source.breaker_open > source.breaker_open_max) {
    section.report(
        section.at(open ? "breaker_open" : "breaker_open_max"),
        fmt::format("breaker_open (\"{}\") must not exceed breaker_open_max (\"{}\")",
                    format_duration(source.breaker_open), format_duration(source.breaker_open_max)));
  }
  if (source.changes && kind != nullptr && !kind->change_log) {
    section.report(
        section.at("changes"),
        fmt::format("changes = true needs kind = {}: a {} source keeps no change log",
                    source_kinds_that([](const SourceKind& each) { return each.change_log; }), source.kind));
  }
}

}  // namespace forebay::config
