#pragma once

#include <cstddef>
#include <cstdint>

#include "memory/arena/cage.h"
#include "memory/words.h"

namespace forebay::memory {

// A node of a circular, doubly linked, intrusive list in 8 bytes. Lives in the cage, at a multiple of its
// grain. A list is a node that stands for its ends (see ListEnds): empty when it points at itself.
class PackedLinks {
 public:
  PackedLinks* prev() const { return at(prev_); }
  PackedLinks* next() const { return at(next_); }

  void make_empty_list() {
    const Ref self = Cage::ref(this);
    store_word(prev_, self);
    store_word(next_, self);
  }
  bool is_empty_list() const { return next() == this; }

  void insert_after(PackedLinks& place) {
    const Ref self = Cage::ref(this);
    const Ref following = place.next_;
    store_word(prev_, Cage::ref(&place));
    store_word(next_, following);
    store_word(at(following)->prev_, self);
    store_word(place.next_, self);
  }

  // Takes the place of `other` in its list, if that is in one; afterwards that is in none. This may be a copy
  // of it.
  void take_place_of(PackedLinks& other) {
    const Ref self = Cage::ref(this);
    const Ref before = other.prev_;
    const Ref after = other.next_;
    if (before == 0) return;
    store_word(prev_, before);
    store_word(next_, after);
    store_word(at(before)->next_, self);
    store_word(at(after)->prev_, self);
    store_word(other.prev_, 0);
  }

  void unlink() {
    store_word(prev()->next_, next_);
    store_word(next()->prev_, prev_);
    store_word(prev_, 0);  // in no list
  }
  // Out of whatever list it was in, which is gone; also for memory that was never a node.
  void forget_list() {
    store_word(prev_, 0);
    store_word(next_, 0);
  }

  // Has the nodes before and after fetched into the cache; this may be garbage.
  void prefetch_neighbours() const {
    __builtin_prefetch(at(load_word(prev_)), 1);
    __builtin_prefetch(at(load_word(next_)), 1);
  }

  // A number in the links' room, while the node is in no list.
  std::uint32_t index_of_links() const { return next_; }
  void set_index_in_links(std::uint32_t index) { store_word(next_, index); }

 private:
  static PackedLinks* at(Ref ref) { return static_cast<PackedLinks*>(Cage::at(ref)); }

  Ref prev_ = 0;
  Ref next_ = 0;
};
static_assert(sizeof(PackedLinks) == Cage::kGrain);

// The ends of `count` lists, all empty: an array in the cage, so that the lists' nodes can refer to them.
// Throws std::bad_alloc if there is no memory.
class ListEnds {
 public:
  explicit ListEnds(std::size_t count);
  ~ListEnds();
  ListEnds(const ListEnds&) = delete;
  ListEnds& operator=(const ListEnds&) = delete;

  PackedLinks& operator[](std::size_t index) { return ends_[index]; }
  const PackedLinks& operator[](std::size_t index) const { return ends_[index]; }
  std::size_t index_of(const PackedLinks& end) const { return static_cast<std::size_t>(&end - ends_); }
  void make_empty();

 private:
  std::size_t room() const;

  const std::size_t count_;
  PackedLinks* ends_;
};

}  // namespace forebay::memory
