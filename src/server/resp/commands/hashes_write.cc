#include <algorithm>
#include <cmath>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/hashes.h"
#include "server/resp/commands/hashes_plain.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"

namespace forebay::server {
namespace {

// A statement may name a column once only, so the last value given for one counts, as in a hash.
void put_field(Fields& fields, std::string_view name, OptionalText text) {
  const auto field =
      std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
  if (field != fields.end()) {
    field->second = std::move(text);
  } else {
    fields.emplace_back(std::string(name), std::move(text));
  }
}

}  // namespace

void hset(Context& context) {
  if (context.args.size() % 2 != 0) return reply_wrong_arity(context.reply, command_name(context));
  if (!is_bound(context, context.args[1])) {
    if (!refuse_op_id(context)) plain::hset(context);
    return;
  }
  if (refuse_no_row(context)) return;
  Update update;
  update.create = true;
  for (std::size_t at = 2; at < context.args.size(); at += 2) {
    put_field(update.fields, context.args[at], std::string(context.args[at + 1]));
  }
  if (equals_ignoring_case(context.args[0], "hmset")) {
    return write_source(context, context.args[1], std::move(update),
                        [](resp::Writer& reply, const WriteAnswer&) { reply.ok(); });
  }
  // HSET counts fields that were not there before. An existing row's columns all were.
  const auto count = static_cast<std::int64_t>(update.fields.size());
  write_source(
      context, context.args[1], std::move(update),
      [count](resp::Writer& reply, const WriteAnswer& answer) { reply.integer(answer.existed ? 0 : count); });
}

void hdel(Context& context) {
  if (refuse_no_row(context)) return;
  Update update;
  for (std::string_view name : context.args.subspan(2)) put_field(update.fields, name, std::nullopt);
  const auto count = static_cast<std::int64_t>(update.fields.size());
  write_source(
      context, context.args[1], std::move(update),
      [count](resp::Writer& reply, const WriteAnswer& answer) { reply.integer(answer.existed ? count : 0); });
}

void hincrby(Context& context) {
  const auto amount = parse_integer(context.args[3]);
  if (!amount) return context.reply.error(kNotAnInteger);
  if (refuse_no_row(context)) return;
  Add add{std::string(context.args[2]), std::to_string(*amount), false};
  write_source(context, context.args[1], std::move(add), [](resp::Writer& reply, const WriteAnswer& answer) {
    const auto number = parse_integer(answer.added.value_or(""));
    if (!number) return reply.error("ERR hash value is not an integer");
    reply.integer(*number);
  });
}

void hincrbyfloat(Context& context) {
  const auto amount = parse_float(context.args[3]);
  if (!amount) return context.reply.error(kNotAFloat);
  if (std::isinf(*amount)) return context.reply.error("ERR value is NaN or Infinity");
  if (refuse_no_row(context)) return;
  Add add{std::string(context.args[2]), format_float(*amount), true};
  write_source(context, context.args[1], std::move(add),
               [](resp::Writer& reply, const WriteAnswer& answer) { reply.bulk(answer.added.value_or("")); });
}

}  // namespace forebay::server
