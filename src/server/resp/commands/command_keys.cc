#include "server/resp/commands/command_keys.h"

#include <algorithm>

namespace forebay::server {

void append_keys(std::vector<std::string_view>& keys, const Command& command,
                 std::span<const std::string_view> args) {
  if (command.first_key <= 0) return;
  const auto count = static_cast<int>(args.size());
  const int last = std::min(command.last_key < 0 ? count + command.last_key : command.last_key, count - 1);
  for (int at = command.first_key; at <= last; at += command.key_step) {
    keys.push_back(args[static_cast<std::size_t>(at)]);
  }
}

std::vector<std::string_view> keys_of(const Command& command, std::span<const std::string_view> args) {
  std::vector<std::string_view> keys;
  append_keys(keys, command, args);
  return keys;
}

}  // namespace forebay::server
