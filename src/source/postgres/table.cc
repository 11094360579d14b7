#include "source/postgres/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/decimal.h"
#include "base/row_json.h"
#include "source/column_index.h"
#include "source/postgres/catalog.h"
#include "source/postgres/keys.h"
#include "source/sql_mapping.h"

namespace forebay::source::postgres {
namespace {

// How often a write starts over because other writers keep creating and deleting its row in between.
constexpr int kRacesMax = 8;

bool is_integer(const Type& type) {
  return type.shape == Shape::kInteger && !type.array;
}

// A decimal number; without `fraction`: digits only, of any length.
bool is_number(std::string_view text, bool fraction) {
  const auto number = parse_decimal(text);
  return number && (fraction || (!number->pointed && number->exponent.empty()));
}

// Whether a decimal is in the range of a type of numbers; numeric takes them all.
bool fits(const Type& type, std::string_view decimal) {
  if (decimal.starts_with('+')) decimal.remove_prefix(1);
  const auto in_range = [&](auto value) {
    return std::from_chars(decimal.data(), decimal.data() + decimal.size(), value).ec !=
           std::errc::result_out_of_range;
  };
  if (type.float_bytes == 8) return in_range(double{});
  return type.float_bytes != 4 || in_range(float{});
}

// What a write does, checked and in the database's terms.
struct Change {
  std::vector<std::string> columns;      // set in a row that exists and given to one that is created
  std::vector<OptionalText> parameters;  // the key's fields, then one a column
  std::string statement;                 // for a row that exists
  bool create = false;
  bool remove = false;
  bool insert = false;  // the row must not exist
  const Column* added = nullptr;
  bool whole = false;  // what is added is an integer
};

class TableDataset final : public BatchedDataset {
 public:
  TableDataset(Pool& pool, std::string where, DatasetSpec spec, Table table, TableShape shape)
      : pool_(pool),
        where_(std::move(where)),
        spec_(std::move(spec)),
        table_(std::move(table)),
        by_name_(table_.columns),
        sql_(Dialect::kPostgres, std::move(shape)),
        read_(sql_.read()) {
    for (const std::string& key : sql_.shape().keys) key_types_.push_back(table_.column(key)->type);
    for (const std::string& column : sql_.shape().columns) columns_.push_back(table_.column(column));
    if (spec_.kind == ValueKind::kCounter && add_column({spec_.value_column, "0"}).has_value())
      counter_ = table_.column(spec_.value_column);
  }

  // Runs the read for no key: the statement prepares, and the role may run it.
  Result<void> try_out(const Call& call) {
    auto batch = KeyBatch::make(key_types_, {});
    auto rows = pool_.read(
        call, [&](Connection& connection) { return connection.execute(read_, batch->arrays(), call); });
    if (!rows) return failed(rows.error());
    return {};
  }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    const Call call(context);
    auto batch = KeyBatch::make(key_types_, keys);
    if (!batch) return wrong(batch.error());
    std::vector<Loaded> loaded(keys.size());
    if (batch->asked().empty()) return loaded;
    auto rows = pool_.read(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      auto found = connection.execute(read_, batch->arrays(), call);
      if (found || !batch->may_be_to_blame(found.error())) return found;
      auto dropped = batch->drop_unreadable(connection, call);
      if (!dropped) return std::unexpected(dropped.error());
      return *dropped ? connection.execute(read_, batch->arrays(), call) : std::move(found);
    });
    if (!rows) return failed(rows.error());
    std::vector<bool> seen(batch->asked().size(), false);
    for (int row = 0; row < row_count(*rows); ++row) {
      const auto asked = batch->find(key_of(*rows, row));
      if (!asked) continue;  // equal to a key for the database, but spelled otherwise
      if (seen[*asked]) return wrong({ErrorCode::kRefused, "several rows have the same key"});
      seen[*asked] = true;
      const Loaded value = loaded_row(*rows, row);
      for (const std::size_t place : batch->places(*asked)) loaded[place] = value;
    }
    return loaded;
  }

  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override {
    const Call call(context);
    auto steps = begin(key, write);
    if (!steps) return steps.error();
    auto done = pool_.write(call, [&](Connection& connection) -> Outcome<ResultPtr> {
      steps = begin(key, write);  // anew: this may be run twice
      while (const Statement* next = (**steps).next()) {
        auto rows = connection.execute(next->sql, next->parameters, call);
        if (!rows) return rows;
        if (auto taken = (**steps).take(std::move(*rows)); !taken) return std::unexpected(taken.error());
      }
      return ResultPtr();
    });
    if (!done) return failed(done.error());
    return std::move((**steps).written());
  }

  // Without allocations, but for an error and where never_takes() needs them.
  Result<void> validate(const KeyFields& key, const Write& write) const override {
    if (!spec_.writable) return wrong({ErrorCode::kUnsupported, "the namespace does not write"});
    if (auto good = check(key, write); !good) return wrong(good.error());
    return {};
  }

  Shown shown(std::string_view name, Given given, std::string& text) const override {
    const Column* column = by_name_.find(name);
    if (column == nullptr) return Shown::kUnknown;
    const auto& keys = sql_.shape().keys;
    const bool key = std::ranges::find(keys, name) != keys.end();
    if (!column->readable || name == spec_.version_column || (key && given != Given::kKey))
      return Shown::kIgnored;
    const Shown as = shown_as(column->type, given, spec_.kind != ValueKind::kJson, text);
    if (spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(text));
    return as;
  }

  Result<std::unique_ptr<WriteSteps>> begin(const KeyFields& key, const Write& write) const override;
  Error located_here(const Error& error) const override { return wrong(error); }
  std::string row_of(const KeyFields& key) const override {
    std::string row = sql_.shape().table.text();
    for (const std::string& field : key) row += fmt::format(" {}:{}", field.size(), field);
    return row;
  }

 private:
  friend class TableWrite;

  Error wrong(const Error& error) const { return {error.code, fmt::format("{}: {}", where_, error.message)}; }
  Error failed(const Failure& failure) const { return wrong(failure.error); }

  KeyFields key_of(const ResultPtr& rows, int row) const {
    KeyFields fields;
    for (std::size_t f = 0; f < key_types_.size(); ++f) {
      fields.push_back(plain_text(key_types_[f], cell(rows, row, static_cast<int>(f))));
    }
    return fields;
  }

  // One row of read() or RETURNING: keys, columns, version.
  Loaded loaded_row(const ResultPtr& rows, int row) const {
    Loaded loaded;
    int at = static_cast<int>(key_types_.size());
    if (spec_.kind == ValueKind::kJson) {
      std::string json = "{";
      for (const Column* column : columns_) {
        if (json.size() > 1) json += ',';
        append_json_string(json, column->name);
        json += ':';
        if (is_null(rows, row, at)) {
          json += "null";
        } else {
          append_json(json, column->type, cell(rows, row, at));
        }
        ++at;
      }
      json += '}';
      loaded.value = std::move(json);
    } else {
      // The value column comes first; watched ones may follow.
      if (!is_null(rows, row, at)) loaded.value = raw_value(columns_.front()->type, cell(rows, row, at));
      if (loaded.value && spec_.kind == ValueKind::kCounter)
        loaded.value = without_trailing_zeros(std::move(*loaded.value));
      at += static_cast<int>(columns_.size());
    }
    if (!spec_.version_column.empty() && !is_null(rows, row, at)) {
      const std::string_view text = cell(rows, row, at);
      std::from_chars(text.data(), text.data() + text.size(), loaded.version);
    }
    return loaded;
  }

  // A column of a row of read() or RETURNING, as text. Requires one of columns_.
  OptionalText column_text(const ResultPtr& rows, int row, const Column* column) const {
    const auto found = std::ranges::find(columns_, column);
    const int at = static_cast<int>(key_types_.size() + static_cast<std::size_t>(found - columns_.begin()));
    if (is_null(rows, row, at)) return std::nullopt;
    return plain_text(column->type, cell(rows, row, at));
  }

  // The column that was added to, of the first row.
  OptionalText added_text(const ResultPtr& rows, const Column* column) const {
    OptionalText text = column_text(rows, 0, column);
    if (text && spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(*text));
    return text;
  }

  Fields watched(const ResultPtr& rows, int row) const {
    Fields fields;
    for (const std::string& name : spec_.watch_columns) {
      fields.emplace_back(name, column_text(rows, row, table_.column(name)));
    }
    return fields;
  }

  // ---- Writing.

  Result<Change> plan(const KeyFields& key, const Write& write) const {
    Change change;
    if (auto good = check_key(key); !good) return good.error();
    for (std::size_t f = 0; f < key.size(); ++f) {
      auto bound = parameter(key_types_[f], key[f]);
      if (!bound) return bound.error();
      change.parameters.emplace_back(std::move(*bound));
    }
    if (const auto* upsert = std::get_if<Upsert>(&write)) {
      change.create = true;
      change.insert = upsert->insert;
      if (auto set = set_fields(change, key, upsert->fields, upsert->strings); !set) return set.error();
    } else if (const auto* update = std::get_if<Update>(&write)) {
      change.create = update->create;
      if (auto set = set_fields(change, key, update->fields, {}); !set) return set.error();
    } else if (const auto* add = std::get_if<Add>(&write)) {
      change.create = true;
      if (auto set = set_added(change, *add); !set) return set.error();
    } else {
      change.remove = true;
      change.statement = sql_.remove();
    }
    return change;
  }

  static Error misspelled() {
    return {ErrorCode::kRefused, "the key is not spelled as the database writes its columns"};
  }

  // A column that a client named; kInvalidArgument if it may not be written.
  Result<const Column*> writable_column(const std::string& name) const {
    if (spec_.kind != ValueKind::kJson && name != spec_.value_column) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("only the column {} is written", spec_.value_column)};
    }
    const Column* column = by_name_.find(name);
    if (column == nullptr)
      return Error{ErrorCode::kInvalidArgument, fmt::format("there is no column {}", name)};
    return column;
  }

  // Of a counter: what can be added to.
  Result<void> check_number(const Column& column, const OptionalText& text) const {
    if (spec_.kind != ValueKind::kCounter || (text && is_number(*text, !is_integer(column.type)))) return {};
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("the column {} takes {}", column.name,
                             is_integer(column.type) ? "an integer" : "a number")};
  }

  Result<void> check(const KeyFields& key, const Write& write) const {
    if (auto good = check_key(key); !good) return good;
    if (const auto* upsert = std::get_if<Upsert>(&write)) {
      return check_fields(key, upsert->fields, upsert->strings, upsert->insert);
    }
    if (const auto* update = std::get_if<Update>(&write)) {
      return check_fields(key, update->fields, {}, false);
    }
    if (const auto* add = std::get_if<Add>(&write)) {
      auto column = add_column(*add);
      if (!column) return column.error();
      return may_be_set(**column, false);
    }
    return {};
  }
  Result<void> check_key(const KeyFields& key) const {
    if (key.size() != key_types_.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("a key has {} fields, not {}", key.size(), key_types_.size())};
    }
    for (std::size_t f = 0; f < key.size(); ++f) {
      if (!may_be_plain_text(key_types_[f], key[f])) return misspelled();
    }
    return {};
  }
  Result<void> check_fields(const KeyFields& key, const Fields& fields, const std::vector<bool>& strings,
                            bool insert) const {
    for (auto field = fields.begin(); field != fields.end(); ++field) {
      const auto& [name, text] = *field;
      auto column = settable(key, name, text);
      if (!column) return column.error();
      if (*column == nullptr) continue;
      const auto same = [&](const auto& other) { return other.first == name; };
      if (std::any_of(fields.begin(), field, same)) return given_twice(name);
      if (auto good = may_be_set(**column, insert); !good) return good;
      if (!text) continue;
      const auto i = static_cast<std::size_t>(field - fields.begin());
      // In a JSON column a string stays one, whatever it looks like.
      const Type& type = (*column)->type;
      if (type.shape == Shape::kJson && !type.array && i < strings.size() && strings[i]) continue;
      if (const char* takes = never_takes(type, *text, spec_.kind != ValueKind::kJson))
        return Error{ErrorCode::kRefused, fmt::format("column {} takes {}", name, takes)};
    }
    return {};
  }
  static Error given_twice(const std::string& name) {
    return {ErrorCode::kInvalidArgument, fmt::format("the column {} is given twice", name)};
  }
  // A lack of rights would hold up all writes of its lane, until somebody grants them.
  static Result<void> may_be_set(const Column& column, bool insert) {
    if (column.generated) {
      return Error{ErrorCode::kRefused, fmt::format("the database itself gives the column {}", column.name)};
    }
    if (insert ? column.may_insert : column.may_update) return {};
    return Error{ErrorCode::kRefused,
                 fmt::format("the role may not {} the column {}", insert ? "INSERT" : "UPDATE", column.name)};
  }
  // The column that a field sets; null: none, as the key says the same or Forebay keeps it itself.
  Result<const Column*> settable(const KeyFields& key, const std::string& name,
                                 const OptionalText& text) const {
    auto column = writable_column(name);
    if (!column) return column;
    if (name == spec_.version_column) return nullptr;  // a value given for it is ignored
    const auto& keys = sql_.shape().keys;
    const auto at = std::ranges::find(keys, name);
    if (at == keys.end()) {
      if (auto number = check_number(**column, text); !number) return number.error();
      return column;
    }
    if (text != key[static_cast<std::size_t>(at - keys.begin())])
      return Error{ErrorCode::kInvalidArgument, fmt::format("the column {} contradicts the key", name)};
    return nullptr;
  }

  // `strings`: Upsert's.
  Result<void> set_fields(Change& change, const KeyFields& key, const Fields& fields,
                          const std::vector<bool>& strings) const {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const auto& [name, text] = fields[i];
      auto column = settable(key, name, text);
      if (!column) return column.error();
      if (*column == nullptr) continue;
      if (std::ranges::find(change.columns, name) != change.columns.end()) return given_twice(name);
      change.columns.push_back(name);
      if (!text) {
        change.parameters.emplace_back(std::nullopt);
        continue;
      }
      const Type& type = (*column)->type;
      auto bound = spec_.kind != ValueKind::kJson     ? raw_parameter(type, *text)
                   : i < strings.size() && strings[i] ? string_parameter(type, *text)
                                                      : parameter(type, *text);
      if (!bound) return Error{bound.error().code, fmt::format("column {}: {}", name, bound.error().message)};
      change.parameters.emplace_back(std::move(*bound));
    }
    change.statement = sql_.update(change.columns);
    return {};
  }

  // The column that something is added to.
  Result<const Column*> add_column(const Add& add) const {
    if (!is_number(add.amount, add.floating)) {
      return Error{ErrorCode::kInvalidArgument,
                   add.floating ? "the amount is not a decimal number" : "the amount is not an integer"};
    }
    if (counter_ != nullptr && add.field == spec_.value_column && !add.floating) return counter_;
    auto column = writable_column(add.field);
    if (!column) return column;
    const auto& keys = sql_.shape().keys;
    if (std::ranges::find(keys, add.field) != keys.end() || add.field == spec_.version_column) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("nothing can be added to the column {}", add.field)};
    }
    const Type& type = (*column)->type;
    if (type.array || (type.shape != Shape::kInteger && type.shape != Shape::kNumber))
      return Error{ErrorCode::kRefused, fmt::format("the column {} holds no numbers", add.field)};
    const bool fraction = spec_.kind == ValueKind::kCounter || !is_number(add.amount, false);
    if (add.floating && type.shape == Shape::kInteger && fraction)
      return Error{ErrorCode::kRefused, fmt::format("the column {} holds integers", add.field)};
    if (add.floating && !fits(type, add.amount))
      return Error{ErrorCode::kRefused, fmt::format("the column {} would become infinite", add.field)};
    return column;
  }

  Result<void> set_added(Change& change, const Add& add) const {
    auto column = add_column(add);
    if (!column) return column.error();
    change.added = *column;
    change.whole = !add.floating;
    change.columns.push_back(add.field);
    change.parameters.emplace_back(add.amount);
    change.statement = sql_.add(add.field);
    return {};
  }

  // A row of read_for_write(watch_columns).
  Fields before_image(const ResultPtr& rows) const {
    Fields fields;
    int at = static_cast<int>(key_types_.size());
    for (const std::string& name : spec_.watch_columns) {
      OptionalText text;
      if (!is_null(rows, 0, at)) text = plain_text(table_.column(name)->type, cell(rows, 0, at));
      fields.emplace_back(name, std::move(text));
      ++at;
    }
    return fields;
  }

  Pool& pool_;
  const std::string where_;  // for messages
  const DatasetSpec spec_;
  const Table table_;
  const ColumnIndex<Column> by_name_;
  const TableSql sql_;
  const std::string read_;
  std::vector<Type> key_types_;
  std::vector<const Column*> columns_;  // those of sql_.shape().columns
  const Column* counter_ = nullptr;     // kCounter: the value column, if something can be added to it
};

// Looks at the row (where watched columns are wanted), changes it, inserts it if there is none, and reads it
// again if triggers may have changed it since RETURNING.
class TableWrite final : public WriteSteps {
 public:
  TableWrite(const TableDataset& dataset, KeyFields key, Change change)
      : dataset_(dataset), key_(std::move(key)), change_(std::move(change)) {
    start();
  }

  const Statement* next() const override { return step_ == Step::kDone ? nullptr : &statement_; }
  Written& written() override { return written_; }

  Outcome<void> take(ResultPtr rows) override {
    switch (step_) {
      case Step::kLook:
        if (row_count(rows) == 0) {
          // A row that has come since then must not be changed before it was looked at.
          insert_or_end();
        } else {
          written_.images.before = dataset_.before_image(rows);
          change_row();
        }
        return {};
      case Step::kChange:
        written_.existed = row_count(rows) > 0;
        if (written_.existed) return changed(std::move(rows));
        insert_or_end();
        return {};
      case Step::kInsert:
        if (row_count(rows) > 0) return changed(std::move(rows));
        if (change_.insert) return fail({ErrorCode::kRefused, "the row exists already"});
        // Another writer has created it meanwhile.
        if (++races_ == kRacesMax)
          return fail({ErrorCode::kUnavailable, "other writers keep creating and deleting the row"});
        start();
        return {};
      case Step::kReadAgain:
        step_ = Step::kDone;
        if (row_count(rows) > 0) show(rows);  // else a trigger has deleted it
        return {};
      case Step::kDone:
        break;
    }
    return fail({ErrorCode::kInternal, "a row that nobody asked for"});
  }

 private:
  enum class Step : std::uint8_t { kLook, kChange, kInsert, kReadAgain, kDone };

  static Outcome<void> fail(Error error) { return std::unexpected(Failure{std::move(error), {}, false}); }

  void start() {
    written_ = Written();
    if (!dataset_.spec_.watch_columns.empty() && !change_.remove) {
      run(Step::kLook, dataset_.sql_.read_for_write(dataset_.spec_.watch_columns), only_key());
    } else {
      change_row();
    }
  }
  void change_row() {
    if (change_.insert) {
      insert_or_end();
    } else {
      run(Step::kChange, change_.statement, change_.parameters);
    }
  }
  void insert_or_end() {
    if (change_.create) {
      run(Step::kInsert, dataset_.sql_.insert_if_absent(change_.columns), change_.parameters);
    } else {
      step_ = Step::kDone;
    }
  }
  Outcome<void> changed(ResultPtr row) {
    if (dataset_.key_of(row, 0) != key_) return fail(TableDataset::misspelled());
    if (change_.whole && dataset_.spec_.kind == ValueKind::kCounter &&
        !is_number(dataset_.added_text(row, change_.added).value_or(""), false)) {
      return fail(
          {ErrorCode::kRefused, fmt::format("the column {} does not hold an integer", change_.added->name)});
    }
    step_ = Step::kDone;
    if (change_.remove) {
      if (!dataset_.spec_.watch_columns.empty()) written_.images.before = dataset_.watched(row, 0);
    } else if (dataset_.table_.has_after_triggers) {
      run(Step::kReadAgain, dataset_.read_,
          KeyBatch::make(dataset_.key_types_, std::span(&key_, 1))->arrays());
    } else {
      show(row);
    }
    return {};
  }
  void show(const ResultPtr& row) {
    written_.after = dataset_.loaded_row(row, 0);
    if (!dataset_.spec_.watch_columns.empty()) written_.images.after = dataset_.watched(row, 0);
    if (change_.added != nullptr) written_.added = dataset_.added_text(row, change_.added);
  }
  void run(Step step, std::string sql, std::vector<OptionalText> parameters) {
    step_ = step;
    statement_ = {std::move(sql), std::move(parameters)};
  }
  std::vector<OptionalText> only_key() const {
    return {change_.parameters.begin(),
            change_.parameters.begin() + static_cast<std::ptrdiff_t>(dataset_.key_types_.size())};
  }

  const TableDataset& dataset_;
  const KeyFields key_;
  const Change change_;
  Step step_ = Step::kDone;
  Statement statement_;
  Written written_;
  int races_ = 0;
};

Result<std::unique_ptr<WriteSteps>> TableDataset::begin(const KeyFields& key, const Write& write) const {
  if (!spec_.writable) return wrong({ErrorCode::kUnsupported, "the namespace does not write"});
  auto change = plan(key, write);
  if (!change) return wrong(change.error());
  return std::unique_ptr<WriteSteps>(std::make_unique<TableWrite>(*this, key, std::move(*change)));
}

// Checks a spec against the table, piece by piece; every message names what is missing.
class Checker {
 public:
  Checker(const Table& table, const DatasetSpec& spec) : table_(table), spec_(spec) {}

  Result<void> check() const {
    for (const std::string& key : spec_.key_fields) {
      auto column = readable(key, "the key's field");
      if (!column) return column.error();
      if (!(*column)->type.has_array)
        return config(fmt::format("the column {} can't be a key: its type has no arrays", key));
    }
    if (spec_.kind != ValueKind::kJson) {
      auto column = readable(spec_.value_column, "the value column");
      if (!column) return column.error();
      const Type& type = (*column)->type;
      const bool number = !type.array && (type.shape == Shape::kInteger || type.shape == Shape::kNumber);
      if (spec_.kind == ValueKind::kCounter && !number) {
        return config(fmt::format("the value column {} of a counter must be a number", spec_.value_column));
      }
    }
    if (!spec_.version_column.empty()) {
      auto column = readable(spec_.version_column, "the version column");
      if (!column) return column.error();
      if (!is_integer((*column)->type)) {
        return config(fmt::format("the version column {} must be an integer", spec_.version_column));
      }
    }
    for (const std::string& name : spec_.watch_columns) {
      if (auto column = readable(name, "the watched column"); !column) return column.error();
    }
    if (!spec_.writable) return {};
    if (table_.in_recovery) return config("the server is a standby and takes no writes");
    if (!table_.may_insert || !table_.may_update) {
      return config(fmt::format("the role may not {} rows there", table_.may_insert ? "UPDATE" : "INSERT"));
    }
    return {};
  }

  static Error config(std::string message) { return {ErrorCode::kConfig, std::move(message)}; }

 private:
  Result<const Column*> readable(const std::string& name, std::string_view role) const {
    const Column* column = table_.column(name);
    if (column == nullptr) return config(fmt::format("there is no column {} ({})", name, role));
    if (!column->readable)
      return config(fmt::format("the role may not SELECT the column {} ({})", name, role));
    return column;
  }

  const Table& table_;
  const DatasetSpec& spec_;
};

// What the namespace reads: all columns that the role may, or the value and what is watched.
TableShape shape_of(const TableName& name, const Table& table, const DatasetSpec& spec) {
  TableShape shape;
  shape.table = name;
  shape.keys = spec.key_fields;
  for (const std::string& key : shape.keys) shape.key_types.push_back(table.column(key)->type.cast);
  if (spec.kind == ValueKind::kJson) {
    for (const Column& column : table.columns) {
      if (column.readable) shape.columns.push_back(column.name);
    }
  } else {
    shape.columns.push_back(spec.value_column);
    for (const std::string& watched : spec.watch_columns) {
      if (watched != spec.value_column) shape.columns.push_back(watched);
    }
  }
  shape.version_column = spec.version_column;
  shape.version_has_default = !spec.version_column.empty() && table.column(spec.version_column)->has_default;
  return shape;
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_table(Pool& pool, const std::string& source, const DatasetSpec& spec,
                                            const Call& call) {
  auto name = parse_table_name(spec.table);
  if (!name) return name.error();
  const std::string where = fmt::format("source {}, table {}", source, name->text());
  const auto located_here = [&](const Error& error) {
    return Error{error.code, fmt::format("{}: {}", where, error.message)};
  };
  auto table = find_table(pool, *name, call);
  if (!table) return located(table.error(), where);
  if (!*table) return located_here(Checker::config("there is no such table"));
  if (auto good = Checker(**table, spec).check(); !good) return located_here(good.error());
  if (spec.writable && (**table).plain) {
    auto unique = has_unique_index(pool, (**table).oid, spec.key_fields, call);
    if (!unique) return located(unique.error(), where);
    if (!*unique) {
      return located_here(Checker::config(fmt::format(
          "writing needs a primary key or unique index on exactly ({})", fmt::join(spec.key_fields, ", "))));
    }
  }
  if (spec.writable && !(**table).plain)
    return located_here(Checker::config("only a table can be written, not a view"));
  TableShape shape = shape_of(*name, **table, spec);
  auto dataset = std::make_unique<TableDataset>(pool, where, spec, std::move(**table), std::move(shape));
  if (auto runs = dataset->try_out(call); !runs) {
    // Refused by the database now: the configuration doesn't fit it.
    Error error = runs.error();
    if (error.code == ErrorCode::kRefused) error.code = ErrorCode::kConfig;
    return error;
  }
  return std::unique_ptr<Dataset>(std::move(dataset));
}

}  // namespace forebay::source::postgres
