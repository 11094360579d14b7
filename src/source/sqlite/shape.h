#pragma once

// What a database's schema says of some tables, to tell whether they are still what they were.

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "forebay/source.h"
#include "source/sqlite/database.h"

namespace forebay::source::sqlite {

// Seen when a dataset is opened. Thread-safe.
class Shape {
 public:
  // `lease` is open on the file. Of tables and views by their names in it.
  static Result<std::unique_ptr<Shape>> see(const Lease& lease, std::vector<std::string> tables);

  // Whether the tables are what they were, in the transaction in progress or else now. Costs a look at a number
  // in the file as long as nothing in the schema has changed.
  Result<bool> holds(const Lease& lease) const;
  // The same of what rows of the first table are read by: its columns are there, as they were declared. It may
  // have more.
  Result<bool> columns_hold(const Lease& lease) const;

 private:
  // The file and its schema's version that something was last found true of. Relaxed: each is compared with
  // what is there, and a mixture of two only costs another look.
  struct Known {
    std::atomic<std::uint64_t> file{0};
    std::atomic<std::int64_t> version{0};
    bool is(const Lease& lease, std::int64_t at) const {
      return at == version.load(std::memory_order_relaxed) &&
             lease.file() == file.load(std::memory_order_relaxed);
    }
    void set(const Lease& lease, std::int64_t at) {
      version.store(at, std::memory_order_relaxed);
      file.store(lease.file(), std::memory_order_relaxed);
    }
  };
  using Columns = std::map<std::string, std::string>;  // by name, how they are declared
  static Result<Columns> columns_of_first(Connection& connection, const std::vector<std::string>& tables);

  Shape(std::vector<std::string> tables, std::string text, Columns columns)
      : tables_(std::move(tables)), text_(std::move(text)), columns_(std::move(columns)) {}

  const std::vector<std::string> tables_;
  const std::string text_;
  const Columns columns_;
  mutable Known whole_;
  mutable Known readable_;
};

// Dataset::found_by_spelling() of one dependency, as far as its columns say it.
bool found_by_spelling(const std::vector<CatalogueColumn>& table, const TableDependency& dependency);

// Whether a key's field is what a column would make of it, so that no other text finds the same rows. Asks
// SQLite about numbers with a fraction.
Result<bool> is_spelled(Connection& connection, const Column& column, std::string_view field);

}  // namespace forebay::source::sqlite
