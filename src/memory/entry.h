#pragma once

// How an entry lies in memory: a block in the cage, of 8-byte steps.
//
//    0  the policy's hook: links, the policy's bits, the seconds of the last use
//   12  the next entry of the bucket
//   16  revision, its lowest bits the type (EntryView::kTypeBits); 0 once the entry has left
//   20  shape: whether it expires, is fresh while it lives, has a wide part; lengths to 31 and 255 bytes
//   22  with an expiry: the lower half of its milliseconds since the tier's start (49 days; else `far`),
//       at 24 links in the timer wheel, at 32 the upper half
//       then, each only where it is needed:
//       wide   8  lengths that don't fit in the shape, flags, and which of the following parts there are
//       far    8  expires in nanoseconds since the tier's start
//       fill  20  when it was loaded, until when it is fresh, what the load took
//       proof 16  version and evidence
//       place  8  space and epoch
//       tags   8  and as many for each: the moment and the tags (tag_purges.h); how many is above the parts' flags
//       payload held as a Value (larger than kInlineMax, or an object), at a multiple of 8
//       key, then a value of bytes, or what an entry has of a collection (collection/collection.h)
//
// A plain client value of 64 bytes under a 14-byte key takes 100 bytes without an expiry and 112 with one, in
// blocks of 104 and 112. References between entries are the cage's, 32 bits each. A block larger than
// Slabs::kLargest (a very long key) is taken from the cage itself.
//
// Everything is written under the shard's lock, and as words.h says, so that it may be looked at without.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "forebay/clock.h"
#include "forebay/entry.h"
#include "memory/arena/slabs.h"
#include "memory/eviction/policy.h"
#include "memory/small_read.h"
#include "memory/timer_wheel.h"

namespace forebay::memory {

// Times are kept relative to when the tier was made, so that they are short.
class TimeBase {
 public:
  explicit TimeBase(Instant start)
      : start_(std::chrono::floor<std::chrono::milliseconds>(start)) {}  // whole ms in, the same whole ms out
  // Before the clock's epoch counts as the epoch, so that the difference can't overflow.
  std::int64_t ns(Instant at) const { return ((at < Instant{} ? Instant{} : at) - start_).count(); }
  std::uint64_t ms(Instant at) const {
    return at <= start_ ? 0 : static_cast<std::uint64_t>(ns(at)) / 1'000'000;
  }
  std::uint32_t seconds(Instant at) const { return seconds_of(ns(at)); }
  static std::uint32_t seconds_of(std::int64_t ns) {
    return ns <= 0 ? 0 : static_cast<std::uint32_t>(static_cast<std::uint64_t>(ns) / 1'000'000'000);
  }
  Instant at_ns(std::int64_t ns) const { return start_ + std::chrono::nanoseconds(ns); }
  Instant at_ms(std::uint32_t ms) const { return at_ns(std::int64_t{ms} * 1'000'000); }
  Instant at_seconds(std::uint32_t s) const { return at_ns(std::int64_t{s} * 1'000'000'000); }

 private:
  Instant start_;
};

// The timer wheel's unit: entries are freed within this of their expiry (find() is exact).
inline constexpr unsigned kTickShift = 4;  // 2^4 ms
inline std::uint64_t tick_at_ms(std::uint64_t ms) {
  return ms >> kTickShift;
}

inline constexpr std::size_t kInlineMax =
    4096;  // bytes; larger values are held by reference and shared, not copied

// What is to become an entry.
struct Payload {
  std::string_view bytes;         // kept inline, unless
  const Value* shared = nullptr;  // non-null: kept by reference
  EntryType type = EntryType::kText;
  // kCollection: its nodes are those of the entry that is written over, and not new ones.
  bool keeps_nodes = false;
  std::string_view tags =
      {};  // as tag_purges.h has them; empty: none. They may be those of the entry written over.
};

class Entry {
 public:
  class Copy;
  class Glance;

  // Null if there is no memory. The hook is in no list and the wheel's hook is not filed.
  static Entry* make(Slabs& slabs, std::string_view key, const Payload& payload, const Stamp& stamp,
                     const TimeBase& base);
  static void destroy(Slabs& slabs, Entry* entry);
  // Copies an entry into another block of its size: what refers to it must be redirected, and its block freed
  // without destroy(). Requires: it is one of Slabs.
  static Entry& relocate(const Entry& from, void* to, std::size_t bytes);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  static Entry& at(Ref ref) { return *static_cast<Entry*>(Cage::at(ref)); }
  Ref ref() const { return Cage::ref(this); }

  // Which parts an entry needs, and its size.
  struct Plan {
    std::uint16_t shape = 0;
    std::uint16_t parts = 0;
    std::uint32_t expires_ms = 0;  // if it has an expiry, and that isn't far
    std::size_t value_bytes = 0;
    std::size_t key_at = 0;
    std::size_t total = 0;
  };
  Plan plan(const Payload& payload, const Stamp& stamp, const TimeBase& base) const {
    return plan(layout().key_bytes, inline_bytes(payload), kinds(payload), stamp, base);
  }
  // Whether make() with what `plan` is for would need the same parts and block, so that rewrite() will do,
  // after hold() if the payload is held by reference and another one.
  bool fits(const Plan& plan) const;
  // Writes stamp and payload over this entry's. Requires fits(); the wheel's hook must not be filed.
  // `payload.bytes` may point into this entry's value.
  void rewrite(const Plan& plan, const Payload& payload, const Stamp& stamp, const TimeBase& base);
  // Holds another value by reference than so far. Requires shared().
  void hold(const Value& value);

  // Whether the value is this many bytes that lie here, and not none for a row that isn't there.
  bool has_bytes_of(std::size_t size) const {
    const Layout layout = this->layout();
    return layout.value_bytes == size && (layout.parts & (kShared | kNegative)) == 0;
  }
  // Writes other bytes of the same number over the value. Requires has_bytes_of().
  void overwrite(std::string_view bytes);

  Ref chain() const { return chain_; }
  void set_chain(Ref next) { store_word(chain_, next); }

  EntryHook& hook() { return hook_; }
  // Fetches what moving the entry in its policy's list touches; there may be no entry.
  static void prefetch(Ref ref) { __builtin_prefetch(Cage::at(ref), 1); }
  static void prefetch_neighbours(Ref ref) {
    if (Cage::covers(ref, sizeof(Entry))) at(ref).hook_.prefetch_neighbours();
  }
  // As new to a policy.
  void forget_policy() {
    hook_.forget_list();
    hook_.set_bits(0);
  }
  static Entry& from(EntryHook& hook) { return reinterpret_cast<Entry&>(hook); }
  static const Entry& from(const EntryHook& hook) { return reinterpret_cast<const Entry&>(hook); }
  // The entry's next in a list of entries that no table and no policy holds any more; 0 for the last.
  Ref retired_next() const { return hook_.index(); }
  void retire(Ref next) {
    store_word(revision_, 0);
    hook_.set_index(next);
  }
  bool retired() const { return revision_ == 0; }

  bool has_expiry() const { return (shape() & kExpires) != 0; }
  // Whether the expiry moves with the wall clock.
  bool is_by_wall_clock() const { return has_expiry() && (layout().parts & kByWallClock) != 0; }
  WheelHook& wheel() { return *reinterpret_cast<WheelHook*>(start() + kWheelAt); }
  static Entry& from(WheelHook& hook) {
    return *reinterpret_cast<Entry*>(reinterpret_cast<char*>(&hook) - kWheelAt);
  }
  std::uint64_t due_tick() const;  // the first tick at which the entry has expired; requires has_expiry()

  bool matches(std::string_view key) const {
    const std::string_view mine = this->key();
    return mine.size() == key.size() && std::memcmp(mine.data(), key.data(), key.size()) == 0;
  }
  std::string_view key() const {
    const Layout layout = this->layout();
    return {start() + layout.key_at, layout.key_bytes};
  }
  std::string_view bytes() const {
    const Layout layout = this->layout();
    if ((layout.parts & kShared) != 0) return shared()->view();
    return {start() + layout.key_at + layout.key_bytes, layout.value_bytes};
  }
  const Value* shared() const {
    const Layout layout = this->layout();
    if ((layout.parts & kShared) == 0) return nullptr;
    return reinterpret_cast<const Value*>(start() + layout.key_at - sizeof(Value));
  }
  Payload payload() const {
    const Value* const value = shared();
    return {value != nullptr ? std::string_view() : bytes(), value, type(), is_collection(), tags()};
  }
  // Empty: none.
  std::string_view tags() const {
    if ((shape() & kWide) == 0) [[likely]]
      return {};
    const std::uint16_t parts = layout().parts;
    return {start() + tags_at(shape(), parts), tags_bytes(parts)};
  }
  // A collection has the wide part, so that a reader without the lock who knows small entries only leaves it.
  bool is_collection() const { return (shape() & kWide) != 0 && (layout().parts & kCollection) != 0; }

  // Fills `out`, which must be fresh, and returns its `expires`.
  Instant read_stamp(const TimeBase& base, Stamp& out) const {
    const std::uint16_t shape = this->shape();
    if ((shape & kExpires) != 0) out.expires = expires(base);
    if ((shape & kFreshWhileAlive) != 0) out.fresh_until = out.expires;
    if ((shape & kWide) != 0) read_rest(base, out);
    return out.expires;
  }
  std::uint32_t space() const { return (shape() & kWide) != 0 ? read_space() : 0; }

  std::uint32_t revision() const { return revision_; }
  EntryType type() const { return static_cast<EntryType>(revision_ & ((1u << EntryView::kTypeBits) - 1)); }
  void set_revision(std::uint32_t revision) { store_word(revision_, revision); }  // not 0
  // `now_seconds` is TimeBase::seconds(now).
  Instant accessed(const TimeBase& base, std::uint32_t now_seconds) const {
    return base.at_seconds(latest_second(accessed_seconds(), now_seconds));
  }
  std::uint32_t accessed_seconds() const { return hook_.use_ >> 8; }
  bool was_accessed(std::uint32_t seconds) const { return accessed_seconds() == (seconds & kSecondsMask); }
  void set_accessed(std::uint32_t seconds) { store_word(hook_.use_, (hook_.use_ & 0xff) | (seconds << 8)); }

  // What it counts for: its block, and what it holds elsewhere.
  std::size_t charge() const;
  // The same without the nodes of a collection, which the shard counts by themselves.
  std::size_t charge_without_nodes() const;
  std::size_t charge_with(const Value& value) const;  // after hold()
  // What the charge() of an entry of such a key, value and stamp would be, for who predicts what the limit
  // holds. Beyond kInlineMax the value is taken for bytes, which lie in the cage. Not counted are the 8 bytes
  // that an expiry needs which isn't within 49 days of the tier's start.
  static std::size_t charge_of(std::size_t key_bytes, std::size_t value_bytes, const Stamp& stamp);
  // Whether freeing the slabs it was made from would not free all of it.
  bool owns_more_than_its_block() const;

 private:
  // The shape's lower bits. Above them are the lengths: five bits of the key's, eight of the value's.
  enum : std::uint16_t {
    kExpires = 1,
    kFreshWhileAlive = 2,  // no fill part: fresh_until is `expires`, not kNever
    kWide = 4,
  };
  static constexpr unsigned kKeyShift = 3;
  static constexpr unsigned kValueShift = 8;
  static constexpr std::size_t kShortKey = 31;
  static constexpr std::size_t kShortValue = 255;
  // In the wide part.
  enum : std::uint16_t {
    kFar = 1,
    kFill = 2,
    kProof = 4,
    kPlace = 8,
    kShared = 16,
    kCollection = 256,
    kTags = 127u << 9,  // a number, that of the tags
    kParts = kFar | kFill | kProof | kPlace | kShared | kCollection | kTags,
    kNegative = 32,
    kEdited = 64,
    kByWallClock = 128,
  };
  struct Wide {
    std::uint32_t key_bytes;
    std::uint16_t value_bytes;
    std::uint16_t parts;
  };
  static constexpr unsigned kTagsShift = 9;
  static constexpr std::uint32_t kSecondsMask = (1u << 24) - 1;
  static constexpr std::size_t kTail = 22;
  static constexpr std::size_t kWheelAt = 24;
  static constexpr std::size_t kHighAt = 32;
  static constexpr std::size_t kTailWithExpiry = 34;

  // Where things are.
  struct Layout {
    std::size_t key_at;
    std::size_t key_bytes;
    std::size_t value_bytes;
    std::uint16_t parts;
    std::size_t total() const { return key_at + key_bytes + value_bytes; }
  };
  // `value_bytes` are those that lie in the entry's block; none if the value is held by reference. `kinds`: kShared,
  // kCollection or neither, and the number of tags.
  static Plan plan(std::size_t key_bytes, std::size_t value_bytes, std::uint16_t kinds, const Stamp& stamp,
                   const TimeBase& base);
  static std::uint16_t kinds(const Payload& payload) {
    const std::size_t tags = payload.tags.empty() ? 0 : (payload.tags.size() / sizeof(std::uint64_t)) - 1;
    const auto counted = static_cast<std::uint16_t>(tags << kTagsShift);
    if (payload.shared != nullptr) return counted | kShared;
    return counted | (payload.type == EntryType::kCollection ? kCollection : 0);
  }
  static std::size_t inline_bytes(const Payload& payload) {
    return payload.shared != nullptr ? 0 : payload.bytes.size();
  }

  Entry() = default;
  ~Entry() = default;

  // Seconds wrap after 194 days: what is kept is read as the latest such second that isn't after now. Threads
  // read the clock before they take the lock, so it may be a little ahead of this one's now.
  static std::uint32_t latest_second(std::uint32_t kept, std::uint32_t now) {
    constexpr std::uint32_t kAhead = 60;
    if (kept == (now & kSecondsMask)) [[likely]]
      return now;
    const std::uint32_t idle = (now - kept) & kSecondsMask;
    return idle > kSecondsMask - kAhead || idle > now ? now : now - idle;
  }
  std::uint16_t shape() const { return static_cast<std::uint16_t>(shape_); }
  static std::size_t tail_at(std::uint16_t shape) {
    return (shape & kExpires) != 0 ? kTailWithExpiry : kTail;
  }
  // Requires the wide part.
  static std::size_t tags_at(std::uint16_t shape, std::uint16_t parts) {
    return tail_at(shape) + sizeof(Wide) + kPartsBytes[parts & (kShared - 1)];
  }
  static std::size_t tags_bytes(std::uint16_t parts) {
    const std::size_t tags = parts >> kTagsShift;
    return tags == 0 ? 0 : (tags + 1) * sizeof(std::uint64_t);
  }
  static std::size_t key_at(std::uint16_t shape, std::uint16_t parts) {
    std::size_t at = tags_at(shape, parts) + tags_bytes(parts);
    if ((parts & kShared) != 0) at = (at + 7) / 8 * 8 + sizeof(Value);
    return at;
  }
  Layout layout() const {
    const std::uint16_t shape = this->shape();
    const std::size_t tail = tail_at(shape);
    if ((shape & kWide) == 0) [[likely]]
      return {tail, (shape >> kKeyShift) & kShortKey, static_cast<std::size_t>(shape >> kValueShift), 0};
    const auto wide = load<Wide>(tail);
    return {key_at(shape, wide.parts), wide.key_bytes, wide.value_bytes, wide.parts};
  }
  Instant expires(const TimeBase& base) const {  // requires has_expiry()
    if ((shape() & kWide) != 0 && (load<Wide>(kTailWithExpiry).parts & kFar) != 0) return far_expires(base);
    return base.at_ms(expires_ms());
  }
  std::uint32_t expires_ms() const {
    return (shape_ >> 16) | (std::uint32_t{load<std::uint16_t>(kHighAt)} << 16);
  }
  Instant far_expires(const TimeBase& base) const;
  void read_rest(const TimeBase& base, Stamp& out) const;
  std::uint32_t read_space() const;
  void write_head(const Plan& plan, std::size_t key_bytes, const Stamp& stamp, const TimeBase& base,
                  std::string_view tags);

  char* start() { return reinterpret_cast<char*>(this); }
  const char* start() const { return reinterpret_cast<const char*>(this); }
  template <class T>
  T load(std::size_t at) const {
    T value;
    std::memcpy(&value, start() + at, sizeof(T));
    return value;
  }
  void put_value(std::size_t at, const Value& value);
  static void let_go(const Value& value);
  // Writes to the entry's block from `at` on, which is kTail or more.
  void put(std::size_t at, const void* from, std::size_t bytes);

  static constexpr auto kPartsBytes = [] {
    std::array<std::uint8_t, kShared> sizes{};
    for (unsigned parts = 0; parts < kShared; ++parts) {
      std::size_t bytes = 0;
      if ((parts & kFar) != 0) bytes += 8;
      if ((parts & kFill) != 0) bytes += 20;
      if ((parts & kProof) != 0) bytes += 16;
      if ((parts & kPlace) != 0) bytes += 8;
      sizes[parts] = static_cast<std::uint8_t>(bytes);
    }
    return sizes;
  }();
  // Where a part begins: after those that come before it in the order at the top of the file. Requires the
  // wide part.
  std::size_t part_at(std::uint16_t parts, std::uint16_t part) const {
    return tail_at(shape()) + sizeof(Wide) + kPartsBytes[parts & (part - 1)];
  }

  EntryHook hook_;
  Ref chain_ = 0;
  std::uint32_t revision_ = 0;
  std::uint32_t shape_ = 0;  // the shape; above it the block's bytes 22 and 23
};
static_assert(sizeof(Entry) == 24);

// What a reader without the lock sees of an entry without a wide part, word by word as it asks: garbage until
// the shard's sequence number says that nothing was written meanwhile.
class Entry::Glance {
 public:
  // Requires: the cage covers SmallRead::kReach bytes at `ref`.
  explicit Glance(Ref ref) : entry_(Entry::at(ref)), shape_(load_word(entry_.shape_)) {}

  // False: none of the following may be called, but chain().
  bool is_small() const { return (shape_ & kWide) == 0; }
  [[gnu::always_inline]] bool is_of(std::string_view key) const {
    if (((shape_ >> kKeyShift) & kShortKey) != key.size()) return false;
    return has_expiry() ? SmallRead::is_key<kTailWithExpiry>(words(), shape_, key)
                        : SmallRead::is_key<kTail>(words(), shape_, key);
  }
  Ref chain() const { return load_word(entry_.chain_); }
  // Requires is_of() a key of this size. Branches rather than computes where the value is, so that the
  // processor guesses it and fetches a second cache line along with the first.
  [[gnu::always_inline]] std::string_view copy_value(std::size_t key_bytes, SmallRead& to) const {
    const std::size_t bytes = (shape_ >> kValueShift) & kShortValue;
    if (has_expiry()) [[unlikely]]
      return to.copy(words(), kTailWithExpiry + key_bytes, bytes);
    return to.copy(words(), kTail + key_bytes, bytes);
  }
  bool has_expiry() const { return (shape_ & kExpires) != 0; }
  // Requires has_expiry().
  std::uint32_t expires_ms() const {
    return (shape_ >> 16) |
           static_cast<std::uint32_t>(load_word(words()[kHighAt / sizeof(std::uint64_t)]) << 16);
  }
  bool is_fresh_while_alive() const { return (shape_ & kFreshWhileAlive) != 0; }
  std::uint32_t revision() const { return load_word(entry_.revision_); }

  // The policy's bits, and when it was used last.
  class Use {
   public:
    explicit Use(std::uint32_t word) : word_(word) {}
    std::uint8_t bits() const { return static_cast<std::uint8_t>(word_); }
    bool was_at(std::uint32_t seconds) const { return word_ >> 8 == (seconds & kSecondsMask); }
    Instant at(const TimeBase& base, std::uint32_t now_seconds) const {
      return base.at_seconds(latest_second(word_ >> 8, now_seconds));
    }

   private:
    std::uint32_t word_;
  };
  Use use() const { return Use(load_word(entry_.hook_.use_)); }

 private:
  const std::uint64_t* words() const { return reinterpret_cast<const std::uint64_t*>(&entry_); }

  const Entry& entry_;
  const std::uint32_t shape_;
};

// A copy of an entry that is read without the lock: garbage until the shard's sequence number says that it
// was not written meanwhile. Links are not copied.
class Entry::Copy {
 public:
  Copy() { new (block_) Entry; }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;

  enum class Found : std::uint8_t { kKey, kOther, kNeedsLock };
  // Copies the entry at `ref`, as far as it takes to see whether it is one of this key, and then the rest.
  // kNeedsLock: it is not to be copied (a payload held by reference, a block of its own), or garbage.
  Found read(Ref ref, std::string_view key);
  Ref chain() const { return entry().chain_; }  // of what was read last
  Glance::Use use() const { return Glance::Use(entry().hook_.use_); }
  const Entry& entry() const { return *std::launder(reinterpret_cast<const Entry*>(block_)); }

 private:
  Entry& mine() { return *std::launder(reinterpret_cast<Entry*>(block_)); }
  // [begin, end) in bytes, whole words.
  void read_words(const std::uint64_t* from, std::size_t begin, std::size_t end) {
    for (std::size_t at = begin; at < end; at += sizeof(std::uint64_t)) {
      const std::uint64_t word = load_word(from[at / sizeof(word)]);
      std::memcpy(block_ + at, &word, sizeof(word));
    }
  }
  alignas(std::uint64_t) unsigned char block_[Slabs::kLargest];
};

}  // namespace forebay::memory
