#include "layer/key/copy_store.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include "layer/namespaces/freshness.h"
#include "memory/collection/collection.h"
#include "memory/collection/own_collection.h"

namespace forebay::layer {
namespace {

// Bytes of a value as the memory tier counts it.
std::uint64_t bytes_of(const Value& value) {
  return value.is_object() ? value.charge() : value.view().size();
}

std::uint64_t bytes_of(const Change& change) {
  return change.shared ? bytes_of(*change.shared) : change.bytes.size();
}

std::uint64_t bytes_of(const EntryView& entry) {
  if (entry.type() == EntryType::kCollection)
    return entry.bytes().size() + memory::Collection::node_bytes(entry.bytes());
  return entry.shared() != nullptr ? bytes_of(*entry.shared()) : entry.bytes().size();
}

bool same_value(const NewCopy& copy, const EntryView& entry) {
  const bool present = copy.value || copy.bytes;
  if (present == entry.stamp().negative) return false;
  if (!present) return true;
  if ((copy.value && copy.value->is_object()) || (entry.shared() != nullptr && entry.shared()->is_object()))
    return false;  // nobody here can tell
  const std::string_view before = entry.shared() != nullptr ? entry.shared()->view() : entry.bytes();
  return before == (copy.value ? copy.value->view() : *copy.bytes);
}

// A misspelt column would turn the cache off without a word.
void say_untagged(const Namespace& space) {
  constexpr std::chrono::seconds kEvery{10};
  static std::atomic<std::chrono::steady_clock::duration>
      next{};  // relaxed: a line more or less does no harm
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  if (now < next.load(std::memory_order_relaxed)) return;
  next.store(now + kEvery, std::memory_order_relaxed);
  spdlog::warn(
      "namespace '{}': a value is served and not kept, as it is no JSON object with the columns that the "
      "tags "
      "name",
      space.name());
}

// Whether a value that was true as of then must not be stored any more. The tags of the namespace are looked at by the
// memory tier. Those that clients gave the key's copy are gone with it if they were purged: nobody knows them.
bool is_purged(const Namespace& space, const AsOf& then) {
  if (then.epoch != space.epoch.load(std::memory_order_acquire)) return true;
  return space.clients_tag.load(std::memory_order_relaxed) && space.tag_purges != nullptr &&
         then.tags != space.tag_purges->now();
}

CopyStore::Stored stored_of(PutOutcome outcome) {
  switch (outcome) {
    case PutOutcome::kStored:
      return CopyStore::Stored::kYes;
    case PutOutcome::kKept:
      return CopyStore::Stored::kAbsence;
    case PutOutcome::kTooLarge:
      return CopyStore::Stored::kTooLarge;
    case PutOutcome::kFull:
      return CopyStore::Stored::kFull;
  }
  return CopyStore::Stored::kFull;
}

}  // namespace

Stamp CopyStore::stamp_of(const KeyRef& at, const NewCopy& copy, Instant now) {
  const Namespace& space = at.space;
  const config::Namespace& policy = space.config;
  Stamp stamp = space.stamp(copy.as_of.epoch, copy.loaded_at);
  if (copy.cause == CopyCause::kLoaded && space.notes_loads)
    stamp.load_cost = std::chrono::duration_cast<std::chrono::microseconds>(copy.took);
  copy.evidence.put_on(stamp);
  if (copy.value || copy.bytes) {
    set_times(policy, stamp, now, random_);
  } else {
    stamp.negative = true;
    stamp.fresh_until = saturating_add(now, policy.negative_ttl);
    stamp.expires = stamp.fresh_until;
  }
  stamp.fresh_until = std::min(stamp.fresh_until, copy.until);
  stamp.expires = std::min(stamp.expires, copy.until);
  return stamp;
}

std::optional<PackedTags> CopyStore::tags_of(const KeyRef& at, std::optional<std::string_view> value,
                                             const AsOf& as_of) {
  PackedTags tags(as_of.tags);
  const Namespace& space = at.space;
  if (!space.tags.empty() && !space.tags.add_to(tags, space.config.key, at.text, value)) return std::nullopt;
  return tags;
}

CopyStore::Outcome CopyStore::store(const KeyRef& at, NewCopy&& copy, Instant now) {
  if (copy.collection != nullptr) return store_collection(at, copy, now);
  Namespace& space = at.space;
  const bool present = copy.value || copy.bytes;
  // The value goes on being read after it has been moved.
  std::optional<Value> written;
  if (space.boards != nullptr && copy.cause == CopyCause::kWritten && present)
    written = copy.value ? *copy.value : Value::bytes(std::string(*copy.bytes));
  const bool remember = present || space.config.negative_ttl.count() > 0;
  const Stamp stamp = stamp_of(at, copy, now);
  const std::string_view text = copy.bytes.value_or(std::string_view());
  const std::uint64_t bytes = copy.value ? bytes_of(*copy.value) : text.size();
  std::optional<PackedTags> tags;
  if (space.has_tags()) [[unlikely]] {
    auto of = present ? std::optional(copy.value ? copy.value->view() : text) : std::nullopt;
    tags = tags_of(at, of, copy.as_of);
  } else {
    tags.emplace(0);
  }
  Outcome outcome;
  std::optional<Stored> refused;
  bool renewed = false;
  const PutOutcome put = tier_.update(at.hash, at.text, now, [&](const EntryView* current) -> Change {
    // Looked at under the shard's lock: if the epoch is raised later, a tier that is this namespace's alone
    // clears this shard later, too. In another the entry says its epoch itself.
    if (is_purged(space, copy.as_of)) {
      refused = Stored::kPurged;
      return Change::keep();
    }
    if (current != nullptr && space.owns(current->stamp())) {
      outcome.existed = !current->stamp().negative;
      renewed = !same_value(copy, *current);
      if (copy.evidence.older_than(Evidence::of(current->stamp()))) {
        refused = Stored::kOlder;
        return Change::keep();
      }
    }
    if (!tags) refused = Stored::kUntagged;
    if (!remember || !tags) return Change::erase();
    Change change = copy.value ? Change::replace(std::move(*copy.value), stamp, space.info.type)
                               : Change::replace(text, stamp, space.info.type);
    change.tags = tags->bytes();
    change.keeps_marked_tags = true;
    return change;
  });
  outcome.stored = refused.value_or(stored_of(put));
  switch (outcome.stored) {
    case Stored::kYes:
      tell_stored(at, renewed && copy.cause == CopyCause::kLoaded ? CopyCause::kRenewed : copy.cause, bytes,
                  stamp);
      break;
    case Stored::kAbsence:
      // Readers of the load were answered, and nothing of that is here.
      tell_dropped(at, copy.cause == CopyCause::kLoaded ? CopyCause::kRenewed : copy.cause, outcome.existed);
      break;
    case Stored::kUntagged:
      say_untagged(space);
      tell_dropped(at, copy.cause, outcome.existed);
      break;
    case Stored::kTooLarge:
      tell_dropped(at, copy.cause, outcome.existed);
      break;
    case Stored::kFull:
    case Stored::kPurged:
      if (copy.cause != CopyCause::kLoaded) drop_copy(at, now);
      break;
    case Stored::kOlder:
      break;
  }
  if (written) {
    if (outcome.stored == Stored::kOlder) {
      members_->lost(at, now);
    } else {
      members_->written(at, written->view(), now);
    }
  }
  return outcome;
}

CopyStore::Outcome CopyStore::store_collection(const KeyRef& at, const NewCopy& copy, Instant now) {
  const Namespace& space = at.space;
  const Stamp stamp = stamp_of(at, copy, now);
  const std::size_t bytes = copy.collection->charge();
  Outcome outcome;
  std::optional<Stored> refused;
  const PutOutcome put =
      tier_.edit(at.hash, at.text, now, memory::Tier::edit_room(1, at.text.size()) + bytes,
                 [&](const EntryView* current, memory::Collection& all) -> std::optional<Stamp> {
                   // As in store().
                   if (is_purged(space, copy.as_of)) {
                     refused = Stored::kPurged;
                     return std::nullopt;
                   }
                   if (current != nullptr && space.owns(current->stamp())) {
                     outcome.existed = !current->stamp().negative;
                     if (copy.evidence.older_than(Evidence::of(current->stamp()))) {
                       refused = Stored::kOlder;
                       return std::nullopt;
                     }
                   }
                   if (all.exists()) all.forget();
                   memory::Collection from = copy.collection->read();
                   all.copy(from);
                   return stamp;
                 });
  outcome.stored = refused.value_or(stored_of(put));
  if (outcome.stored == Stored::kYes) {
    const bool renewed = outcome.existed && copy.cause == CopyCause::kLoaded;
    tell_stored(at, renewed ? CopyCause::kRenewed : copy.cause, bytes, stamp);
  } else if (outcome.stored == Stored::kTooLarge) {
    tell_dropped(at, copy.cause, outcome.existed);
  }
  return outcome;
}

void CopyStore::written(const KeyRef& member, const std::optional<Value>& value, Instant now) const {
  if (member.space.boards == nullptr) return;
  members_->written(member, value ? std::optional(value->view()) : std::nullopt, now);
}

bool CopyStore::revise(const KeyRef& at, std::string_view bytes, Instant now) {
  Stamp stamp;
  std::string packed;
  const PutOutcome put = tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    const bool there = current != nullptr && at.space.owns(current->stamp()) && !current->stamp().negative;
    if (!there) return Change::erase();
    stamp = current->stamp();
    if (at.space.tags.empty()) return Change::revalue(bytes);
    const auto tags = tags_of(at, bytes, at.space.as_of());
    if (!tags) return Change::erase();
    packed = tags->bytes();
    Change change = Change::replace(bytes, stamp, at.space.info.type);
    change.tags = packed;
    change.keeps_marked_tags = true;
    return change;
  });
  if (put == PutOutcome::kStored) {
    tell_stored(at, CopyCause::kWritten, bytes.size(), stamp);
  } else {
    drop_copy(at, now);
  }
  if (at.space.boards != nullptr) members_->written(at, bytes, now);
  return put == PutOutcome::kStored;
}

PutOutcome CopyStore::edit(const KeyRef& at, Instant now, FunctionRef<Change(const EntryView*)> decide) {
  const Namespace& space = at.space;
  std::string packed;
  const auto decided = [&](const EntryView* current) {
    const bool valid = current != nullptr && space.owns(current->stamp()) && !current->stamp().negative;
    Change change = decide(valid ? current : nullptr);
    change.stamp.space = space.info.index;
    change.stamp.epoch = space.epoch.load(std::memory_order_acquire);
    // Keeping what is no longer valid would be to keep nothing.
    if (!valid && current != nullptr && change.kind == Change::Kind::kKeep && !current->stamp().negative)
      return Change::erase();
    change.keeps_marked_tags = true;
    if (!space.tags.empty() && change.kind != Change::Kind::kKeep && change.kind != Change::Kind::kErase)
        [[unlikely]]
      tag_edited(at, change, packed);
    return change;
  };
  auto kind = Change::Kind::kKeep;
  std::uint64_t bytes = 0;
  Stamp stamp;
  bool told = false;
  bool existed = false;
  const PutOutcome outcome = tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    Change change = decided(current);
    kind = change.kind;
    // Asked in here: who begins to listen takes this lock (KeyNews).
    told = kind != Change::Kind::kKeep && watched(at, CopyCause::kEdited);
    if (!told) return change;
    existed = current != nullptr;
    stamp = change.stamp;
    if (kind == Change::Kind::kReplace) {
      bytes = bytes_of(change);
    } else if (current != nullptr) {
      bytes = bytes_of(*current);
    }
    return change;
  });
  if (!told || outcome == PutOutcome::kFull) return outcome;
  if (outcome == PutOutcome::kStored) {
    tell_stored(at, kind == Change::Kind::kRestamp ? CopyCause::kRetimed : CopyCause::kEdited, bytes, stamp);
  } else {
    tell_dropped(at, CopyCause::kEdited, existed);
  }
  return outcome;
}

PutOutcome CopyStore::edit_collection(
    const KeyRef& at, Instant now, std::size_t room,
    FunctionRef<std::optional<Stamp>(const EntryView*, memory::Collection&)> edit) {
  const Namespace& space = at.space;
  bool told = false;
  bool existed = false;
  bool fresh = false;  // the collection is a new one
  std::uint64_t bytes = 0;
  Stamp stamp;
  const AsOf as_of = space.as_of();
  const PutOutcome outcome = tier_.edit(
      at.hash, at.text, now, room,
      [&](const EntryView* current, memory::Collection& all) -> std::optional<Stamp> {
        const bool valid = current != nullptr && space.owns(current->stamp()) && !current->stamp().negative;
        if (!valid && all.exists()) all.forget();
        auto wanted = edit(valid ? current : nullptr, all);
        if (!wanted) return wanted;
        told = watched(at, CopyCause::kEdited);  // in here, as in edit()
        existed = current != nullptr;
        fresh = !valid || all.forgotten();
        wanted->space = space.info.index;
        wanted->epoch = space.epoch.load(std::memory_order_acquire);
        stamp = valid && !all.forgotten() ? current->stamp() : *wanted;
        if (all.exists()) bytes = all.bytes().size() + all.node_bytes();
        return wanted;
      });
  if (fresh && outcome == PutOutcome::kStored && !space.tags.empty()) [[unlikely]]
    tag_collection(at, as_of, now);
  if (!told || outcome == PutOutcome::kFull) return outcome;
  if (outcome == PutOutcome::kStored) {
    tell_stored(at, CopyCause::kEdited, bytes, stamp);
  } else {
    tell_dropped(at, CopyCause::kEdited, existed);
  }
  return outcome;
}

// A client's own value in a namespace that has no source, whose tags the key tells.
void CopyStore::tag_edited(const KeyRef& at, Change& change, std::string& packed) {
  if (change.kind == Change::Kind::kRestamp || change.kind == Change::Kind::kRevalue) return;  // they stay
  const auto tags = tags_of(at, change.shared ? change.shared->view() : change.bytes, at.space.as_of());
  if (!tags) {
    change = Change::erase();
    return;
  }
  packed = tags->bytes();
  change.tags = packed;
}

void CopyStore::tag_collection(const KeyRef& at, const AsOf& as_of, Instant now) {
  const auto tags = tags_of(at, std::nullopt, as_of);
  tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    return current == nullptr ? Change::keep() : Change::retag(tags->bytes());
  });
}

CopyStore::Tagged CopyStore::tag(const KeyRef& at, std::span<const std::uint64_t> tags, Instant now) {
  Namespace& space = at.space;
  if (space.tags.count() + tags.size() > memory::TagPurges::kMostTags) return Tagged::kTooMany;
  // Before the copy has its tags: from then on what is loaded is stored only if no tag was purged meanwhile.
  space.clients_tag.store(true, std::memory_order_relaxed);
  // Before the copy is looked at: what is purged from here on ends it.
  PackedTags packed(tier_.tags().now());
  for (const std::uint64_t tag : tags) packed.add(tag);
  bool there = false;
  const PutOutcome put = tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    there = current != nullptr && space.owns(current->stamp());
    if (!there) return Change::keep();
    Change change = Change::retag(packed.bytes());
    return change;
  });
  return there && put == PutOutcome::kStored ? Tagged::kYes : Tagged::kNoCopy;
}

bool CopyStore::drop(const KeyRef& at, Instant now) {
  if (at.space.boards != nullptr) members_->lost(at, now);
  return drop_copy(at, now);
}

void CopyStore::remove(const KeyRef& at, Instant now) {
  if (at.space.boards != nullptr) members_->written(at, std::nullopt, now);
  drop_copy(at, now);
}

bool CopyStore::drop_copy(const KeyRef& at, Instant now) {
  const bool dropped = tier_.erase(at.text, now, Departure::kInvalidated);
  // Told even if there was none: what has been evicted would have been dropped, too, had there been more
  // memory.
  tell_dropped(at, CopyCause::kWritten, dropped);
  return dropped;
}

void CopyStore::drop_invalid(const KeyRef& at, Instant now) {
  const Namespace& space = at.space;
  tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    return current != nullptr && !space.owns(current->stamp()) ? Change::erase() : Change::keep();
  });
}

bool CopyStore::drop_before(const KeyRef& at, const ChangeMark& change, Instant now) {
  bool covered = false;
  if (change != ChangeMark{}) {
    find(
        at, now, [&](const EntryView& entry) { covered = Evidence::of(entry.stamp()).covers(change); },
        Touch::kNo);
  }
  return !covered && drop(at, now);
}

void CopyStore::drop_space(Namespace& space) {
  // A purge of members is one of their boards.
  if (space.boards != nullptr) drop_space(*space.boards);
  space.epoch.fetch_add(1, std::memory_order_acq_rel);
  space.counters.add(kInvalidations);
  if (space.sole) tier_.clear();
  for (CopyObserver* observer : observers_) observer->purged(space);
}

void CopyStore::drop_tag(std::string_view tag, const std::vector<Namespace*>& spaces) {
  tier_.tags().purge(tag_of_template(tag));
  tell_tags_purged(spaces);
}

bool CopyStore::hold_tag(std::string_view tag, const std::vector<Namespace*>& spaces) {
  if (!tier_.tags().hold(tag_of_template(tag))) return false;
  tell_tags_purged(spaces);
  return true;
}

void CopyStore::release_tag(std::string_view tag, const std::vector<Namespace*>& spaces) {
  tier_.tags().release(tag_of_template(tag));
  tell_tags_purged(spaces);
}

void CopyStore::drop_tagged(const std::vector<Namespace*>& spaces) {
  tier_.tags().purge_all();
  tell_tags_purged(spaces);
}

void CopyStore::tell_tags_purged(const std::vector<Namespace*>& spaces) const {
  for (Namespace* space : spaces) {
    if (!space->has_tags()) continue;
    space->counters.add(kInvalidations);
    // Who keeps an answer of a copy that was evicted since can't be told of that key alone: which tags it had, nobody
    // knows. What has no source is not evicted without a word, and of it each is told (departed()).
    if (space->info.bound) doubt(*space);
  }
}

void CopyStore::doubt(const Namespace& space) const {
  if (space.boards != nullptr) doubt(*space.boards);
  for (CopyObserver* observer : observers_) observer->purged(space);
}

void CopyStore::drop_everything(const std::vector<Namespace*>& spaces) {
  for (Namespace* space : spaces) {
    space->epoch.fetch_add(1, std::memory_order_acq_rel);
    space->counters.add(kInvalidations);
  }
  tier_.clear();
  for (CopyObserver* observer : observers_) observer->cleared();
}

bool CopyStore::watched(const KeyRef& at, CopyCause cause) const {
  return std::ranges::any_of(observers_,
                             [&](const CopyObserver* observer) { return observer->wants(at.hash, cause); });
}

void CopyStore::tell_stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes,
                            const Stamp& stamp) const {
  for (CopyObserver* observer : observers_) {
    if (observer->wants(at.hash, cause)) observer->stored(at, cause, bytes, stamp);
  }
}

void CopyStore::tell_dropped(const KeyRef& at, CopyCause cause, bool existed) const {
  for (CopyObserver* observer : observers_) {
    if (observer->wants(at.hash, cause)) observer->dropped(at, existed);
  }
}

void CopyStore::invalidated(const KeyRef& at, observe::Invalidation cause, Instant now) const {
  at.space.counters.add(kInvalidations);
  for (CopyObserver* observer : observers_) observer->invalidated(at, cause, now);
}

void CopyStore::answered(const KeyRef& at, const Stamp& stamp) const {
  for (CopyObserver* observer : observers_) observer->answered(at, stamp);
}

void CopyStore::answered_stale(const KeyRef& at) const {
  for (CopyObserver* observer : observers_) observer->answered_stale(at);
}

void CopyStore::unstored(const KeyRef& at, observe::Unstored why) const {
  for (CopyObserver* observer : observers_) observer->unstored(at, why);
}

}  // namespace forebay::layer
