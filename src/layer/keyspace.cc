#include "layer/keyspace.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/glob.h"
#include "layer/namespaces/freshness.h"

namespace forebay::layer {
namespace {

constexpr std::size_t kScanStep = 256;

}  // namespace

bool Keyspace::peek(const KeyRef& at, Instant now, FunctionRef<void(const EntryView&)> visit) const {
  bool found = false;
  copies_.find(
      at, now,
      [&](const EntryView& entry) {
        if (entry.stamp().negative) return;
        found = true;
        visit(entry);
      },
      Touch::kNo);
  return found;
}

Stamp Keyspace::stamp_for(const Namespace& space, Instant now) {
  Stamp stamp;
  stamp.space = space.info.index;
  stamp.epoch = space.epoch.load(std::memory_order_acquire);
  set_times(space.config, stamp, now, random_);
  return stamp;
}

bool Keyspace::drop(const KeyRef& at, Instant now) {
  const bool valid = peek(at, now, [](const EntryView&) {});
  // A key without a source has no loads to fence, and may be dropped inside a transaction that holds its
  // shard.
  if (!at.space.info.bound) return copies_.drop(at, now) && valid;
  return invalidator_.drop(at, observe::Invalidation::kDelete) && valid;
}

std::uint64_t Keyspace::scan(std::uint64_t cursor, std::size_t count, Instant now,
                             FunctionRef<void(const EntryView&)> visit) const {
  const Router& current = router();
  return copies_.tier().scan(cursor, count, now, [&](const EntryView& entry) {
    if (shows(entry, current.route(entry.key()))) visit(entry);
  });
}

bool Keyspace::random_entry(Instant now, FunctionRef<void(const EntryView&)> visit) const {
  const Router& current = router();
  constexpr int kTries = 32;  // entries of an old epoch are passed over; they may be many right after a purge
  bool found = false;
  for (int i = 0; i < kTries && !found; ++i) {
    const bool any = copies_.tier().random(now, random_.next(), [&](const EntryView& entry) {
      if (!shows(entry, current.route(entry.key()))) return;
      found = true;
      visit(entry);
    });
    if (!any) return false;
  }
  return found;
}

Result<void> Keyspace::purge_namespace(std::string_view name) {
  Namespace* space = router().find(name);
  if (!space) return Error{ErrorCode::kInvalidArgument, fmt::format("there is no namespace '{}'", name)};
  invalidator_.drop_space(*space);
  return {};
}

std::size_t Keyspace::purge_match(std::string_view glob) {
  const auto pattern = Glob::compile(glob);
  if (!pattern) return 0;
  std::size_t dropped = 0;
  std::uint64_t cursor = 0;
  do {
    std::vector<std::string> keys;
    cursor = scan(cursor, kScanStep, clock_.now(), [&](const EntryView& entry) {
      if (pattern->matches(entry.key())) keys.emplace_back(entry.key());
    });
    for (const std::string& key : keys)
      dropped += invalidator_.drop(at(key), observe::Invalidation::kPurge) ? 1 : 0;
  } while (cursor != 0);
  return dropped;
}

Result<bool> Keyspace::tag(std::string_view key, std::span<const std::string_view> tags) {
  const KeyRef at = this->at(key);
  if (at.space.boards != nullptr || at.space.members != nullptr ||
      (at.space.info.bound && at.space.info.type == EntryType::kCollection)) {
    return Error{
        ErrorCode::kUnsupported,
        fmt::format("keys of namespace '{}' can't be tagged yet: they are collections that a table holds",
                    at.space.name())};
  }
  std::vector<std::uint64_t> words;
  for (const std::string_view each : tags) {
    const std::uint64_t word = tag_of_client(each);
    if (std::ranges::find(words, word) == words.end()) words.push_back(word);
  }
  const auto tagged = copies_.tag(at, words, clock_.now());
  if (tagged == CopyStore::Tagged::kTooMany) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("a key has at most {} tags, those of its namespace included",
                             memory::TagPurges::kMostTags)};
  }
  return tagged == CopyStore::Tagged::kYes;
}

void Keyspace::purge_database(unsigned database) {
  for (Namespace* space : router().spaces()) {
    if (space->database == database) invalidator_.drop_space(*space);
  }
  sweep();
}

std::array<memory::SpaceEntries, kMostDatabases> Keyspace::entries_of_databases() const {
  const memory::TierStats stats = copies_.tier().stats();
  std::array<memory::SpaceEntries, kMostDatabases> of{};
  of[0] = {stats.entries, stats.with_expiry};
  for (const Namespace* space : router().spaces()) {
    if (space->database == 0 || space->info.index >= stats.by_space.size()) continue;
    const memory::SpaceEntries& entries = stats.by_space[space->info.index];
    of.at(space->database) = entries;
    of[0].entries -= std::min(of[0].entries, entries.entries);
    of[0].with_expiry -= std::min(of[0].with_expiry, entries.with_expiry);
  }
  return of;
}

void Keyspace::sweep() {
  const auto is_left = [this](const EntryView& entry) {
    return !router().route(entry.key()).owns(entry.stamp());
  };
  std::uint64_t cursor = 0;
  do {
    std::vector<std::string> keys;
    const Instant now = clock_.now();
    cursor = copies_.tier().scan(cursor, kScanStep, now, [&](const EntryView& entry) {
      if (is_left(entry)) keys.emplace_back(entry.key());
    });
    for (const std::string& key : keys) copies_.drop_invalid(at(key), now);
  } while (cursor != 0);
}

}  // namespace forebay::layer
