#pragma once

// The one door to cached copies: nothing else in the layer writes the memory tier. Whatever becomes of a copy,
// its stamp, its times, the refusal of what is older, and the news for those who watch are made here, in one
// way.
//
// A copy belongs to its namespace as long as that is in force and its epoch is the copy's; what does not
// belong is never shown, and gives way to whatever comes.
//
// For a key that has a source the caller holds the key's lock (key_table.h) while it stores or drops, but for
// edit(), which changes such a copy's times only. Thread-safe; takes the memory tier's locks. No call blocks.

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "forebay/function_ref.h"
#include "layer/key/copy_observer.h"
#include "layer/key/evidence.h"
#include "memory/tier.h"

namespace forebay::memory {
class OwnCollection;
}

namespace forebay::layer {

// A copy to be.
struct NewCopy {
  CopyCause cause = CopyCause::kWritten;
  // The value, by reference or as bytes. Neither: the source has no such row.
  std::optional<Value> value = {};
  std::optional<std::string_view> bytes = {};
  // Where the value is a collection: it as well, borrowed; the copy is made of it.
  const memory::OwnCollection* collection = nullptr;
  Evidence evidence = {};
  AsOf as_of;              // when the value was true
  Instant loaded_at{};     // when the load, or the write, began
  Duration took{};         // kLoaded: the load
  Instant until = kNever;  // it is kept no longer, whatever the namespace's times say
};

// Is told what writes make of members of collections (Namespace::boards), under the member's lock. Called without
// the memory tier's locks, before the writer is answered.
class MemberObserver {
 public:
  virtual ~MemberObserver() = default;
  // This is the member's value from now on; nothing: there is no such member any more.
  virtual void written(const KeyRef& member, std::optional<std::string_view> value, Instant now) = 0;
  // The transaction that applies the member's pending writes is about to be sent, or is over and about to be settled.
  virtual void applying(const KeyRef& member) = 0;
  // The member changed, and what it is now is not known.
  virtual void lost(const KeyRef& member, Instant now) = 0;
};

class CopyStore {
 public:
  // Everything is borrowed.
  CopyStore(memory::Tier& tier, Random& random) : tier_(tier), random_(random) {}

  // Before the first request.
  void observe(CopyObserver& observer) { observers_.push_back(&observer); }
  void observe_members(MemberObserver& observer) { members_ = &observer; }

  // ---- Looking.

  // Visits the key's copy, if there is one.
  template <class Visit>
  void find(const KeyRef& at, Instant now, Visit&& visit, Touch touch = Touch::kYes) const {
    const Namespace& space = at.space;
    tier_.find(
        at.hash, at.text, now,
        [&](const EntryView& entry) {
          if (space.owns(entry.stamp())) visit(entry);
        },
        touch);
  }

  // ---- Storing.

  enum class Stored : std::uint8_t {
    kYes,
    kAbsence,   // there is no value, and the namespace does not remember that: there is no copy now
    kOlder,     // what is there is proved to be newer, and stays
    kPurged,    // the namespace has been purged since the value was true, or perhaps a tag that a client set
    kUntagged,  // the value does not tell a tag that it must have; there is no copy now
    kTooLarge,  // there is no copy now
    kFull,      // memory is full and nothing may be evicted
  };
  struct Outcome {
    Stored stored = Stored::kYes;
    bool existed = false;  // a copy with a value was there before
  };
  // Makes a value the key's copy. Where it can't be stored (kPurged, kFull), what a load brings leaves the copy
  // that is there: after a purge that is a newer one, else one that may still stand in for the source. What a
  // write made drops it, as it is no longer true.
  Outcome store(const KeyRef& at, NewCopy&& copy, Instant now);
  // Gives the copy other bytes and leaves its times. True: it is there with them; false: there is no copy now.
  bool revise(const KeyRef& at, std::string_view bytes, Instant now);

  // A client's own values: keys without a source, or the times of those with one. `decide` runs within the
  // memory tier's lock and gets the copy, unless it says that there is no value.
  PutOutcome edit(const KeyRef& at, Instant now, FunctionRef<Change(const EntryView*)> decide);

  // The same for a key's collection: as Tier::edit(). The entry is null where there is none that is valid, and the
  // collection then does not exist.
  PutOutcome edit_collection(const KeyRef& at, Instant now, std::size_t room,
                             FunctionRef<std::optional<Stamp>(const EntryView*, memory::Collection&)> edit);

  enum class Tagged : std::uint8_t { kYes, kNoCopy, kTooMany };
  // Gives the key's copy these tags in place of those that clients gave it before (tag_of_client()).
  Tagged tag(const KeyRef& at, std::span<const std::uint64_t> tags, Instant now);

  // ---- Dropping. True: there was a copy in memory.

  bool drop(const KeyRef& at, Instant now);
  // The same for a key of which it is known that a write has removed it at the source, or will.
  void remove(const KeyRef& at, Instant now);
  // A member's value after a write whose copy came with a load.
  void written(const KeyRef& member, const std::optional<Value>& value, Instant now) const;
  // As MemberObserver's, for any key.
  void applying(const KeyRef& at) const {
    if (at.space.boards != nullptr) members_->applying(at);
  }
  // Drops what does not belong to the namespace any more. Nobody is told: that it is gone they have been.
  void drop_invalid(const KeyRef& at, Instant now);
  // Leaves a copy that is proved to include the change.
  bool drop_before(const KeyRef& at, const ChangeMark& change, Instant now);
  // All copies of a namespace, and all loads and writes of it in progress. O(1).
  void drop_space(Namespace& space);
  // All copies with this tag, and what is being loaded that turns out to have it. O(namespaces).
  void drop_tag(std::string_view tag, const std::vector<Namespace*>& spaces);
  // The same, and from then on nothing with the tag is kept until release_tag(), which ends once more what has it.
  // False: too many are held; nothing was done.
  bool hold_tag(std::string_view tag, const std::vector<Namespace*>& spaces);
  void release_tag(std::string_view tag, const std::vector<Namespace*>& spaces);
  // All copies that have tags.
  void drop_tagged(const std::vector<Namespace*>& spaces);
  // Copies of a namespace stay, and whoever keeps copies of its own is told that they may be wrong.
  void doubt(const Namespace& space) const;
  // All copies of these namespaces, which are all that there are. O(shards). May be called with the tier's
  // shards held.
  void drop_everything(const std::vector<Namespace*>& spaces);

  // ---- What observers are told besides.

  // The key changed: its copy was dropped, or a load of it was fenced.
  void invalidated(const KeyRef& at, observe::Invalidation cause, Instant now) const;
  // A load's value was not stored.
  void unstored(const KeyRef& at, observe::Unstored why) const;
  // Whether observers want to be told of answers, too: it costs readers a look and a call.
  void follow_answers(bool on) { follows_answers_.store(on, std::memory_order_relaxed); }
  bool follows_answers() const { return follows_answers_.load(std::memory_order_relaxed); }
  void answered(const KeyRef& at, const Stamp& stamp) const;
  void answered_stale(const KeyRef& at) const;

  memory::Tier& tier() { return tier_; }

 private:
  Stamp stamp_of(const KeyRef& at, const NewCopy& copy, Instant now);
  // What the namespace gives a key with this value. Nothing: a tag can't be told.
  static std::optional<PackedTags> tags_of(const KeyRef& at, std::optional<std::string_view> value,
                                           const AsOf& as_of);
  Outcome store_collection(const KeyRef& at, const NewCopy& copy, Instant now);
  void tell_tags_purged(const std::vector<Namespace*>& spaces) const;
  // Gives a collection that has just been made its namespace's tags.
  void tag_collection(const KeyRef& at, const AsOf& as_of, Instant now);
  static void tag_edited(const KeyRef& at, Change& change, std::string& packed);
  bool drop_copy(const KeyRef& at, Instant now);
  void tell_stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes, const Stamp& stamp) const;
  void tell_dropped(const KeyRef& at, CopyCause cause, bool existed) const;
  bool watched(const KeyRef& at, CopyCause cause) const;

  memory::Tier& tier_;
  Random& random_;
  std::vector<CopyObserver*> observers_;
  MemberObserver* members_ = nullptr;
  // Relaxed: who must not miss an answer is told of it on the thread that set this, or after it.
  std::atomic<bool> follows_answers_{false};
};

}  // namespace forebay::layer
