#pragma once

// What the scenarios of write-behind have in common: the real program with a journal, in front of a real
// database that can be away.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "campaign/real_database.h"
#include "support/eventually.h"
#include "support/forebay_process.h"
#include "support/temp_dir.h"

namespace forebay::test {

using namespace std::chrono_literals;

// Until it goes, the database takes no writes: PostgreSQL is stopped as by a crash, an SQLite file is held by
// somebody else.
class Away {
 public:
  explicit Away(RealDatabase& database) : database_(database) {
    if (database_.stops()) {
      database_.stop();
    } else {
      database_.run("BEGIN IMMEDIATE");
    }
  }
  ~Away() {
    if (database_.stops()) {
      database_.start();
    } else {
      database_.run("COMMIT");
    }
  }
  Away(const Away&) = delete;
  Away& operator=(const Away&) = delete;

 private:
  RealDatabase& database_;
};

// What a section has beside what is needed.
struct More {
  std::string server = {};
  std::string journal = {};
  std::string source = "timeout = \"5s\"\n";
  std::string journal_path = "journal";  // from the folder of the configuration
};

// The parameter names the database: "sqlite" or "postgres".
class BehindService : public testing::TestWithParam<const char*> {
 protected:
  // `within`: as ForebayProcess takes it.
  explicit BehindService(std::vector<std::string> within = {})
      : own_(postgres() ? nullptr : real_sqlite()),
        database_(postgres() ? &shared_postgres() : own_.get()),
        forebay_(folder_.path(), std::move(within)) {}

  void configure(const std::string& spaces, const More& more = {}) const {
    forebay_.configure(more.server + "[journal]\npath = \"" + more.journal_path + "\"\n" + more.journal +
                       "[source.db]\n" + database_->source() + more.source + spaces);
  }
  void start() {
    forebay_.start();
    client_ = forebay_.connect();
  }
  void kill_and_start() {
    forebay_.kill();
    start();
  }
  // From here on the database counts the transactions that bring batches: each of them moves the ledger once.
  void count_transactions() {
    const std::string ledger = postgres()
                                   ? "SELECT count(*) AS n FROM pg_tables WHERE tablename = 'forebay_applied'"
                                   : "SELECT count(*) AS n FROM sqlite_master WHERE name = 'forebay_applied'";
    ASSERT_TRUE(eventually([&] { return database_->ask(ledger) == "1"; }));
    database_->run("CREATE TABLE moves(n integer)");
    if (postgres()) {
      database_->run(
          "CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS "
          "$$BEGIN INSERT INTO moves VALUES (1); RETURN NULL; END$$;"
          "CREATE TRIGGER moved AFTER UPDATE ON forebay_applied EXECUTE FUNCTION moved()");
    } else {
      database_->run(
          "CREATE TRIGGER moved AFTER UPDATE ON forebay_applied BEGIN INSERT INTO moves VALUES (1); END");
    }
  }
  int transactions() { return std::stoi(database_->ask("SELECT count(*) AS n FROM moves")); }
  template <class... Args>
  std::string ask(const Args&... args) {
    return client_->ask({std::string(args)...});
  }
  static bool postgres() { return GetParam() == std::string("postgres"); }

 private:
  // One server for all tests of the program, emptied for each.
  static RealDatabase& shared_postgres() {
    static const std::unique_ptr<RealDatabase> server = real_postgres();
    server->run("DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    return *server;
  }
  const std::unique_ptr<RealDatabase> own_;

 protected:
  TempDir folder_;
  RealDatabase* const database_;
  ForebayProcess forebay_;
  std::unique_ptr<TestClient> client_;
};

inline std::string database_name(const testing::TestParamInfo<const char*>& info) {
  return info.param;
}
inline auto both_databases() {
  return testing::Values("sqlite", "postgres");
}

}  // namespace forebay::test
