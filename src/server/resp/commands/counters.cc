#include "server/resp/commands/counters.h"

#include <cmath>
#include <limits>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/session.h"

namespace forebay::server {
namespace {

constexpr std::string_view kNotFinite = "ERR increment would produce NaN or Infinity";
constexpr std::string_view kOverflow = "ERR increment or decrement would overflow";

bool refuse_no_counter(Context& context, const NamespaceInfo& space, std::string_view for_rows) {
  if (space.kind == ValueKind::kCounter) return false;
  std::string text = "ERR keys of namespace '" + space.name + "' are no counters";
  if (space.type == EntryType::kRow) text.append("; ").append(for_rows).append(" raises a column of a row");
  context.reply.error(text);
  return true;
}

// A counter as Redis writes it, which knows no exponents.
std::string redis_number(const std::string& text) {
  if (text.find_first_of("eE") == std::string::npos) return text;
  const auto number = parse_float(text);
  return number ? format_float(*number) : text;
}

void add_float_bound(Context& context, const NamespaceInfo& space) {
  if (refuse_no_counter(context, space, "HINCRBYFLOAT")) return;
  const auto amount = parse_float(context.args[2]);
  if (!amount) return context.reply.error(kNotAFloat);
  if (std::isinf(*amount)) return context.reply.error(kNotFinite);
  Add add{space.value_column, format_float(*amount), true};
  write_source(context, context.args[1], std::move(add), [](resp::Writer& reply, const WriteAnswer& answer) {
    reply.bulk(redis_number(answer.added.value_or("")));
  });
}

// The number is raised in the database, so that nobody's increment is lost.
void add_bound(Context& context, const NamespaceInfo& space, std::int64_t amount) {
  if (refuse_no_counter(context, space, "HINCRBY")) return;
  if (context.op_id.empty()) {
    if (const auto answer = context.layer.add_at_once(context.args[1], amount, context.now)) {
      context.reply.integer(answer->number);
      if (answer->ticket != 0) context.session.control().hold_reply(answer->ticket);
      return;
    }
  }
  Add add{space.value_column, std::to_string(amount), false};
  write_source(context, context.args[1], std::move(add), [](resp::Writer& reply, const WriteAnswer& answer) {
    const auto number = parse_integer(answer.added.value_or(""));
    if (!number) return reply.error("INTERNAL the source's answer to the addition is no integer");
    reply.integer(*number);
  });
}

void add(Context& context, std::int64_t amount) {
  const std::string_view key = context.args[1];
  const NamespaceInfo& space = context.layer.route(key);
  if (space.bound) return add_bound(context, space, amount);
  if (refuse_op_id(context)) return;
  const Stamp fresh = context.layer.stamp_for(key, context.now);
  std::string_view refusal;
  std::optional<std::int64_t> sum;
  std::string text;  // outlives update(), which copies from it
  const PutOutcome outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    if (entry != nullptr && is_collection(*entry)) {
      refusal = kWrongType;
      return Change::keep();
    }
    const auto old = entry == nullptr ? std::optional<std::int64_t>(0) : parse_integer(payload(*entry));
    if (!old) {
      refusal = kNotAnInteger;
      return Change::keep();
    }
    sum = checked_add(*old, amount);
    if (!sum) {
      refusal = kOverflow;
      return Change::keep();
    }
    text = std::to_string(*sum);
    Stamp stamp = entry == nullptr ? fresh : entry->stamp();
    stamp.edited = false;
    return Change::replace(text, stamp, EntryType::kCounter);
  });
  if (!refusal.empty()) return context.reply.error(refusal);
  if (stored_or_error(context, outcome)) context.reply.integer(*sum);
}

constexpr Command kCommands[] = {
    {"incr", 2, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, incr,
     "Increments the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
     "1.0.0", "string"},
    {"decr", 2, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, decr,
     "Decrements the integer value of a key by one. Uses 0 as initial value if the key doesn't exist.",
     "1.0.0", "string"},
    {"incrby", 3, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, incrby,
     "Increments the integer value of a key by a number. Uses 0 as initial value if the key doesn't exist.",
     "1.0.0", "string"},
    {"decrby", 3, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, decrby,
     "Decrements a number from the integer value of a key. Uses 0 as initial value if the key doesn't exist.",
     "1.0.0", "string"},
    {"incrbyfloat", 3, kWrite | kDenyOom | kFast | kOnce, 1, 1, 1, incrbyfloat,
     "Increment the floating point value of a key by a number. Uses 0 as initial value if the key doesn't "
     "exist.",
     "2.6.0", "string"},
};

}  // namespace

void incr(Context& context) {
  add(context, 1);
}

void decr(Context& context) {
  add(context, -1);
}

void incrby(Context& context) {
  const auto amount = parse_integer(context.args[2]);
  if (!amount) return context.reply.error(kNotAnInteger);
  add(context, *amount);
}

void decrby(Context& context) {
  const auto amount = parse_integer(context.args[2]);
  if (!amount) return context.reply.error(kNotAnInteger);
  if (*amount == std::numeric_limits<std::int64_t>::min()) {
    return context.reply.error("ERR decrement would overflow");
  }
  add(context, -*amount);
}

void incrbyfloat(Context& context) {
  const std::string_view key = context.args[1];
  if (const NamespaceInfo& space = context.layer.route(key); space.bound)
    return add_float_bound(context, space);
  if (refuse_op_id(context)) return;
  const Stamp fresh = context.layer.stamp_for(key, context.now);
  std::string_view refusal;
  std::string text;  // outlives update(), which copies from it
  const PutOutcome outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    if (entry != nullptr && is_collection(*entry)) {
      refusal = kWrongType;
      return Change::keep();
    }
    const auto old = entry == nullptr ? std::optional<long double>(0) : parse_float(payload(*entry));
    const auto amount = parse_float(context.args[2]);
    if (!old || !amount) {
      refusal = kNotAFloat;
      return Change::keep();
    }
    const long double sum = *old + *amount;
    if (std::isnan(sum) || std::isinf(sum)) {
      refusal = kNotFinite;
      return Change::keep();
    }
    text = format_float(sum);
    return Change::replace(text, entry == nullptr ? fresh : entry->stamp(), EntryType::kCounter);
  });
  if (!refusal.empty()) return context.reply.error(refusal);
  if (stored_or_error(context, outcome)) context.reply.bulk(text);
}

Family counter_commands() {
  return kCommands;
}

}  // namespace forebay::server
