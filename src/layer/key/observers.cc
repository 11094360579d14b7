#include "layer/key/observers.h"

#include <algorithm>

#include "memory/entry.h"
#include "memory/table.h"

namespace forebay::layer {

std::uint64_t entry_bytes(std::size_t key_bytes, std::uint64_t value_bytes, const Stamp& stamp) {
  return memory::Entry::charge_of(key_bytes, value_bytes, stamp) + memory::Table::kBytesPerEntry;
}

void CurveObserver::stored(const KeyRef& at, CopyCause, std::uint64_t bytes, const Stamp& stamp) {
  // Later the copy may stand in for a source that fails, but whoever reads it then asks the source first.
  const Instant until =
      std::min(stamp.expires,
               stamp.negative ? stamp.fresh_until
                              : saturating_add(stamp.fresh_until, at.space.config.stale_while_revalidate));
  curves_.stored(at.hash, stamp.space, stamp.epoch, entry_bytes(at.text.size(), bytes, stamp), until);
}

}  // namespace forebay::layer
