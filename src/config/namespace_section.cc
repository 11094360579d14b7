// [namespace.X].

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "config/pattern.h"
#include "config/query.h"
#include "config/sections.h"
#include "config/source_kind.h"
#include "config/suggest.h"
#include "config/units.h"

namespace forebay::config {
namespace {

constexpr milliseconds kLongest = 3650 * 24h;
// An absence that is remembered longer would too often outlive what made it true.
constexpr milliseconds kNegativeMax = 30s;
constexpr std::size_t kMostTags = 64;

std::string_view trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::string field_list(const Pattern& key) {
  if (key.fields.empty()) return "it has no fields";
  std::string text = "its fields: ";
  for (std::size_t i = 0; i < key.fields.size(); ++i)
    text += fmt::format("{}{{{}}}", i > 0 ? ", " : "", key.fields[i]);
  return text;
}

bool has_field(const Pattern& key, std::string_view name) {
  return std::ranges::find(key.fields, name) != key.fields.end();
}

// Reads one [namespace.X]: first every key by itself, then what they mean together.
class NamespaceReader {
 public:
  NamespaceReader(Section& section, Namespace& space, std::span<const Source> sources, bool journal)
      : section_(section), space_(space), sources_(sources), journal_(journal) {}

  void read() {
    read_key();
    read_source_name();
    section_.text("table", space_.table);
    section_.text("query", space_.query);
    section_.text("value", space_.value_column);
    section_.text("version", space_.version_column);
    read_type();
    read_dependencies();
    read_tags();
    static constexpr std::string_view kLosses[] = {"ttl", "bypass"};  // as OnFeedLoss has them
    if (const auto loss = section_.choice("on_feed_loss", kLosses))
      space_.on_feed_loss = static_cast<OnFeedLoss>(*loss);
    read_strategies();
    read_audit();
    read_times();
    read_behind();
    check_dataset();
    check_strategies();
    check_behind();
    check_windows();
    check_timeouts();
  }

 private:
  void mistake(std::string_view key, std::string what) { section_.report(section_.at(key), std::move(what)); }

  void read_key() {
    std::string text;
    if (!section_.text("key", text)) {
      if (!section_.has("key")) {
        section_.report_missing(
            section_.header(),
            fmt::format("{} needs a key pattern, such as key = \"user:{{id}}\"", section_.name()));
      }
      return;
    }
    std::vector<TextMistake> mistakes;
    space_.key = parse_pattern(text, mistakes);
    for (TextMistake& found : mistakes)
      section_.report(section_.inside("key", found.offset), std::move(found.what));
    key_good_ = mistakes.empty();
  }

  void read_source_name() {
    if (!section_.text("source", space_.source)) return;
    const auto found = std::ranges::find(sources_, space_.source, &Source::name);
    if (found != sources_.end()) {
      source_ = &*found;
      kind_ = find_source_kind(source_->kind);
      return;
    }
    std::vector<std::string_view> names;
    for (const Source& source : sources_) names.push_back(source.name);
    section_.report_missing(section_.at("source"), fmt::format("there is no [source.{}]{}", space_.source,
                                                               did_you_mean(space_.source, names)));
  }

  void read_type() {
    static constexpr std::string_view kTypes[] = {"json", "text", "counter", "zset", "set"};
    static constexpr ValueKind kKinds[] = {ValueKind::kJson, ValueKind::kText, ValueKind::kCounter,
                                           ValueKind::kText, ValueKind::kText};
    static constexpr std::string_view kLater[] = {"hash"};
    if (const auto type = section_.choice("type", kTypes, kLater)) {
      space_.kind = kKinds[*type];
      space_.zset = kTypes[*type] == "zset";
      if (kTypes[*type] == "set") space_.collection = CollectionType::kSet;
    }
    read_member();
    read_max_members();
    type_good_ = !section_.has("type") || space_.kind != ValueKind::kJson;
  }

  void read_member();
  void read_max_members();
  void read_dependencies();
  void read_dependency(const Node& node);
  void read_tags();
  void read_audit();
  void read_tag(const Node& node);

  void read_strategies() {
    static constexpr std::string_view kReads[] = {"aside", "through"};
    static constexpr std::string_view kWrites[] = {"aside", "through", "around", "behind"};
    if (!section_.has("source")) space_.read = ReadStrategy::kAside;
    if (const auto read = section_.choice("read", kReads)) space_.read = static_cast<ReadStrategy>(*read);
    const auto write = section_.choice("write", kWrites);
    if (write) space_.write = static_cast<WriteStrategy>(*write);
    write_good_ = write || !section_.has("write");
  }

  void read_behind() {
    if (auto flush = section_.table("flush")) {
      flush->duration("every", space_.flush_every, 0ms, 1h);
      flush->count("batch", space_.flush_batch, std::size_t{1}, std::size_t{10'000});
      flush->size("bytes", space_.flush_bytes, std::size_t{1} << 10, std::size_t{1} << 30);
      flush->finish();
    }
    if (auto alarm = section_.table("alarm")) {
      alarm->duration("age", space_.alarm_age, 0ms, kLongest);
      alarm->count("dead_letters", space_.alarm_dead_letters, std::size_t{0}, std::size_t{1'000'000'000});
      alarm->finish();
    }
    static constexpr std::string_view kDurabilities[] = {"none", "os", "fsync"};
    static constexpr std::string_view kAfter[] = {"continue", "hold"};
    static constexpr std::string_view kWhenFull[] = {"refuse", "through"};
    if (const auto durability = section_.choice("durability", kDurabilities))
      space_.durability = static_cast<Durability>(*durability);
    if (const auto after = section_.choice("after_dead_letter", kAfter))
      space_.after_dead_letter = static_cast<AfterDeadLetter>(*after);
    if (const auto when = section_.choice("when_full", kWhenFull))
      space_.when_full = static_cast<WhenFull>(*when);
    section_.flag("append", space_.append);
  }

  void read_times() {
    ttl_good_ = section_.duration("ttl", space_.ttl, 0ms, kLongest) || !section_.has("ttl");
    section_.share("jitter", space_.jitter, 0.0, 0.9);
    section_.duration("stale_while_revalidate", space_.stale_while_revalidate, 0ms, kLongest);
    section_.duration("max_staleness", space_.max_staleness, 0ms, kLongest);
    section_.duration("stale_if_error", space_.stale_if_error, 0ms, kLongest);
    section_.duration("stale_throttle", space_.stale_throttle, 0ms, 1h);
    if (section_.share("refresh_ahead", space_.refresh_ahead, 0.0, 1.0) && space_.refresh_ahead == 1.0) {
      mistake("refresh_ahead", "refresh_ahead must be below 1: at 1 the entry is stale already");
    }
    section_.share("xfetch", space_.xfetch, 0.0, 100.0);
    section_.duration("negative_ttl", space_.negative_ttl, 0ms, kNegativeMax);
    section_.duration("soft_timeout", space_.soft_timeout, 0ms, 1h);
    section_.duration("timeout", space_.timeout, 0ms, 1h);
    section_.count("max_batch", space_.max_batch, std::size_t{1}, std::size_t{10'000});
  }

  void check_dataset();
  void check_table();
  void check_query();
  void check_parameters();
  void check_strategies();
  void check_behind();
  void check_windows();
  void check_timeouts();

  Section& section_;
  Namespace& space_;
  std::span<const Source> sources_;
  const bool journal_;
  const Source* source_ = nullptr;    // null: none named, or not known
  const SourceKind* kind_ = nullptr;  // the source's; null: not known
  bool key_good_ = false;             // else nothing is said that a repaired pattern may make wrong
  bool ttl_good_ = false;
  bool type_good_ = false;
  bool write_good_ = false;
};

// The members of a sorted set are entries of their own: the pattern of the set's key goes on with the member.
void NamespaceReader::read_member() {
  std::string member;
  const bool given = section_.text("member", member);
  const bool set = space_.collection == CollectionType::kSet;
  if (!space_.zset && !set) {
    if (section_.has("member"))
      section_.report(section_.key_at("member"),
                      "member is for type = \"zset\" or \"set\": the column that names a member");
    return;
  }
  if (!section_.has("member")) {
    section_.report_missing(section_.at("type"),
                            fmt::format("type = \"{}\" needs member = \"…\": the column that names a member",
                                        set ? "set" : "zset"));
    return;
  }
  if (!given) return;
  if (member.empty()) {
    mistake("member", "member must name a column");
  } else if (has_field(space_.key, member)) {
    mistake("member", fmt::format("member = \"{}\" is a field of the key already", member));
  } else if (set) {
    space_.member_column = member;
  } else if (key_good_) {
    space_.key.literals.back() += kMemberSeparator;
    space_.key.literals.emplace_back();
    space_.key.fields.push_back(member);
  }
}

void NamespaceReader::read_max_members() {
  section_.count("max_members", space_.max_members, std::size_t{1}, std::size_t{10'000'000});
  if (section_.has("max_members") && !space_.zset && space_.collection == CollectionType::kNone)
    section_.report(section_.key_at("max_members"), "max_members is for type = \"zset\" or \"set\"");
}

// `table` or `table(column -> field, …)`.
void NamespaceReader::read_dependency(const Node& node) {
  const std::string_view text = std::get<std::string>(node.value);
  const auto wrong = [&](std::string what) { section_.report(node.at, std::move(what)); };
  Dependency dependency;
  const std::size_t open = text.find('(');
  dependency.table = trim(text.substr(0, open));
  const bool closed = open == std::string_view::npos || trim(text).ends_with(')');
  if (dependency.table.empty() || !closed) {
    wrong(fmt::format("\"{}\" is no dependency: write \"table\" or \"table(column -> field)\"", text));
    return;
  }
  if (open != std::string_view::npos) {
    std::string_view inner = trim(text).substr(text.find('(') - text.find_first_not_of(" \t") + 1);
    inner.remove_suffix(1);
    std::set<std::string_view> fields;
    while (true) {
      const std::size_t comma = inner.find(',');
      const std::string_view pair = inner.substr(0, comma);
      const std::size_t arrow = pair.find("->");
      const std::string_view column = trim(pair.substr(0, arrow));
      const std::string_view field = arrow == std::string_view::npos ? "" : trim(pair.substr(arrow + 2));
      if (column.empty() || field.empty()) {
        wrong(fmt::format("\"{}\": each pair is written column -> field", text));
        return;
      }
      if (key_good_ && !has_field(space_.key, field)) {
        wrong(fmt::format("\"{}\": the key \"{}\" has no field {{{}}} ({})", text, space_.key.text, field,
                          field_list(space_.key)));
      } else if (!fields.insert(field).second) {
        wrong(fmt::format("\"{}\" gives the field {{{}}} twice", text, field));
      }
      dependency.columns.emplace_back(column, field);
      if (comma == std::string_view::npos) break;
      inner.remove_prefix(comma + 1);
    }
  }
  space_.depends_on.push_back(std::move(dependency));
}

void NamespaceReader::read_dependencies() {
  for (const Node* node : section_.texts("depends_on")) read_dependency(*node);
}

void NamespaceReader::read_tag(const Node& node) {
  const std::string_view text = std::get<std::string>(node.value);
  std::vector<TextMistake> mistakes;
  Pattern tag = parse_pattern(text, mistakes);
  for (const TextMistake& found : mistakes)
    section_.report(node.at, fmt::format("tag \"{}\": {}", text, found.what));
  if (!mistakes.empty()) return;
  const bool rows = section_.has("source") && space_.kind == ValueKind::kJson;
  for (const std::string& field : tag.fields) {
    if (rows || !key_good_ || has_field(space_.key, field)) continue;
    section_.report(
        node.at,
        fmt::format("tag \"{}\": the key \"{}\" has no field {{{}}} ({}), and only rows that are read as "
                    "json have columns",
                    text, space_.key.text, field, field_list(space_.key)));
  }
  space_.tags.push_back(std::move(tag));
}

void NamespaceReader::read_tags() {
  const auto tags = section_.texts("tags");
  if (tags.empty()) return;
  if (space_.zset || space_.collection != CollectionType::kNone)
    return section_.report(section_.key_at("tags"), "tags are not for type = \"zset\" or \"set\" yet");
  if (tags.size() > kMostTags)
    return section_.report(section_.key_at("tags"), fmt::format("at most {} tags for a key", kMostTags));
  for (const Node* node : tags) read_tag(*node);
}

// `audit = "5/s"`: so many checks a second, minute or hour.
void NamespaceReader::read_audit() {
  section_.flag("audit_repair", space_.audit_repair);
  if (!section_.has("audit")) {
    if (space_.audit_repair) mistake("audit_repair", "audit_repair needs audit, such as audit = \"1/s\"");
    return;
  }
  std::string text;
  if (!section_.text("audit", text)) return;
  const std::size_t slash = text.find('/');
  std::uint64_t count = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + std::min(slash, text.size()), count);
  const std::string_view unit = slash == std::string::npos ? "" : std::string_view(text).substr(slash + 1);
  const milliseconds span = unit == "s" ? 1s : unit == "m" ? 1min : unit == "h" ? 1h : 0s;
  const bool good = wrong == std::errc() && end == text.data() + slash && span.count() > 0 && count >= 1 &&
                    count <= static_cast<std::uint64_t>(span.count());
  if (!good)
    return mistake(
        "audit", fmt::format("audit = \"{}\": write how many checks in which time, such as \"1/s\", \"30/m\" "
                             "or \"100/h\", at most 1000/s",
                             text));
  space_.audit_every = span / static_cast<std::int64_t>(count);
  if (!section_.has("source") || space_.read != ReadStrategy::kThrough || space_.zset ||
      space_.collection != CollectionType::kNone)
    mistake(
        "audit",
        "audit compares copies with their source: it is for namespaces that are read through, and not for "
        "type = \"zset\" or \"set\"");
}

void NamespaceReader::check_table() {
  if (space_.table.empty()) mistake("table", "table must name a table");
  if (key_good_ && space_.key.fields.empty()) {
    mistake("key",
            fmt::format(
                "the key \"{}\" has no field, so it can't name a row of the table: write a column in braces",
                space_.key.text));
  }
  const bool set = space_.collection == CollectionType::kSet;
  const bool needs_value = space_.kind != ValueKind::kJson && !set;
  if (needs_value && !section_.has("value")) {
    section_.report_missing(
        section_.at("type"),
        fmt::format("type = \"{}\" of a table needs value = \"…\": the column that holds the value",
                    space_.zset                       ? "zset"
                    : space_.kind == ValueKind::kText ? "text"
                                                      : "counter"));
  }
  if (set && section_.has("value"))
    section_.report(section_.key_at("value"),
                    "value is not for type = \"set\", whose members are all that it has");
  if (!needs_value && !set && type_good_ && section_.has("value")) {
    section_.report(section_.key_at("value"),
                    "value is for type = \"text\", \"counter\" or \"zset\"; a json value is the whole row");
  }
  for (const auto& [key, column] :
       {std::pair{"value", &space_.value_column}, std::pair{"version", &space_.version_column}}) {
    if (section_.has(key) && column->empty()) {
      mistake(key, fmt::format("{} must name a column", key));
    } else if (!column->empty() && has_field(space_.key, *column)) {
      mistake(key, fmt::format("{} = \"{}\" is a field of the key, which does not change", key, *column));
    }
  }
  if (!space_.value_column.empty() && space_.value_column == space_.version_column) {
    mistake("version", fmt::format("\"{}\" can't be both the value and the version", space_.version_column));
  }
}

void NamespaceReader::check_parameters() {
  if (space_.query.find_first_not_of(" \t\r\n") == std::string::npos) {
    mistake("query", "the query is empty");
    return;
  }
  std::vector<TextMistake> mistakes;
  const Query query = parse_query(space_.query, *kind_->dialect, mistakes);
  for (const TextMistake& found : mistakes) {
    section_.report(section_.inside("query", found.offset), fmt::format("the query has {}", found.what));
  }
  if (!key_good_) return;
  const std::vector<std::string_view> fields(space_.key.fields.begin(), space_.key.fields.end());
  for (const Query::Parameter& parameter : query.parameters) {
    if (has_field(space_.key, parameter.name)) continue;
    section_.report(
        section_.inside("query", parameter.offset),
        fmt::format("the query's {{{}}} is no field of the key \"{}\" ({}){}", parameter.name,
                    space_.key.text, field_list(space_.key), did_you_mean(parameter.name, fields)));
  }
  for (const std::string& field : space_.key.fields) {
    const auto uses = std::ranges::find(query.parameters, field, &Query::Parameter::name);
    if (!mistakes.empty() || uses != query.parameters.end()) continue;
    mistake(
        "query",
        fmt::format("the key's field {{{}}} is missing from the query: different keys would share one answer",
                    field));
  }
}

void NamespaceReader::check_query() {
  // What is quoted differs between databases, so an unknown source leaves the text alone.
  if (kind_ != nullptr && kind_->dialect) check_parameters();
  if (space_.zset || space_.collection != CollectionType::kNone) {
    mistake("type", fmt::format("type = \"{}\" needs a table with a row for each member",
                                space_.zset ? "zset" : "set"));
  }
  if (space_.kind == ValueKind::kCounter)
    mistake("type", "type = \"counter\" needs a table: a query's result can't be added to");
  for (const std::string_view key : {"value", "version"}) {
    if (section_.has(key))
      section_.report(section_.key_at(key),
                      fmt::format("{} is a column of a table; this namespace has a query", key));
  }
}

void NamespaceReader::check_dataset() {
  const bool table = section_.has("table");
  const bool query = section_.has("query");
  if (!section_.has("source")) {
    for (const std::string_view key : {"table", "query", "value", "version", "depends_on"}) {
      if (section_.has(key))
        section_.report(section_.key_at(key), fmt::format("{} needs a source: add source = \"…\"", key));
    }
    return;
  }
  if (kind_ != nullptr && !kind_->dialect) {
    for (const std::string_view key : {"table", "query", "value", "version"}) {
      if (section_.has(key)) {
        section_.report(section_.key_at(key),
                        fmt::format("{} does not apply: \"{}\" is a {}, which knows what to load", key,
                                    space_.source, kind_->name));
      }
    }
    return;
  }
  if (table && query) {
    section_.report(section_.key_at("query"), "table and query exclude each other: keep one of them");
  } else if (table) {
    check_table();
  } else if (query) {
    check_query();
  } else if (source_ == nullptr || !source_->kind.empty()) {
    section_.report_missing(
        section_.at("source"),
        fmt::format("{} needs a table or a query to load from \"{}\"", section_.name(), space_.source));
  }
}

void NamespaceReader::check_strategies() {
  const bool writes = space_.write != WriteStrategy::kAside;
  const std::string_view write = space_.write == WriteStrategy::kThrough  ? "through"
                                 : space_.write == WriteStrategy::kAround ? "around"
                                                                          : "behind";
  if (space_.collection != CollectionType::kNone && writes)
    mistake("write", "type = \"set\" is read from a table and not written: leave write out");
  if (space_.collection != CollectionType::kNone && section_.has("read") &&
      space_.read == ReadStrategy::kAside)
    mistake("read", "type = \"set\" is what is loaded from a table: it needs read = \"through\"");
  if (!section_.has("source")) {
    if (section_.has("read") && space_.read == ReadStrategy::kThrough) {
      mistake("read",
              "read = \"through\" needs a source to load from: add source = \"…\", or read = \"aside\"");
    }
    if (writes)
      mistake("write", fmt::format("write = \"{}\" needs a source to write to: add source = \"…\"", write));
  } else if (writes && section_.has("query") && !section_.has("table")) {
    mistake("write",
            fmt::format("write = \"{}\" needs a table: the result of a query can't be written", write));
  }
}

void NamespaceReader::check_behind() {
  if (space_.write != WriteStrategy::kBehind) {
    // What write should be is not known while its value is wrong.
    if (!write_good_) return;
    for (const std::string_view key :
         {"flush", "durability", "after_dead_letter", "when_full", "append", "alarm"}) {
      if (section_.has(key))
        section_.report(section_.key_at(key), fmt::format("{} is for write = \"behind\"", key));
    }
    return;
  }
  if (kind_ != nullptr && !kind_->ledger) {
    mistake("write",
            fmt::format("write = \"behind\" needs a source of kind {}, which records what has been applied; "
                        "\"{}\" is a {}",
                        source_kinds_that([](const SourceKind& each) { return each.ledger; }), space_.source,
                        kind_->name));
  }
  if (!journal_) {
    section_.report_missing(section_.at("write"),
                            "write = \"behind\" needs a [journal] with the path of a directory, where writes "
                            "wait until the database has them");
  }
  if (space_.append && (space_.zset || space_.kind == ValueKind::kCounter)) {
    mistake("append", fmt::format("append = true is for rows that are written once: not for type = \"{}\"",
                                  space_.zset ? "zset" : "counter"));
  }
}

void NamespaceReader::check_windows() {
  struct Setting {
    std::string_view key;
    bool on;
    bool needs_ttl;
  };
  const Setting settings[] = {
      {"stale_while_revalidate", space_.stale_while_revalidate > 0ms, true},
      {"stale_if_error", space_.stale_if_error > 0ms, true},
      {"refresh_ahead", space_.refresh_ahead > 0.0, true},
      {"xfetch", space_.xfetch > 0.0, true},
      {"negative_ttl", space_.negative_ttl > 0ms, false},
      {"soft_timeout", space_.soft_timeout > 0ms, false},
      {"timeout", space_.timeout > 0ms, false},
  };
  for (const Setting& setting : settings) {
    if (!setting.on) continue;
    if (space_.read != ReadStrategy::kThrough) {
      mistake(setting.key, fmt::format("{} needs read = \"through\"{}: here nothing is ever loaded",
                                       setting.key, section_.has("source") ? "" : " and a source"));
    } else if (setting.needs_ttl && ttl_good_ && space_.ttl == 0ms) {
      mistake(setting.key,
              fmt::format("{} needs a ttl: with ttl = 0 an entry never becomes stale", setting.key));
    }
  }
}

void NamespaceReader::check_timeouts() {
  if (source_ != nullptr && space_.read == ReadStrategy::kThrough && space_.timeout > source_->timeout) {
    mistake("timeout",
            fmt::format("timeout (\"{}\") must not be longer than the timeout of [source.{}] (\"{}\"), "
                        "which ends every load",
                        format_duration(space_.timeout), space_.source, format_duration(source_->timeout)));
  }
  if (space_.soft_timeout == 0ms) return;
  const bool own = space_.timeout > 0ms;
  if (!own && source_ == nullptr) return;
  const milliseconds hard = own ? space_.timeout : source_->timeout;
  if (space_.soft_timeout < hard) return;
  mistake("soft_timeout",
          fmt::format("soft_timeout (\"{}\") must be shorter than the {} (\"{}\")",
                      format_duration(space_.soft_timeout),
                      own ? std::string("timeout") : fmt::format("timeout of [source.{}]", space_.source),
                      format_duration(hard)));
}

}  // namespace

void read_namespace(Section& section, Namespace& space, std::span<const Source> sources, bool journal) {
  NamespaceReader(section, space, sources, journal).read();
}

}  // namespace forebay::config
