#include "feed/mysql/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

namespace forebay::feed::mysql {

using source::Call;
using source::mysql::Connection;
using source::mysql::Outcome;
using source::mysql::Parameter;
using source::mysql::Pool;
using source::mysql::Rows;

namespace {

constexpr const char* kSettings =
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'binlog_row_image', "
    "'binlog_row_metadata', 'binlog_row_value_options', 'binlog_transaction_compression', 'gtid_mode', "
    "'server_id', 'server_uuid', 'server_uid', 'hostname', 'port', 'datadir', 'sync_binlog', "
    "'innodb_flush_log_at_trx_commit', 'log_bin_basename')";

// 1381: there is no log; 1227: the account may not.
constexpr unsigned kNoLog = 1381;
constexpr unsigned kMayNot = 1227;
constexpr unsigned kSyntax = 1064;

Error wrong_setup(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool equal_letters(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

std::string_view cell_named(const Rows& rows, std::string_view name) {
  for (std::size_t i = 0; i < rows.fields.size(); ++i) {
    if (equal_letters(rows.fields[i].name, name)) return rows.cell(0, i);
  }
  return {};
}

}  // namespace

std::string Position::file() const {
  return fmt::format("{}{:0{}}", stem, number, digits);
}

bool reached(const Position& place, const Position& reader) {
  return place.same_log(reader) &&
         std::pair(reader.number, reader.offset) >= std::pair(place.number, place.offset);
}

std::optional<Position> position_of(std::string_view file, std::uint64_t offset) {
  const std::size_t point = file.rfind('.');
  if (point == std::string_view::npos) return std::nullopt;
  const std::string_view digits = file.substr(point + 1);
  Position position{std::string(file.substr(0, point + 1)), 0, offset, digits.size()};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), position.number);
  if (digits.empty() || error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return position;
}

std::string Settings::operator[](const std::string& name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? "" : found->second;
}

bool Settings::is(const std::string& name, std::string_view value) const {
  return equal_letters((*this)[name], value);
}

std::string Settings::identity() const {
  return fmt::format("{} {} {} {} {} {}", (*this)["server_id"], (*this)["server_uuid"], (*this)["server_uid"],
                     (*this)["hostname"], (*this)["port"], (*this)["datadir"]);
}

bool Settings::may_lose_commits() const {
  return !is("sync_binlog", "1") || !is("innodb_flush_log_at_trx_commit", "1");
}

Outcome<Settings> ask_settings(Pool& pool, const Call& call) {
  auto rows = pool.ask(kSettings, {}, call);
  if (!rows) return std::unexpected(std::move(rows).error());
  std::map<std::string, std::string> values;
  for (std::size_t i = 0; i < rows->count(); ++i) values.emplace(rows->cell(i, 0), rows->cell(i, 1));
  return Settings(std::move(values));
}

Result<void> check_settings(const Settings& settings, bool mariadb) {
  if (!settings.is("log_bin", "ON"))
    return wrong_setup(
        "feed = \"binlog\" needs the server's binary log, which is off: log_bin = ON in the server's "
        "configuration, and restart it");
  if (!settings.is("binlog_format", "ROW"))
    return wrong_setup(fmt::format(
        "feed = \"binlog\" needs binlog_format = ROW, which is {}: SET GLOBAL binlog_format = ROW, "
        "and the same in the server's configuration; sessions that began before keep what they had",
        settings["binlog_format"]));
  if (!settings["binlog_row_value_options"].empty())
    return wrong_setup("feed = \"binlog\" needs whole values: SET GLOBAL binlog_row_value_options = ''");
  if (settings.is("binlog_transaction_compression", "ON"))
    return wrong_setup(
        "feed = \"binlog\" does not read MySQL's compressed transactions: SET GLOBAL "
        "binlog_transaction_compression = OFF");
  if (!mariadb && !settings.is("gtid_mode", "ON"))
    return wrong_setup(
        "feed = \"binlog\" needs gtid_mode = ON on MySQL: nothing else tells when a change can be seen");
  return {};
}

std::vector<std::string> doubtful_settings(const Settings& settings) {
  if (settings.is("binlog_format", "ROW")) return {};
  return {
      fmt::format("binlog_format has become {}: what sessions write now ends all of the source's tables "
                  "each time; SET GLOBAL binlog_format = ROW mends that",
                  settings["binlog_format"])};
}

Result<LogEnd> ask_end(Pool& pool, const Call& call) {
  // Before the place: a RESET between the two is told the next time.
  auto resets = pool.ask("SHOW GLOBAL STATUS LIKE 'Com_reset'", {}, call);
  if (!resets) return std::move(resets).error().error;
  auto rows = pool.ask("SHOW MASTER STATUS", {}, call);
  // MySQL 8.4 has no word for it any more.
  if (!rows && rows.error().code == kSyntax) rows = pool.ask("SHOW BINARY LOG STATUS", {}, call);
  if (!rows && rows.error().code == kMayNot)
    return wrong_setup(
        "the account may not ask where the binary log ends: GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* "
        "TO "
        "it (MySQL: REPLICATION SLAVE, REPLICATION CLIENT); `forebay feed sql FILE` prints the statement");
  if (!rows && rows.error().code != kNoLog) return std::move(rows).error().error;
  if (!rows || rows->count() == 0) return wrong_setup("the server has no binary log");
  const auto position = position_of(rows->cell(0, 0), number_of(rows->cell(0, 1)));
  if (!position) return wrong_setup("the names of the server's binary logs don't end with a number");
  return LogEnd{*position, resets->count() == 0 ? 0 : number_of(resets->cell(0, 1)),
                std::string(cell_named(*rows, "Binlog_Do_DB")),
                std::string(cell_named(*rows, "Binlog_Ignore_DB"))};
}

// Read by a snapshot that is consistent with the log. What the log has up to there is seen by all who read from then
// on: of a commit the server shows the rows before, or with, its place in that.
Outcome<Position> ask_shown(Pool& pool, const Call& call) {
  auto rows = pool.read(call, [&](Connection& connection) -> Outcome<Rows> {
    // Sessions read committed rows, for which there is no such snapshot.
    for (const char* sql :
         {"SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT"}) {
      if (auto done = connection.command(sql, call); !done) return std::unexpected(std::move(done).error());
    }
    auto found = connection.execute("SHOW STATUS LIKE 'binlog_snapshot_%'", {}, call);
    if (auto done = connection.command("COMMIT", call); !done && found)
      return std::unexpected(std::move(done).error());
    return found;
  });
  if (!rows) return std::unexpected(std::move(rows).error());
  std::string file;
  std::uint64_t offset = 0;
  for (std::size_t i = 0; i < rows->count(); ++i) {
    if (equal_letters(rows->cell(i, 0), "binlog_snapshot_file")) file = rows->cell(i, 1);
    if (equal_letters(rows->cell(i, 0), "binlog_snapshot_position")) offset = number_of(rows->cell(i, 1));
  }
  const auto position = position_of(file, offset);
  if (!position)
    return std::unexpected(source::mysql::ours(
        {ErrorCode::kUnavailable, "the server does not say which part of its log a snapshot shows"}));
  return *position;
}

Outcome<std::vector<bool>> ask_executed(Pool& pool, const std::vector<std::string>& gtids, const Call& call) {
  std::vector<bool> shown;
  for (const std::string& gtid : gtids) {
    const Parameter named[] = {gtid};
    auto rows = pool.ask("SELECT GTID_SUBSET(?, @@GLOBAL.gtid_executed)", named, call);
    if (!rows) return std::unexpected(std::move(rows).error());
    shown.push_back(rows->count() == 1 && rows->cell(0, 0) == "1");
  }
  return shown;
}

Outcome<bool> is_mariadb(Pool& pool, const Call& call) {
  auto rows = pool.ask("SELECT VERSION() LIKE '%MariaDB%'", {}, call);
  if (!rows) return std::unexpected(std::move(rows).error());
  return rows->count() == 1 && rows->cell(0, 0) == "1";
}

}  // namespace forebay::feed::mysql
