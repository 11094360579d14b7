#include "memory/entry.h"

#include <algorithm>
#include <limits>
#include <new>

#include "memory/allocation.h"
#include "memory/arena/large.h"
#include "memory/collection/collection.h"

namespace forebay::memory {
namespace {

constexpr std::int64_t kNanosecondsPerMs = 1'000'000;

constexpr std::int64_t kFreshForEver = std::numeric_limits<std::int64_t>::max();

// The optional parts as they lie in the block.
struct Fill {
  static constexpr std::size_t kBytes = 20;
  std::int64_t fresh_until;    // ns since the base; kFreshForEver for kNever
  std::int64_t loaded_at;      // ns of the Instant itself, so that 0 stays "written by a client"
  std::uint32_t load_cost_us;  // saturates after 71 minutes
};
struct Proof {
  std::uint64_t version;
  std::uint64_t evidence;
};
struct Place {
  std::uint32_t space;
  std::uint32_t epoch;
};

bool takes_spans(std::size_t bytes) {
  return bytes > Slabs::kLargest;
}
std::size_t in_spans(std::size_t bytes) {
  return (bytes + Cage::kSpan - 1) / Cage::kSpan * Cage::kSpan;
}
std::size_t block_bytes(std::size_t bytes) {
  return takes_spans(bytes) ? in_spans(bytes) : Slabs::rounded(bytes);
}

// Of a value that is held by reference: the control block and the string object in one allocation.
constexpr std::size_t kOwner = 48;

// An object says itself what it counts for; bytes lie in the cage, or in a string where that is used up.
std::size_t shared_charge(const Value& value) {
  if (value.is_object()) return value.charge() + kOwner;
  const std::size_t bytes = value.view().size();
  return (Large::holds(value) ? Large::rounded(bytes) : usable_bytes(value.view().data())) + kOwner;
}

}  // namespace

Entry::Plan Entry::plan(std::size_t key_bytes, std::size_t value_bytes, std::uint16_t kinds,
                        const Stamp& stamp, const TimeBase& base) {
  Plan plan;
  plan.parts = kinds;
  plan.value_bytes = value_bytes;
  Instant expires_kept = stamp.expires;
  if (stamp.expires != kNever) {
    plan.shape |= kExpires;
    const std::int64_t ns = base.ns(stamp.expires);
    if (ns < 0 || ns / kNanosecondsPerMs > std::numeric_limits<std::uint32_t>::max()) {
      plan.parts |= kFar;
    } else {
      plan.expires_ms = static_cast<std::uint32_t>(ns / kNanosecondsPerMs);
      expires_kept = base.at_ms(plan.expires_ms);
    }
  }
  if (stamp.loaded_at != Instant{} || stamp.load_cost.count() != 0) {
    plan.parts |= kFill;
  } else if (stamp.fresh_until == stamp.expires || stamp.fresh_until == expires_kept) {
    plan.shape |= kFreshWhileAlive;
  } else if (stamp.fresh_until != kNever) {
    plan.parts |= kFill;
  }
  if (stamp.version != 0 || stamp.evidence != 0) plan.parts |= kProof;
  if (stamp.space != 0 || stamp.epoch != 0) plan.parts |= kPlace;
  if (stamp.negative) plan.parts |= kNegative;
  if (stamp.edited) plan.parts |= kEdited;
  if (stamp.by_wall_clock && stamp.expires != kNever) plan.parts |= kByWallClock;
  if (plan.parts != 0 || key_bytes > kShortKey || plan.value_bytes > kShortValue) {
    plan.shape |= kWide;
    plan.key_at = key_at(plan.shape, plan.parts);
  } else {
    plan.shape |= static_cast<std::uint16_t>((key_bytes << kKeyShift) | (plan.value_bytes << kValueShift));
    plan.key_at = tail_at(plan.shape);
  }
  plan.total = plan.key_at + key_bytes + plan.value_bytes;
  return plan;
}

Entry* Entry::make(Slabs& slabs, std::string_view key, const Payload& payload, const Stamp& stamp,
                   const TimeBase& base) {
  const Plan plan = Entry::plan(key.size(), inline_bytes(payload), kinds(payload), stamp, base);
  void* const block = takes_spans(plan.total) ? Cage::take(in_spans(plan.total), Cage::Contents::kAny)
                                              : slabs.allocate(plan.total);
  if (block == nullptr) return nullptr;
  auto* const entry = static_cast<Entry*>(block);
  entry->set_chain(0);
  entry->set_revision(0);
  entry->hook_.forget_list();
  store_word(entry->hook_.use_, 0);
  entry->write_head(plan, key.size(), stamp, base, payload.tags);
  if (payload.shared != nullptr) entry->put_value(plan.key_at - sizeof(Value), *payload.shared);
  entry->put(plan.key_at, key.data(), key.size());
  entry->put(plan.key_at + key.size(), payload.bytes.data(), plan.value_bytes);
  return entry;
}

void Entry::destroy(Slabs& slabs, Entry* entry) {
  if (const Value* const value = entry->shared(); value != nullptr) let_go(*value);
  const std::size_t total = entry->layout().total();
  if (takes_spans(total)) {
    Cage::give(entry, in_spans(total));
  } else {
    slabs.free(entry, total);
  }
}

Entry& Entry::relocate(const Entry& from, void* to, std::size_t bytes) {
  store_bytes(static_cast<char*>(to), &from, bytes);
  return *static_cast<Entry*>(to);
}

bool Entry::fits(const Plan& plan) const {
  const Layout mine = layout();
  if (((plan.shape ^ shape()) & (kExpires | kWide)) != 0 || ((plan.parts ^ mine.parts) & kParts) != 0)
    return false;
  return plan.total == mine.total() || block_bytes(plan.total) == block_bytes(mine.total());
}

void Entry::rewrite(const Plan& plan, const Payload& payload, const Stamp& stamp, const TimeBase& base) {
  const std::size_t key_bytes = layout().key_bytes;
  write_head(plan, key_bytes, stamp, base, payload.tags);
  if (payload.shared == nullptr) put(plan.key_at + key_bytes, payload.bytes.data(), plan.value_bytes);
}

void Entry::hold(const Value& value) {
  alignas(Value) char old[sizeof(Value)];
  std::memcpy(old, static_cast<const void*>(shared()), sizeof(Value));
  put_value(layout().key_at - sizeof(Value), value);
  let_go(*reinterpret_cast<const Value*>(old));
}

// Made elsewhere and put here byte by byte, since a constructor's stores aren't those of words.h: a
// shared_ptr doesn't mind where it lies.
void Entry::put_value(std::size_t at, const Value& value) {
  alignas(Value) char made[sizeof(Value)];
  new (made) Value(value);
  put(at, made, sizeof(Value));
}

// Likewise: destroyed elsewhere.
void Entry::let_go(const Value& value) {
  alignas(Value) char taken[sizeof(Value)];
  std::memcpy(taken, static_cast<const void*>(&value), sizeof(Value));
  std::launder(reinterpret_cast<Value*>(taken))->~Value();
}

void Entry::overwrite(std::string_view bytes) {
  const Layout layout = this->layout();
  put(layout.key_at + layout.key_bytes, bytes.data(), bytes.size());
}

void Entry::write_head(const Plan& plan, std::size_t key_bytes, const Stamp& stamp, const TimeBase& base,
                       std::string_view tags) {
  // Above the shape is the expiry's lower half or, without one, what was there: the key's first bytes.
  const std::uint32_t above = (plan.shape & kExpires) != 0 ? plan.expires_ms & 0xffff : shape_ >> 16;
  store_word(shape_, plan.shape | (above << 16));
  if ((plan.shape & kExpires) != 0) {
    const auto high = static_cast<std::uint16_t>(plan.expires_ms >> 16);
    put(kHighAt, &high, sizeof(high));
  }
  if ((plan.shape & kWide) == 0) return;
  const Wide wide{static_cast<std::uint32_t>(key_bytes), static_cast<std::uint16_t>(plan.value_bytes),
                  plan.parts};
  put(tail_at(plan.shape), &wide, sizeof(wide));
  if ((plan.parts & kFar) != 0) {
    const std::int64_t ns = base.ns(stamp.expires);
    put(part_at(plan.parts, kFar), &ns, sizeof(ns));
  }
  if ((plan.parts & kFill) != 0) {
    const auto cost =
        std::clamp<std::int64_t>(stamp.load_cost.count(), 0, std::numeric_limits<std::uint32_t>::max());
    const Fill fill{stamp.fresh_until == kNever ? kFreshForEver : base.ns(stamp.fresh_until),
                    stamp.loaded_at.time_since_epoch().count(), static_cast<std::uint32_t>(cost)};
    put(part_at(plan.parts, kFill), &fill, Fill::kBytes);
  }
  if ((plan.parts & kProof) != 0) {
    const Proof proof{stamp.version, stamp.evidence};
    put(part_at(plan.parts, kProof), &proof, sizeof(proof));
  }
  if ((plan.parts & kPlace) != 0) {
    const Place place{stamp.space, stamp.epoch};
    put(part_at(plan.parts, kPlace), &place, sizeof(place));
  }
  put(tags_at(plan.shape, plan.parts), tags.data(), tags.size());
}

void Entry::put(std::size_t at, const void* from, std::size_t bytes) {
  // The word of the shape is one of four bytes, those from kWheelAt on have eight.
  if (at < kWheelAt && bytes != 0) {
    const std::size_t part = std::min(bytes, kWheelAt - at);
    std::uint32_t word = shape_;
    std::memcpy(reinterpret_cast<char*>(&word) + (at - (kTail - 2)), from, part);
    store_word(shape_, word);
    at += part;
    from = static_cast<const char*>(from) + part;
    bytes -= part;
  }
  store_bytes(start() + at, from, bytes);
}

Entry::Copy::Found Entry::Copy::read(Ref ref, std::string_view key) {
  // Enough for a short key and, if there is one, the wide part; a shorter block is read past its end.
  constexpr std::size_t kFirst = 48;
  if (!Cage::covers(ref, kFirst)) return Found::kNeedsLock;
  const auto* const from = static_cast<const std::uint64_t*>(Cage::at(ref));
  const auto& there = *static_cast<const Entry*>(Cage::at(ref));
  Entry& mine = this->mine();
  mine.hook_.use_ = load_word(there.hook_.use_);
  mine.chain_ = load_word(there.chain_);
  mine.revision_ = load_word(there.revision_);
  mine.shape_ = load_word(there.shape_);
  read_words(from, kWheelAt, kFirst);
  const Layout layout = mine.layout();
  if (layout.key_bytes != key.size()) return Found::kOther;
  const auto whole_words = [](std::size_t bytes) { return (bytes + 7) / 8 * 8; };
  const std::size_t total = layout.total();
  if (total > sizeof(block_) || !Cage::covers(ref, sizeof(block_))) return Found::kNeedsLock;
  const std::size_t key_end = std::max(whole_words(layout.key_at + key.size()), kFirst);
  read_words(from, kFirst, key_end);
  if (std::memcmp(mine.start() + layout.key_at, key.data(), key.size()) != 0) return Found::kOther;
  if ((layout.parts & kShared) != 0) return Found::kNeedsLock;
  read_words(from, key_end, whole_words(total));
  // The nodes of a collection are looked at under the lock only.
  if ((layout.parts & kCollection) != 0 && Collection::is_large(mine.bytes())) return Found::kNeedsLock;
  return Found::kKey;
}

Instant Entry::far_expires(const TimeBase& base) const {
  return base.at_ns(load<std::int64_t>(part_at(kFar, kFar)));
}

void Entry::read_rest(const TimeBase& base, Stamp& out) const {
  const std::uint16_t parts = layout().parts;
  out.negative = (parts & kNegative) != 0;
  out.edited = (parts & kEdited) != 0;
  out.by_wall_clock = (parts & kByWallClock) != 0;
  if ((parts & kFill) != 0) {
    Fill fill;
    std::memcpy(&fill, start() + part_at(parts, kFill), Fill::kBytes);
    out.fresh_until = fill.fresh_until == kFreshForEver ? kNever : base.at_ns(fill.fresh_until);
    out.loaded_at = Instant(std::chrono::nanoseconds(fill.loaded_at));
    out.load_cost = std::chrono::microseconds(fill.load_cost_us);
  }
  if ((parts & kProof) != 0) {
    const auto proof = load<Proof>(part_at(parts, kProof));
    out.version = proof.version;
    out.evidence = proof.evidence;
  }
  if ((parts & kPlace) != 0) {
    const auto place = load<Place>(part_at(parts, kPlace));
    out.space = place.space;
    out.epoch = place.epoch;
  }
}

std::uint32_t Entry::read_space() const {
  const std::uint16_t parts = layout().parts;
  return (parts & kPlace) != 0 ? load<Place>(part_at(parts, kPlace)).space : 0;
}

std::uint64_t Entry::due_tick() const {
  if ((layout().parts & kFar) != 0) {
    const auto ns = load<std::int64_t>(part_at(kFar, kFar));
    return ns < 0 ? 0 : tick_at_ms(static_cast<std::uint64_t>(ns / kNanosecondsPerMs)) + 1;
  }
  return tick_at_ms(expires_ms()) + 1;
}

std::size_t Entry::charge() const {
  return charge_without_nodes() + (is_collection() ? Collection::node_bytes(bytes()) : 0);
}

std::size_t Entry::charge_without_nodes() const {
  const Value* const value = shared();
  return block_bytes(layout().total()) + (value != nullptr ? shared_charge(*value) : 0);
}

std::size_t Entry::charge_of(std::size_t key_bytes, std::size_t value_bytes, const Stamp& stamp) {
  const bool by_reference = value_bytes > kInlineMax;
  const TimeBase base(std::max(stamp.expires, Instant{}));  // near the expiry, as said in the header
  const Plan plan =
      Entry::plan(key_bytes, by_reference ? 0 : value_bytes, by_reference ? kShared : 0, stamp, base);
  return block_bytes(plan.total) + (by_reference ? Large::rounded(value_bytes) + kOwner : 0);
}

std::size_t Entry::charge_with(const Value& value) const {
  return block_bytes(layout().total()) + shared_charge(value);
}

bool Entry::owns_more_than_its_block() const {
  const Layout mine = layout();
  return (mine.parts & kShared) != 0 || takes_spans(mine.total());
}

}  // namespace forebay::memory
