#pragma once

// The hash table of one shard: power-of-two arrays of chains through the entries themselves.
//
// A resize allocates the other array and moves a few buckets with every write, so that no operation pays for
// more than its share. While it lasts, buckets below `moved_` of the old array are in the new one and the
// others still in the old: each key has one place, and a lookup walks one chain. Arrays of kMappedBytes and
// more come from mmap, which hands out zero pages as they are touched, and go back piece by piece: neither a
// memset nor a long munmap stalls an operation.
//
// Not thread-safe: the shard's lock guards it.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "memory/entry.h"

namespace forebay::memory {

// An array of chain heads.
class Buckets {
 public:
  Buckets() = default;
  explicit Buckets(std::size_t count);  // a power of two
  Buckets(Buckets&& other) noexcept
      : heads_(std::exchange(other.heads_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  Buckets& operator=(Buckets&& other) noexcept {
    Buckets taken(std::move(other));
    std::swap(heads_, taken.heads_);
    std::swap(count_, taken.count_);
    return *this;
  }
  ~Buckets();

  std::size_t count() const { return count_; }
  std::size_t mask() const { return count_ - 1; }
  Entry*& operator[](std::size_t index) { return heads_[index]; }
  Entry* operator[](std::size_t index) const { return heads_[index]; }
  // Gives the memory of the buckets before `end` back as far as whole pieces go; they read as empty
  // afterwards.
  void release_before(std::size_t end);
  bool mapped() const { return count_ * sizeof(Entry*) >= kMappedBytes; }

  static constexpr std::size_t kMappedBytes = std::size_t{256} << 10;

 private:
  Entry** heads_ = nullptr;
  std::size_t count_ = 0;
};

class Table {
 public:
  Table() : current_(kSmallest) {}

  Entry* find(std::uint64_t hash, std::string_view key) const {
    for (Entry* entry = head(hash); entry != nullptr; entry = entry->chain()) {
      if (entry->matches(key)) return entry;
    }
    return nullptr;
  }
  void insert(Entry& entry, std::uint64_t hash);
  void erase(Entry& entry, std::uint64_t hash);                // requires: it is in
  void replace(Entry& old, Entry& fresh, std::uint64_t hash);  // requires: old is in

  std::size_t size() const { return size_; }

  // Starts a resize if the size asks for one and moves up to `buckets` buckets of one in progress. False:
  // nothing to move.
  bool rehash(std::size_t buckets);
  bool rehashing() const { return old_.count() != 0; }
  // Whether rehash() after another insertion would do something.
  bool may_rehash() const {
    return rehashing() || crowded(size_ + 1, current_.count()) || sparse(size_, current_.count());
  }
  // What the arrays count for; during a resize the new array counts as far as it is in use.
  std::size_t bytes() const;
  static constexpr std::size_t kBytesPerMove =
      2 * sizeof(Entry*);  // most that bytes() grows by for a bucket moved

  // Visits the bucket at `cursor` and returns the next cursor, 0 after the last. Cursors count with their
  // bits reversed, highest first: growing splits a bucket into ones that are visited at the same point of the
  // order, and shrinking merges those that were split from one, so an entry that stays is never passed over;
  // some may be seen twice (after the scan that Pieter Noordhuis gave Redis). `visit` is called with each
  // entry and must not start a rehash.
  template <class Visit>
  std::uint64_t scan(std::uint64_t cursor, Visit visit) const {
    const std::size_t small = rehashing() ? std::min(old_.mask(), current_.mask()) : current_.mask();
    const std::size_t large = rehashing() ? std::max(old_.mask(), current_.mask()) : current_.mask();
    const Buckets& smaller = rehashing() && old_.mask() == small ? old_ : current_;
    const Buckets& larger = &smaller == &current_ && rehashing() ? old_ : current_;
    if (&smaller != &larger) visit_chain(smaller[cursor & small], visit);
    do {
      visit_chain(larger[cursor & large], visit);
      cursor = next_cursor(cursor, large);
    } while ((cursor & (small ^ large)) != 0);
    return cursor;
  }

  // Chains by number, for chance: [0, chains()).
  std::size_t chains() const { return old_.count() + current_.count(); }
  Entry* chain(std::size_t number) const {
    return number < old_.count() ? old_[number] : current_[number - old_.count()];
  }

  // Takes everything out in one step, leaving an empty table of the smallest size.
  struct Detached {
    Buckets buckets[2];
    std::size_t bytes = 0;  // what bytes() was
  };
  Detached detach();

 private:
  static constexpr std::size_t kSmallest = 16;
  // A chain is 1.5 entries long before the table grows: a word less per entry for 0.2 steps more per lookup.
  static bool crowded(std::size_t size, std::size_t buckets) { return size > buckets + buckets / 2; }
  static bool sparse(std::size_t size, std::size_t buckets) {
    return buckets > kSmallest && size < buckets / 8;
  }

  Entry*& head(std::uint64_t hash) {
    if (old_.count() != 0) [[unlikely]] {
      const std::size_t index = hash & old_.mask();
      if (index >= moved_) return old_[index];
    }
    return current_[hash & current_.mask()];
  }
  Entry* head(std::uint64_t hash) const { return const_cast<Table*>(this)->head(hash); }
  void start_resize(std::size_t buckets);

  template <class Visit>
  static void visit_chain(Entry* entry, Visit& visit) {
    while (entry != nullptr) {
      Entry* const next =
          entry->chain();  // the visitor may erase this one; an erased entry keeps its chain link
      visit(*entry);
      entry = next;
    }
  }
  static std::uint64_t next_cursor(std::uint64_t cursor, std::uint64_t mask);

  Buckets current_;
  Buckets old_;            // empty unless a resize is in progress
  std::size_t moved_ = 0;  // buckets of old_ that are in current_ already
  std::size_t size_ = 0;
};

}  // namespace forebay::memory
