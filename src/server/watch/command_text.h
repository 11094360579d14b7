#pragma once

// How a client's command is shown to people (MONITOR, SLOWLOG): what may be a secret is left out.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// Whether the argument at this place may be a password.
bool is_secret(const Command& command, std::span<const std::string_view> args, std::size_t at);

// Appends it in double quotes, with what is not printable as C has it.
void append_quoted(std::string& to, std::string_view text);

}  // namespace forebay::server
