#pragma once

// One session in which a server sends its binary log as it grows: libmariadb's replication calls.
//
// A thread of its own waits for the server, since these calls can't be given a deadline; what it has read is taken by
// receive(). The server says each second that it is alive: one that does not for kPatience counts as dead. At most
// kMostBytes wait to be taken.
//
// Not thread-safe but for that: one call at a time.

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "base/mutex.h"
#include "feed/mysql/events.h"
#include "feed/mysql/server.h"
#include "source/mysql/address.h"
#include "source/mysql/error.h"
#include "source/mysql/handle.h"

struct st_mariadb_rpl;

namespace forebay::feed::mysql {

using SteadyTime = std::chrono::steady_clock::time_point;

class Stream {
 public:
  static constexpr std::chrono::seconds kPatience{5};
  static constexpr std::size_t kMostBytes = std::size_t{16} << 20;
  // The log does not have what was asked for.
  static constexpr unsigned kNotInLog = 1236;

  // The log from a position on. `server`: the number by which the server knows this reader; a second one of the same
  // number ends the first. Blocks, at most for the connection's timeout and a few times kPatience.
  static source::mysql::Outcome<std::unique_ptr<Stream>> open(const source::mysql::Address& address,
                                                              const Position& from, std::uint32_t server,
                                                              std::chrono::milliseconds connect_timeout);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  // The next event, without a checksum. Nothing: there was none by the deadline.
  source::mysql::Outcome<std::optional<std::string>> receive(SteadyTime deadline);

 private:
  struct Close {
    void operator()(st_mariadb_rpl* reader) const;
  };
  Stream(source::mysql::HandlePtr handle, const Position& from, std::uint32_t server);
  source::mysql::Outcome<void> start();
  void read();

  source::mysql::HandlePtr handle_;
  const std::string file_;
  std::unique_ptr<st_mariadb_rpl, Close> reader_;
  const Position from_;
  const std::uint32_t server_;
  Checksums checksums_;
  int socket_ = -1;  // the connection's, by a number of its own: libmariadb closes its own as it likes

  Mutex mutex_;
  Condition changed_;
  std::deque<std::string> events_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::optional<source::mysql::Failure> end_ GUARDED_BY(mutex_);  // after what is in events_
  std::thread thread_;
};

}  // namespace forebay::feed::mysql
