#include "layer/noted.h"

#include <algorithm>

#include "memory/entry.h"
#include "memory/table.h"

namespace forebay::layer {

std::uint64_t entry_bytes(std::size_t key_bytes, std::uint64_t value_bytes, const Stamp& stamp) {
  return memory::Entry::charge_of(key_bytes, value_bytes, stamp) + memory::Table::kBytesPerEntry;
}

void note_write(observe::MissRatioCurves& curves, const Space& space, std::string_view key,
                std::uint64_t hash, std::uint64_t bytes, const Stamp& stamp, PutOutcome outcome) {
  if (!curves.sampled(hash)) return;
  switch (outcome) {
    case PutOutcome::kStored: {
      // Later it may stand in for a source that fails, but whoever reads it then asks the source first.
      const Instant until =
          std::min(stamp.expires,
                   stamp.negative ? stamp.fresh_until
                                  : saturating_add(stamp.fresh_until, space.config.stale_while_revalidate));
      return curves.stored(hash, stamp.space, stamp.epoch, entry_bytes(key.size(), bytes, stamp), until);
    }
    case PutOutcome::kKept:  // erased
    case PutOutcome::kTooLarge:
      return curves.dropped(hash);
    case PutOutcome::kFull:
      return;
  }
}

}  // namespace forebay::layer
