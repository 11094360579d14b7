#pragma once

// A real PostgreSQL for tests and benchmarks: Debian's package, in a temporary folder, on a unix socket of
// its own.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {

class PostgresServer {
 public:
  // One server for the whole test program: started by the first who asks (about two seconds), stopped at its
  // end. Tests share it, so each makes tables under names of its own. One that was stopped or paused is
  // started again.
  static PostgresServer& shared();

  // A server of one's own. `settings` are lines of postgresql.conf.
  explicit PostgresServer(const std::vector<std::string>& settings = {});
  ~PostgresServer();

  // A libpq URI for the database's superuser `postgres`, or for `user` (who needs no password).
  std::string url(std::string_view user = "postgres") const;

  // Runs statements, as the superuser and on a connection of their own. Returns the last one's first column,
  // one line a row, NULL as nothing. Throws std::runtime_error with the server's message.
  std::string exec(const std::string& sql) const;

  void start();  // returns when it answers; throws when it does not
  void stop(int signal_number =
                SIGINT);  // SIGINT ends sessions with an error, SIGQUIT cuts them, SIGKILL is a crash
  void pause();           // the whole server hangs: connections are accepted, nothing is answered
  void resume();

 private:
  std::vector<pid_t> processes() const;

  TempDir folder_;
  Process postmaster_;
};

}  // namespace forebay::test
