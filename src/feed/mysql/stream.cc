#include "feed/mysql/stream.h"

#include <mariadb_rpl.h>
#include <mysql.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

namespace forebay::feed::mysql {

using source::mysql::Failure;
using source::mysql::HandlePtr;
using source::mysql::Outcome;
using source::mysql::WithoutSigpipe;

namespace {

// Who does not say that it knows of checksums is sent no log that has them. Without a heartbeat nobody could tell a
// quiet server from a dead one. What MariaDB sends to readers that don't say that they know its events is no log to follow.
constexpr const char* kWishes[] = {
    "SET @master_binlog_checksum = @@global.binlog_checksum",
    "SET @source_binlog_checksum = @@global.binlog_checksum",
    "SET @master_heartbeat_period = 1000000000, @source_heartbeat_period = 1000000000",
    "SET @mariadb_slave_capability = 4",
};
constexpr unsigned kLost = 2013;
constexpr unsigned long kBroken = UINT32_MAX;  // packet_error of libmariadb

Failure failed(MYSQL* handle) {
  Failure failure = source::mysql::failure_of(mysql_errno(handle), mysql_error(handle), false);
  failure.lost = true;
  failure.error.code = ErrorCode::kUnavailable;
  return failure;
}

}  // namespace

void Stream::Close::operator()(st_mariadb_rpl* reader) const {
  mariadb_rpl_close(reader);
}

Stream::Stream(HandlePtr handle, const Position& from, std::uint32_t server)
    : handle_(std::move(handle)), file_(from.file()), from_(from), server_(server) {}

Outcome<std::unique_ptr<Stream>> Stream::open(const source::mysql::Address& address, const Position& from,
                                              std::uint32_t server,
                                              std::chrono::milliseconds connect_timeout) {
  if (from.offset > UINT32_MAX)
    return std::unexpected(Failure{
        {ErrorCode::kUnavailable, "the protocol has no position beyond 4 GiB in a file"}, kNotInLog, true});
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(connect_timeout).count();
  HandlePtr handle = source::mysql::make_handle(address, static_cast<unsigned>(seconds));
  if (handle == nullptr) return std::unexpected(Failure{{ErrorCode::kUnavailable, "out of memory"}, 0, true});
  const auto patience = static_cast<unsigned>(kPatience.count());
  mysql_options(handle.get(), MYSQL_OPT_READ_TIMEOUT, &patience);
  mysql_options(handle.get(), MYSQL_OPT_WRITE_TIMEOUT, &patience);
  const WithoutSigpipe quiet;
  if (!source::mysql::connect(handle.get(), address)) return std::unexpected(failed(handle.get()));
  std::unique_ptr<Stream> stream(new Stream(std::move(handle), from, server));
  if (auto started = stream->start(); !started) return std::unexpected(std::move(started).error());
  stream->thread_ = std::thread([raw = stream.get()] { raw->read(); });
  return stream;
}

Outcome<void> Stream::start() {
  MYSQL* handle = handle_.get();
  for (const char* wish : kWishes) {
    if (mysql_query(handle, wish) != 0) return std::unexpected(failed(handle));
  }
  reader_.reset(mariadb_rpl_init(handle));
  if (reader_ == nullptr)
    return std::unexpected(Failure{{ErrorCode::kUnavailable, "out of memory"}, 0, true});
  mariadb_rpl_optionsv(reader_.get(), MARIADB_RPL_SERVER_ID, server_);
  mariadb_rpl_optionsv(reader_.get(), MARIADB_RPL_START, static_cast<unsigned long>(from_.offset));
  mariadb_rpl_optionsv(reader_.get(), MARIADB_RPL_FILENAME, file_.c_str(), file_.size());
  mariadb_rpl_optionsv(reader_.get(), MARIADB_RPL_HOST, "forebay");
  if (mariadb_rpl_open(reader_.get()) != 0) return std::unexpected(failed(handle));
  socket_ = dup(mysql_get_socket(handle));
  if (socket_ < 0) return std::unexpected(Failure{{ErrorCode::kUnavailable, "too many open files"}, 0, true});
  return {};
}

Stream::~Stream() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  // The thread may wait for the server, which isn't told: it finds that nobody listens.
  if (socket_ >= 0) shutdown(socket_, SHUT_RDWR);
  if (thread_.joinable()) thread_.join();
  if (socket_ >= 0) close(socket_);
}

void Stream::read() {
  const WithoutSigpipe quiet;
  MYSQL* handle = handle_.get();
  for (;;) {
    const unsigned long length = mysql_net_read_packet(handle);
    std::optional<Failure> end;
    // What is no event is the end of the log, as of a server that stops.
    if (length == kBroken) {
      end = failed(handle);
    } else if (length == 0 || handle->net.read_pos[0] != 0) {
      end = source::mysql::failure_of(kLost, "the server has ended the session", false);
    }
    MutexLock lock(mutex_);
    if (end) {
      end_ = std::move(end);
      changed_.notify_all();
      return;
    }
    events_.emplace_back(reinterpret_cast<const char*>(handle->net.read_pos) + 1, length - 1);
    bytes_ += length;
    changed_.notify_all();
    changed_.wait(mutex_, [this]() NO_THREAD_SAFETY_ANALYSIS { return bytes_ <= kMostBytes || stopping_; });
    if (stopping_) return;
  }
}

Outcome<std::optional<std::string>> Stream::receive(SteadyTime deadline) {
  MutexLock lock(mutex_);
  changed_.wait_until(mutex_, deadline,
                      [this]() NO_THREAD_SAFETY_ANALYSIS { return !events_.empty() || end_.has_value(); });
  if (events_.empty()) {
    if (end_) return std::unexpected(*end_);
    return std::nullopt;
  }
  std::string event = std::move(events_.front());
  events_.pop_front();
  const bool was_full = bytes_ > kMostBytes;
  bytes_ -= event.size() + 1;
  if (was_full) changed_.notify_all();
  const auto bare = checksums_.without(event);
  if (!bare) return std::unexpected(Failure{bare.error(), 0, true});
  event.resize(bare->size());
  return event;
}

}  // namespace forebay::feed::mysql
