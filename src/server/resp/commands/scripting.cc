// EVAL and its relatives: scripts in Lua. A script runs on the event loop of whoever sent it, at once; one that
// takes longer than a slice goes on between other work of that loop.

#include "server/resp/commands/scripting.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/access/permission.h"
#include "server/log.h"
#include "server/resp/commands/access.h"
#include "server/resp/commands/arguments.h"
#include "server/resp/commands/client_tracking.h"
#include "server/resp/commands/command_keys.h"
#include "server/resp/commands/databases.h"
#include "server/resp/commands/key_names.h"
#include "server/resp/commands/registry.h"
#include "server/resp/commands/subcommand.h"
#include "server/resp/commands/transactions.h"
#include "server/resp/commands/watching.h"
#include "server/resp/session.h"
#include "server/script/engine.h"
#include "server/script/scripts.h"
#include "server/server.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

using script::Engine;
using script::Script;
using script::Scripts;

constexpr std::string_view kUnknownScript = "NOSCRIPT No matching script. Please use EVAL.";

bool may_be_called(const Command& command) {
  if ((command.flags & (kAdmin | kDenyMulti)) != 0 || is_script(command)) return false;
  const std::string_view group = command.group;
  if (group == "pubsub") return command.name == "publish" || command.name == "spublish";
  if (group == "transactions" || group == "forebay") return false;
  if (reach_of(command) == Reach::kKeys || reach_of(command) == Reach::kTable) return true;
  return command.name == "ping" || command.name == "echo" || command.name == "time";
}

// Does what a script asks for.
class Caller final : public script::Host {
 public:
  Caller(const Context& context, bool reads_only)
      : layer_(context.layer),
        server_(context.server),
        session_(context.session),
        now_(context.now),
        reads_only_(reads_only) {}

  void call(std::span<const std::string_view> args, resp::Writer& reply) override {
    const Command* const command = find_command(args[0]);
    if (command == nullptr) return reply.error("ERR Unknown Redis command called from script");
    if (!arity_fits(command->arity, args.size()))
      return reply.error("ERR Wrong number of args calling Redis command from script");
    if (!may_be_called(*command)) return reply.error("ERR This Redis command is not allowed from script");
    const bool writes = (command->flags & kWrite) != 0;
    Context inner{args, layer_, server_, session_, reply, now_, {}};
    if (!permitted(inner, *command)) return;
    if (writes && reads_only_)
      return reply.error("ERR Write commands are not allowed from read-only scripts.");
    if (const unsigned place = place_of(inner); place != 0)
      inner.args = args = names_.at_place(place, *command, args);
    keys_.clear();
    append_keys(keys_, *command, args);
    if (const std::string refusal = refusal_of_bound(inner, keys_, command); !refusal.empty())
      return reply.error(refusal);
    Scripts& scripts = server_.scripts();
    for (const std::string_view key : keys_) scripts.alone().lock(key);
    if (reach_of(*command) == Reach::kTable) scripts.alone().lock_all();
    if (writes) scripts.set_written();
    if (server_.monitors().any()) show_command(inner, *command, "lua");
    const std::size_t before = reply.buffer().size();
    if (session_.attended()) [[unlikely]] {
      const CommandScope scope(session_.id(), *command, args);
      note_reads(inner, *command);
      command->handler(inner);
    } else {
      command->handler(inner);
    }
    session_.control().on_inner(*command, reply.buffer().size() > before && reply.buffer()[before] == '-');
  }

  void log(int level, std::string_view text) override {
    if (level < 2) return;
    static LogLimit limit;
    log_warning(limit, fmt::format("script: {}", text));
  }

 private:
  // False: an error has been answered.
  static bool permitted(Context& context, const Command& command) {
    if (!context.session.restricted()) return true;
    const auto denial = access::check_client(context, command, context.args, access::DenialLog::Where::kLua);
    if (!denial) return true;
    context.reply.error("ERR ACL failure in script: " +
                        access::text_of(*context.session.user(), *denial, access::Tell::kReason));
    return false;
  }

  Layer& layer_;
  Server& server_;
  Session& session_;
  const Instant now_;
  const bool reads_only_;
  std::vector<std::string_view> keys_;
  KeyNames names_;
};

// A script that takes longer than a slice. It goes on between other work of its event loop; nobody enters
// before it has ended.
class Longer : public std::enable_shared_from_this<Longer> {
 public:
  Longer(Context& context, std::unique_ptr<Caller> caller, std::shared_ptr<ReplySlot> slot)
      : scripts_(context.server.scripts()),
        control_(context.session.control()),
        caller_(std::move(caller)),
        slot_(std::move(slot)),
        kept_(control_.keep()),
        since_(std::chrono::steady_clock::now()) {}
  ~Longer() {
    if (ended_) return;
    // The loop ends.
    scripts_.kill_anyway(Scripts::Why::kServerStops);
    while (!scripts_.engine().go_on()) {
    }
    scripts_.leave();
  }
  Longer(const Longer&) = delete;
  Longer& operator=(const Longer&) = delete;

  void go_on_later() {
    control_.post([self = shared_from_this()] { self->go_on(); });
  }

 private:
  void go_on() {
    if (!scripts_.engine().go_on()) {
      if (std::chrono::steady_clock::now() - since_ > scripts_.limit.load(std::memory_order_relaxed))
        scripts_.set_busy();
      return go_on_later();
    }
    ended_ = true;
    slot_->complete([reply = std::move(scripts_.engine().reply())](resp::Writer& writer) {
      writer.buffer().append(reply);
    });
    scripts_.leave();
  }

  Scripts& scripts_;
  ConnectionControl& control_;
  const std::unique_ptr<Caller> caller_;
  const std::shared_ptr<ReplySlot> slot_;
  const std::shared_ptr<void> kept_;  // the connection, whose session the script uses
  const std::chrono::steady_clock::time_point since_;
  bool ended_ = false;
};

bool refuse_if_off(Context& context) {
  if (context.server.scripts_allowed()) return false;
  context.reply.error(
      "NOPERM scripts are off where the server can be reached without a password: set a password, or scripts "
      "= "
      "true in [server]");
  return true;
}

// Inside EXEC the transaction has entered, and holds what it will. Otherwise false: the command is to be tried
// again later.
bool enter(Context& context) {
  if (in_exec(context) || context.server.scripts().enter()) return true;
  context.session.control().retry();
  return false;
}
void leave(Context& context) {
  if (!in_exec(context)) context.server.scripts().leave();
}

enum class Names : bool { kSource, kSha };

void run(Context& context, Names names, bool reads_only) {
  if (refuse_if_off(context)) return;
  const auto count = parse_integer(context.args[2]);
  if (!count) return context.reply.error(kNotAnInteger);
  if (*count < 0) return context.reply.error("ERR Number of keys can't be negative");
  const auto rest = context.args.subspan(3);
  if (static_cast<std::uint64_t>(*count) > rest.size())
    return context.reply.error("ERR Number of keys can't be greater than number of args");
  const auto keys = rest.first(static_cast<std::size_t>(*count));
  // In other databases there are no bound keys.
  if (const std::string refusal = place_of(context) == 0 ? refusal_of_bound(context, keys) : std::string();
      !refusal.empty())
    return context.reply.error(refusal);
  if (!enter(context)) return;
  Engine& engine = context.server.scripts().engine();
  const Script* found = nullptr;
  if (names == Names::kSha) {
    found = engine.find(context.args[1]);
    if (found == nullptr) context.reply.error(kUnknownScript);
  } else if (auto loaded = engine.load(context.args[1], false)) {
    found = *loaded;
  } else {
    context.reply.error(loaded.error().message);
  }
  if (found == nullptr) return leave(context);
  auto caller = std::make_unique<Caller>(context, reads_only || found->no_writes);
  if (!engine.start(*found, keys, rest.subspan(keys.size()), *caller, context.session.protocol())) {
    if (!in_exec(context))
      return std::make_shared<Longer>(context, std::move(caller), context.defer())->go_on_later();
    const auto since = std::chrono::steady_clock::now();
    while (!engine.go_on()) {
      if (std::chrono::steady_clock::now() - since <=
          context.server.scripts().limit.load(std::memory_order_relaxed))
        continue;
      context.server.scripts().set_busy();
      context.server.scripts().kill_anyway(Scripts::Why::kTooLong);
    }
  }
  context.reply.buffer().append(engine.reply());
  leave(context);
}

void eval(Context& context) {
  run(context, Names::kSource, false);
}
void eval_ro(Context& context) {
  run(context, Names::kSource, true);
}
void evalsha(Context& context) {
  run(context, Names::kSha, false);
}
void evalsha_ro(Context& context) {
  run(context, Names::kSha, true);
}

void script_load(Context& context) {
  if (refuse_if_off(context) || !enter(context)) return;
  auto loaded = context.server.scripts().engine().load(context.args[2], true);
  if (loaded) {
    context.reply.bulk((*loaded)->sha);
  } else {
    context.reply.error(loaded.error().message);
  }
  leave(context);
}

void script_exists(Context& context) {
  if (!enter(context)) return;
  context.reply.array(context.args.size() - 2);
  for (const std::string_view sha : context.args.subspan(2))
    context.reply.integer(context.server.scripts().engine().find(sha) != nullptr ? 1 : 0);
  leave(context);
}

void script_flush(Context& context) {
  const bool good = context.args.size() == 2 ||
                    (context.args.size() == 3 && (equals_ignoring_case(context.args[2], "async") ||
                                                  equals_ignoring_case(context.args[2], "sync")));
  if (!good) return context.reply.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  if (!enter(context)) return;
  context.server.scripts().engine().flush();
  leave(context);
  context.reply.ok();
}

void script_kill(Context& context) {
  switch (context.server.scripts().kill()) {
    case Scripts::Kill::kDone:
      return context.reply.ok();
    case Scripts::Kill::kNothingRuns:
      return context.reply.error("NOTBUSY No scripts in execution right now.");
    case Scripts::Kill::kHasWritten:
      return context.reply.error(
          "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either "
          "wait "
          "the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.");
  }
}

constexpr Subcommand kSubcommands[] = {
    {"exists", -3, "EXISTS <sha1> [<sha1> ...]: which scripts are known.", script_exists},
    {"flush", -2, "FLUSH [ASYNC|SYNC]: forgets all scripts.", script_flush},
    {"kill", 2, "KILL: ends the script that runs, if it has changed nothing.", script_kill},
    {"load", 3, "LOAD <script>: compiles a script; EVALSHA runs it.", script_load},
};

void script_container(Context& context) {
  run_subcommand(context, "script", kSubcommands);
}

constexpr Command kCommands[] = {
    {"eval", -3, 0, 0, 0, 0, eval, "Executes a server-side Lua script.", "2.6.0", "scripting"},
    {"eval_ro", -3, kReadonly, 0, 0, 0, eval_ro, "Executes a read-only server-side Lua script.", "7.0.0",
     "scripting"},
    {"evalsha", -3, 0, 0, 0, 0, evalsha, "Executes a server-side Lua script by SHA1 digest.", "2.6.0",
     "scripting"},
    {"evalsha_ro", -3, kReadonly, 0, 0, 0, evalsha_ro,
     "Executes a read-only server-side Lua script by SHA1 digest.", "7.0.0", "scripting"},
    {"script", -2, 0, 0, 0, 0, script_container, "A container for Lua scripts management commands.", "2.6.0",
     "scripting", 0, nullptr, script_subcommands},
};

// What neither looks at keys nor takes a lock that somebody who waits for a shard may hold.
bool is_free_of_keys(const Command& command) {
  return command.group == "connection" || command.group == "pubsub" || command.name == "time" ||
         command.name == "command";
}

}  // namespace

bool is_script(const Command& command) {
  return command.group == "scripting";
}

bool waits_for_script(Context& context, const Command& command, std::span<const std::string_view> args) {
  // Who begins to track keys passes through every shard.
  const bool tracks =
      command.name == "client" && args.size() > 1 && equals_ignoring_case(args[1], "tracking");
  if (is_free_of_keys(command) && !tracks) return false;
  const bool in_multi = context.session.transaction().open();
  if (in_multi && command.name != "exec") return false;
  if (is_script(command)) return args.size() < 2 || !equals_ignoring_case(args[1], "kill");
  if (command.group == "transactions") return command.name == "exec" || command.name == "watch";
  if (command.first_key <= 0 || command.keys_counted_at > 0 || command.more_keys != nullptr ||
      (command.flags & kOtherKeys) != 0)
    return true;
  // Of several keys the shards are held together, which nobody may while a script holds some.
  if (command.last_key != command.first_key) return true;
  const auto at = static_cast<std::size_t>(command.first_key);
  return at >= args.size() || context.layer.locked_alone(args[at]);
}

Family scripting_commands() {
  return kCommands;
}

std::span<const Subcommand> script_subcommands() {
  return kSubcommands;
}

}  // namespace forebay::server
