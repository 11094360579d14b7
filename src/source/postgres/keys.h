#pragma once

// The keys of one load: which of them can have an answer at all, and the array parameters that ask for those.
//
// A key whose fields are not the plain text of a value of their types (types.h) is absent and is never sent,
// so that it can't make the server refuse the statement which it shares with others. Where only the server
// knows (an enum, a date, an extension's type), the statement is tried, and if the server refuses it the keys
// are given to it to be read and for nothing else, halved until those that it can't read are known.

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
  // Asks the server whether it can read one of asked().
  Outcome<bool> can_read(std::size_t asked, Connection& connection, const Call& call) const;
  // Asks the server which keys it can read, and drops the others. Returns whether it dropped any. One statement
  // if all can be read, else twice log2 of the keys for each that can't.
  Outcome<bool> drop_unreadable(Connection& connection, const Call& call);

 private:
  // `some`: places in asked_.
  std::string casts(std::string_view suffix) const;
  std::vector<OptionalText> arrays_of(std::span<const std::size_t> some) const;
  Outcome<void> find_readable(Connection& connection, const std::string& sql,
                              std::span<const std::size_t> some, const Call& call,
                              std::vector<std::size_t>& readable) const;

  KeyBatch(std::span<const Type> types, std::span<const KeyFields> keys) : types_(types), keys_(keys) {}

  std::span<const Type> types_;
  std::span<const KeyFields> keys_;
  std::vector<std::size_t> asked_;
  std::vector<std::vector<std::size_t>> places_;          // like asked_
  std::unordered_map<std::string, std::size_t> by_text_;  // all fields in one string -> place in asked_
};

}  // namespace forebay::source::postgres
