#include "layer/key/copy_store.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "layer/namespaces/freshness.h"
#include "memory/collection/collection.h"

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
  Stamp stamp = space.stamp(copy.epoch, copy.loaded_at);
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

CopyStore::Outcome CopyStore::store(const KeyRef& at, NewCopy&& copy, Instant now) {
  Namespace& space = at.space;
  const bool present = copy.value || copy.bytes;
  const bool remember = present || space.config.negative_ttl.count() > 0;
  const Stamp stamp = stamp_of(at, copy, now);
  const std::string_view text = copy.bytes.value_or(std::string_view());
  const std::uint64_t bytes = copy.value ? bytes_of(*copy.value) : text.size();
  Outcome outcome;
  std::optional<Stored> refused;
  bool renewed = false;
  const PutOutcome put = tier_.update(at.hash, at.text, now, [&](const EntryView* current) -> Change {
    // Looked at under the shard's lock: if the epoch is raised later, a tier that is this namespace's alone
    // clears this shard later, too. In another the entry says its epoch itself.
    if (copy.epoch != space.epoch.load(std::memory_order_acquire)) {
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
    if (!remember) return Change::erase();
    if (copy.value) return Change::replace(std::move(*copy.value), stamp, space.info.type);
    return Change::replace(text, stamp, space.info.type);
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
    case Stored::kTooLarge:
      tell_dropped(at, copy.cause, outcome.existed);
      break;
    case Stored::kFull:
    case Stored::kPurged:
      if (copy.cause != CopyCause::kLoaded) drop(at, now);
      break;
    case Stored::kOlder:
      break;
  }
  return outcome;
}

bool CopyStore::revise(const KeyRef& at, std::string_view bytes, Instant now) {
  Stamp stamp;
  const PutOutcome put = tier_.update(at.hash, at.text, now, [&](const EntryView* current) {
    const bool there = current != nullptr && at.space.owns(current->stamp()) && !current->stamp().negative;
    if (!there) return Change::erase();
    stamp = current->stamp();
    return Change::revalue(bytes);
  });
  if (put == PutOutcome::kStored) {
    tell_stored(at, CopyCause::kWritten, bytes.size(), stamp);
    return true;
  }
  drop(at, now);
  return false;
}

PutOutcome CopyStore::edit(const KeyRef& at, Instant now, FunctionRef<Change(const EntryView*)> decide) {
  const Namespace& space = at.space;
  const auto decided = [&](const EntryView* current) {
    const bool valid = current != nullptr && space.owns(current->stamp()) && !current->stamp().negative;
    Change change = decide(valid ? current : nullptr);
    change.stamp.space = space.info.index;
    change.stamp.epoch = space.epoch.load(std::memory_order_acquire);
    // Keeping what is no longer valid would be to keep nothing.
    if (!valid && current != nullptr && change.kind == Change::Kind::kKeep && !current->stamp().negative)
      return Change::erase();
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
  std::uint64_t bytes = 0;
  Stamp stamp;
  const PutOutcome outcome = tier_.edit(
      at.hash, at.text, now, room,
      [&](const EntryView* current, memory::Collection& all) -> std::optional<Stamp> {
        const bool valid = current != nullptr && space.owns(current->stamp()) && !current->stamp().negative;
        if (!valid && all.exists()) all.forget();
        auto wanted = edit(valid ? current : nullptr, all);
        if (!wanted) return wanted;
        told = watched(at, CopyCause::kEdited);  // in here, as in edit()
        existed = current != nullptr;
        wanted->space = space.info.index;
        wanted->epoch = space.epoch.load(std::memory_order_acquire);
        stamp = valid && !all.forgotten() ? current->stamp() : *wanted;
        if (all.exists()) bytes = all.bytes().size() + all.node_bytes();
        return wanted;
      });
  if (!told || outcome == PutOutcome::kFull) return outcome;
  if (outcome == PutOutcome::kStored) {
    tell_stored(at, CopyCause::kEdited, bytes, stamp);
  } else {
    tell_dropped(at, CopyCause::kEdited, existed);
  }
  return outcome;
}

bool CopyStore::drop(const KeyRef& at, Instant now) {
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
  space.epoch.fetch_add(1, std::memory_order_acq_rel);
  space.counters.add(kInvalidations);
  if (space.sole) tier_.clear();
  for (CopyObserver* observer : observers_) observer->purged(space);
}

void CopyStore::doubt(const Namespace& space) const {
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
