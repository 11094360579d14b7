#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "server/resp/commands/command.h"

namespace forebay::server {

// The keys among a command's arguments, by its row in the table.
void append_keys(std::vector<std::string_view>& keys, const Command& command,
                 std::span<const std::string_view> args);
std::vector<std::string_view> keys_of(const Command& command, std::span<const std::string_view> args);

}  // namespace forebay::server
