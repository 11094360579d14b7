#include "memory/arena/slabs.h"

#include <algorithm>
#include <array>
#include <bit>
#include <bitset>
#include <cassert>
#include <cstring>
#include <utility>
#include <vector>

#include "memory/arena/poison.h"

namespace forebay::memory {
namespace {

constexpr std::size_t kGrain = Cage::kGrain;
constexpr std::size_t kFine =
    512;  // to here steps are of one grain, above an eighth of the power of two below

constexpr std::size_t class_of(std::size_t bytes) {
  if (bytes <= kFine) return (bytes - 1) / kGrain;
  const auto doubling = static_cast<std::size_t>(std::bit_width(bytes - 1)) - 1;  // 9 and up
  return kFine / kGrain + (doubling - 9) * 8 + (((bytes - 1) >> (doubling - 3)) & 7);
}

constexpr std::size_t size_of_class(std::size_t index) {
  if (index < kFine / kGrain) return (index + 1) * kGrain;
  const std::size_t above = index - kFine / kGrain;
  return (above % 8 + 9) << (above / 8 + 6);
}

constexpr std::size_t kClasses = class_of(Slabs::kLargest) + 1;
static_assert(size_of_class(kClasses - 1) == Slabs::kLargest);

// A size's spans: a short one to begin with, then longer ones that lose less at their end.
struct Shape {
  std::uint16_t size = 0;         // bytes of a block
  std::uint8_t small_pages = 0;   // at most a 24th is lost
  std::uint8_t normal_pages = 0;  // at most a 32nd, and at least 16 KiB
};

constexpr std::array<Shape, kClasses> kShapes = [] {
  constexpr std::size_t kLongest = 16;  // pages
  std::array<Shape, kClasses> shapes{};
  for (std::size_t i = 0; i < kClasses; ++i) {
    const std::size_t size = size_of_class(i);
    const auto pages_losing = [size](std::size_t least, std::size_t part) {
      std::size_t best = least;
      for (std::size_t pages = least; pages <= kLongest; ++pages) {
        const std::size_t bytes = pages * Cage::kSpan;
        if (bytes < size) continue;
        if (bytes % size <= bytes / part) return pages;
        const std::size_t best_bytes = best * Cage::kSpan;
        if (best_bytes < size || bytes % size * best_bytes < best_bytes % size * bytes) best = pages;
      }
      return best;
    };
    shapes[i] = {static_cast<std::uint16_t>(size), static_cast<std::uint8_t>(pages_losing(1, 24)),
                 static_cast<std::uint8_t>(pages_losing(4, 32))};
  }
  return shapes;
}();

// Free blocks are chained by their distance from the span's start, in grains and plus one; 0 ends the chain.
// Atomic because a reader without a lock may look at what was there.
void set_link(void* block, std::uint32_t link) {
  unpoison(block, sizeof(link));
  __atomic_store_n(static_cast<std::uint32_t*>(block), link, __ATOMIC_RELAXED);
  poison(block, kGrain);
}
std::uint32_t link_of(const void* block) {
  unpoison(block, sizeof(std::uint32_t));
  const std::uint32_t link = __atomic_load_n(static_cast<const std::uint32_t*>(block), __ATOMIC_RELAXED);
  poison(block, kGrain);
  return link;
}

using SpanIndex = std::uint32_t;
constexpr SpanIndex kNone = 0;  // there is no span 0

// By how full they are; in none of them: full spans.
constexpr std::size_t kFills = 8;

struct Span {
  Ref start = 0;
  SpanIndex previous = kNone, next = kNone;  // of its list; `next` also chains unused Spans
  std::uint16_t first_free = 0;              // as chained
  std::uint16_t carved = 0;                  // blocks given out at least once: what follows was never touched
  std::uint16_t used = 0;                    // blocks
  std::uint16_t blocks = 0;                  // that fit; 0: unused
  std::uint8_t size_class = 0;
  std::uint8_t pages = 0;
  std::uint8_t fill = 0;  // its list
};
static_assert(sizeof(Span) == 24);

struct SizeClass {
  std::array<SpanIndex, kFills> lists{};
  std::uint32_t used = 0;     // blocks
  std::uint32_t blocks = 0;   // in all its spans
  SpanIndex kept = kNone;     // an empty span that was not given back; may be used again since
  std::uint16_t largest = 0;  // blocks of the longest span since it had none
  std::uint8_t nonempty = 0;  // a bit for each list

  // Whether some span's blocks fit into the others, and as much again as the next writes may need.
  bool sparse() const { return blocks - used >= largest + used / kSpareParts && largest != 0; }
  static constexpr std::uint32_t kSpareParts = 32;
};
static_assert(sizeof(SizeClass) == 48);  // a hundred of them for each shard

// Spans never move, so that growing copies no table.
class Spans {
 public:
  Span& operator[](SpanIndex index) { return chunks_[index / kChunk][index % kChunk]; }

  SpanIndex add() {
    if (unused_ != kNone) {
      const SpanIndex index = unused_;
      unused_ = (*this)[index].next;
      return index;
    }
    if (count_ >= chunks_.size() * kChunk) chunks_.push_back(std::make_unique<Span[]>(kChunk));
    return static_cast<SpanIndex>(count_++);
  }
  void remove(SpanIndex index) {
    (*this)[index] = Span{.next = unused_};
    unused_ = index;
  }
  std::size_t end() const { return count_; }

 private:
  static constexpr std::size_t kChunk = 64;
  std::vector<std::unique_ptr<Span[]>> chunks_;
  std::size_t count_ = 1;
  SpanIndex unused_ = kNone;
};

}  // namespace

struct Slabs::Impl {
  Spans spans;
  std::array<SizeClass, kClasses> classes;
  std::size_t allocated = 0;
  std::size_t held = 0;
  std::bitset<kClasses> sparse;  // which of the classes are
  SpanIndex discarded = 1;       // spans before this one are given back

  static char* start(const Span& span) { return static_cast<char*>(Cage::at(span.start)); }
  static std::size_t bytes_of(const Span& span) { return span.pages * Cage::kSpan; }
  static std::size_t size_of(const Span& span) { return kShapes[span.size_class].size; }

  // The length of the next span of a class.
  static std::size_t pages_for(const SizeClass& each, const Shape& shape) {
    return std::size_t{each.used} * shape.size >= 16 * Cage::kSpan * shape.normal_pages ? shape.normal_pages
                                                                                        : shape.small_pages;
  }

  void enlist(SpanIndex index) {
    Span& span = spans[index];
    if (span.used == span.blocks) return;
    SizeClass& each = classes[span.size_class];
    span.fill = static_cast<std::uint8_t>(span.used * kFills / span.blocks);
    SpanIndex& head = each.lists[span.fill];
    span.previous = kNone;
    span.next = head;
    if (head != kNone) spans[head].previous = index;
    head = index;
    each.nonempty = static_cast<std::uint8_t>(each.nonempty | (1u << span.fill));
  }

  void delist(SpanIndex index) {
    Span& span = spans[index];
    if (span.used == span.blocks) return;
    SizeClass& each = classes[span.size_class];
    if (span.next != kNone) spans[span.next].previous = span.previous;
    if (span.previous != kNone) {
      spans[span.previous].next = span.next;
    } else {
      each.lists[span.fill] = span.next;
      if (span.next == kNone) each.nonempty = static_cast<std::uint8_t>(each.nonempty & ~(1u << span.fill));
    }
  }

  // kNone: there is no memory.
  SpanIndex open_span(std::size_t size_class) {
    SizeClass& each = classes[size_class];
    const Shape& shape = kShapes[size_class];
    const std::size_t pages = pages_for(each, shape);
    const std::size_t bytes = pages * Cage::kSpan;
    const SpanIndex index = spans.add();
    auto* const place = static_cast<char*>(Cage::take(bytes, Cage::Contents::kAny));
    if (place == nullptr) {
      spans.remove(index);
      return kNone;
    }
    poison(place, bytes);
    for (std::size_t page = 0; page < pages; ++page) Cage::tag(place + page * Cage::kSpan) = index;
    const auto blocks = static_cast<std::uint16_t>(bytes / shape.size);
    spans[index] = Span{.start = Cage::ref(place),
                        .blocks = blocks,
                        .size_class = static_cast<std::uint8_t>(size_class),
                        .pages = static_cast<std::uint8_t>(pages)};
    each.blocks += blocks;
    each.largest = std::max(each.largest, blocks);
    held += bytes;
    enlist(index);
    return index;
  }

  // Requires: it is in no list.
  void close_span(SpanIndex index) noexcept {
    Span& span = spans[index];
    SizeClass& each = classes[span.size_class];
    held -= bytes_of(span);
    each.blocks -= span.blocks;
    if (each.blocks == 0) each.largest = 0;
    if (each.kept == index) each.kept = kNone;
    sparse[span.size_class] = each.sparse();
    Cage::give(start(span), bytes_of(span));
    spans.remove(index);
  }

  void count(const Span& span, int blocks) {
    SizeClass& each = classes[span.size_class];
    each.used += static_cast<std::uint32_t>(blocks);
    allocated += static_cast<std::size_t>(blocks) * size_of(span);
    sparse[span.size_class] = each.sparse();
  }

  void* take_block(SpanIndex index) {
    Span& span = spans[index];
    const std::size_t size = size_of(span);
    char* block;
    if (span.first_free != 0) {
      block = start(span) + (span.first_free - 1) * kGrain;
      span.first_free = static_cast<std::uint16_t>(link_of(block));
    } else {
      block = start(span) + span.carved * size;
      ++span.carved;
    }
    delist(index);
    ++span.used;
    enlist(index);
    count(span, 1);
    unpoison(block, size);
    return block;
  }

  void put_block(SpanIndex index, char* block) {
    Span& span = spans[index];
    const std::size_t size = size_of(span);
    poison(block, size);
    set_link(block, span.first_free);
    span.first_free = static_cast<std::uint16_t>(static_cast<std::size_t>(block - start(span)) / kGrain + 1);
    delist(index);
    --span.used;
    enlist(index);
    count(span, -1);
  }

  // After a block of the span was freed.
  void give_back_empty(SpanIndex index) noexcept {
    const Span& span = spans[index];
    SizeClass& each = classes[span.size_class];
    if (span.used == 0 && each.kept != index) {
      if (worth_keeping(each, span) && each.kept == kNone) {
        each.kept = index;
      } else {
        delist(index);
        close_span(index);
      }
    }
    if (each.kept == kNone) return;
    const Span& kept = spans[each.kept];
    if (kept.used > 0) {
      each.kept = kNone;
    } else if (!worth_keeping(each, kept)) {
      const SpanIndex gone = each.kept;
      delist(gone);
      close_span(gone);
    }
  }

  // An empty span stays as long as the others are all but full and it is a small part of them, lest a size
  // that goes up and down by a block takes and gives a span each time.
  static bool worth_keeping(const SizeClass& each, const Span& empty) {
    const std::uint32_t room_elsewhere = each.blocks - each.used - empty.blocks;
    return room_elsewhere <= empty.blocks / 8u && each.used >= 16u * empty.blocks;
  }

  // kNone: all are full.
  static SpanIndex fullest(const SizeClass& each) {
    if (each.nonempty == 0) return kNone;
    return each.lists[static_cast<std::size_t>(std::bit_width(each.nonempty)) - 1];
  }
  static SpanIndex emptiest(const SizeClass& each) {
    if (each.nonempty == 0) return kNone;
    return each.lists[static_cast<std::size_t>(std::countr_zero(each.nonempty))];
  }

  // Moves blocks of one span to others; `left` counts what may still be tried. Returns the blocks moved.
  std::size_t empty(SpanIndex index, std::size_t& left, FunctionRef<bool(void*, void*, std::size_t)> move) {
    Span& span = spans[index];
    const std::size_t size = size_of(span);
    std::bitset<16 * Cage::kSpan / kGrain> is_free;
    for (std::uint32_t each = span.first_free; each != 0;) {
      is_free.set(each - 1);
      each = link_of(start(span) + (each - 1) * kGrain);
    }
    // Out of its list, so that no block is moved within it.
    delist(index);
    SizeClass& owner = classes[span.size_class];
    std::size_t moved = 0;
    for (std::size_t i = 0; i < span.carved && span.used > 0 && left > 0; ++i) {
      if (is_free.test(i * size / kGrain)) continue;
      const SpanIndex target = fullest(owner);
      if (target == kNone) break;
      --left;
      char* const from = start(span) + i * size;
      char* const to = static_cast<char*>(take_block(target));
      if (!move(from, to, size)) {
        put_block(target, to);
        continue;
      }
      poison(from, size);
      set_link(from, span.first_free);
      span.first_free = static_cast<std::uint16_t>(i * size / kGrain + 1);
      --span.used;
      count(span, -1);
      ++moved;
    }
    if (span.used == 0) {
      close_span(index);
    } else {
      enlist(index);
    }
    return moved;
  }

  std::size_t discard(std::size_t most) noexcept {
    for (; discarded < spans.end() && most > 0; ++discarded) {
      Span& span = spans[discarded];
      if (span.blocks == 0) continue;
      held -= bytes_of(span);
      Cage::give(start(span), bytes_of(span));
      span.blocks = 0;
      --most;
    }
    return spans.end() - discarded;
  }
};

Slabs::Slabs() : impl_(std::make_unique<Impl>()) {}
Slabs::~Slabs() {
  if (impl_ != nullptr) impl_->discard(impl_->spans.end());
}
Slabs::Slabs(Slabs&&) noexcept = default;
Slabs& Slabs::operator=(Slabs&& other) noexcept {
  Slabs gone(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

void* Slabs::allocate(std::size_t bytes) {
  assert(bytes > 0 && bytes <= kLargest);
  const std::size_t size_class = class_of(bytes);
  SpanIndex index = Impl::fullest(impl_->classes[size_class]);
  if (index == kNone) index = impl_->open_span(size_class);
  return index == kNone ? nullptr : impl_->take_block(index);
}

void Slabs::free(void* block, std::size_t bytes) noexcept {
  const SpanIndex index = Cage::tag(block);
  Span& span = impl_->spans[index];
  assert(span.size_class == class_of(bytes) && span.used > 0);
  static_cast<void>(bytes);
  impl_->put_block(index, static_cast<char*>(block));
  impl_->give_back_empty(index);
}

std::size_t Slabs::rounded(std::size_t bytes) {
  return kShapes[class_of(bytes)].size;
}

std::size_t Slabs::allocated() const {
  return impl_->allocated;
}
std::size_t Slabs::held() const {
  return impl_->held;
}

bool Slabs::sparse() const {
  return impl_->sparse.any();
}

std::size_t Slabs::compact(std::size_t blocks, FunctionRef<bool(void*, void*, std::size_t)> move) {
  std::size_t moved = 0;
  std::size_t left = blocks;
  for (std::size_t i = 0; i < kClasses && left > 0; ++i) {
    while (impl_->sparse[i] && left > 0) {
      const SpanIndex index = Impl::emptiest(impl_->classes[i]);
      const std::size_t used = impl_->spans[index].used;
      const std::size_t now = impl_->empty(index, left, move);
      moved += now;
      if (now < used) break;  // what is left there stays where it is, or the budget is used up
    }
  }
  return moved;
}

std::size_t Slabs::discard(std::size_t spans) noexcept {
  return impl_->discard(spans);
}

}  // namespace forebay::memory
