#include "source/sqlite/table_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/decimal.h"
#include "base/write_condition.h"

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

}  // namespace

struct TableWriter::Existing {
  bool exists = false;
  Fields watched;
  int add_type = SQLITE_NULL;  // of the column to add to
  std::int64_t add_integer = 0;
  double add_real = 0;
  OptionalText add_text;
};

TableWriter::TableWriter(const TableRows& rows)
    : rows_(rows), spec_(rows.spec()), sql_(rows.sql()), checks_(rows.spec(), rows.columns()) {
  for (const std::string& name : spec_.key_fields) key_columns_.push_back(rows.columns().find(name));
  const bool key = checks_.key_place(spec_.value_column) < spec_.key_fields.size();
  if (spec_.kind == ValueKind::kCounter && !key && spec_.value_column != spec_.version_column)
    counter_ = rows.columns().find(spec_.value_column);
  if (counter_ != nullptr && !counter_->writable) counter_ = nullptr;
}

// ---- Checks

const Fields* TableWriter::fields_of(const Write& write) {
  if (const auto* upsert = std::get_if<Upsert>(&write)) return &upsert->fields;
  if (const auto* update = std::get_if<Update>(&write)) return &update->fields;
  return nullptr;
}

template <class Set>
Result<void> TableWriter::each_set(const KeyFields& key, const Fields& fields, Set set) const {
  const auto same = [&](std::size_t place, const OptionalText& value) {
    if (value == key[place]) return true;
    return value && rows_.key_kind(place) == ColumnKind::kBytes && decode_base64(*value) == key[place];
  };
  auto good = checks_.fields(
      fields, same, [&](const Column& column, const OptionalText& value, std::size_t place) -> Result<void> {
        if (spec_.kind == ValueKind::kCounter) {
          const bool integer = value && number_of<std::int64_t>(*value);
          const bool number = integer || (value && column.fraction && is_finite(*value));
          if (!number) {
            return Error{ErrorCode::kInvalidArgument,
                         fmt::format("column {} takes a {}", column.name,
                                     column.fraction ? "number" : "64-bit integer")};
          }
        }
        // A generated column may be given as it was read; the database computes it anyway.
        return column.writable ? set(column, value, place) : Result<void>();
      });
  if (!good) return rows_.at(std::move(good).error());
  return good;
}

// What the database would refuse whatever else it holds.
Result<void> TableWriter::possible(const Column& column, const OptionalText& value) const {
  if (!value) return {};
  const auto refused = [&](std::string_view what) {
    return Error{ErrorCode::kRefused, fmt::format("column {} takes {}", column.name, what)};
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

Result<const Column*> TableWriter::add_column(const Add& add) const {
  const Column* column = counter_ != nullptr && add.field == spec_.value_column ? counter_ : nullptr;
  if (column == nullptr) {
    auto found = checks_.addend(add.field);
    if (!found) return rows_.at(std::move(found).error());
    column = *found;
    if (!column->writable) return rows_.at(write_mistake::no_addend(add.field));
  }
  if (add.floating) {
    if (!is_finite(add.amount)) return mistake("the amount to add is not a number");
    if (spec_.kind == ValueKind::kCounter && column->affinity == Affinity::kInteger)
      return rows_.at({ErrorCode::kRefused, fmt::format("column {} holds integers", column->name)});
  } else if (!number_of<std::int64_t>(add.amount)) {
    return mistake("the amount to add is not a 64-bit integer");
  }
  return column;
}

Result<TableWriter::Plan> TableWriter::plan(const KeyFields& key, const Write& write) const {
  if (auto may = checks_.may_write(key); !may) return rows_.at_source(std::move(may).error());
  Plan plan;
  if (const auto* adding = std::get_if<Add>(&write)) {
    auto column = add_column(*adding);
    if (!column) return column.error();
    plan.add_to = *column;
  } else if (const Fields* fields = fields_of(write)) {
    const auto* upsert = std::get_if<Upsert>(&write);
    auto good =
        each_set(key, *fields,
                 [&](const Column& column, const OptionalText& value, std::size_t place) -> Result<void> {
                   const bool known = upsert != nullptr && place < upsert->strings.size();
                   plan.fields.push_back({&column, &value, known, known && upsert->strings[place]});
                   return {};
                 });
    if (!good) return std::move(good).error();
  }
  return plan;
}

Result<void> TableWriter::check(const KeyFields& key, const Write& write) const {
  auto planned = plan(key, write);
  if (!planned) return std::move(planned).error();
  return {};
}

Result<void> TableWriter::validate(const KeyFields& key, const Write& write) const {
  if (auto may = checks_.may_write(key); !may) return rows_.at_source(std::move(may).error());
  for (std::size_t i = 0; i < key.size(); ++i) {
    if (may_be_key(*key_columns_[i], key[i])) continue;
    return rows_.at(
        {ErrorCode::kRefused, fmt::format("the key's column {} holds integers", key_columns_[i]->name)});
  }
  if (const auto* adding = std::get_if<Add>(&write)) {
    auto column = add_column(*adding);
    if (!column) return column.error();
    if (adding->floating && (*column)->takes == ColumnTakes::kIntegers &&
        !number_of<std::int64_t>(adding->amount))
      return rows_.at({ErrorCode::kRefused, fmt::format("column {} takes an integer", (*column)->name)});
    return {};
  }
  const Fields* fields = fields_of(write);
  if (fields == nullptr) return {};
  return each_set(key, *fields, [&](const Column& column, const OptionalText& value, std::size_t) {
    return possible(column, value);
  });
}

Shown TableWriter::shown(std::string_view name, Given given, std::string& text) const {
  const Column* column = rows_.columns().find(name);
  if (column == nullptr) return Shown::kUnknown;
  const bool key = std::ranges::find(key_columns_, column) != key_columns_.end();
  if (!column->writable || checks_.is_version(name) || (key && given != Given::kKey)) return Shown::kIgnored;
  const Shown as = shown_as(*column, given, spec_.kind == ValueKind::kText, text);
  if (spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(text));
  return as;
}

// ---- Statements

Result<TableWriter::Existing> TableWriter::read_existing(Connection& connection, const KeyFields& key,
                                                         const Column* add_to) const {
  std::vector<std::string> wanted = spec_.watch_columns;
  if (add_to != nullptr) wanted.push_back(add_to->name);
  auto statement = connection.prepare(sql_.read_for_write(wanted));
  if (!statement) return rows_.at(statement.error());
  rows_.bind_key(*statement, key);
  Existing out;
  while (true) {
    auto row = statement->step();
    if (!row) return rows_.at(row.error());
    if (!*row) return out;
    if (!rows_.has_key(*statement, key)) {
      return rows_.at_source(misspelled_key());
    }
    out.exists = true;
    int column = static_cast<int>(rows_.key_count());
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

// A value of a JSON column that is not bound as other texts are. `text` keeps it.
bool TableWriter::bind_json(Statement& statement, int parameter, const Assignment& field, std::string& text) {
  if (!*field.value && field.column->not_null) {
    text = "null";  // where SQL's NULL can't be, JSON's is meant
  } else if (*field.value && field.string) {
    append_json_string(text, **field.value);
  } else {
    return false;
  }
  statement.bind_text(parameter, text);
  return true;
}

Result<void> TableWriter::assign(Connection& connection, const KeyFields& key,
                                 const std::vector<Assignment>& fields, bool exists) const {
  std::vector<std::string> names;
  std::vector<Take> takes;
  const bool row = spec_.kind == ValueKind::kJson;
  for (const Assignment& field : fields) {
    names.push_back(field.column->name);
    takes.push_back(row ? take_of(*field.column, *field.value, field.known) : Take());
  }
  std::vector<std::string> decoded(fields.size());
  auto statement = connection.prepare(exists ? sql_.update(names, takes) : sql_.insert(names));
  if (!statement) return rows_.at(statement.error());
  rows_.bind_key(*statement, key);
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const int parameter = static_cast<int>(rows_.key_count() + i) + 1;
    if (spec_.kind == ValueKind::kText && *fields[i].value) {
      bind_raw(*statement, parameter, fields[i].column->kind, **fields[i].value);
    } else if (row && fields[i].column->kind == ColumnKind::kJson &&
               bind_json(*statement, parameter, fields[i], decoded[i])) {
      continue;
    } else if (auto bound =
                   bind_field(*statement, parameter, *fields[i].column, *fields[i].value, decoded[i]);
               !bound) {
      return rows_.at(bound.error());
    }
  }
  auto done = statement->step();
  if (!done) return rows_.at(done.error());
  return {};
}

Result<void> TableWriter::add(Connection& connection, const KeyFields& key, const Add& add,
                              const Column& column, const Existing& before) const {
  const auto refused = [&](std::string_view why) {
    return rows_.at_source({ErrorCode::kRefused, fmt::format("column {} {}", column.name, why)});
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
  if (!statement) return rows_.at(statement.error());
  rows_.bind_key(*statement, key);
  const int parameter = static_cast<int>(rows_.key_count()) + 1;
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
  if (!done) return rows_.at(done.error());
  return {};
}

Result<void> TableWriter::remove(Connection& connection, const KeyFields& key) const {
  auto statement = connection.prepare(sql_.remove());
  if (!statement) return rows_.at(statement.error());
  rows_.bind_key(*statement, key);
  auto done = statement->step();
  if (!done) return rows_.at(done.error());
  return {};
}

// The write itself, in a transaction that the caller commits or rolls back.
Result<Written> TableWriter::write(Connection& connection, const KeyFields& key, const Write& write) const {
  auto planned = plan(key, write);
  if (!planned) return planned.error();
  const Column* add_to = planned->add_to;
  const auto* upsert = std::get_if<Upsert>(&write);
  const auto* update = std::get_if<Update>(&write);

  const WriteCondition* condition = condition_of(write);
  const Column* looked_at =
      condition != nullptr && add_to == nullptr ? planned->fields.front().column : add_to;
  auto before = read_existing(connection, key, looked_at);
  if (!before) return before.error();
  if (upsert != nullptr && upsert->insert && before->exists) {
    return rows_.at_source(row_exists());
  }
  connection.changed_rows().clear();
  Written written;
  written.existed = before->exists;
  written.images.before = before->watched;
  if (condition != nullptr) {
    written.held = holds(*condition, write, before->exists, before->add_text);
    written.before = before->add_text;
  }
  Result<void> done;
  if (!written.held) {
    // The row is read all the same.
  } else if (add_to != nullptr) {
    done = add(connection, key, std::get<Add>(write), *add_to, *before);
  } else if (upsert != nullptr || (update != nullptr && (before->exists || update->create))) {
    done = assign(connection, key, planned->fields, before->exists);
  } else if (std::holds_alternative<Remove>(write) && before->exists) {
    done = remove(connection, key);
  }
  if (!done) return done.error();

  const TableName& table = sql_.shape().table;
  written.also = connection.changed_rows().besides(table.schema == "main" ? table.name : table.text());

  // Read again, since triggers may have changed the row, and a key that an insert changed on its way in is
  // refused here.
  auto after = read_existing(connection, key, add_to);
  if (!after) return after.error();
  written.images.after = std::move(after->watched);
  if (add_to != nullptr) written.added = std::move(after->add_text);
  if (written.added && spec_.kind == ValueKind::kCounter)
    written.added = without_trailing_zeros(std::move(*written.added));
  std::vector<Loaded> row;
  if (auto read = rows_.read(connection, {&key, 1}, row); !read) return read.error();
  written.after = std::move(row.front());
  auto proof = evidence(rows_.database(), connection);
  if (!proof) return rows_.at(proof.error());
  written.after.evidence = *proof;
  return written;
}

}  // namespace forebay::source::sqlite
