#include <charconv>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/forebay.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

std::string_view result_name(ReadResult result) {
  switch (result) {
    case ReadResult::kHit:
      return "hit";
    case ReadResult::kStale:
      return "stale";
    case ReadResult::kNegative:
      return "negative";
    case ReadResult::kMiss:
      break;
  }
  return "miss";
}

void write_answer(resp::Writer& reply, const Answer& answer) {
  reply.map(5);
  reply.bulk("value");
  if (answer.value) {
    reply.bulk(answer.value->view());
  } else {
    reply.null();
  }
  reply.bulk("result");
  reply.bulk(result_name(answer.result));
  reply.bulk("age_ms");
  reply.integer(answer.age.count());
  reply.bulk("fresh_for_ms");
  if (answer.fresh_for) {
    reply.integer(answer.fresh_for->count());
  } else {
    reply.null();
  }
  reply.bulk("version");
  reply.integer(static_cast<std::int64_t>(answer.version));
}

std::optional<Level> parse_level(std::string_view word) {
  if (equals_ignoring_case(word, "any")) return Level::kAny;
  if (equals_ignoring_case(word, "ryw")) return Level::kReadYourWrites;
  if (equals_ignoring_case(word, "fresh")) return Level::kFresh;
  return std::nullopt;
}

std::optional<ReadOptions> parse_read_options(Context& context) {
  ReadOptions options;
  bool token = false;
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const bool has_value = at + 1 < context.args.size();
    if (has_value && equals_ignoring_case(context.args[at], "level")) {
      const auto level = parse_level(context.args[at + 1]);
      if (!level) {
        context.reply.error("ERR LEVEL is any, ryw or fresh");
        return std::nullopt;
      }
      options.level = *level;
    } else if (has_value && equals_ignoring_case(context.args[at], "token")) {
      const std::string_view text = context.args[at + 1];
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), options.token);
      if (error != std::errc() || end != text.data() + text.size()) {
        context.reply.error("ERR TOKEN is none that a write has answered");
        return std::nullopt;
      }
      token = true;
    } else {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
  }
  if ((options.level == Level::kReadYourWrites) != token) {
    context.reply.error("ERR LEVEL ryw needs the TOKEN of a write, other levels take none");
    return std::nullopt;
  }
  return options;
}

}  // namespace

void forebay_read(Context& context) {
  const auto options = parse_read_options(context);
  if (!options) return;
  context.layer.read(context.args[2], *options, [slot = context.defer()](Result<Answer> answer) {
    const std::size_t bytes = answer && answer->value ? answer->value->view().size() : 0;
    slot->complete(
        [answer = std::move(answer)](resp::Writer& reply) {
          if (!answer) return reply.error(error_text(answer.error()));
          write_answer(reply, *answer);
        },
        bytes);
  });
}

void forebay_write(Context& context) {
  write_source_value(
      context, context.args[2], context.args[3], [](resp::Writer& reply, const WriteAnswer& answer) {
        reply.map(2);
        reply.bulk("existed");
        reply.boolean(answer.existed);
        reply.bulk("token");
        reply.bulk(std::to_string(answer.token));  // 64 bits without a sign: more than an integer reply holds
      });
}

// A plain key has no row but its entry.
void forebay_remove(Context& context) {
  if (!is_bound(context, context.args[2])) {
    if (refuse_op_id(context)) return;
    return context.reply.integer(context.layer.drop(context.args[2], context.now) ? 1 : 0);
  }
  write_source(context, context.args[2], Remove{},
               [](resp::Writer& reply, const WriteAnswer& answer) { reply.integer(answer.existed ? 1 : 0); });
}

void forebay_tag(Context& context) {
  const auto tagged = context.layer.tag(context.args[2], context.args.subspan(3));
  if (!tagged) return context.reply.error(error_text(tagged.error()));
  context.reply.integer(*tagged ? 1 : 0);
}

void forebay_explain(Context& context) {
  const Explanation explanation = context.layer.explain(context.args[2]);
  context.reply.map(explanation.facts.size());
  for (const auto& [name, text] : explanation.facts) {
    context.reply.bulk(name);
    context.reply.bulk(text);
  }
}

}  // namespace forebay::server
