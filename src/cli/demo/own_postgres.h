#pragma once

// A PostgreSQL that only the demo uses: in a folder of its own, on a Unix socket, gone when the demo ends.

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>

#include "forebay/result.h"

namespace forebay::cli::demo {

class OwnPostgres {
 public:
  // The newest one that is installed as Debian does it; empty: none.
  static std::string installed();

  // Makes the database and starts the server, which writes a log that can be followed (wal_level = logical). As root it
  // runs as the user postgres, since it refuses to run as root. Takes a few seconds.
  static Result<std::unique_ptr<OwnPostgres>> start(const std::string& programs);
  ~OwnPostgres();
  OwnPostgres(const OwnPostgres&) = delete;
  OwnPostgres& operator=(const OwnPostgres&) = delete;

  // Runs statements in psql; kRefused: the first that failed ended them.
  Result<std::string> psql(std::string_view sql) const;
  // For libpq, and for a [source.X].
  std::string url() const { return "postgresql://postgres@/postgres?host=" + folder_; }
  const std::string& folder() const { return folder_; }

 private:
  OwnPostgres(std::string folder, std::string programs)
      : folder_(std::move(folder)), programs_(std::move(programs)) {}
  Result<void> make();

  std::string folder_;
  std::string programs_;
  pid_t server_ = 0;
};

}  // namespace forebay::cli::demo
