#include <algorithm>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/expiry_times.h"
#include "server/resp/commands/set_options.h"
#include "server/resp/commands/strings.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

using Condition = SetOptions::Condition;
using Expiry = SetOptions::Expiry;

struct Stored {
  PutOutcome outcome;
  bool wanted = true;             // the condition held
  bool wrong_type = false;        // options.get only: there was no string, and nothing has changed
  std::optional<Value> previous;  // options.get only
};

Stored store(Context& context, std::string_view key, std::string_view value, const SetOptions& options,
             const Stamp& usual) {
  Stored result{};
  result.outcome = context.layer.update(key, context.now, [&](const EntryView* entry) {
    if (options.get && entry != nullptr) {
      result.wrong_type = is_collection(*entry);
      if (result.wrong_type) return Change::keep();
      result.previous = entry->value();
    }
    result.wanted = options.condition == Condition::kAlways ||
                    (options.condition == Condition::kIfPresent) == (entry != nullptr);
    if (!result.wanted) return Change::keep();
    Stamp stamp = usual;
    if (options.expiry == Expiry::kAt) set_deadline(stamp, options.at, options.base);
    if (options.expiry == Expiry::kKeep && entry != nullptr) copy_deadline(stamp, entry->stamp());
    return stamp.expires <= context.now ? Change::erase() : Change::replace(value, stamp);
  });
  return result;
}

// The value goes to the source; an expiry is the cached copy's alone.
void set_bound(Context& context, std::string_view key, std::string_view value, const SetOptions& options) {
  if (options.condition != Condition::kAlways || options.get || options.expiry == Expiry::kKeep) {
    return context.reply.error(
        "ERR SET's options NX, XX, GET and KEEPTTL are not available on keys of namespace '" +
        context.layer.route(key).name + "', which have a source");
  }
  if (options.expiry != Expiry::kAt) {
    return write_source_value(context, key, value,
                              [](resp::Writer& reply, const WriteAnswer&) { reply.ok(); });
  }
  write_source_value(context, key, value,
                     [&layer = context.layer, key = std::string(key), at = options.at, base = options.base](
                         resp::Writer& reply, const WriteAnswer& answer) {
                       if (answer.repeated) return reply.ok();
                       const Instant now = layer.clock().now();
                       layer.update(key, now, [&](const EntryView* entry) {
                         if (entry == nullptr || entry->stamp().negative) return Change::keep();
                         Stamp stamp = entry->stamp();
                         set_deadline(stamp, at, base);
                         return at <= now ? Change::erase() : Change::restamp(stamp);
                       });
                       reply.ok();
                     });
}

// SET's reply, and that of all who are a SET with options.
void answer_set(Context& context, std::string_view key, std::string_view value, const SetOptions& options) {
  const Stamp stamp = context.layer.stamp_for(key, context.now);
  if (stamp.space != 0 && is_bound(context, key)) return set_bound(context, key, value, options);
  if (refuse_op_id(context)) return;
  const Stored result = store(context, key, value, options, stamp);
  if (result.wrong_type) return context.reply.error(kWrongType);
  if (!stored_or_error(context, result.outcome)) return;
  if (options.get) {
    if (result.previous) return context.reply.bulk(result.previous->view());
    return context.reply.null();
  }
  if (result.wanted) {
    context.reply.ok();
  } else {
    context.reply.null();
  }
}

void set_with_expiry(Context& context, TimeUnit unit) {
  const auto at = parse_expiry(context, context.args[2], unit, TimeBase::kNow);
  if (!at) return;
  SetOptions options;
  options.expiry = Expiry::kAt;
  options.at = *at;
  answer_set(context, context.args[1], context.args[3], options);
}

// The keys of MSET and MSETNX; nothing if the arguments are no pairs or a key is bound, which is then
// answered.
std::optional<std::vector<std::string_view>> pair_keys(Context& context) {
  if (context.args.size() % 2 == 0) {
    reply_wrong_arity(context.reply, command_name(context));
    return std::nullopt;
  }
  auto keys = keys_from(context, 1, 2);
  if (refuse_bound(context, keys)) return std::nullopt;
  return keys;
}

bool store_pairs(Context& context) {
  const SetOptions options;
  for (std::size_t at = 1; at < context.args.size(); at += 2) {
    const Stamp stamp = context.layer.stamp_for(context.args[at], context.now);
    const Stored result = store(context, context.args[at], context.args[at + 1], options, stamp);
    if (!stored_or_error(context, result.outcome)) return false;
  }
  return true;
}

}  // namespace

void set(Context& context) {
  if (context.args.size() == 3) return answer_set(context, context.args[1], context.args[2], SetOptions{});
  auto options = parse_set_options(context, 3);
  if (!options || !resolve_expiry(context, *options)) return;
  answer_set(context, context.args[1], context.args[2], *options);
}

void setnx(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  SetOptions options;
  options.condition = Condition::kIfAbsent;
  const Stamp stamp = context.layer.stamp_for(context.args[1], context.now);
  const Stored result = store(context, context.args[1], context.args[2], options, stamp);
  if (stored_or_error(context, result.outcome)) context.reply.integer(result.wanted ? 1 : 0);
}

void setex(Context& context) {
  set_with_expiry(context, TimeUnit::kSeconds);
}

void psetex(Context& context) {
  set_with_expiry(context, TimeUnit::kMilliseconds);
}

void getset(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  SetOptions options;
  options.get = true;
  answer_set(context, context.args[1], context.args[2], options);
}

void getdel(Context& context) {
  if (refuse_bound(context, context.args[1])) return;
  std::optional<Value> previous;
  bool wrong = false;
  context.layer.update(context.args[1], context.now, [&](const EntryView* entry) {
    if (entry == nullptr) return Change::keep();
    wrong = is_collection(*entry);
    if (wrong) return Change::keep();
    previous = entry->value();
    return Change::erase();
  });
  if (wrong) return context.reply.error(kWrongType);
  if (previous) return context.reply.bulk(previous->view());
  context.reply.null();
}

void mset(Context& context) {
  const auto keys = pair_keys(context);
  if (!keys) return;
  const auto guard = hold_keys(context, *keys);
  if (store_pairs(context)) context.reply.ok();
}

void msetnx(Context& context) {
  const auto keys = pair_keys(context);
  if (!keys) return;
  const auto guard = hold_keys(context, *keys);
  const bool taken = std::any_of(keys->begin(), keys->end(), [&](std::string_view key) {
    return context.layer.peek(key, context.now, [](const EntryView&) {});
  });
  if (taken) return context.reply.integer(0);
  if (store_pairs(context)) context.reply.integer(1);
}

}  // namespace forebay::server
