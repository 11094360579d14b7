#include "source/postgres/query.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>
#include <vector>

#include "base/row_json.h"
#include "source/postgres/catalog.h"
#include "source/postgres/keys.h"
#include "source/postgres/shape.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// Names that the statement around the query brings along; a query that uses them itself is not wrapped.
constexpr std::string_view kOurNames = "forebay_";

Error config(std::string message) {
  return {ErrorCode::kConfig, std::move(message)};
}

// `query` may end in a semicolon and blanks, which have no place inside parentheses.
std::string_view without_end(std::string_view query) {
  while (!query.empty() && std::string_view(" \t\r\n;").find(query.back()) != std::string_view::npos) {
    query.remove_suffix(1);
  }
  return query;
}

struct Output {
  std::string name;
  Type type;
  Oid oid = 0;
};

// What a query is at the moment, to tell whether it still is that.
struct Look {
  std::vector<TableName> tables;  // those that it depends on
  std::string digest;             // of these
  std::string description;        // of the statement
};

std::string description_text(const PGresult* result) {
  std::string text;
  for (int i = 0; i < PQnparams(result); ++i) text += fmt::format("{},", PQparamtype(result, i));
  for (int i = 0; i < PQnfields(result); ++i)
    text += fmt::format(" {}:{}", PQftype(result, i), PQfname(result, i));
  return text;
}

class QueryDataset final : public Dataset {
 public:
  struct Statements {
    std::string alone;  // one key's fields as parameters
    std::string batch;  // arrays of fields as parameters; rows: the key's place, row number, fields, outputs.
                        // May be empty
  };

  QueryDataset(Pool& pool, std::string where, ValueKind kind, std::vector<Type> fields,
               std::vector<Output> outputs, Statements statements, std::vector<Mapped> mapped, Look look)
      : pool_(pool),
        where_(std::move(where)),
        kind_(kind),
        fields_(std::move(fields)),
        outputs_(std::move(outputs)),
        statements_(std::move(statements)),
        mapped_(std::move(mapped)),
        look_(std::move(look)) {}

  bool found_by_spelling(std::size_t dependency) const override { return mapped_[dependency].by_spelling; }

  Result<Fit> fit(const CallContext& context) override {
    const Call call(context);
    auto digest = digest_of(pool_, look_.tables, call);
    if (!digest) return wrong(digest.error().error);
    if (*digest != look_.digest) return Fit::kChanged;
    auto described = pool_.read(
        call, [&](Connection& connection) { return connection.describe_anew(statements_.alone, call); });
    if (described)
      return description_text(described->get()) == look_.description ? Fit::kFits : Fit::kChanged;
    if (described.error().error.code == ErrorCode::kRefused) return Fit::kChanged;
    return wrong(described.error().error);
  }

  bool batches() const override { return !statements_.batch.empty(); }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    const Call call(context);
    auto batch = KeyBatch::make(fields_, keys);
    if (!batch) return wrong(batch.error());
    batch->drop_if([&](const KeyFields& key) { return !may_be_spelled(key); });
    std::vector<Loaded> loaded(keys.size());
    if (batch->asked().empty()) return loaded;
    auto done = batches() ? load_together(*batch, call, loaded) : load_one_by_one(*batch, keys, call, loaded);
    if (!done) return wrong(done.error());
    return loaded;
  }

 private:
  Error wrong(const Error& error) const { return located(error, where_); }

  // A text that the query makes something else of, to compare it with a column, must be that column's spelling.
  bool may_be_spelled(const KeyFields& key) const {
    for (const Mapped& mapped : mapped_) {
      if (!mapped.by_spelling) continue;
      for (const auto& [place, column] : mapped.columns) {
        if (!may_be_plain_text(column.type, key[place])) return false;
      }
    }
    return true;
  }

  // Whether the server writes this key's values as the key does. It is asked where that is not sure without.
  Outcome<bool> is_spelled(Connection& connection, const KeyFields& key,
                           std::span<const OptionalText> parameters, const Call& call) const {
    if (std::ranges::all_of(fields_, [](const Type& type) { return type.array || well_known(type); }))
      return true;
    std::string sql = "SELECT ";
    for (std::size_t f = 0; f < fields_.size(); ++f)
      sql += fmt::format("{}${}::{}", f == 0 ? "" : ", ", f + 1, fields_[f].cast);
    auto row = connection.execute(sql, parameters, call);
    if (!row) return std::unexpected(row.error());
    for (std::size_t f = 0; f < fields_.size(); ++f) {
      if (!fields_[f].array && plain_text(fields_[f], cell(*row, 0, static_cast<int>(f))) != key[f])
        return false;
    }
    return true;
  }

  Result<void> load_together(KeyBatch& batch, const Call& call, std::vector<Loaded>& loaded) {
    auto rows = pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      auto found = connection.execute(statements_.batch, batch.arrays(), call);
      if (found || !batch.may_be_to_blame(found.error())) return found;
      auto dropped = batch.drop_unreadable(connection, call);
      if (!dropped) return std::unexpected(dropped.error());
      return *dropped ? connection.execute(statements_.batch, batch.arrays(), call) : std::move(found);
    });
    if (!rows) return rows.error().error;
    const int first = 2 + static_cast<int>(fields_.size());
    if (auto same = columns_are_same(*rows, first); !same) return same;
    // The rows of one key follow each other in the query's order, unless the server chose a plan that mixes
    // keys: then their numbers put them right.
    struct Place {
      std::size_t key;
      std::int64_t number;
      int row;
    };
    std::vector<Place> places;
    places.reserve(static_cast<std::size_t>(row_count(*rows)));
    for (int row = 0; row < row_count(*rows); ++row) {
      const auto key = static_cast<std::size_t>(integer(cell(*rows, row, 0)) - 1);
      places.push_back({key, integer(cell(*rows, row, first - 1)), row});
    }
    std::ranges::sort(places, [](const Place& a, const Place& b) {
      return std::pair(a.key, a.number) < std::pair(b.key, b.number);
    });
    for (std::size_t from = 0; from < places.size();) {
      const std::size_t key = places[from].key;
      std::vector<int> own;
      for (; from < places.size() && places[from].key == key; ++from) own.push_back(places[from].row);
      if (batch.find(key_of(*rows, own.front())) != key) continue;  // spelled otherwise
      auto value = value_of(*rows, own, first);
      if (!value) return value.error();
      for (const std::size_t place : batch.places(key)) loaded[place].value = *value;
    }
    return {};
  }

  Result<void> load_one_by_one(KeyBatch& batch, std::span<const KeyFields> keys, const Call& call,
                               std::vector<Loaded>& loaded) {
    for (std::size_t key = 0; key < batch.asked().size(); ++key) {
      const KeyFields& fields = keys[batch.asked()[key]];
      std::vector<OptionalText> parameters;
      for (std::size_t f = 0; f < fields.size(); ++f) {
        auto bound = parameter(fields_[f], fields[f]);
        if (!bound) return bound.error();
        parameters.emplace_back(std::move(*bound));
      }
      bool readable = true;
      bool spelled = true;
      auto rows = pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
        readable = spelled = true;
        auto same = is_spelled(connection, fields, parameters, call);
        Outcome<ResultPtr> found = ResultPtr();
        if (!same) {
          found = std::unexpected(same.error());
        } else if (spelled = *same; spelled) {
          found = connection.execute(statements_.alone, parameters, call);
        }
        if (found || !batch.may_be_to_blame(found.error())) return found;
        auto read = batch.can_read(key, connection, call);
        if (!read) return std::unexpected(read.error());
        readable = *read;
        return found;
      });
      if (!readable) continue;  // no value of the field's type: absent
      if (!rows) return rows.error().error;
      if (!spelled) continue;
      if (auto same = columns_are_same(*rows, 0); !same) return same;
      std::vector<int> own;
      for (int row = 0; row < row_count(*rows); ++row) own.push_back(row);
      auto value = value_of(*rows, own, 0);
      if (!value) return value.error();
      for (const std::size_t place : batch.places(key)) loaded[place].value = *value;
    }
    return {};
  }

  // Its tables may have changed since it was opened.
  Result<void> columns_are_same(const ResultPtr& rows, int first) const {
    bool same = PQnfields(rows.get()) == first + static_cast<int>(outputs_.size());
    for (std::size_t i = 0; same && i < outputs_.size(); ++i) {
      const int at = first + static_cast<int>(i);
      same = outputs_[i].name == PQfname(rows.get(), at) &&
             reads_alike(outputs_[i].oid, PQftype(rows.get(), at));
    }
    if (same) return {};
    return Error{ErrorCode::kRefused, "the query returns other columns than when it was opened"};
  }

  static std::int64_t integer(std::string_view text) {
    std::int64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  KeyFields key_of(const ResultPtr& rows, int row) const {
    KeyFields fields;
    int at = 1;
    for (const Type& type : fields_) fields.push_back(plain_text(type, cell(rows, row, at++)));
    return fields;
  }

  // What one key's rows are as a value; outputs begin at `first`.
  Result<std::optional<std::string>> value_of(const ResultPtr& rows, std::span<const int> own,
                                              int first) const {
    if (own.empty()) return std::optional<std::string>();
    if (kind_ != ValueKind::kJson) {
      if (own.size() > 1)
        return Error{ErrorCode::kRefused, "the query found several rows, and the value is one"};
      if (is_null(rows, own.front(), first)) return std::optional<std::string>();
      return std::optional(raw_value(outputs_.front().type, cell(rows, own.front(), first)));
    }
    const bool null = outputs_.size() == 1 && is_null(rows, own.front(), first);
    if (own.size() == 1 && null) return std::optional<std::string>();
    std::string json;
    if (own.size() > 1) json += '[';
    for (const int row : own) {
      if (row != own.front()) json += ',';
      append_row(json, rows, row, first);
    }
    if (own.size() > 1) json += ']';
    return std::optional(std::move(json));
  }

  void append_row(std::string& json, const ResultPtr& rows, int row, int first) const {
    const bool object = outputs_.size() > 1;
    if (object) json += '{';
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      const int at = first + static_cast<int>(i);
      if (i > 0) json += ',';
      if (object) {
        append_json_string(json, outputs_[i].name);
        json += ':';
      }
      if (is_null(rows, row, at)) {
        json += "null";
      } else {
        append_json(json, outputs_[i].type, cell(rows, row, at));
      }
    }
    if (object) json += '}';
  }

  Pool& pool_;
  const std::string where_;
  const ValueKind kind_;
  const std::vector<Type> fields_;
  const std::vector<Output> outputs_;
  const Statements statements_;
  const std::vector<Mapped> mapped_;  // like the spec's dependencies
  const Look look_;
};

// Opens one query: what it takes and returns, whether it only reads, whether it goes in batches.
class Opening {
 public:
  Opening(Pool& pool, const DatasetSpec& spec, std::string where, const Call& call)
      : pool_(pool), spec_(spec), where_(std::move(where)), call_(call) {}

  Result<std::unique_ptr<Dataset>> open() {
    auto sql = compile_query(spec_.query, spec_.key_fields, Dialect::kPostgres);
    if (!sql) return here(sql.error());
    const std::string query(without_end(*sql));
    // First: what changes from here on is noticed by the next look.
    if (auto looked = look(); !looked) return here(looked.error());
    if (auto described = describe(query); !described) return here(described.error());
    if (auto fits = outputs_fit(); !fits) return here(fits.error());
    if (auto reads = only_reads(query); !reads) return here(reads.error());
    QueryDataset::Statements statements{query, {}};
    auto batch = in_batches();
    if (!batch) return here(batch.error());
    statements.batch = std::move(*batch);
    for (Mapped& mapped : mapped_) {
      for (const auto& [place, column] : mapped.columns)
        mapped.by_spelling = mapped.by_spelling && same_spelling(fields_[place], column);
    }
    return std::make_unique<QueryDataset>(pool_, where_, spec_.kind, std::move(fields_), std::move(outputs_),
                                          std::move(statements), std::move(mapped_), std::move(look_));
  }

 private:
  Error here(const Error& error) const { return located(error, where_); }
  // What the database refuses now is a mistake in the configuration.
  static Error refused(const Failure& failure) {
    if (failure.error.code != ErrorCode::kRefused) return failure.error;
    return config("the query: " + failure.error.message);
  }

  Result<void> look() {
    for (const TableDependency& dependency : spec_.depends_on) {
      if (auto name = parse_table_name(dependency.table)) look_.tables.push_back(std::move(*name));
    }
    auto digest = digest_of(pool_, look_.tables, call_);
    if (!digest) return digest.error().error;
    look_.digest = std::move(*digest);
    auto mapped = mapped_columns(pool_, spec_, call_);
    if (!mapped) return mapped.error().error;
    mapped_ = std::move(*mapped);
    return {};
  }

  Outcome<ResultPtr> described(const std::string& sql) {
    return pool_.read(call_, [&](Connection& connection) { return connection.describe(sql, call_); });
  }

  Result<void> describe(const std::string& query) {
    auto description = described(query);
    if (!description) return refused(description.error());
    const PGresult* result = description->get();
    look_.description = description_text(result);
    std::vector<Oid> oids;
    for (int i = 0; i < PQnparams(result); ++i) oids.push_back(PQparamtype(result, i));
    for (int i = 0; i < PQnfields(result); ++i) oids.push_back(PQftype(result, i));
    auto types = find_types(pool_, oids, call_);
    if (!types) return types.error().error;
    for (int i = 0; i < PQnparams(result); ++i) fields_.push_back((*types)[PQparamtype(result, i)]);
    for (int i = 0; i < PQnfields(result); ++i) {
      outputs_.push_back({PQfname(result, i), (*types)[PQftype(result, i)], PQftype(result, i)});
    }
    return {};
  }

  Result<void> outputs_fit() const {
    if (outputs_.empty()) return config("the query returns no columns");
    if (spec_.kind != ValueKind::kJson && outputs_.size() != 1) {
      return config(fmt::format("the query must return one column, not {}", outputs_.size()));
    }
    if (spec_.kind == ValueKind::kCounter &&
        (outputs_.front().type.shape != Shape::kInteger || outputs_.front().type.array)) {
      return config(
          fmt::format("the query's column {} must be an integer for a counter", outputs_.front().name));
    }
    std::set<std::string_view> names;
    for (const Output& output : outputs_) {
      if (!names.insert(output.name).second) {
        return config(fmt::format("the query returns two columns named {}: give one another name with AS",
                                  output.name));
      }
    }
    return {};
  }

  // In parentheses only what reads can stand; FOR UPDATE can too, and fails in the session's read-only
  // transaction. No row is asked for, so this costs a plan.
  Result<void> only_reads(const std::string& query) {
    const std::string sql = fmt::format("SELECT * FROM (\n{}\n) AS forebay_query LIMIT 0", query);
    const std::vector<OptionalText> nothing(fields_.size());
    auto rows =
        pool_.read(call_, [&](Connection& connection) { return connection.execute(sql, nothing, call_); });
    if (rows) return {};
    if (rows.error().error.code != ErrorCode::kRefused) return rows.error().error;
    return config("the query must be one statement that only reads: " + rows.error().error.message);
  }

  // The statement for many keys at once; empty if the query can't be made into one.
  Result<std::string> in_batches() {
    if (spec_.query.find(kOurNames) != std::string::npos) return std::string();
    std::string arrays;
    std::string names;
    std::string columns;
    std::vector<std::string> references;
    for (std::size_t i = 0; i < fields_.size(); ++i) {
      if (!fields_[i].has_array) return std::string();
      arrays += fmt::format("{}pg_catalog.unnest(${}::{}[])", i == 0 ? "" : ", ", i + 1, fields_[i].cast);
      names += fmt::format("forebay_k{}, ", i + 1);
      columns += fmt::format("forebay_keys.forebay_k{}, ", i + 1);
      references.push_back(fmt::format("forebay_keys.forebay_k{}", i + 1));
    }
    auto inner = compile_query(spec_.query, spec_.key_fields, Dialect::kPostgres, references);
    if (!inner) return inner;
    // The row number keeps the query's own order, and keeps the planner from taking the query apart: it runs
    // once a key.
    std::string sql = fmt::format(
        "SELECT forebay_keys.forebay_place, {}forebay_rows.*\n"
        "FROM ROWS FROM ({}) WITH ORDINALITY AS forebay_keys({}forebay_place)\n"
        "CROSS JOIN LATERAL (SELECT pg_catalog.row_number() OVER () AS forebay_row, forebay_query.* FROM "
        "(\n{}\n)"
        " AS forebay_query) AS forebay_rows",
        columns, arrays, names, without_end(*inner));
    auto description = described(sql);
    if (!description) {
      if (description.error().error.code == ErrorCode::kRefused) return std::string();
      return description.error().error;
    }
    // In another place a parameter may have taken another type, or a column another name.
    const PGresult* result = description->get();
    const int first = 2 + static_cast<int>(fields_.size());
    if (PQnfields(result) != first + static_cast<int>(outputs_.size())) return std::string();
    return sql;
  }

  Pool& pool_;
  const DatasetSpec& spec_;
  const std::string where_;
  const Call& call_;
  std::vector<Type> fields_;
  std::vector<Output> outputs_;
  std::vector<Mapped> mapped_;
  Look look_;
};

}  // namespace

Result<std::unique_ptr<Dataset>> open_query(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call) {
  const std::string where = fmt::format("source {}, query of {}", source, spec.name);
  if (spec.writable) return config(where + ": a query can't be written, only a table can");
  return Opening(pool, spec, where, call).open();
}

}  // namespace forebay::source::postgres
