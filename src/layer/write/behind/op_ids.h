#pragma once

// Op-ids: names that clients give to writes behind, so that a write may be sent again and counts once
// (docs/write-behind.md). This class remembers each id with what its write was answered first. A client that
// repeats the write is told the same, and nothing is written.
//
// Taking an id has two steps, around the writing itself. begin() reserves the id, so that of two writes that
// come with it at once only one goes on. end() keeps the answer, or frees the id if the write was refused.
// Between the two the caller must not wait for anything. The journal keeps each id, too, in the form that
// encode() gives it; restore() takes them back after a restart.
//
// Bounds: an id is forgotten once it is older than `remember`. While there are `most` that are younger, new
// ids are refused. Some 210 bytes each, besides the id.
//
// Thread-safe; a leaf lock. Calls take constant time, but restore() and lose() are linear in the ids.

#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/clock.h"
#include "forebay/layer.h"
#include "forebay/result.h"
#include "forebay/source.h"
#include "journal/op.h"

namespace forebay::layer {

// What tells a write from another one with the same id: XXH3-128 of its key and of what it writes, for ever
// the same.
struct Fingerprint {
  std::uint64_t low = 0, high = 0;
  bool operator==(const Fingerprint&) const = default;
};
Fingerprint fingerprint_of(std::string_view key, const Write& write);

class OpIds {
 public:
  static constexpr std::size_t kLongestId = 128;  // bytes; the shortest has one

  struct Options {
    Duration remember = std::chrono::hours(1);  // 0: no id is taken
    std::size_t most = 1'000'000;
  };
  // What the first answer said.
  struct First {
    bool existed = false;
    OptionalText added;
    std::uint64_t seq = 0;  // the write's number in the journal
  };

  explicit OpIds(Options options) : options_(options) {}

  // What this write was answered when it came first with this id. Nothing: the id is free, or the write is
  // between begin() and end(). kConflict: another write has the id. kInvalidArgument: the text is too short or
  // too long for an id. kUnsupported: ids are not remembered here.
  Result<std::optional<First>> find(std::string_view id, const Fingerprint& write, Instant now)
      EXCLUDES(mutex_);
  // The same, but a free id is the caller's from here on, and the caller must call end(). kOverloaded: too many
  // ids are remembered. While an id is one caller's, another one gets kConflict; callers that may begin the
  // same write hold the key's lock, so that this does not happen to them.
  Result<std::optional<First>> begin(std::string_view id, const Fingerprint& write, Instant now)
      EXCLUDES(mutex_);
  // The journal has taken the write, which was answered this. Null: it has not, and the id is free again.
  void end(std::string_view id, const First* first) EXCLUDES(mutex_);

  // What the journal keeps of a write with an id, besides its number.
  static void encode(std::string& to, std::string_view id, const Fingerprint& write, const First& first);
  // Takes back what a journal held when it was opened. kInternal: one can't be read; says which.
  Result<void> restore(const std::vector<journal::Receipt>& receipts, const Clock& clock) EXCLUDES(mutex_);
  // The journal has lost the writes after `last`: their ids are free again.
  void lose(std::uint64_t last) EXCLUDES(mutex_);

  std::size_t size() const EXCLUDES(mutex_);       // ids remembered
  std::uint64_t repeats() const EXCLUDES(mutex_);  // answered, since the start
  void count_repeat() EXCLUDES(mutex_);

 private:
  struct Entry {
    std::string id;
    Fingerprint write;
    Instant at;
    std::optional<First> first;  // nothing: between begin() and end()
  };
  using Entries = std::list<Entry>;

  Result<std::optional<First>> find_locked(std::string_view id, const Fingerprint& write, Instant now)
      REQUIRES(mutex_);
  void forget_old(Instant now) REQUIRES(mutex_);
  void erase(Entries::iterator entry) REQUIRES(mutex_);

  const Options options_;
  mutable Mutex mutex_;
  Entries entries_ GUARDED_BY(mutex_);  // in order of time
  std::unordered_map<std::string_view, Entries::iterator, StringHash, std::equal_to<>> by_id_
      GUARDED_BY(mutex_);
  std::uint64_t repeats_ GUARDED_BY(mutex_) = 0;
};

}  // namespace forebay::layer
