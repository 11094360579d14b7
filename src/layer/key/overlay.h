#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "forebay/value.h"
#include "layer/key/key_ref.h"

namespace forebay::layer {

// Writes of a key that its source does not have yet, laid over what is read from the source, so that every
// answer and every copy includes every write that was taken. The read path asks; write-behind answers.
//
// Called under the key's lock. Thread-safe, and does not block.
class Overlay {
 public:
  virtual ~Overlay() = default;

  // Whether the key's writes are being applied: a transaction with some of them has been sent, and whether a
  // load saw it can't be known.
  virtual bool applying(const KeyRef& at) const = 0;
  // Why nobody can say what the key is: it has pending writes of a journal that may not be used (a copy of one that may
  // be in use, say), so neither the source's row nor that with the writes is the truth. Nothing: all is well.
  virtual std::optional<Error> refusal(const KeyRef& at) const = 0;
  // Makes a value that was loaded (nothing: no row) what it is with the key's pending writes. Requires that
  // none is being applied.
  virtual void lay(const KeyRef& at, const KeyFields& fields, std::optional<Value>& value) const = 0;
  // The keys with pending writes that begin with this text. O(keys with pending writes, whatever they begin with).
  virtual std::vector<std::string> pending(std::string_view prefix) const = 0;
  // What the key's pending writes come to whatever the source holds: a value, or no row. Nothing: that
  // depends on the source, or none is pending.
  virtual std::optional<std::optional<Value>> alone(const KeyRef& at) const = 0;
};

// Where nothing is written behind.
class NoOverlay final : public Overlay {
 public:
  bool applying(const KeyRef&) const override { return false; }
  std::optional<Error> refusal(const KeyRef&) const override { return std::nullopt; }
  void lay(const KeyRef&, const KeyFields&, std::optional<Value>&) const override {}
  std::vector<std::string> pending(std::string_view) const override { return {}; }
  std::optional<std::optional<Value>> alone(const KeyRef&) const override { return std::nullopt; }
};

}  // namespace forebay::layer
