#include "source/mysql/keys.h"

#include <fmt/format.h>

#include <algorithm>

namespace forebay::source::mysql {

std::string joined(const KeyFields& fields) {
  std::string out;
  for (const std::string& field : fields) {
    out += std::to_string(field.size());
    out += ':';
    out += field;
  }
  return out;
}

std::vector<Parameter> parameters_of(std::span<const Type> types, const KeyFields& key) {
  std::vector<Parameter> out;
  for (std::size_t f = 0; f < types.size(); ++f)
    out.push_back(parameter(types[f], key[f]).value_or(Parameter()));
  return out;
}

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

std::optional<std::size_t> KeyBatch::find(const KeyFields& fields) const {
  const auto found = by_text_.find(joined(fields));
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

std::vector<Parameter> KeyBatch::parameters(std::size_t first, std::size_t count, std::size_t room) const {
  std::vector<Parameter> out;
  out.reserve(room * types_.size());
  for (std::size_t i = 0; i < room; ++i) {
    const std::size_t place = asked_[first + std::min(i, count - 1)];
    for (Parameter& one : parameters_of(types_, keys_[place])) out.push_back(std::move(one));
  }
  return out;
}

}  // namespace forebay::source::mysql
