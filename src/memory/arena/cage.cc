#include "memory/arena/cage.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cassert>
#include <cstring>

#include "base/mutex.h"
#include "memory/arena/poison.h"

// Free pages form runs, as long as they come: a run knows its length in its first and its last page, so that
// a span given back finds its free neighbours and joins them (boundary tags: Knuth, The Art of Computer
// Programming 1, 2.5). Runs are found by length, in lists for lengths of a kind and a bit for each list that
// has some. What was given back in small spans is first kept as it is, a megabyte of it at most: the next
// taker of that size has it without system calls and page faults. All other free pages read as zeros.
namespace forebay::memory {

// Zero until the reservation is made, which is before other constructors run.
constinit char* Cage::base_ = nullptr;
constinit std::size_t Cage::size_ = 0;
constinit std::uint32_t* Cage::tags_ = nullptr;

namespace {

using PageIndex = std::uint32_t;  // page 0 is never given out, so 0 is none

constexpr std::size_t kMost = std::size_t{32} << 30;
constexpr std::size_t kLeast = std::size_t{16} << 20;

void* reserve(std::size_t bytes) {
  void* const place =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return place == MAP_FAILED ? nullptr : place;
}

// Without data races with readers that follow stale references, as far as ThreadSanitizer can see.
void clear(void* place, std::size_t bytes) {
#if defined(__SANITIZE_THREAD__)
  auto* const words = static_cast<std::uint64_t*>(place);
  for (std::size_t i = 0; i < bytes / sizeof(*words); ++i) __atomic_store_n(words + i, 0, __ATOMIC_RELAXED);
#else
  std::memset(place, 0, bytes);
#endif
}

struct Links {
  PageIndex previous, next;
};

class FreePages {
 public:
  void open(std::uint32_t* lengths, Links* links, PageIndex end) {
    lengths_ = lengths;
    links_ = links;
    end_ = end;
    frontier_ = 1;
  }

  // The first of `pages` free pages in a row; 0 if there are none. Prefers used parts of the range to the
  // unused one above, and runs of about the length.
  PageIndex take(PageIndex pages) {
    PageIndex first = fitting(pages);
    if (first == 0) return from_frontier(pages);
    const PageIndex length = lengths_[first];
    unlink(first, length);
    if (length > pages) link(first + pages, length - pages);
    return first;
  }

  void give(PageIndex first, PageIndex pages) {
    PageIndex end = first + pages;
    if (const PageIndex before = lengths_[first - 1]; before != 0) {
      first -= before;
      unlink(first, before);
    }
    if (const PageIndex after = end < frontier_ ? lengths_[end] : 0; after != 0) {
      unlink(end, after);
      end += after;
    }
    link(first, end - first);
  }

  PageIndex frontier() const { return frontier_; }

 private:
  // Lists for each length to 64, then four for each doubling.
  static constexpr std::size_t kExact = 64;
  static constexpr std::size_t kLists = kExact + 4 * 18;
  static_assert(kMost / Cage::kSpan <= kExact << 18);

  static std::size_t list_of(PageIndex length) {
    if (length <= kExact) return length - 1;
    const auto doubling = static_cast<std::size_t>(std::bit_width(length) - 1);  // 6 and up
    return kExact + 4 * (doubling - 6) + ((length >> (doubling - 2)) & 3);
  }

  PageIndex fitting(PageIndex pages) const {
    const std::size_t own = list_of(pages);
    if (own >= kExact) {
      // Runs of this list may be shorter than what is asked for.
      constexpr int kLooked = 16;
      PageIndex each = heads_[own];
      for (int i = 0; each != 0 && i < kLooked; ++i, each = links_[each].next) {
        if (lengths_[each] >= pages) return each;
      }
    }
    const std::size_t first = own < kExact ? own : own + 1;
    for (std::size_t word = first / 64; word < nonempty_.size(); ++word) {
      std::uint64_t bits = nonempty_[word];
      if (word == first / 64) bits &= ~std::uint64_t{0} << (first % 64);
      if (bits != 0) return heads_[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))];
    }
    return 0;
  }

  PageIndex from_frontier(PageIndex pages) {
    if (pages > end_ - frontier_) return 0;
    const PageIndex first = frontier_;
    frontier_ += pages;
    return first;
  }

  void link(PageIndex first, PageIndex length) {
    lengths_[first] = lengths_[first + length - 1] = length;
    const std::size_t list = list_of(length);
    const PageIndex next = heads_[list];
    links_[first] = {0, next};
    if (next != 0) links_[next].previous = first;
    heads_[list] = first;
    nonempty_[list / 64] |= std::uint64_t{1} << (list % 64);
  }

  void unlink(PageIndex first, PageIndex length) {
    lengths_[first] = lengths_[first + length - 1] = 0;
    const std::size_t list = list_of(length);
    const auto [previous, next] = links_[first];
    if (next != 0) links_[next].previous = previous;
    if (previous != 0) {
      links_[previous].next = next;
    } else {
      heads_[list] = next;
      if (next == 0) nonempty_[list / 64] &= ~(std::uint64_t{1} << (list % 64));
    }
  }

  // For each page, in memory that reads as zeros until used. A run's length is in its first and its last
  // page; everywhere else is 0.
  std::uint32_t* lengths_ = nullptr;
  Links* links_ = nullptr;  // of a run's first page
  PageIndex end_ = 0;
  PageIndex frontier_ = 0;  // pages from here on were never taken
  std::array<PageIndex, kLists> heads_{};
  std::array<std::uint64_t, (kLists + 63) / 64> nonempty_{};
};

// Small spans as they were given back, the oldest leaving first.
class Kept {
 public:
  struct Span {
    PageIndex first = 0, pages = 0;
  };
  static constexpr PageIndex kMostPages = 16;  // of a span worth keeping

  // The latest span of exactly that length; its first is 0 if there is none.
  Span take(PageIndex pages) {
    if (pages > kMostPages || counts_[pages] == 0) return {};
    for (std::size_t i = size_; i-- > 0;) {
      if (spans_[i].pages != pages) continue;
      const Span span = spans_[i];
      std::copy(spans_.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                spans_.begin() + static_cast<std::ptrdiff_t>(size_),
                spans_.begin() + static_cast<std::ptrdiff_t>(i));
      --size_;
      forget(span);
      return span;
    }
    return {};
  }

  bool has_room(PageIndex pages) const {
    return size_ < spans_.size() && (pages_ + pages) * Cage::kSpan <= Cage::kKept;
  }
  void add(Span span) {
    spans_[size_++] = span;
    pages_ += span.pages;
    ++counts_[span.pages];
  }
  // Requires: there is one.
  Span oldest() {
    const Span span = spans_[0];
    std::copy(spans_.begin() + 1, spans_.begin() + static_cast<std::ptrdiff_t>(size_), spans_.begin());
    --size_;
    forget(span);
    return span;
  }

 private:
  void forget(Span span) {
    pages_ -= span.pages;
    --counts_[span.pages];
  }

  std::array<Span, 128> spans_{};
  std::array<std::uint32_t, kMostPages + 1> counts_{};
  std::size_t size_ = 0;
  std::size_t pages_ = 0;
};

struct State {
  Mutex mutex;
  FreePages free GUARDED_BY(mutex);
  Kept kept GUARDED_BY(mutex);
  std::atomic<std::size_t> taken{0};        // written under the lock; in the default order
  std::size_t roots GUARDED_BY(mutex) = 0;  // bytes of the range that the leak checker looks at
};
constinit State state;

}  // namespace

class CageReservation {
 public:
  CageReservation() {
    std::size_t size = kMost;
    // Half of the address space at most, where that is limited: others need some too.
    rlimit limit{};
    if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
      while (size > kLeast && size > limit.rlim_cur / 2) size /= 2;
    }
    while (size >= kLeast && !open(size)) size /= 2;
  }

 private:
  static bool open(std::size_t size) {
    const std::size_t pages = size / Cage::kSpan;
    const std::size_t tables = pages * (2 * sizeof(std::uint32_t) + sizeof(Links));
    auto* const place = static_cast<char*>(reserve(size + tables));
    if (place == nullptr) return false;
    // Fails where the system knows no huge pages, which is as good.
    madvise(place, size + tables, MADV_NOHUGEPAGE);
    auto* const lengths = reinterpret_cast<std::uint32_t*>(place + size);
    auto* const links = reinterpret_cast<Links*>(lengths + 2 * pages);
    const MutexLock lock(state.mutex);
    state.free.open(lengths, links, static_cast<PageIndex>(pages));
    Cage::base_ = place;
    Cage::size_ = size;
    Cage::tags_ = lengths + pages;
    return true;
  }
};

namespace {
// Before the constructors of other objects, which may open tiers.
[[gnu::init_priority(101)]] const CageReservation reservation;
}  // namespace

void* Cage::take(std::size_t bytes, Contents contents) {
  assert(bytes % kSpan == 0 && bytes > 0);
  if (bytes > size_) return nullptr;
  const auto pages = static_cast<PageIndex>(bytes / kSpan);
  bool used = true;
  PageIndex first;
  {
    const MutexLock lock(state.mutex);
    first = state.kept.take(pages).first;
    if (first == 0) {
      used = false;
      first = state.free.take(pages);
      if (first == 0) return nullptr;
#ifdef FOREBAY_ASAN
      const std::size_t top = std::size_t{state.free.frontier()} * kSpan;
      constexpr std::size_t kStep = std::size_t{4} << 20;
      for (; state.roots < top && state.roots < size_; state.roots += kStep) {
        look_for_pointers_in(base_ + state.roots, kStep);
      }
#endif
    }
    state.taken += bytes;
  }
  char* const place = base_ + std::size_t{first} * kSpan;
  unpoison(place, bytes);
  if (used && contents == Contents::kZeros) clear(place, bytes);
  return place;
}

void Cage::give(void* place, std::size_t bytes) noexcept {
  assert(contains(place) && bytes % kSpan == 0 && bytes > 0);
  poison(place, bytes);
  const auto first =
      static_cast<PageIndex>(static_cast<std::size_t>(static_cast<char*>(place) - base_) / kSpan);
  const auto pages = static_cast<PageIndex>(bytes / kSpan);
  const auto clean = [](Kept::Span span) {
    char* const from = base_ + std::size_t{span.first} * kSpan;
    const std::size_t length = std::size_t{span.pages} * kSpan;
    if (madvise(from, length, MADV_DONTNEED) == 0) return;
    // Locked memory, or a system with larger pages: it stays resident, but reads as zeros.
    unpoison(from, length);
    clear(from, length);
    poison(from, length);
  };
  if (pages > Kept::kMostPages) {
    clean({first, pages});
    const MutexLock lock(state.mutex);
    state.taken -= bytes;
    state.free.give(first, pages);
    return;
  }
  const MutexLock lock(state.mutex);
  state.taken -= bytes;
  while (!state.kept.has_room(pages)) {
    const Kept::Span span = state.kept.oldest();
    clean(span);
    state.free.give(span.first, span.pages);
  }
  state.kept.add({first, pages});
}

std::size_t Cage::taken() {
  return state.taken;
}

bool Cage::has(std::size_t bytes) {
  const std::size_t apart = size_ / 64;  // of free pages that lie too far apart to be of use
  return state.taken + bytes + apart < size_;
}

}  // namespace forebay::memory
