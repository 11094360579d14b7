#pragma once

// An entry of the memory tier, as those see it who read and write it.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "forebay/clock.h"
#include "forebay/value.h"

namespace forebay {

// What an entry's value is. The type is written together with the value and stays until the next value comes.
enum class EntryType : std::uint8_t {
  kText = 1,  // bytes as they were given (or an object of a C++ program)
  kCounter,   // a number, written as text
  kRow,       // a row of a table, as a JSON object
  // A hash, a set, a sorted set or a list: what it is and what is in it, the memory tier's own code reads from the
  // bytes (memory/collection/collection.h). It is written by edit() only.
  kCollection,
};

// What an entry carries beside its key and value.
struct Stamp {
  Instant expires = kNever;      // gone for every reader from here on (end of the last stale window)
  Instant fresh_until = kNever;  // stale from here on
  Instant loaded_at{};           // when the load that made it began; {}: written by a client
  std::chrono::microseconds load_cost{0};  // what the load took
  std::uint64_t version = 0;               // the source's row version; 0: none
  std::uint64_t evidence = 0;              // highest change number the value includes; 0: no proof
  std::uint32_t space = 0;                 // the namespace's index; 0: no namespace
  std::uint32_t epoch = 0;     // the namespace's epoch when the load began; another one now means invalid
  bool negative = false;       // the source has no such row
  bool by_wall_clock = false;  // `expires` was given as a time of the wall clock, and moves with it
  bool edited = false;  // a client changed a part of the value in place (OBJECT ENCODING then says raw)
};

// Why an entry left; also the cause of the next miss, so the names are the miss causes of FOREBAY EXPLAIN.
enum class Departure : std::uint8_t { kExpired, kEvicted, kInvalidated };

// An entry as a visitor sees it. Valid during the visit only.
class EntryView {
 public:
  EntryView(std::string_view key, std::string_view bytes, const Value* shared, const Stamp& stamp,
            std::uint64_t revision, Instant accessed)
      : key_(key), bytes_(bytes), shared_(shared), stamp_(stamp), revision_(revision), accessed_(accessed) {}

  std::string_view key() const { return key_; }
  std::string_view bytes() const { return bytes_; }  // empty for an object and for a negative entry
  // Non-null: the payload is held by reference (large, or an object).
  const Value* shared() const { return shared_; }
  // A shared payload is not copied; small bytes are.
  Value value() const { return shared_ ? *shared_ : Value::bytes(std::string(bytes_)); }
  const Stamp& stamp() const { return stamp_; }
  // Changes with every write to the key; never 0. Comes again after 2^29 writes to the key's part of the tier
  // (TierOptions::shards), whatever keys they were of.
  std::uint64_t revision() const { return revision_; }
  // The revision's lowest bits: there it costs an entry no room, and who doesn't ask for it no time.
  EntryType type() const { return static_cast<EntryType>(revision_ & kTypeMask); }
  static constexpr unsigned kTypeBits = 3;
  Instant accessed() const { return accessed_; }  // last hit or write before this visit, to about a second

 private:
  static constexpr std::uint64_t kTypeMask = (1u << kTypeBits) - 1;

  std::string_view key_;
  std::string_view bytes_;
  const Value* shared_;
  const Stamp& stamp_;
  std::uint64_t revision_;
  Instant accessed_;
};

// What a writer wants to become of an entry.
struct Change {
  enum class Kind : std::uint8_t {
    kKeep,
    kErase,
    kReplace,
    kRevalue,  // other bytes, the same stamp and type; there must be an entry
    kRestamp,  // another stamp, the same value and type; there must be an entry
    kRetag,    // other tags in place of the marked ones, all else the same; there must be an entry
  };
  Kind kind = Kind::kKeep;
  EntryType type = EntryType::kText;  // kReplace
  std::string_view bytes;             // kReplace, kRevalue; borrowed until the writer's call returns
  std::optional<Value> shared;        // kReplace: used instead of bytes
  Stamp stamp;                        // kReplace, kRestamp
  // kReplace, kRetag: as the memory tier has them (memory/tag_purges.h); borrowed likewise.
  std::string_view tags = {};
  // kReplace: of the tags that were there, those with their lowest bit set stay.
  bool keeps_marked_tags = false;

  static Change keep() { return {}; }
  static Change erase() { return {Kind::kErase, EntryType::kText, {}, {}, {}}; }
  static Change replace(std::string_view bytes, const Stamp& stamp, EntryType type = EntryType::kText) {
    return {Kind::kReplace, type, bytes, {}, stamp};
  }
  static Change replace(Value value, const Stamp& stamp, EntryType type = EntryType::kText) {
    return {Kind::kReplace, type, {}, std::move(value), stamp};
  }
  static Change revalue(std::string_view bytes) { return {Kind::kRevalue, EntryType::kText, bytes, {}, {}}; }
  static Change retag(std::string_view tags) { return {Kind::kRetag, EntryType::kText, {}, {}, {}, tags}; }
  static Change restamp(const Stamp& stamp) { return {Kind::kRestamp, EntryType::kText, {}, {}, stamp}; }
};

enum class PutOutcome : std::uint8_t {
  kStored,
  kKept,      // the writer chose kKeep (or erased)
  kTooLarge,  // larger than max_value or max_share: the old entry, if any, is gone, the new one is not stored
  kFull,      // the policy forbids eviction and there is no room: nothing changed
};

enum class Touch : std::uint8_t { kYes, kNo };  // whether a visit counts as a use (eviction order, idle time)

}  // namespace forebay
