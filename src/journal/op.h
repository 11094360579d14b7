#pragma once

// What the journal keeps: one acknowledged write of one key.

#include <cstdint>
#include <string>
#include <string_view>

namespace forebay::journal {

struct Op {
  std::uint64_t seq = 0;  // given by the journal; without gaps
  std::uint32_t lane = 0;
  std::string source;
  std::string space;  // the namespace
  std::string key;
  std::string payload;  // effect.h: encode()
  // Unix time in ms at which it was appended, or at most some moments before; 0: not known.
  std::int64_t wall_ms = 0;
};

// The same, without its number and with texts that are somebody else's.
struct OpView {
  std::uint32_t lane = 0;
  std::string_view source;
  std::string_view space;
  std::string_view key;
  std::string_view payload;
  // What is to be remembered of it for longer than itself, below 4 GiB; the journal doesn't look into it.
  // Empty: nothing.
  std::string_view receipt = {};
  // A number that stands for its source and namespace, and no others as long as the journal is open; 0: none
  // does. It saves comparing the texts.
  std::uint32_t place = 0;
};

// What is remembered of an op, whether or not it is trimmed.
struct Receipt {
  std::uint64_t seq = 0;
  std::int64_t wall_ms = 0;  // Unix time in ms at which it was kept
  std::string bytes;
};

}  // namespace forebay::journal
