#pragma once

// A SQLite database in a folder of its own, and a connection to it that stands for another program.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <memory>
#include <string>

#include "config/model.h"
#include "forebay/source.h"
#include "support/temp_dir.h"

namespace forebay::source {

class OtherProgram {
 public:
  explicit OtherProgram(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &handle_), SQLITE_OK);
    sqlite3_busy_timeout(handle_, 30'000);
  }
  ~OtherProgram() { sqlite3_close(handle_); }
  OtherProgram(const OtherProgram&) = delete;
  OtherProgram& operator=(const OtherProgram&) = delete;

  void execute(const std::string& sql) {
    char* text = nullptr;
    EXPECT_EQ(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, &text), SQLITE_OK)
        << sql << ": " << (text ? text : "");
    sqlite3_free(text);
  }
  std::string ask(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sql << ": " << sqlite3_errmsg(handle_);
    std::string answer;
    if (statement != nullptr && sqlite3_step(statement) == SQLITE_ROW &&
        sqlite3_column_text(statement, 0) != nullptr) {
      answer = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
    }
    sqlite3_finalize(statement);
    return answer;
  }
  sqlite3* handle() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

// A folder with an empty database, and settings of a source on it.
struct SqliteFile {
  SqliteFile() {
    OtherProgram creator(path());
    creator.execute("PRAGMA journal_mode = WAL; PRAGMA user_version = 1");
  }
  std::string path() const { return (folder / "test.db").string(); }
  config::Source settings() const {
    config::Source settings;
    settings.name = "catalog";
    settings.kind = "sqlite";
    settings.path = path();
    settings.timeout = std::chrono::seconds(30);
    return settings;
  }

  test::TempDir folder;
};

}  // namespace forebay::source
