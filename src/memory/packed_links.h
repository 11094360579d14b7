#pragma once

#include <cstdint>

namespace forebay::memory {

// A pointer in the lower 48 bits of a word, and 16 bits for its owner's use in the rest: user-space addresses
// have at most 47 bits on x86-64 and 48 on AArch64, unless a program asks mmap for more.
template <class T>
class PackedPointer {
 public:
  T* get() const { return reinterpret_cast<T*>(word_ & kAddress); }  // NOLINT(performance-no-int-to-ptr)
  void set(T* pointer) { word_ = (word_ & ~kAddress) | reinterpret_cast<std::uintptr_t>(pointer); }
  std::uint16_t extra() const { return static_cast<std::uint16_t>(word_ >> 48); }
  void set_extra(std::uint16_t bits) { word_ = (word_ & kAddress) | (std::uint64_t{bits} << 48); }

 private:
  static_assert(sizeof(void*) == 8, "the memory tier packs 48-bit addresses");
  static constexpr std::uint64_t kAddress = (std::uint64_t{1} << 48) - 1;
  std::uint64_t word_ = 0;
};

// A node of a circular, doubly linked, intrusive list in 16 bytes, which leave 32 bits to the owner. A list
// is a node that stands for its ends: empty when it points at itself.
class PackedLinks {
 public:
  PackedLinks* prev() const { return prev_.get(); }
  PackedLinks* next() const { return next_.get(); }
  std::uint16_t prev_extra() const { return prev_.extra(); }
  std::uint16_t next_extra() const { return next_.extra(); }
  void set_prev_extra(std::uint16_t bits) { prev_.set_extra(bits); }
  void set_next_extra(std::uint16_t bits) { next_.set_extra(bits); }

  void set_next(PackedLinks* next) { next_.set(next); }  // a chain that is only walked forwards

  void make_empty_list() {
    prev_.set(this);
    next_.set(this);
  }
  bool is_empty_list() const { return next_.get() == this; }

  void insert_after(PackedLinks& place) {
    PackedLinks* const following = place.next();
    prev_.set(&place);
    next_.set(following);
    following->prev_.set(this);
    place.next_.set(this);
  }

  // This node takes the place of `other`, which is in a list; it may be a copy of it.
  void take_place_of(PackedLinks& other) {
    PackedLinks* const before = other.prev();
    PackedLinks* const after = other.next();
    prev_.set(before);
    next_.set(after);
    before->next_.set(this);
    after->prev_.set(this);
  }

  // A number in the links' room, while the node is in no list.
  std::uint32_t index_of_links() const {
    return static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(next_.get()));
  }
  void set_index_in_links(std::uint32_t index) {
    next_.set(reinterpret_cast<PackedLinks*>(std::uintptr_t{index}));  // NOLINT(performance-no-int-to-ptr)
  }

  void unlink() {
    PackedLinks* const before = prev();
    PackedLinks* const after = next();
    before->next_.set(after);
    after->prev_.set(before);
  }

 private:
  PackedPointer<PackedLinks> prev_;
  PackedPointer<PackedLinks> next_;
};
static_assert(sizeof(PackedLinks) == 16);

}  // namespace forebay::memory
