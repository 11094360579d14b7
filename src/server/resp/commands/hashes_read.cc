#include <algorithm>
#include <limits>
#include <string>

#include "base/glob.h"
#include "base/row_json.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/hashes.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

// Answers from one column's text; nothing: no row, no such column, or NULL.
template <class R>
void with_field(Context& context, R render) {
  if (refuse_no_row(context)) return;
  with_value(context, context.args[1],
             [name = std::string(context.args[2]), render](resp::Writer& reply,
                                                           std::optional<std::string_view> row) {
               if (!row) return render(reply, OptionalText());
               auto field = field_of_row(*row, name);
               if (!field) return reply.error(error_text(field.error()));
               render(reply, field->value_or(OptionalText()));
             });
}

// Answers from the columns that are not NULL; none: no row.
template <class R>
void with_fields(Context& context, R render) {
  if (refuse_no_row(context)) return;
  with_value(context, context.args[1],
             [render = std::move(render)](resp::Writer& reply, std::optional<std::string_view> row) {
               if (!row) return render(reply, Fields());
               auto fields = fields_of_row(*row);
               if (!fields) return reply.error(error_text(fields.error()));
               std::erase_if(*fields, [](const auto& field) { return !field.second; });
               render(reply, *fields);
             });
}

void write_text(resp::Writer& reply, const OptionalText& text) {
  if (text) {
    reply.bulk(*text);
  } else {
    reply.null();
  }
}

}  // namespace

void hget(Context& context) {
  with_field(context, write_text);
}

void hexists(Context& context) {
  with_field(context, [](resp::Writer& reply, const OptionalText& text) { reply.integer(text ? 1 : 0); });
}

void hstrlen(Context& context) {
  with_field(context, [](resp::Writer& reply, const OptionalText& text) {
    reply.integer(text ? static_cast<std::int64_t>(text->size()) : 0);
  });
}

void hmget(Context& context) {
  std::vector<std::string> names(context.args.begin() + 2, context.args.end());
  with_fields(context, [names = std::move(names)](resp::Writer& reply, const Fields& fields) {
    reply.array(names.size());
    for (const std::string& name : names) {
      const auto field =
          std::find_if(fields.begin(), fields.end(), [&](const auto& f) { return f.first == name; });
      write_text(reply, field == fields.end() ? OptionalText() : field->second);
    }
  });
}

void hgetall(Context& context) {
  with_fields(context, [](resp::Writer& reply, const Fields& fields) {
    reply.map(fields.size());
    for (const auto& [name, text] : fields) {
      reply.bulk(name);
      reply.bulk(*text);
    }
  });
}

void hkeys(Context& context) {
  with_fields(context, [](resp::Writer& reply, const Fields& fields) {
    reply.array(fields.size());
    for (const auto& [name, text] : fields) reply.bulk(name);
  });
}

void hvals(Context& context) {
  with_fields(context, [](resp::Writer& reply, const Fields& fields) {
    reply.array(fields.size());
    for (const auto& [name, text] : fields) reply.bulk(*text);
  });
}

void hlen(Context& context) {
  with_fields(context, [](resp::Writer& reply, const Fields& fields) {
    reply.integer(static_cast<std::int64_t>(fields.size()));
  });
}

std::optional<DrawnFields> parse_drawn_fields(Context& context) {
  const auto refuse = [&](std::string_view error) {
    context.reply.error(error);
    return std::nullopt;
  };
  const auto count = parse_integer(context.args[2]);
  if (!count) return refuse(kNotAnInteger);
  const bool values = context.args.size() == 4;
  if (context.args.size() > 4 || (values && !equals_ignoring_case(context.args[3], "withvalues")))
    return refuse(kSyntaxError);
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max() / 2;
  if (*count < -kMostDrawn || *count > kMost) return refuse("ERR value is out of range");
  return DrawnFields{*count, values};
}

void hrandfield(Context& context) {
  if (context.args.size() == 2) {
    return with_fields(context, [](resp::Writer& reply, const Fields& fields) {
      if (fields.empty()) return reply.null();
      reply.bulk(fields[draw_one(static_cast<std::uint32_t>(fields.size()))].first);
    });
  }
  const auto wanted = parse_drawn_fields(context);
  if (!wanted) return;
  with_fields(context, [wanted = *wanted](resp::Writer& reply, const Fields& fields) {
    if (fields.empty()) return reply.array(0);
    const auto size = static_cast<std::uint32_t>(fields.size());
    const auto shown = static_cast<std::size_t>(
        wanted.count < 0 ? -wanted.count : std::min<std::int64_t>(wanted.count, size));
    const bool nested = wanted.values && reply.protocol() == resp::Protocol::kResp3;
    reply.array(wanted.values && !nested ? 2 * shown : shown);
    draw(wanted.count, size, [&](std::uint32_t position) {
      const auto& [name, text] = fields[position];
      if (nested) reply.array(2);
      reply.bulk(name);
      if (wanted.values) reply.bulk(*text);
    });
  });
}

// A row is answered in one step, so every cursor but 0 is at the end already.
void hscan(Context& context) {
  const bool digits = std::all_of(context.args[2].begin(), context.args[2].end(),
                                  [](char letter) { return letter >= '0' && letter <= '9'; });
  if (context.args[2].empty() || !digits) return context.reply.error("ERR invalid cursor");
  std::optional<Glob> match;
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const bool is_match = equals_ignoring_case(context.args[at], "match");
    if (at + 1 == context.args.size() || (!is_match && !equals_ignoring_case(context.args[at], "count"))) {
      return context.reply.error(kSyntaxError);
    }
    if (is_match) {
      auto glob = Glob::compile(context.args[at + 1]);
      if (!glob) return context.reply.error(error_text(glob.error()));
      match = std::move(*glob);
    } else if (const auto count = parse_integer(context.args[at + 1]); !count || *count < 1) {
      return context.reply.error(count ? kSyntaxError : kNotAnInteger);
    }
  }
  with_fields(context, [match = std::move(match), past_end = context.args[2] != "0"](resp::Writer& reply,
                                                                                     const Fields& fields) {
    std::vector<std::string_view> shown;
    for (const auto& [name, text] : fields) {
      if (past_end || (match && !match->matches(name))) continue;
      shown.push_back(name);
      shown.push_back(*text);
    }
    reply.array(2);
    reply.bulk("0");
    reply.array(shown.size());
    for (std::string_view text : shown) reply.bulk(text);
  });
}

}  // namespace forebay::server
