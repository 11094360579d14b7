#include "server/resp/commands/expiry_times.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"

namespace forebay::server {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
constexpr Instant kLast = kNever - Duration(1);

}  // namespace

void answer_invalid_expiry(Context& context) {
  context.reply.error("ERR invalid expire time in '" + std::string(command_name(context)) + "' command");
}

Instant to_instant(Context& context, std::int64_t milliseconds, TimeBase base) {
  if (base == TimeBase::kEpoch) return std::min(context.layer.clock().from_wall_ms(milliseconds), kLast);
  constexpr std::int64_t kNanosecondsPerMs = 1'000'000;
  if (milliseconds > kMost / kNanosecondsPerMs) return kLast;
  if (milliseconds < -(kMost / kNanosecondsPerMs)) return Instant::min();
  return std::min(saturating_add(context.now, std::chrono::milliseconds(milliseconds)), kLast);
}

std::optional<Instant> parse_expiry(Context& context, std::string_view argument, TimeUnit unit,
                                    TimeBase base) {
  const auto number = parse_integer(argument);
  if (!number) {
    context.reply.error(kNotAnInteger);
    return std::nullopt;
  }
  std::int64_t milliseconds = *number;
  bool valid = milliseconds > 0;
  if (valid && unit == TimeUnit::kSeconds) {
    valid = milliseconds <= kMost / 1000;
    if (valid) milliseconds *= 1000;
  }
  if (valid && base == TimeBase::kNow) {
    valid = checked_add(milliseconds, context.layer.clock().to_wall_ms(context.now)).has_value();
  }
  if (!valid) {
    answer_invalid_expiry(context);
    return std::nullopt;
  }
  return to_instant(context, milliseconds, base);
}

Instant deadline(const Stamp& stamp) {
  return std::min(stamp.expires, stamp.fresh_until);
}

void set_deadline(Stamp& stamp, Instant at, TimeBase base) {
  stamp.expires = at;
  stamp.fresh_until = at;
  stamp.by_wall_clock = base == TimeBase::kEpoch && at != kNever;
}

void copy_deadline(Stamp& stamp, const Stamp& from) {
  set_deadline(stamp, deadline(from), from.by_wall_clock ? TimeBase::kEpoch : TimeBase::kNow);
}

}  // namespace forebay::server
