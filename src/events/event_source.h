#pragma once

// Where applications say what has changed: a channel, a stream, a topic. To add a kind: a pair here, a row in registry.cc
// and in config/events_section.cc.
//
// Used by one thread, that of an EventReader. A call that fails leaves the source fit for the next one, which connects
// anew; how long to wait between is the reader's business.

#include <string>
#include <vector>

#include "events/message.h"
#include "forebay/dataset.h"
#include "forebay/result.h"

namespace forebay::events {

struct Delivery {
  // Why messages before these may have been missed; empty: none was. The first delivery of all has one, as nobody has
  // listened before. It says so only once the source listens: what is said from then on will be delivered.
  std::string gap;
  std::vector<Message> messages;
};

class EventSource {
 public:
  virtual ~EventSource() = default;
  // Waits for messages, for as long as the context's timeout; none is no error. A cancelled call returns soon. Memory is
  // bounded: kMostMessages, or as many as come to kMostBytes and one more.
  virtual Result<Delivery> next(const CallContext& context) = 0;
  // All that has been delivered has been done: after a break the source goes on from here.
  virtual void confirm() {}
  // What a person must see to, one sentence each.
  virtual std::vector<std::string> warnings() const { return {}; }

  // Of one delivery.
  static constexpr std::size_t kMostMessages = 500;
  static constexpr std::size_t kMostBytes = std::size_t{8} << 20;
};

}  // namespace forebay::events
