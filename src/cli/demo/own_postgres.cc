#include "cli/demo/own_postgres.h"

#include <fcntl.h>
#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "cli/demo/child_output.h"

extern char** environ;

namespace forebay::cli::demo {
namespace {

namespace fs = std::filesystem;

constexpr auto kStartsWithin = std::chrono::seconds(30);

// The command, to be run as somebody else than root.
std::vector<std::string> as_postgres(std::vector<std::string> command) {
  if (::geteuid() == 0) {
    std::vector<std::string> prefix{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"};
    command.insert(command.begin(), prefix.begin(), prefix.end());
  }
  return command;
}

Result<pid_t> spawn(const std::vector<std::string>& command, const std::string& log) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND,
                                     0600);
  ::posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  // A group of its own: a Ctrl-C is the demo's to obey, which then ends the server in good order.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return Error{ErrorCode::kUnavailable,
                 "cannot run " + command.front() + ": " + std::generic_category().message(error)};
  return child;
}

}  // namespace

std::string OwnPostgres::installed() {
  std::string newest;
  int version = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", ignored)) {
    const std::string name = entry.path().filename();
    int number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    const std::string programs = entry.path() / "bin";
    if (number > version && ::access((programs + "/postgres").c_str(), X_OK) == 0) {
      version = number;
      newest = programs;
    }
  }
  return newest;
}

Result<std::unique_ptr<OwnPostgres>> OwnPostgres::start(const std::string& programs) {
  std::string folder = (fs::temp_directory_path() / "forebay-demo-pg-XXXXXX").string();
  if (::mkdtemp(folder.data()) == nullptr)
    return Error{ErrorCode::kUnavailable, "cannot make the folder " + folder};
  std::unique_ptr<OwnPostgres> made(new OwnPostgres(folder, programs));
  if (auto ready = made->make(); !ready) return std::move(ready).error();
  return made;
}

Result<void> OwnPostgres::make() {
  if (::geteuid() == 0) {
    const passwd* const user = ::getpwnam("postgres");
    if (user == nullptr || ::chown(folder_.c_str(), user->pw_uid, user->pw_gid) != 0)
      return Error{ErrorCode::kUnavailable, "there is no user postgres to run PostgreSQL as"};
  }
  const std::string data = folder_ + "/data";
  const auto status = run_child(
      as_postgres({programs_ + "/initdb", "--no-sync", "--auth=trust", "--username=postgres", "-D", data}),
      [](std::string_view) {});
  if (!status) return status.error();
  if (*status != 0)
    return Error{ErrorCode::kUnavailable,
                 "initdb failed in " + folder_ + " (may the user postgres go there?)"};
  std::ofstream settings(data + "/postgresql.conf", std::ios::app);
  settings << "listen_addresses = ''\nunix_socket_directories = '" << folder_
           << "'\nwal_level = logical\nfsync = off\n";
  settings.close();
  auto server = spawn(as_postgres({programs_ + "/postgres", "-D", data}), folder_ + "/log");
  if (!server) return std::move(server).error();
  server_ = *server;
  const auto give_up = std::chrono::steady_clock::now() + kStartsWithin;
  while (!psql("SELECT 1")) {
    if (::waitpid(server_, nullptr, WNOHANG) == server_) {
      server_ = 0;
      return Error{ErrorCode::kUnavailable, "PostgreSQL ended while it started"};
    }
    if (std::chrono::steady_clock::now() > give_up)
      return Error{ErrorCode::kTimeout, "PostgreSQL did not start within 30 s"};
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return {};
}

OwnPostgres::~OwnPostgres() {
  if (server_ != 0) {
    ::kill(server_, SIGINT);  // ends its sessions and stops
    while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

Result<std::string> OwnPostgres::psql(std::string_view sql) const {
  std::string out;
  // Settings of whoever runs the demo are for another server.
  const auto status = run_child({"env",
                                 "-u",
                                 "PGDATABASE",
                                 "-u",
                                 "PGOPTIONS",
                                 "-u",
                                 "PGUSER",
                                 "-u",
                                 "PGHOST",
                                 "-u",
                                 "PGPORT",
                                 "-u",
                                 "PGSERVICE",
                                 programs_ + "/psql",
                                 "-d",
                                 "postgres",
                                 "-qAt",
                                 "-v",
                                 "ON_ERROR_STOP=1",
                                 "-h",
                                 folder_,
                                 "-U",
                                 "postgres",
                                 "-c",
                                 std::string(sql)},
                                [&](std::string_view piece) { out += piece; });
  if (!status) return status.error();
  if (*status != 0) return Error{ErrorCode::kRefused, "psql: the server refused " + std::string(sql)};
  return out;
}

}  // namespace forebay::cli::demo
