#pragma once

// Reads bytes of MySQL's binary log from their beginning to their end.
//
// What is asked for beyond the end is zero or empty, and good() is false from then on: who reads asks once, at the end.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace forebay::feed::mysql {

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  bool good() const { return good_; }
  std::string_view rest() const { return rest_; }

  // A number of so many bytes, at most 8, the lowest first.
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    const std::string_view taken = take(bytes);
    for (std::size_t i = taken.size(); i > 0; --i)
      value = value << 8 | static_cast<std::uint8_t>(taken[i - 1]);
    return value;
  }
  // The same, the highest first.
  std::uint64_t number_high_first(std::size_t bytes) {
    std::uint64_t value = 0;
    for (const char byte : take(bytes)) value = value << 8 | static_cast<std::uint8_t>(byte);
    return value;
  }
  // A number in as many bytes as it needs. The protocol's mark of no value is none.
  std::uint64_t packed_number() {
    const std::uint64_t first = number(1);
    switch (first) {
      case 0xfb:
      case 0xff:
        good_ = false;
        return 0;
      case 0xfc:
        return number(2);
      case 0xfd:
        return number(3);
      case 0xfe:
        return number(8);
      default:
        return first;
    }
  }
  std::string_view take(std::uint64_t bytes) {
    if (bytes > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }

 private:
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace forebay::feed::mysql
