#pragma once

// A text as collections keep it: with its length before it, or as a number where it is one.
//
//   first byte       means
//   0x00 to 0xbf     a text of so many bytes, which follow
//   0xc0 to 0xdf     a number, 0 to 31
//   0xe1 to 0xe8     a number in 1 to 8 bytes, which follow, lowest first
//   0xf0, 0xf1       a text; its length in 2 or 4 bytes and the text follow
//   0xf2             a text that lies elsewhere; its length and its Ref follow, 4 bytes each
//   0xf3             a score that is no whole number: 8 bytes follow
//   0xf4             the value of a field that ends: when, 6 bytes, and an item of the value follow
//
// A text that is a number in the one form in which it would be printed ("12", not "012") is kept as that
// number, and in the shortest form that there is. So equal texts have equal bytes.
//
// Only our own code writes items, and nothing from outside is read as one: the functions check nothing.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "memory/arena/cage.h"

namespace forebay::memory {

// Room for a number as text.
using ItemDigits = std::array<char, 24>;

class Packed;

// An item where it lies.
class Item {
 public:
  explicit Item(const char* at) : at_(at) {}

  std::size_t size() const;  // bytes that it takes where it lies
  const char* end() const { return at_ + size(); }
  // Its text, which for a number is written to `digits`.
  std::string_view text(ItemDigits& digits) const;
  std::size_t text_bytes() const;
  bool is_number() const { return tag() >= kSmallNumber && tag() < kShortText; }
  std::int64_t number() const;  // requires is_number()
  double score() const;         // requires an item that Packed::score() made
  bool is_elsewhere() const { return tag() == kElsewhere; }
  // Where a text lies that lies elsewhere, and its length. Requires is_elsewhere().
  Ref place() const { return load<Ref>(at_ + 5); }
  std::uint32_t length() const { return load<std::uint32_t>(at_ + 1); }
  // What an item that says when it ends has before the value.
  static constexpr std::size_t kEndsBytes = 7;
  // Whether it says when it ends. Then inside() is the value, and of all functions here only size() and end() are for
  // this one.
  bool ends() const { return tag() == kEnds; }
  // When, in milliseconds of Unix time. Requires ends().
  std::int64_t until() const;
  Item inside() const { return ends() ? Item(at_ + kEndsBytes) : *this; }
  const char* where() const { return at_; }
  // Whether it is of this text.
  bool is(const Packed& text) const;
  // By which hash order is kept (tree.h): 48 bits of a hash of what it means, wherever it lies.
  std::uint64_t order() const;

 private:
  friend class Packed;
  enum : std::uint8_t {
    kSmallNumber = 0xc0,
    kNumber = 0xe0,
    kShortText = 0xf0,
    kLongText = 0xf1,
    kElsewhere = 0xf2,
    kScore = 0xf3,
    kEnds = 0xf4,
  };
  template <class T>
  static T load(const char* at) {
    T value;
    std::memcpy(&value, at, sizeof(T));
    return value;
  }
  std::uint8_t tag() const { return static_cast<std::uint8_t>(*at_); }

  const char* at_;
};

// A text as an item to be. Borrows the text.
class Packed {
 public:
  explicit Packed(std::string_view text);
  // A score, which is no NaN.
  static Packed score(double score);
  // What stands before the value of a field that ends then: from 0 to 2^48 - 1.
  static Packed until(std::int64_t unix_ms);
  // A text that has been put elsewhere.
  static Packed elsewhere(Ref place, std::uint32_t length);

  std::size_t size() const { return head_bytes_ + tail_.size(); }
  void append_to(std::string& out) const { out.append(head_.data(), head_bytes_).append(tail_); }
  // Whether the item at `at` is of the same text.
  bool is(const char* at) const {
    // Items that begin alike have heads of one length, so that no byte behind the item is looked at.
    if (*at == head_[0])
      return std::memcmp(at, head_.data(), head_bytes_) == 0 &&
             std::string_view(at + head_bytes_, tail_.size()) == tail_;
    return Item(at).is_elsewhere() && is_elsewhere_at(at);
  }
  bool is_number() const;
  std::uint64_t order() const;

 private:
  Packed() = default;
  bool is_elsewhere_at(const char* at) const;
  template <class T>
  void put(std::uint8_t tag, T value) {
    head_[0] = static_cast<char>(tag);
    std::memcpy(head_.data() + 1, &value, sizeof(T));
    head_bytes_ = 1 + sizeof(T);
  }
  void put_number(std::int64_t number);

  std::array<char, 9> head_{};
  std::uint8_t head_bytes_ = 0;
  std::string_view tail_;
};

inline bool Item::is(const Packed& text) const {
  return text.is(at_);
}

// Scores as numbers in the same order.
std::uint64_t score_order(double score);

}  // namespace forebay::memory
