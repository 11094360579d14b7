#include <algorithm>
#include <chrono>
#include <limits>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/expiry_times.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

using std::chrono::milliseconds;

struct ExpireConditions {
  bool only_without = false;  // NX
  bool only_with = false;     // XX
  bool only_later = false;    // GT
  bool only_sooner = false;   // LT
};

std::optional<ExpireConditions> parse_conditions(Context& context) {
  ExpireConditions conditions;
  for (std::string_view word : context.args.subspan(3)) {
    if (equals_ignoring_case(word, "nx")) {
      conditions.only_without = true;
    } else if (equals_ignoring_case(word, "xx")) {
      conditions.only_with = true;
    } else if (equals_ignoring_case(word, "gt")) {
      conditions.only_later = true;
    } else if (equals_ignoring_case(word, "lt")) {
      conditions.only_sooner = true;
    } else {
      context.reply.error("ERR Unsupported option " + std::string(word));
      return std::nullopt;
    }
  }
  if (conditions.only_without && (conditions.only_with || conditions.only_later || conditions.only_sooner)) {
    context.reply.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (conditions.only_later && conditions.only_sooner) {
    context.reply.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return conditions;
}

// No expiry counts as the latest of all. Compared in milliseconds, as expiries are kept.
bool conditions_hold(const ExpireConditions& conditions, Instant current, Instant wanted) {
  const bool limited = current != kNever;
  if (conditions.only_without && limited) return false;
  if (conditions.only_with && !limited) return false;
  // Not turned back into instants: the earliest of those is no whole millisecond.
  const auto now_at = std::chrono::floor<milliseconds>(current.time_since_epoch());
  const auto then_at = std::chrono::floor<milliseconds>(wanted.time_since_epoch());
  if (conditions.only_later) return limited && then_at > now_at;
  return !conditions.only_sooner || !limited || then_at < now_at;
}

// The argument as an instant; unlike SET's it may lie in the past. Answers Redis's error otherwise.
std::optional<Instant> parse_when(Context& context, TimeUnit unit, TimeBase base) {
  const auto number = parse_integer(context.args[2]);
  if (!number) {
    context.reply.error(kNotAnInteger);
    return std::nullopt;
  }
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  std::int64_t ms = *number;
  bool valid = true;
  if (unit == TimeUnit::kSeconds) {
    valid = ms <= kMost / 1000 && ms >= kLeast / 1000;
    if (valid) ms *= 1000;
  }
  if (valid && base == TimeBase::kNow) valid = ms <= kMost - context.layer.clock().to_wall_ms(context.now);
  if (!valid) {
    answer_invalid_expiry(context);
    return std::nullopt;
  }
  return to_instant(context, ms, base);
}

template <TimeUnit unit, TimeBase base>
void expire(Context& context) {
  const auto conditions = parse_conditions(context);
  if (!conditions) return;
  const auto when = parse_when(context, unit, base);
  if (!when) return;
  bool done = false;
  context.layer.update(context.args[1], context.now, [&](const EntryView* entry) {
    if (entry == nullptr || entry->stamp().negative) return Change::keep();
    if (!conditions_hold(*conditions, deadline(entry->stamp()), *when)) return Change::keep();
    done = true;
    if (*when <= context.now) return Change::erase();
    Stamp stamp = entry->stamp();
    set_deadline(stamp, *when, base);
    return Change::restamp(stamp);
  });
  context.reply.integer(done ? 1 : 0);
}

void persist(Context& context) {
  bool done = false;
  context.layer.update(context.args[1], context.now, [&](const EntryView* entry) {
    if (entry == nullptr || entry->stamp().negative || deadline(entry->stamp()) == kNever)
      return Change::keep();
    done = true;
    Stamp stamp = entry->stamp();
    set_deadline(stamp, kNever, TimeBase::kNow);
    return Change::restamp(stamp);
  });
  context.reply.integer(done ? 1 : 0);
}

enum class Asked : std::uint8_t { kRemaining, kMoment };

constexpr std::int64_t kNoKey = -2;
constexpr std::int64_t kNoExpiry = -1;

std::int64_t answer_deadline(Context& context, Instant at, TimeUnit unit, Asked asked) {
  if (at == kNever) return kNoExpiry;
  std::int64_t ms =
      asked == Asked::kMoment
          ? context.layer.clock().to_wall_ms(at)
          : std::chrono::ceil<milliseconds>(std::max(at - context.now, Duration::zero())).count();
  // Redis rounds what remains to the nearest second, and so do we; the other is exact where it was given in
  // seconds.
  if (unit == TimeUnit::kSeconds) ms = asked == Asked::kMoment ? ms / 1000 : (ms + 500) / 1000;
  return ms;
}

template <TimeUnit unit, Asked asked>
void ttl(Context& context) {
  std::int64_t answer = kNoKey;
  context.layer.peek(context.args[1], context.now, [&](const EntryView& entry) {
    if (!entry.stamp().negative) answer = answer_deadline(context, deadline(entry.stamp()), unit, asked);
  });
  context.reply.integer(answer);
}

constexpr auto kSeconds = TimeUnit::kSeconds;
constexpr auto kMilliseconds = TimeUnit::kMilliseconds;

constexpr Command kCommands[] = {
    {"expire", -3, kWrite | kFast, 1, 1, 1, expire<kSeconds, TimeBase::kNow>,
     "Sets the expiration time of a key in seconds.", "1.0.0", "generic"},
    {"pexpire", -3, kWrite | kFast, 1, 1, 1, expire<kMilliseconds, TimeBase::kNow>,
     "Sets the expiration time of a key in milliseconds.", "2.6.0", "generic"},
    {"expireat", -3, kWrite | kFast, 1, 1, 1, expire<kSeconds, TimeBase::kEpoch>,
     "Sets the expiration time of a key to a Unix timestamp.", "1.2.0", "generic"},
    {"pexpireat", -3, kWrite | kFast, 1, 1, 1, expire<kMilliseconds, TimeBase::kEpoch>,
     "Sets the expiration time of a key to a Unix milliseconds timestamp.", "2.6.0", "generic"},
    {"ttl", 2, kReadonly | kFast, 1, 1, 1, ttl<kSeconds, Asked::kRemaining>,
     "Returns the expiration time in seconds of a key.", "1.0.0", "generic"},
    {"pttl", 2, kReadonly | kFast, 1, 1, 1, ttl<kMilliseconds, Asked::kRemaining>,
     "Returns the expiration time in milliseconds of a key.", "2.6.0", "generic"},
    {"expiretime", 2, kReadonly | kFast, 1, 1, 1, ttl<kSeconds, Asked::kMoment>,
     "Returns the expiration time of a key as a Unix timestamp.", "7.0.0", "generic"},
    {"pexpiretime", 2, kReadonly | kFast, 1, 1, 1, ttl<kMilliseconds, Asked::kMoment>,
     "Returns the expiration time of a key as a Unix milliseconds timestamp.", "7.0.0", "generic"},
    {"persist", 2, kWrite | kFast, 1, 1, 1, persist, "Removes the expiration time of a key.", "2.2.0",
     "generic"},
};

}  // namespace

Family expiry_commands() {
  return kCommands;
}

}  // namespace forebay::server
