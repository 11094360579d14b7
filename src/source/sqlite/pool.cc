#include "source/sqlite/pool.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cstring>
#include <utility>

namespace forebay::source::sqlite {
namespace {

// Tells a file from another that took its name; 0: there is none. (Device and inode folded into one number:
// two files that exist at the same time on one file system differ.)
std::uint64_t identity(const std::string& path) {
  struct stat status = {};
  if (stat(path.c_str(), &status) != 0) return 0;
  return static_cast<std::uint64_t>(status.st_ino) * 0x9E3779B97F4A7C15U +
         static_cast<std::uint64_t>(status.st_dev) + 1;
}

}  // namespace

Lease::Lease(Lease&& other) noexcept
    : pool_(other.pool_), connection_(std::move(other.connection_)), file_(other.file_) {}

Lease::~Lease() {
  if (!connection_) return;
  connection_->roll_back();
  connection_->end_call();
  if (connection_->usable()) {
    pool_->give_back(std::move(connection_), file_);
  } else {
    connection_.reset();
    pool_->forget_one();
  }
}

Pool::Pool(std::string source, std::string path, Access access, std::size_t size)
    : source_(std::move(source)), path_(std::move(path)), access_(access), size_(size) {}

Result<Lease> Pool::acquire(const Deadline& deadline) {
  const std::uint64_t file = identity(path_);
  if (file == 0) {
    return Error{ErrorCode::kUnavailable,
                 fmt::format("source {}: cannot open {}: {}", source_, path_, std::strerror(errno))};
  }
  std::unique_ptr<Connection> connection;
  {
    MutexLock lock(mutex_);
    // A cancellation is not waited for here: a connection is free again within some call's deadline.
    const bool free = freed_.wait_until(mutex_, deadline.at(),
                                        [this]() NO_THREAD_SAFETY_ANALYSIS { return leased_ < size_; });
    if (!free)
      return Error{ErrorCode::kTimeout, fmt::format("source {}: no connection free in time", source_),
                   ErrorScope::kCall};
    ++leased_;
    while (!idle_.empty() && !connection) {
      if (idle_.back().file == file) connection = std::move(idle_.back().connection);
      idle_.pop_back();
    }
  }
  if (!connection) {
    auto opened = Connection::open(source_, path_, access_, deadline);
    if (!opened) {
      forget_one();
      return opened.error();
    }
    connection = std::move(*opened);
  }
  if (auto begun = connection->begin_call(deadline); !begun) {
    give_back(std::move(connection), file);
    return begun.error();
  }
  return Lease(*this, std::move(connection), file);
}

void Pool::give_back(std::unique_ptr<Connection> connection, std::uint64_t file) {
  MutexLock lock(mutex_);
  idle_.push_back({std::move(connection), file});
  --leased_;
  freed_.notify_one();
}

void Pool::forget_one() {
  MutexLock lock(mutex_);
  --leased_;
  freed_.notify_one();
}

}  // namespace forebay::source::sqlite
