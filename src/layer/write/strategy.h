#pragma once

// How the keys of a namespace are written: one strategy, one pair of files, one row in registry.cc.

#include <functional>
#include <optional>
#include <string_view>

#include "layer/key/key_ref.h"

namespace forebay::layer {

// Stateless between calls but for what it keeps of writes that wait. Thread-safe. Callbacks run once, without
// any lock of the layer.
class WriteStrategy {
 public:
  virtual ~WriteStrategy() = default;

  // Returns whether the write is in effect, as Layer::write() does.
  virtual bool write(const KeyRef& at, Write write, WriteCallback done, const WriteOptions& options) = 0;
  // A whole value as a client sends it: a JSON object for rows, text otherwise.
  virtual bool write_value(const KeyRef& at, std::string_view value, WriteCallback done,
                           const WriteOptions& options);
  // As Layer's calls of these names. Nothing: write() is the call for it.
  virtual std::optional<Result<WriteAnswer>> write_at_once(const KeyRef&, const Write&, Instant,
                                                           const WriteOptions&) {
    return std::nullopt;
  }
  virtual std::optional<Result<WriteAnswer>> write_value_at_once(const KeyRef&, std::string_view, Instant,
                                                                 const WriteOptions&) {
    return std::nullopt;
  }
  virtual std::optional<AddAnswer> add_at_once(const KeyRef&, std::int64_t, Instant) { return std::nullopt; }
};

// Writes behind of a key that the source has to have before another write of it goes there.
class EarlierWrites {
 public:
  virtual ~EarlierWrites() = default;
  virtual bool pending(const KeyRef& at) const = 0;
  // Answers true once the source has what is pending for the key now; false if that will not be.
  virtual void after_flush(const KeyRef& at, std::move_only_function<void(bool)> done) = 0;
};

// Where a write goes whose namespace may have been replaced since it was routed.
class WriteDoor {
 public:
  virtual ~WriteDoor() = default;
  // By the configuration in force. Borrows the key.
  virtual KeyRef route(std::string_view key) const = 0;
  // Routes the key anew, and writes it as the configuration in force says.
  virtual void write_anew(std::string_view key, Write write, WriteCallback done,
                          const WriteOptions& options) = 0;
};

// The write that a whole value comes to, in a namespace that writes its source.
Result<Upsert> upsert_of(const Namespace& space, std::string_view value);

}  // namespace forebay::layer
