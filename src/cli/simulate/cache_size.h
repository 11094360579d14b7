#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "forebay/result.h"

namespace forebay::cli::simulate {

// How large a simulated cache is, as the command line says it: entries (`20000`), bytes (`64MiB`), or a share
// of the trace's unique keys (`0.1%`), each entry counting 1.
class CacheSize {
 public:
  enum class Unit : std::uint8_t { kEntries, kBytes, kShare };

  // kInvalidArgument for what is no such text, for zero, and for a share above 100%.
  static Result<CacheSize> parse(std::string_view text);

  const std::string& text() const { return text_; }  // as it was given
  Unit unit() const { return unit_; }
  // Entries or bytes; of a share: the largest whole number of entries that is no more than the share of
  // `unique_keys`, exactly. May be 0 then.
  std::uint64_t amount(std::uint64_t unique_keys) const;

 private:
  CacheSize(std::string_view text, Unit unit, std::uint64_t number)
      : text_(text), unit_(unit), number_(number) {}

  std::string text_;
  Unit unit_;
  std::uint64_t number_;  // of a share: in millionths of a percent
};

}  // namespace forebay::cli::simulate
