#pragma once

// The demo's database, and plain access to it as any program has that knows nothing of Forebay: for the
// import, for what the same requests cost without a cache, and for the change made behind the cache's back.

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/demo/catalogue.h"
#include "forebay/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace forebay::cli::demo {

// A prepared statement. One thread at a time; must not outlive its Database.
class Statement {
 public:
  // Binds positions 1, 2, … as text, runs the statement to its end and resets it. Returns the first column of
  // the first row as text; nothing if there is no row or it is NULL.
  Result<std::optional<std::string>> run(std::initializer_list<std::string_view> parameters = {});

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

// One connection. One thread at a time.
class Database {
 public:
  // Opens a file, and creates it if there is none. Statements wait up to 60 s for other connections' locks.
  static Result<Database> open(const std::string& path);

  Result<void> execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  // Rows changed by the last statement.
  std::int64_t changes() const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

// A package's row as JSON; everything that transitively depends on a package as a JSON array of names; how
// many these are. The parameter ?1 is the package's name.
extern const std::string_view kPackageQuery;
extern const std::string_view kReverseDependenciesQuery;
extern const std::string_view kImpactQuery;

// Fills a new database file in one transaction and without waiting for the disk. A file that was not finished
// is of no use; is_complete() tells.
class Importer {
 public:
  // Replaces what is at `path`.
  static Result<Importer> create(const std::string& path);

  // Of a package that comes twice the first one stays: apt lists the version that it would install first.
  Result<void> add(const Package& package);
  // Builds the index and commits.
  Result<void> finish();

  std::int64_t packages() const { return packages_; }
  std::int64_t edges() const { return edges_; }

 private:
  Importer() = default;

  Database database_;
  Statement insert_package_, insert_edge_, insert_views_;
  std::int64_t packages_ = 0, edges_ = 0;
};

// Whether `path` is a database that an Importer of this version finished.
bool is_complete(const std::string& path);

}  // namespace forebay::cli::demo
