#include "server/resp/commands/transactions.h"

#include <algorithm>
#include <utility>

#include "server/access/permission.h"
#include "server/databases.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/client_tracking.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/scripting.h"
#include "server/resp/commands/sorted_sets.h"
#include "server/resp/commands/watching.h"
#include "server/resp/session.h"
#include "server/script/scripts.h"
#include "server/server.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

Transaction& transaction_of(Context& context) {
  return context.session.transaction();
}

std::uint64_t revision_of(Context& context, std::string_view key) {
  std::uint64_t revision = 0;
  context.layer.peek(key, context.now, [&](const EntryView& entry) { revision = entry.revision(); });
  return revision;
}

// Answers an error, after which EXEC answers EXECABORT.
void refuse(Context& context, std::string_view text) {
  transaction_of(context).poison();
  context.reply.error(text);
}

void multi(Context& context) {
  Transaction& transaction = transaction_of(context);
  if (transaction.open()) return refuse(context, "ERR MULTI calls can not be nested");
  transaction.begin(context.session.database(), context.server.databases().swaps());
  context.reply.ok();
}

void discard(Context& context) {
  Transaction& transaction = transaction_of(context);
  if (!transaction.open()) return context.reply.error("ERR DISCARD without MULTI");
  transaction.reset();
  context.reply.ok();
}

void watch(Context& context) {
  Transaction& transaction = transaction_of(context);
  if (transaction.open()) return refuse(context, "ERR WATCH inside MULTI is not allowed");
  const auto keys = context.args.subspan(1);
  const std::string refusal = refusal_of_bound(context, keys);
  if (!refusal.empty()) return context.reply.error(refusal);
  const std::uint64_t swaps = context.server.databases().swaps();
  for (std::string_view key : keys) {
    if (!transaction.watch(key, revision_of(context, key), swaps)) {
      return context.reply.error("ERR too many watched keys");
    }
  }
  context.reply.ok();
}

void unwatch(Context& context) {
  transaction_of(context).unwatch();
  context.reply.ok();
}

void run_transaction(Context& context, Layer::Alone* alone);

void exec(Context& context) {
  if (!transaction_of(context).open()) return context.reply.error("ERR EXEC without MULTI");
  const bool scripts =
      std::ranges::any_of(transaction_of(context).queued(),
                          [](const Transaction::Queued& queued) { return is_script(*queued.command); });
  if (scripts && !transaction_of(context).poisoned()) {
    // Which keys a script will want nobody knows.
    if (!context.server.scripts().enter()) return context.session.control().retry();
    run_transaction(context, &context.server.scripts().alone());
    return context.server.scripts().leave();
  }
  run_transaction(context, nullptr);
}

void run_transaction(Context& context, Layer::Alone* alone) {
  Transaction transaction = std::exchange(transaction_of(context), Transaction());
  if (transaction.poisoned()) {
    return context.reply.error("EXECABORT Transaction discarded because of previous errors.");
  }
  std::vector<std::vector<std::string_view>> arguments;
  std::vector<std::string_view> keys;
  bool all = false;
  for (const Transaction::Watched& watched : transaction.watched()) keys.push_back(watched.key);
  for (const Transaction::Queued& queued : transaction.queued()) {
    arguments.emplace_back(queued.args.begin(), queued.args.end());
    append_keys(keys, *queued.command, arguments.back());
    all = all || reach_of(*queued.command) == Reach::kTable;
  }
  // From here on nobody else sees or changes these keys until every command has answered, unless one in
  // between has to let go of them.
  std::optional<Layer::Guard> guard;
  const auto hold = [&] {
    if (alone == nullptr && !guard && (all || !keys.empty())) guard.emplace(context.layer.lock(keys, all));
  };
  if (alone == nullptr && context.server.scripts().active()) {
    // A script has begun since the connection looked.
    transaction_of(context) = std::move(transaction);
    return context.session.control().retry();
  }
  hold();
  if (alone != nullptr) {
    for (const std::string_view key : keys) alone->lock(key);
    if (all) alone->lock_all();
  }
  // A reload may have given them a source since they were queued; while they are held none does.
  if (const std::string refusal = refusal_of_bound(context, keys); !refusal.empty()) {
    return context.reply.error("EXECABORT Transaction discarded because of: " + refusal);
  }
  const bool unchanged = std::all_of(transaction.watched().begin(), transaction.watched().end(),
                                     [&](const Transaction::Watched& watched) {
                                       return revision_of(context, watched.key) == watched.revision;
                                     });
  // After a swap the names of its keys are those of another database.
  if (!unchanged || transaction.swapped(context.server.databases().swaps()))
    return context.reply.null_array();
  context.reply.array(arguments.size());
  for (std::size_t index = 0; index < arguments.size(); ++index) {
    const Command& command = *transaction.queued()[index].command;
    if (reach_of(command) == Reach::kElsewhere && alone == nullptr) {
      guard.reset();
    } else {
      hold();
    }
    const std::string& out = context.reply.buffer();
    const std::size_t before = out.size();
    if (alone != nullptr && reach_of(command) == Reach::kElsewhere && !is_script(command)) {
      context.reply.error("ERR a transaction with scripts has commands on keys only");
      continue;
    }
    if (context.session.restricted()) [[unlikely]] {
      if (const auto denial = access::check_queued(context, command, arguments[index])) {
        context.reply.error(access::text_of_change(*denial));
        context.session.control().on_inner(command, true);
        continue;
      }
    }
    // The same where the keys were let go of in between.
    const std::string refusal = refusal_of_bound(context, keys_of(command, arguments[index]), &command);
    if (!refusal.empty()) {
      context.reply.error(refusal);
      context.session.control().on_inner(command, true);
      continue;
    }
    Context inner{
        arguments[index], context.layer, context.server, context.session, context.reply, context.now, {}};
    if (context.server.monitors().any()) show_command(inner, command, context.session.origin().address);
    if (context.session.attended()) [[unlikely]] {
      const CommandScope scope(context.session.id(), command, inner.args);
      note_reads(inner, command);
      command.handler(inner);
    } else {
      command.handler(inner);
    }
    context.session.control().on_inner(command, out.size() > before && out[before] == '-');
  }
}

constexpr Command kCommands[] = {
    {"multi", 1, kFast, 0, 0, 0, multi, "Starts a transaction.", "1.2.0", "transactions"},
    {"exec", 1, 0, 0, 0, 0, exec, "Executes all commands in a transaction.", "1.2.0", "transactions"},
    {"discard", 1, kFast, 0, 0, 0, discard, "Discards a transaction.", "2.0.0", "transactions"},
    {"watch", -2, kFast, 1, -1, 1, watch,
     "Monitors changes to keys to determine the execution of a transaction.", "2.2.0", "transactions"},
    {"unwatch", 1, kFast, 0, 0, 0, unwatch, "Forgets about watched keys of a transaction.", "2.2.0",
     "transactions"},
};

// Commands that run at once between MULTI and EXEC.
bool runs_in_multi(const Command& command) {
  return command.handler == exec || command.handler == discard || command.handler == multi ||
         command.handler == watch || command.name == "quit" || command.name == "reset";
}

}  // namespace

bool Transaction::queue(const Command& command, std::span<const std::string_view> args) {
  constexpr std::size_t kPerArgument =
      sizeof(std::string) + sizeof(Queued);  // so that many empty ones count too
  std::size_t bytes = bytes_;
  for (std::string_view argument : args) bytes += argument.size() + kPerArgument;
  if (bytes > kMaxBytes) return false;
  bytes_ = bytes;
  queued_.push_back({&command, {args.begin(), args.end()}});
  return true;
}

bool Transaction::watch(std::string_view key, std::uint64_t revision, std::uint64_t swaps) {
  remember(swaps);
  if (watched_keys_.contains(key)) return true;
  if (watched_.size() == kMaxWatched) return false;
  watched_keys_.emplace(key);
  watched_.push_back({std::string(key), revision});
  watched_bytes_ += 2 * (key.size() + sizeof(Watched));
  return true;
}

std::string refusal_of_bound(Context& context, std::span<const std::string_view> keys,
                             const Command* command) {
  const bool may_be_tables = command != nullptr && command->group == "sorted-set";
  for (std::string_view key : keys) {
    const NamespaceInfo* const table = may_be_tables ? scored_table(context, key) : nullptr;
    const NamespaceInfo& space = table != nullptr ? *table : context.layer.route(key);
    if (space.bound) {
      return "ERR keys of namespace '" + space.name +
             "' have a source and can't be part of a transaction or a script";
    }
  }
  return {};
}

Reach reach_of(const Command& command) {
  if ((command.flags & kOtherKeys) != 0) return Reach::kTable;
  if (command.has_keys()) return Reach::kKeys;
  if ((command.flags & (kReadonly | kWrite)) != 0) return Reach::kTable;
  if (command.name == "client") return Reach::kElsewhere;  // tracking listens to the layer
  return command.group == "connection" || command.group == "pubsub" ? Reach::kConnection : Reach::kElsewhere;
}

bool queue_if_open(Context& context, const Command& command) {
  Transaction& transaction = transaction_of(context);
  if (!transaction.open() || runs_in_multi(command)) return false;
  const std::string refusal = refusal_of_bound(context, keys_of(command, context.args), &command);
  if ((command.flags & kDenyMulti) != 0) {
    refuse(context, "ERR Command not allowed inside a transaction");
  } else if (!refusal.empty()) {
    refuse(context, refusal);
  } else if (!transaction.queue(command, context.args)) {
    refuse(context, "ERR the transaction is larger than a client's share of memory");
  } else {
    if (command.name == "select") {
      if (const auto database = parse_database(context, context.args[1])) transaction.select(*database);
    }
    context.reply.simple("QUEUED");
  }
  return true;
}

Family transaction_commands() {
  return kCommands;
}

}  // namespace forebay::server
