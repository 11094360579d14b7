#include "source/mysql/write_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"
#include "base/write_condition.h"
#include "source/mysql/spelling.h"

namespace forebay::source::mysql {
namespace {

bool is_numeric(Shape shape) {
  return shape == Shape::kInteger || shape == Shape::kDecimal || shape == Shape::kFloat;
}

// Whether a decimal is in the range of a column of numbers.
bool fits(const Type& type, std::string_view decimal) {
  if (type.shape != Shape::kFloat) return true;
  const auto value = double_of(decimal);
  if (!value || type.bytes == 8) return value.has_value();
  if (decimal.starts_with('+')) decimal.remove_prefix(1);
  float single = 0;
  return std::from_chars(decimal.data(), decimal.data() + decimal.size(), single).ec !=
         std::errc::result_out_of_range;
}

bool begins_string(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '"';
}

// How a JSON column takes a text, or NULL, so that what was read of it can be written back.
Take::How how_of(const OptionalText& text, bool known) {
  if (!text) return Take::How::kUnlessNull;
  if (known || !is_json(*text) || begins_string(*text)) return Take::How::kAsItIs;
  return Take::How::kUnlessSameString;
}

}  // namespace

bool is_number(std::string_view text, bool fraction) {
  const auto number = parse_decimal(text);
  return number && (fraction || (!number->pointed && number->exponent.empty()));
}

WritePlanner::WritePlanner(const TableRows& rows)
    : rows_(rows), spec_(rows.spec()), checks_(rows.spec(), rows.columns()) {
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
  const bool integers = column.type.shape == Shape::kInteger;
  if (spec_.kind != ValueKind::kCounter || (text && is_number(*text, !integers))) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("the column {} takes {}", column.name, integers ? "an integer" : "a number")};
}

Result<void> WritePlanner::check_value(const Column& column, const OptionalText& text, bool string) const {
  // In a JSON column a string stays one, whatever it looks like.
  if (!text || (column.type.shape == Shape::kJson && string)) return {};
  const char* takes = never_takes(column.type, *text, spec_.kind != ValueKind::kJson);
  if (takes == nullptr) return {};
  return Error{ErrorCode::kRefused, fmt::format("column {} takes {}", column.name, takes)};
}

// A lack of rights would hold up all writes of its lane, until somebody grants them.
Result<void> WritePlanner::may_be_set(const Column& column, bool insert) {
  if (column.generated)
    return Error{ErrorCode::kRefused, fmt::format("the database itself gives the column {}", column.name)};
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
  if (!is_numeric(type.shape))
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
                    return check_value(column, text, given.is_string(place));
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

Result<Setting> WritePlanner::setting(const Column& column, const OptionalText& text, const Named& given,
                                      std::size_t place) const {
  Setting out{&column, Parameter()};
  const bool row = spec_.kind == ValueKind::kJson;
  const bool json = row && column.type.shape == Shape::kJson;
  if (!text && json && column.not_null) {
    out.value = Parameter(std::string("null"));  // where SQL's NULL can't be, JSON's is meant
    return out;
  }
  if (json) {
    out.how = how_of(text, given.is_known(place));
    if (out.how == Take::How::kUnlessSameString) out.text = *text;
  }
  if (!text) return out;
  if (auto good = check_value(column, text, given.is_string(place)); !good) return good.error();
  auto bound = !row                     ? raw_parameter(column.type, *text)
               : given.is_string(place) ? string_parameter(column.type, *text)
                                        : parameter(column.type, *text);
  if (!bound)
    return Error{bound.error().code, fmt::format("column {}: {}", column.name, bound.error().message)};
  out.value = std::move(*bound);
  return out;
}

Result<Change> WritePlanner::plan(const KeyFields& key, const Write& write) const {
  Change change;
  if (auto good = check_key(key); !good) return good.error();
  if (const Named given = named(write); given.fields != nullptr) {
    const auto* update = std::get_if<Update>(&write);
    change.create = update == nullptr || update->create;
    change.insert = given.insert;
    auto good =
        each_set(key, *given.fields,
                 [&](const Column& column, const OptionalText& text, std::size_t place) -> Result<void> {
                   auto one = setting(column, text, given, place);
                   if (!one) return one.error();
                   change.settings.push_back(std::move(*one));
                   return {};
                 });
    if (!good) return good.error();
  } else if (const auto* add = std::get_if<Add>(&write)) {
    auto column = add_column(*add);
    if (!column) return column.error();
    change.create = true;
    change.added = *column;
    change.whole = !add->floating;
    const bool floats = (*column)->type.shape == Shape::kFloat;
    change.settings.push_back(
        {*column, floats ? Parameter(double_of(add->amount).value_or(0)) : Parameter(Digits{add->amount})});
  } else {
    change.remove = true;
  }
  if (condition_of(write) != nullptr && !change.settings.empty()) change.conditional = write;
  return change;
}

}  // namespace forebay::source::mysql
