#pragma once

// What happens to a read, for the server and the C++ library alike: memory answers where the namespace's
// windows allow that, and the source where they don't.
//
// Thread-safe. Callbacks run without any lock of the layer.

#include <string_view>

#include "layer/read/loads.h"
#include "layer/read/memory_view.h"
#include "observe/miss_ratio_curve.h"

namespace forebay::layer {

class ReadPath {
 public:
  // Everything is borrowed.
  ReadPath(CopyStore& copies, KeyTable& keys, const MemoryView& memory, Loads& loads,
           observe::MissRatioCurves& curves, const Clock& clock)
      : copies_(copies), keys_(keys), memory_(memory), loads_(loads), curves_(curves), clock_(clock) {}

  // As Layer's calls of these names. `level`: kAny or kFresh (read-your-writes has been decided by the
  // caller).
  LookUp look_up(const KeyRef& at, Instant now, FunctionRef<void(const EntryView&)> visit);
  void read(const KeyRef& at, Level level, ReadCallback done);
  void load(const KeyRef& at, Level level, ReadCallback done) {
    load(at, level, clock_.now(), std::move(done));
  }

  // A look-up for who wants the value only: as bytes or as a (non-null) Value. Defined in
  // layer/read/look_up.h.
  using VisitBytes = FunctionRef<void(std::string_view bytes, const Value* shared)>;
  [[gnu::always_inline]] LookUp look_up_bytes(Namespace& space, std::string_view key, Instant now,
                                              VisitBytes visit);

 private:
  LookUp look_up_any_bytes(const KeyRef& at, Instant now, VisitBytes visit);
  void load(const KeyRef& at, Level level, Instant now, ReadCallback done);
  // What a look-up says of a key that isn't there.
  LookUp missed(Namespace& space, std::uint64_t hash, Instant now);
  // To be called once for each read that counts (kHits … kErrors), before what it leads to is stored.
  void note_read(const Namespace& space, std::uint64_t hash, Instant now) {
    if (curves_.sampled(hash)) [[unlikely]]
      curves_.read(hash, space.info.index, space.epoch.load(std::memory_order_acquire), now);
  }

  CopyStore& copies_;
  KeyTable& keys_;
  const MemoryView& memory_;
  Loads& loads_;
  observe::MissRatioCurves& curves_;
  const Clock& clock_;
};

}  // namespace forebay::layer
