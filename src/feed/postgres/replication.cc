#include "feed/postgres/replication.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "source/postgres/settings.h"

namespace forebay::feed::postgres {

using source::postgres::Failure;
using source::postgres::Outcome;
using source::postgres::ResultPtr;

namespace {

// As options of the session. `patience`: after which the server ends it.
std::string session_options(std::chrono::milliseconds patience) {
  std::string options = fmt::format("-c wal_sender_timeout={}", patience.count());
  for (const source::postgres::Setting& setting : source::postgres::kSettings)
    options += fmt::format(" -c {}={}", setting.name, setting.value);
  return options;
}

Failure overdue() {
  return {{ErrorCode::kTimeout, "the server did not answer in time"}, {}, true};
}

// Integers of the replication protocol, most significant byte first.
class Packet {
 public:
  void letter(char value) { bytes_ += value; }
  void integer(std::uint64_t value) {
    for (int shift = 56; shift >= 0; shift -= 8) bytes_ += static_cast<char>(value >> shift & 0xff);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::uint64_t integer_at(std::string_view bytes, std::size_t from) {
  std::uint64_t value = 0;
  for (const char byte : bytes.substr(from, 8)) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}

}  // namespace

bool Replication::wait(short events, SteadyTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd socket{PQsocket(connection_.get()), events, 0};
    const int ready =
        ::poll(&socket, 1, static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000)));
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

Failure Replication::lost() const {
  return {{ErrorCode::kUnavailable, source::postgres::connection_message(connection_.get())}, {}, true};
}

Outcome<std::unique_ptr<Replication>> Replication::open(const std::string& url,
                                                        std::chrono::milliseconds patience,
                                                        SteadyTime deadline) {
  const std::string options = session_options(patience);
  // Of two mentions of a parameter the later one holds: what follows the URL is not the user's to say.
  constexpr std::array<const char*, 9> names = {"keepalives_idle",
                                                "keepalives_interval",
                                                "keepalives_count",
                                                "fallback_application_name",
                                                "dbname",
                                                "replication",
                                                "client_encoding",
                                                "options",
                                                nullptr};
  const std::array<const char*, 9> values = {
      "30", "10", "3", "forebay feed", url.c_str(), "database", "UTF8", options.c_str(), nullptr};
  std::unique_ptr<Replication> made(new Replication(PQconnectStartParams(names.data(), values.data(), 1)));
  PGconn* connection = made->connection_.get();
  if (connection == nullptr)
    return std::unexpected(
        Failure{{ErrorCode::kUnavailable, "there is no memory for a connection"}, {}, true});
  if (PQstatus(connection) == CONNECTION_BAD) return std::unexpected(made->lost());
  PQsetNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
  for (PostgresPollingStatusType step = PGRES_POLLING_WRITING; step != PGRES_POLLING_OK;) {
    if (!made->wait(step == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline))
      return std::unexpected(overdue());
    step = PQconnectPoll(connection);
    if (step == PGRES_POLLING_FAILED) return std::unexpected(made->lost());
  }
  PQsetnonblocking(connection, 1);
  return made;
}

Outcome<void> Replication::flush(SteadyTime deadline) {
  for (;;) {
    const int left = PQflush(connection_.get());
    if (left == 0) return {};
    if (left < 0) return std::unexpected(lost());
    // The server may want to be read from before it takes more.
    if (!wait(POLLOUT | POLLIN, deadline)) return std::unexpected(overdue());
    if (PQconsumeInput(connection_.get()) == 0) return std::unexpected(lost());
  }
}

Outcome<ResultPtr> Replication::result(SteadyTime deadline) {
  while (PQisBusy(connection_.get()) != 0) {
    if (!wait(POLLIN, deadline)) return std::unexpected(overdue());
    if (PQconsumeInput(connection_.get()) == 0) return std::unexpected(lost());
  }
  ResultPtr result(PQgetResult(connection_.get()));
  if (result != nullptr && PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
    return std::unexpected(source::postgres::failure_of(result.get(), false));
  return result;
}

Outcome<ResultPtr> Replication::command(const std::string& command, SteadyTime deadline) {
  if (PQsendQuery(connection_.get(), command.c_str()) == 0) return std::unexpected(lost());
  if (auto sent = flush(deadline); !sent) return std::unexpected(sent.error());
  ResultPtr answer;
  for (;;) {
    auto next = result(deadline);
    if (!next) return next;
    if (*next == nullptr) return answer;
    answer = std::move(*next);
  }
}

Outcome<void> Replication::start(const std::string& command, SteadyTime deadline) {
  if (PQsendQuery(connection_.get(), command.c_str()) == 0) return std::unexpected(lost());
  if (auto sent = flush(deadline); !sent) return std::unexpected(sent.error());
  auto begun = result(deadline);
  if (!begun) return std::unexpected(begun.error());
  if (*begun == nullptr || PQresultStatus(begun->get()) != PGRES_COPY_BOTH)
    return std::unexpected(
        Failure{{ErrorCode::kUnavailable, "the server did not begin to send its log"}, {}, true});
  return {};
}

Outcome<std::optional<Replication::Received>> Replication::receive(SteadyTime deadline) {
  for (;;) {
    char* bytes = nullptr;
    const int size = PQgetCopyData(connection_.get(), &bytes, 1);
    buffer_.reset(bytes);
    if (size == 0) {
      if (!wait(POLLIN, deadline)) return std::optional<Received>();
      if (PQconsumeInput(connection_.get()) == 0) return std::unexpected(lost());
      continue;
    }
    if (size < 0) {
      // The end: the result says why.
      const ResultPtr end(size == -1 ? PQgetResult(connection_.get()) : nullptr);
      if (end != nullptr && PQresultStatus(end.get()) == PGRES_FATAL_ERROR)
        return std::unexpected(source::postgres::failure_of(end.get(), false));
      if (size == -1)
        return std::unexpected(
            Failure{{ErrorCode::kUnavailable, "the server has ended the replication"}, {}, true});
      return std::unexpected(lost());
    }
    const std::string_view packet(bytes, static_cast<std::size_t>(size));
    // XLogData: start, end and time, then the message. Keepalive: end, time, and whether a status is wanted.
    constexpr std::size_t kData = 25;
    constexpr std::size_t kKeepalive = 18;
    if (packet.starts_with('w') && packet.size() > kData) return Received{packet.substr(kData), 0, false};
    if (packet.starts_with('k') && packet.size() >= kKeepalive)
      return Received{{}, integer_at(packet, 1), packet[kKeepalive - 1] != '\0'};
    return std::unexpected(Failure{
        {ErrorCode::kUnavailable, "the server sent what is no message of the replication"}, {}, true});
  }
}

Outcome<void> Replication::send_status(Lsn received, Lsn done, SteadyTime deadline) {
  Packet packet;
  packet.letter('r');
  packet.integer(received);
  packet.integer(done);
  packet.integer(done);
  packet.integer(0);  // this side's clock is nobody's business
  packet.letter('\0');
  const std::string& bytes = packet.bytes();
  if (PQputCopyData(connection_.get(), bytes.data(), static_cast<int>(bytes.size())) != 1)
    return std::unexpected(lost());
  return flush(deadline);
}

}  // namespace forebay::feed::postgres
