#pragma once

#include <cstdint>

#include "forebay/entry.h"
#include "layer/key/key_ref.h"
#include "observe/key_events.h"

namespace forebay::layer {

// Who made a copy what it is.
enum class CopyCause : std::uint8_t {
  kLoaded,   // a load brought it, and there was none, or one with the same value
  kRenewed,  // a load brought it in place of a copy that said something else
  kWritten,  // a write of this node made it
  kEdited,   // a client's command changed a value that has no source
  kRetimed,  // a client's command changed the times of a copy
};

// Is told what becomes of cached copies: what learns from them, explains them, or passes the news on.
//
// CopyStore calls it after the change has been made and before whoever made the change is answered; for keys
// with a source under the key's lock. So the calls about one key come in the order of its changes. A command
// may hold shards of the memory tier meanwhile (EXEC). An observer therefore takes no lock but its own, does
// not call back into the layer, and is brief.
//
// Registered before the first request, and for ever. Thread-safe.
class CopyObserver {
 public:
  virtual ~CopyObserver() = default;
  // Whether it wants to be told what becomes of this key's copy, by stored() and dropped(), when this is the
  // cause. Asked at every change: quick.
  virtual bool wants(std::uint64_t hash, CopyCause cause) const = 0;
  // The copy is this from now on. `bytes`: of the value, as the memory tier counts it.
  virtual void stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes, const Stamp& stamp) = 0;
  // There is no copy any more. `existed`: there was one before.
  virtual void dropped(const KeyRef& at, bool existed) = 0;
  // The key changed, and what was known of it was dropped.
  virtual void invalidated(const KeyRef& at, observe::Invalidation cause, Instant now) = 0;
  // A load answered its readers, and its value was not stored.
  virtual void unstored(const KeyRef& at, observe::Unstored why) = 0;
  // A reader was answered with the copy. Told only while CopyStore::follow_answers() says so.
  virtual void answered(const KeyRef& at, const Stamp& stamp);
  // A reader was answered with a copy that is not fresh any more. Likewise.
  virtual void answered_stale(const KeyRef& at);
  // All copies of a namespace have gone at once.
  virtual void purged(const Namespace& space) = 0;
  // All copies have.
  virtual void cleared() = 0;
};

inline void CopyObserver::answered(const KeyRef& /*at*/, const Stamp& /*stamp*/) {}
inline void CopyObserver::answered_stale(const KeyRef& /*at*/) {}

}  // namespace forebay::layer
