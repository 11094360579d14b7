#include "layer/invalidate/event_invalidator.h"

#include <algorithm>
#include <vector>

#include "base/glob.h"
#include "config/key_template.h"

namespace forebay::layer {
namespace {

using Target = config::KeyTemplate::Target;

// How many keys one task on the scheduler ends: tasks are to be brief.
constexpr std::size_t kEndStep = 1000;
constexpr std::size_t kScanStep = 1000;

// What can be one of the template's keys.
std::string glob_of(const config::Pattern& pattern) {
  std::string glob;
  for (std::size_t i = 0; i < pattern.literals.size(); ++i) {
    if (i > 0) glob += '*';
    for (const char c : pattern.literals[i]) {
      if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') glob += '\\';
      glob += c;
    }
  }
  return glob;
}

}  // namespace

bool EventInvalidator::invalidate(const config::Events& section, const events::Invalidation& what) {
  if (what.target == Target::kTag) {
    hold_tag(what.name, section.hold_off);
    return true;
  }
  const KeyRef at(router().route(what.name), what.name);
  if (what.target == Target::kNamespace && at.space.name().empty()) return false;
  hold_key(at, section.hold_off);
  return true;
}

void EventInvalidator::missed(const config::Events& section) {
  for (Namespace* space : router().spaces()) {
    const auto is_named = [&](const config::KeyTemplate& each) {
      return config::names_key_of(each, space->config);
    };
    if (std::ranges::any_of(section.invalidate, is_named)) hold_space(*space, section.hold_off);
  }
  for (const config::KeyTemplate& each : section.invalidate) {
    if (each.target == Target::kPlain) drop_matching(each.pattern, section.hold_off);
  }
  const auto is_tag = [](const config::KeyTemplate& each) { return each.target == Target::kTag; };
  if (std::ranges::any_of(section.invalidate, is_tag)) hold_tagged(section.hold_off);
}

void EventInvalidator::hold_tag(const std::string& tag, Duration hold_off) {
  const std::vector<Namespace*>& spaces = router().spaces();
  if (hold_off == Duration::zero()) return copies_.drop_tag(tag, spaces);
  const Instant until = clock_.now() + hold_off;
  bool held = false;  // already, or not at all
  bool full = false;
  {
    MutexLock lock(mutex_);
    const auto found = tags_.find(tag);
    held = stopped_ || found != tags_.end();
    if (found != tags_.end()) found->second = std::max(found->second, until);
    if (!held) full = !copies_.hold_tag(tag, spaces);
    if (!held && !full) {
      tags_.emplace(tag, until);
      wake_at(until);
    }
  }
  if (full) return hold_tagged(hold_off);
  // Where it is held already, what has it was gone before it was there; those who keep answers are told again.
  if (held) copies_.drop_tag(tag, spaces);
}

void EventInvalidator::hold_tagged(Duration hold_off) {
  copies_.drop_tagged(router().spaces());
  for (Namespace* space : router().spaces()) {
    if (space->has_tags() && space->info.bound) hold_space(*space, hold_off);
  }
}

void EventInvalidator::drop_matching(const config::Pattern& pattern, Duration hold_off) {
  auto glob = Glob::compile(glob_of(pattern));
  // Too long a pattern by its escapes: all keys, then, rather than too few.
  if (!glob) glob = Glob::compile("*");
  std::uint64_t cursor = 0;
  do {
    std::vector<std::string> keys;
    cursor = copies_.tier().scan(cursor, kScanStep, clock_.now(), [&](const EntryView& entry) {
      if (glob->matches(entry.key())) keys.emplace_back(entry.key());
    });
    for (const std::string& key : keys) {
      const KeyRef at(router().route(key), key);
      if (at.space.name().empty()) hold_key(at, hold_off);
    }
  } while (cursor != 0);
}

void EventInvalidator::hold_key(const KeyRef& at, Duration hold_off) {
  if (hold_off == Duration::zero()) {
    invalidator_.drop(at, observe::Invalidation::kEvent);
    return;
  }
  // Before it is noted: at the end of the hold-off there must be something to settle.
  invalidator_.drop(at, observe::Invalidation::kEvent, {}, Visible::kNotYet);
  const Instant until = clock_.now() + hold_off;
  bool held = false;  // already, or not at all
  bool full = false;
  {
    MutexLock lock(mutex_);
    const auto found = keys_.find(at.text);
    held = stopped_ || found != keys_.end();
    full = !held && keys_.size() >= most_held_;
    if (found != keys_.end() && found->second < until) {
      due_.erase({found->second, found->first});
      found->second = until;
      due_.emplace(until, found->first);
    } else if (!held && !full) {
      keys_.emplace(at.text, until);
      due_.emplace(until, at.text);
      wake_at(until);
    }
  }
  if (full && !at.space.name().empty()) hold_space(at.space, hold_off);
  // The key is unsettled once for each key that is noted, however many events there are.
  if (held || full) invalidator_.settle({{}, {{&at.space, std::string(at.text)}}, {}});
}

void EventInvalidator::hold_space(Namespace& space, Duration hold_off) {
  if (hold_off == Duration::zero()) return invalidator_.drop_space(space);
  const Instant until = clock_.now() + hold_off;
  // Held until its end is noted, lest that come before.
  invalidator_.unsettle(space);
  bool held = false;  // already, or not at all
  {
    MutexLock lock(mutex_);
    held = stopped_;
    if (!stopped_) {
      const auto [found, is_new] = spaces_.emplace(&space, until);
      found->second = std::max(found->second, until);
      held = !is_new;
      wake_at(until);
    }
  }
  if (held) end_space(space);
}

void EventInvalidator::wake_at(Instant due) {
  if (wake_at_ <= due || stopped_) return;
  wake_at_ = due;
  scheduler_.post_at(due, [this, due] { end_due(due); });
}

void EventInvalidator::end_due(Instant due) {
  std::vector<std::string> keys;
  std::vector<std::string> tags;
  std::vector<Namespace*> spaces;
  {
    MutexLock lock(mutex_);
    // Another one has been asked for meanwhile, which comes earlier, or has come.
    if (stopped_ || due != wake_at_) return;
    // A scheduler has a clock of its own, which may be a little fast.
    const Instant now = std::max(clock_.now(), due);
    while (!due_.empty() && due_.begin()->first <= now && keys.size() < kEndStep) {
      keys.push_back(due_.begin()->second);
      keys_.erase(due_.begin()->second);
      due_.erase(due_.begin());
    }
    std::erase_if(tags_, [&](const auto& held) {
      if (held.second <= now) tags.push_back(held.first);
      return held.second <= now;
    });
    std::erase_if(spaces_, [&](const auto& held) {
      if (held.second <= now) spaces.push_back(held.first);
      return held.second <= now;
    });
    Instant next = due_.empty() ? kNever : due_.begin()->first;
    for (const auto& [tag, until] : tags_) next = std::min(next, until);
    for (const auto& [space, until] : spaces_) next = std::min(next, until);
    wake_at_ = kNever;
    if (next != kNever) wake_at(next);
  }
  for (const std::string& key : keys) end_key(key);
  for (const std::string& tag : tags) copies_.release_tag(tag, router().spaces());
  for (Namespace* space : spaces) end_space(*space);
}

void EventInvalidator::end_key(const std::string& key) {
  // By the configuration in force, which may be another one by now.
  const KeyRef at(router().route(key), key);
  invalidator_.drop(at, observe::Invalidation::kEvent);
  invalidator_.settle({{}, {{&at.space, key}}, {}});
}

void EventInvalidator::end_space(Namespace& space) {
  invalidator_.settle({{}, {}, {&space}});
}

std::size_t EventInvalidator::held() const {
  MutexLock lock(mutex_);
  return keys_.size() + tags_.size() + spaces_.size();
}

void EventInvalidator::stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
}

}  // namespace forebay::layer
