#pragma once

// Child processes of a test: servers on free ports, programs whose output is checked. They die with the test,
// also when it crashes, and are only ever signalled by the pid they were started with.

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace forebay::test {

// A TCP port of 127.0.0.1 that nobody listened on a moment ago. Another process may take it before the child
// does: a server that can be given port 0 or a unix socket should be.
std::uint16_t free_port();

struct ProcessOptions {
  std::filesystem::path output = {};  // stdout and stderr go to the end of this file; empty: the test's own
  std::filesystem::path directory = {};       // working directory; empty: the test's own
  std::vector<std::string> environment = {};  // NAME=value, added to the test's own
  std::string user = {};                      // run as this user; only root can
  int death_signal = SIGKILL;                 // what the child gets when the thread that started it dies
};

// One child. Not thread-safe. The thread that starts it should be the test's main thread: the kernel sends
// the death signal when that thread ends, not when the whole process does.
class Process {
 public:
  Process() = default;  // none
  // Starts argv[0] (a path, or a name looked up in PATH). A program that can't be executed ends with status
  // 127.
  explicit Process(const std::vector<std::string>& argv, const ProcessOptions& options = {});
  ~Process();  // SIGKILL, if it still runs
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;

  pid_t pid() const { return pid_; }  // 0: none, or it has ended
  bool running();
  void signal(int number);
  // SIGSTOP, and returns once all its threads stand still: the signal alone takes its time.
  void freeze();
  // Waits for the end: the exit status, 128 + number if a signal ended it, nothing if it still runs at the
  // deadline.
  std::optional<int> wait(std::chrono::milliseconds deadline = std::chrono::seconds(30));
  // Sends `number` and waits; SIGKILL if that was not enough by the deadline. Returns what wait() does.
  std::optional<int> stop(int number = SIGTERM,
                          std::chrono::milliseconds deadline = std::chrono::seconds(20));

 private:
  pid_t pid_ = 0;
  std::optional<int> status_;
};

struct Output {
  int status = 0;    // as from Process::wait; -1: it did not end in time and was killed
  std::string text;  // stdout and stderr together
};

// Runs a program to its end.
Output run(const std::vector<std::string>& argv, ProcessOptions options = {},
           std::chrono::milliseconds deadline = std::chrono::seconds(120));

}  // namespace forebay::test
