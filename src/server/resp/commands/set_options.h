#pragma once

// The options of SET and GETEX.

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/resp/commands/command.h"
#include "server/resp/commands/expiry_times.h"

namespace forebay::server {

struct SetOptions {
  enum class Condition : std::uint8_t { kAlways, kIfAbsent, kIfPresent };  // NX, XX
  enum class Expiry : std::uint8_t {
    kDefault,
    kAt,
    kKeep,
    kPersist
  };  // -, EX and its kind, KEEPTTL, PERSIST
  Condition condition = Condition::kAlways;
  Expiry expiry = Expiry::kDefault;
  bool get = false;
  Instant at{};  // kAt, once resolve_expiry() has read `time`
  std::string_view time;
  TimeUnit unit = TimeUnit::kSeconds;
  TimeBase base = TimeBase::kNow;
};

// Parse the options from args[first] on: of SET NX XX GET KEEPTTL EX PX EXAT PXAT, of GETEX PERSIST EX PX EXAT
// PXAT. If they are not valid, the functions answer the error and return nothing.
std::optional<SetOptions> parse_set_options(Context& context, std::size_t first);
std::optional<SetOptions> parse_getex_options(Context& context, std::size_t first);

// Sets `at`; false: the time is no valid one, and the error has been answered. Apart from parsing because
// GETEX looks for its key in between.
bool resolve_expiry(Context& context, SetOptions& options);

}  // namespace forebay::server
