#include "source/postgres/write_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>

#include "base/decimal.h"
#include "base/write_condition.h"

namespace forebay::source::postgres {
namespace {

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

}  // namespace

bool is_number(std::string_view text, bool fraction) {
  const auto number = parse_decimal(text);
  return number && (fraction || (!number->pointed && number->exponent.empty()));
}

WritePlanner::WritePlanner(const TableRows& rows)
    : rows_(rows), spec_(rows.spec()), sql_(rows.sql()), checks_(rows.spec(), rows.columns()) {
  if (spec_.kind == ValueKind::kCounter && add_column({spec_.value_column, "0"}).has_value())
    counter_ = rows_.columns().find(spec_.value_column);
}

WritePlanner::Named WritePlanner::named(const Write& write) {
  if (const auto* upsert = std::get_if<Upsert>(&write))
    return {&upsert->fields, &upsert->strings, upsert->insert};
  if (const auto* update = std::get_if<Update>(&write)) return {&update->fields};
  return {};
}

Result<void> WritePlanner::check_key(const KeyFields& key) const {
  if (auto may = checks_.may_write(key); !may) return may;
  for (std::size_t f = 0; f < key.size(); ++f) {
    if (!may_be_plain_text(rows_.key_types()[f], key[f])) return misspelled_key();
  }
  return {};
}

// Of a counter: what can be added to.
Result<void> WritePlanner::check_number(const Column& column, const OptionalText& text) const {
  if (spec_.kind != ValueKind::kCounter ||
      (text && is_number(*text, column.type.shape != Shape::kInteger || column.type.array)))
    return {};
  return Error{
      ErrorCode::kInvalidArgument,
      fmt::format("the column {} takes {}", column.name,
                  column.type.shape == Shape::kInteger && !column.type.array ? "an integer" : "a number")};
}

// A lack of rights would hold up all writes of its lane, until somebody grants them.
Result<void> WritePlanner::may_be_set(const Column& column, bool insert) const {
  if (column.generated) {
    return Error{ErrorCode::kRefused, fmt::format("the database itself gives the column {}", column.name)};
  }
  if (insert ? column.may_insert : column.may_update) return {};
  return Error{ErrorCode::kRefused,
               fmt::format("the role may not {} the column {}", insert ? "INSERT" : "UPDATE", column.name)};
}
template <class Set>
Result<void> WritePlanner::each_set(const KeyFields& key, const Fields& fields, Set set) const {
  const auto same = [&](std::size_t place, const OptionalText& text) { return text == key[place]; };
  return checks_.fields(
      fields, same, [&](const Column& column, const OptionalText& text, std::size_t place) -> Result<void> {
        if (auto number = check_number(column, text); !number) return number;
        return set(column, text, place);
      });
}

// The column that something is added to.
Result<const Column*> WritePlanner::add_column(const Add& add) const {
  if (!is_number(add.amount, add.floating)) {
    return Error{ErrorCode::kInvalidArgument,
                 add.floating ? "the amount is not a decimal number" : "the amount is not an integer"};
  }
  if (counter_ != nullptr && add.field == spec_.value_column && !add.floating) return counter_;
  auto column = checks_.addend(add.field);
  if (!column) return column;
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

Result<void> WritePlanner::validate(const KeyFields& key, const Write& write) const {
  if (auto good = check_key(key); !good) return good;
  if (const auto* add = std::get_if<Add>(&write)) {
    auto column = add_column(*add);
    if (!column) return column.error();
    return may_be_set(**column, false);
  }
  const Named given = named(write);
  if (given.fields == nullptr) return {};
  return each_set(key, *given.fields,
                  [&](const Column& column, const OptionalText& text, std::size_t place) -> Result<void> {
                    if (auto good = may_be_set(column, given.insert); !good) return good;
                    if (!text) return {};
                    // In a JSON column a string stays one, whatever it looks like.
                    const Type& type = column.type;
                    if (type.shape == Shape::kJson && !type.array && given.is_string(place)) return {};
                    if (const char* takes = never_takes(type, *text, spec_.kind != ValueKind::kJson))
                      return Error{ErrorCode::kRefused,
                                   fmt::format("column {} takes {}", column.name, takes)};
                    return {};
                  });
}

Shown WritePlanner::shown(std::string_view name, Given given, std::string& text) const {
  const Column* column = rows_.columns().find(name);
  if (column == nullptr) return Shown::kUnknown;
  const bool key = checks_.key_place(name) < spec_.key_fields.size();
  if (!column->readable || checks_.is_version(name) || (key && given != Given::kKey)) return Shown::kIgnored;
  const Shown as = shown_as(column->type, given, spec_.kind != ValueKind::kJson, text);
  if (spec_.kind == ValueKind::kCounter) text = without_trailing_zeros(std::move(text));
  return as;
}

Result<Change> WritePlanner::plan(const KeyFields& key, const Write& write) const {
  Change change;
  if (auto good = check_key(key); !good) return good.error();
  for (std::size_t f = 0; f < key.size(); ++f) {
    auto bound = parameter(rows_.key_types()[f], key[f]);
    if (!bound) return bound.error();
    change.parameters.emplace_back(std::move(*bound));
  }
  if (const Named given = named(write); given.fields != nullptr) {
    const auto* update = std::get_if<Update>(&write);
    change.create = update == nullptr || update->create;
    change.insert = given.insert;
    if (auto set = set_fields(change, key, given); !set) return set.error();
  } else if (const auto* add = std::get_if<Add>(&write)) {
    change.create = true;
    if (auto set = set_added(change, *add); !set) return set.error();
  } else {
    change.remove = true;
    change.statement = sql_.remove();
  }
  if (condition_of(write) != nullptr && !change.columns.empty()) {
    change.conditional = write;
    change.judged = rows_.columns().find(change.columns.front());
  }
  return change;
}

Result<void> WritePlanner::set_fields(Change& change, const KeyFields& key, const Named& given) const {
  std::vector<Take> takes;
  auto good = each_set(
      key, *given.fields,
      [&](const Column& column, const OptionalText& text, std::size_t place) -> Result<void> {
        change.columns.push_back(column.name);
        const bool row = spec_.kind == ValueKind::kJson;
        const bool json = column.type.shape == Shape::kJson && !column.type.array;
        if (!text && row && json && column.not_null) {
          // Where SQL's NULL can't be, JSON's is meant.
          takes.emplace_back();
          change.parameters.emplace_back("null");
          return {};
        }
        const bool known = given.strings != nullptr && place < given.strings->size();
        takes.push_back(row ? take_of(column.type, text, known) : Take());
        if (!text) {
          change.parameters.emplace_back(std::nullopt);
          return {};
        }
        auto bound = spec_.kind != ValueKind::kJson ? raw_parameter(column.type, *text)
                     : given.is_string(place)       ? string_parameter(column.type, *text)
                                                    : parameter(column.type, *text);
        if (!bound) {
          return Error{bound.error().code, fmt::format("column {}: {}", column.name, bound.error().message)};
        }
        change.parameters.emplace_back(std::move(*bound));
        return {};
      });
  change.statement = sql_.update(change.columns, takes);
  return good;
}

Result<void> WritePlanner::set_added(Change& change, const Add& add) const {
  auto column = add_column(add);
  if (!column) return column.error();
  change.added = *column;
  change.whole = !add.floating;
  change.columns.push_back(add.field);
  change.parameters.emplace_back(add.amount);
  change.statement = sql_.add(add.field);
  return {};
}

}  // namespace forebay::source::postgres
