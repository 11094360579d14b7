#include "support/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "support/eventually.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

// Everything the child needs, made before fork(): between fork() and exec() a child of a program with threads
// may only make system calls.
struct Prepared {
  std::vector<char*> argv;
  std::vector<std::string> environment_texts;
  std::vector<char*> environment;
  std::string output;
  std::string directory;
  uid_t uid = 0;
  gid_t gid = 0;
  bool change_user = false;
  int death_signal = 0;
  pid_t parent = 0;
};

[[noreturn]] void become(const Prepared& child) {
  // Signal masks are inherited; a test that blocks signals must not hand that on.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (child.change_user) {
    if (setgroups(0, nullptr) != 0 || setgid(child.gid) != 0 || setuid(child.uid) != 0) _exit(126);
  }
  // After setuid(), which clears it. The parent may have died before it was set.
  prctl(PR_SET_PDEATHSIG, child.death_signal);
  if (getppid() != child.parent) _exit(125);
  if (!child.directory.empty() && chdir(child.directory.c_str()) != 0) _exit(124);
  if (!child.output.empty()) {
    const int file = open(child.output.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (file < 0 || dup2(file, 1) < 0 || dup2(file, 2) < 0) _exit(123);
  }
  const int nothing = open("/dev/null", O_RDONLY);
  if (nothing >= 0) dup2(nothing, 0);
  execvpe(child.argv[0], child.argv.data(), child.environment.data());
  _exit(127);
}

int exit_code(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

std::uint16_t free_port() {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  close(listener);
  return ntohs(address.sin_port);
}

Process::Process(const std::vector<std::string>& argv, const ProcessOptions& options) {
  Prepared child;
  for (const std::string& argument : argv) child.argv.push_back(const_cast<char*>(argument.c_str()));
  child.argv.push_back(nullptr);
  child.environment_texts = options.environment;
  // Of two entries with the same name getenv() takes the first: what was asked for comes before what is
  // inherited.
  for (std::string& text : child.environment_texts) child.environment.push_back(text.data());
  for (char** variable = environ; *variable != nullptr; ++variable) child.environment.push_back(*variable);
  child.environment.push_back(nullptr);
  child.output = options.output.string();
  child.directory = options.directory.string();
  child.death_signal = options.death_signal;
  child.parent = getpid();
  if (!options.user.empty()) {
    const passwd* user = getpwnam(options.user.c_str());
    if (user == nullptr) throw std::runtime_error("no user " + options.user);
    child.change_user = true;
    child.uid = user->pw_uid;
    child.gid = user->pw_gid;
  }
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("fork failed");
  if (pid_ == 0) become(child);
}

Process::~Process() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

Process::Process(Process&& other) noexcept
    : pid_(std::exchange(other.pid_, 0)), status_(std::exchange(other.status_, std::nullopt)) {}

Process& Process::operator=(Process&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(status_, other.status_);
  return *this;
}

bool Process::running() {
  if (pid_ == 0) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return true;
  status_ = exit_code(status);
  pid_ = 0;
  return false;
}

void Process::freeze() {
  if (pid_ == 0) return;
  signal(SIGSTOP);
  int status = 0;
  while (waitpid(pid_, &status, WUNTRACED) < 0 && errno == EINTR) {
  }
  if (WIFSTOPPED(status)) return;
  status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  pid_ = 0;
}

void Process::signal(int number) {
  if (pid_ != 0) kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds deadline) {
  eventually([this] { return !running(); }, deadline);
  return status_;
}

std::optional<int> Process::stop(int number, std::chrono::milliseconds deadline) {
  if (!running()) return status_;
  signal(number);
  signal(SIGCONT);  // one that is paused would never see it
  if (const auto status = wait(deadline)) return status;
  signal(SIGKILL);
  return wait(deadline);
}

Output run(const std::vector<std::string>& argv, ProcessOptions options, std::chrono::milliseconds deadline) {
  TempDir folder;
  if (!options.user.empty()) std::filesystem::permissions(folder.path(), std::filesystem::perms::all);
  if (options.output.empty()) options.output = folder / "output";
  Process process(argv, options);
  Output output;
  if (const auto status = process.wait(deadline)) {
    output.status = *status;
  } else {
    output.status = -1;
    process.stop(SIGKILL);
  }
  std::ifstream file(options.output, std::ios::binary);
  output.text.assign(std::istreambuf_iterator<char>(file), {});
  return output;
}

}  // namespace forebay::test
