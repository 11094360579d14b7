#include "memory/collection/item.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <optional>

#include "base/hash.h"

namespace forebay::memory {
namespace {

constexpr std::size_t kLongestHere = 0xbf;
constexpr std::int64_t kLargestSmall = 31;
constexpr unsigned kUnusedBits = 16;  // of a hash: so a cursor made of it is exact in every client

// A decimal in the one form in which it would be printed.
std::optional<std::int64_t> number_of(std::string_view text) {
  constexpr std::size_t kLongest = 20;
  if (text.empty() || text.size() > kLongest) return std::nullopt;
  const bool negative = text[0] == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  if (digits[0] == '0' && text.size() > 1) return std::nullopt;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::uint64_t order_of(std::string_view text) {
  return hash_bytes(text) >> kUnusedBits;
}
std::uint64_t order_of(std::int64_t number) {
  return order_of({reinterpret_cast<const char*>(&number), sizeof(number)});
}

}  // namespace

std::size_t Item::size() const {
  const std::uint8_t tag = this->tag();
  if (tag < kSmallNumber) return 1 + std::size_t{tag};
  if (tag < kNumber) return 1;
  if (tag < kShortText) return 1 + std::size_t{tag} - kNumber;
  switch (tag) {
    case kShortText:
      return 3 + std::size_t{load<std::uint16_t>(at_ + 1)};
    case kLongText:
      return 5 + std::size_t{load<std::uint32_t>(at_ + 1)};
    case kEnds:
      return kEndsBytes + Item(at_ + kEndsBytes).size();
    default:
      return 9;
  }
}

std::int64_t Item::until() const {
  std::int64_t unix_ms = 0;
  std::memcpy(&unix_ms, at_ + 1, kEndsBytes - 1);
  return unix_ms;
}

std::int64_t Item::number() const {
  const std::uint8_t tag = this->tag();
  if (tag < kNumber) return tag - kSmallNumber;
  const unsigned bytes = tag - kNumber;
  std::int64_t number = 0;
  std::memcpy(&number, at_ + 1, bytes);
  const unsigned unused = 64 - 8 * bytes;
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(number) << unused) >> unused;
}

std::string_view Item::text(ItemDigits& digits) const {
  const std::uint8_t tag = this->tag();
  if (tag < kSmallNumber) return {at_ + 1, tag};
  if (tag < kShortText) {
    const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number());
    return {digits.data(), static_cast<std::size_t>(end - digits.data())};
  }
  switch (tag) {
    case kShortText:
      return {at_ + 3, load<std::uint16_t>(at_ + 1)};
    case kLongText:
      return {at_ + 5, load<std::uint32_t>(at_ + 1)};
    default:
      return {static_cast<const char*>(Cage::at(place())), length()};
  }
}

std::size_t Item::text_bytes() const {
  ItemDigits digits;
  return text(digits).size();
}

double Item::score() const {
  return tag() == kScore ? load<double>(at_ + 1) : static_cast<double>(number());
}

std::uint64_t Item::order() const {
  if (is_number()) return order_of(number());
  ItemDigits digits;
  return order_of(text(digits));
}

Packed::Packed(std::string_view text) {
  if (const auto number = number_of(text)) {
    put_number(*number);
    return;
  }
  tail_ = text;
  if (text.size() <= kLongestHere) {
    head_[0] = static_cast<char>(text.size());
    head_bytes_ = 1;
  } else if (text.size() <= 0xffff) {
    put(Item::kShortText, static_cast<std::uint16_t>(text.size()));
  } else {
    put(Item::kLongText, static_cast<std::uint32_t>(text.size()));
  }
}

Packed Packed::score(double score) {
  constexpr double kExact = 9007199254740992;  // 2^53: to here every whole number is one
  Packed packed;
  const bool whole = std::abs(score) <= kExact && std::trunc(score) == score;
  if (whole) {  // -0 as 0, as Redis keeps it
    packed.put_number(static_cast<std::int64_t>(score));
  } else {
    packed.put(Item::kScore, score);
  }
  return packed;
}

Packed Packed::until(std::int64_t unix_ms) {
  Packed packed;
  packed.head_[0] = static_cast<char>(Item::kEnds);
  std::memcpy(packed.head_.data() + 1, &unix_ms, Item::kEndsBytes - 1);
  packed.head_bytes_ = Item::kEndsBytes;
  return packed;
}

Packed Packed::elsewhere(Ref place, std::uint32_t length) {
  Packed packed;
  packed.put(Item::kElsewhere, length);
  std::memcpy(packed.head_.data() + packed.head_bytes_, &place, sizeof(place));
  packed.head_bytes_ += sizeof(place);
  return packed;
}

void Packed::put_number(std::int64_t number) {
  if (number >= 0 && number <= kLargestSmall) {
    head_[0] = static_cast<char>(Item::kSmallNumber + number);
    head_bytes_ = 1;
    return;
  }
  const auto magnitude = static_cast<std::uint64_t>(number < 0 ? ~number : number);
  const unsigned bytes = static_cast<unsigned>(std::bit_width(magnitude)) / 8 + 1;  // with the sign's bit
  head_[0] = static_cast<char>(Item::kNumber + bytes);
  std::memcpy(head_.data() + 1, &number, bytes);
  head_bytes_ = static_cast<std::uint8_t>(1 + bytes);
}

bool Packed::is_number() const {
  return Item(head_.data()).is_number();
}

bool Packed::is_elsewhere_at(const char* at) const {
  ItemDigits digits;
  return !is_number() && Item(at).length() == tail_.size() && Item(at).text(digits) == tail_;
}

std::uint64_t Packed::order() const {
  return is_number() ? order_of(Item(head_.data()).number()) : order_of(tail_);
}

std::uint64_t score_order(double score) {
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63;
  const auto bits = std::bit_cast<std::uint64_t>(score == 0 ? 0.0 : score);  // -0 ranks as 0
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

}  // namespace forebay::memory
