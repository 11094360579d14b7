#pragma once

// One replication session with a PostgreSQL server: a connection on which the server sends its log as it grows.
//
// Non-blocking calls of libpq and poll(): a server that hangs holds nobody beyond the time that a call was given. Not
// thread-safe: one call at a time.

#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "feed/postgres/pgoutput.h"
#include "source/postgres/error.h"
#include "source/postgres/result.h"

namespace forebay::feed::postgres {

using SteadyTime = std::chrono::steady_clock::time_point;

class Replication {
 public:
  // `url`: a libpq URI or connection string of a server, not of a pooler. The session's values are written as those of
  // all our sessions are, and the server ends it `patience` after it has last heard of us.
  static source::postgres::Outcome<std::unique_ptr<Replication>> open(const std::string& url,
                                                                      std::chrono::milliseconds patience,
                                                                      SteadyTime deadline);

  // Runs a command of the replication protocol that returns rows, or none.
  source::postgres::Outcome<source::postgres::ResultPtr> command(const std::string& command,
                                                                 SteadyTime deadline);
  // Runs START_REPLICATION: from then on there is receive() and send_status() only.
  source::postgres::Outcome<void> start(const std::string& command, SteadyTime deadline);

  struct Received {
    std::string_view message;  // of pgoutput; empty: a keepalive. Until the next call.
    Lsn log_end = 0;           // a keepalive: all of the log up to here has been sent
    bool wants_status = false;
  };
  // Nothing: there was nothing by the deadline.
  source::postgres::Outcome<std::optional<Received>> receive(SteadyTime deadline);
  // Nothing up to `done` has to be sent again.
  source::postgres::Outcome<void> send_status(Lsn received, Lsn done, SteadyTime deadline);

 private:
  struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
  };
  struct Free {
    void operator()(char* buffer) const { PQfreemem(buffer); }
  };
  explicit Replication(PGconn* connection) : connection_(connection) {}

  bool wait(short events, SteadyTime deadline);
  source::postgres::Failure lost() const;
  source::postgres::Outcome<void> flush(SteadyTime deadline);
  source::postgres::Outcome<source::postgres::ResultPtr> result(SteadyTime deadline);

  std::unique_ptr<PGconn, Finish> connection_;
  std::unique_ptr<char, Free> buffer_;  // of the message that was received last
};

}  // namespace forebay::feed::postgres
