#include "cli/demo/child_output.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

extern char** environ;

namespace forebay::cli::demo {

Result<int> run_child(const std::vector<std::string>& command,
                      const std::function<void(std::string_view)>& on_output) {
  const auto failed = [&](int error) {
    return Error{ErrorCode::kUnavailable,
                 "cannot run " + command.front() + ": " + std::generic_category().message(error)};
  };
  std::array<int, 2> pipe_ends{};
  if (::pipe2(pipe_ends.data(), O_CLOEXEC) != 0) return failed(errno);
  const auto [reading, writing] = pipe_ends;

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, writing, STDOUT_FILENO);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(writing);
  if (error != 0) {
    ::close(reading);
    return failed(error);
  }

  std::vector<char> buffer(std::size_t{256} << 10);
  for (;;) {
    const ssize_t count = ::read(reading, buffer.data(), buffer.size());
    if (count > 0) {
      on_output({buffer.data(), static_cast<std::size_t>(count)});
    } else if (count == 0 || errno != EINTR) {
      break;
    }
  }
  ::close(reading);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace forebay::cli::demo
