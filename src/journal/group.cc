#include "journal/group.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "journal/crc32c.h"

namespace forebay::journal {
namespace {

constexpr std::size_t kNumberMost = 10;  // bytes of a number
// A place is looked for among so many; one that is older is written again.
constexpr std::size_t kPlaces = 16;

char* put_number(char* to, std::uint64_t number) {
  for (; number >= 0x80U; number >>= 7U) *to++ = static_cast<char>(number | 0x80U);
  *to++ = static_cast<char>(number);
  return to;
}

char* put_text(char* to, std::string_view text) {
  to = put_number(to, text.size());
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return to + text.size();
}

}  // namespace

std::size_t Group::place_of(const OpView& op) const {
  // Most often it is the last one's.
  if (op.place != 0 && !places_.empty() && places_.back().id == op.place) return places_.size() - 1;
  const std::string_view bytes = bytes_;
  const std::size_t oldest = places_.size() - std::min(places_.size(), kPlaces);
  for (std::size_t i = places_.size(); i > oldest; --i) {
    const Place& place = places_[i - 1];
    const bool same = op.place != 0 && place.id != 0
                          ? op.place == place.id
                          : bytes.substr(place.source, place.source_size) == op.source &&
                                bytes.substr(place.space, place.space_size) == op.space;
    if (same) return i - 1;
  }
  return places_.size();
}

void Group::add(std::uint64_t seq, const OpView& op) {
  if (empty()) first_ = seq;
  last_ = seq;
  const std::size_t place = place_of(op);
  const std::size_t most = bytes_.size() + 6 * kNumberMost + op.source.size() + op.space.size() +
                           op.key.size() + op.payload.size();
  bytes_.resize_and_overwrite(most, [&, before = bytes_.size()](char* bytes, std::size_t) {
    char* to = put_number(bytes + before, op.lane);
    to = put_number(to, place);
    if (place == places_.size()) {
      to = put_text(to, op.source);
      const auto source = static_cast<std::size_t>(to - bytes) - op.source.size();
      to = put_text(to, op.space);
      const auto space = static_cast<std::size_t>(to - bytes) - op.space.size();
      places_.push_back({op.place, source, op.source.size(), space, op.space.size()});
    }
    to = put_text(to, op.key);
    return static_cast<std::size_t>(put_text(to, op.payload) - bytes);
  });
}

void Group::clear(std::size_t keep) {
  first_ = last_ = 0;
  wall_ms_ = 0;
  bytes_.clear();
  if (bytes_.capacity() > keep) bytes_.shrink_to_fit();
  places_.clear();
}

Error GroupReader::damage(std::size_t at, const std::string& what) const {
  return {ErrorCode::kInternal, fmt::format("op {}, byte {}: {}", next_, at, what)};
}

Result<std::uint64_t> GroupReader::number(const char* what) {
  const std::size_t begin = at_;
  std::uint64_t number = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (at_ == bytes_.size()) return damage(begin, fmt::format("the end is in the {}", what));
    const auto byte = static_cast<unsigned char>(bytes_[at_++]);
    number |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (byte < 0x80U) {
      if (shift == 63 && byte > 1) break;
      return number;
    }
  }
  return damage(begin, fmt::format("the {} is beyond 64 bits", what));
}

Result<std::string_view> GroupReader::text(const char* what) {
  const std::size_t begin = at_;
  auto size = number(what);
  if (!size) return std::move(size).error();
  if (*size > bytes_.size() - at_) {
    return damage(begin, fmt::format("the {} has {} bytes, {} are left", what, *size, bytes_.size() - at_));
  }
  const std::string_view text = bytes_.substr(at_, static_cast<std::size_t>(*size));
  at_ += text.size();
  return text;
}

Result<std::optional<GroupReader::Read>> GroupReader::next() {
  if (void_) return std::optional<Read>();
  if (next_ > last_) {
    if (at_ != bytes_.size()) return damage(at_, fmt::format("{} bytes are left over", bytes_.size() - at_));
    return std::optional<Read>();
  }
  if (at_ == bytes_.size())
    return damage(at_, fmt::format("the group ends before it, and not with op {}", last_));
  const std::size_t begin = at_;
  Read read{next_, {}};
  auto lane = number("lane");
  if (!lane) return std::move(lane).error();
  if (*lane > 0xffffffffU) return damage(begin, fmt::format("there is no lane {}", *lane));
  read.op.lane = static_cast<std::uint32_t>(*lane);
  const std::size_t at = at_;
  auto place = number("place");
  if (!place) return std::move(place).error();
  if (*place > places_.size()) {
    return damage(at, fmt::format("its place is {}, there are {}", *place, places_.size()));
  }
  if (*place == places_.size()) {
    auto source = text("source");
    if (!source) return std::move(source).error();
    auto space = text("namespace");
    if (!space) return std::move(space).error();
    places_.push_back({*source, *space});
  }
  read.op.source = places_[static_cast<std::size_t>(*place)].source;
  read.op.space = places_[static_cast<std::size_t>(*place)].space;
  auto key = text("key");
  if (!key) return std::move(key).error();
  read.op.key = *key;
  auto payload = text("payload");
  if (!payload) return std::move(payload).error();
  read.op.payload = *payload;
  ++next_;
  return std::optional(read);
}

std::uint32_t checksum(std::uint64_t first, std::uint64_t last, std::int64_t wall_ms, std::string_view bytes,
                       std::optional<std::uint64_t> synced) {
  const auto time = static_cast<std::uint64_t>(wall_ms);
  char numbers[32];
  for (unsigned i = 0; i < 8; ++i) {
    numbers[i] = static_cast<char>(first >> (8 * i));
    numbers[8 + i] = static_cast<char>(last >> (8 * i));
    numbers[16 + i] = static_cast<char>(time >> (8 * i));
    numbers[24 + i] = static_cast<char>(synced.value_or(0) >> (8 * i));
  }
  return crc32c(bytes, crc32c({numbers, synced ? sizeof numbers : sizeof numbers - 8}));
}

}  // namespace forebay::journal
