// When single fields of a plain key's hash end: HEXPIRE and its like, as Redis 7.4 has them.
//
// A field's end is a moment of the wall clock. One whose time has come is gone for every command on hashes, which drop
// it when they come by; those by which nobody comes are dropped by HashUpkeep.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "memory/collection/fields.h"
#include "server/hash_upkeep.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/hashes_plain.h"
#include "server/resp/commands/registry.h"
#include "server/server.h"

namespace forebay::server {
namespace {

using memory::Fields;
constexpr std::int64_t kLatest = (std::int64_t{1} << 46) - 1;  // milliseconds of Unix time, as in Redis
constexpr std::int64_t kNoField = -2;
constexpr std::int64_t kStays = -1;

// The fields behind `FIELDS <number>` from args[at] on. Nothing: an error has been answered.
std::optional<std::span<const std::string_view>> parse_fields(Context& context, std::size_t at,
                                                              std::string_view no_number) {
  std::string_view error;
  const auto args = context.args;
  if (!equals_ignoring_case(args[at], "fields")) {
    error = "ERR Mandatory argument FIELDS is missing or not at the right position";
  } else if (const auto number = at + 1 < args.size() ? parse_integer(args[at + 1]) : std::nullopt;
             !number || *number < 1) {
    error = no_number;
  } else if (static_cast<std::size_t>(*number) != args.size() - at - 2) {
    error = "ERR The `numfields` parameter must match the number of arguments";
  }
  if (error.empty()) return args.subspan(at + 2);
  context.reply.error(error);
  return std::nullopt;
}

void write_all(Context& context, const std::vector<std::int64_t>& answers) {
  context.reply.array(answers.size());
  for (const std::int64_t answer : answers) context.reply.integer(answer);
}

enum class Unit : std::uint8_t { kSeconds, kMilliseconds };
enum class Since : std::uint8_t { kNow, kEpoch };

// As Redis checks it. Nothing: an error has been answered.
std::optional<std::int64_t> parse_end(Context& context, Unit unit, Since since, std::int64_t now_ms) {
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  const auto number = parse_integer(context.args[2]);
  if (!number) return refuse(kNotAnInteger);
  if (*number < 0) return refuse("ERR invalid expire time, must be >= 0");
  const std::int64_t factor = unit == Unit::kSeconds ? 1000 : 1;
  const std::int64_t base = since == Since::kNow ? now_ms : 0;
  if (*number > kLatest / factor || *number * factor > kLatest - base)
    return refuse("ERR invalid expire time in '" + std::string(command_name(context)) + "' command");
  return base + *number * factor;
}

enum class If : std::uint8_t { kAlways, kNone, kSome, kLater, kEarlier };

If parse_condition(std::string_view word) {
  constexpr std::pair<std::string_view, If> kWords[] = {
      {"nx", If::kNone}, {"xx", If::kSome}, {"gt", If::kLater}, {"lt", If::kEarlier}};
  for (const auto& [name, condition] : kWords) {
    if (equals_ignoring_case(word, name)) return condition;
  }
  return If::kAlways;
}

// A field that stays ends later than any other.
bool holds(If condition, std::optional<std::int64_t> before, std::int64_t end) {
  switch (condition) {
    case If::kAlways:
      break;
    case If::kNone:
      return !before;
    case If::kSome:
      return before.has_value();
    case If::kLater:
      return before && end > *before;
    case If::kEarlier:
      return !before || end < *before;
  }
  return true;
}

template <Unit unit, Since since>
void hexpire(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  // Redis looks at the key's type first.
  if (plain::see_fields(context, [](const Fields&) {}) == Seen::kRefused) return;
  const std::int64_t now_ms = context.layer.clock().to_wall_ms(context.now);
  const auto end = parse_end(context, unit, since, now_ms);
  if (!end) return;
  const If condition = parse_condition(context.args[3]);
  const auto names = parse_fields(context, condition == If::kAlways ? 3 : 4,
                                  "ERR Parameter `numFields` should be greater than 0");
  if (!names) return;
  std::vector<std::int64_t> answers(names->size(), kNoField);
  // A large hash keeps their names in the order of their ends, too.
  const Growth growth{names->size(), bytes_of_arguments(context, 3)};
  const bool done = plain::edit_fields(context, Missing::kStays, growth, [&](Fields& fields) {
    bool changed = false;
    for (std::size_t i = 0; i < names->size(); ++i) {
      const std::string_view name = (*names)[i];
      if (!fields.has(name)) continue;
      const bool applies = holds(condition, fields.until(name), *end);
      answers[i] = !applies ? 0 : *end <= now_ms ? 2 : 1;
      if (!applies) continue;
      changed = true;
      if (*end <= now_ms) {
        fields.erase(name);
      } else {
        fields.set_until(name, *end);
      }
    }
    return changed;
  });
  if (!done) return;
  context.server.hash_upkeep().expect();
  write_all(context, answers);
}

// What is said of a field that ends then.
template <class Say>
void say(Context& context, Say say_end) {
  if (refuse_bound(context, context.args[1])) return;
  const Seen type = plain::see_fields(context, [](const Fields&) {});
  if (type == Seen::kRefused) return;
  const auto names = parse_fields(context, 2, "ERR Number of fields must be a positive integer");
  if (!names) return;
  std::vector<std::int64_t> answers(names->size(), kNoField);
  const Seen seen = plain::see_fields(context, [&](const Fields& fields) {
    for (std::size_t i = 0; i < names->size(); ++i) {
      const auto until = fields.until((*names)[i]);
      if (fields.has((*names)[i])) answers[i] = until ? say_end(*until) : kStays;
    }
  });
  if (seen != Seen::kRefused) write_all(context, answers);
}

template <Unit unit, Since since>
void httl(Context& context) {
  const std::int64_t base = since == Since::kNow ? context.layer.clock().to_wall_ms(context.now) : 0;
  say(context, [&](std::int64_t until) {
    return unit == Unit::kSeconds ? (until - base + 999) / 1000 : until - base;
  });
}

void hpersist(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  if (plain::see_fields(context, [](const Fields&) {}) == Seen::kRefused) return;
  const auto names = parse_fields(context, 2, "ERR Number of fields must be a positive integer");
  if (!names) return;
  std::vector<std::int64_t> answers(names->size(), kNoField);
  const bool done = plain::edit_fields(context, Missing::kStays, {}, [&](Fields& fields) {
    bool changed = false;
    for (std::size_t i = 0; i < names->size(); ++i) {
      const std::string_view name = (*names)[i];
      if (!fields.has(name)) continue;
      answers[i] = fields.until(name) ? 1 : kStays;
      if (answers[i] != 1) continue;
      fields.set_until(name, std::nullopt);
      changed = true;
    }
    return changed;
  });
  if (done) write_all(context, answers);
}

constexpr std::uint32_t kExpire = kWrite | kDenyOom | kFast;
constexpr std::uint32_t kTell = kReadonly | kConcurrent | kFast;

constexpr Command kCommands[] = {
    {"hexpire", -6, kExpire, 1, 1, 1, hexpire<Unit::kSeconds, Since::kNow>,
     "Set expiry for hash field using relative time to expire (seconds)", "7.4.0", "hash"},
    {"hpexpire", -6, kExpire, 1, 1, 1, hexpire<Unit::kMilliseconds, Since::kNow>,
     "Set expiry for hash field using relative time to expire (milliseconds)", "7.4.0", "hash"},
    {"hexpireat", -6, kExpire, 1, 1, 1, hexpire<Unit::kSeconds, Since::kEpoch>,
     "Set expiry for hash field using an absolute Unix timestamp (seconds)", "7.4.0", "hash"},
    {"hpexpireat", -6, kExpire, 1, 1, 1, hexpire<Unit::kMilliseconds, Since::kEpoch>,
     "Set expiry for hash field using an absolute Unix timestamp (milliseconds)", "7.4.0", "hash"},
    {"httl", -5, kTell, 1, 1, 1, httl<Unit::kSeconds, Since::kNow>,
     "Returns the TTL in seconds of a hash field.", "7.4.0", "hash"},
    {"hpttl", -5, kTell, 1, 1, 1, httl<Unit::kMilliseconds, Since::kNow>,
     "Returns the TTL in milliseconds of a hash field.", "7.4.0", "hash"},
    {"hexpiretime", -5, kTell, 1, 1, 1, httl<Unit::kSeconds, Since::kEpoch>,
     "Returns the expiration time of a hash field as a Unix timestamp, in seconds.", "7.4.0", "hash"},
    {"hpexpiretime", -5, kTell, 1, 1, 1, httl<Unit::kMilliseconds, Since::kEpoch>,
     "Returns the expiration time of a hash field as a Unix timestamp, in msec.", "7.4.0", "hash"},
    {"hpersist", -5, kWrite | kFast, 1, 1, 1, hpersist,
     "Removes the expiration time for each specified field", "7.4.0", "hash"},
};

}  // namespace

Family hash_expiry_commands() {
  return kCommands;
}

}  // namespace forebay::server
