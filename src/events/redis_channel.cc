#include "events/redis_channel.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "events/redis_connection.h"

namespace forebay::events {
namespace {

using std::chrono::milliseconds;

class RedisChannel final : public EventSource {
 public:
  RedisChannel(config::Events section, config::RedisUrl url, const RedisChannelTimes& times)
      : section_(std::move(section)), url_(std::move(url)), times_(times) {}

  Result<Delivery> next(const CallContext& context) override {
    Delivery delivery;
    if (connection_ == nullptr) {
      if (auto subscribed = subscribe(context); !subscribed) return std::move(subscribed).error();
      delivery.gap = "the channel keeps nothing for who does not listen";
      // What is delivered with it comes with the next call: the gap is not to wait for a message.
      return delivery;
    }
    if (auto received = receive(context, delivery); !received) {
      connection_.reset();
      // What came before the break is not lost with it: the next call fails again, or connects.
      if (delivery.messages.empty()) return std::move(received).error();
    }
    return delivery;
  }

 private:
  Result<void> subscribe(const CallContext& context) {
    resp::ReplyLimits limits;
    limits.max_text = section_.max_message;
    limits.max_nodes = 1000;
    auto connection = RedisConnection::open(url_, limits, CallContext{times_.timeout, context.cancel});
    if (!connection) return std::move(connection).error();
    const auto reply = (*connection)->call({"SUBSCRIBE", section_.channel}, times_.timeout);
    if (!reply) return reply.error();
    if (reply->is_error())
      return Error{ErrorCode::kUnavailable, fmt::format("the server refuses to subscribe: {}", reply->text)};
    connection_ = std::move(*connection);
    pinged_ = false;
    return {};
  }

  Result<void> receive(const CallContext& context, Delivery& delivery) {
    auto wait = std::min(context.timeout, times_.ping_after);
    std::size_t bytes = 0;
    while (delivery.messages.size() < kMostMessages && bytes < kMostBytes) {
      auto reply = connection_->receive(wait);
      if (!reply) return std::move(reply).error();
      if (!*reply) break;
      pinged_ = false;
      bytes += add(std::move(**reply), delivery);
      wait = milliseconds(0);  // for what is there already
    }
    return look_after_it();
  }

  // ["message", channel, text]; pongs are passed over. Returns the bytes that it has added.
  static std::size_t add(resp::Reply reply, Delivery& delivery) {
    if (reply.children.size() != 3 || reply.children[0].text != "message") return 0;
    Message message;
    message.too_large = reply.children[2].cut;
    message.text = std::move(reply.children[2].text);
    delivery.messages.push_back(std::move(message));
    return delivery.messages.back().text.size();
  }

  Result<void> look_after_it() {
    const auto silent = std::chrono::steady_clock::now() - connection_->heard_at();
    if (silent >= times_.dead_after)
      return Error{ErrorCode::kTimeout,
                   fmt::format("{}:{} has said nothing for {} ms, not even to a PING", url_.host, url_.port,
                               std::chrono::duration_cast<milliseconds>(silent).count())};
    if (silent < times_.ping_after || std::exchange(pinged_, true)) return {};
    return connection_->send({"PING"});
  }

  const config::Events section_;
  const config::RedisUrl url_;
  const RedisChannelTimes times_;
  std::unique_ptr<RedisConnection> connection_;  // null: there is none
  bool pinged_ = false;                          // and nothing has come since
};

}  // namespace

Result<std::unique_ptr<EventSource>> open_redis_channel(const config::Events& section) {
  return open_redis_channel(section, RedisChannelTimes{});
}

Result<std::unique_ptr<EventSource>> open_redis_channel(const config::Events& section,
                                                        const RedisChannelTimes& times) {
  auto url = redis_of(section);
  if (!url) return std::move(url).error();
  return std::make_unique<RedisChannel>(section, std::move(*url), times);
}

}  // namespace forebay::events
