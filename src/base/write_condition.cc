#include "base/write_condition.h"

#include <charconv>
#include <limits>
#include <string_view>

namespace forebay {
namespace {

double number_of(const OptionalText& text, double otherwise) {
  if (!text) return otherwise;
  std::string_view digits = *text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  double number = 0;
  const auto [end, wrong] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return wrong == std::errc() && end == digits.data() + digits.size() ? number : otherwise;
}

// What the column comes to.
double after(const Write& write, const OptionalText& before) {
  if (const auto* add = std::get_if<Add>(&write)) return number_of(before, 0) + number_of(add->amount, 0);
  const auto* update = std::get_if<Update>(&write);
  return update == nullptr || update->fields.empty() ? 0 : number_of(update->fields.front().second, 0);
}

}  // namespace

const WriteCondition* condition_of(const Write& write) {
  const std::optional<WriteCondition>* condition = nullptr;
  if (const auto* update = std::get_if<Update>(&write)) condition = &update->condition;
  if (const auto* add = std::get_if<Add>(&write)) condition = &add->condition;
  return condition != nullptr && *condition ? &**condition : nullptr;
}

bool holds(const WriteCondition& condition, const Write& write, bool exists, const OptionalText& before) {
  if (!exists) return condition.row != WriteCondition::Row::kPresent;
  if (condition.row == WriteCondition::Row::kAbsent) return false;
  if (condition.than == WriteCondition::Than::kAny) return true;
  const bool adds = std::holds_alternative<Add>(write);
  const double old = number_of(before, adds ? 0 : -std::numeric_limits<double>::infinity());
  return condition.than == WriteCondition::Than::kGreater ? after(write, before) > old
                                                          : after(write, before) < old;
}

}  // namespace forebay
