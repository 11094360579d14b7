#pragma once

// A MySQL or MariaDB server whose binary log is read: how it is set up, how far its log goes, and what it shows.

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "source/mysql/pool.h"

namespace forebay::feed::mysql {

// A place in a binary log: files are numbered, and their names end with the number.
struct Position {
  std::string stem;  // "mysql-bin."
  std::uint64_t number = 0;
  std::uint64_t offset = 0;
  std::size_t digits = 6;  // of the number

  std::string file() const;
  bool same_log(const Position& other) const { return stem == other.stem; }
};
// Whether a place is reached by one who has read up to `reader`, in the same log.
bool reached(const Position& place, const Position& reader);
// Nothing: no such file can be one of a binary log.
std::optional<Position> position_of(std::string_view file, std::uint64_t offset);

// What the server says of itself that concerns its log.
class Settings {
 public:
  explicit Settings(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  // "" where the server has no such setting.
  std::string operator[](const std::string& name) const;
  bool is(const std::string& name, std::string_view value) const;  // in letters of either case
  bool has(const std::string& name) const { return values_.contains(name); }
  // Which server it is: another text is another log.
  std::string identity() const;
  bool whole_rows() const { return is("binlog_row_image", "FULL"); }
  // Commits may vanish when the server or its machine dies.
  bool may_lose_commits() const;

 private:
  std::map<std::string, std::string> values_;
};

source::mysql::Outcome<Settings> ask_settings(source::mysql::Pool& pool, const source::Call& call);

// Whether the server's log can be followed. kConfig: it can't; the message says what to change.
Result<void> check_settings(const Settings& settings, bool mariadb);
// What sessions may do that the feed does not hear of in rows, one sentence each.
std::vector<std::string> doubtful_settings(const Settings& settings);

// The end of the log. kConfig: the account may not ask, or there is no log.
struct LogEnd {
  Position position;
  // How many RESETs the server has begun since it started. RESET MASTER begins the log anew under its old name, perhaps
  // with the same positions, and its readers are not told.
  std::uint64_t resets = 0;
  std::string only;     // binlog_do_db
  std::string without;  // binlog_ignore_db
};
Result<LogEnd> ask_end(source::mysql::Pool& pool, const source::Call& call);

// Up to where the server's log is what everybody sees from now on. MariaDB only.
source::mysql::Outcome<Position> ask_shown(source::mysql::Pool& pool, const source::Call& call);
// The same of single transactions of MySQL, by their names.
source::mysql::Outcome<std::vector<bool>> ask_executed(source::mysql::Pool& pool,
                                                       const std::vector<std::string>& gtids,
                                                       const source::Call& call);

source::mysql::Outcome<bool> is_mariadb(source::mysql::Pool& pool, const source::Call& call);

}  // namespace forebay::feed::mysql
