#include "events/registry.h"

#include "events/kafka_topic.h"
#include "events/redis_channel.h"
#include "events/redis_stream.h"

namespace forebay::events {
namespace {

struct Row {
  config::EventsKind kind;
  Result<std::unique_ptr<EventSource>> (*open)(const config::Events&);
};

constexpr Row kRows[] = {
    {config::EventsKind::kRedisChannel, open_redis_channel},
    {config::EventsKind::kRedisStream, open_redis_stream},
    {config::EventsKind::kKafka, open_kafka_topic},

};

}  // namespace

Result<std::unique_ptr<EventSource>> open_events(const config::Events& section) {
  for (const Row& row : kRows) {
    if (row.kind == section.kind) return row.open(section);
  }
  return Error{ErrorCode::kConfig, "there is no such kind of events"};
}

}  // namespace forebay::events
