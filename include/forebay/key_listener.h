#pragma once

// Who is told what becomes of keys: a program, or a front, that keeps values outside of the layer.

#include <cstdint>
#include <string_view>

#include "forebay/clock.h"

namespace forebay {

struct NamespaceInfo;

enum class KeyChange : std::uint8_t {
  kStored,     // it has another value
  kRetimed,    // another time at which it ends
  kPersisted,  // it has no such time any more
  kDropped,    // it was deleted, or the copy of it is no longer true
  kChanged,    // the same where there was no copy: whoever has an older answer must forget it
  kExpired,
  kEvicted,
  // Somebody has been answered with what is not the key's copy: a stale value, or one that was not stored. Who
  // keeps that answer will not be told when it changes.
  kDoubtful,
};

// Layer::listen(). Called after the change and before whoever made it is answered, by any thread, with locks of
// the layer held: brief, does not block, no call back into the layer. Calls about one key come in the order of
// its changes.
//
// The rule for who keeps values: note the key first, and read it then. A change that comes between a read and a
// note that is made later is told to nobody. It may be told without need; it is never missing.
class KeyListener {
 public:
  virtual ~KeyListener() = default;
  virtual void changed(const NamespaceInfo& space, std::string_view key, KeyChange how) = 0;
  // The key's copy is the truth until then, and nobody is told when that moment passes.
  virtual void fresh_until(const NamespaceInfo& space, std::string_view key, Instant until) = 0;
  // All copies of the namespace have gone.
  virtual void purged(const NamespaceInfo& space) = 0;
  // All keys have.
  virtual void cleared() = 0;
};

}  // namespace forebay
