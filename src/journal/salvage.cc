#include "journal/salvage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <map>
#include <memory>
#include <string_view>
#include <system_error>
#include <utility>

#include "journal/group.h"
#include "journal/log_file.h"
#include "journal/page_scan.h"
#include "journal/receipt_bytes.h"

namespace forebay::journal {
namespace {

namespace fs = std::filesystem;

struct Close {
  void operator()(sqlite3* database) const { sqlite3_close_v2(database); }
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, Close>;
using Statement = std::unique_ptr<sqlite3_stmt, Close>;

std::string ops_of(std::uint64_t first, std::uint64_t last) {
  return first == last ? fmt::format("op {}", first) : fmt::format("ops {} to {}", first, last);
}

// Keeps processes from opening the journal as long as it lives.
class Guard {
 public:
  // False: one has it open.
  bool take(const std::string& journal) {
    file_ = ::open((journal + "-lock").c_str(), O_RDONLY | O_CLOEXEC);
    return file_ < 0 || flock(file_, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
  }
  Guard() = default;
  ~Guard() {
    if (file_ >= 0) close(file_);
  }
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;

 private:
  int file_ = -1;
};

// For reading, without any of the files that SQLite would make beside it. `code`: SQLite's.
Database open(const std::string& path, int& code) {
  std::error_code failed;
  const auto log = fs::file_size(path + "-wal", failed);
  const bool with_log = !failed && log > 0;
  std::string name = "file:";
  for (const char c : fs::absolute(path).string()) {
    if (c == '%' || c == '?' || c == '#') {
      name += fmt::format("%{:02x}", static_cast<unsigned char>(c));
    } else {
      name += c;
    }
  }
  // Where there is a log it is read, its index in memory; else SQLite would make an empty one.
  if (!with_log) name += "?immutable=1";
  sqlite3* handle = nullptr;
  code = sqlite3_open_v2(name.c_str(), &handle,
                         SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         "unix-none");
  Database database(handle);
  if (code != SQLITE_OK) return database;
  sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  // With writable_schema a file that is too short, or a broken schema, does not keep the rest from being
  // read.
  for (const char* setting : {"PRAGMA locking_mode = EXCLUSIVE", "PRAGMA trusted_schema = OFF",
                              "PRAGMA cell_size_check = ON", "PRAGMA writable_schema = ON"}) {
    sqlite3_exec(handle, setting, nullptr, nullptr, nullptr);
  }
  return database;
}

class Salvager {
 public:
  explicit Salvager(const std::string& path) : path_(path) {}

  Result<Salvaged> run() {
    if (auto read = read_rows(); !read) return std::move(read).error();
    if (auto log = damage_of_wal(path_)) {
      damaged(std::move(*log));
      out_.more = true;
    }
    compare();
    if (!out_.damage.empty()) {
      fill();
      if (empty_) return Error{ErrorCode::kConfig, fmt::format("{} is no journal: {}", path_, not_read_)};
    }
    finish();
    return std::move(out_);
  }

 private:
  struct Kept {
    std::uint64_t last;
    std::int64_t wall_ms;
    std::string bytes;
    bool seen;  // by SQLite
  };

  void damaged(std::string what) { out_.damage.push_back(std::move(what)); }
  std::string message() const { return sqlite3_errmsg(database_.get()); }

  Statement prepare(const char* sql) {
    sqlite3_stmt* handle = nullptr;
    sqlite3_prepare_v2(database_.get(), sql, -1, &handle, nullptr);
    return Statement(handle);
  }
  static std::string_view bytes(const Statement& row, int column) {
    const void* data = sqlite3_column_blob(row.get(), column);
    const auto size = static_cast<std::size_t>(sqlite3_column_bytes(row.get(), column));
    return data == nullptr ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
  }
  static std::uint64_t number(const Statement& row, int column) {
    return static_cast<std::uint64_t>(sqlite3_column_int64(row.get(), column));
  }
  static std::optional<std::uint64_t> optional_number(const Statement& row, int column) {
    if (sqlite3_column_type(row.get(), column) == SQLITE_NULL) return std::nullopt;
    return number(row, column);
  }
  std::optional<std::uint64_t> ask(const char* sql) {
    const Statement statement = prepare(sql);
    if (!statement || sqlite3_step(statement.get()) != SQLITE_ROW) return std::nullopt;
    return number(statement, 0);
  }

  // All that SQLite reads.
  Result<void> read_rows() {
    int code = SQLITE_OK;
    database_ = open(path_, code);
    out_.more = true;
    const auto tables = code == SQLITE_OK ? ask("SELECT count(*) FROM sqlite_schema") : std::nullopt;
    if (!tables) {
      not_read_ = message();
      damaged(fmt::format("SQLite can't read it: {}", not_read_));
      return {};
    }
    const auto application = ask("PRAGMA application_id");
    const auto groups = ask("SELECT count(*) FROM sqlite_schema WHERE name = 'groups'");
    if (application != LogFile::kApplicationId && *tables != 0 && groups.value_or(0) == 0) {
      return Error{ErrorCode::kConfig, fmt::format("journal {}: this is another program's database", path_)};
    }
    not_read_ = "nothing of one is in it";
    if (application != LogFile::kApplicationId)
      damaged("it does not say that it is a journal (application_id)");
    if (const auto format = ask("PRAGMA user_version");
        format != LogFile::kFormat && format != LogFile::kWithoutMarks) {
      damaged(fmt::format("its format is {}, this version of Forebay reads {}", format.value_or(0),
                          LogFile::kFormat));
    }
    read_meta();
    read_applied();
    read_groups();
    read_receipts();
    return {};
  }

  void read_meta() {
    const Statement rows = prepare("SELECT name, value FROM meta");
    int code = SQLITE_ERROR;
    while (rows && (code = sqlite3_step(rows.get())) == SQLITE_ROW) {
      const std::string_view name = bytes(rows, 0);
      const std::string_view value = bytes(rows, 1);
      std::uint64_t number = 0;
      const auto [end, wrong] = std::from_chars(value.data(), value.data() + value.size(), number);
      const bool good = wrong == std::errc() && end == value.data() + value.size();
      if (name == "journal_id") out_.id = value;
      if (name == "lanes" && good && number <= 1024) out_.lanes = static_cast<std::uint32_t>(number);
      if (name == "trimmed_to" && good) out_.trimmed = number;
      if (name == "journal_id" || name == "lanes" || name == "trimmed_to") continue;
      if (name.starts_with("note ")) {
        out_.notes.emplace(name.substr(5), value);
        continue;
      }
      if (name != "synced_to") damaged("its table meta holds a name that it should not");
    }
    if (code != SQLITE_DONE) damaged(fmt::format("reading meta: {}", message()));
    if (out_.id.empty() || out_.lanes == 0 || !out_.trimmed)
      damaged("its table meta does not hold journal_id, lanes and trimmed_to");
  }

  void read_applied() {
    const Statement rows = prepare("SELECT source, lane, seq FROM applied");
    int code = SQLITE_ERROR;
    while (rows && (code = sqlite3_step(rows.get())) == SQLITE_ROW) {
      out_.applied.push_back(
          {std::string(bytes(rows, 0)), static_cast<std::uint32_t>(number(rows, 1)), number(rows, 2)});
    }
    if (code != SQLITE_DONE) damaged(fmt::format("reading applied: {}", message()));
  }

  void read_groups() {
    const bool marks =
        ask("SELECT count(*) FROM pragma_table_info('groups') WHERE name = 'synced'").value_or(0) != 0;
    const Statement rows =
        prepare(marks ? "SELECT first, last, crc, wall_ms, ops, synced FROM groups ORDER BY first"
                      : "SELECT first, last, crc, wall_ms, ops, NULL FROM groups ORDER BY first");
    std::uint64_t before = 0;
    int code = SQLITE_ERROR;
    while (rows && (code = sqlite3_step(rows.get())) == SQLITE_ROW) {
      const std::uint64_t first = number(rows, 0);
      const std::uint64_t last = number(rows, 1);
      const auto wall_ms = static_cast<std::int64_t>(number(rows, 3));
      const std::string_view ops = bytes(rows, 4);
      // A tree that is broken may lead round in circles.
      if (first <= before) {
        damaged(fmt::format("the group of op {} follows op {}", first, before));
        return;
      }
      before = first;
      if (last < first || checksum(first, last, wall_ms, ops, optional_number(rows, 5)) != number(rows, 2)) {
        damaged(fmt::format("the checksum of the group of {} does not match its content{}",
                            ops_of(first, last), inside(first, last, ops)));
        // How many ops there were is only told by what does not match. Each has at least four bytes.
        if (last >= first && last - first < ops.size() / 4) claimed_ = std::max(claimed_, last);
        claimed_ = std::max(claimed_, first);
        continue;
      }
      if (const std::string wrong = inside(first, last, ops); !wrong.empty()) {
        damaged(fmt::format("the group of {} can't be read{}", ops_of(first, last), wrong));
        claimed_ = std::max(claimed_, last);
        continue;
      }
      groups_.emplace(first, Kept{last, wall_ms, std::string(ops), true});
    }
    if (code == SQLITE_DONE) {
      out_.more = false;
      return;
    }
    damaged(before == 0 ? fmt::format("reading groups: {}", message())
                        : fmt::format("reading groups after that of op {}: {}", before, message()));
  }

  // All writes can be read without them; what they tell is which op-ids there were.
  void read_receipts() {
    const Statement rows = prepare("SELECT last, crc, wall_ms, receipts FROM receipts ORDER BY last");
    std::uint64_t before = 0;
    int code = SQLITE_ERROR;
    while (rows && (code = sqlite3_step(rows.get())) == SQLITE_ROW) {
      const std::uint64_t last = number(rows, 0);
      const auto wall_ms = static_cast<std::int64_t>(number(rows, 2));
      std::vector<Receipt> receipts;
      if (receipts_checksum(last, wall_ms, bytes(rows, 3)) != number(rows, 1)) {
        damaged(fmt::format("the checksum of the receipts up to op {} does not match their content", last));
      } else if (auto read = journal::read_receipts(last, wall_ms, bytes(rows, 3), receipts); !read) {
        damaged(fmt::format("in the receipts up to op {}: {}", last, read.error().message));
      } else if (receipts.front().seq <= before) {
        damaged(fmt::format("the receipts up to op {} follow that of op {}", last, before));
        return;
      } else {
        before = last;
      }
    }
    if (code != SQLITE_DONE) damaged(fmt::format("reading receipts: {}", message()));
    // A receipt is kept with its op: there were ops up to there.
    claimed_ = std::max(claimed_, before);
    const std::uint64_t end =
        std::max(out_.trimmed.value_or(0), groups_.empty() ? 0 : groups_.rbegin()->second.last);
    if (out_.damage.empty() && before > end)
      damaged(fmt::format("it has the receipt of op {}, but no op after {}", before, end));
  }

  // " (op 7, byte 12: …)" where the group can't be read.
  static std::string inside(std::uint64_t first, std::uint64_t last, std::string_view ops) {
    GroupReader reader(first, last, ops);
    while (true) {
      const auto read = reader.next();
      if (!read) return fmt::format(" ({})", read.error().message);
      if (!*read) return {};
    }
  }

  // What SQLite reads with itself: no number twice, none missing, none before what is trimmed.
  void compare() {
    if (groups_.empty()) return;
    const auto& [first, group] = *groups_.begin();
    if (out_.trimmed && group.last <= *out_.trimmed) {
      damaged(fmt::format("it says that it is trimmed up to op {}, and holds the group of {}", *out_.trimmed,
                          ops_of(first, group.last)));
      contradicted_ = out_.trimmed;
      out_.trimmed = first - 1;
    }
    std::uint64_t expected = out_.trimmed.value_or(first - 1) + 1;
    for (auto at = groups_.begin(); at != groups_.end();) {
      const auto& [begin, kept] = *at;
      const bool overlaps = begin < expected && at != groups_.begin();
      if (overlaps || begin > expected) {
        damaged(
            fmt::format("{} in one group follow where op {} should be", ops_of(begin, kept.last), expected));
      }
      expected = std::max(expected, kept.last + 1);
      at = overlaps ? groups_.erase(at) : std::next(at);
    }
  }

  // What is missing, from wherever it is.
  void fill() {
    PageScan scan = scan_pages(path_);
    empty_ = groups_.empty() && scan.groups.empty() && out_.id.empty() && scan.id.empty();
    if (out_.id.empty()) out_.id = std::move(scan.id);
    // Whatever has been a trimmed_to has been applied. But meta has no checksums, and a number that is too
    // great would hide what is pending: none goes beyond the last group, or is what the groups contradict.
    const std::uint64_t most = std::max(groups_.empty() ? 0 : groups_.rbegin()->second.last,
                                        scan.groups.empty() ? 0 : scan.groups.rbegin()->second.last);
    for (const std::uint64_t number : scan.trimmed) {
      if (number <= most && number != contradicted_)
        out_.trimmed = std::max(out_.trimmed.value_or(0), number);
    }
    std::erase_if(groups_, [&](const auto& group) { return group.second.last <= out_.trimmed.value_or(0); });
    for (auto& [first, group] : scan.groups) {
      if (group.last <= out_.trimmed.value_or(0)) continue;
      const auto after = groups_.upper_bound(group.last);
      if (after != groups_.begin() && std::prev(after)->second.last >= first) continue;
      if (!inside(first, group.last, group.bytes).empty()) continue;
      groups_.emplace(first, Kept{group.last, group.wall_ms, std::move(group.bytes), false});
    }
  }

  void finish() {
    std::uint64_t expected =
        out_.trimmed ? *out_.trimmed + 1 : (groups_.empty() ? 1 : groups_.begin()->first);
    const std::uint64_t trimmed = expected - 1;
    for (const auto& [first, group] : groups_) {
      if (first > expected) out_.lost.push_back({expected, first - 1});
      if (!group.seen && !group.bytes.empty()) out_.unseen.push_back({first, group.last});
      GroupReader reader(first, group.last, group.bytes);
      while (true) {
        const auto read = reader.next();
        if (!read || !*read) break;
        const auto& [seq, op] = **read;
        if (seq <= trimmed) continue;
        out_.ops.push_back({seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                            std::string(op.payload), group.wall_ms});
      }
      expected = group.last + 1;
    }
    if (claimed_ >= expected) {
      out_.lost.push_back({expected, claimed_});
      expected = claimed_ + 1;
    }
    out_.last = expected - 1;
  }

  const std::string path_;
  Database database_;
  std::map<std::uint64_t, Kept> groups_;       // by first
  std::uint64_t claimed_ = 0;                  // the last number that a damaged group seems to have had
  std::optional<std::uint64_t> contradicted_;  // a trimmed_to
  bool empty_ = false;
  std::string not_read_;
  Salvaged out_;
};

}  // namespace

Result<Salvaged> salvage(const std::string& path) {
  std::error_code failed;
  if (!fs::is_regular_file(path, failed)) {
    return Error{ErrorCode::kConfig, fmt::format("there is no journal {}", path)};
  }
  Guard guard;
  if (!guard.take(path)) {
    return Error{ErrorCode::kConfig,
                 fmt::format("journal {}: a process holds it; stop that first, or look at it with FOREBAY "
                             "STATS",
                             path)};
  }
  return Salvager(path).run();
}

}  // namespace forebay::journal
