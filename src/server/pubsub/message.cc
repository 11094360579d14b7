#include "server/pubsub/message.h"

#include "server/pubsub/pattern_index.h"

namespace forebay::server {

resp::Output Message::encode(resp::Protocol protocol) const {
  resp::Output output;
  resp::Writer writer(output, protocol);
  writer.push(3);
  writer.bulk(topic == Topic::kShard ? std::string_view("smessage") : std::string_view("message"));
  writer.bulk(std::string_view(channel));
  writer.bulk(payload);
  return output;
}

resp::Output Message::encode(resp::Protocol protocol, const Pattern& pattern) const {
  resp::Output output;
  resp::Writer writer(output, protocol);
  writer.push(4);
  writer.bulk(std::string_view("pmessage"));
  writer.bulk(std::string_view(pattern.text));
  writer.bulk(std::string_view(channel));
  writer.bulk(payload);
  return output;
}

}  // namespace forebay::server
