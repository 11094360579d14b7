#pragma once

// A real MariaDB for tests and benchmarks: Debian's package, in a temporary folder, on a unix socket of its own.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {

class MariadbServer {
 public:
  // One server for the whole test program: started by the first who asks (about three seconds), stopped at its
  // end. Tests share it, so each makes tables under names of its own. One that was stopped or paused is started
  // again. Its texts are told apart by their bytes unless a column says otherwise.
  static MariadbServer& shared();

  // A server of one's own. `settings` are further arguments of mariadbd.
  explicit MariadbServer(std::vector<std::string> settings = {});
  ~MariadbServer();

  // For the database `forebay`, as root or as `user` (who needs no password).
  std::string url(std::string_view user = "root") const;
  std::filesystem::path socket() const { return folder_ / "socket"; }

  // Runs one statement as root on a connection of its own, in sql_mode ANSI without backslashes. Returns the first
  // column, one line a row, NULL as nothing. Throws std::runtime_error with the server's message.
  std::string exec(const std::string& sql) const;

  void start();                            // returns when it answers; throws when it does not
  void stop(int signal_number = SIGTERM);  // SIGKILL is a crash
  void pause();  // the whole server hangs: connections are accepted, nothing is answered
  void resume();

 private:
  const std::vector<std::string> settings_;
  TempDir folder_;
  Process server_;
};

// A session of another program, which can hold locks and transactions open.
class MariadbSession {
 public:
  explicit MariadbSession(const MariadbServer& server);
  ~MariadbSession();
  // As MariadbServer::exec().
  std::string run(const std::string& sql);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

}  // namespace forebay::test
