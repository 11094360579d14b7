#pragma once

#include <sqlite3.h>

#include <stdexcept>
#include <string>

namespace forebay::test {

// An SQLite database as another program sees it. Not thread-safe.
class SqliteFile {
 public:
  explicit SqliteFile(const std::string& file) {
    if (sqlite3_open(file.c_str(), &handle_) != SQLITE_OK) throw std::runtime_error("can't open " + file);
    sqlite3_busy_timeout(handle_, 10'000);
  }
  ~SqliteFile() { sqlite3_close(handle_); }
  SqliteFile(const SqliteFile&) = delete;
  SqliteFile& operator=(const SqliteFile&) = delete;

  // Statements; errors are thrown as std::runtime_error, here and below.
  void run(const std::string& sql) { ask(sql); }
  // One line a row, its columns joined by '|', NULL as nothing.
  std::string ask(const std::string& sql) {
    std::string text;
    char* error = nullptr;
    const auto row = [](void* out, int columns, char** values, char**) {
      auto& all = *static_cast<std::string*>(out);
      if (!all.empty()) all += '\n';
      for (int i = 0; i < columns; ++i) {
        if (i > 0) all += '|';
        if (values[i] != nullptr) all += values[i];
      }
      return 0;
    };
    if (sqlite3_exec(handle_, sql.c_str(), row, &text, &error) != SQLITE_OK) {
      const std::string message = error == nullptr ? "?" : error;
      sqlite3_free(error);
      throw std::runtime_error(sql + ": " + message);
    }
    return text;
  }

 private:
  sqlite3* handle_ = nullptr;
};

}  // namespace forebay::test
