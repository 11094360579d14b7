#pragma once

// A SQLite database in a temporary folder, as the examples that write to one need it, and a connection of the
// program's own beside Forebay's: the way another program would look at the same data.

#include <sqlite3.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

class Database {
 public:
  explicit Database(const std::string& schema) {
    std::string folder = (std::filesystem::temp_directory_path() / "forebay-example-XXXXXX").string();
    if (mkdtemp(folder.data()) == nullptr) std::abort();
    folder_ = folder;
    if (sqlite3_open(path().c_str(), &connection_) != SQLITE_OK) std::abort();
    sqlite3_busy_timeout(connection_, 5000);
    run("PRAGMA journal_mode = WAL");
    run(schema);
  }
  ~Database() {
    sqlite3_close(connection_);
    std::filesystem::remove_all(folder_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  std::string path() const { return (folder_ / "example.db").string(); }

  // Runs statements and returns the last column of the last row as text, empty if there is none.
  std::string run(const std::string& sql) {
    std::string last;
    char* error = nullptr;
    const auto keep = [](void* out, int columns, char** values, char**) {
      *static_cast<std::string*>(out) = values[columns - 1] ? values[columns - 1] : "";
      return 0;
    };
    if (sqlite3_exec(connection_, sql.c_str(), keep, &last, &error) != SQLITE_OK) {
      std::printf("  error: %s\n", error);
      std::exit(1);
    }
    return last;
  }

 private:
  std::filesystem::path folder_;
  sqlite3* connection_ = nullptr;
};
