#include "server/resp/commands/command_keys.h"

#include <algorithm>

#include "server/resp/commands/arguments.h"

namespace forebay::server {

void visit_keys(const Command& command, std::span<const std::string_view> args,
                FunctionRef<void(std::size_t at)> visit) {
  if (command.first_key > 0) {
    const auto count = static_cast<int>(args.size());
    const int last = std::min(command.last_key < 0 ? count + command.last_key : command.last_key, count - 1);
    for (int at = command.first_key; at <= last; at += command.key_step) visit(static_cast<std::size_t>(at));
  }
  if (command.keys_counted_at > 0) visit_counted_keys(args, command.keys_counted_at, visit);
  if (command.more_keys != nullptr) command.more_keys(args, visit);
}

void visit_counted_keys(std::span<const std::string_view> args, std::size_t at,
                        FunctionRef<void(std::size_t at)> visit) {
  if (at >= args.size()) return;
  const auto count = parse_integer(args[at]);
  if (!count || *count <= 0) return;
  const auto room = args.size() - at - 1;
  const auto end = at + 1 + std::min(room, static_cast<std::size_t>(*count));
  for (std::size_t key = at + 1; key < end; ++key) visit(key);
}

void append_keys(std::vector<std::string_view>& keys, const Command& command,
                 std::span<const std::string_view> args) {
  visit_keys(command, args, [&](std::size_t at) { keys.push_back(args[at]); });
}

std::vector<std::string_view> keys_of(const Command& command, std::span<const std::string_view> args) {
  std::vector<std::string_view> keys;
  append_keys(keys, command, args);
  return keys;
}

}  // namespace forebay::server
