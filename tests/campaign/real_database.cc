#include "campaign/real_database.h"

#include <stdexcept>

#include "support/postgres_server.h"
#include "support/sqlite_file.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

class RealSqlite final : public RealDatabase {
 public:
  RealSqlite() : database_((folder_ / "truth.db").string()) { database_.ask("PRAGMA journal_mode = WAL"); }
  std::string name() const override { return "sqlite"; }
  std::string source() const override {
    return "kind = 'sqlite'\npath = '" + (folder_ / "truth.db").string() + "'\n";
  }
  void run(const std::string& sql) override { database_.ask(sql); }
  std::string ask(const std::string& sql) override { return database_.ask(sql); }
  bool stops() const override { return false; }
  void stop() override {}
  void start() override {}

 private:
  TempDir folder_;
  SqliteFile database_;
};

class RealPostgres final : public RealDatabase {
 public:
  std::string name() const override { return "postgres"; }
  std::string source() const override { return "kind = 'postgres'\nurl = '" + server_.url() + "'\n"; }
  void run(const std::string& sql) override { server_.exec(sql); }
  std::string ask(const std::string& sql) override {
    return server_.exec(
        "SELECT concat_ws('|', VARIADIC ARRAY(SELECT coalesce(value, '') FROM "
        "json_each_text(row_to_json(q)))) FROM (" +
        sql + ") q");
  }
  bool stops() const override { return true; }
  void stop() override { server_.stop(SIGQUIT); }
  void start() override { server_.start(); }

 private:
  PostgresServer server_;
};

}  // namespace

std::unique_ptr<RealDatabase> real_sqlite() {
  return std::make_unique<RealSqlite>();
}

std::unique_ptr<RealDatabase> real_postgres() {
  return std::make_unique<RealPostgres>();
}

}  // namespace forebay::test
