#include "layer/key/observers.h"

#include <algorithm>

#include "memory/entry.h"

namespace forebay::layer {
namespace {

std::uint64_t entry_bytes(std::size_t key_bytes, std::uint64_t value_bytes, const Stamp& stamp) {
  constexpr std::uint64_t kTable = 4;   // of the buckets, an entry's share
  constexpr std::uint64_t kOwner = 48;  // beside a value that is held by reference
  const bool fill = stamp.loaded_at != Instant{} || stamp.load_cost.count() != 0 ||
                    (stamp.fresh_until != kNever && stamp.fresh_until != stamp.expires);
  const bool proof = stamp.version != 0 || stamp.evidence != 0;
  const bool place = stamp.space != 0 || stamp.epoch != 0;
  const bool shared = value_bytes > memory::kInlineMax;
  const bool wide = fill || proof || place || shared || stamp.negative || key_bytes > 31 || value_bytes > 255;
  std::uint64_t block = (stamp.expires == kNever ? 22 : 34) + (wide ? 8 : 0) + (fill ? 20 : 0) +
                        (proof ? 16 : 0) + (place ? 8 : 0) + (shared ? sizeof(Value) : value_bytes) +
                        key_bytes;
  if (block <= memory::Slabs::kLargest) block = memory::Slabs::rounded(block);
  return block + kTable + (shared ? kOwner + value_bytes : 0);
}

}  // namespace

void CurveObserver::stored(const KeyRef& at, CopyCause, std::uint64_t bytes, const Stamp& stamp) {
  // Later the copy may stand in for a source that fails, but whoever reads it then asks the source first.
  const Instant until =
      std::min(stamp.expires, stamp.negative ? stamp.fresh_until
                                             : saturating_add(stamp.fresh_until,
                                                              at.space.config.stale_while_revalidate));
  curves_.stored(at.hash, stamp.space, stamp.epoch, entry_bytes(at.text.size(), bytes, stamp), until);
}

}  // namespace forebay::layer
