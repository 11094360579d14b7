// [source.X].

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>

#include "config/sections.h"
#include "config/source_kind.h"
#include "config/units.h"

namespace forebay::config {
namespace {

constexpr std::string_view kLaterKinds[] = {"http"};

constexpr auto kNames = [] {
  std::array<std::string_view, std::size(kSourceKinds)> names;
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kSourceKinds[i].name;
  return names;
}();

constexpr std::string_view kPoolers[] = {"none", "transaction"};  // as Pooler has them

// Whether one of these letters stands unescaped in a URI's user or password, so that what is taken for the
// host, the port or the database, and names in its errors, is a part of the password.
bool is_ambiguous(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const bool is_uri = url.starts_with("postgres") || url.starts_with("mysql") || url.starts_with("mariadb");
  if (!is_uri || scheme == std::string_view::npos) return false;
  std::string_view rest = url.substr(scheme + 3);
  const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  const std::string_view database = rest.substr(0, rest.find('?'));
  const std::size_t at = authority.find('@');
  if (database.contains('@')) return true;
  // A query may hold one, as in user=ada@corp, where the authority has said who asks.
  if (at == std::string_view::npos && rest.contains('@') && authority.contains(':')) return true;
  const std::string_view hosts = at == std::string_view::npos ? authority : authority.substr(at + 1);
  if (hosts.contains('@')) return true;
  for (std::size_t from = 0; from <= hosts.size();) {
    const std::size_t comma = std::min(hosts.find(',', from), hosts.size());
    std::string_view host = hosts.substr(from, comma - from);
    from = comma + 1;
    if (host.starts_with('[')) host.remove_prefix(std::min(host.find(']'), host.size()));
    const std::size_t colon = host.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view port = host.substr(colon + 1);
    if (port.find_first_not_of("0123456789") != std::string_view::npos) return true;
  }
  return false;
}

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
  if (source.path.contains("://"))
    section.report(section.at("path"), "path must name the database file; a url is for kind = \"postgres\"");
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
  } else if (is_ambiguous(source.url)) {
    section.report(section.at("url"),
                   "url does not say clearly where the password ends: in a user or a password the letters "
                   "@ : / ? # [ ] % are written %40 %3A %2F %3F %23 %5B %5D %25");
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

constexpr std::string_view kFeeds[] = {"none", "logical", "binlog"};  // as Feed has them
constexpr std::string_view kLaterFeeds[] = {"notify"};

// Which kinds can have the feed; null: any.
bool (*needed_by(Feed feed))(const SourceKind&) {
  switch (feed) {
    case Feed::kLogical:
      return [](const SourceKind& kind) { return kind.logical_feed; };
    case Feed::kBinlog:
      return [](const SourceKind& kind) { return kind.binlog_feed; };
    case Feed::kNone:
      break;
  }
  return nullptr;
}

void check_slot(Section& section, const Source& source) {
  const auto is_bad = [](unsigned char letter) {
    return !((letter >= 'a' && letter <= 'z') || (letter >= '0' && letter <= '9') || letter == '_');
  };
  if (source.slot.size() > 63 || std::ranges::any_of(source.slot, is_bad))
    section.report(section.at("slot"),
                   "a slot's name has at most 63 lower-case letters, digits and underscores");
  if (source.publication.empty() || source.publication.size() > 63)
    section.report(section.at("publication"), "a publication's name has 1 to 63 bytes");
}

void read_feed(Section& section, Source& source, const SourceKind* kind) {
  const auto choice = section.choice("feed", kFeeds, kLaterFeeds);
  if (choice) source.feed = static_cast<Feed>(*choice);
  section.text("feed_url", source.feed_url);
  section.text("publication", source.publication);
  section.text("slot", source.slot);
  section.flag("unbounded_wal", source.unbounded_wal);
  const auto needed = needed_by(source.feed);
  if (needed != nullptr && kind != nullptr && !needed(*kind)) {
    section.report(section.at("feed"),
                   fmt::format("feed = \"{}\" needs kind = {}", kFeeds[static_cast<std::size_t>(source.feed)],
                               source_kinds_that(needed)));
  }
  if (section.has("feed") && !choice) return;
  if (source.feed != Feed::kLogical) {
    for (const std::string_view key : {"publication", "slot", "unbounded_wal"}) {
      if (section.has(key))
        section.report(section.key_at(key), fmt::format("{} is for feed = \"logical\"", key));
    }
  }
  if (source.feed == Feed::kNone) {
    if (section.has("feed_url"))
      section.report(section.key_at("feed_url"), "feed_url is for feed = \"logical\" or \"binlog\"");
    return;
  }
  check_slot(section, source);
  if (source.pooler != Pooler::kNone && source.feed_url.empty())
    section.report(section.at("feed"),
                   "a feed can't go through a pooler: feed_url must name the server itself");
  if (is_ambiguous(source.feed_url))
    section.report(
        section.at("feed_url"),
        "feed_url does not say clearly where the password ends: in a user or a password the letters "
        "@ : / ? # [ ] % are written %40 %3A %2F %3F %23 %5B %5D %25");
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
    if (kind != nullptr && kind->dialect != Dialect::kPostgres)
      section.report(section.key_at("pooler"),
                     fmt::format("pooler is for kind = {}", source_kinds_that([](const SourceKind& each) {
                                   return each.dialect == Dialect::kPostgres;
                                 })));
  }
  section.count("pool", source.pool, std::size_t{1}, std::size_t{256});
  section.duration("timeout", source.timeout, 1ms, 1h);
  section.duration("connect_timeout", source.connect_timeout, 1ms, 1h);
  section.flag("changes", source.changes);
  read_feed(section, source, kind);
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
