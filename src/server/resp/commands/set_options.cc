#include "server/resp/commands/set_options.h"

#include "server/resp/commands/arguments.h"
#include "server/resp/commands/expiry_times.h"
#include "server/resp/commands/registry.h"

namespace forebay::server {
namespace {

using Condition = SetOptions::Condition;
using Expiry = SetOptions::Expiry;

struct TimeOption {
  std::string_view word;
  TimeUnit unit;
  TimeBase base;
};
constexpr TimeOption kTimeOptions[] = {
    {"ex", TimeUnit::kSeconds, TimeBase::kNow},
    {"px", TimeUnit::kMilliseconds, TimeBase::kNow},
    {"exat", TimeUnit::kSeconds, TimeBase::kEpoch},
    {"pxat", TimeUnit::kMilliseconds, TimeBase::kEpoch},
};

const TimeOption* find_time_option(std::string_view word) {
  for (const TimeOption& option : kTimeOptions) {
    if (equals_ignoring_case(word, option.word)) return &option;
  }
  return nullptr;
}

enum class Dialect : std::uint8_t { kSet, kGetEx };

// One word that takes no value; false: it is none, or contradicts an earlier one.
bool take_flag(SetOptions& options, std::string_view word, Dialect dialect) {
  if (dialect == Dialect::kGetEx) {
    if (!equals_ignoring_case(word, "persist") || options.expiry == Expiry::kAt) return false;
    options.expiry = Expiry::kPersist;
    return true;
  }
  if (equals_ignoring_case(word, "nx") && options.condition != Condition::kIfPresent) {
    options.condition = Condition::kIfAbsent;
  } else if (equals_ignoring_case(word, "xx") && options.condition != Condition::kIfAbsent) {
    options.condition = Condition::kIfPresent;
  } else if (equals_ignoring_case(word, "get")) {
    options.get = true;
  } else if (equals_ignoring_case(word, "keepttl") && options.expiry != Expiry::kAt) {
    options.expiry = Expiry::kKeep;
  } else {
    return false;
  }
  return true;
}

std::optional<SetOptions> parse(Context& context, std::size_t first, Dialect dialect) {
  SetOptions options;
  const TimeOption* chosen = nullptr;
  std::string_view time;
  const auto args = context.args;
  for (std::size_t at = first; at < args.size(); ++at) {
    if (take_flag(options, args[at], dialect)) continue;
    const TimeOption* option = find_time_option(args[at]);
    const bool repeats = chosen == nullptr || chosen == option;
    const bool alone = options.expiry == Expiry::kDefault || options.expiry == Expiry::kAt;
    if (option == nullptr || !repeats || !alone || at + 1 == args.size()) {
      context.reply.error(kSyntaxError);
      return std::nullopt;
    }
    chosen = option;
    options.expiry = Expiry::kAt;
    time = args[++at];
  }
  if (chosen != nullptr) {
    options.time = time;
    options.unit = chosen->unit;
    options.base = chosen->base;
  }
  return options;
}

}  // namespace

std::optional<SetOptions> parse_set_options(Context& context, std::size_t first) {
  return parse(context, first, Dialect::kSet);
}

std::optional<SetOptions> parse_getex_options(Context& context, std::size_t first) {
  return parse(context, first, Dialect::kGetEx);
}

bool resolve_expiry(Context& context, SetOptions& options) {
  if (options.expiry != Expiry::kAt) return true;
  const auto at = parse_expiry(context, options.time, options.unit, options.base);
  if (at) options.at = *at;
  return at.has_value();
}

}  // namespace forebay::server
