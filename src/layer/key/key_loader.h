#pragma once

#include <vector>

#include "layer/key/flight.h"

namespace forebay::layer {

// What writes need of loads. Implemented by the read path.
class KeyLoader {
 public:
  virtual ~KeyLoader() = default;
  // Loads a key for a write that needs its value: `within` gets it, with what is pending, under the key's
  // lock, and `done` follows. Where `done` comes without `within` it has an error, a stale copy because the
  // source fails, or a value to be looked at again, as it has come into memory meanwhile or another write has
  // the turn. Not counted as a request.
  virtual void load_for_write(const KeyRef& at, Within within, ReadCallback done) = 0;
  // Sends flights that waited for an apply (KeyTable::end_apply()).
  virtual void resume(const std::vector<FlightPtr>& flights) = 0;
};

}  // namespace forebay::layer
