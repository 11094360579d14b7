#pragma once

// Ends statements on the server from a thread of its own.
//
// KILL QUERY needs a connection besides the one whose statement it ends, and that takes as long as the server
// likes. Neither the thread that wants the cancellation nor the one whose call is cancelled waits for it; they
// leave the request here.

#include <cstdint>
#include <memory>

#include "source/mysql/address.h"

namespace forebay::source::mysql {

// Thread-safe. Never blocks a caller.
class Canceller {
 public:
  explicit Canceller(const Address& address);
  ~Canceller();  // waits at most a second for a request in progress
  Canceller(const Canceller&) = delete;
  Canceller& operator=(const Canceller&) = delete;

  // Asks the server to end what the session with this id runs. Past 256 waiting requests one is dropped: the
  // statement's own limit then ends it.
  void cancel(std::uint64_t session);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace forebay::source::mysql
