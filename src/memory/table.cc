#include "memory/table.h"

#include <new>
#include <utility>

#include "base/hash.h"

namespace forebay::memory {
namespace {

std::uint64_t reverse_bits(std::uint64_t word) {
  word = ((word >> 1) & 0x5555555555555555u) | ((word & 0x5555555555555555u) << 1);
  word = ((word >> 2) & 0x3333333333333333u) | ((word & 0x3333333333333333u) << 2);
  word = ((word >> 4) & 0x0f0f0f0f0f0f0f0fu) | ((word & 0x0f0f0f0f0f0f0f0fu) << 4);
  return __builtin_bswap64(word);
}

}  // namespace

Table::Table() : buckets_(kSmallest), mask_(mask_of(kSmallest)) {
  void* const room = Cage::take(kDirectory);
  void* const piece = Cage::take(kPiece);
  if (room == nullptr || piece == nullptr) {
    if (room != nullptr) Cage::give(room, kDirectory);
    if (piece != nullptr) Cage::give(piece, kPiece);
    throw std::bad_alloc();
  }
  pieces_ = directory_in(room);
  store_word(pieces_[0], Cage::ref(piece));
}

Table::Table(Table&& other) noexcept
    : pieces_(other.pieces_),
      buckets_(other.buckets_),
      mask_(other.mask_),
      size_(std::exchange(other.size_, 0)) {
  store_word(other.pieces_, nullptr);
  other.set_buckets(0);
}

Table& Table::operator=(Table&& other) noexcept {
  const Table gone(std::move(*this));
  store_word(pieces_, std::exchange(other.pieces_, nullptr));
  set_buckets(std::exchange(other.buckets_, 0));
  size_ = std::exchange(other.size_, 0);
  return *this;
}

Table::~Table() {
  if (pieces_ == nullptr) return;
  const std::size_t pieces = buckets_ == 0 ? 1 : (buckets_ + kBucketsPerPiece - 1) / kBucketsPerPiece;
  for (std::size_t i = 0; i < pieces; ++i) Cage::give(Cage::at(pieces_[i]), kPiece);
  Cage::give(room_of(pieces_), kDirectory);
}

Ref* Table::directory_in(void* room) {
  constexpr std::size_t kCacheLine = 64;
  const std::size_t span = reinterpret_cast<std::uintptr_t>(room) / Cage::kSpan;
  return reinterpret_cast<Ref*>(static_cast<char*>(room) + span * kCacheLine % Cage::kSpan);
}

void* Table::room_of(Ref* directory) {
  return reinterpret_cast<char*>(directory) - reinterpret_cast<std::uintptr_t>(directory) % Cage::kSpan;
}

void Table::insert(Entry& entry, std::uint64_t hash) {
  entry.set_chain(0);
  append(head(hash), entry.ref());
  ++size_;
}

void Table::append(Ref& first, Ref ref) {
  if (first == 0) return store_word(first, ref);
  Entry* last = &Entry::at(first);
  while (last->chain() != 0) last = &Entry::at(last->chain());
  last->set_chain(ref);
}

void Table::redirect(const Entry& entry, std::uint64_t hash, Ref to) {
  const Ref ref = entry.ref();
  Ref& first = head(hash);
  if (first == ref) return store_word(first, to);
  Entry* before = &Entry::at(first);
  while (before->chain() != ref) before = &Entry::at(before->chain());
  before->set_chain(to);
}

void Table::erase(Entry& entry, std::uint64_t hash) {
  redirect(entry, hash, entry.chain());
  --size_;
}

void Table::replace(Entry& old, Entry& fresh, std::uint64_t hash) {
  fresh.set_chain(old.chain());
  redirect(old, hash, fresh.ref());
}

std::size_t Table::rehash(std::size_t buckets) {
  std::size_t done = 0;
  for (; done < buckets; ++done) {
    if (crowded(size_)) {
      if (!split()) break;
    } else if (sparse(size_)) {
      merge();
    } else {
      break;
    }
  }
  return done;
}

bool Table::split() {
  const std::uint64_t fresh = buckets_;
  if (fresh % kBucketsPerPiece == 0) {
    void* const piece = Cage::take(kPiece);
    if (piece == nullptr) return false;
    store_word(pieces_[fresh / kBucketsPerPiece], Cage::ref(piece));
  }
  const std::uint64_t bit = std::bit_floor(fresh);
  Ref& stay = *bucket(fresh - bit);
  // Each of the two keeps the order.
  struct Chain {
    Ref first = 0;
    Entry* last = nullptr;
    void add(Entry& entry) {
      if (last != nullptr) {
        last->set_chain(entry.ref());
      } else {
        first = entry.ref();
      }
      last = &entry;
    }
  };
  Chain staying;
  Chain going;
  for (Ref ref = stay; ref != 0;) {
    Entry& entry = Entry::at(ref);
    ref = entry.chain();
    ((hash_bytes(entry.key()) & bit) != 0 ? going : staying).add(entry);
  }
  if (staying.last != nullptr) staying.last->set_chain(0);
  if (going.last != nullptr) going.last->set_chain(0);
  store_word(stay, staying.first);
  store_word(*bucket(fresh), going.first);
  set_buckets(fresh + 1);
  return true;
}

void Table::merge() {
  const std::uint64_t last = buckets_ - 1;
  Ref& into = *bucket(last - std::bit_floor(last));
  if (const Ref first = *bucket(last); first != 0) append(into, first);
  drop_last_bucket();
}

void Table::drop_last_bucket() {
  const std::uint64_t last = buckets_ - 1;
  store_word(*bucket(last), 0);
  set_buckets(last);
  // The first piece stays as long as the table does.
  if (last % kBucketsPerPiece != 0 || last == 0) return;
  Ref& piece = pieces_[last / kBucketsPerPiece];
  Cage::give(Cage::at(piece), kPiece);
  store_word(piece, 0);
}

Entry* Table::take_apart() {
  Ref& last = *bucket(buckets_ - 1);
  if (last == 0) {
    drop_last_bucket();
    return nullptr;
  }
  Entry& entry = Entry::at(last);
  store_word(last, entry.chain());
  --size_;
  return &entry;
}

void Table::discard_piece() {
  const std::uint64_t piece = (buckets_ - 1) / kBucketsPerPiece;
  set_buckets(piece * kBucketsPerPiece);
  if (piece == 0) return;  // stays as long as the table does
  Cage::give(Cage::at(pieces_[piece]), kPiece);
  store_word(pieces_[piece], 0);
}

std::uint64_t Table::next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

}  // namespace forebay::memory
