#include "feed/mysql/transactions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "feed/mysql/statements.h"

namespace forebay::feed::mysql {
namespace {

template <class... F>
struct Overloaded : F... {
  using F::operator()...;
};

// The columns of one image that are wanted. `other`: the image that has what stayed as it was; null: there is none.
Fields image_of(const std::vector<const Column*>& columns, const std::vector<TableMap::Column>& told,
                const Row& row, const Row* other) {
  Fields fields;
  for (std::size_t i = 0; i < columns.size() && i < row.size(); ++i) {
    const Column* column = columns[i];
    if (column == nullptr || !column->wanted) continue;
    const Cell* cell = &row[i];
    if (cell->kind == Cell::Kind::kAbsent && other != nullptr) cell = &(*other)[i];
    if (cell->kind == Cell::Kind::kAbsent) continue;  // nobody knows: it is as if there were no such column
    if (cell->kind == Cell::Kind::kNull) {
      fields.emplace_back(column->name, std::nullopt);
      continue;
    }
    if (auto text = text_of(*column, told[i], cell->bytes))
      fields.emplace_back(column->name, std::move(text));
  }
  return fields;
}

bool is_same(const Cell& before, const Cell& after) {
  if (after.kind == Cell::Kind::kAbsent) return true;
  return before.kind == after.kind && before.bytes == after.bytes;
}

}  // namespace

void Transactions::restart() {
  changes_ = {};
  tables_.clear();
  gtid_.clear();
  xa_.clear();
  open_ = false;
}

void Transactions::begin_anew() {
  restart();
  prepared_.clear();
}

Result<void> Transactions::take(const Event& event, Delivery& delivery) {
  return std::visit(Overloaded{
                        [&](const Statement& statement) { return take_statement(statement, delivery); },
                        [&](const Format&) -> Result<void> {
                          // Each file has numbers of its own; what a server that died has not ended, it has not committed.
                          restart();
                          return {};
                        },
                        [&](const Committed&) -> Result<void> {
                          end(delivery);
                          return {};
                        },
                        [&](const Group& group) -> Result<void> {
                          open_ = !group.alone;
                          xa_ = group.xa;
                          return {};
                        },
                        [&](const Gtid& gtid) -> Result<void> {
                          gtid_ = gtid.text;
                          return {};
                        },
                        [&](const Prepared& prepared) -> Result<void> {
                          prepare(prepared, delivery);
                          return {};
                        },
                        [&](const TableMap& map) -> Result<void> {
                          take_map(map);
                          return {};
                        },
                        [&](const RowsEvent& rows) { return take_rows(rows); },
                        [&](const Unreadable&) -> Result<void> {
                          add_all();
                          if (!open_) end(delivery);
                          return {};
                        },
                        [&](const Incident&) -> Result<void> {
                          return Error{ErrorCode::kUnavailable, "the server says that its log lacks changes"};
                        },
                        [](const auto&) -> Result<void> { return {}; },
                    },
                    event.what);
}

Result<void> Transactions::take_statement(const Statement& statement, Delivery& delivery) {
  switch (meaning_of(statement.text)) {
    case Meaning::kNothing:
      return {};
    case Meaning::kBegin:
      open_ = true;
      return {};
    case Meaning::kEnd:
      end(delivery);
      return {};
    case Meaning::kXaStart:
      open_ = true;
      xa_ = xa_of(statement);
      return {};
    case Meaning::kXaCommit:
      commit_prepared(delivery, xa_of(statement));
      return {};
    case Meaning::kXaRollback:
      prepared_.erase(xa_of(statement));
      end(delivery);
      return {};
    case Meaning::kDefinition:
      add_definition(statement);
      break;
    case Meaning::kChange:
      add_all();
      break;
  }
  if (!open_) end(delivery);
  return {};
}

// Which table a definition concerns, its text says in many ways; one that it does not name is left alone, unless the
// next look finds it changed.
void Transactions::add_definition(const Statement& statement) {
  look_ = true;
  const bool database = may_name(statement.text, "database") || may_name(statement.text, "schema");
  for (const auto& [place, table] : followed_.tables) {
    const bool named =
        may_name(statement.text, table.name) || (database && may_name(statement.text, table.schema));
    if (!named) continue;
    if (table.watched) changes_.whole.insert(table.id);
    changes_.whole.insert(table.cascades_to.begin(), table.cascades_to.end());
  }
  for (const auto& [view, ids] : followed_.views) {
    if (may_name(statement.text, view)) changes_.whole.insert(ids.begin(), ids.end());
  }
}

void Transactions::add_all() {
  for (const auto& [place, table] : followed_.tables) {
    if (table.watched) changes_.whole.insert(table.id);
  }
}

void Transactions::take_map(const TableMap& map) {
  Known& known = tables_[map.number];
  const bool same = known.schema == map.schema && known.name == map.table &&
                    std::ranges::equal(known.map.columns, map.columns, [](const auto& a, const auto& b) {
                      return a.type == b.type && a.meta == b.meta;
                    });
  if (same) return;
  known = {
      followed_.find(map.schema, map.table), std::string(map.schema), std::string(map.table), {}, {}, false};
  if (known.table == nullptr) return;
  assign_columns(known, map);
  known.map.columns = map.columns;
  const std::string name = known.schema + "." + known.name;
  if (known.readable) {
    unreadable_.erase(name);
  } else if (unreadable_.insert(name).second) {
    look_ = true;
  }
}

void Transactions::assign_columns(Known& known, const TableMap& map) {
  const std::vector<Column>& columns = known.table->columns;
  known.columns.assign(map.columns.size(), nullptr);
  known.readable = map.columns.size() == columns.size();
  for (std::size_t i = 0; i < map.columns.size(); ++i) {
    const Column* column = nullptr;
    if (!map.names.empty()) {
      const auto found = std::ranges::find(columns, map.names[i], &Column::name);
      column = found == columns.end() ? nullptr : &*found;
    } else if (i < columns.size()) {
      column = &columns[i];
    }
    known.readable &= column != nullptr && fits(*column, map.columns[i]);
    known.columns[i] = column;
  }
}

Result<void> Transactions::take_rows(const RowsEvent& rows) {
  open_ = true;
  const auto found = tables_.find(rows.table);
  // A number that stands for no table ends a statement.
  if (found == tables_.end()) return {};
  const Known& known = found->second;
  if (known.table == nullptr) return {};
  if (!known.readable) {
    if (known.table->watched) changes_.whole.insert(known.table->id);
    changes_.whole.insert(known.table->cascades_to.begin(), known.table->cascades_to.end());
    return {};
  }
  return each_row(rows, known.map, [&](const Row* before, const Row* after) {
    if (known.table->watched) add_row(known, before, after);
    if (!known.table->cascades_to.empty() && before != nullptr) add_cascades(known, before, after);
  });
}

void Transactions::add_row(const Known& known, const Row* before, const Row* after) {
  if (changes_.whole.contains(known.table->id)) return;
  RowChange change;
  change.table = known.table->id;
  if (before != nullptr) change.images.before = image_of(known.columns, known.map.columns, *before, nullptr);
  if (after != nullptr) change.images.after = image_of(known.columns, known.map.columns, *after, before);
  // An image without any of the wanted columns would be that of no row: such a change may concern any key.
  const bool unknown = (before != nullptr && change.images.before.empty()) ||
                       (after != nullptr && change.images.after.empty());
  if (unknown || changes_.rows.size() >= kMostKept) {
    changes_.whole.insert(known.table->id);
  } else {
    changes_.rows.push_back(std::move(change));
  }
}

void Transactions::add_cascades(const Known& known, const Row* before, const Row* after) {
  bool cascades = after == nullptr;
  for (std::size_t i = 0; i < known.columns.size() && !cascades; ++i) {
    const Column* column = known.columns[i];
    if (column != nullptr && column->referenced) cascades = !is_same((*before)[i], (*after)[i]);
  }
  if (cascades) changes_.whole.insert(known.table->cascades_to.begin(), known.table->cascades_to.end());
}

void Transactions::finish(Changes changes, Delivery& delivery) {
  if (changes.rows.empty() && changes.whole.empty()) return;
  const std::uint64_t number = number_(gtid_);
  for (RowChange& change : changes.rows) {
    if (!changes.whole.contains(change.table)) delivery.changes.push_back({std::move(change), number});
  }
  for (const std::string& table : changes.whole) {
    RowChange change;
    change.table = table;
    change.whole_table = true;
    delivery.changes.push_back({std::move(change), number});
  }
}

void Transactions::end(Delivery& delivery) {
  finish(std::exchange(changes_, {}), delivery);
  gtid_.clear();
  xa_.clear();
  open_ = false;
}

void Transactions::prepare(const Prepared& prepared, Delivery& delivery) {
  if (!prepared.one_phase) prepared_.insert_or_assign(xa_, std::exchange(changes_, {}));
  end(delivery);
}

// MariaDB tells the name before the statement.
std::string Transactions::xa_of(const Statement& statement) const {
  return xa_.empty() ? std::string(xa_name(statement.text)) : xa_;
}

void Transactions::commit_prepared(Delivery& delivery, const std::string& name) {
  if (const auto found = prepared_.find(name); found != prepared_.end()) {
    changes_ = std::move(found->second);
    prepared_.erase(found);
  } else {
    add_all();  // it was prepared before anybody listened
  }
  end(delivery);
}

}  // namespace forebay::feed::mysql
