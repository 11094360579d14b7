#pragma once

// The ids of writes behind that may be asked for again (docs/write-behind.md), with what the first answer
// said: whoever repeats one is told that, and nothing is written.
//
// An id is taken in two steps around the write's own: begin() reserves it, so that two writes with one id
// can't both go on, and end() says what came of it. Between the two nothing may be waited for. What is
// remembered is in the journal too, as encode() has it.
//
// Bounded: an id stays for `remember` and then goes, in passing; where there are `most` that have not, new
// ones are refused. Some 210 bytes each, besides the id. Thread-safe; a leaf lock. Constant time, but for
// restore() and lose().

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

  // The first answer, if the id has been taken by this write and is still remembered; nothing: it is free, or
  // this write is between begin() and end(). kConflict: it has been taken by another write. kInvalidArgument:
  // it is no id. kUnsupported: none is taken.
  Result<std::optional<First>> find(std::string_view id, const Fingerprint& write, Instant now)
      EXCLUDES(mutex_);
  // The same; where it is free it is the caller's from here on, who must call end(). kOverloaded: too many
  // are remembered. kConflict as well while it is another caller's: who begins one write from several
  // threads does so under a lock, and so never meets this.
  Result<std::optional<First>> begin(std::string_view id, const Fingerprint& write, Instant now)
      EXCLUDES(mutex_);
  // The write has been taken by the journal; null: it has not, and the id is free again.
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
