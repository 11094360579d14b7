#include "source/postgres/keys.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::source::postgres {
namespace {

// Fields in one string, each behind its length: ("ab", "c") and ("a", "bc") differ.
std::string joined(std::span<const std::string> fields) {
  std::string out;
  for (const std::string& field : fields) {
    out += std::to_string(field.size());
    out += ':';
    out += field;
  }
  return out;
}

// A character that the database's own encoding doesn't have, which may happen to any text where that isn't
// UTF-8.
bool is_encoding_error(std::string_view sqlstate) {
  return sqlstate == "22021" || sqlstate == "22P05";
}

// Input that a type's reader rejects: invalid text, number out of range, date malformed or out of range, bad
// byte sequence.
bool is_input_error(std::string_view sqlstate) {
  for (const std::string_view state : {"22P02", "22003", "22007", "22008", "22P03"}) {
    if (sqlstate == state) return true;
  }
  return is_encoding_error(sqlstate);
}

}  // namespace

Result<KeyBatch> KeyBatch::make(std::span<const Type> types, std::span<const KeyFields> keys) {
  KeyBatch batch(types, keys);
  batch.by_text_.reserve(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const KeyFields& fields = keys[i];
    if (fields.size() != types.size()) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("a key has {} fields, not {}", fields.size(), types.size())};
    }
    bool possible = true;
    for (std::size_t f = 0; f < fields.size(); ++f) possible &= may_be_plain_text(types[f], fields[f]);
    if (!possible) continue;
    const auto [at, added] = batch.by_text_.try_emplace(joined(fields), batch.asked_.size());
    if (added) {
      batch.asked_.push_back(i);
      batch.places_.emplace_back();
    }
    batch.places_[at->second].push_back(i);
  }
  return batch;
}

std::vector<OptionalText> KeyBatch::arrays() const {
  std::vector<OptionalText> arrays;
  arrays.reserve(types_.size());
  for (std::size_t f = 0; f < types_.size(); ++f) {
    std::string literal = "{";
    for (const std::size_t key : asked_) append_array_element(literal, types_[f], keys_[key][f]);
    literal += '}';
    arrays.emplace_back(std::move(literal));
  }
  return arrays;
}

std::optional<std::size_t> KeyBatch::find(std::span<const std::string> fields) const {
  const auto found = by_text_.find(joined(fields));
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

void KeyBatch::drop_if(FunctionRef<bool(const KeyFields&)> unwanted) {
  KeyBatch rest(types_, keys_);
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    const KeyFields& fields = keys_[asked_[i]];
    if (unwanted(fields)) continue;
    rest.by_text_.emplace(joined(fields), rest.asked_.size());
    rest.asked_.push_back(asked_[i]);
    rest.places_.push_back(std::move(places_[i]));
  }
  *this = std::move(rest);
}

bool KeyBatch::may_be_to_blame(const Failure& failure) const {
  if (is_encoding_error(failure.sqlstate)) return true;
  return is_input_error(failure.sqlstate) && !std::ranges::all_of(types_, well_known);
}

Outcome<bool> KeyBatch::drop_unreadable(Connection& connection, const Call& call) {
  std::string sql = "SELECT ";
  for (std::size_t f = 0; f < types_.size(); ++f) {
    sql += fmt::format("{}${}::{}", f == 0 ? "" : ", ", f + 1, types_[f].cast);
  }
  std::vector<std::size_t> readable;
  std::vector<std::vector<std::size_t>> places;
  std::unordered_map<std::string, std::size_t> by_text;
  for (std::size_t i = 0; i < asked_.size(); ++i) {
    const KeyFields& fields = keys_[asked_[i]];
    std::vector<OptionalText> parameters;
    for (std::size_t f = 0; f < fields.size(); ++f) {
      auto bound = parameter(types_[f], fields[f]);
      if (bound) parameters.emplace_back(std::move(*bound));
    }
    if (parameters.size() != fields.size()) continue;
    auto read = connection.execute(sql, parameters, call);
    if (!read && !is_input_error(read.error().sqlstate)) return std::unexpected(read.error());
    if (!read) continue;
    by_text.emplace(joined(fields), readable.size());
    readable.push_back(asked_[i]);
    places.push_back(std::move(places_[i]));
  }
  const bool dropped = readable.size() < asked_.size();
  asked_ = std::move(readable);
  places_ = std::move(places);
  by_text_ = std::move(by_text);
  return dropped;
}

}  // namespace forebay::source::postgres
