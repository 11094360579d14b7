#pragma once

// What a statement has returned: cells as the texts that the database would write.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "source/mysql/types.h"

namespace forebay::source::mysql {

struct Field {
  std::string name;
  Type type;
  bool operator==(const Field&) const = default;
};

class Rows {
 public:
  std::vector<Field> fields;
  std::uint64_t affected = 0;  // rows that a statement without fields has changed

  std::size_t count() const { return fields.empty() ? 0 : cells_.size() / fields.size(); }
  bool is_null(std::size_t row, std::size_t column) const { return at(row, column).null; }
  // "" for NULL; valid as long as this.
  std::string_view cell(std::size_t row, std::size_t column) const {
    const Cell& cell = at(row, column);
    return std::string_view(bytes_).substr(cell.from, cell.length);
  }
  std::size_t bytes() const { return bytes_.size() + cells_.size() * sizeof(Cell); }

  // Cells are added row by row, a row's from left to right.
  void add(std::string_view text) {
    cells_.push_back({bytes_.size(), text.size(), false});
    bytes_ += text;
  }
  void add_null() { cells_.push_back({bytes_.size(), 0, true}); }
  // Room for one more cell, to be filled by the caller.
  char* add_room(std::size_t length) {
    cells_.push_back({bytes_.size(), length, false});
    bytes_.resize(bytes_.size() + length);
    return bytes_.data() + bytes_.size() - length;
  }

 private:
  struct Cell {
    std::size_t from;
    std::size_t length;
    bool null;
  };
  const Cell& at(std::size_t row, std::size_t column) const { return cells_[row * fields.size() + column]; }

  std::vector<Cell> cells_;
  std::string bytes_;
};

}  // namespace forebay::source::mysql
