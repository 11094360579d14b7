#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "config/key_template.h"
#include "config/redis_url.h"
#include "config/sections.h"
#include "config/suggest.h"

namespace forebay::config {
namespace {

constexpr std::string_view kKinds[] = {"redis-channel", "redis-stream", "kafka"};  // as EventsKind has them

// Which settings a kind must have, and which are for others.
struct Setting {
  std::string_view key;
  std::string Events::* value;
  bool redis_channel, redis_stream, kafka;
  bool needed;

  bool is_for(EventsKind kind) const {
    return kind == EventsKind::kKafka         ? kafka
           : kind == EventsKind::kRedisStream ? redis_stream
                                              : redis_channel;
  }
};
constexpr Setting kSettings[] = {
    {"url", &Events::url, true, true, false, true},
    {"channel", &Events::channel, true, false, false, true},
    {"stream", &Events::stream, false, true, false, true},
    {"brokers", &Events::brokers, false, false, true, true},
    {"topic", &Events::topic, false, false, true, true},
    {"group", &Events::group, false, false, true, false},
};

// What the section itself decides, or what would break a promise.
constexpr std::string_view kOwnKafkaSettings[] = {"bootstrap.servers",
                                                  "metadata.broker.list",
                                                  "group.id",
                                                  "enable.auto.commit",
                                                  "enable.auto.offset.store",
                                                  "auto.offset.reset",
                                                  "topic.auto.offset.reset",
                                                  "client.id",
                                                  "group.instance.id",
                                                  "enable.partition.eof"};

void check_place(Section& section, const Events& events, EventsKind kind) {
  for (const Setting& setting : kSettings) {
    if (!setting.is_for(kind)) {
      if (section.has(setting.key))
        section.report(section.key_at(setting.key), fmt::format("{} is not for kind = \"{}\"", setting.key,
                                                                kKinds[static_cast<std::size_t>(kind)]));
    } else if (setting.needed && (events.*setting.value).empty()) {
      section.report_missing(
          section.has(setting.key) ? section.at(setting.key) : section.header(),
          fmt::format("kind = \"{}\" needs {} = \"…\"", kKinds[static_cast<std::size_t>(kind)], setting.key));
    }
  }
  if (kind == EventsKind::kKafka || events.url.empty()) return;
  if (const auto url = parse_redis_url(events.url); !url)
    section.report(section.at("url"), url.error().message);
}

void read_kafka(Section& section, Events& events, std::optional<EventsKind> kind) {
  auto settings = section.table("kafka");
  if (!settings) return;
  if (kind && *kind != EventsKind::kKafka)
    section.report(section.key_at("kafka"), "kafka is for kind = \"kafka\"");
  for (const NodeEntry& entry : settings->entries()) {
    std::string value;
    if (!settings->text(entry.key, value)) continue;
    if (std::ranges::find(kOwnKafkaSettings, entry.key) != std::end(kOwnKafkaSettings)) {
      section.report(entry.at, fmt::format("{} is Forebay's to set", entry.key));
      continue;
    }
    events.kafka.emplace_back(entry.key, std::move(value));
  }
}

// The key patterns' beginnings, for a hint.
std::string hint_for(const KeyTemplate& wanted, std::span<const Namespace> namespaces) {
  std::vector<std::string_view> beginnings;
  for (const Namespace& space : namespaces) {
    if (!space.key.literals.empty() && !space.key.literals.front().empty())
      beginnings.push_back(space.key.literals.front());
  }
  return did_you_mean(wanted.pattern.literals.front(), beginnings);
}

// The keys of the sorted sets that a namespace's entries are members of.
Pattern sets_of(const Namespace& space) {
  Pattern sets = space.key;
  sets.fields.pop_back();
  sets.literals.pop_back();
  sets.literals.back().pop_back();
  return sets;
}

void check_names_a_key(Section& section, Position at, const KeyTemplate& wanted,
                       std::span<const Namespace> namespaces) {
  bool named = false;
  for (const Namespace& space : namespaces) {
    if (space.zset && !space.key.fields.empty()) {
      // Which of its members' entries a set's key would end, nobody could say without a scan.
      if (shared_key(wanted.pattern, sets_of(space)).empty()) continue;
      return section.report(
          at, fmt::format("\"{}\" is a key of [namespace.{}]: sorted sets are not invalidated by "
                          "events in this version",
                          wanted.text, space.name));
    }
    named |= names_key_of(wanted, space);
  }
  if (named) return;
  section.report(at, fmt::format("\"{0}\" has the form of no namespace's key (one of no namespace is "
                                 "written \"key {0}\"){1}",
                                 wanted.text, hint_for(wanted, namespaces)));
}

// False: there is none, good or bad.
bool read_templates(Section& section, Events& events, std::span<const Namespace> namespaces) {
  const std::vector<const Node*> texts = section.texts("invalidate");
  for (const Node* node : texts) {
    std::vector<TextMistake> mistakes;
    KeyTemplate made = parse_key_template(std::get<std::string>(node->value), mistakes);
    for (TextMistake& mistake : mistakes)
      section.report(section.inside(*node, mistake.offset), std::move(mistake.what));
    if (!mistakes.empty()) continue;
    if (made.target == KeyTemplate::Target::kNamespace)
      check_names_a_key(section, node->at, made, namespaces);
    events.invalidate.push_back(std::move(made));
  }
  return !texts.empty();
}

}  // namespace

void read_events(Section& section, Events& events, std::span<const Namespace> namespaces) {
  std::optional<EventsKind> kind;
  if (const auto choice = section.choice("kind", kKinds)) {
    kind = static_cast<EventsKind>(*choice);
    events.kind = *kind;
  } else if (!section.has("kind")) {
    section.report_missing(section.header(),
                           fmt::format("{} needs a kind: {}", section.name(), quoted_list(kKinds)));
  }
  section.text("url", events.url);
  section.text("password_env", events.password_env);
  section.text("channel", events.channel);
  section.text("stream", events.stream);
  section.text("brokers", events.brokers);
  section.text("topic", events.topic);
  section.text("group", events.group);
  read_kafka(section, events, kind);
  if (kind) check_place(section, events, *kind);
  const bool any = read_templates(section, events, namespaces);
  if (!section.has("invalidate")) {
    section.report_missing(
        section.header(),
        fmt::format("{} needs invalidate = [\"…\"]: the keys that a message makes stale", section.name()));
  } else if (!any) {
    section.report_missing(section.at("invalidate"), "invalidate names no key");
  }
  section.duration("hold_off", events.hold_off, 0ms, 1min);
  section.size("max_message", events.max_message, std::size_t{1} << 10, std::size_t{64} << 20);
  section.count("max_keys", events.max_keys, std::size_t{1}, std::size_t{100'000});
}

}  // namespace forebay::config
