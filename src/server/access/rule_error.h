#pragma once

#include <cstdint>
#include <string_view>

namespace forebay::server::access {

// What is wrong with a word of a user's rules.
enum class RuleError : std::uint8_t {
  kNone,
  kUnknownCommand,
  kSyntax,
  kKeysAfterAll,
  kChannelsAfterAll,
  kNoSuchPassword,
  kBadHash,
  kFirstArgumentOfSubcommand,
  kPatternTooLong,
};

// As Redis says it.
std::string_view text_of(RuleError error);

}  // namespace forebay::server::access
