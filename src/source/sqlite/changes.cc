#include "source/sqlite/changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "source/sqlite/change_triggers.h"

namespace forebay::source::sqlite {
namespace {

constexpr std::chrono::milliseconds kTrimTimeout{20};
constexpr int kTrimRowsMax = 10'000;  // of one trim, so that it holds the write lock for milliseconds

std::optional<std::string> bytes_of_hex(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string out;
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    unsigned byte = 0;
    const auto [end, wrong] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (wrong != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

// Reads what image_of() makes: "name"=literal,"name"=literal.
class ImageReader {
 public:
  explicit ImageReader(std::string_view image) : rest_(image) {}

  std::optional<Fields> read() {
    Fields fields;
    while (true) {
      auto name = quoted('"');
      if (!name || !skip('=')) return std::nullopt;
      if (!skip('?')) {
        OptionalText value;
        if (!read_literal(value)) return std::nullopt;
        fields.emplace_back(std::move(*name), std::move(value));
      }
      if (rest_.empty()) return fields;
      if (!skip(',')) return std::nullopt;
    }
  }

 private:
  bool skip(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::optional<std::string> quoted(char quote) {
    if (!skip(quote)) return std::nullopt;
    std::string out;
    while (true) {
      const std::size_t end = rest_.find(quote);
      if (end == std::string_view::npos) return std::nullopt;
      out += rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      if (!skip(quote)) return out;
      out += quote;
    }
  }

  bool read_literal(OptionalText& value) {
    if (rest_.starts_with('\'')) return (value = quoted('\'')).has_value();
    if (rest_.starts_with('X') || rest_.starts_with('x')) {
      rest_.remove_prefix(1);
      const auto hex = quoted('\'');
      return hex && (value = bytes_of_hex(*hex)).has_value();
    }
    const std::string_view word = rest_.substr(0, rest_.find(','));
    rest_.remove_prefix(word.size());
    if (word == "NULL") return true;
    std::int64_t integer = 0;
    const char* const end = word.data() + word.size();
    if (const auto parsed = std::from_chars(word.data(), end, integer);
        parsed.ec == std::errc() && parsed.ptr == end) {
      value = std::string(word);
      return true;
    }
    double real = 0;
    const auto parsed = std::from_chars(word.data(), end, real);
    if (parsed.ptr != end || word.empty()) return false;
    // quote() writes infinity as 9.0e+999.
    if (parsed.ec == std::errc::result_out_of_range) real = word.starts_with('-') ? -HUGE_VAL : HUGE_VAL;
    value = real_text(real);
    return true;
  }

  std::string_view rest_;
};

}  // namespace

std::optional<Fields> parse_image(std::string_view image) {
  return ImageReader(image).read();
}

TriggerLog::TriggerLog(Database& database, Options options)
    : database_(database), options_(options), pool_(database.name, database.path, Access::kWrite, 1) {}

Result<void> TriggerLog::watch(std::span<const std::string> tables) {
  std::vector<Watched> wanted;
  for (const std::string& text : tables) {
    auto table = parse_table_name(text);
    if (!table) return table.error();
    wanted.push_back({text, {std::move(*table), std::nullopt}});
  }
  return watch_all(std::move(wanted));
}

Result<void> TriggerLog::watch_columns(std::span<const WatchedTable> tables) {
  std::vector<Watched> wanted;
  for (const WatchedTable& watched : tables) {
    auto table = parse_table_name(watched.name);
    if (!table) return table.error();
    wanted.push_back({watched.name, {std::move(*table), watched.columns}});
  }
  return watch_all(std::move(wanted));
}

Result<void> TriggerLog::watch_all(std::vector<Watched> wanted) {
  const Deadline deadline(CallContext{database_.timeout, nullptr});
  MutexLock lock(mutex_);
  auto lease = pool_.acquire(deadline);
  if (!lease) return lease.error();
  for (Watched& table : wanted) {
    auto name = name_in_schema(**lease, table.logged.table);
    if (!name) return name.error();
    table.logged.table.name = std::move(*name);
    auto triggers = change_triggers(**lease, table.logged, Images::kExactly);
    if (!triggers)
      return Error{triggers.error().code,
                   fmt::format("source {}: {}", database_.name, triggers.error().message)};
  }
  std::vector<Watched> before = std::exchange(tables_, std::move(wanted));
  auto installed = install(**lease, Images::kExactly);
  Result<void> following;
  if (!installed) {
    following = installed.error();
  } else if (connection_ == 0) {
    following = follow(**lease);
    repaired_.clear();
  }
  if (!following) {
    tables_ = std::move(before);
    return following;
  }
  database_.watched = true;
  return {};
}

// Whether the table's triggers had to be made or made anew. A table that is gone has none to make.
Result<bool> TriggerLog::install_table(Connection& connection, const Watched& table, Images images) {
  auto triggers = change_triggers(connection, table.logged, images);
  if (!triggers) {
    if (triggers.error().code == ErrorCode::kConfig) return true;
    return triggers.error();
  }
  bool changed = false;
  for (const Trigger& trigger : *triggers) {
    {
      auto statement =
          connection.prepare("SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name = ?1");
      if (!statement) return statement.error();
      statement->bind_text(1, trigger.name);
      auto row = statement->step();
      if (!row) return row.error();
      if (*row && statement->bytes(0) == trigger.sql) continue;
    }
    changed = true;
    auto dropped =
        connection.run_once(fmt::format("DROP TRIGGER IF EXISTS main.{}", quote_identifier(trigger.name)));
    if (!dropped) return dropped.error();
    if (auto made = connection.run_once(trigger.sql); !made) return made.error();
  }
  return changed;
}

// Makes what is missing, and notes the tables whose triggers were not as they should be. One transaction, so
// that no write can fall between an old trigger and its successor.
Result<void> TriggerLog::install(Connection& connection, Images images) {
  auto transaction = Transaction::begin(connection, Transaction::Kind::kWrite);
  if (!transaction) return transaction.error();
  if (auto made = make_change_table(connection); !made) return made.error();
  std::vector<std::string> changed;
  for (const Watched& table : tables_) {
    auto anew = install_table(connection, table, images);
    if (!anew) return anew.error();
    if (*anew) changed.push_back(table.name);
  }
  if (auto done = transaction->commit(); !done) return done.error();
  auto version = connection.ask("PRAGMA schema_version");
  if (!version) return version.error();
  schema_version_ = *version;
  repaired_.insert(repaired_.end(), changed.begin(), changed.end());
  return {};
}

// Starts at the log's present end, on this connection.
Result<void> TriggerLog::follow(Connection& connection) {
  auto version = connection.ask("PRAGMA data_version");
  if (!version) return version.error();
  auto last = connection.ask(fmt::format("SELECT seq FROM sqlite_sequence WHERE name = '{}'", kChangeTable));
  if (!last) return last.error();
  data_version_ = *version;
  last_ = *last;
  if (auto marked = remember_mark(connection); !marked) return marked;
  connection_ = connection.id();
  more_ = false;
  return {};
}

Result<void> TriggerLog::remember_mark(Connection& connection) {
  auto statement = connection.prepare(fmt::format("SELECT mark FROM main.{} WHERE id = ?1", kChangeTable));
  if (!statement) return statement.error();
  statement->bind_integer(1, last_);
  auto row = statement->step();
  if (!row) return row.error();
  mark_.reset();
  if (*row && statement->type(0) == SQLITE_INTEGER) mark_ = statement->integer(0);
  return {};
}

// Whether the log has another change in the place of the last one that was read. A copy that was put in the
// file's place may have had as many changes as the file had, and not the same.
Result<bool> TriggerLog::is_another(Connection& connection) {
  const std::optional<std::int64_t> before = mark_;
  if (auto marked = remember_mark(connection); !marked) return marked.error();
  if (before && !mark_) mark_ = before;  // trimmed, by another process
  return before && *mark_ != *before;
}

Result<Changes> TriggerLog::poll(const CallContext& context) {
  MutexLock lock(mutex_);
  Changes changes;
  if (tables_.empty() || connection_ == 0) return changes;
  const Deadline deadline(context);
  {
    auto lease = pool_.acquire(deadline);
    if (!lease) return lease.error();
    Connection& connection = **lease;
    if (connection.id() != connection_) {
      // Another file, or the same one after an error: nobody knows what was missed.
      if (auto installed = install(connection, Images::kAtLeast); !installed) return installed.error();
      if (auto following = follow(connection); !following) return following.error();
      changes.lost = true;
      repaired_.clear();
      return changes;
    }
    // Before the log is read: a commit in between is seen twice rather than not at all.
    auto data = connection.ask("PRAGMA data_version");
    if (!data) return data.error();
    if (*data == data_version_ && !more_ && repaired_.empty()) return changes;
    auto schema = connection.ask("PRAGMA schema_version");
    if (!schema) return schema.error();
    if (*schema != schema_version_) {
      if (auto installed = install(connection, Images::kAtLeast); !installed) return installed.error();
    }
    if (auto read = read_new(connection, changes); !read) return read.error();
    // No evidence: a change that no trigger saw has no number.
    for (const std::string& table : repaired_) changes.rows.push_back({table, {}, 0, true});
    repaired_.clear();
    data_version_ = *data;
  }
  trim();
  return changes;
}

Result<void> TriggerLog::read_new(Connection& connection, Changes& changes) {
  auto snapshot = Transaction::begin(connection, Transaction::Kind::kRead);
  if (!snapshot) return snapshot.error();
  auto end = connection.ask(fmt::format("SELECT seq FROM sqlite_sequence WHERE name = '{}'", kChangeTable));
  if (!end) return end.error();
  more_ = false;
  auto another = is_another(connection);
  if (!another) return another.error();
  if (*end == last_ && !*another) return {};
  bool lost = *another || *end < last_ || *end - last_ > options_.backlog;
  if (!lost) {
    auto statement = connection.prepare(
        fmt::format("SELECT id, tbl, \"before\", \"after\" FROM main.{} WHERE id > ?1 ORDER BY id LIMIT {}",
                    kChangeTable, kPollRowsMax));
    if (!statement) return statement.error();
    statement->bind_integer(1, last_);
    std::int64_t seen = last_;
    while (!lost) {
      auto row = statement->step();
      if (!row) return row.error();
      if (!*row) break;
      // Ids have no gaps (what is rolled back takes its ids back), so one that is missing was trimmed.
      lost = statement->integer(0) != ++seen;
      const auto table = std::ranges::find(
          tables_, statement->bytes(1),
          [](const Watched& watched) -> const std::string& { return watched.logged.table.name; });
      if (lost || table == tables_.end()) continue;
      RowChange change{table->name, {}, static_cast<std::uint64_t>(seen), false};
      for (const auto& [column, fields] :
           {std::pair(2, &change.images.before), std::pair(3, &change.images.after)}) {
        if (statement->type(column) == SQLITE_NULL) continue;
        auto image = parse_image(statement->bytes(column));
        if (!image) change.whole_table = true;
        *fields = std::move(image).value_or(Fields());
      }
      if (change.whole_table) change.images = {};
      changes.rows.push_back(std::move(change));
    }
    lost = lost || (seen < *end && seen - last_ < kPollRowsMax);
    if (!lost) {
      last_ = seen;
      more_ = seen < *end;
      return remember_mark(connection);
    }
  }
  changes.lost = true;
  last_ = *end;
  return remember_mark(connection);
}

// Tries, and leaves it to the next time when a writer is in the way.
void TriggerLog::trim() {
  const auto now = std::chrono::steady_clock::now();
  if (now - trimmed_ < options_.trim_interval) return;
  trimmed_ = now;
  const Deadline deadline(CallContext{kTrimTimeout, nullptr});
  auto lease = pool_.acquire(deadline);
  if (!lease) return;
  auto statement =
      (*lease)->prepare(fmt::format("DELETE FROM main.{0} WHERE id IN (SELECT id FROM main.{0} ORDER BY id "
                                    "LIMIT {1}) AND (id <= ?1 OR at < "
                                    "CAST(strftime('%s', 'now') AS INTEGER) - ?2) AND id < (SELECT max(id) "
                                    "FROM main.{0})",
                                    kChangeTable, kTrimRowsMax));
  if (!statement) return;
  statement->bind_integer(1, last_ - options_.rows);
  statement->bind_integer(2, options_.age.count());
  // What an error leaves undone, the next trim does.
  static_cast<void>(statement->step());
}

}  // namespace forebay::source::sqlite
