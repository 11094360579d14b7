#pragma once

#include <utility>

#include "layer/key/copy_store.h"
#include "layer/key/key_table.h"

namespace forebay::layer {

// Makes a value the cached copy without a source call: what a program or a client says that the value is.
// Loads in progress are fenced. Thread-safe.
inline CopyStore::Outcome put_copy(CopyStore& copies, KeyTable& keys, const KeyRef& at, NewCopy&& copy,
                                   Instant now) {
  CopyStore::Outcome outcome;
  copy.as_of = at.space.as_of();
  copy.loaded_at = now;
  keys.change(at, {}, Visible::kYes, [&] { outcome = copies.store(at, std::move(copy), now); });
  return outcome;
}

}  // namespace forebay::layer
