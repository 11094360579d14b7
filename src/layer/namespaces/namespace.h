#pragma once

#include <algorithm>
#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/striped.h"
#include "config/model.h"
#include "forebay/layer.h"
#include "layer/namespaces/feed_state.h"
#include "layer/namespaces/tags.h"
#include "layer/port/source_port.h"
#include "memory/tag_purges.h"

namespace forebay::journal {
struct Place;
}

namespace forebay::layer {

class LoadStage;
class SourceGate;
class WriteStrategy;

// One row for each thing that happens to a request or a load of a namespace: metrics, STATS and EXPLAIN all
// count here.
enum Count : std::size_t {
  kHits,
  kStale,
  kNegative,
  kMisses,
  kErrors,
  kCoalesced,
  kRefreshes,
  kFenced,
  kInvalidations,
  kCounts,
};

// As of when a value is true, in purges: what was purged later has ended it.
struct AsOf {
  std::uint32_t epoch = 0;  // of the namespace
  std::uint64_t tags = 0;   // of all tags (memory/tag_purges.h)
  bool operator==(const AsOf&) const = default;
};

// A namespace at work: its policy, where its values come from, its epoch and its counters. Made when a
// configuration is taken over and kept until the layer ends, so that a pointer to one is always good. A
// namespace whose settings change becomes a new object with a new index, and entries stamped with the old
// index are no longer valid.
struct Namespace {
  NamespaceInfo info;
  config::Namespace config;
  std::vector<std::string> watch_columns;  // of its table: columns that namespaces depend on
  std::shared_ptr<DatasetPort> port;       // null: no source
  std::shared_ptr<LoadStage> loads;        // where its flights go; null: no source
  std::shared_ptr<SourceGate> gate;        // where its writes go; null: no source
  WriteStrategy* writes = nullptr;         // how its keys are written
  // Most keys of a call before it is known what a key costs, if that is less than max_batch.
  std::size_t first_batch = std::numeric_limits<std::size_t>::max();
  Duration load_timeout{};    // hard limit of one call to the source
  Duration caller_timeout{};  // how long a reader waits at most
  // Of a namespace whose entries are members of collections (type = "zset"): that of the collections; and of that
  // one: that of the members. Null: it is neither. Fixed before the first request.
  Namespace* boards = nullptr;
  Namespace* members = nullptr;
  // Not 0: it is that of all keys of another database than the first (base/database_key.h).
  unsigned database = 0;
  // Where its writes behind are appended. Set before the first request; null: no journal, or no source.
  const journal::Place* place = nullptr;

  // Entries carry the epoch at which their load began; raising it invalidates all of them at once (rule T1).
  // Raised with acquire and release, read with acquire: who reads the new epoch sees what was changed before
  // it was raised. 0 to begin with, so that entries of no namespace carry neither until something is flushed.
  std::atomic<std::uint32_t> epoch{0};
  // Changes of unknown keys that the source does not show yet (KeyState has those of known ones): while there
  // are any, loads answer and are not stored. Raised and lowered with release, read with acquire: who sees it
  // raised sees the epoch raised, too.
  std::atomic<std::uint32_t> unsettled{0};
  // What tags its entries get. Fixed before the first request.
  TagTemplates tags;
  const memory::TagPurges* tag_purges = nullptr;  // the memory tier's; null in tests that have no tags
  // Whether clients have tagged keys of it. Relaxed: the memory tier's locks order it with the tags themselves.
  std::atomic<bool> clients_tag{false};
  // Of its source's feed; null: there is none. Set before the first request.
  std::shared_ptr<const FeedState> feed;
  StripedCounters<kCounts> counters;

  // A reload is taking the namespace elsewhere: its writes behind wait until it has (write/behind.h). Relaxed:
  // the locks of the keys order it.
  std::atomic<bool> moving{false};

  // Fixed before the first request. `sole`: no other namespace uses the memory tier, so that its entries need
  // not say whose they are: the epoch is raised only together with Tier::clear(), and a load that began before
  // is kept out when it is stored (CopyStore::store()).
  bool sole = false;
  // Whether entries say when they were loaded and what that took.
  bool notes_loads = true;

  // Whether nothing may be kept for now, as changes of its rows would not be heard of (on_feed_loss = "bypass").
  bool bypassed() const {
    return feed != nullptr && config.on_feed_loss == config::OnFeedLoss::kBypass &&
           !feed->heard.load(std::memory_order_acquire);
  }

  // Whether a copy may not answer any more (max_staleness): it is that long ago that it was known to be right. A copy
  // that a change would have ended is right as of the time up to which all changes are known.
  bool too_old(const Stamp& stamp, Instant now) const {
    if (config.max_staleness.count() == 0) [[likely]]
      return false;
    Instant right = stamp.loaded_at;
    if (feed != nullptr) right = std::max(right, feed->complete_as_of.load(std::memory_order_relaxed));
    return now - right > config.max_staleness;
  }

  bool has_tags() const { return !tags.empty() || clients_tag.load(std::memory_order_relaxed); }
  // As of now: what is read from the source from here on is true as of this.
  AsOf as_of() const {
    return {epoch.load(std::memory_order_acquire), tag_purges == nullptr ? 0 : tag_purges->now()};
  }
  // Whether what is true as of then may be wrong for a reader who comes now. It is if any tag at all was purged
  // since, as it is known only later which tags the value has.
  bool purged_since(const AsOf& then) const {
    return then.epoch != epoch.load(std::memory_order_acquire) ||
           (has_tags() && tag_purges != nullptr && then.tags != tag_purges->now());
  }

  bool owns(const Stamp& stamp) const {
    return sole || (stamp.space == info.index && stamp.epoch == epoch.load(std::memory_order_acquire));
  }
  // For an entry of this namespace, with the epoch at which the value was true.
  Stamp stamp(std::uint32_t of_epoch, Instant loaded_at) const {
    Stamp stamp;
    if (!sole) {
      stamp.space = info.index;
      stamp.epoch = of_epoch;
    }
    if (notes_loads) stamp.loaded_at = loaded_at;
    return stamp;
  }
  // The namespace on its own table, for messages.
  const std::string& name() const { return info.name; }
};

}  // namespace forebay::layer
