#pragma once

#include <span>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// One row of a container command such as CLIENT or CONFIG.
struct Subcommand {
  std::string_view name;   // lower case
  int arity;               // as for Command: counts the container's name and its own
  std::string_view usage;  // a line of `… HELP`
  Handler handler;
};

// Runs the subcommand that args[1] names; answers HELP, unknown names and wrong numbers of arguments itself.
// `container` is in lower case.
void run_subcommand(Context& context, std::string_view container, std::span<const Subcommand> subcommands);

// "ERR wrong number of arguments for '…' command"; `name` in lower case, `container|subcommand` for
// subcommands.
void reply_wrong_arity(resp::Writer& reply, std::string_view name);
// Whether a client's glob pattern, in any case, matches a lower-case name.
bool name_matches(std::string_view pattern, std::string_view name);
bool arity_fits(int arity, std::size_t arguments);

// What each container has, beside its handler.
std::span<const Subcommand> acl_subcommands();
std::span<const Subcommand> client_subcommands();
std::span<const Subcommand> command_subcommands();
std::span<const Subcommand> config_subcommands();
std::span<const Subcommand> forebay_subcommands();
std::span<const Subcommand> latency_subcommands();
std::span<const Subcommand> memory_subcommands();
std::span<const Subcommand> module_subcommands();
std::span<const Subcommand> object_subcommands();
std::span<const Subcommand> pubsub_subcommands();
std::span<const Subcommand> script_subcommands();
std::span<const Subcommand> slowlog_subcommands();
std::span<const Subcommand> xgroup_subcommands();
std::span<const Subcommand> xinfo_subcommands();

}  // namespace forebay::server
