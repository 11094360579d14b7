#pragma once

// ReadPath::look_up_bytes(): how Cache<Key, Value> reads, the common case as one piece of code down to the
// entry's bytes.

#include "base/hash_inline.h"
#include "layer/read/read_path.h"
#include "memory/tier_inline.h"

namespace forebay::layer {

inline LookUp ReadPath::look_up_bytes(Namespace& space, std::string_view key, Instant now, VisitBytes visit) {
  using Answer = memory::Tier::SmallAnswer;
  const std::uint64_t hash = hash_key(key);
  // Where the tier is this namespace's alone, an entry that says of itself no more than when it expires is a
  // value, and fresh as long as it is there.
  const Answer answer =
      space.sole
          ? copies_.tier().find_small(hash, key, now, [&](std::string_view bytes) { visit(bytes, nullptr); })
          : Answer::kUndecided;
  switch (answer) {
    case Answer::kHit:
      space.counters.add(kHits);
      note_read(space, hash, now);
      return LookUp::kAnswered;
    case Answer::kMiss:
      return missed(space, hash, now);
    case Answer::kUndecided:
      break;
  }
  return look_up_any_bytes({space, key, hash}, now, visit);
}

}  // namespace forebay::layer
