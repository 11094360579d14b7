#include "server/hash_upkeep.h"

#include <string>
#include <utility>
#include <vector>

#include "memory/collection/fields.h"
#include "server/resp/commands/hashes_plain.h"

namespace forebay::server {

void HashUpkeep::run(Layer& layer, Instant now) {
  if (!walks_) {
    const std::uint64_t expected = expected_.load(std::memory_order_relaxed);
    if (expected == known_ && !met_) return;
    known_ = expected;
    met_ = false;
    walks_ = true;
  }
  const std::int64_t now_ms = layer.clock().to_wall_ms(now);
  std::vector<std::string> due;
  cursor_ = layer.scan(cursor_, kKeys, now, [&](const EntryView& entry) {
    if (!is_collection(entry, CollectionKind::kHash)) return;
    Collection all(entry.bytes());
    const auto first = memory::Fields(all).first_end();
    if (!first) return;
    met_ = true;
    if (*first <= now_ms) due.emplace_back(entry.key());
  });
  for (const std::string& key : due) plain::drop_ended_fields(layer, key, now, kFields);
  walks_ = cursor_ != 0;
}

}  // namespace forebay::server
