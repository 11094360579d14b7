#pragma once

// How much a source may return at once. A query that grew with its table, or one row with a value of a
// gigabyte, must not take the memory of all others.

#include <cstddef>

#include "forebay/result.h"

namespace forebay::source {

// Of one load, bytes. A load of several keys that exceeds it is refused, and asked for in parts.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;

inline Error answer_too_large() {
  return {ErrorCode::kRefused, "the answer is larger than 64 MiB"};
}

}  // namespace forebay::source
