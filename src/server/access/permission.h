#pragma once

// Whether the client that asks may do what it asks for. Commands of clients, of transactions and of scripts come by
// here; those of users who may do everything don't (Session::restricted()).

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "server/access/denial_log.h"
#include "server/access/user.h"
#include "server/resp/commands/command.h"

namespace forebay::server::access {

struct Denial {
  Refused what;
  std::string verb;    // the command or subcommand
  std::string object;  // the key or channel; of a command its name
};

// Nothing: the user may. `args` are as the client gave them, with the keys' names in its database.
std::optional<Denial> check(const User& user, const Command& command, std::span<const std::string_view> args);

// As Redis 7.2 says it, without "NOPERM ". The object is told where the client is told of somebody else's rights.
enum class Tell : bool { kReason, kObject };
std::string text_of(const User& user, const Denial& denial, Tell tell);
// Why a command of a transaction that was queued is not executed any more.
std::string text_of_change(const Denial& denial);

// The same for the client of a session, and a denial goes into the log.
std::optional<Denial> check_client(Context& context, const Command& command,
                                   std::span<const std::string_view> args, DenialLog::Where where);
// Names of keys as the layer has them, those in other databases with their mark.
std::optional<Denial> check_queued(Context& context, const Command& command,
                                   std::span<const std::string_view> args);

// Whether the client may execute its command, with these keys, and read all other keys besides.
bool may_read_all_keys(Context& context, const Command& command);

}  // namespace forebay::server::access
