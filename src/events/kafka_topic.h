#pragma once

// A topic of Kafka, by librdkafka. Messages are JSON; one without a value (a tombstone) makes no sense here.
//
// Every node has to hear everything, so without `group` the node takes all partitions for itself, from their present ends
// on, and no offset is kept anywhere: what its memory holds begins anew with it. Partitions that are added are noticed by a
// look every few seconds, and read from their first message.
//
// With `group` the brokers assign the partitions and keep the offsets, each of which is handed over once what it stands for
// is done. A partition that comes to this node is a gap, as nobody here has listened to it; one that goes to another member
// is said, as this node does not hear of it any more: the group has to be the node's own.
//
// The brokers keep the messages, so a break is no gap. One whose offset is not there any more is.

#include <chrono>
#include <memory>

#include "events/event_source.h"

namespace forebay::events {

struct KafkaTimes {
  std::chrono::milliseconds timeout{3000};  // of one question to the brokers, which can't be cancelled
  std::chrono::milliseconds join{
      10'000};  // how long a group may take to assign partitions for the first time
  std::chrono::milliseconds look_every{2000};  // for new partitions, and whether the brokers are there
};

// kConfig: librdkafka refuses a setting.
Result<std::unique_ptr<EventSource>> open_kafka_topic(const config::Events& section);
Result<std::unique_ptr<EventSource>> open_kafka_topic(const config::Events& section, const KafkaTimes& times);

}  // namespace forebay::events
