#pragma once

#include <gtest/gtest.h>

#include <string>

#include "config/key_template.h"
#include "events/event_source.h"
#include "support/redis_server.h"

namespace forebay::events {

using namespace std::chrono_literals;

// A source on a real Redis, asked step by step.
class OnRedis : public testing::Test {
 protected:
  config::Events section() const {
    config::Events section;
    section.name = "orders";
    section.url = redis.url();
    section.channel = section.stream = "orders";
    section.max_message = 1024;
    return section;
  }

  // What the next delivery that brings anything is: "gap" or "gap:reason", then the messages; or "! error". Deliveries
  // without anything are passed over.
  static std::string next(EventSource& source) {
    for (int i = 0; i < 200; ++i) {
      auto delivery = source.next(CallContext{100ms, nullptr});
      if (!delivery) return "! " + delivery.error().message;
      if (delivery->gap.empty() && delivery->messages.empty()) continue;
      source.confirm();
      return shown(*delivery);
    }
    return "(nothing)";
  }
  static std::string shown(const Delivery& delivery) {
    std::string text = delivery.gap.empty() ? "" : "gap ";
    for (const Message& message : delivery.messages) {
      text += message.too_large ? "(too large) " : message.text;
      for (const auto& [name, value] :
           message.fields.value_or(std::vector<std::pair<std::string, std::string>>{}))
        text += name + "=" + (message.too_large ? "" : value) + " ";
    }
    return text;
  }

  test::RedisServer redis;
};

}  // namespace forebay::events
