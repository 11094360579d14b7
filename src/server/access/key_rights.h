#pragma once

// What a command does with each of its keys: which of `%R~` and `%W~` its user needs for them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "forebay/function_ref.h"

namespace forebay::server {

struct Command;

namespace access {

using Rights = std::uint8_t;
inline constexpr Rights kNoRights =
    0;  // only tells that a key is there, or how large it is: any pattern will do
inline constexpr Rights kRead = 1;
inline constexpr Rights kWrite = 2;
inline constexpr Rights kReadAndWrite = kRead | kWrite;

// Which keys a command has, and what for.
struct KeyRule {
  enum class Where : std::uint8_t {
    kRow,        // as its row in the table says
    kThird,      // the third argument
    kFromThird,  // all from the fourth argument on
    kCounted,    // scripts: as many as the third argument says
  };
  enum class Options : std::uint8_t { kNone, kSet, kBitfield };  // whose options change what it does

  Where where = Where::kRow;
  Rights first = kRead;
  Rights others = kRead;  // the keys after the first
  Options options = Options::kNone;
};

// Of a command, or of a container's subcommand (empty: none).
KeyRule key_rule(const Command& command, std::string_view subcommand);

// Calls `visit` with the place of each key among the arguments and the rights that it needs.
void visit_key_rights(const Command& command, const KeyRule& rule, std::span<const std::string_view> args,
                      FunctionRef<void(std::size_t at, Rights rights)> visit);

}  // namespace access
}  // namespace forebay::server
