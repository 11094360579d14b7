#include "server/resp/commands/key_names.h"

#include "base/database_key.h"
#include "server/resp/commands/command_keys.h"

namespace forebay::server {

std::span<const std::string_view> KeyNames::at_place(unsigned place, const Command& command,
                                                     std::span<const std::string_view> args) {
  std::size_t bytes = 0;
  visit_keys(command, args, [&](std::size_t at) { bytes += kDatabasePrefix + args[at].size(); });
  if (bytes == 0) return args;
  names_.clear();
  names_.reserve(bytes);  // so that what has been appended stays where it is
  args_.assign(args.begin(), args.end());
  const std::string prefix = database_prefix(place);
  visit_keys(command, args, [&](std::size_t at) {
    const std::size_t begin = names_.size();
    names_.append(prefix).append(args[at]);
    args_[at] = std::string_view(names_).substr(begin);
  });
  return args_;
}

}  // namespace forebay::server
