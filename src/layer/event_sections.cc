#include "layer/event_sections.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "events/registry.h"

namespace forebay::layer {

Result<void> EventSections::check(const config::Events& section) {
  if (auto source = events::open_events(section); !source) return std::move(source).error();
  return {};
}

void EventSections::follow(const std::vector<config::Events>& sections) {
  Readers before;
  {
    MutexLock lock(mutex_);
    before = readers_;
  }
  Readers after;
  for (const config::Events& wanted : sections) {
    const auto same = std::ranges::find_if(
        before, [&](const auto& reader) { return config::same_settings(reader->section(), wanted); });
    if (same != before.end()) {
      after.push_back(*same);
      continue;
    }
    auto source = events::open_events(wanted);
    if (!source) {
      spdlog::error("events '{}': {}", wanted.name, source.error().message);
      continue;
    }
    after.push_back(std::make_shared<events::EventReader>(wanted, std::move(*source), parts_));
  }
  MutexLock lock(mutex_);
  // The readers that end do so with `before`, without the lock.
  readers_ = std::move(after);
}

void EventSections::stats(LayerStats& stats) const {
  MutexLock lock(mutex_);
  for (const auto& reader : readers_) {
    events::EventReader::Stats of = reader->stats();
    const std::string& name = reader->section().name;
    if (!of.connected)
      stats.health.push_back(fmt::format("events {} are not heard: {}", name,
                                         of.failure.empty() ? "nobody has connected yet" : of.failure));
    for (const std::string& warning : of.warnings)
      stats.health.push_back(fmt::format("events {}: {}", name, warning));
    stats.events.push_back(
        {name, of.connected, of.invalidated, of.malformed, of.too_large, of.keys, of.gaps, of.last_seconds});
  }
}

}  // namespace forebay::layer
