// [source.X].

#include <fmt/format.h>

#include <filesystem>

#include "config/sections.h"
#include "config/units.h"

namespace forebay::config {
namespace {

constexpr std::string_view kKinds[] = {"sqlite", "postgres", "function"};
constexpr std::string_view kLaterKinds[] = {"mysql", "mariadb", "http"};

void read_place(Section& section, Source& source, std::string_view folder) {
  section.text("path", source.path);
  section.text("url", source.url);
  if (source.kind == "sqlite") {
    if (!section.has("path")) {
      section.report_missing(section.header(),
                             fmt::format("{} needs a path: the database file", section.name()));
    } else if (source.path.empty() && section.has("path")) {
      section.report(section.at("path"), "path must name the database file");
    } else if (source.path == ":memory:") {
      section.report(
          section.at("path"),
          "path = \":memory:\" would give each connection an empty database of its own: name a file");
    }
    if (section.has("url"))
      section.report(section.key_at("url"), "url is for kind = \"postgres\"; a sqlite source has a path");
    if (!source.path.empty() && !folder.empty()) {
      source.path = (std::filesystem::path(folder) / source.path).lexically_normal().string();
    }
  } else if (source.kind == "postgres") {
    if (!section.has("url")) {
      section.report_missing(
          section.header(),
          fmt::format("{} needs a url, such as \"postgres://user@host/database\"", section.name()));
    } else if (source.url.empty()) {
      section.report(section.at("url"),
                     "url must name the database, such as \"postgres://user@host/database\"");
    }
    if (section.has("path"))
      section.report(section.key_at("path"), "path is for kind = \"sqlite\"; a postgres source has a url");
  } else if (source.kind == "function") {
    for (const std::string_view key : {"path", "url"}) {
      if (section.has(key))
        section.report(section.key_at(key), fmt::format("a function source has no {}", key));
    }
  }
}

}  // namespace

void read_source(Section& section, Source& source, std::string_view folder) {
  if (const auto kind = section.choice("kind", kKinds, kLaterKinds)) {
    source.kind = kKinds[*kind];
  } else if (!section.has("kind")) {
    section.report_missing(
        section.header(),
        fmt::format("{} needs a kind: \"sqlite\", \"postgres\" or \"function\"", section.name()));
  }
  read_place(section, source, folder);
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
  if (source.changes && !source.kind.empty() && source.kind != "sqlite") {
    section.report(
        section.at("changes"),
        fmt::format("changes = true needs kind = \"sqlite\": a {} source keeps no change log", source.kind));
  }
}

}  // namespace forebay::config
