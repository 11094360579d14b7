#pragma once

// The arguments of a command of which the keys are in another place than database 0 (base/database_key.h).

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/resp/commands/command.h"

namespace forebay::server {

class KeyNames {
 public:
  // The same arguments with the keys' names as they are there. Valid as long as those given are, and until the next
  // call. A script's keys stay as they are: the commands that it calls name them again.
  std::span<const std::string_view> at_place(unsigned place, const Command& command,
                                             std::span<const std::string_view> args);

 private:
  std::vector<std::string_view> args_;
  std::string names_;
};

}  // namespace forebay::server
