#pragma once

// Sends PostgreSQL's cancel requests from a thread of its own.
//
// PQcancel() opens a connection and waits for the server to close it, without any limit of time: a server
// that hangs would hold whoever calls it. So neither the thread that wants the cancellation nor the one whose
// call is cancelled does; they leave the request here.

#include <libpq-fe.h>

#include <memory>

namespace forebay::source::postgres {

// Thread-safe. Never blocks a caller.
class Canceller {
 public:
  Canceller();
  ~Canceller();  // waits at most a second for a request in progress
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  // Asks the server to cancel what `connection` runs. The connection may be closed at once afterwards. Past
  // 256 waiting requests one is dropped: the statement's own timeout then ends it.
  void cancel(PGconn* connection);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace forebay::source::postgres
