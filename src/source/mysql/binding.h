#pragma once

// Between libmariadb's buffers and Forebay's values.

#include <mysql.h>

#include <span>
#include <vector>

#include "source/mysql/rows.h"
#include "source/mysql/types.h"

namespace forebay::source::mysql {

// The parameters as libmariadb takes them; borrows them.
std::vector<MYSQL_BIND> bound(std::span<const Parameter> parameters);

Type type_of(const MYSQL_FIELD& field);

// Buffers for one row at a time.
class RowBuffers {
 public:
  explicit RowBuffers(std::span<const MYSQL_FIELD> fields);
  std::vector<MYSQL_BIND>& binds() { return binds_; }
  // Adds the row that was fetched last. False: libmariadb can't give one of its cells.
  bool add_to(Rows& rows, MYSQL_STMT* statement);

 private:
  struct Cell {
    union {
      std::int64_t integer;
      float single;
      double number;
      MYSQL_TIME time;
    } value{};
    unsigned long length = 0;
    my_bool null = 0;
    my_bool error = 0;
  };
  bool add_bytes(Rows& rows, MYSQL_STMT* statement, std::size_t column);

  std::span<const MYSQL_FIELD> fields_;
  std::vector<Cell> cells_;
  std::vector<MYSQL_BIND> binds_;
};

}  // namespace forebay::source::mysql
