#pragma once

// How an entry lies in memory: one allocation of a 32-byte header, the parts that this entry needs, key,
// small value.
//
//   header   chain link and short lengths; the policy's hook, flags and policy bits; revision and last use
//   +16      expires: links in the timer wheel, milliseconds since the tier's start (49 days; else `far`)
//   +48      payload held as a Value: larger than kInlineMax, or an object
//   +8       far: expires in nanoseconds since the tier's start
//   +36      fill: freshness, load and version
//   +8       space and epoch
//   +8       wide: lengths that don't fit in a byte
//
// A plain client value of 64 bytes under a 14-byte key is 110 bytes without an expiry and 126 with one: size
// classes 112 and 128. Everything here is guarded by the shard's lock.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "forebay/clock.h"
#include "forebay/entry.h"
#include "memory/eviction/policy.h"
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
  std::uint32_t seconds(Instant at) const {
    return at <= start_ ? 0 : static_cast<std::uint32_t>(static_cast<std::uint64_t>(ns(at)) / 1'000'000'000);
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
};

class Entry {
 public:
  // Null if there is no memory. The hook is in no list and the wheel's hook is not filed.
  static Entry* make(std::string_view key, const Payload& payload, const Stamp& stamp, const TimeBase& base);
  static void destroy(Entry* entry);
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  // Whether make() with these would need the same parts and size class, so that rewrite() will do.
  bool fits(const Payload& payload, const Stamp& stamp, const TimeBase& base) const;
  // Writes stamp and payload over this entry's. Requires fits(); the wheel's hook must not be filed.
  // `payload.bytes` may point into this entry.
  void rewrite(const Payload& payload, const Stamp& stamp, const TimeBase& base);

  Entry* chain() const { return chain_.get(); }
  void set_chain(Entry* next) { chain_.set(next); }

  EntryHook& hook() { return hook_; }
  static Entry& from(EntryHook& hook) {
    return *reinterpret_cast<Entry*>(reinterpret_cast<char*>(&hook) - kHookOffset);
  }
  static const Entry& from(const EntryHook& hook) { return from(const_cast<EntryHook&>(hook)); }
  // The entry's next in a list of entries that no table and no policy holds any more.
  Entry* retired_next() const {
    auto* const links = hook_.next();
    return links == nullptr ? nullptr : &from(static_cast<EntryHook&>(*links));
  }
  void retire(Entry* next);
  bool retired() const { return (flags() & kRetired) != 0; }

  bool has_expiry() const { return (flags() & kExpires) != 0; }
  WheelHook& wheel() { return *reinterpret_cast<WheelHook*>(tail()); }
  static Entry& from(WheelHook& hook) {
    return *reinterpret_cast<Entry*>(reinterpret_cast<char*>(&hook) - sizeof(Entry));
  }
  std::uint64_t due_tick() const;  // the first tick at which the entry has expired; requires has_expiry()

  bool matches(std::string_view key) const {
    const std::string_view mine = this->key();
    return mine.size() == key.size() && std::memcmp(mine.data(), key.data(), key.size()) == 0;
  }
  std::string_view key() const { return {tail() + parts_bytes(), key_bytes()}; }
  std::string_view bytes() const {
    const Value* const value = shared();
    if (value != nullptr) return value->view();
    return {tail() + parts_bytes() + key_bytes(), value_bytes()};
  }
  const Value* shared() const {
    if ((flags() & kShared) == 0) return nullptr;
    return reinterpret_cast<const Value*>(tail() + (has_expiry() ? sizeof(WheelHook) : 0));
  }
  Payload payload() const { return {shared() != nullptr ? std::string_view() : bytes(), shared()}; }

  // Fills `out`, which must be fresh, and returns its `expires`.
  Instant read_stamp(const TimeBase& base, Stamp& out) const {
    const std::uint16_t flags = this->flags();
    if ((flags & kExpires) != 0) out.expires = expires(base);
    if ((flags & kFreshWhileAlive) != 0) out.fresh_until = out.expires;
    if ((flags & (kFill | kSpace | kNegative | kEdited)) != 0) read_rest(base, out);
    return out.expires;
  }
  std::uint32_t space() const;

  std::uint64_t revision() const {
    return (words_ >> 24) | (static_cast<std::uint64_t>(flags() >> kFlagBits) << 40);
  }
  void set_revision(std::uint64_t revision);  // below 2^46
  // `now_seconds` is TimeBase::seconds(now).
  Instant accessed(const TimeBase& base, std::uint32_t now_seconds) const {
    // Seconds wrap after 194 days: what is kept is read as the latest such second that isn't after now.
    // Threads read the clock before they take the lock, so it may be a little ahead of this one's now.
    constexpr std::uint32_t kAhead = 60;
    std::uint32_t idle = (now_seconds - accessed_seconds()) & kSecondsMask;
    if (idle > kSecondsMask - kAhead || idle > now_seconds) idle = 0;
    return base.at_seconds(now_seconds - idle);
  }
  std::uint32_t accessed_seconds() const { return static_cast<std::uint32_t>(words_ & kSecondsMask); }
  void set_accessed(std::uint32_t seconds) { words_ = (words_ & ~kSecondsMask) | (seconds & kSecondsMask); }

  // What it counts for: its allocations as the allocator rounded them.
  std::size_t charge() const;

 private:
  // Flags in the hook's spare bits; above them are the revision's highest bits.
  enum : std::uint16_t {
    kExpires = 1,
    kFar = 2,
    kWide = 4,
    kShared = 8,
    kSpace = 16,
    kFill = 32,  // parts: see the top of the file
    kNegative = 64,
    kFreshWhileAlive = 128,  // no fill part: fresh_until is `expires`, not kNever
    kRetired = 256,
    kEdited = 512,
    kParts = kExpires | kFar | kWide | kShared | kSpace | kFill,
  };
  static constexpr unsigned kFlagBits = 10;
  static constexpr std::uint64_t kSecondsMask = (1u << 24) - 1;
  static constexpr std::size_t kHookOffset = 8;

  struct Plan;
  static Plan plan(std::size_t key_bytes, const Payload& payload, const Stamp& stamp, const TimeBase& base);

  Entry() = default;
  ~Entry() = default;

  std::uint16_t flags() const { return hook_.next_extra(); }
  void write_flags(std::uint16_t flags) {
    const auto high = static_cast<std::uint16_t>(hook_.next_extra() >> kFlagBits << kFlagBits);
    hook_.set_next_extra(static_cast<std::uint16_t>(high | flags));
  }
  Instant expires(const TimeBase& base) const {  // requires has_expiry()
    if ((flags() & kFar) != 0) return far_expires(base);
    const auto& hook = const_cast<Entry*>(this)->wheel();
    return base.at_ms(hook.prev_extra() | (std::uint32_t{hook.next_extra()} << 16));
  }
  Instant far_expires(const TimeBase& base) const;
  void read_rest(const TimeBase& base, Stamp& out) const;
  void write_stamp(const Plan& plan, const Stamp& stamp, const TimeBase& base);

  char* tail() { return reinterpret_cast<char*>(this) + sizeof(Entry); }
  const char* tail() const { return reinterpret_cast<const char*>(this) + sizeof(Entry); }

  static constexpr auto kPartsBytes = [] {
    std::array<std::uint8_t, kParts + 1> sizes{};
    for (unsigned parts = 0; parts <= kParts; ++parts) {
      std::size_t bytes = 0;
      if ((parts & kExpires) != 0) bytes += sizeof(WheelHook);
      if ((parts & kShared) != 0) bytes += sizeof(Value);
      if ((parts & kFar) != 0) bytes += 8;
      if ((parts & kFill) != 0) bytes += 36;
      if ((parts & kSpace) != 0) bytes += 8;
      if ((parts & kWide) != 0) bytes += 8;
      sizes[parts] = static_cast<std::uint8_t>(bytes);
    }
    return sizes;
  }();
  std::size_t parts_bytes() const { return kPartsBytes[flags() & kParts]; }
  // Where a part begins: after those that come before it in the order at the top of the file.
  const char* far_at() const { return tail() + kPartsBytes[flags() & (kExpires | kShared)]; }
  const char* fill_at() const { return tail() + kPartsBytes[flags() & (kExpires | kShared | kFar)]; }
  const char* space_at() const { return tail() + kPartsBytes[flags() & (kExpires | kShared | kFar | kFill)]; }
  const char* wide_at() const {
    return tail() + kPartsBytes[flags() & (kExpires | kShared | kFar | kFill | kSpace)];
  }

  std::uint32_t wide_length(std::size_t which) const {
    std::uint32_t length;
    std::memcpy(&length, wide_at() + which * sizeof(length), sizeof(length));
    return length;
  }
  std::size_t key_bytes() const {
    return (flags() & kWide) != 0 ? wide_length(0) : static_cast<std::size_t>(chain_.extra() & 0xff);
  }
  std::size_t value_bytes() const {
    return (flags() & kWide) != 0 ? wide_length(1) : static_cast<std::size_t>(chain_.extra() >> 8);
  }

  PackedPointer<Entry> chain_;  // the next of its bucket; spare bits: key length, value length
  EntryHook hook_;              // spare bits: the policy's, and flags
  std::uint64_t words_ = 0;     // lower 24: seconds of the last use; above: the revision's lower 40
};
static_assert(sizeof(Entry) == 32);

}  // namespace forebay::memory
