#pragma once

// The keys of one load: which of them can have an answer at all, each once.
//
// A key whose fields are not the plain text of a value of their types (types.h) is absent and is never sent: the
// database would take `abc` for the number 0.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "forebay/dataset.h"
#include "source/mysql/types.h"

namespace forebay::source::mysql {

class KeyBatch {
 public:
  // kInvalidArgument: a key with another number of fields than there are types. Both are borrowed.
  static Result<KeyBatch> make(std::span<const Type> types, std::span<const KeyFields> keys);

  // The keys to ask for, as places in `keys`.
  const std::vector<std::size_t>& asked() const { return asked_; }
  // The places in `keys` of those that are equal to one of asked(), itself included.
  const std::vector<std::size_t>& places(std::size_t asked) const { return places_[asked]; }
  // Which of asked() has these fields; nothing if none has.
  std::optional<std::size_t> find(const KeyFields& fields) const;
  // The parameters of `count` keys from asked()[first] on, in a statement for `room` of them: the last one is
  // repeated.
  std::vector<Parameter> parameters(std::size_t first, std::size_t count, std::size_t room) const;

 private:
  KeyBatch(std::span<const Type> types, std::span<const KeyFields> keys) : types_(types), keys_(keys) {}

  std::span<const Type> types_;
  std::span<const KeyFields> keys_;
  std::vector<std::size_t> asked_;
  std::vector<std::vector<std::size_t>> places_;          // like asked_
  std::unordered_map<std::string, std::size_t> by_text_;  // all fields in one string -> place in asked_
};

// A key's fields as parameters. Requires that each may_be_plain_text().
std::vector<Parameter> parameters_of(std::span<const Type> types, const KeyFields& key);

// A key's fields in one string, each behind its length: ("ab", "c") and ("a", "bc") differ.
std::string joined(const KeyFields& fields);

}  // namespace forebay::source::mysql
