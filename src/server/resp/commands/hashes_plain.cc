#include "server/resp/commands/hashes_plain.h"

#include <cmath>
#include <limits>

#include "memory/collection/fields.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/hashes.h"
#include "server/resp/commands/registry.h"
#include "server/tracking/current_client.h"

namespace forebay::server::plain {
namespace {

using memory::Fields;

Seen see(Context& context, FunctionRef<void(const Fields&)> show) {
  return see_fields(context, show);
}

Item value_of(Item field) {
  return Fields::value_of(field);
}

// All fields, as an array or a map of what `write` writes of each.
template <class Write>
void write_all(Context& context, bool pairs, Write write) {
  const Seen seen = see(context, [&](const Fields& fields) {
    if (pairs) {
      context.reply.map(fields.size());
    } else {
      context.reply.array(fields.size());
    }
    fields.visit([&](Item field) {
      write(field);
      return true;
    });
  });
  if (seen != Seen::kNothing) return;
  if (pairs) {
    context.reply.map(0);
  } else {
    context.reply.array(0);
  }
}

bool edit(Context& context, Missing missing, Growth growth, FunctionRef<bool(Fields&)> change) {
  return edit_fields(context, missing, growth, change);
}

// What news of fields whose time has come say of who has done it.
constexpr Command kFieldsEnd{.name = "hexpired",
                             .arity = 0,
                             .flags = kWrite,
                             .first_key = 0,
                             .last_key = 0,
                             .key_step = 0,
                             .handler = nullptr,
                             .summary = "",
                             .since = "7.4.0",
                             .group = "hash"};

bool some_ended(const Fields& fields, std::int64_t now_ms) {
  const auto first = fields.first_end();
  return first && *first <= now_ms;
}

}  // namespace

std::size_t drop_ended_fields(Layer& layer, std::string_view key, Instant now, std::size_t most) {
  const CommandScope scope(0, kFieldsEnd, {});
  const std::int64_t now_ms = layer.clock().to_wall_ms(now);
  std::size_t erased = 0;
  edit_collection(layer, now, key, CollectionKind::kHash, Missing::kStays, {}, [&](Collection& all) {
    erased = Fields(all).erase_ended(now_ms, most);
    return erased != 0;
  });
  return erased;
}

Seen see_fields(Context& context, FunctionRef<void(const Fields&)> show) {
  const std::int64_t now_ms = context.layer.clock().to_wall_ms(context.now);
  const std::string_view key = context.args[1];
  for (;;) {
    bool ended = false;
    const Seen seen = see_collection(context, key, CollectionKind::kHash, [&](Collection& all) {
      const Fields fields(all);
      ended = all.may_end() && some_ended(fields, now_ms);
      if (!ended) show(fields);
    });
    if (!ended) return seen;
    drop_ended_fields(context.layer, key, context.now);
  }
}

bool edit_fields(Context& context, Missing missing, Growth growth, FunctionRef<bool(Fields&)> change) {
  const std::int64_t now_ms = context.layer.clock().to_wall_ms(context.now);
  const std::string_view key = context.args[1];
  for (;;) {
    bool ended = false;
    const bool done =
        edit_collection(context, key, CollectionKind::kHash, missing, growth, [&](Collection& all) {
          Fields fields(all);
          ended = all.may_end() && some_ended(fields, now_ms);
          return !ended && change(fields);
        });
    if (!ended) return done;
    drop_ended_fields(context.layer, key, context.now);
  }
}

void hget(Context& context) {
  const Seen seen = see(context, [&](const Fields& fields) {
    const auto value = fields.value(context.args[2]);
    if (!value) return context.reply.null();
    write_item(context.reply, *value);
  });
  if (seen == Seen::kNothing) context.reply.null();
}

void hmget(Context& context) {
  const auto names = context.args.subspan(2);
  const Seen seen = see(context, [&](const Fields& fields) {
    context.reply.array(names.size());
    for (const std::string_view name : names) {
      const auto value = fields.value(name);
      if (value) {
        write_item(context.reply, *value);
      } else {
        context.reply.null();
      }
    }
  });
  if (seen != Seen::kNothing) return;
  context.reply.array(names.size());
  for (std::size_t i = 0; i < names.size(); ++i) context.reply.null();
}

void hgetall(Context& context) {
  write_all(context, true, [&](Item field) {
    write_item(context.reply, field);
    write_item(context.reply, value_of(field));
  });
}

void hkeys(Context& context) {
  write_all(context, false, [&](Item field) { write_item(context.reply, field); });
}

void hvals(Context& context) {
  write_all(context, false, [&](Item field) { write_item(context.reply, value_of(field)); });
}

void hlen(Context& context) {
  const Seen seen = see(context, [&](const Fields& fields) { context.reply.integer(fields.size()); });
  if (seen == Seen::kNothing) context.reply.integer(0);
}

void hexists(Context& context) {
  const Seen seen =
      see(context, [&](const Fields& fields) { context.reply.integer(fields.has(context.args[2]) ? 1 : 0); });
  if (seen == Seen::kNothing) context.reply.integer(0);
}

void hstrlen(Context& context) {
  const Seen seen = see(context, [&](const Fields& fields) {
    const auto value = fields.value(context.args[2]);
    context.reply.integer(value ? static_cast<std::int64_t>(value->text_bytes()) : 0);
  });
  if (seen == Seen::kNothing) context.reply.integer(0);
}

void hscan(Context& context) {
  const auto scan = parse_collection_scan(context);
  if (!scan) return;
  std::vector<std::string> shown;
  std::uint64_t next = 0;
  const Seen seen = see(context, [&](const Fields& fields) {
    next = fields.scan(scan->cursor, scan->count, [&](Item field) {
      std::string name = text_of(field);
      if (scan->match && !scan->match->matches(name)) return;
      shown.push_back(std::move(name));
      shown.push_back(text_of(value_of(field)));
    });
  });
  if (seen != Seen::kRefused) write_scan(context.reply, next, shown);
}

void hrandfield(Context& context) {
  if (context.args.size() == 2) {
    const Seen seen = see(context, [&](const Fields& fields) {
      write_item(context.reply, fields.at(draw_one(fields.size())));
    });
    if (seen == Seen::kNothing) context.reply.null();
    return;
  }
  const auto wanted = parse_drawn_fields(context);
  if (!wanted) return;
  const std::int64_t count = wanted->count;
  const bool values = wanted->values;
  const bool nested = values && context.reply.protocol() == resp::Protocol::kResp3;
  const Seen seen = see(context, [&](const Fields& fields) {
    const auto shown =
        static_cast<std::size_t>(count < 0 ? -count : std::min<std::int64_t>(count, fields.size()));
    context.reply.array(values && !nested ? 2 * shown : shown);
    draw(count, fields.size(), [&](std::uint32_t position) {
      const Item field = fields.at(position);
      if (nested) context.reply.array(2);
      write_item(context.reply, field);
      if (values) write_item(context.reply, value_of(field));
    });
  });
  if (seen == Seen::kNothing) context.reply.array(0);
}

void hset(Context& context) {
  const bool old_name = equals_ignoring_case(context.args[0], "hmset");
  std::int64_t added = 0;
  const Growth growth{context.args.size() / 2, bytes_of_arguments(context, 2)};
  const bool done = edit(context, Missing::kIsMade, growth, [&](Fields& fields) {
    for (std::size_t at = 2; at < context.args.size(); at += 2)
      added += fields.put(context.args[at], context.args[at + 1]) ? 1 : 0;
    return true;
  });
  if (!done) return;
  if (old_name) return context.reply.ok();
  context.reply.integer(added);
}

void hsetnx(Context& context) {
  bool added = false;
  const bool done = edit(context, Missing::kIsMade, {1, bytes_of_arguments(context, 2)}, [&](Fields& fields) {
    added = !fields.has(context.args[2]) && fields.put(context.args[2], context.args[3]);
    return added;
  });
  if (done) context.reply.integer(added ? 1 : 0);
}

void hdel(Context& context) {
  std::int64_t erased = 0;
  const bool done = edit(context, Missing::kStays, {}, [&](Fields& fields) {
    for (const std::string_view name : context.args.subspan(2)) erased += fields.erase(name) ? 1 : 0;
    return erased != 0;
  });
  if (done) context.reply.integer(erased);
}

void hincrby(Context& context) {
  const auto amount = parse_integer(context.args[3]);
  if (!amount) return context.reply.error(kNotAnInteger);
  std::optional<std::int64_t> sum;
  std::string_view refusal;
  const bool done = edit(context, Missing::kIsMade, {1, context.args[2].size() + 24}, [&](Fields& fields) {
    const auto old = fields.value(context.args[2]);
    const auto number = old ? parse_integer(text_of(*old)) : std::optional<std::int64_t>(0);
    if (!number) {
      refusal = "ERR hash value is not an integer";
      return false;
    }
    sum = checked_add(*number, *amount);
    if (!sum) {
      refusal = "ERR increment or decrement would overflow";
      return false;
    }
    fields.put(context.args[2], std::to_string(*sum), Fields::Ends::kKept);
    return true;
  });
  if (!done) return;
  if (!refusal.empty()) return context.reply.error(refusal);
  context.reply.integer(*sum);
}

void hincrbyfloat(Context& context) {
  const auto amount = parse_float(context.args[3]);
  if (!amount) return context.reply.error(kNotAFloat);
  if (std::isinf(*amount)) return context.reply.error("ERR value is NaN or Infinity");
  std::string text;
  std::string_view refusal;
  constexpr std::size_t kLongest = 5 * 1024;  // of a number's text
  const bool done =
      edit(context, Missing::kIsMade, {1, context.args[2].size() + kLongest}, [&](Fields& fields) {
        const auto old = fields.value(context.args[2]);
        const auto number = old ? parse_float(text_of(*old)) : std::optional<long double>(0);
        if (!number) {
          refusal = "ERR hash value is not a float";
          return false;
        }
        const long double sum = *number + *amount;
        if (std::isnan(sum) || std::isinf(sum)) {
          refusal = "ERR increment would produce NaN or Infinity";
          return false;
        }
        text = format_float(sum);
        fields.put(context.args[2], text, Fields::Ends::kKept);
        return true;
      });
  if (!done) return;
  if (!refusal.empty()) return context.reply.error(refusal);
  context.reply.bulk(text);
}

}  // namespace forebay::server::plain
