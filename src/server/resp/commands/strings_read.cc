#include <algorithm>
#include <limits>
#include <string>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/expiry_times.h"
#include "server/resp/commands/set_options.h"
#include "server/resp/commands/strings.h"

namespace forebay::server {
namespace {

void write_value(resp::Writer& reply, std::optional<std::string_view> value) {
  if (value) {
    reply.bulk(*value);
  } else {
    reply.null();
  }
}

// GETEX on a key that memory or the source has: the times of the copy in memory are what changes.
void apply_getex(Layer& layer, std::string_view key, Instant now, const SetOptions& options) {
  layer.update(key, now, [&](const EntryView* entry) {
    if (entry == nullptr || entry->stamp().negative) return Change::keep();
    Stamp stamp = entry->stamp();
    set_deadline(stamp, options.expiry == SetOptions::Expiry::kAt ? options.at : kNever, options.base);
    return stamp.expires <= now ? Change::erase() : Change::restamp(stamp);
  });
}

// The value is read first: the copy's times can't be changed from within a visit to it.
void getex_bound(Context& context, const SetOptions& options) {
  const std::string_view key = context.args[1];
  std::optional<Value> value;
  const LookUp found =
      context.layer.look_up(key, context.now, [&](const EntryView& entry) { value = entry.value(); });
  if (found == LookUp::kLoad) {
    return load_value(context, key,
                      [&layer = context.layer, key = std::string(key), options](
                          resp::Writer& reply, std::optional<std::string_view> loaded) {
                        write_value(reply, loaded);
                        if (loaded) apply_getex(layer, key, layer.clock().now(), options);
                      });
  }
  write_value(context.reply, value ? std::optional(value->view()) : std::nullopt);
  if (value) apply_getex(context.layer, key, context.now, options);
}

// An MGET's reply as far as memory had it, and where the answers of the source go.
struct Partial {
  resp::Output rendered;
  std::vector<std::size_t> gaps;  // positions in it
};

}  // namespace

void get(Context& context) {
  with_value(context, context.args[1], write_value);
}

void getex(Context& context) {
  auto options = parse_getex_options(context, 2);
  if (!options) return;
  if (options->expiry == SetOptions::Expiry::kDefault) return get(context);
  const std::string_view key = context.args[1];
  const bool bound = is_bound(context, key);
  // As in Redis, a key that does not exist is no place to complain about times.
  if (!bound && !context.layer.peek(key, context.now, [](const EntryView&) {})) return context.reply.null();
  if (!resolve_expiry(context, *options)) return;
  if (bound) return getex_bound(context, *options);
  // One step, so that nobody's write comes between the reading and the new time.
  bool found = false;
  bool wrong = false;
  std::optional<Value> shared;
  context.layer.update(context.args[1], context.now, [&](const EntryView* entry) {
    if (entry == nullptr) return Change::keep();
    found = true;
    wrong = is_collection(*entry);
    if (wrong) return Change::keep();
    if (entry->shared()) {
      shared = *entry->shared();
    } else {
      context.reply.bulk(entry->bytes());
    }
    Stamp stamp = entry->stamp();
    set_deadline(stamp, options->expiry == SetOptions::Expiry::kAt ? options->at : kNever, options->base);
    return stamp.expires <= context.now ? Change::erase() : Change::restamp(stamp);
  });
  if (shared) context.reply.bulk(*shared);
  if (wrong) context.reply.error(kWrongType);
  if (!found) context.reply.null();
}

// Writes what memory has straight into the reply. Where the source must be asked for a key, that reply is
// kept until all answers are in.
void mget(Context& context) {
  const auto keys = keys_from(context, 1);
  const auto guard = hold_keys(context, keys);
  resp::Writer& reply = context.reply;
  const std::size_t mark = reply.buffer().size();
  std::vector<std::size_t> gaps;
  std::vector<std::string_view> missing;
  reply.array(keys.size());
  for (std::string_view key : keys) {
    const LookUp found = find_entry(context, key, [&](const EntryView& entry) {
      if (entry.shared() != nullptr) {
        reply.bulk(*entry.shared());
      } else if (is_collection(entry)) {
        reply.null();
      } else {
        reply.bulk(entry.bytes());
      }
    });
    if (found == LookUp::kAbsent) reply.null();
    if (found != LookUp::kLoad) continue;
    gaps.push_back(reply.buffer().size() - mark);
    missing.push_back(key);
  }
  if (missing.empty()) return;
  Partial partial{reply.take(mark), std::move(gaps)};
  load_values(context, missing,
              [partial = std::move(partial)](resp::Writer& later, const std::vector<Answer>& answers) {
                std::size_t from = 0;
                for (std::size_t index = 0; index < answers.size(); ++index) {
                  later.encoded(partial.rendered, from, partial.gaps[index]);
                  from = partial.gaps[index];
                  const auto& value = answers[index].value;
                  if (value && !value->is_object()) {
                    later.bulk(*value);
                  } else {
                    later.null();
                  }
                }
                later.encoded(partial.rendered, from, partial.rendered.text.size());
              });
}

void strlen_command(Context& context) {
  with_value(context, context.args[1], [](resp::Writer& reply, std::optional<std::string_view> value) {
    reply.integer(value ? static_cast<std::int64_t>(value->size()) : 0);
  });
}

void getrange(Context& context) {
  const auto start = parse_integer(context.args[2]);
  const auto end = parse_integer(context.args[3]);
  if (!start || !end) return context.reply.error(kNotAnInteger);
  with_value(context, context.args[1],
             [start = *start, end = *end](resp::Writer& reply, std::optional<std::string_view> value) {
               const auto length = static_cast<std::int64_t>(value ? value->size() : 0);
               if (length == 0 || (start < 0 && end < 0 && start > end)) return reply.bulk("");
               const std::int64_t first = std::max<std::int64_t>(start < 0 ? length + start : start, 0);
               std::int64_t last = std::max<std::int64_t>(end < 0 ? length + end : end, 0);
               last = std::min(last, length - 1);
               if (first > last) return reply.bulk("");
               reply.bulk(value->substr(static_cast<std::size_t>(first),
                                        static_cast<std::size_t>(last - first + 1)));
             });
}

void getbit(Context& context) {
  constexpr std::int64_t kMostBits = std::int64_t{512} * 1024 * 1024 * 8;
  const auto offset = parse_integer(context.args[2]);
  if (!offset || *offset < 0 || *offset >= kMostBits) {
    return context.reply.error("ERR bit offset is not an integer or out of range");
  }
  with_value(context, context.args[1],
             [offset = static_cast<std::size_t>(*offset)](resp::Writer& reply,
                                                          std::optional<std::string_view> value) {
               const std::size_t byte = offset / 8;
               const bool inside = value && byte < value->size();
               reply.integer(inside ? static_cast<unsigned char>((*value)[byte]) >> (7 - offset % 8) & 1 : 0);
             });
}

}  // namespace forebay::server
