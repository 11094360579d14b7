#pragma once

// Glob patterns as KEYS, SCAN MATCH and purges by pattern take them.
//
// Syntax and quirks are Redis's: `*` any bytes, `?` one byte, `[abc]`, `[a-z]`, `[^x]` one byte of a set (an
// unclosed set ends with the pattern, a range may be given backwards), `\x` the byte x itself. Bytes, not
// characters.
//
// Redis matches by recursion, which a pattern of many stars drives into exponential time (CVE-2022-36021).
// Here the pattern is compiled once, and matching goes back to the last star only: what an earlier star could
// swallow, the last one can swallow as well. That bounds a match by |pattern| x |text| steps, and patterns
// are limited in length.

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "forebay/result.h"

namespace forebay {

// A compiled pattern. Immutable, so any number of threads may match with it.
class Glob {
 public:
  static constexpr std::size_t kMaxLength = 1024;  // bytes of a pattern

  // kInvalidArgument: the pattern is longer than kMaxLength. Every shorter text is a pattern. O(|pattern|).
  static Result<Glob> compile(std::string_view pattern);

  bool matches(std::string_view text) const;

  // Whether it is a lone `*`.
  bool matches_everything() const { return steps_.size() == 1 && steps_[0].kind == Kind::kStar; }

 private:
  enum class Kind : std::uint8_t { kByte, kAny, kSet, kStar };
  struct Step {
    Kind kind;
    unsigned char byte = 0;  // kByte
    std::uint16_t set = 0;   // kSet: index into sets_
  };

  bool step_matches(const Step& step, unsigned char byte) const;
  std::size_t compile_set(std::string_view pattern, std::size_t at);

  std::vector<Step> steps_;
  std::vector<std::bitset<256>> sets_;
};

}  // namespace forebay
