#include "layer/write/behind/op_ids.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/hash_inline.h"
#include "journal/effect.h"

namespace forebay::layer {
namespace {

// A receipt: what is said, the fingerprint's halves with their lowest bytes first, the id's length, the id,
// and the rest is what was added to.
constexpr unsigned char kExisted = 1;
constexpr unsigned char kAdded = 2;
constexpr std::size_t kHead = 18;
// Old ids that one call lets go: more than it adds.
constexpr int kForgetMost = 8;

void put(std::string& to, std::uint64_t number) {
  for (unsigned i = 0; i < 8; ++i) to.push_back(static_cast<char>(number >> (8 * i)));
}

// Requires eight bytes.
std::uint64_t number_of(std::string_view bytes) {
  std::uint64_t number = 0;
  for (unsigned i = 0; i < 8; ++i) number |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return number;
}

struct Decoded {
  std::string_view id;
  Fingerprint write;
  OpIds::First first;
};

Error taken() {
  return {ErrorCode::kConflict,
          "this op-id has been taken by another write: its key or its arguments are not these"};
}

// Nothing: it is no receipt.
std::optional<Decoded> decode(std::string_view receipt) {
  if (receipt.size() < kHead) return std::nullopt;
  const auto said = static_cast<unsigned char>(receipt[0]);
  const std::size_t size = static_cast<unsigned char>(receipt[kHead - 1]);
  if ((said & ~(kExisted | kAdded)) != 0) return std::nullopt;
  if (size < 1 || size > OpIds::kLongestId || size > receipt.size() - kHead) return std::nullopt;
  Decoded decoded;
  decoded.write = {number_of(receipt.substr(1)), number_of(receipt.substr(9))};
  decoded.id = receipt.substr(kHead, size);
  const std::string_view rest = receipt.substr(kHead + size);
  if ((said & kAdded) == 0 && !rest.empty()) return std::nullopt;
  decoded.first.existed = (said & kExisted) != 0;
  if ((said & kAdded) != 0) decoded.first.added = rest;
  return decoded;
}

}  // namespace

Fingerprint fingerprint_of(std::string_view key, const Write& write) {
  std::string text;
  put(text, key.size());
  text.append(key);
  text.push_back(static_cast<char>(write.index()));
  journal::encode(journal::effect_of(write), text);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

Result<std::optional<OpIds::First>> OpIds::find_locked(std::string_view id, const Fingerprint& write,
                                                       Instant now) {
  if (id.empty() || id.size() > kLongestId) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("an op-id has 1 to {} bytes, not {}", kLongestId, id.size())};
  }
  if (options_.remember == Duration::zero()) {
    return Error{ErrorCode::kUnsupported, "op-ids are not remembered ([journal] remember = 0)"};
  }
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return std::optional<First>();
  const Entry& entry = *found->second;
  if (entry.first && now - entry.at >= options_.remember) {
    erase(found->second);
    return std::optional<First>();
  }
  if (entry.write != write) return taken();
  return entry.first;
}

Result<std::optional<OpIds::First>> OpIds::find(std::string_view id, const Fingerprint& write, Instant now) {
  MutexLock lock(mutex_);
  return find_locked(id, write, now);
}

Result<std::optional<OpIds::First>> OpIds::begin(std::string_view id, const Fingerprint& write, Instant now) {
  MutexLock lock(mutex_);
  auto found = find_locked(id, write, now);
  if (!found || *found) return found;
  if (by_id_.contains(id)) return taken();
  forget_old(now);
  if (entries_.size() >= options_.most) {
    return Error{ErrorCode::kOverloaded,
                 fmt::format("{} op-ids are remembered, and no more can be ([journal] max_ids); this write "
                             "was not taken",
                             entries_.size())};
  }
  entries_.push_back({std::string(id), write, now, std::nullopt});
  by_id_.emplace(entries_.back().id, std::prev(entries_.end()));
  return found;
}

void OpIds::end(std::string_view id, const First* first) {
  MutexLock lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  if (first == nullptr) return erase(found->second);
  found->second->first = *first;
}

void OpIds::forget_old(Instant now) {
  for (int i = 0; i < kForgetMost && !entries_.empty(); ++i) {
    const auto oldest = entries_.begin();
    if (!oldest->first || now - oldest->at < options_.remember) return;
    erase(oldest);
  }
}

void OpIds::erase(Entries::iterator entry) {
  by_id_.erase(entry->id);
  entries_.erase(entry);
}

void OpIds::encode(std::string& to, std::string_view id, const Fingerprint& write, const First& first) {
  to.push_back(static_cast<char>((first.existed ? kExisted : 0) | (first.added ? kAdded : 0)));
  put(to, write.low);
  put(to, write.high);
  to.push_back(static_cast<char>(id.size()));
  to.append(id);
  if (first.added) to.append(*first.added);
}

Result<void> OpIds::restore(const std::vector<journal::Receipt>& receipts, const Clock& clock) {
  const Instant now = clock.now();
  MutexLock lock(mutex_);
  if (options_.remember == Duration::zero()) return {};
  for (const journal::Receipt& receipt : receipts) {
    auto decoded = decode(receipt.bytes);
    if (!decoded) {
      return Error{ErrorCode::kInternal, fmt::format("the journal's receipt of op {} is none", receipt.seq)};
    }
    // Where an id was taken twice, the time of the first was up.
    if (const auto found = by_id_.find(decoded->id); found != by_id_.end()) erase(found->second);
    decoded->first.seq = receipt.seq;
    const Instant at = std::clamp(clock.from_wall_ms(receipt.wall_ms), now - options_.remember, now);
    entries_.push_back({std::string(decoded->id), decoded->write, at, std::move(decoded->first)});
    by_id_.emplace(entries_.back().id, std::prev(entries_.end()));
  }
  return {};
}

void OpIds::lose(std::uint64_t last) {
  MutexLock lock(mutex_);
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto here = entry++;
    if (here->first && here->first->seq > last) erase(here);
  }
}

std::size_t OpIds::size() const {
  MutexLock lock(mutex_);
  return entries_.size();
}

std::uint64_t OpIds::repeats() const {
  MutexLock lock(mutex_);
  return repeats_;
}

void OpIds::count_repeat() {
  MutexLock lock(mutex_);
  ++repeats_;
}

}  // namespace forebay::layer
