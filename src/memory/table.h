#pragma once

// The hash table of one shard: chains through the entries themselves, in a number of buckets that follows
// their number one by one (linear hashing: Litwin, "Linear hashing: a new tool for file and table
// addressing", VLDB 1980).
//
// With n buckets, of which 2^L is the greatest power of two not above n, bucket i of the first n - 2^L has
// been split: the keys whose hash has bit L set went to bucket 2^L + i. Growing splits the next one,
// shrinking merges the last one back. So chains are as long on average however large the table is, no
// operation moves more than a bucket or two, and nothing is ever copied as a whole. Buckets lie in pieces of
// 16 KiB, taken and given back as n passes them.
//
// A new entry goes to its chain's end: what has been kept for long is asked for more often than what has just
// come, and so is found without a look at the others of its bucket.
//
// Chain heads are references of 32 bits in the cage, as is what leads to them, written as words.h says.
//
// Not thread-safe: the shard's lock guards it. Only head_unlocked() may be called without, between two looks
// at the shard's sequence number.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memory/arena/cage.h"
#include "memory/entry.h"
#include "memory/words.h"

namespace forebay::memory {

class Table {
 public:
  // Throws std::bad_alloc if there is no memory.
  Table();
  // Forgets the entries.
  ~Table();
  // What was moved from has no buckets, and may only be destroyed or assigned to.
  Table(Table&& other) noexcept;
  Table& operator=(Table&& other) noexcept;

  Entry* find(std::uint64_t hash, std::string_view key) const {
    for (Ref ref = head(hash); ref != 0;) {
      Entry& entry = Entry::at(ref);
      if (entry.matches(key)) return &entry;
      ref = entry.chain();
    }
    return nullptr;
  }
  // The entry at `ref` if it is in the bucket of `hash`, of which the lower half will do.
  Entry* find_at(std::uint64_t hash, Ref ref) const {
    for (Ref each = head(hash); each != 0; each = Entry::at(each).chain()) {
      if (each == ref) return &Entry::at(ref);
    }
    return nullptr;
  }
  // The chain that a key of this hash is in: garbage if the table is being written. False: it is, certainly.
  bool head_unlocked(std::uint64_t hash, Ref& first) const {
    const Ref* const pieces = load_word(pieces_);
    if (pieces == nullptr) return false;
    const std::uint64_t index = bucket_of(hash, load_word(buckets_), load_word(mask_));
    const Ref piece = load_word(pieces[index / kBucketsPerPiece]);
    if (piece == 0 || !Cage::covers(piece, kPiece)) return false;
    first = load_word(static_cast<const Ref*>(Cage::at(piece))[index % kBucketsPerPiece]);
    return true;
  }
  void insert(Entry& entry, std::uint64_t hash);
  void erase(Entry& entry, std::uint64_t hash);                // requires: it is in
  void replace(Entry& old, Entry& fresh, std::uint64_t hash);  // requires: old is in

  std::size_t size() const { return size_; }

  // Splits or merges up to `buckets` buckets, as the size asks for. Returns how many it did: less than
  // `buckets` when no more are asked for (or there is no memory: long chains are slower, not wrong).
  std::size_t rehash(std::size_t buckets);
  // Whether rehash() after another insertion would do something.
  bool may_rehash() const { return crowded(size_ + 1) || sparse(size_); }
  bool wants_rehash() const { return crowded(size_) || sparse(size_); }
  std::size_t bytes() const { return buckets_ * sizeof(Ref); }
  static constexpr std::size_t kBytesPerSplit = sizeof(Ref);
  // An entry's share of the buckets, about: there is one for each, and up to a quarter fewer.
  static constexpr std::size_t kBytesPerEntry = sizeof(Ref);

  // Visits the bucket at `cursor` and returns the next cursor, 0 after the last. Cursors count with their
  // bits reversed, highest first: splitting a bucket makes two that are visited at the same point of the
  // order, and merging joins those that were split from one, so an entry that stays is never passed over;
  // some may be seen twice (after the scan that Pieter Noordhuis gave Redis). `visit` is called with each
  // entry and must not start a rehash.
  template <class Visit>
  std::uint64_t scan(std::uint64_t cursor, Visit visit) const {
    const std::uint64_t low = low_mask(buckets_);
    std::uint64_t mask = low;
    if ((cursor & low) < buckets_ - low - 1) mask = 2 * low + 1;  // split
    for (Ref ref = *bucket(cursor & mask); ref != 0;) {
      Entry& entry = Entry::at(ref);
      ref = entry.chain();  // the visitor may erase this one; an erased entry keeps its chain link
      visit(entry);
    }
    return next_cursor(cursor, mask);
  }

  // Chains by number, for chance: [0, chains()).
  std::size_t chains() const { return buckets_; }
  Entry* chain(std::size_t number) const { return entry_or_null(*bucket(number)); }
  static Entry* next(const Entry& entry) { return entry_or_null(entry.chain()); }

  // Takes an entry out of the last bucket, or that bucket itself if it is empty, and null is returned. For
  // taking a table apart that is not used any more; done once chains() is 0.
  Entry* take_apart();
  // Takes out the buckets of the last piece, whatever they refer to.
  void discard_piece();

 private:
  static constexpr std::size_t kSmallest = 16;
  static constexpr std::size_t kPiece = std::size_t{16} << 10;  // bytes
  static constexpr std::size_t kBucketsPerPiece = kPiece / sizeof(Ref);
  static constexpr std::size_t kDirectory = std::size_t{64}
                                            << 10;  // bytes: room for a reference to each piece
  // The directory begins within the first span of its room, each table's elsewhere: the first references of
  // all tables are read all the time and would share a few places of the processor's cache otherwise.
  static constexpr std::size_t kMostBuckets = (kDirectory - Cage::kSpan) / sizeof(Ref) * kBucketsPerPiece;
  static Ref* directory_in(void* room);
  static void* room_of(Ref* directory);

  // Five entries for four buckets: a lookup looks at 1.6 entries if it finds one.
  bool crowded(std::size_t size) const { return size > buckets_ + buckets_ / 4 && buckets_ < kMostBuckets; }
  bool sparse(std::size_t size) const { return size < buckets_ / 2 && buckets_ > kSmallest; }

  // 2^(L + 1) - 1.
  static std::uint64_t mask_of(std::uint64_t buckets) {
    return buckets == 0 ? 0 : ~std::uint64_t{0} >> std::countl_zero(buckets);
  }
  // 2^L - 1.
  static std::uint64_t low_mask(std::uint64_t buckets) { return std::bit_floor(buckets) - 1; }
  // Below kMostBuckets whatever the two are, as long as each is one that a table has had.
  static std::uint64_t bucket_of(std::uint64_t hash, std::uint64_t buckets, std::uint64_t mask) {
    const std::uint64_t wide = hash & mask;
    return wide < buckets ? wide : hash & (mask >> 1);
  }
  Ref* bucket(std::uint64_t index) const {
    auto* const piece = static_cast<Ref*>(Cage::at(pieces_[index / kBucketsPerPiece]));
    return piece + index % kBucketsPerPiece;
  }
  Ref& head(std::uint64_t hash) { return *bucket(bucket_of(hash, buckets_, mask_)); }
  Ref head(std::uint64_t hash) const { return *bucket(bucket_of(hash, buckets_, mask_)); }
  static Entry* entry_or_null(Ref ref) { return ref == 0 ? nullptr : &Entry::at(ref); }
  // Puts a chain behind the one that begins at `first`.
  static void append(Ref& first, Ref ref);
  // What refers to an entry: its bucket or the entry before it.
  void redirect(const Entry& entry, std::uint64_t hash, Ref to);

  bool split();  // false: no memory
  void merge();
  void drop_last_bucket();
  void set_buckets(std::uint64_t buckets) {
    store_word(buckets_, buckets);
    store_word(mask_, mask_of(buckets));
  }
  static std::uint64_t next_cursor(std::uint64_t cursor, std::uint64_t mask);

  Ref* pieces_ = nullptr;
  std::uint64_t buckets_ = 0;
  std::uint64_t mask_ = 0;  // mask_of(buckets_)
  std::size_t size_ = 0;
};

}  // namespace forebay::memory
