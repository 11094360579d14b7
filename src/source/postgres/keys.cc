#include "source/postgres/keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

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
  std::vector<std::size_t> all(asked_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  return arrays_of(all);
}

std::vector<OptionalText> KeyBatch::arrays_of(std::span<const std::size_t> some) const {
  std::vector<OptionalText> arrays;
  arrays.reserve(types_.size());
  for (std::size_t f = 0; f < types_.size(); ++f) {
    std::string literal = "{";
    for (const std::size_t place : some) append_array_element(literal, types_[f], keys_[asked_[place]][f]);
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
  // Which SQLSTATE a type's reader has for a text that it can't read is up to the type.
  if (failure.lost || failure.sqlstate.empty() || failure.error.code != ErrorCode::kRefused) return false;
  return !std::ranges::all_of(types_, well_known);
}

Outcome<void> KeyBatch::find_readable(Connection& connection, const std::string& sql,
                                      std::span<const std::size_t> some, const Call& call,
                                      std::vector<std::size_t>& readable) const {
  auto read = connection.execute(sql, arrays_of(some), call);
  if (!read && !may_be_to_blame(read.error())) return std::unexpected(read.error());
  if (read) {
    readable.insert(readable.end(), some.begin(), some.end());
  } else if (some.size() > 1) {
    const std::size_t half = some.size() / 2;
    for (const auto part : {some.first(half), some.subspan(half)}) {
      if (auto found = find_readable(connection, sql, part, call, readable); !found) return found;
    }
  }
  return {};
}

std::string KeyBatch::casts(std::string_view suffix) const {
  std::string sql = "SELECT ";
  for (std::size_t f = 0; f < types_.size(); ++f)
    sql += fmt::format("{}${}::{}{}", f == 0 ? "" : ", ", f + 1, types_[f].cast, suffix);
  return sql;
}

Outcome<bool> KeyBatch::can_read(std::size_t asked, Connection& connection, const Call& call) const {
  const KeyFields& fields = keys_[asked_[asked]];
  std::vector<OptionalText> parameters;
  for (std::size_t f = 0; f < fields.size(); ++f) {
    auto bound = parameter(types_[f], fields[f]);
    if (!bound) return false;
    parameters.emplace_back(std::move(*bound));
  }
  const std::string sql = casts("");
  auto read = connection.execute(sql, parameters, call);
  if (read) return true;
  if (!may_be_to_blame(read.error())) return std::unexpected(read.error());
  // Not the type itself?
  auto nothing = connection.execute(sql, std::vector<OptionalText>(fields.size()), call);
  if (!nothing) return std::unexpected(nothing.error());
  return false;
}

Outcome<bool> KeyBatch::drop_unreadable(Connection& connection, const Call& call) {
  const std::string sql = casts("[]");
  std::vector<std::size_t> all(asked_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  std::vector<std::size_t> readable;
  if (auto found = find_readable(connection, sql, all, call, readable); !found)
    return std::unexpected(found.error());
  if (readable.size() == asked_.size()) return false;
  if (readable.empty()) {  // not the type itself?
    auto nothing = connection.execute(sql, arrays_of({}), call);
    if (!nothing) return std::unexpected(nothing.error());
  }
  std::vector<std::size_t> asked;
  std::vector<std::vector<std::size_t>> places;
  by_text_.clear();
  for (const std::size_t place : readable) {
    by_text_.emplace(joined(keys_[asked_[place]]), asked.size());
    asked.push_back(asked_[place]);
    places.push_back(std::move(places_[place]));
  }
  asked_ = std::move(asked);
  places_ = std::move(places);
  return true;
}

}  // namespace forebay::source::postgres
