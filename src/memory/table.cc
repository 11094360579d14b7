#include "memory/table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

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

Buckets::Buckets(std::size_t count) : count_(count) {
  const std::size_t bytes = count * sizeof(Entry*);
  void* memory = nullptr;
  if (mapped()) {
    memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) memory = nullptr;
  } else {
    memory = std::calloc(count, sizeof(Entry*));
  }
  if (memory == nullptr) count_ = 0;
  heads_ = static_cast<Entry**>(memory);
}

Buckets::~Buckets() {
  if (mapped()) {
    munmap(heads_, count_ * sizeof(Entry*));
  } else {
    std::free(heads_);
  }
}

void Buckets::release_before(std::size_t end) {
  if (!mapped() || end == 0) return;
  constexpr std::size_t kPiece = Buckets::kMappedBytes / sizeof(Entry*);
  if (end % kPiece != 0) return;
  madvise(heads_ + end - kPiece, kMappedBytes, MADV_DONTNEED);
}

void Table::insert(Entry& entry, std::uint64_t hash) {
  Entry*& first = head(hash);
  entry.set_chain(first);
  first = &entry;
  ++size_;
}

void Table::erase(Entry& entry, std::uint64_t hash) {
  Entry*& first = head(hash);
  --size_;
  if (first == &entry) {
    first = entry.chain();
    return;
  }
  Entry* before = first;
  while (before->chain() != &entry) before = before->chain();
  before->set_chain(entry.chain());
}

void Table::replace(Entry& old, Entry& fresh, std::uint64_t hash) {
  Entry*& first = head(hash);
  fresh.set_chain(old.chain());
  if (first == &old) {
    first = &fresh;
    return;
  }
  Entry* before = first;
  while (before->chain() != &old) before = before->chain();
  before->set_chain(&fresh);
}

void Table::start_resize(std::size_t buckets) {
  Buckets fresh(buckets);
  if (fresh.count() == 0) return;  // no memory: long chains are slower, not wrong
  old_ = std::move(current_);
  current_ = std::move(fresh);
  moved_ = 0;
}

bool Table::rehash(std::size_t buckets) {
  if (!rehashing()) {
    if (crowded(size_, current_.count())) {
      start_resize(current_.count() * 2);
    } else if (sparse(size_, current_.count())) {
      start_resize(current_.count() / 2);
    }
    if (!rehashing()) return false;
  }
  for (; buckets > 0 && moved_ < old_.count(); --buckets) {
    Entry* entry = std::exchange(old_[moved_], nullptr);
    ++moved_;  // from here on head() finds these keys in current_
    while (entry != nullptr) {
      Entry* const next = entry->chain();
      Entry*& first = current_[hash_bytes(entry->key()) & current_.mask()];
      entry->set_chain(first);
      first = entry;
      entry = next;
    }
    old_.release_before(moved_);
  }
  if (moved_ < old_.count()) return true;
  old_ = Buckets();
  return crowded(size_, current_.count()) || sparse(size_, current_.count());
}

std::size_t Table::bytes() const {
  if (!rehashing()) return current_.count() * sizeof(Entry*);
  const std::size_t in_use =
      current_.count() > old_.count() ? moved_ * 2 : std::min(moved_, current_.count());
  return (old_.count() + in_use) * sizeof(Entry*);
}

std::uint64_t Table::next_cursor(std::uint64_t cursor, std::uint64_t mask) {
  return reverse_bits(reverse_bits(cursor | ~mask) + 1);
}

Table::Detached Table::detach() {
  Detached detached;
  detached.bytes = bytes();
  detached.buckets[0] = std::move(current_);
  detached.buckets[1] = std::move(old_);
  current_ = Buckets(kSmallest);
  old_ = Buckets();
  moved_ = 0;
  size_ = 0;
  return detached;
}

}  // namespace forebay::memory
