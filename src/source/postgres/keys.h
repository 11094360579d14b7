#pragma once

// The keys of one load: which of them can have an answer at all, and the array parameters that ask for those.
//
// A key whose fields are not the plain text of a value of their types (types.h) is absent and is never sent,
// so that it can't make the server refuse the statement which it shares with others. Where only the server
// knows (an enum, a date), the statement is tried, and if the server objects to some input each key is tried
// alone.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "forebay/function_ref.h"
#include "forebay/source.h"
#include "source/postgres/connection.h"
#include "source/postgres/types.h"

namespace forebay::source::postgres {

class KeyBatch {
 public:
  // kInvalidArgument: a key with another number of fields than there are types. `types` and `keys` are
  // borrowed.
  static Result<KeyBatch> make(std::span<const Type> types, std::span<const KeyFields> keys);

  // The keys to ask for, each once, as places in `keys`.
  const std::vector<std::size_t>& asked() const { return asked_; }
  // One array literal a field.
  std::vector<OptionalText> arrays() const;
  // The places in `keys` of those that are equal to one of asked(), itself included.
  const std::vector<std::size_t>& places(std::size_t asked) const { return places_[asked]; }
  // Which of asked() has these fields as plain text; nothing if none has.
  std::optional<std::size_t> find(std::span<const std::string> fields) const;

  // Drops keys, which then have no answer. Before anything is asked.
  void drop_if(FunctionRef<bool(const KeyFields&)> unwanted);

  // Whether a failure may come from a key's text, so that drop_unreadable() is worth a try.
  bool may_be_to_blame(const Failure& failure) const;
  // Asks the server about each key alone and drops those that it can't read. Returns whether it dropped any.
  Outcome<bool> drop_unreadable(Connection& connection, const Call& call);

 private:
  KeyBatch(std::span<const Type> types, std::span<const KeyFields> keys) : types_(types), keys_(keys) {}

  std::span<const Type> types_;
  std::span<const KeyFields> keys_;
  std::vector<std::size_t> asked_;
  std::vector<std::vector<std::size_t>> places_;          // like asked_
  std::unordered_map<std::string, std::size_t> by_text_;  // all fields in one string -> place in asked_
};

}  // namespace forebay::source::postgres
