#include "source/mysql/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "base/row_json.h"
#include "config/query.h"
#include "source/answer_bound.h"
#include "source/mysql/catalog.h"
#include "source/sql_mapping.h"

namespace forebay::source::mysql {
namespace {

Error config(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

// `query` may end in a semicolon and blanks, which have no place inside parentheses.
std::string_view without_end(std::string_view query) {
  while (!query.empty() && std::string_view(" \t\r\n;").find(query.back()) != std::string_view::npos)
    query.remove_suffix(1);
  return query;
}

// A query and which of the key's fields each of its parameters is.
struct Compiled {
  std::string sql;
  std::vector<std::size_t> places;
};

Result<Compiled> compile(const DatasetSpec& spec) {
  const std::vector<std::string> marks(spec.key_fields.size(), "?");
  auto sql = compile_query(spec.query, spec.key_fields, Dialect::kMysql, marks);
  if (!sql) return sql.error();
  Compiled out{std::string(without_end(*sql)), {}};
  std::vector<config::TextMistake> mistakes;
  for (const auto& one : config::parse_query(spec.query, Dialect::kMysql, mistakes).parameters) {
    const auto found = std::ranges::find(spec.key_fields, one.name) - spec.key_fields.begin();
    out.places.push_back(static_cast<std::size_t>(found));
  }
  return out;
}

// What a query is at the moment, to tell whether it still is that.
struct Look {
  std::vector<TableName> tables;  // those that it depends on
  std::string digest;             // of these
  std::vector<Mapped> mapped;     // like the spec's dependencies
};

// A text that is compared with a column of one of these has to be its spelling, and is then the only one.
bool is_compared_by_spelling(const Type& type) {
  return type.shape == Shape::kText || type.shape == Shape::kPadded || type.shape == Shape::kInteger ||
         type.shape == Shape::kDate;
}

class QueryDataset final : public Dataset {
 public:
  QueryDataset(Pool& pool, std::string where, ValueKind kind, std::size_t key_length, Compiled query,
               std::vector<Field> outputs, Look look)
      : pool_(pool),
        where_(std::move(where)),
        kind_(kind),
        key_length_(key_length),
        query_(std::move(query)),
        outputs_(std::move(outputs)),
        look_(std::move(look)) {}

  bool found_by_spelling(std::size_t dependency) const override {
    return look_.mapped[dependency].by_spelling;
  }

  bool batches() const override { return false; }

  Result<Fit> fit(const CallContext& context) override {
    const Call call(context);
    auto digest = digest_of(pool_, look_.tables, call);
    if (!digest) return located(digest.error(), where_);
    if (*digest != look_.digest) return Fit::kChanged;
    std::vector<Field> now;
    auto described = pool_.read(call, [&](Connection& connection) -> Outcome<Rows> {
      auto fields = connection.describe(query_.sql, query_.places.size(), call);
      if (!fields) return std::unexpected(std::move(fields).error());
      now = std::move(*fields);
      return Rows();
    });
    if (described) return now == outputs_ ? Fit::kFits : Fit::kChanged;
    if (described.error().error.code == ErrorCode::kRefused) return Fit::kChanged;
    return located(described.error(), where_);
  }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    const Call call(context);
    std::vector<Loaded> loaded(keys.size());
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i].size() != key_length_)
        return located(Error{ErrorCode::kInvalidArgument, "a key has another number of fields"}, where_);
      if (!may_be_asked(keys[i])) continue;
      std::vector<Parameter> parameters;
      for (const std::size_t place : query_.places) parameters.emplace_back(keys[i][place]);
      auto rows = pool_.ask(query_.sql, parameters, call);
      if (!rows) return located(rows.error(), where_);
      bytes += rows->bytes();
      if (bytes > kAnswerBytesMax) return located(answer_too_large(), where_);
      auto value = value_of(*rows);
      if (!value) return located(value.error(), where_);
      loaded[i].value = std::move(*value);
    }
    return loaded;
  }

 private:
  // Text that the server takes, and of the columns that it is mapped to the spelling.
  bool may_be_asked(const KeyFields& key) const {
    if (!std::ranges::all_of(key, is_utf8)) return false;
    return std::ranges::all_of(look_.mapped, [&](const Mapped& mapped) {
      return !mapped.by_spelling || std::ranges::all_of(mapped.columns, [&](const auto& column) {
        return may_be_plain_text(column.second.type, key[column.first]);
      });
    });
  }

  // What one key's rows are as a value.
  Result<std::optional<std::string>> value_of(const Rows& rows) const {
    if (rows.fields != outputs_)
      return Error{ErrorCode::kRefused, "the query returns other columns than when it was opened"};
    const std::size_t count = rows.count();
    if (count == 0) return std::optional<std::string>();
    if (kind_ != ValueKind::kJson) {
      if (count > 1) return Error{ErrorCode::kRefused, "the query found several rows, and the value is one"};
      if (rows.is_null(0, 0)) return std::optional<std::string>();
      return std::optional(raw_value(outputs_.front().type, rows.cell(0, 0)));
    }
    if (count == 1 && outputs_.size() == 1 && rows.is_null(0, 0)) return std::optional<std::string>();
    std::string json;
    if (count > 1) json += '[';
    for (std::size_t row = 0; row < count; ++row) {
      if (row > 0) json += ',';
      append_row(json, rows, row);
    }
    if (count > 1) json += ']';
    return std::optional(std::move(json));
  }

  void append_row(std::string& json, const Rows& rows, std::size_t row) const {
    const bool object = outputs_.size() > 1;
    if (object) json += '{';
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (i > 0) json += ',';
      if (object) {
        append_json_string(json, outputs_[i].name);
        json += ':';
      }
      if (rows.is_null(row, i)) {
        json += "null";
      } else {
        append_json(json, outputs_[i].type, rows.cell(row, i));
      }
    }
    if (object) json += '}';
  }

  Pool& pool_;
  const std::string where_;
  const ValueKind kind_;
  const std::size_t key_length_;
  const Compiled query_;
  const std::vector<Field> outputs_;
  const Look look_;
};

// What the database refuses now is a mistake in the configuration.
Error refused(const Failure& failure) {
  if (failure.error.code != ErrorCode::kRefused) return failure.error;
  return config("the query must be one statement that only reads: " + failure.error.message);
}

// In parentheses only what reads can stand. No row is asked for, so this costs a plan.
Result<std::vector<Field>> outputs_of(Pool& pool, const Compiled& query, const Call& call) {
  const std::string wrapped = fmt::format("SELECT * FROM (\n{}\n) AS forebay_query LIMIT 0", query.sql);
  std::vector<Field> outputs;
  auto described = pool.read(call, [&](Connection& connection) -> Outcome<Rows> {
    auto fields = connection.describe(query.sql, query.places.size(), call);
    if (!fields) return std::unexpected(std::move(fields).error());
    outputs = std::move(*fields);
    if (auto reads = connection.describe(wrapped, query.places.size(), call); !reads)
      return std::unexpected(std::move(reads).error());
    return Rows();
  });
  if (!described) return refused(described.error());
  return outputs;
}

Result<void> outputs_fit(const std::vector<Field>& outputs, ValueKind kind) {
  if (outputs.empty()) return config("the query returns no columns");
  if (kind != ValueKind::kJson && outputs.size() != 1)
    return config(fmt::format("the query must return one column, not {}", outputs.size()));
  const Type& type = outputs.front().type;
  const bool integer = type.shape == Shape::kInteger || (type.shape == Shape::kDecimal && type.scale == 0);
  if (kind == ValueKind::kCounter && !integer)
    return config(
        fmt::format("the query's column {} must be an integer for a counter", outputs.front().name));
  std::set<std::string_view> names;
  for (const Field& output : outputs) {
    if (!names.insert(output.name).second)
      return config(
          fmt::format("the query returns two columns named {}: give one another name with AS", output.name));
  }
  return {};
}

Outcome<Look> look_at(Pool& pool, const DatasetSpec& spec, const Call& call) {
  Look look;
  for (const TableDependency& dependency : spec.depends_on) {
    if (auto name = parse_table_name(dependency.table)) look.tables.push_back(std::move(*name));
  }
  auto digest = digest_of(pool, look.tables, call);
  if (!digest) return std::unexpected(std::move(digest).error());
  look.digest = std::move(*digest);
  auto mapped = mapped_columns(pool, spec, call);
  if (!mapped) return std::unexpected(std::move(mapped).error());
  look.mapped = std::move(*mapped);
  for (Mapped& one : look.mapped) {
    one.by_spelling &= std::ranges::all_of(
        one.columns, [](const auto& column) { return is_compared_by_spelling(column.second.type); });
  }
  return look;
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_query(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call) {
  const std::string where = fmt::format("source {}, query of {}", source, spec.name);
  if (spec.writable) return config(where + ": a query can't be written, only a table can");
  auto query = compile(spec);
  if (!query) return located(query.error(), where);
  // First: what changes from here on is noticed by the next look.
  auto look = look_at(pool, spec, call);
  if (!look) return located(look.error(), where);
  auto outputs = outputs_of(pool, *query, call);
  if (!outputs) return located(outputs.error(), where);
  if (auto fits = outputs_fit(*outputs, spec.kind); !fits) return located(fits.error(), where);
  return std::make_unique<QueryDataset>(pool, where, spec.kind, spec.key_fields.size(), std::move(*query),
                                        std::move(*outputs), std::move(*look));
}

}  // namespace forebay::source::mysql
