#include "cli/demo/database.h"

#include <sqlite3.h>

#include <filesystem>
#include <system_error>
#include <utility>

namespace forebay::cli::demo {
namespace {

// Raised whenever the tables change, so that a kept file of another version is imported anew.
constexpr int kFormat = 1;

constexpr const char* kSchema = R"(
CREATE TABLE packages (
  name           TEXT PRIMARY KEY,
  version        TEXT NOT NULL,
  section        TEXT,
  architecture   TEXT,
  maintainer     TEXT,
  homepage       TEXT,
  installed_size INTEGER,
  description    TEXT,
  note           TEXT,  -- what clients write
  version_no     INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE TABLE depends (
  package TEXT NOT NULL,
  target  TEXT NOT NULL,
  kind    TEXT NOT NULL,
  PRIMARY KEY (package, target, kind)
) WITHOUT ROWID;
CREATE TABLE package_views (
  name  TEXT PRIMARY KEY,
  views INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
)";

Error sqlite_error(sqlite3* handle, std::string_view doing) {
  return {ErrorCode::kUnavailable, "demo database: " + std::string(doing) + ": " +
                                       (handle != nullptr ? ::sqlite3_errmsg(handle) : "out of memory")};
}

}  // namespace

const std::string_view kPackageQuery =
    "SELECT json_object('name', name, 'version', version, 'section', section, 'architecture', architecture, "
    "'maintainer', maintainer, 'homepage', homepage, 'installed_size', installed_size, "
    "'description', description, 'note', note, 'version_no', version_no) FROM packages WHERE name = ?1";

#define FOREBAY_DEMO_NEEDS                                                                 \
  "WITH RECURSIVE needs(package) AS (SELECT package FROM depends WHERE target = ?1 UNION " \
  "SELECT depends.package FROM needs JOIN depends ON depends.target = needs.package) "
const std::string_view kReverseDependenciesQuery =
    FOREBAY_DEMO_NEEDS "SELECT json_group_array(package) FROM (SELECT package FROM needs ORDER BY package)";
const std::string_view kImpactQuery = FOREBAY_DEMO_NEEDS "SELECT count(*) FROM needs";
#undef FOREBAY_DEMO_NEEDS

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  ::sqlite3_finalize(statement);
}
void Database::Close::operator()(sqlite3* handle) const {
  ::sqlite3_close_v2(handle);
}

Result<std::optional<std::string>> Statement::run(std::initializer_list<std::string_view> parameters) {
  sqlite3_stmt* statement = statement_.get();
  int position = 0;
  for (const std::string_view parameter : parameters) {
    // The caller's text outlives the step, so SQLite need not copy it.
    ::sqlite3_bind_text(statement, ++position, parameter.data(), static_cast<int>(parameter.size()),
                        SQLITE_STATIC);
  }
  std::optional<std::string> first;
  int code = ::sqlite3_step(statement);
  if (code == SQLITE_ROW) {
    if (const auto* text = reinterpret_cast<const char*>(::sqlite3_column_text(statement, 0));
        text != nullptr) {
      first.emplace(text, static_cast<std::size_t>(::sqlite3_column_bytes(statement, 0)));
    }
    while (code == SQLITE_ROW) code = ::sqlite3_step(statement);
  }
  ::sqlite3_reset(statement);
  if (code != SQLITE_DONE) return sqlite_error(::sqlite3_db_handle(statement), "running a statement");
  return first;
}

Result<Database> Database::open(const std::string& path) {
  Database database;
  sqlite3* handle = nullptr;
  const int code = ::sqlite3_open_v2(
      path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  database.handle_.reset(handle);
  if (code != SQLITE_OK) return sqlite_error(handle, "opening " + path);
  ::sqlite3_busy_timeout(handle, 60'000);
  return database;
}

Result<void> Database::execute(const std::string& sql) {
  if (::sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    return sqlite_error(handle_.get(), "running \"" + sql.substr(0, 60) + "\"");
  }
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* raw = nullptr;
  if (::sqlite3_prepare_v2(handle_.get(), sql.data(), static_cast<int>(sql.size()), &raw, nullptr) !=
      SQLITE_OK) {
    return sqlite_error(handle_.get(), "preparing a statement");
  }
  Statement statement;
  statement.statement_.reset(raw);
  return statement;
}

std::int64_t Database::changes() const {
  return ::sqlite3_changes64(handle_.get());
}

Result<Importer> Importer::create(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::error_code ignored;
    std::filesystem::remove(path + suffix, ignored);
  }
  auto database = Database::open(path);
  if (!database) return std::move(database.error());
  Importer importer;
  importer.database_ = *std::move(database);
  // 256 MiB of page cache: the whole database stays in memory until the commit.
  for (const std::string& sql : {std::string("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; "
                                             "PRAGMA cache_size = -262144; BEGIN;"),
                                 std::string(kSchema)}) {
    if (auto done = importer.database_.execute(sql); !done) return std::move(done.error());
  }
  const auto prepare = [&](std::string_view sql, Statement& into) -> Result<void> {
    auto statement = importer.database_.prepare(sql);
    if (!statement) return std::move(statement.error());
    into = *std::move(statement);
    return {};
  };
  // nullif: a field that the catalogue does not have is NULL, not an empty text.
  for (auto&& done :
       {prepare(
            "INSERT OR IGNORE INTO packages (name, version, section, architecture, maintainer, homepage, "
            "installed_size, description) VALUES (?1, ?2, nullif(?3, ''), nullif(?4, ''), nullif(?5, ''), "
            "nullif(?6, ''), nullif(CAST(?7 AS INTEGER), 0), nullif(?8, ''))",
            importer.insert_package_),
        prepare("INSERT OR IGNORE INTO depends (package, target, kind) VALUES (?1, ?2, ?3)",
                importer.insert_edge_),
        prepare("INSERT INTO package_views (name) VALUES (?1)", importer.insert_views_)}) {
    if (!done) return done.error();
  }
  return importer;
}

Result<void> Importer::add(const Package& package) {
  auto inserted = insert_package_.run({package.name, package.version, package.section, package.architecture,
                                       package.maintainer, package.homepage,
                                       std::to_string(package.installed_size), package.description});
  if (!inserted) return std::move(inserted.error());
  if (database_.changes() == 0) return {};
  ++packages_;
  for (const Edge& edge : package.edges) {
    inserted = insert_edge_.run({package.name, edge.target, edge.kind});
    if (!inserted) return std::move(inserted.error());
    edges_ += database_.changes();
  }
  inserted = insert_views_.run({package.name});
  if (!inserted) return std::move(inserted.error());
  return {};
}

Result<void> Importer::finish() {
  // The write-ahead log comes last: it lets readers and a writer work at once, and is no use to the import.
  for (const std::string& sql : {std::string("CREATE INDEX depends_target ON depends (target, package)"),
                                 std::string("ANALYZE"), "PRAGMA user_version = " + std::to_string(kFormat),
                                 std::string("COMMIT"), std::string("PRAGMA journal_mode = WAL")}) {
    if (auto done = database_.execute(sql); !done) return done;
  }
  return {};
}

bool is_complete(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  auto database = Database::open(path);
  if (!database) return false;
  auto statement = database->prepare("SELECT user_version FROM pragma_user_version");
  if (!statement) return false;
  const auto version = statement->run();
  return version && *version == std::to_string(kFormat);
}

}  // namespace forebay::cli::demo
