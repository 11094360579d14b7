#include <algorithm>
#include <string>

#include "base/database_key.h"
#include "memory/collection/own_collection.h"
#include "server/databases.h"
#include "server/hash_upkeep.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/collections.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/expiry_times.h"
#include "server/resp/commands/generic.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/value_types.h"
#include "server/resp/session.h"
#include "server/server.h"

namespace forebay::server {
namespace {

enum class Overwrite : std::uint8_t { kNo, kYes };
enum class Source : std::uint8_t { kStays, kGoes };
enum class Moved : std::uint8_t { kDone, kNoSource, kTaken, kFailed };

// Copies an entry with its times to another key, whose shards this thread holds. kFailed has been answered.
Moved move_entry(Context& context, std::string_view from, std::string_view to, Overwrite overwrite,
                 Source source) {
  std::optional<Value> value;
  bool collection = false;
  bool copied = false;
  bool ends = false;
  Stamp old;
  auto type = EntryType::kText;
  context.layer.peek(from, context.now, [&](const EntryView& entry) {
    collection = is_collection(entry);
    if (collection) {
      value.emplace();
    } else {
      value = entry.value();
    }
    old = entry.stamp();
    type = entry.type();
  });
  if (!value) return Moved::kNoSource;
  if (overwrite == Overwrite::kNo && context.layer.peek(to, context.now, [](const EntryView&) {})) {
    return Moved::kTaken;
  }
  if (from == to) return Moved::kDone;
  Stamp stamp = context.layer.stamp_for(to, context.now);
  copy_deadline(stamp, old);
  stamp.edited = old.edited;
  if (collection) {
    // While it is looked at, what it has stays, even if it has to leave for its copy.
    context.layer.peek(from, context.now, [&](const EntryView& entry) {
      Collection all(entry.bytes());
      copied = copy_collection(context, all, to, stamp);
      ends = all.may_end();
    });
    // A walk may have passed the place where its fields that end are now.
    if (copied && ends) context.server.hash_upkeep().expect();
    if (copied && source == Source::kGoes) context.layer.drop(from, context.now);
    return copied ? Moved::kDone : Moved::kFailed;
  }
  const PutOutcome outcome = context.layer.update(to, context.now, [&](const EntryView*) {
    return value->owner() && value->is_object() ? Change::replace(*value, stamp, type)
                                                : Change::replace(value->view(), stamp, type);
  });
  if (!stored_or_error(context, outcome)) return Moved::kFailed;
  if (source == Source::kGoes) context.layer.drop(from, context.now);
  return Moved::kDone;
}

// The name of a key, given as that of the client's own database, in another one.
std::string named_in(const Context& context, unsigned database, std::string_view key) {
  return database_prefix(context.server.databases().place_of(database)).append(without_database(key));
}

// For a command with a key in another database, which a transaction or a script does not hold. True: answered.
bool refuse_in_exec(Context& context) {
  if (!in_exec(context)) return false;
  context.reply.error("ERR another database's keys can't be part of a transaction or a script");
  return true;
}

}  // namespace

void del(Context& context) {
  if (context.args.size() == 2) {
    return context.reply.integer(context.layer.drop(context.args[1], context.now) ? 1 : 0);
  }
  const auto all = keys_from(context, 1);
  const auto guard = hold_keys(context, all);
  context.reply.integer(std::count_if(
      all.begin(), all.end(), [&](std::string_view key) { return context.layer.drop(key, context.now); }));
}

void exists(Context& context) {
  const auto all = keys_from(context, 1);
  std::int64_t count = 0;
  std::vector<std::string_view> missing;
  {
    const auto guard = hold_keys(context, all);
    for (std::string_view key : all) {
      switch (context.layer.look_up(key, context.now, [](const EntryView&) {})) {
        case LookUp::kAnswered:
          ++count;
          break;
        case LookUp::kAbsent:
          break;
        case LookUp::kLoad:
          missing.push_back(key);
      }
    }
  }
  if (missing.empty()) return context.reply.integer(count);
  load_values(context, missing, [count](resp::Writer& reply, const std::vector<Answer>& answers) {
    reply.integer(count + std::count_if(answers.begin(), answers.end(),
                                        [](const Answer& answer) { return answer.value.has_value(); }));
  });
}

void touch(Context& context) {
  std::int64_t count = 0;
  for (std::string_view key : context.args.subspan(1)) {
    bool found = false;
    if (is_bound(context, key)) {  // no load just to touch: what counts is the copy in memory
      found = context.layer.peek(key, context.now, [](const EntryView&) {});
    } else {
      found = context.layer.look_up(key, context.now, [](const EntryView&) {}) == LookUp::kAnswered;
    }
    if (found) ++count;
  }
  context.reply.integer(count);
}

void type(Context& context) {
  const std::string_view key = context.args[1];
  std::string_view name = "none";
  const LookUp found = find_entry(context, key, [&](const EntryView& entry) { name = type_name(entry); });
  if (found != LookUp::kLoad) return context.reply.simple(name);
  name = type_name(context.layer.route(key).type);
  load_values(context, std::span(&key, 1), [name](resp::Writer& reply, const std::vector<Answer>& answers) {
    const auto& value = answers.front().value;
    if (!value) return reply.simple("none");
    reply.simple(value->is_object() ? type_name(value->as<memory::OwnCollection>()->kind()) : name);
  });
}

void rename_key(Context& context) {
  const std::string_view pair[] = {context.args[1], context.args[2]};
  if (refuse_bound(context, pair)) return;
  const auto guard = hold_keys(context, pair);
  const Moved moved = move_entry(context, pair[0], pair[1], Overwrite::kYes, Source::kGoes);
  if (moved == Moved::kNoSource) return context.reply.error(kNoSuchKey);
  if (moved == Moved::kDone) context.reply.ok();
}

void renamenx(Context& context) {
  const std::string_view pair[] = {context.args[1], context.args[2]};
  if (refuse_bound(context, pair)) return;
  const auto guard = hold_keys(context, pair);
  const Moved moved = move_entry(context, pair[0], pair[1], Overwrite::kNo, Source::kGoes);
  if (moved == Moved::kNoSource) return context.reply.error(kNoSuchKey);
  if (moved != Moved::kFailed) context.reply.integer(moved == Moved::kDone ? 1 : 0);
}

void copy(Context& context) {
  Overwrite overwrite = Overwrite::kNo;
  std::optional<std::string> elsewhere;
  for (std::size_t at = 3; at < context.args.size(); ++at) {
    if (equals_ignoring_case(context.args[at], "replace")) {
      overwrite = Overwrite::kYes;
    } else if (equals_ignoring_case(context.args[at], "db") && at + 1 < context.args.size()) {
      if (!parse_integer(context.args[++at])) return context.reply.error(kNotAnInteger);
      const auto database = parse_database(context, context.args[at]);
      if (!database) return context.reply.error(kNoSuchDatabase);
      if (*database != context.session.database()) elsewhere = named_in(context, *database, context.args[2]);
    } else {
      return context.reply.error(kSyntaxError);
    }
  }
  if (elsewhere && refuse_in_exec(context)) return;
  const std::string_view pair[] = {context.args[1], elsewhere ? *elsewhere : context.args[2]};
  if (pair[0] == pair[1]) return context.reply.error("ERR source and destination objects are the same");
  if (refuse_bound(context, pair)) return;
  const auto guard = hold_keys(context, pair);
  const Moved moved = move_entry(context, pair[0], pair[1], overwrite, Source::kStays);
  if (moved != Moved::kFailed) context.reply.integer(moved == Moved::kDone ? 1 : 0);
}

void move(Context& context) {
  if (!parse_integer(context.args[2])) return context.reply.error(kNotAnInteger);
  const auto database = parse_database(context, context.args[2]);
  if (!database) return context.reply.error(kNoSuchDatabase);
  if (*database == context.session.database())
    return context.reply.error("ERR source and destination objects are the same");
  if (refuse_in_exec(context)) return;
  const std::string there = named_in(context, *database, context.args[1]);
  const std::string_view pair[] = {context.args[1], there};
  if (refuse_bound(context, pair)) return;
  const auto guard = hold_keys(context, pair);
  const Moved moved = move_entry(context, pair[0], pair[1], Overwrite::kNo, Source::kGoes);
  if (moved != Moved::kFailed) context.reply.integer(moved == Moved::kDone ? 1 : 0);
}

}  // namespace forebay::server
