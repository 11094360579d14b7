#include "feed/postgres/slot.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "source/sql_mapping.h"

namespace forebay::feed::postgres {

using source::quote_identifier;
using source::postgres::Call;
using source::postgres::cell;
using source::postgres::Connection;
using source::postgres::is_null;
using source::postgres::Outcome;
using source::postgres::Pool;
using source::postgres::ResultPtr;
using source::postgres::row_count;

namespace {

constexpr int kOldestVersion = 140'000;  // notes in the log, and large transactions in parts

Error wrong_setup(std::string what) {
  return Error{ErrorCode::kConfig, std::move(what)};
}

Outcome<ResultPtr> ask(Pool& pool, const char* sql, std::span<const OptionalText> parameters,
                       const Call& call) {
  return pool.read(call, [&](Connection& connection) { return connection.execute(sql, parameters, call); });
}

// A slot's name has lower-case letters, digits and underscores, 63 at most.
std::string name_part(std::string_view text) {
  std::string part;
  for (const char letter : text.substr(0, 24)) {
    const auto byte = static_cast<unsigned char>(letter);
    part += std::isalnum(byte) != 0 && byte < 0x80 ? static_cast<char>(std::tolower(byte)) : '_';
  }
  return part;
}

}  // namespace

Result<void> check_server(Pool& pool, const config::Source& source, const Call& call) {
  int version = 0;
  auto rows = pool.read(call, [&](Connection& connection) {
    version = connection.server_version();
    return connection.execute(
        "SELECT pg_catalog.current_setting('wal_level'), pg_catalog.pg_is_in_recovery(),"
        " pg_catalog.current_setting('max_slot_wal_keep_size', true)",
        {}, call);
  });
  if (!rows) return rows.error().error;
  if (version < kOldestVersion)
    return wrong_setup(fmt::format("feed = \"logical\" needs PostgreSQL 14 or later; this is {}.{}",
                                   version / 10'000, version % 10'000));
  if (cell(*rows, 0, 1) == "t")
    return wrong_setup("feed = \"logical\" needs the primary: this server is a standby");
  if (cell(*rows, 0, 0) != "logical")
    return wrong_setup(
        fmt::format("feed = \"logical\" needs wal_level = logical, which is {}: ALTER SYSTEM SET "
                    "wal_level = logical, and restart the server",
                    cell(*rows, 0, 0)));
  if (!source.slot.empty() && !source.unbounded_wal && cell(*rows, 0, 2) == "-1")
    return wrong_setup(
        fmt::format("the slot {} would keep all of the server's log while nobody reads it, until the "
                    "disk is full: ALTER SYSTEM SET max_slot_wal_keep_size = '10GB' bounds it, or say "
                    "unbounded_wal = true",
                    source.slot));
  return {};
}

Result<void> check_publication(const std::string& publication, const Publication& now) {
  const std::string quoted = quote_identifier(publication);
  if (now.exists && !now.all_changes)
    return wrong_setup(
        fmt::format("the publication {} leaves changes out: ALTER PUBLICATION {} SET (publish = "
                    "'insert, update, delete, truncate')",
                    publication, quoted));
  if (now.exists && now.via_root)
    return wrong_setup(
        fmt::format("the publication {} does not tell of partitions that are truncated, detached or "
                    "dropped: ALTER PUBLICATION {} SET (publish_via_partition_root = false)",
                    publication, quoted));
  if (now.partial)
    return wrong_setup(
        fmt::format("the publication {} leaves rows or columns of tables out (WHERE, or a list of "
                    "columns): add the tables whole",
                    publication));
  return {};
}

std::string publication_statement(const std::string& publication, const Followed& followed) {
  const std::vector<std::string> tables = to_publish(followed);
  const bool exists = followed.publication.exists;
  if (exists && tables.empty()) return {};
  std::string statement =
      fmt::format("{} PUBLICATION {}", exists ? "ALTER" : "CREATE", quote_identifier(publication));
  if (tables.empty()) return statement;
  statement += exists ? " ADD TABLE" : " FOR TABLE";
  return statement + fmt::format(" ONLY {}", fmt::join(tables, ", ONLY "));
}

Result<bool> publish(Pool& pool, const std::string& publication, const Followed& followed, const Call& call) {
  if (auto fit = check_publication(publication, followed.publication); !fit) return std::move(fit).error();
  const std::string statement = publication_statement(publication, followed);
  if (statement.empty()) return false;
  auto done = pool.write(call, [&](Connection& connection) { return connection.command(statement, call); });
  if (done) return true;
  // Another node was faster.
  if (done.error().sqlstate == "42710") return true;
  if (done.error().error.code != ErrorCode::kRefused) return done.error().error;
  return wrong_setup(
      fmt::format("{}: {}; somebody who may has to run: {}",
                  followed.publication.exists ? "the publication lacks tables" : "there is no publication",
                  done.error().error.message, statement));
}

Outcome<void> put_note(Pool& pool, std::string_view prefix, const std::string& text, const Call& call) {
  const OptionalText parameters[] = {std::string(prefix), text};
  auto done = ask(pool,
                  "SELECT pg_catalog.set_config('synchronous_commit', 'local', true),"
                  " pg_catalog.pg_logical_emit_message(true, $1, $2)",
                  parameters, call);
  if (!done) return std::unexpected(done.error());
  return {};
}

Slot::Slot(Pool& pool, const config::Source& source, std::uint64_t mark)
    : pool_(pool),
      wanted_(source.slot),
      publication_(source.publication),
      stem_("forebay_" + name_part(source.name)),
      mark_(mark),
      name_(source.slot) {}

std::string Slot::start_command() const {
  return fmt::format(
      "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '2', publication_names '{}', messages 'true', "
      "streaming 'on')",
      quote_identifier(name_), [this] {
        // A list of identifiers within a literal.
        std::string text;
        for (const char letter : quote_identifier(publication_))
          text += letter == '\'' ? "''" : std::string(1, letter);
        return text;
      }());
}

Result<Slot::Opened> Slot::open(Replication& session, Lsn confirmed, const Call& call, SteadyTime deadline) {
  auto system = session.command("IDENTIFY_SYSTEM", deadline);
  if (!system) return system.error().error;
  const std::string identity = fmt::format("{}/{}", cell(*system, 0, 0), cell(*system, 0, 1));
  const bool other_server = !identity_.empty() && identity != identity_;
  identity_ = identity;
  if (is_temporary()) {
    // One of an earlier connection may not have gone yet.
    name_ = fmt::format("{}_{:016x}", stem_, mark_++);
    return create(session, deadline);
  }
  if (std::exchange(distrusted_, false)) {
    if (auto dropped = drop(call); !dropped) return std::move(dropped).error();
  }
  Opened opened;
  auto found = find(confirmed, call, opened);
  if (!found) return std::move(found).error();
  if (!*found) return create(session, deadline);
  if (other_server) opened.gap = "the server is another one, or was promoted";
  return opened;
}

Result<Slot::Opened> Slot::create(Replication& session, SteadyTime deadline) {
  auto made = session.command(fmt::format("CREATE_REPLICATION_SLOT {}{} LOGICAL pgoutput NOEXPORT_SNAPSHOT",
                                          quote_identifier(name_), is_temporary() ? " TEMPORARY" : ""),
                              deadline);
  if (!made) return made.error().error;
  return Opened{is_temporary() ? "a temporary slot goes with its connection" : "the slot was gone",
                parse_lsn(cell(*made, 0, 1)).value_or(0)};
}

// False: there is none, or it was of no use and is gone.
Result<bool> Slot::find(Lsn confirmed, const Call& call, Opened& opened) {
  const OptionalText named[] = {name_};
  auto rows =
      ask(pool_,
          "SELECT s.plugin, s.database = pg_catalog.current_database(), s.wal_status, s.confirmed_flush_lsn,"
          " s.active_pid FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1",
          named, call);
  if (!rows) return rows.error().error;
  if (row_count(*rows) == 0) return false;
  if (cell(*rows, 0, 0) != "pgoutput" || cell(*rows, 0, 1) != "t")
    return wrong_setup(
        fmt::format("the slot {} is not one of this database that pgoutput reads: name another one, or "
                    "SELECT pg_drop_replication_slot('{}')",
                    name_, name_));
  if (cell(*rows, 0, 2) == "lost") {
    if (auto dropped = drop(call); !dropped) return std::move(dropped).error();
    return false;
  }
  if (!is_null(*rows, 0, 4))
    return Error{
        ErrorCode::kUnavailable,
        fmt::format("the slot {} is read by another session (process {}): each node needs a slot of its own",
                    name_, cell(*rows, 0, 4))};
  opened.position = parse_lsn(cell(*rows, 0, 3)).value_or(0);
  // Somebody else has read on.
  if (confirmed != 0 && opened.position > confirmed)
    opened.gap = fmt::format("the slot is at {}, where only what is before {} had been read",
                             cell(*rows, 0, 3), text_of(confirmed));
  return true;
}

Result<void> Slot::drop(const Call& call) {
  const OptionalText named[] = {name_};
  auto dropped =
      ask(pool_,
          "SELECT pg_catalog.pg_drop_replication_slot(s.slot_name) FROM pg_catalog.pg_replication_slots s"
          " WHERE s.slot_name = $1",
          named, call);
  if (!dropped) return dropped.error().error;
  return {};
}

Result<std::vector<std::string>> Slot::warnings(const Call& call) {
  std::vector<std::string> warnings;
  if (is_temporary()) return warnings;
  const OptionalText named[] = {name_};
  auto rows = ask(pool_,
                  "SELECT s.wal_status, s.safe_wal_size, pg_catalog.pg_size_pretty(s.safe_wal_size),"
                  " s.safe_wal_size < 0.25 * "
                  "pg_catalog.pg_size_bytes(pg_catalog.current_setting('max_slot_wal_keep_size'))"
                  " FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1",
                  named, call);
  if (!rows) return rows.error().error;
  if (row_count(*rows) == 0) return warnings;
  const std::string_view status = cell(*rows, 0, 0);
  if (status == "unreserved" || status == "lost") {
    warnings.push_back(
        fmt::format("the slot {} is about to be lost: the server gives up the log that it needs", name_));
  } else if (!is_null(*rows, 0, 1) && cell(*rows, 0, 3) == "t") {
    warnings.push_back(
        fmt::format("the slot {} is lost once the server's log has grown by {} more "
                    "(max_slot_wal_keep_size)",
                    name_, cell(*rows, 0, 2)));
  }
  return warnings;
}

}  // namespace forebay::feed::postgres
