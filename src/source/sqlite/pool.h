#pragma once

// A bounded set of connections to one database file, opened when they are first needed.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "source/sqlite/connection.h"

namespace forebay::source::sqlite {

class Pool;

// A connection with a call in progress; given back when this goes.
class Lease {
 public:
  Lease(Lease&& other) noexcept;
  ~Lease();
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  Connection& operator*() const { return *connection_; }
  Connection* operator->() const { return connection_.get(); }
  // Tells the file that it is open on from others that had or get its name.
  std::uint64_t file() const { return file_; }

 private:
  friend class Pool;
  Lease(Pool& pool, std::unique_ptr<Connection> connection, std::uint64_t file)
      : pool_(&pool), connection_(std::move(connection)), file_(file) {}

  Pool* pool_;
  std::unique_ptr<Connection> connection_;
  std::uint64_t file_;
};

// Thread-safe; must outlive its leases.
class Pool {
 public:
  Pool(std::string source, std::string path, Access access, std::size_t size);

  // A connection, with begin_call(deadline) done; waits for one at most until the deadline, which must
  // outlive the lease. A connection to a file that has since been replaced by another of the same name is
  // closed first: SQLite itself would go on reading the old one.
  Result<Lease> acquire(const Deadline& deadline) EXCLUDES(mutex_);

 private:
  friend class Lease;
  struct Idle {
    std::unique_ptr<Connection> connection;
    std::uint64_t file;
  };
  void give_back(std::unique_ptr<Connection> connection, std::uint64_t file) EXCLUDES(mutex_);
  void forget_one() EXCLUDES(mutex_);

  const std::string source_;
  const std::string path_;
  const Access access_;
  const std::size_t size_;
  Mutex mutex_;
  Condition freed_;
  std::vector<Idle> idle_ GUARDED_BY(mutex_);  // the last used is the next used: its caches are warm
  std::size_t leased_ GUARDED_BY(mutex_) = 0;  // idle_.size() + leased_ is at most size_
};

}  // namespace forebay::source::sqlite
