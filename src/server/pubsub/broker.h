#pragma once

// Brings published messages to the event loops that have subscribers.
//
// The broker knows how many subscribers of a channel each loop has, and no clients: each loop's outlet knows
// its own. A message is made once and goes to a loop's mailbox once, however many of its clients want it; the
// loop encodes it once for each protocol that they speak.
//
// Order: a message is put into all mailboxes under its channel's lock, so all subscribers of a channel see its
// messages in one order, and what one publisher sends comes in the order in which it was sent. A message whose
// PUBLISH has been answered comes before any that is published after that. A loop's own subscribers are
// reached by its mailbox, too, or they would be ahead.
//
// A subscription gets exactly the messages that were published after it: both take their numbers under the
// same lock.
//
// Thread-safe; its locks are leaves, but for those of the mailboxes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "forebay/function_ref.h"
#include "server/pubsub/loop_counts.h"
#include "server/pubsub/message.h"
#include "server/pubsub/pattern_index.h"
#include "server/resp/mailbox.h"

namespace forebay::server {

class Outlet;

class Broker {
 public:
  struct Published {
    std::size_t receivers = 0;
    // A loop that has more messages waiting than it should; null: none. Who can wait with the next message
    // until that loop has delivered this one does.
    std::shared_ptr<Mailbox> behind = nullptr;
  };

  // A loop's outlet gets its number, which it gives with its subscriptions. Before the first loop runs; the
  // outlet stays until the last loop has ended.
  std::uint32_t join(Outlet& outlet);

  // `topic`: kChannel or kShard.
  Published publish(Topic topic, std::string_view channel, std::string_view payload);

  // A client of the loop subscribes; returns the subscription's number: messages with larger ones are for it.
  std::uint64_t subscribe(Topic topic, std::string_view name, std::uint32_t loop);
  void unsubscribe(Topic topic, std::string_view name, std::uint32_t loop);

  // How many channels, shard channels or patterns somebody is subscribed to. O(1) for patterns.
  std::size_t size(Topic topic) const;
  // How many clients are subscribed to the channel; not those whose patterns match it.
  std::size_t clients(Topic topic, std::string_view channel) const;
  // Visits the channels that somebody is subscribed to. `visit` is called with a lock held: no call back.
  void for_each(Topic topic, FunctionRef<void(std::string_view)> visit) const;

 private:
  struct alignas(64) Shard {
    mutable Mutex mutex;
    std::unordered_map<std::string, LoopCounts, StringHash, std::equal_to<>> channels GUARDED_BY(mutex);
    std::uint64_t number GUARDED_BY(mutex) = 0;
  };
  static constexpr std::size_t kShards = 64;
  using Shards = std::array<Shard, kShards>;

  Shards& shards(Topic topic) { return topic == Topic::kShard ? sharded_ : plain_; }
  const Shards& shards(Topic topic) const { return topic == Topic::kShard ? sharded_ : plain_; }
  Shard& shard(Topic topic, std::string_view channel) { return shards(topic)[hash_bytes(channel) % kShards]; }
  const Shard& shard(Topic topic, std::string_view channel) const {
    return shards(topic)[hash_bytes(channel) % kShards];
  }

  std::vector<Outlet*> outlets_;  // fixed once loops run
  Shards plain_;
  Shards sharded_;
  PatternIndex patterns_;
};

}  // namespace forebay::server
