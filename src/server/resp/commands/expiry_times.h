#pragma once

// When a key shall expire, as commands say it and as entries hold it.

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// EX, PX, EXAT, PXAT.
enum class TimeUnit : std::uint8_t { kSeconds, kMilliseconds };
enum class TimeBase : std::uint8_t { kNow, kEpoch };

// The instant that a SET-like command's expiry argument means. Answers Redis's error (not an integer; not
// positive or out of range: "invalid expire time in '…' command") and returns nothing if it means none.
std::optional<Instant> parse_expiry(Context& context, std::string_view argument, TimeUnit unit,
                                    TimeBase base);

// "ERR invalid expire time in '…' command" for the running command.
void answer_invalid_expiry(Context& context);

// The instant `milliseconds` after `base`; later than the clock can tell: the last instant before kNever.
Instant to_instant(Context& context, std::int64_t milliseconds, TimeBase base);

// When a reader stops being served this copy without a look at the source. kNever: not by time.
Instant deadline(const Stamp& stamp);
// `base`: what it was given against. A time since the epoch moves when the wall clock is stepped.
void set_deadline(Stamp& stamp, Instant at, TimeBase base);
// As another entry has it.
void copy_deadline(Stamp& stamp, const Stamp& from);

}  // namespace forebay::server
