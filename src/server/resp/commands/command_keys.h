#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "forebay/function_ref.h"
#include "server/resp/commands/command.h"

namespace forebay::server {

// Calls `visit` with the place of each key among a command's arguments, by its row in the table; a script's keys are
// none, as its commands name them. What the request lacks, or says wrongly, is left out.
void visit_keys(const Command& command, std::span<const std::string_view> args,
                FunctionRef<void(std::size_t at)> visit);

// Keys that follow their number, which is at this place.
void visit_counted_keys(std::span<const std::string_view> args, std::size_t at,
                        FunctionRef<void(std::size_t at)> visit);

// The keys themselves.
void append_keys(std::vector<std::string_view>& keys, const Command& command,
                 std::span<const std::string_view> args);
std::vector<std::string_view> keys_of(const Command& command, std::span<const std::string_view> args);

}  // namespace forebay::server
