#include "memory/entry.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <new>

#include "memory/allocation.h"
#include "memory/arena/large.h"

namespace forebay::memory {
namespace {

constexpr std::int64_t kNanosecondsPerMs = 1'000'000;

struct Fill {
  std::int64_t fresh_until;  // ns since the base; kNeverFresh for kNever
  std::int64_t loaded_at;    // ns of the Instant itself, so that 0 stays "written by a client"
  std::uint64_t version;
  std::uint64_t evidence;
  std::uint32_t load_cost_us;  // saturates after 71 minutes
};
constexpr std::int64_t kFreshForEver = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t kFillBytes = 36;

struct Place {
  std::uint32_t space;
  std::uint32_t epoch;
};

template <class T>
void store(char*& at, const T& value, std::size_t bytes = sizeof(T)) {
  std::memcpy(at, &value, bytes);
  at += bytes;
}

template <class T>
T load(const char* at, std::size_t bytes = sizeof(T)) {
  T value{};
  std::memcpy(&value, at, bytes);
  return value;
}

// An object says itself what it counts for; bytes lie in the cage, or in a string where that is used up.
std::size_t shared_charge(const Value& value) {
  constexpr std::size_t kOwner = 48;  // the control block and the string object in one allocation
  if (value.is_object()) return value.charge() + kOwner;
  const std::size_t bytes = value.view().size();
  return (Large::holds(value) ? Large::rounded(bytes) : usable_bytes(value.view().data())) + kOwner;
}

}  // namespace

// Which parts an entry needs, and its size.
struct Entry::Plan {
  std::uint16_t flags = 0;
  std::uint32_t expires_ms = 0;  // kExpires without kFar
  std::size_t value_bytes = 0;
  std::size_t total = 0;
};

Entry::Plan Entry::plan(std::size_t key_bytes, const Payload& payload, const Stamp& stamp,
                        const TimeBase& base) {
  Plan plan;
  plan.value_bytes = payload.shared != nullptr ? 0 : payload.bytes.size();
  Instant expires_kept = stamp.expires;
  if (stamp.expires != kNever) {
    plan.flags |= kExpires;
    const std::int64_t ns = base.ns(stamp.expires);
    if (ns < 0 || ns / kNanosecondsPerMs > std::numeric_limits<std::uint32_t>::max()) {
      plan.flags |= kFar;
    } else {
      plan.expires_ms = static_cast<std::uint32_t>(ns / kNanosecondsPerMs);
      expires_kept = base.at_ms(plan.expires_ms);
    }
  }
  if (stamp.loaded_at != Instant{} || stamp.load_cost.count() != 0 || stamp.version != 0 ||
      stamp.evidence != 0) {
    plan.flags |= kFill;
  } else if (stamp.fresh_until == stamp.expires || stamp.fresh_until == expires_kept) {
    plan.flags |= kFreshWhileAlive;
  } else if (stamp.fresh_until != kNever) {
    plan.flags |= kFill;
  }
  if (stamp.space != 0 || stamp.epoch != 0) plan.flags |= kSpace;
  if (stamp.negative) plan.flags |= kNegative;
  if (stamp.edited) plan.flags |= kEdited;
  if (payload.shared != nullptr) plan.flags |= kShared;
  if (key_bytes > 0xff || plan.value_bytes > 0xff) plan.flags |= kWide;
  plan.total = sizeof(Entry) + kPartsBytes[plan.flags & kParts] + key_bytes + plan.value_bytes;
  return plan;
}

Entry* Entry::make(std::string_view key, const Payload& payload, const Stamp& stamp, const TimeBase& base) {
  const Plan plan = Entry::plan(key.size(), payload, stamp, base);
  void* const memory = std::malloc(plan.total);
  if (memory == nullptr) return nullptr;
  Entry* const entry = new (memory) Entry;
  entry->write_flags(plan.flags);
  if (entry->has_expiry()) new (entry->tail()) WheelHook;
  if (payload.shared != nullptr) {
    new (entry->tail() + (entry->has_expiry() ? sizeof(WheelHook) : 0)) Value(*payload.shared);
  }
  entry->write_stamp(plan, stamp, base);
  if ((plan.flags & kWide) != 0) {
    char* at = const_cast<char*>(entry->wide_at());
    store(at, static_cast<std::uint32_t>(key.size()));
    store(at, static_cast<std::uint32_t>(plan.value_bytes));
  } else {
    entry->chain_.set_extra(static_cast<std::uint16_t>(key.size() | (plan.value_bytes << 8)));
  }
  char* at = entry->tail() + entry->parts_bytes();
  std::memcpy(at, key.data(), key.size());
  if (plan.value_bytes != 0) std::memcpy(at + key.size(), payload.bytes.data(), plan.value_bytes);
  return entry;
}

void Entry::destroy(Entry* entry) {
  if (const Value* const value = entry->shared(); value != nullptr) const_cast<Value*>(value)->~Value();
  entry->~Entry();
  std::free(entry);
}

bool Entry::fits(const Payload& payload, const Stamp& stamp, const TimeBase& base) const {
  const Plan plan = Entry::plan(key_bytes(), payload, stamp, base);
  if (((plan.flags ^ flags()) & kParts) != 0) return false;
  if ((plan.flags & kShared) != 0) return payload.shared == shared();
  const std::size_t have = usable_bytes(this);
  // Size classes are an eighth to a fifth apart: a smaller value gives its memory back only by moving.
  return plan.total <= have && plan.total + 16 + have / 8 > have;
}

void Entry::rewrite(const Payload& payload, const Stamp& stamp, const TimeBase& base) {
  const Plan plan = Entry::plan(key_bytes(), payload, stamp, base);
  write_flags(plan.flags);
  write_stamp(plan, stamp, base);
  if (payload.shared != nullptr) return;
  if ((plan.flags & kWide) != 0) {
    char* at = const_cast<char*>(wide_at()) + sizeof(std::uint32_t);
    store(at, static_cast<std::uint32_t>(plan.value_bytes));
  } else {
    chain_.set_extra(static_cast<std::uint16_t>((chain_.extra() & 0xff) | (plan.value_bytes << 8)));
  }
  if (plan.value_bytes != 0) {
    std::memmove(tail() + parts_bytes() + key_bytes(), payload.bytes.data(), plan.value_bytes);
  }
}

void Entry::write_stamp(const Plan& plan, const Stamp& stamp, const TimeBase& base) {
  if ((plan.flags & kFar) != 0) {
    char* at = const_cast<char*>(far_at());
    store(at, base.ns(stamp.expires));
  } else if ((plan.flags & kExpires) != 0) {
    wheel().set_prev_extra(static_cast<std::uint16_t>(plan.expires_ms));
    wheel().set_next_extra(static_cast<std::uint16_t>(plan.expires_ms >> 16));
  }
  if ((plan.flags & kFill) != 0) {
    const auto cost =
        std::clamp<std::int64_t>(stamp.load_cost.count(), 0, std::numeric_limits<std::uint32_t>::max());
    const Fill fill{stamp.fresh_until == kNever ? kFreshForEver : base.ns(stamp.fresh_until),
                    stamp.loaded_at.time_since_epoch().count(), stamp.version, stamp.evidence,
                    static_cast<std::uint32_t>(cost)};
    char* at = const_cast<char*>(fill_at());
    store(at, fill, kFillBytes);
  }
  if ((plan.flags & kSpace) != 0) {
    char* at = const_cast<char*>(space_at());
    store(at, Place{stamp.space, stamp.epoch});
  }
}

Instant Entry::far_expires(const TimeBase& base) const {
  return base.at_ns(load<std::int64_t>(far_at()));
}

void Entry::read_rest(const TimeBase& base, Stamp& out) const {
  const std::uint16_t flags = this->flags();
  out.negative = (flags & kNegative) != 0;
  out.edited = (flags & kEdited) != 0;
  if ((flags & kFill) != 0) {
    const Fill fill = load<Fill>(fill_at(), kFillBytes);
    out.fresh_until = fill.fresh_until == kFreshForEver ? kNever : base.at_ns(fill.fresh_until);
    out.loaded_at = Instant(std::chrono::nanoseconds(fill.loaded_at));
    out.version = fill.version;
    out.evidence = fill.evidence;
    out.load_cost = std::chrono::microseconds(fill.load_cost_us);
  }
  if ((flags & kSpace) != 0) {
    const Place place = load<Place>(space_at());
    out.space = place.space;
    out.epoch = place.epoch;
  }
}

std::uint32_t Entry::space() const {
  return (flags() & kSpace) != 0 ? load<Place>(space_at()).space : 0;
}

std::uint64_t Entry::due_tick() const {
  if ((flags() & kFar) != 0) {
    const auto ns = load<std::int64_t>(far_at());
    return ns < 0 ? 0 : tick_at_ms(static_cast<std::uint64_t>(ns / kNanosecondsPerMs)) + 1;
  }
  const auto& hook = const_cast<Entry*>(this)->wheel();
  return tick_at_ms(hook.prev_extra() | (std::uint64_t{hook.next_extra()} << 16)) + 1;
}

void Entry::set_revision(std::uint64_t revision) {
  words_ = (words_ & kSecondsMask) | (revision << 24);
  const auto low = static_cast<std::uint16_t>(flags() & ((1u << kFlagBits) - 1));
  hook_.set_next_extra(static_cast<std::uint16_t>(low | ((revision >> 40) << kFlagBits)));
}

void Entry::retire(Entry* next) {
  write_flags(static_cast<std::uint16_t>((flags() & ((1u << kFlagBits) - 1)) | kRetired));
  hook_.set_next(next == nullptr ? nullptr : &next->hook_);
}

std::size_t Entry::charge() const {
  const Value* const value = shared();
  return usable_bytes(this) + (value != nullptr ? shared_charge(*value) : 0);
}

}  // namespace forebay::memory
