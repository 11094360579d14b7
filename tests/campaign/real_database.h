#pragma once

#include <memory>
#include <string>

namespace forebay::test {

// A database that a test or a benchmark of write-behind compares with. Not thread-safe.
class RealDatabase {
 public:
  virtual ~RealDatabase() = default;
  virtual std::string name() const = 0;
  virtual std::string source() const = 0;        // the lines of [source.db]
  virtual void run(const std::string& sql) = 0;  // throws std::runtime_error
  // One line a row, columns joined by '|', NULL as nothing. Throws std::runtime_error.
  virtual std::string ask(const std::string& sql) = 0;
  virtual bool stops() const = 0;  // whether it is a server that can be
  virtual void stop() = 0;         // as a crash does
  virtual void start() = 0;
};
// An SQLite file, and a PostgreSQL server of its own, in temporary folders; empty.
std::unique_ptr<RealDatabase> real_sqlite();
std::unique_ptr<RealDatabase> real_postgres();

}  // namespace forebay::test
