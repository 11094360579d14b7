#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "server/resp/commands/command.h"

namespace forebay::server {

// The command that this thread runs for a client: what it changes is then known to be its doing. Kept only for
// those whom somebody asks about (clients that track keys; all, while there are keyspace notifications). A
// write that a source's thread ends has no command.
struct CurrentClient {
  std::uint64_t id = 0;              // 0: none
  const Command* command = nullptr;  // null: none
  std::span<const std::string_view> args = {};

  static CurrentClient& of_this_thread() {
    thread_local CurrentClient current;
    return current;
  }
};

// While a command runs; inside it others may, as in EXEC.
class CommandScope {
 public:
  CommandScope(std::uint64_t id, const Command& command, std::span<const std::string_view> args)
      : outer_(CurrentClient::of_this_thread()) {
    CurrentClient::of_this_thread() = {id, &command, args};
  }
  ~CommandScope() { CurrentClient::of_this_thread() = outer_; }
  CommandScope(const CommandScope&) = delete;
  CommandScope& operator=(const CommandScope&) = delete;

 private:
  const CurrentClient outer_;
};

}  // namespace forebay::server
