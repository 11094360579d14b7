#include "journal/effect.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <iterator>
#include <utility>

#include "base/decimal.h"
#include "base/row_json.h"
#include "journal/sums.h"

namespace forebay::journal {
namespace {

using From = Effect::Set::From;

// ---- Combining.

bool stands_alone(const Effect& effect) {
  return effect.insert || effect.revives;
}

// Whether there is a row once an effect's removal and sets are through; and all of it.
bool makes_row_before_sums(const Effect& effect) {
  return effect.make || (!effect.update && !effect.sets.empty());
}
bool leaves_row(const Effect& effect) {
  return makes_row_before_sums(effect) || !effect.sums.empty();
}
bool leaves_none(const Effect& effect) {
  return effect.remove && effect.sets.empty() && !leaves_row(effect);
}

Effect::Set* find_set(Effect& effect, std::string_view column) {
  const auto found = std::ranges::find(effect.sets, column, &Effect::Set::column);
  return found == effect.sets.end() ? nullptr : &*found;
}

bool sets_column(const Effect& effect, std::string_view column) {
  return std::ranges::find(effect.sets, column, &Effect::Set::column) != effect.sets.end();
}

// Each of these takes a part of a later effect into `effect`. False: it can't be done.

bool take_sets(Effect& effect, const Effect& later) {
  if (later.update && leaves_none(effect)) return true;
  if (later.sets.empty() && leaves_row(effect)) return true;
  // The statement that makes a row decides which columns get their defaults: additions that make it can't
  // come after another one.
  const auto replaced = [&](const auto& part) { return sets_column(later, part.column); };
  if (!effect.sums.empty() && !makes_row_before_sums(effect) && !std::ranges::all_of(effect.sums, replaced))
    return false;
  if (later.update) {
    effect.update = !leaves_row(effect);
  } else {
    if (effect.update && !std::ranges::all_of(effect.sets, replaced)) return false;
    effect.update = false;
    effect.make = effect.make || later.sets.empty();
  }
  std::erase_if(effect.sums, replaced);
  for (const Effect::Set& set : later.sets) {
    if (Effect::Set* before = find_set(effect, set.column)) {
      *before = set;
    } else {
      effect.sets.push_back(set);
    }
  }
  return true;
}

bool take_sum(Effect& effect, const Effect::Sum& sum) {
  if (effect.update) return false;
  const auto before = std::ranges::find(effect.sums, sum.column, &Effect::Sum::column);
  if (before != effect.sums.end()) {
    auto both = sum_of(before->amount, sum.amount);
    if (!both) return false;
    before->amount = std::move(*both);
    before->floating = before->floating || sum.floating;
    return true;
  }
  Effect::Set* set = find_set(effect, sum.column);
  if (set != nullptr && set->from != From::kJsonString) {
    // In the database NULL counts as 0.
    if (auto both = sum_of(set->text.value_or("0"), sum.amount)) {
      set->text = std::move(both);
      return true;
    }
  }
  effect.sums.push_back(sum);
  return true;
}

bool take(Effect& effect, const Effect& later) {
  // An edited text may say this; nothing else does.
  if (effect.update && (effect.remove || effect.make || !effect.sums.empty())) return false;
  if (later.sets.empty() && !later.make && later.sums.size() <= 1)
    return later.sums.empty() || take_sum(effect, later.sums.front());
  Effect copy = effect;
  if ((later.make || !later.sets.empty()) && !take_sets(copy, later)) return false;
  for (const Effect::Sum& sum : later.sums) {
    if (!take_sum(copy, sum)) return false;
  }
  effect = std::move(copy);
  return true;
}

// ---- Values.

enum class Kind : std::uint8_t { kUnknown, kString, kOther };

struct Cell {
  std::string column;
  OptionalText text;
  Kind kind = Kind::kUnknown;  // of JSON; of a column that is null or was never seen: unknown
};

// A row as a value of JSON shows it.
struct Row {
  bool exists = false;
  std::vector<Cell> cells;

  Cell* find(std::string_view column) {
    const auto found = std::ranges::find(cells, column, &Cell::column);
    return found == cells.end() ? nullptr : &*found;
  }
  Cell& cell(std::string_view column) {
    if (Cell* found = find(column)) return *found;
    return cells.emplace_back(std::string(column));
  }
};

bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) && is_json(text);
}

Result<Row> row_of(const std::optional<std::string>& value) {
  Row row;
  row.exists = value.has_value();
  if (!value) return row;
  std::vector<bool> strings;
  auto fields = fields_of_row(*value, &strings);
  if (!fields) return fields.error();
  row.cells.reserve(fields->size());
  for (std::size_t i = 0; i < fields->size(); ++i) {
    auto& [column, text] = (*fields)[i];
    const Kind kind = !text ? Kind::kUnknown : strings[i] ? Kind::kString : Kind::kOther;
    row.cells.push_back({std::move(column), std::move(text), kind});
  }
  return row;
}

std::optional<std::string> value_of(const Row& row) {
  if (!row.exists) return std::nullopt;
  RowJson json;
  for (const Cell& cell : row.cells) {
    if (!cell.text) {
      json.null(cell.column);
    } else if (cell.kind == Kind::kOther) {
      json.json(cell.column, *cell.text);
    } else {
      json.text(cell.column, *cell.text);
    }
  }
  return json.take();
}

Shown shown(const Shape& shape, std::string_view column, Given given, std::string& text) {
  return shape.columns != nullptr ? shape.columns->shown(column, given, text) : Shown::kUnknown;
}

Kind kind_of(Shown shown) {
  return shown == Shown::kString ? Kind::kString : Kind::kOther;
}

void make_row(const Shape& shape, Row& row) {
  if (std::exchange(row.exists, true)) return;
  row.cells.clear();
  for (const auto& [column, given] : shape.key) {
    std::string text = given.value_or("");
    const Shown as = shown(shape, column, Given::kKey, text);
    // A guess: most keys that look like integers are such in the table.
    const bool integer = is_number(text) && integer_of(text).has_value();
    const Kind kind = as != Shown::kUnknown ? kind_of(as) : integer ? Kind::kOther : Kind::kString;
    row.cells.push_back({column, std::move(text), kind});
  }
}

// A number stays a number, true a truth value, an object an object; what can't becomes a string; and the
// other way about, a column of texts keeps holding texts.
Kind kind_after(const Cell& before, const Effect::Set& set) {
  const Kind given = set.from == From::kJsonOther && is_json(*set.text) ? Kind::kOther : Kind::kString;
  if (before.kind == Kind::kString) return Kind::kString;
  if (before.kind == Kind::kUnknown || given == Kind::kOther) return given;
  if (is_number(*before.text)) return is_number(*set.text) ? Kind::kOther : Kind::kString;
  if (*before.text == "true" || *before.text == "false") {
    return *set.text == "true" || *set.text == "false" ? Kind::kOther : Kind::kString;
  }
  // In a column of a JSON type a JSON string is told from what it says.
  return set.from == From::kText && is_json(*set.text) ? Kind::kOther : Kind::kString;
}

void set_column(const Shape& shape, Row& row, const Effect::Set& set) {
  std::string text = set.text.value_or("");
  const Given given = set.from == From::kJsonString ? Given::kJsonString : Given::kText;
  const Shown as = shown(shape, set.column, given, text);
  if (as == Shown::kIgnored) return;
  Cell& cell = row.cell(set.column);
  if (!set.text) {
    cell.text.reset();
    cell.kind = Kind::kUnknown;
    return;
  }
  cell.kind = as == Shown::kUnknown ? kind_after(cell, set) : kind_of(as);
  cell.text = std::move(text);
}

// As a double, which no column of numbers goes beyond in practice.
bool is_finite(std::string_view decimal) {
  double value = 0;
  return std::from_chars(decimal.data(), decimal.data() + decimal.size(), value).ec !=
         std::errc::result_out_of_range;
}

// What a column holds after an addition.
Result<std::string> added(const Shape& shape, const OptionalText& text, const Effect::Sum& sum) {
  const auto refused = [&](std::string_view why) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("column {} {}", sum.column, why)};
  };
  const std::string_view before = text ? std::string_view(*text) : "0";
  const bool whole = integer_of(before).has_value();
  if (shape.kind == ValueKind::kCounter && !whole && !sum.floating)
    return refused("does not hold an integer");
  auto after = sum_of(before, sum.amount);
  if (!after) {
    return refused(whole && integer_of(sum.amount) ? "would overflow 64 bits" : "does not hold a number");
  }
  if (sum.floating && !is_finite(*after)) return refused("would become infinite");
  if (shape.kind == ValueKind::kCounter) return without_trailing_zeros(std::move(*after));
  return std::move(*after);
}

Result<void> apply(const Shape& shape, const Effect& effect, Row& row) {
  // Where the row is there, the database refuses it.
  if (effect.insert && row.exists) return {};
  if (effect.remove) row = Row();
  if (effect.insert || makes_row_before_sums(effect)) make_row(shape, row);
  if (row.exists) {
    for (const Effect::Set& set : effect.sets) set_column(shape, row, set);
  }
  for (const Effect::Sum& sum : effect.sums) {
    make_row(shape, row);
    Cell& cell = row.cell(sum.column);
    auto after = added(shape, cell.text, sum);
    if (!after) return after.error();
    const Shown as = shown(shape, sum.column, Given::kSum, *after);
    if (as != Shown::kUnknown) {
      cell.kind = kind_of(as);
    } else if (cell.kind == Kind::kUnknown) {
      cell.kind = Kind::kOther;
    }
    cell.text = std::move(*after);
  }
  return {};
}

// The same of a text or a counter, of whose row a value shows one column: nothing for no row, or for NULL in
// it.
Result<void> apply(const Shape& shape, const Effect& effect, bool& exists, OptionalText& text) {
  if (effect.insert && exists) return {};
  if (effect.remove) {
    exists = false;
    text.reset();
  }
  exists = exists || effect.insert || makes_row_before_sums(effect);
  if (exists) {
    for (const Effect::Set& set : effect.sets) {
      if (set.column != shape.value_column) continue;
      text = set.text;
      if (text) shown(shape, set.column, Given::kText, *text);
    }
  }
  for (const Effect::Sum& sum : effect.sums) {
    if (sum.column != shape.value_column) continue;
    exists = true;
    auto after = added(shape, text, sum);
    if (!after) return after.error();
    shown(shape, sum.column, Given::kSum, *after);
    text = std::move(*after);
  }
  return {};
}

}  // namespace

Effect effect_of(const Write& write) {
  Effect effect;
  if (const auto* upsert = std::get_if<Upsert>(&write)) {
    effect.insert = upsert->insert;
    effect.make = upsert->fields.empty() && !upsert->insert;
    for (std::size_t i = 0; i < upsert->fields.size(); ++i) {
      const auto& [column, text] = upsert->fields[i];
      From from = From::kText;
      if (i < upsert->strings.size()) {
        from = text && upsert->strings[i] ? From::kJsonString : From::kJsonOther;
      }
      effect.sets.push_back({column, text, from});
    }
  } else if (const auto* update = std::get_if<Update>(&write)) {
    effect.update = !update->create;
    effect.make = update->fields.empty() && update->create;
    for (const auto& [column, text] : update->fields) effect.sets.push_back({column, text});
  } else if (const auto* add = std::get_if<Add>(&write)) {
    effect.sums = std::vector<Effect::Sum>(1);
    effect.sums.front() = {add->field, add->amount, add->floating};
  } else {
    effect.remove = true;
  }
  return effect;
}

Effect effect_of(const Addition& addition) {
  Effect effect;
  effect.sums.push_back({std::string(addition.column), std::to_string(addition.amount), false});
  return effect;
}

std::vector<Write> writes_of(const Effect& effect) {
  std::vector<Write> writes;
  if (effect.remove) writes.emplace_back(Remove{});
  Fields fields;
  std::vector<bool> strings;
  bool any_string = false;
  for (const Effect::Set& set : effect.sets) {
    fields.emplace_back(set.column, set.text);
    strings.push_back(set.from == From::kJsonString);
    any_string = any_string || strings.back();
  }
  if (!any_string) strings.clear();
  if (effect.update) {
    if (!fields.empty()) writes.emplace_back(Update{std::move(fields), false});
  } else if (effect.insert || effect.make || !fields.empty()) {
    writes.emplace_back(Upsert{std::move(fields), std::move(strings), effect.insert});
  }
  for (const Effect::Sum& sum : effect.sums) writes.emplace_back(Add{sum.column, sum.amount, sum.floating});
  return writes;
}

void combine(std::vector<Step>& steps, Effect effect, std::uint64_t seq) {
  const bool alone = stands_alone(effect);
  if (!alone && !effect.remove && !steps.empty() && !stands_alone(steps.back().effect) &&
      take(steps.back().effect, effect)) {
    steps.back().last = seq;
    ++steps.back().ops;
    return;
  }
  Step step{std::move(effect), seq, seq, 1};
  while (!alone && step.effect.remove && !steps.empty() && !stands_alone(steps.back().effect)) {
    step.first = steps.back().first;
    step.ops += steps.back().ops;
    steps.pop_back();
  }
  steps.push_back(std::move(step));
}

namespace {

// The text of the number in an effect that an addition to this column raises, as take_sum() would; null: that
// isn't known without a closer look.
std::string* raised_by(Effect& effect, std::string_view column) {
  if (effect.update || stands_alone(effect)) return nullptr;
  for (Effect::Sum& sum : effect.sums) {
    if (sum.column == column) return &sum.amount;
  }
  Effect::Set* set = find_set(effect, column);
  return set != nullptr && set->from != From::kJsonString && set->text ? &*set->text : nullptr;
}

}  // namespace

void combine(std::vector<Step>& steps, const Addition& addition, std::uint64_t seq) {
  std::string* number = steps.empty() ? nullptr : raised_by(steps.back().effect, addition.column);
  const auto before = number != nullptr ? integer_of(*number) : std::nullopt;
  std::int64_t sum = 0;
  if (!before || __builtin_add_overflow(*before, addition.amount, &sum))
    return combine(steps, effect_of(addition), seq);
  number->assign(Digits(sum).view());
  steps.back().last = seq;
  ++steps.back().ops;
}

bool absolute(const Shape& shape, const Effect& effect) {
  return effect.remove || (shape.kind != ValueKind::kJson && !effect.insert && !effect.update &&
                           sets_column(effect, shape.value_column));
}

bool absolute(const Shape& shape, std::span<const Step> steps) {
  return std::ranges::any_of(steps, [&](const Step& step) { return absolute(shape, step.effect); });
}

namespace {

// `effect_in` finds the effect in each of the parts.
template <class Part, class EffectIn>
Result<std::optional<std::string>> merge_all(const Shape& shape, std::optional<std::string> value,
                                             std::span<const Part> parts, EffectIn effect_in) {
  if (shape.kind != ValueKind::kJson) {
    bool exists = value.has_value();
    for (const Part& part : parts) {
      if (auto applied = apply(shape, std::invoke(effect_in, part), exists, value); !applied)
        return applied.error();
    }
    return value;
  }
  auto row = row_of(value);
  if (!row) return row.error();
  for (const Part& part : parts) {
    if (auto applied = apply(shape, std::invoke(effect_in, part), *row); !applied) return applied.error();
  }
  return value_of(*row);
}

}  // namespace

Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         std::span<const Step> steps) {
  return merge_all(shape, std::move(value), steps, &Step::effect);
}

Result<std::optional<std::string>> merge(const Shape& shape, std::optional<std::string> value,
                                         const Effect& effect) {
  return merge_all(shape, std::move(value), std::span(&effect, 1), std::identity());
}

OptionalText column_of(const Shape& shape, const std::optional<std::string>& value, std::string_view column) {
  if (!value) return std::nullopt;
  if (shape.kind == ValueKind::kJson) {
    auto field = field_of_row(*value, column);
    return field && *field ? std::move(**field) : std::nullopt;
  }
  return column == shape.value_column ? value : std::nullopt;
}

}  // namespace forebay::journal
