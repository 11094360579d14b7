// Rules of a user: no crash; and what is told of a user makes the same user again, which is told in the same words.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/access/permission.h"
#include "server/access/user.h"
#include "server/access/users.h"
#include "server/resp/commands/registry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace forebay::server;
  using namespace forebay::server::access;
  // The rules, a line end, and then a request.
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view rules = input.substr(0, end);
  const std::vector<std::string_view> request = split_rules(input.substr(end));

  static_cast<void>(check_rules("u", rules));
  User user("u");
  if (user.apply(split_rules(rules))) return 0;
  const std::string line = user.describe();
  User again("u");
  const std::vector<std::string_view> words = split_rules(line);
  // A selector that is told may begin like one that is not closed: "((", from the pattern of a key, is none of ours.
  if (again.apply(std::span(words).subspan(2)) || again.describe() != line) {
    if (line.find('(') == std::string::npos) std::abort();
    return 0;
  }
  if (request.empty()) return 0;
  const Command* const command = find_command(request[0]);
  if (command == nullptr) return 0;
  if (check(user, *command, request).has_value() != check(again, *command, request).has_value()) std::abort();
  return 0;
}
