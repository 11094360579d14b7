#pragma once

// How new a value is: what proves that a value includes a change.
//
// A source may prove nothing, or by several kinds at once:
//
//   change number  SQLite's change log: commits get rising numbers, and a value carries the highest number
//                  that was there when it was read. It includes every change up to that one.
//   transaction    PostgreSQL's number of the write that made a copy. It includes what this transaction did to
//                  its own row; of others it says nothing.
//   version        a column that every writer of a row raises under the row's lock. A value includes every
//                  change of its own row up to its version; of other rows it says nothing.
//
// A PostgreSQL snapshot and a replica's position will be two more kinds: each is a member here and in
// ChangeMark, a line in covers() and one in older_than().
//
// Two rules keep a copy from going wrong. Only covers() lets a value pass a fence: unknown and incomparable
// mean "no". Only older_than() lets a value be refused for a copy that is there: unknown and incomparable
// mean "no" there, too, as the value that came last is the better guess.

#include <cstdint>

#include "forebay/entry.h"

namespace forebay::layer {

// What is known of one change. 0: unknown.
struct ChangeMark {
  std::uint64_t number = 0;       // in the source's change log
  std::uint64_t version = 0;      // that the change gave the key's own row
  std::uint64_t transaction = 0;  // whose change it is

  bool operator==(const ChangeMark&) const = default;
};

class Evidence {
 public:
  // No proof at all.
  constexpr Evidence() = default;
  constexpr Evidence(std::uint64_t change_number, std::uint64_t version, std::uint64_t transaction = 0)
      : change_number_(change_number), version_(version), transaction_(transaction) {}
  // What an entry carries. A source numbers its changes or its transactions, not both: one word has room for either.
  static Evidence of(const Stamp& stamp) {
    if ((stamp.evidence & kOfTransaction) != 0) return {0, stamp.version, stamp.evidence & ~kOfTransaction};
    return {stamp.evidence, stamp.version};
  }
  void put_on(Stamp& stamp) const {
    stamp.evidence = transaction_ != 0 ? transaction_ | kOfTransaction : change_number_;
    stamp.version = version_;
  }

  // Whether this proves that the change is included. A change of which nothing is known never is.
  constexpr bool covers(const ChangeMark& change) const {
    return (change.number != 0 && change_number_ >= change.number) ||
           (change.version != 0 && version_ >= change.version) ||
           (change.transaction != 0 && change.transaction == transaction_);
  }
  // Whether a value with this is proved to be older than one with `other`.
  constexpr bool older_than(const Evidence& other) const {
    return (change_number_ != 0 && change_number_ < other.change_number_) ||
           (version_ != 0 && version_ < other.version_);
  }

  // The newest change that this is known to include: what covers it is as new.
  constexpr ChangeMark as_change() const { return {change_number_, version_, transaction_}; }

  constexpr std::uint64_t version() const { return version_; }
  constexpr std::uint64_t change_number() const { return change_number_; }
  constexpr std::uint64_t transaction() const { return transaction_; }

 private:
  static constexpr std::uint64_t kOfTransaction = std::uint64_t{1} << 63;

  std::uint64_t change_number_ = 0;
  std::uint64_t version_ = 0;
  std::uint64_t transaction_ = 0;
};

// The changes that were reported while a value was on its way. It may be stored only if it includes all of
// them.
class Fence {
 public:
  void add(const ChangeMark& change) {
    // Of a change of which nothing is known nobody can prove that a value includes it.
    if (change == ChangeMark{}) {
      closed_ = true;
    } else if (change.number != 0) {
      // Numbers rise with time: who includes the highest includes the others.
      if (change.number > newest_.number) newest_ = change;
    } else if (change.transaction != 0) {
      // Of two transactions nobody includes both by being one of them.
      closed_ |= transaction_ != 0 && transaction_ != change.transaction;
      transaction_ = change.transaction;
    } else if (change.version > version_) {
      version_ = change.version;
    }
  }
  bool admits(const Evidence& evidence) const {
    return !closed_ && (newest_ == ChangeMark{} || evidence.covers(newest_)) &&
           (version_ == 0 || evidence.covers({0, version_, 0})) &&
           (transaction_ == 0 || evidence.covers({0, 0, transaction_}));
  }

 private:
  bool closed_ = false;
  ChangeMark newest_;
  std::uint64_t version_ = 0;      // the highest of changes without a number
  std::uint64_t transaction_ = 0;  // of changes that are known by theirs
};

}  // namespace forebay::layer
