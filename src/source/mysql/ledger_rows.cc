#include "source/mysql/ledger_rows.h"

#include <fmt/format.h>

#include "source/ledger.h"

namespace forebay::source::mysql {
namespace {

constexpr const char* kLetters =
    "SELECT journal, lane, seq, namespace, `key`, operation, error, "
    "CONCAT(LEFT(DATE_FORMAT(at, '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z') FROM forebay_dead ";

}  // namespace

// The primary key's order is that in which dead letters are listed.
std::vector<std::string> ledger_schema(std::string_view schema) {
  const std::string prefix = schema.empty() ? std::string() : std::string(schema) + ".";
  constexpr const char* kOptions = "ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  return {
      fmt::format(
          "CREATE TABLE IF NOT EXISTS {}forebay_applied (journal varchar(255) NOT NULL, lane int NOT NULL, "
          "last_seq bigint NOT NULL, session bigint unsigned, PRIMARY KEY (journal, lane)) {}",
          prefix, kOptions),
      fmt::format(
          "CREATE TABLE IF NOT EXISTS {}forebay_dead (journal varchar(255) NOT NULL, lane int NOT NULL, "
          "seq bigint NOT NULL, namespace text NOT NULL, `key` mediumtext NOT NULL, operation longtext NOT "
          "NULL, error mediumtext NOT NULL, at timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), "
          "PRIMARY KEY (journal, seq, lane)) {}",
          prefix, kOptions),
      // lease_until: Unix time in ms, by the database's clock.
      fmt::format(
          "CREATE TABLE IF NOT EXISTS {}forebay_owner (journal varchar(255) PRIMARY KEY, epoch bigint NOT "
          "NULL, home text NOT NULL, process text NOT NULL, place text NOT NULL, lease_until bigint NOT "
          "NULL, renewals bigint NOT NULL) {}",
          prefix, kOptions),
  };
}

std::string dead::one() {
  return std::string(kLetters) + "WHERE journal = ? AND lane = ? AND seq = ?";
}

std::string dead::first_page() {
  return std::string(kLetters) + "ORDER BY journal, seq, lane LIMIT ?";
}

std::string dead::next_page() {
  return std::string(kLetters) + "WHERE (journal, seq, lane) > (?, ?, ?) ORDER BY journal, seq, lane LIMIT ?";
}

DeadLetter letter_in(const Rows& rows, std::size_t row) {
  return letter_of(
      {std::string(rows.cell(row, 0)), static_cast<std::uint32_t>(number_in(rows, row, 1)),
       number_in(rows, row, 2)},
      {rows.cell(row, 3), rows.cell(row, 4), rows.cell(row, 5), rows.cell(row, 6), rows.cell(row, 7)});
}

}  // namespace forebay::source::mysql
