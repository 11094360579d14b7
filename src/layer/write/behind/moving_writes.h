#pragma once

// The writes of namespaces that a reload is taking elsewhere: they wait until it has, and then go where the
// configuration in force says.

#include <string>
#include <vector>

#include "base/mutex.h"
#include "layer/key/key_table.h"
#include "layer/write/strategy.h"

namespace forebay::layer {

// Thread-safe; a leaf lock, but begin() passes all keys' locks.
class MovingWrites {
 public:
  // Borrowed.
  MovingWrites(KeyTable& keys, WriteDoor& door) : keys_(keys), door_(door) {}

  // From here on writes of these namespaces come to keep(): none is being taken any more when this returns.
  void begin(const std::vector<Namespace*>& spaces);
  // Lets them go. `replaced`: those namespaces are not in force any more, and are never written to again.
  void end(const std::vector<Namespace*>& spaces, bool replaced);

  // Keeps a write, or sends it on at once if the move has just ended.
  void keep(std::string_view key, Write write, WriteCallback done, std::string_view op_id);

 private:
  struct Kept {
    std::string key;
    Write write;
    WriteCallback done;
    std::string op_id;
  };

  KeyTable& keys_;
  WriteDoor& door_;
  Mutex mutex_;
  std::size_t moves_ GUARDED_BY(mutex_) = 0;  // begun and not ended
  std::vector<Kept> kept_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
