#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/forebay.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

constexpr std::int64_t kLongestWait = 24LL * 60 * 60 * 1000;
constexpr std::int64_t kMostListed = 10'000;
constexpr std::int64_t kUsuallyListed = 100;

// Milliseconds; 0: as long as it takes.
std::optional<std::chrono::milliseconds> parse_timeout(Context& context, std::size_t at) {
  if (at >= context.args.size()) return std::chrono::milliseconds(0);
  const auto number = parse_integer(context.args[at]);
  if (number && *number >= 0 && *number <= kLongestWait) return std::chrono::milliseconds(*number);
  context.reply.error("ERR timeout is no number of milliseconds, 0 to " + std::to_string(kLongestWait));
  return std::nullopt;
}

Layer::Flushed answer_flushed(Context& context) {
  return [slot = context.defer()](bool flushed) {
    slot->complete([flushed](resp::Writer& reply) { reply.integer(flushed ? 1 : 0); });
  };
}

Layer::Found answer_found(Context& context) {
  return [slot = context.defer()](Result<bool> found) {
    slot->complete([found = std::move(found)](resp::Writer& reply) {
      if (!found) return reply.error(error_text(found.error()));
      reply.integer(*found ? 1 : 0);
    });
  };
}

enum class Detail : bool { kBrief, kWhole };

void write_letter(resp::Writer& reply, const PutAside& aside, Detail detail) {
  reply.map(detail == Detail::kWhole ? 7 : 6);
  for (const auto& [name, text] : {std::pair<std::string_view, const std::string*>{"id", &aside.id},
                                   {"source", &aside.source},
                                   {"namespace", &aside.letter.space},
                                   {"key", &aside.letter.key},
                                   {"error", &aside.letter.error},
                                   {"at", &aside.letter.at}}) {
    reply.bulk(name);
    reply.bulk(*text);
  }
  if (detail == Detail::kBrief) return;
  reply.bulk("operation");
  reply.bulk(aside.letter.operation);
}

std::size_t size_of(const PutAside& aside) {
  const DeadLetter& letter = aside.letter;
  return aside.id.size() + letter.key.size() + letter.operation.size() + letter.error.size();
}

// LIST [SOURCE name] [AFTER id] [COUNT n]
void list(Context& context) {
  std::string_view source;
  std::string_view after;
  std::int64_t count = kUsuallyListed;
  for (std::size_t at = 3; at < context.args.size(); at += 2) {
    const bool has_value = at + 1 < context.args.size();
    if (has_value && equals_ignoring_case(context.args[at], "source")) {
      source = context.args[at + 1];
    } else if (has_value && equals_ignoring_case(context.args[at], "after")) {
      after = context.args[at + 1];
    } else if (has_value && equals_ignoring_case(context.args[at], "count")) {
      const auto number = parse_integer(context.args[at + 1]);
      if (!number || *number < 1 || *number > kMostListed) {
        return context.reply.error("ERR COUNT is 1 to " + std::to_string(kMostListed));
      }
      count = *number;
    } else {
      return context.reply.error(kSyntaxError);
    }
  }
  context.layer.dead_letters(source, after, static_cast<std::size_t>(count),
                             [slot = context.defer()](Result<std::vector<PutAside>> letters) {
                               std::size_t bytes = 0;
                               if (letters) {
                                 for (const PutAside& aside : *letters) bytes += size_of(aside);
                               }
                               slot->complete(
                                   [letters = std::move(letters)](resp::Writer& reply) {
                                     if (!letters) return reply.error(error_text(letters.error()));
                                     reply.array(letters->size());
                                     for (const PutAside& aside : *letters)
                                       write_letter(reply, aside, Detail::kBrief);
                                   },
                                   bytes);
                             });
}

void show(Context& context) {
  context.layer.dead_letter(context.args[3],
                            [slot = context.defer()](Result<std::optional<PutAside>> letter) {
                              const std::size_t bytes = letter && *letter ? size_of(**letter) : 0;
                              slot->complete(
                                  [letter = std::move(letter)](resp::Writer& reply) {
                                    if (!letter) return reply.error(error_text(letter.error()));
                                    if (!*letter) return reply.null();
                                    write_letter(reply, **letter, Detail::kWhole);
                                  },
                                  bytes);
                            });
}

}  // namespace

void forebay_flushed(Context& context) {
  if (context.args.size() > 4) return context.reply.error(kSyntaxError);
  const auto timeout = parse_timeout(context, 3);
  if (!timeout) return;
  context.layer.when_flushed(context.args[2], *timeout, answer_flushed(context));
}

void forebay_drain(Context& context) {
  std::string_view space;
  std::size_t at = 2;
  if (context.args.size() > 3 && equals_ignoring_case(context.args[2], "namespace")) {
    space = context.args[3];
    at = 4;
    if (const auto unknown = unknown_namespace(context.layer.stats(), space))
      return context.reply.error(*unknown);
  }
  if (context.args.size() > at + 1) return context.reply.error(kSyntaxError);
  const auto timeout = parse_timeout(context, at);
  if (!timeout) return;
  context.layer.drain(space, *timeout, answer_flushed(context));
}

void forebay_deadletters(Context& context) {
  const std::string_view what = context.args[2];
  const std::size_t count = context.args.size();
  if (equals_ignoring_case(what, "list")) return list(context);
  if (count == 4 && equals_ignoring_case(what, "show")) return show(context);
  if (count == 4 && equals_ignoring_case(what, "retry")) {
    return context.layer.retry_dead_letter(context.args[3], answer_found(context));
  }
  if (count == 5 && equals_ignoring_case(what, "edit")) {
    return context.layer.edit_dead_letter(context.args[3], context.args[4], answer_found(context));
  }
  if (count == 4 && equals_ignoring_case(what, "drop")) {
    return context.layer.drop_dead_letter(context.args[3], answer_found(context));
  }
  context.reply.error(
      "ERR FOREBAY DEADLETTERS takes LIST [SOURCE name] [AFTER id] [COUNT n], SHOW id, RETRY id, "
      "EDIT id operation or DROP id");
}

}  // namespace forebay::server
