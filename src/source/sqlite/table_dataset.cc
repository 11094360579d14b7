#include "source/sqlite/table_dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "base/decimal.h"
#include "source/column_index.h"

namespace forebay::source::sqlite {
namespace {

template <class Number>
std::optional<Number> number_of(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number value{};
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_finite(std::string_view text) {
  const auto number = number_of<double>(text);
  return number && std::isfinite(*number);
}

// Whether a row could have this in a column of its key, spelled like this.
bool may_be_key(const Column& column, std::string_view field) {
  if (column.takes != ColumnTakes::kRowId) return true;
  const auto number = number_of<std::int64_t>(field);
  if (!number) return false;
  std::array<char, 24> text;
  const auto written = std::to_chars(text.data(), text.data() + text.size(), *number);
  return field == std::string_view(text.data(), written.ptr);
}

// Below it every integer is a double.
constexpr double kRealsAreExact = 9007199254740992;

// How many keys one statement reads; a batch takes the smallest that fits it, with parameters to spare left
// NULL.
constexpr std::array<std::size_t, 4> kListSizes = {1, 8, 64, 512};

// A field of a write with the column it goes to. Points into the write and the dataset.
struct Assignment {
  const Column* column;
  const OptionalText* value;
};

// A write, checked.
struct Plan {
  std::vector<Assignment> fields;
  const Column* add_to = nullptr;
};

// What became of the row in the database, before it is committed.
struct Existing {
  bool exists = false;
  Fields watched;
  int add_type = SQLITE_NULL;  // of the column to add to
  std::int64_t add_integer = 0;
  double add_real = 0;
  OptionalText add_text;
};

class TableDataset final : public BatchedDataset {
 public:
  TableDataset(Database& database, DatasetSpec spec, std::vector<Column> columns,
               std::vector<ColumnKind> key_kinds, TableShape shape)
      : database_(database),
        spec_(std::move(spec)),
        columns_(std::move(columns)),
        by_name_(columns_),
        key_kinds_(std::move(key_kinds)),
        sql_(Dialect::kSqlite, std::move(shape)),
        reads_{sql_.read(kListSizes[0]), sql_.read(kListSizes[1]), sql_.read(kListSizes[2]),
               sql_.read(kListSizes[3])} {
    for (const std::string& name : sql_.shape().keys) key_columns_.push_back(find(name));
    const bool key = std::ranges::count(sql_.shape().keys, spec_.value_column) > 0;
    if (spec_.kind == ValueKind::kCounter && !key && spec_.value_column != spec_.version_column)
      counter_ = find(spec_.value_column);
    if (counter_ != nullptr && !counter_->writable) counter_ = nullptr;
  }

  Result<void> check(Connection& connection) const;

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override;
  Result<void> validate(const KeyFields& key, const Write& write) const override;
  Shown shown(std::string_view name, Given given, std::string& text) const override;
  Result<Written> write_within(Connection& connection, const KeyFields& key,
                               const Write& write) const override;

 private:
  std::size_t key_count() const { return key_kinds_.size(); }
  Error at(Error error) const {
    error.message += fmt::format(" (table {}, namespace {})", sql_.shape().table.text(), spec_.name);
    return error;
  }
  Error mistake(std::string message) const { return at({ErrorCode::kInvalidArgument, std::move(message)}); }

  // `n`: its place in a list of keys.
  void bind_key(Statement& statement, const KeyFields& key, std::size_t n = 0) const {
    for (std::size_t i = 0; i < key.size(); ++i) {
      bind_raw(statement, static_cast<int>(n * key_count() + i) + 1, key_kinds_[i], key[i]);
    }
  }
  bool is_key(const Statement& row, const KeyFields& key) const {
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (column_text(row, static_cast<int>(i)) != key[i]) return false;
    }
    return true;
  }
  Result<void> check_key(const KeyFields& key) const {
    if (key.size() == key_count()) return {};
    return at(
        {ErrorCode::kInternal, fmt::format("a key of {} fields instead of {}", key.size(), key_count())});
  }

  Loaded row_value(const Statement& row) const;
  Result<void> read_rows(Connection& connection, std::span<const KeyFields> keys,
                         std::vector<Loaded>& out) const;

  const Column* find(std::string_view name) const { return by_name_.find(name); }
  // The column that a field of a write sets; null: none, as the key says the same or Forebay keeps it itself.
  Result<const Column*> settable(const KeyFields& key, const std::string& name,
                                 const OptionalText& value) const;
  Result<void> possible(const Column& column, const OptionalText& value) const;
  Result<void> check_names(const Fields& fields) const;
  Result<std::vector<Assignment>> assignments(const KeyFields& key, const Fields& fields) const;
  Result<void> check_key_column(std::size_t index, const KeyFields& key, const OptionalText& value) const;
  Result<const Column*> add_column(const Add& add) const;

  Result<Existing> read_existing(Connection& connection, const KeyFields& key, const Column* add_to) const;
  Result<void> assign(Connection& connection, const KeyFields& key, const std::vector<Assignment>& fields,
                      bool exists) const;
  Result<void> add(Connection& connection, const KeyFields& key, const Add& add, const Column& column,
                   const Existing& before) const;
  Result<void> remove(Connection& connection, const KeyFields& key) const;
  Result<Plan> plan(const KeyFields& key, const Write& write) const;

  Database& database_;
  const DatasetSpec spec_;
  const std::vector<Column> columns_;  // the table's, in its order
  const ColumnIndex<Column> by_name_;
  std::vector<const Column*> key_columns_;
  const Column* counter_ = nullptr;  // kCounter: the value column, if something can be added to it
  const std::vector<ColumnKind> key_kinds_;
  const TableSql sql_;
  const std::array<std::string, kListSizes.size()> reads_;  // sql_.read() of each list size
};

// ---- Reading

Loaded TableDataset::row_value(const Statement& row) const {
  Loaded loaded;
  const int first = static_cast<int>(key_count());
  if (spec_.kind == ValueKind::kJson) {
    RowJson json;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      append_column(json, row, first + static_cast<int>(i), columns_[i].name, columns_[i].kind);
    }
    loaded.value = json.take();
  } else {
    loaded.value = column_text(row, first);
    if (loaded.value && spec_.kind == ValueKind::kCounter)
      loaded.value = without_trailing_zeros(std::move(*loaded.value));
  }
  if (!spec_.version_column.empty()) {
    const int version = first + static_cast<int>(sql_.shape().columns.size());
    if (row.type(version) == SQLITE_INTEGER) {
      loaded.version = static_cast<std::uint64_t>(row.integer(version));
    }
  }
  return loaded;
}

// Appends what each key's row is: the one whose key columns are the key byte for byte; other spellings of
// equal values are passed over. Requires at most kListSizes.back() keys.
Result<void> TableDataset::read_rows(Connection& connection, std::span<const KeyFields> keys,
                                     std::vector<Loaded>& out) const {
  const auto size = std::ranges::lower_bound(kListSizes, keys.size());
  auto statement = connection.prepare(reads_[static_cast<std::size_t>(size - kListSizes.begin())]);
  if (!statement) return at(statement.error());
  for (std::size_t n = 0; n < keys.size(); ++n) bind_key(*statement, keys[n], n);
  const std::size_t first = out.size();
  out.resize(first + keys.size());
  std::vector<bool> found(keys.size());
  while (true) {
    auto row = statement->step();
    if (!row) return at(row.error());
    if (!*row) return {};
    const auto n = *size == 1 ? 0 : static_cast<std::size_t>(statement->integer(statement->columns() - 1));
    if (!is_key(*statement, keys[n])) continue;
    if (found[n]) {
      return at(
          {ErrorCode::kRefused,
           fmt::format("source {}: several rows have this key; a query can serve them", database_.name)});
    }
    found[n] = true;
    out[first + n] = row_value(*statement);
  }
}

Result<std::vector<Loaded>> TableDataset::load(std::span<const KeyFields> keys, const CallContext& context) {
  for (const KeyFields& key : keys) {
    if (auto right = check_key(key); !right) return right.error();
  }
  const Deadline deadline(context);
  auto lease = database_.readers.acquire(deadline);
  if (!lease) return lease.error();
  Connection& connection = **lease;

  // A single statement is a snapshot by itself.
  std::optional<Transaction> snapshot;
  if (keys.size() > 1 || database_.watched) {
    auto begun = Transaction::begin(connection, Transaction::Kind::kRead);
    if (!begun) return at(begun.error());
    snapshot.emplace(std::move(*begun));
  }
  auto proof = evidence(database_, connection);
  if (!proof) return at(proof.error());
  std::vector<Loaded> all;
  all.reserve(keys.size());
  for (std::size_t from = 0; from < keys.size(); from += kListSizes.back()) {
    const std::size_t count = std::min(kListSizes.back(), keys.size() - from);
    if (auto read = read_rows(connection, keys.subspan(from, count), all); !read) return read.error();
  }
  for (Loaded& loaded : all) loaded.evidence = *proof;
  if (snapshot) {
    if (auto done = snapshot->commit(); !done) return at(done.error());
  }
  return all;
}

// ---- Writing

Result<void> TableDataset::check_key_column(std::size_t index, const KeyFields& key,
                                            const OptionalText& value) const {
  bool same = value == key[index];
  if (!same && value && key_kinds_[index] == ColumnKind::kBytes) same = decode_base64(*value) == key[index];
  if (same) return {};
  return mistake(fmt::format("column {} is part of the key and can't be changed", sql_.shape().keys[index]));
}

Result<const Column*> TableDataset::settable(const KeyFields& key, const std::string& name,
                                             const OptionalText& value) const {
  const auto& keys = sql_.shape().keys;
  if (const auto found = std::ranges::find(keys, name); found != keys.end()) {
    auto same = check_key_column(static_cast<std::size_t>(found - keys.begin()), key, value);
    if (!same) return same.error();
    return nullptr;
  }
  if (!spec_.version_column.empty() && name == spec_.version_column) return nullptr;
  const Column* column = find(name);
  if (column == nullptr) return mistake(fmt::format("there is no column {}", name));
  if (spec_.kind == ValueKind::kCounter) {
    const bool integer = value && number_of<std::int64_t>(*value);
    const bool number = integer || (value && column->fraction && is_finite(*value));
    if (!number)
      return mistake(
          fmt::format("column {} takes a {}", name, column->fraction ? "number" : "64-bit integer"));
  }
  // A generated column may be given as it was read; the database computes it anyway.
  return column->writable ? column : nullptr;
}

// The fields as columns to set, without the key's own (which must agree with the key) and without the
// version.
Result<std::vector<Assignment>> TableDataset::assignments(const KeyFields& key, const Fields& fields) const {
  std::vector<Assignment> out;
  if (auto named = check_names(fields); !named) return named.error();
  for (const auto& [name, value] : fields) {
    auto column = settable(key, name, value);
    if (!column) return column.error();
    if (*column != nullptr) out.push_back({*column, &value});
  }
  return out;
}

Result<void> TableDataset::check_names(const Fields& fields) const {
  if (spec_.kind != ValueKind::kJson && (fields.size() != 1 || fields.front().first != spec_.value_column)) {
    return mistake(fmt::format("this namespace's values are its column {}", spec_.value_column));
  }
  for (auto field = fields.begin(); field != fields.end(); ++field) {
    const auto same = [&](const auto& other) { return other.first == field->first; };
    if (std::any_of(fields.begin(), field, same))
      return mistake(fmt::format("column {} is given twice", field->first));
  }
  return {};
}

// What the database would refuse whatever else it holds.
Result<void> TableDataset::possible(const Column& column, const OptionalText& value) const {
  if (!value) return {};
  const auto refused = [&](std::string_view what) {
    return at({ErrorCode::kRefused, fmt::format("column {} takes {}", column.name, what)});
  };
  if (spec_.kind != ValueKind::kText && column.kind == ColumnKind::kBytes && !decode_base64(*value))
    return refused("bytes, given as base64");
  switch (column.takes) {
    case ColumnTakes::kAnything:
      return {};
    case ColumnTakes::kRowId:
      if (number_of<std::int64_t>(*value)) return {};
      return refused("a 64-bit integer");
    case ColumnTakes::kIntegers:
    case ColumnTakes::kNumbers:
      if (is_decimal(without_blanks(*value))) return {};  // as affinity and STRICT do
      return refused(column.takes == ColumnTakes::kIntegers ? "an integer" : "a number");
  }
  return {};
}

Result<const Column*> TableDataset::add_column(const Add& add) const {
  const Column* column = counter_ != nullptr && add.field == spec_.value_column ? counter_ : nullptr;
  if (column == nullptr) {
    const auto& keys = sql_.shape().keys;
    column = find(add.field);
    if (column == nullptr) return mistake(fmt::format("there is no column {}", add.field));
    if (spec_.kind != ValueKind::kJson && add.field != spec_.value_column) {
      return mistake(fmt::format("this namespace's values are its column {}", spec_.value_column));
    }
    if (std::ranges::find(keys, add.field) != keys.end() || add.field == spec_.version_column ||
        !column->writable) {
      return mistake(fmt::format("column {} can't be changed", add.field));
    }
  }
  if (add.floating) {
    if (!is_finite(add.amount)) return mistake("the amount to add is not a number");
    if (spec_.kind == ValueKind::kCounter && column->affinity == Affinity::kInteger)
      return at({ErrorCode::kRefused, fmt::format("column {} holds integers", column->name)});
  } else if (!number_of<std::int64_t>(add.amount)) {
    return mistake("the amount to add is not a 64-bit integer");
  }
  return column;
}

Result<Existing> TableDataset::read_existing(Connection& connection, const KeyFields& key,
                                             const Column* add_to) const {
  std::vector<std::string> wanted = spec_.watch_columns;
  if (add_to != nullptr) wanted.push_back(add_to->name);
  auto statement = connection.prepare(sql_.read_for_write(wanted));
  if (!statement) return at(statement.error());
  bind_key(*statement, key);
  Existing out;
  while (true) {
    auto row = statement->step();
    if (!row) return at(row.error());
    if (!*row) return out;
    if (!is_key(*statement, key)) {
      return at(
          {ErrorCode::kRefused,
           fmt::format("source {}: the row that equals this key is spelled differently", database_.name)});
    }
    out.exists = true;
    int column = static_cast<int>(key_count());
    for (const std::string& name : spec_.watch_columns)
      out.watched.emplace_back(name, column_text(*statement, column++));
    if (add_to != nullptr) {
      out.add_type = statement->type(column);
      out.add_integer = statement->integer(column);
      out.add_real = statement->real(column);
      out.add_text = column_text(*statement, column);
    }
  }
}

Result<void> TableDataset::assign(Connection& connection, const KeyFields& key,
                                  const std::vector<Assignment>& fields, bool exists) const {
  std::vector<std::string> names;
  for (const Assignment& field : fields) names.push_back(field.column->name);
  std::vector<std::string> decoded(fields.size());
  auto statement = connection.prepare(exists ? sql_.update(names) : sql_.insert(names));
  if (!statement) return at(statement.error());
  bind_key(*statement, key);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const int parameter = static_cast<int>(key_count() + i) + 1;
    if (spec_.kind == ValueKind::kText && *fields[i].value) {
      bind_raw(*statement, parameter, fields[i].column->kind, **fields[i].value);
    } else if (auto bound =
                   bind_field(*statement, parameter, *fields[i].column, *fields[i].value, decoded[i]);
               !bound) {
      return at(bound.error());
    }
  }
  auto done = statement->step();
  if (!done) return at(done.error());
  return {};
}

Result<void> TableDataset::add(Connection& connection, const KeyFields& key, const Add& add,
                               const Column& column, const Existing& before) const {
  const auto refused = [&](std::string_view why) {
    return at(
        {ErrorCode::kRefused, fmt::format("source {}: column {} {}", database_.name, column.name, why)});
  };
  // SQLite would count text as 0, and turn an integer that overflows into a real.
  const bool whole = before.add_type == SQLITE_INTEGER || before.add_type == SQLITE_NULL;
  const bool integers = spec_.kind == ValueKind::kCounter && !add.floating;
  const bool whole_real = before.add_type == SQLITE_FLOAT && std::abs(before.add_real) < kRealsAreExact &&
                          std::trunc(before.add_real) == before.add_real;
  if (!whole && !whole_real && (before.add_type != SQLITE_FLOAT || integers)) {
    return refused(integers ? "does not hold an integer" : "does not hold a number");
  }
  auto statement = connection.prepare(before.exists ? sql_.add(column.name) : sql_.insert_add(column.name));
  if (!statement) return at(statement.error());
  bind_key(*statement, key);
  const int parameter = static_cast<int>(key_count()) + 1;
  if (add.floating) {
    const double amount = *number_of<double>(add.amount);
    if (!std::isfinite(before.add_real + amount)) return refused("would become infinite");
    statement->bind_real(parameter, amount);
  } else {
    const std::int64_t amount = *number_of<std::int64_t>(add.amount);
    std::int64_t sum = 0;
    if (whole && __builtin_add_overflow(before.add_integer, amount, &sum))
      return refused("would overflow 64 bits");
    statement->bind_integer(parameter, amount);
  }
  auto done = statement->step();
  if (!done) return at(done.error());
  return {};
}

Result<void> TableDataset::remove(Connection& connection, const KeyFields& key) const {
  auto statement = connection.prepare(sql_.remove());
  if (!statement) return at(statement.error());
  bind_key(*statement, key);
  auto done = statement->step();
  if (!done) return at(done.error());
  return {};
}

Result<Plan> TableDataset::plan(const KeyFields& key, const Write& write) const {
  if (!spec_.writable)
    return at({ErrorCode::kUnsupported, fmt::format("source {}: not opened for writing", database_.name)});
  if (auto right = check_key(key); !right) return right.error();
  Plan plan;
  if (const auto* adding = std::get_if<Add>(&write)) {
    auto column = add_column(*adding);
    if (!column) return column.error();
    plan.add_to = *column;
    return plan;
  }
  const auto* upsert = std::get_if<Upsert>(&write);
  const auto* update = std::get_if<Update>(&write);
  if (upsert == nullptr && update == nullptr) return plan;
  auto checked = assignments(key, upsert != nullptr ? upsert->fields : update->fields);
  if (!checked) return checked.error();
  plan.fields = std::move(*checked);
  return plan;
}

// Without allocations, but for an error and where a row's bytes are decoded.
Result<void> TableDataset::validate(const KeyFields& key, const Write& write) const {
  if (!spec_.writable)
    return at({ErrorCode::kUnsupported, fmt::format("source {}: not opened for writing", database_.name)});
  if (auto right = check_key(key); !right) return right;
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (may_be_key(*key_columns_[i], key[i])) continue;
    return at(
        {ErrorCode::kRefused, fmt::format("the key's column {} holds integers", key_columns_[i]->name)});
  }
  if (const auto* adding = std::get_if<Add>(&write)) {
    auto column = add_column(*adding);
    if (!column) return column.error();
    if (adding->floating && (*column)->takes == ColumnTakes::kIntegers &&
        !number_of<std::int64_t>(adding->amount))
      return at({ErrorCode::kRefused, fmt::format("column {} takes an integer", (*column)->name)});
    return {};
  }
  const auto* upsert = std::get_if<Upsert>(&write);
  const auto* update = std::get_if<Update>(&write);
  if (upsert == nullptr && update == nullptr) return {};
  const Fields& fields = upsert != nullptr ? upsert->fields : update->fields;
  if (auto named = check_names(fields); !named) return named;
  for (const auto& [name, value] : fields) {
    auto column = settable(key, name, value);
    if (!column) return column.error();
    if (*column == nullptr) continue;
    if (auto good = possible(**column, value); !good) return good;
  }
  return {};
}

Shown TableDataset::shown(std::string_view name, Given given, std::string& text) const {
  const Column* column = find(name);
  if (column == nullptr) return Shown::kUnknown;
  const bool key = std::ranges::find(key_columns_, column) != key_columns_.end();
  if (!column->writable || name == spec_.version_column || (key && given != Given::kKey))
    return Shown::kIgnored;
  const Shown as = shown_as(*column, given, spec_.kind == ValueKind::kText, text);
  if (spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(text));
  return as;
}

// The write itself, in a transaction that the caller commits or rolls back.
Result<Written> TableDataset::write_within(Connection& connection, const KeyFields& key,
                                           const Write& write) const {
  auto planned = plan(key, write);
  if (!planned) return planned.error();
  const Column* add_to = planned->add_to;
  const auto* upsert = std::get_if<Upsert>(&write);
  const auto* update = std::get_if<Update>(&write);

  auto before = read_existing(connection, key, add_to);
  if (!before) return before.error();
  if (upsert != nullptr && upsert->insert && before->exists) {
    return at({ErrorCode::kRefused, fmt::format("source {}: the row exists already", database_.name)});
  }
  Written written;
  written.existed = before->exists;
  written.images.before = before->watched;
  Result<void> done;
  if (add_to != nullptr) {
    done = add(connection, key, std::get<Add>(write), *add_to, *before);
  } else if (upsert != nullptr || (update != nullptr && (before->exists || update->create))) {
    done = assign(connection, key, planned->fields, before->exists);
  } else if (std::holds_alternative<Remove>(write) && before->exists) {
    done = remove(connection, key);
  }
  if (!done) return done.error();

  // Read again, since triggers may have changed the row, and a key that an insert changed on its way in is
  // refused here.
  auto after = read_existing(connection, key, add_to);
  if (!after) return after.error();
  written.images.after = std::move(after->watched);
  if (add_to != nullptr) written.added = std::move(after->add_text);
  if (written.added && spec_.kind == ValueKind::kCounter)
    written.added = without_trailing_zeros(std::move(*written.added));
  std::vector<Loaded> row;
  if (auto read = read_rows(connection, {&key, 1}, row); !read) return read.error();
  written.after = std::move(row.front());
  auto proof = evidence(database_, connection);
  if (!proof) return at(proof.error());
  written.after.evidence = *proof;
  return written;
}

Result<Written> TableDataset::write(const KeyFields& key, const Write& write, const CallContext& context) {
  if (auto planned = plan(key, write); !planned) return planned.error();
  const Deadline deadline(context);
  auto lease = database_.writer.acquire(deadline);
  if (!lease) return at(lease.error());
  auto transaction = Transaction::begin(**lease, Transaction::Kind::kWrite);
  if (!transaction) return at(transaction.error());
  auto written = write_within(**lease, key, write);
  if (!written) return written;
  if (auto done = transaction->commit(); !done) return at(done.error());
  return written;
}

// ---- Opening

Result<void> TableDataset::check(Connection& connection) const {
  if (auto read = connection.prepare(reads_.back()); !read)
    return at({ErrorCode::kConfig, read.error().message});
  if (!spec_.writable) return {};
  if (auto insert = connection.prepare(sql_.insert({})); !insert) {
    return at({ErrorCode::kConfig,
               fmt::format("{}: writing needs a table with a primary key or unique index on exactly {}",
                           insert.error().message, fmt::join(sql_.shape().keys, ", "))});
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Dataset>> open_table(Database& database, const DatasetSpec& spec) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kConfig,
                 fmt::format("source {}: {} (namespace {})", database.name, what, spec.name)};
  };
  auto table = parse_table_name(spec.table);
  if (!table) return wrong(table.error().message);
  if (spec.key_fields.empty()) return wrong("a table needs at least one field in the key");

  const Deadline deadline(CallContext{database.timeout, nullptr});
  auto lease = database.readers.acquire(deadline);
  if (!lease) return lease.error();
  auto catalogue = columns_of(**lease, *table);
  if (!catalogue) return catalogue.error();
  if (catalogue->empty()) return wrong(fmt::format("there is no table {}", table->text()));
  const auto find = [&](const std::string& name) {
    return std::ranges::find_if(*catalogue, [&](const CatalogueColumn& c) { return c.column.name == name; });
  };
  const auto missing = [&](const std::string& name, std::string_view use) -> std::optional<Error> {
    if (find(name) != catalogue->end()) return std::nullopt;
    return wrong(fmt::format("table {} has no column {} ({})", table->text(), name, use));
  };

  TableShape shape;
  shape.table = *table;
  shape.keys = spec.key_fields;
  std::vector<ColumnKind> key_kinds;
  for (const std::string& name : spec.key_fields) {
    if (auto error = missing(name, "a field of the key")) return *error;
    key_kinds.push_back(find(name)->column.kind);
  }
  for (const std::string& name : spec.watch_columns) {
    if (auto error = missing(name, "a dependency uses it")) return *error;
  }
  if (!spec.version_column.empty()) {
    if (auto error = missing(spec.version_column, "the version")) return *error;
    shape.version_column = spec.version_column;
    shape.version_has_default = find(spec.version_column)->has_default;
  }
  std::vector<Column> columns;
  for (const CatalogueColumn& column : *catalogue) columns.push_back(column.column);
  if (spec.kind == ValueKind::kJson) {
    for (const Column& column : columns) shape.columns.push_back(column.name);
  } else {
    if (spec.value_column.empty()) return wrong("no value column is given");
    if (auto error = missing(spec.value_column, "the value")) return *error;
    shape.columns = {spec.value_column};
  }

  auto dataset = std::make_unique<TableDataset>(database, spec, std::move(columns), std::move(key_kinds),
                                                std::move(shape));
  if (auto right = dataset->check(**lease); !right) return right.error();
  return std::unique_ptr<Dataset>(std::move(dataset));
}

}  // namespace forebay::source::sqlite
