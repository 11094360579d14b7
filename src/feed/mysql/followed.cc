#include "feed/mysql/followed.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "source/mysql/catalog.h"
#include "source/sql_mapping.h"

namespace forebay::feed::mysql {

using source::Call;
using source::TableName;
using source::mysql::Outcome;
using source::mysql::Parameter;
using source::mysql::Pool;

namespace {

// How many levels of cascades are followed upwards: more than any schema has.
constexpr int kMostLevels = 64;

constexpr const char* kTable =
    "SELECT table_schema, table_name, CONCAT_WS('|', table_type, COALESCE(engine, ''), COALESCE(create_time, "
    "'')) FROM information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? AND "
    "table_type <> 'VIEW'";

constexpr const char* kColumns =
    "SELECT column_name, data_type, column_type, COALESCE(character_set_name, ''), "
    "COALESCE(character_octet_length, 0), COALESCE(datetime_precision, 0), column_key = 'PRI' "
    "FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY ordinal_position";

// The foreign keys of a table that change its rows when their parents change.
constexpr const char* kParents =
    "SELECT k.referenced_table_schema, k.referenced_table_name, k.referenced_column_name "
    "FROM information_schema.referential_constraints r JOIN information_schema.key_column_usage k "
    "ON k.constraint_schema = r.constraint_schema AND k.constraint_name = r.constraint_name "
    "AND k.table_name = r.table_name "
    "WHERE r.constraint_schema = ? AND r.table_name = ? AND k.referenced_table_name IS NOT NULL "
    "AND (r.delete_rule NOT IN ('RESTRICT', 'NO ACTION') OR r.update_rule NOT IN ('RESTRICT', 'NO ACTION'))";

using Place = std::pair<std::string, std::string>;

// From "#`schema`.`table`" to the two names.
Place place_of(std::string_view id) {
  std::string names[2];
  std::size_t which = 0;
  bool inside = false;
  for (std::size_t i = 0; i < id.size(); ++i) {
    if (id[i] == '`' && inside && i + 1 < id.size() && id[i + 1] == '`') {
      names[which] += id[++i];
    } else if (id[i] == '`') {
      inside = !inside;
    } else if (inside) {
      names[which] += id[i];
    } else if (id[i] == '.' && which == 0) {
      which = 1;
    }
  }
  return {std::move(names[0]), std::move(names[1])};
}

class Look {
 public:
  Look(Pool& pool, const Call& call) : pool_(pool), call_(call) {}

  Outcome<void> at(std::span<const WatchedTable> tables) {
    for (const WatchedTable& table : tables) {
      if (auto looked = at_name(table); !looked) return looked;
    }
    return at_parents();
  }
  Followed take() { return std::move(followed_); }

 private:
  Outcome<void> at_name(const WatchedTable& wanted) {
    const auto parsed = source::parse_table_name(wanted.name);
    const TableName name[] = {parsed ? *parsed : TableName{"", wanted.name}};
    auto known = source::mysql::known_tables(pool_, name, call_);
    if (!known) return std::unexpected(std::move(known).error());
    const KnownTable& one = known->front();
    if (one.id.empty()) {
      followed_.missing.push_back(wanted.name);
      return {};
    }
    std::vector<std::string> ids = one.shows;
    ids.push_back(one.id);
    if (!one.shows.empty()) followed_.views[name[0].name].insert(ids.begin(), ids.end());
    for (const std::string& id : ids) {
      auto table = add(place_of(id));
      if (!table) return std::unexpected(std::move(table).error());
      if (*table == nullptr) continue;  // the view itself
      (*table)->watched = true;
      // Of a view's tables nobody knows whose columns these are.
      for (Column& column : (*table)->columns)
        column.wanted |=
            !one.shows.empty() || std::ranges::find(wanted.columns, column.name) != wanted.columns.end();
    }
    return {};
  }

  // Null: there is no such table.
  Outcome<FollowedTable*> add(const Place& place) {
    if (const auto found = followed_.tables.find(place); found != followed_.tables.end())
      return &found->second;
    const Parameter named[] = {place.first, place.second};
    auto rows = pool_.ask(kTable, named, call_);
    if (!rows) return std::unexpected(std::move(rows).error());
    if (rows->count() == 0) return nullptr;
    FollowedTable table;
    table.schema = rows->cell(0, 0);
    table.name = rows->cell(0, 1);
    table.id = source::mysql::id_of_table(table.schema, table.name);
    table.described = rows->cell(0, 2);
    auto columns = pool_.ask(kColumns, named, call_);
    if (!columns) return std::unexpected(std::move(columns).error());
    for (std::size_t i = 0; i < columns->count(); ++i) {
      Column column = described_column(columns->cell(i, 0), columns->cell(i, 1), columns->cell(i, 2),
                                       columns->cell(i, 3), columns->cell(i, 4), columns->cell(i, 5));
      column.primary = columns->cell(i, 6) == "1";
      table.described += "|" + column.described;
      table.columns.push_back(std::move(column));
    }
    return &followed_.tables.insert_or_assign(place, std::move(table)).first->second;
  }

  struct Edge {
    Place parent;
    std::string column;
  };
  Outcome<std::vector<Edge>> parents_of(const Place& child) {
    const Parameter named[] = {child.first, child.second};
    auto rows = pool_.ask(kParents, named, call_);
    if (!rows) return std::unexpected(std::move(rows).error());
    std::vector<Edge> edges;
    for (std::size_t i = 0; i < rows->count(); ++i)
      edges.push_back(
          {{std::string(rows->cell(i, 0)), std::string(rows->cell(i, 1))}, std::string(rows->cell(i, 2))});
    return edges;
  }

  // Upwards from the watched tables, level by level: what reaches a table reaches what its own changes reach.
  Outcome<void> at_parents() {
    std::set<Place> level;
    for (const auto& [place, table] : followed_.tables) level.insert(place);
    for (int depth = 0; depth < kMostLevels && !level.empty(); ++depth) {
      std::set<Place> above;
      for (const Place& child : level) {
        auto edges = parents_of(child);
        if (!edges) return std::unexpected(std::move(edges).error());
        for (const Edge& edge : *edges) {
          auto reached = reach(child, edge);
          if (!reached) return std::unexpected(std::move(reached).error());
          if (*reached) above.insert(edge.parent);
        }
      }
      level = std::move(above);
    }
    return {};
  }

  // True: the parent has not been known to reach so much.
  Outcome<bool> reach(const Place& child, const Edge& edge) {
    auto parent = add(edge.parent);
    if (!parent) return std::unexpected(std::move(parent).error());
    if (*parent == nullptr) return false;
    const FollowedTable& below = followed_.tables.at(child);
    const std::size_t before = (*parent)->cascades_to.size();
    std::set<std::string> reached = below.cascades_to;
    if (below.watched) reached.insert(below.id);
    (*parent)->cascades_to.merge(reached);
    for (Column& column : (*parent)->columns) column.referenced |= column.name == edge.column;
    return (*parent)->cascades_to.size() > before;
  }

  Pool& pool_;
  const Call& call_;
  Followed followed_;
};

}  // namespace

const FollowedTable* Followed::find(std::string_view schema, std::string_view name) const {
  const auto found = tables.find({std::string(schema), std::string(name)});
  return found == tables.end() ? nullptr : &found->second;
}

Outcome<Followed> look(Pool& pool, std::span<const WatchedTable> tables, const Call& call) {
  Look look(pool, call);
  if (auto looked = look.at(tables); !looked) return std::unexpected(std::move(looked).error());
  return look.take();
}

std::set<std::string> replaced(const Followed& before, const Followed& now) {
  std::set<std::string> ids;
  for (const auto& [place, table] : before.tables) {
    const auto found = now.tables.find(place);
    if (table.watched && (found == now.tables.end() || found->second.described != table.described))
      ids.insert(table.id);
  }
  for (const auto& [place, table] : now.tables) {
    if (table.watched && !before.tables.contains(place)) ids.insert(table.id);
  }
  return ids;
}

std::vector<std::string> shortcomings(const Followed& followed, bool whole_rows) {
  std::vector<std::string> all;
  for (const std::string& name : followed.missing) all.push_back(fmt::format("there is no table {}", name));
  for (const auto& [place, table] : followed.tables) {
    if (!table.watched) continue;
    std::vector<std::string> unread;
    std::vector<std::string> uncovered;
    for (const Column& column : table.columns) {
      if (!column.wanted) continue;
      if (column.kind == Column::Kind::kUnknown ||
          (column.kind == Column::Kind::kText && column.letters == Letters::kUnknown))
        unread.push_back(column.name);
      if (!column.primary && !whole_rows) uncovered.push_back(column.name);
    }
    const std::string name = source::mysql::quoted(TableName{table.schema, table.name});
    if (!unread.empty())
      all.push_back(fmt::format(
          "values of {} in {} are not read from the log, so that each change there drops all of the "
          "namespaces that look for it",
          fmt::join(unread, ", "), name));
    if (!uncovered.empty())
      all.push_back(
          fmt::format("an UPDATE or DELETE in {} does not tell the old {}, so that it drops all of the "
                      "namespaces that look for it: SET GLOBAL binlog_row_image = FULL mends that",
                      name, fmt::join(uncovered, ", ")));
  }
  return all;
}

}  // namespace forebay::feed::mysql
