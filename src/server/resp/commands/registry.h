#pragma once

#include <cstdint>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// A command and its place in all_commands(), which indexes per-command counters.
struct Registered {
  const Command* command = nullptr;
  std::uint32_t index = 0;
};

// find_command() with the index; the command is null if there is none of that name.
Registered find_registered(std::string_view name);

// Lower case, ASCII only.
bool equals_ignoring_case(std::string_view text, std::string_view lower);

}  // namespace forebay::server
