#include "source/mysql/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace forebay::source::mysql {
namespace {

// Names are compared as the server compares its tables' names: lower_case_table_names decides.
constexpr const char* kTable =
    "SELECT table_schema, table_name, table_type IN ('BASE TABLE', 'SYSTEM VERSIONED'), "
    "table_schema = DATABASE() FROM information_schema.tables "
    "WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";

constexpr const char* kColumns =
    "SELECT column_name, COALESCE(collation_name, ''), privileges, COALESCE(column_default, 'NULL') <> "
    "'NULL' OR extra LIKE "
    "'%auto_increment%', is_nullable = 'NO', COALESCE(generation_expression, '') <> '' OR extra LIKE "
    "'%GENERATED%', "
    "data_type FROM information_schema.columns WHERE table_schema = ? AND table_name = ? ORDER BY "
    "ordinal_position";

// One row an index: its columns in their order.
constexpr const char* kUnique =
    "SELECT GROUP_CONCAT(COALESCE(column_name, '') ORDER BY column_name SEPARATOR '\\n') "
    "FROM information_schema.statistics WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? "
    "AND non_unique = 0 GROUP BY index_name HAVING MAX(sub_part IS NOT NULL) = 0 AND MAX(column_name IS "
    "NULL) = 0";

// Each part says what it is of.
constexpr const char* kDigest =
    "SELECT CONCAT_WS('|', 't', table_schema, table_name, table_type, engine, create_time) "
    "FROM information_schema.tables WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? "
    "UNION ALL (SELECT CONCAT_WS('|', 'c', ordinal_position, column_name, column_type, collation_name, "
    "is_nullable, "
    "column_default, extra, generation_expression, privileges) FROM information_schema.columns "
    "WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? ORDER BY ordinal_position LIMIT 10000) "
    "UNION ALL (SELECT CONCAT_WS('|', 'i', index_name, non_unique, seq_in_index, column_name, sub_part) "
    "FROM information_schema.statistics WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ? "
    "ORDER BY index_name, seq_in_index LIMIT 10000) "
    "UNION ALL (SELECT CONCAT_WS('|', 'g', trigger_name, event_manipulation, action_timing, "
    "action_statement) "
    "FROM information_schema.triggers WHERE event_object_schema = COALESCE(?, DATABASE()) "
    "AND event_object_table = ? ORDER BY trigger_name LIMIT 10000) "
    "UNION ALL SELECT CONCAT_WS('|', 'v', view_definition) FROM information_schema.views "
    "WHERE table_schema = COALESCE(?, DATABASE()) AND table_name = ?";
constexpr std::size_t kDigestParts = 5;

bool truth(const Rows& rows, std::size_t row, std::size_t column) {
  return rows.cell(row, column) == "1";
}

std::vector<Parameter> named(const TableName& name, std::size_t times = 1) {
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < times; ++i) {
    parameters.push_back(schema_of(name));
    parameters.emplace_back(name.name);
  }
  return parameters;
}

// Collations whose equal texts are the same bytes: those by bytes, without blanks that are passed over at the end.
// CHAR has no blanks there.
bool tells_texts_apart(std::string_view collation, bool padded) {
  if (collation == "binary" || collation.empty()) return true;
  if (!collation.ends_with("_bin")) return false;
  return padded || collation.contains("nopad") || collation.contains("0900");
}

// The types as the server describes them in an answer: that has what the catalogue's text does not.
Outcome<void> add_types(Pool& pool, Table& table, const Call& call) {
  std::vector<Column*> readable;
  std::string names;
  for (Column& column : table.columns) {
    if (!column.readable) continue;
    names += (names.empty() ? "" : ", ") + quoted(column.name);
    readable.push_back(&column);
  }
  if (readable.empty()) return {};
  auto rows = pool.ask(fmt::format("SELECT {} FROM {} LIMIT 0", names, quoted(table.name)), {}, call);
  if (!rows) return std::unexpected(std::move(rows).error());
  for (std::size_t i = 0; i < readable.size() && i < rows->fields.size(); ++i) {
    Column& column = *readable[i];
    const bool padded = column.type.shape == Shape::kPadded;
    column.type = rows->fields[i].type;
    if (padded && column.type.shape == Shape::kText) column.type.shape = Shape::kPadded;
    column.one_spelling = one_spelling(column.type, column.one_spelling);
  }
  return {};
}

Outcome<Rows> columns_of(Pool& pool, const TableName& name, const Call& call) {
  return pool.ask(kColumns, named(name), call);
}

// Pairs `a`.`b` in a view's text: tables of schemas, and columns of tables, which the catalogue does not have.
std::set<std::pair<std::string, std::string>> quoted_pairs(std::string_view text) {
  std::set<std::pair<std::string, std::string>> pairs;
  std::string before;
  bool joined = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '`') {
      joined = text[i] == '.' && joined;
      if (!joined) before.clear();
      continue;
    }
    std::string name;
    for (++i; i < text.size(); ++i) {
      if (text[i] == '`' && (i + 1 >= text.size() || text[i + 1] != '`')) break;
      if (text[i] == '`') ++i;
      name += text[i];
    }
    if (!before.empty()) pairs.emplace(before, name);
    before = std::move(name);
    joined = true;
  }
  return pairs;
}

// What a view shows, and the views that it shows show.
class Views {
 public:
  Views(Pool& pool, const Call& call) : pool_(pool), call_(call) {}

  Outcome<std::vector<std::string>> shown_by(const std::string& schema, const std::string& name) {
    std::vector<std::string> ids;
    if (!seen_.emplace(schema, name).second) return ids;
    const Parameter view[] = {schema, name};
    auto text = pool_.ask(
        "SELECT view_definition FROM information_schema.views WHERE table_schema = ? AND table_name = ?",
        view, call_);
    if (!text) return std::unexpected(std::move(text).error());
    if (text->count() == 0) return ids;
    for (const auto& [first, second] : quoted_pairs(text->cell(0, 0))) {
      auto table = find(first, second);
      if (!table) return std::unexpected(std::move(table).error());
      if (table->count() == 0) continue;
      const std::string in(table->cell(0, 0));
      const std::string called(table->cell(0, 1));
      if (truth(*table, 0, 2)) {
        ids.push_back(id_of_table(in, called));
        continue;
      }
      auto below = shown_by(in, called);
      if (!below) return below;
      ids.insert(ids.end(), below->begin(), below->end());
    }
    return ids;
  }
  Outcome<Rows> find(const Parameter& schema, const std::string& name) {
    const Parameter parameters[] = {schema, name};
    return pool_.ask(kTable, parameters, call_);
  }

 private:
  Pool& pool_;
  const Call& call_;
  std::set<std::pair<std::string, std::string>> seen_;
};

}  // namespace

const Column* Table::column(std::string_view wanted) const {
  const auto found = std::ranges::find(columns, wanted, &Column::name);
  return found == columns.end() ? nullptr : &*found;
}

std::string quoted(std::string_view name) {
  std::string out = "`";
  for (const char c : name) {
    if (c == '`') out += '`';
    out += c;
  }
  return out + '`';
}

std::string quoted(const TableName& name) {
  return name.schema.empty() ? quoted(name.name) : quoted(name.schema) + "." + quoted(name.name);
}

Parameter schema_of(const TableName& name) {
  return name.schema.empty() ? Parameter() : Parameter(name.schema);
}

std::string id_of_table(std::string_view schema, std::string_view name) {
  return fmt::format("#{}.{}", quoted(schema), quoted(name));
}

Outcome<std::optional<Table>> find_table(Pool& pool, const TableName& name, const Call& call) {
  auto found = pool.ask(kTable, named(name), call);
  if (!found) return std::unexpected(std::move(found).error());
  if (found->count() == 0) return std::nullopt;
  Table table;
  table.name = {std::string(found->cell(0, 0)), std::string(found->cell(0, 1))};
  table.plain = truth(*found, 0, 2);
  table.own = truth(*found, 0, 3);
  auto columns = columns_of(pool, table.name, call);
  if (!columns) return std::unexpected(std::move(columns).error());
  for (std::size_t i = 0; i < columns->count(); ++i) {
    const std::string_view rights = columns->cell(i, 2);
    Column column;
    column.name = columns->cell(i, 0);
    column.readable = rights.contains("select");
    column.has_default = truth(*columns, i, 3);
    column.not_null = truth(*columns, i, 4);
    column.generated = truth(*columns, i, 5);
    column.may_update = rights.contains("update");
    column.may_insert = rights.contains("insert");
    const std::string_view kind = columns->cell(i, 6);
    if (kind == "char") column.type.shape = Shape::kPadded;
    const bool choice = kind == "enum" || kind == "set";
    column.one_spelling = !choice && tells_texts_apart(columns->cell(i, 1), kind == "char");
    table.may_insert |= column.may_insert;
    table.may_update |= column.may_update;
    table.columns.push_back(std::move(column));
  }
  if (auto typed = add_types(pool, table, call); !typed) return std::unexpected(std::move(typed).error());
  return table;
}

Outcome<bool> has_unique_index(Pool& pool, const TableName& table, std::span<const std::string> columns,
                               const Call& call) {
  auto rows = pool.ask(kUnique, named(table), call);
  if (!rows) return std::unexpected(std::move(rows).error());
  const std::set<std::string> wanted(columns.begin(), columns.end());
  for (std::size_t i = 0; i < rows->count(); ++i) {
    std::set<std::string> found;
    std::string_view list = rows->cell(i, 0);
    while (!list.empty()) {
      const std::size_t end = std::min(list.find('\n'), list.size());
      found.emplace(list.substr(0, end));
      list.remove_prefix(std::min(end + 1, list.size()));
    }
    if (found == wanted) return true;
  }
  return false;
}

Outcome<std::vector<KnownTable>> known_tables(Pool& pool, std::span<const TableName> names,
                                              const Call& call) {
  std::vector<KnownTable> known;
  for (const TableName& name : names) {
    KnownTable& one = known.emplace_back();
    Views views(pool, call);
    auto table = views.find(schema_of(name), name.name);
    if (!table) return std::unexpected(std::move(table).error());
    if (table->count() == 0) continue;
    const std::string schema(table->cell(0, 0));
    const std::string called(table->cell(0, 1));
    one.id = id_of_table(schema, called);
    if (truth(*table, 0, 2)) continue;
    auto shows = views.shown_by(schema, called);
    if (!shows) return std::unexpected(std::move(shows).error());
    one.shows = std::move(*shows);
  }
  return known;
}

Outcome<std::string> digest_of(Pool& pool, std::span<const TableName> names, const Call& call) {
  std::string digest;
  for (const TableName& name : names) {
    auto rows = pool.ask(kDigest, named(name, kDigestParts), call);
    if (!rows) return std::unexpected(std::move(rows).error());
    for (std::size_t i = 0; i < rows->count(); ++i) {
      digest += rows->cell(i, 0);
      digest += '\n';
    }
    digest += '\n';
  }
  return digest;
}

Outcome<std::vector<Mapped>> mapped_columns(Pool& pool, const DatasetSpec& spec, const Call& call) {
  std::vector<Mapped> all;
  for (const TableDependency& dependency : spec.depends_on) {
    Mapped& mapped = all.emplace_back();
    const auto name = parse_table_name(dependency.table);
    if (!name) continue;
    auto table = find_table(pool, *name, call);
    if (!table) return std::unexpected(std::move(table).error());
    mapped.by_spelling = table->has_value();
    for (const auto& [column, field] : dependency.columns) {
      const Column* found = *table ? (**table).column(column) : nullptr;
      const auto place = std::ranges::find(spec.key_fields, field) - spec.key_fields.begin();
      mapped.by_spelling &= found != nullptr && found->one_spelling;
      if (found != nullptr) mapped.columns.emplace_back(static_cast<std::size_t>(place), *found);
    }
  }
  return all;
}

}  // namespace forebay::source::mysql
