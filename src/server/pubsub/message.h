#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "forebay/value.h"
#include "resp/output.h"
#include "resp/writer.h"

namespace forebay::server {

struct Pattern;

// What a client may subscribe to. Shard channels have names of their own; patterns match plain channels.
enum class Topic : std::uint8_t { kChannel, kPattern, kShard };
inline constexpr std::size_t kTopics = 3;

// One published message on its way to the event loops that have subscribers. Immutable, so all loops share it.
struct Message {
  Topic topic = Topic::kChannel;  // kChannel or kShard
  std::string channel;
  Value payload;
  // The plain channel's patterns that have subscribers and match it.
  std::vector<std::shared_ptr<const Pattern>> patterns;
  // Broker's numbers: subscriptions that were made later don't get it.
  std::uint64_t number = 0;          // of the channel
  std::uint64_t pattern_number = 0;  // of the patterns

  // What a subscriber of the channel, or of the pattern, is sent.
  resp::Output encode(resp::Protocol protocol) const;
  resp::Output encode(resp::Protocol protocol, const Pattern& pattern) const;

  // Bytes that it keeps in memory while it waits for a loop.
  std::size_t bytes() const { return sizeof *this + channel.size() + payload.view().size(); }
};

}  // namespace forebay::server
