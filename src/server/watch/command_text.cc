#include "server/watch/command_text.h"

#include <fmt/format.h>

#include <iterator>

#include "server/resp/commands/registry.h"

namespace forebay::server {

bool is_secret(const Command& command, std::span<const std::string_view> args, std::size_t at) {
  if (at == 0) return false;
  if (command.name == "auth") return true;
  if (command.name == "hello") return at >= 2 && !equals_ignoring_case(args[at], "setname");
  if (command.name == "acl") return args.size() > 1 && equals_ignoring_case(args[1], "setuser") && at >= 2;
  return command.name == "config" && args.size() > 1 && equals_ignoring_case(args[1], "set") && at >= 2;
}

void append_quoted(std::string& to, std::string_view text) {
  to += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
      case '\\':
        to.append(1, '\\').append(1, c);
        break;
      case '\n':
        to.append("\\n");
        break;
      case '\r':
        to.append("\\r");
        break;
      case '\t':
        to.append("\\t");
        break;
      case '\a':
        to.append("\\a");
        break;
      case '\b':
        to.append("\\b");
        break;
      default:
        if (c >= ' ' && c <= '~') {
          to += c;
        } else {
          fmt::format_to(std::back_inserter(to), "\\x{:02x}", static_cast<unsigned char>(c));
        }
    }
  }
  to += '"';
}

}  // namespace forebay::server
