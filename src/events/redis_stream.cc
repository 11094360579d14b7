#include "events/redis_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "events/redis_connection.h"
#include "events/stream_position.h"

namespace forebay::events {
namespace {

using resp::Reply;
using std::chrono::milliseconds;

constexpr std::size_t kMostEntries = 100;  // of one answer
// Of one answer, without what is cut. More than a few large entries can have; were one larger, it would be passed over.
constexpr std::size_t kMostReply = std::size_t{64} << 20;

// XINFO STREAM answers a list of names and values.
std::optional<StreamFacts> facts_from(const Reply& reply) {
  StreamFacts facts;
  if (reply.is_error()) {
    if (reply.text.contains("no such key")) return facts;
    return std::nullopt;
  }
  facts.exists = true;
  bool known = false;
  for (std::size_t i = 0; i + 1 < reply.children.size(); i += 2) {
    const std::string& name = reply.children[i].text;
    const Reply& value = reply.children[i + 1];
    if (name == "length") facts.length = static_cast<std::uint64_t>(value.integer);
    if (name == "entries-added") facts.added = static_cast<std::uint64_t>(value.integer);
    if (name == "first-entry" && !value.children.empty())
      facts.first = parse_stream_id(value.children.front().text);
    if (name == "last-generated-id") {
      const auto id = parse_stream_id(value.text);
      known = id.has_value();
      if (id) facts.last_generated = *id;
    }
  }
  if (!known) return std::nullopt;
  return facts;
}

class RedisStream final : public EventSource {
 public:
  RedisStream(config::Events section, config::RedisUrl url, const RedisStreamTimes& times)
      : section_(std::move(section)), url_(std::move(url)), times_(times) {}

  Result<Delivery> next(const CallContext& context) override {
    auto delivery = read(context);
    if (!delivery) {
      // What was read and not delivered is read again.
      connection_.reset();
      position_.rewind();
      // An answer that can't be taken would be the same the next time.
      if (delivery.error().code == ErrorCode::kInvalidArgument) skip_what_is_too_large();
    }
    return delivery;
  }

  void confirm() override { position_.confirm(); }

 private:
  Result<Delivery> read(const CallContext& context) {
    Delivery delivery;
    if (connection_ == nullptr) {
      if (auto connected = connect(context); !connected) return std::move(connected).error();
    }
    if (!started_) {
      auto facts = ask();
      if (!facts) return std::move(facts).error();
      position_.start(*facts);
      started_ = true;
      delivery.gap = why_it_starts_;
      return delivery;
    }
    if (auto taken = take_entries(context.timeout, delivery); !taken) return std::move(taken).error();
    auto facts = ask();
    if (!facts) return std::move(facts).error();
    delivery.gap = position_.missed(*facts);
    if (!delivery.gap.empty()) position_.start(*facts);
    return delivery;
  }

  Result<void> connect(const CallContext& context) {
    resp::ReplyLimits limits;
    limits.max_text = section_.max_message;
    limits.max_bytes = kMostReply;
    auto connection = RedisConnection::open(url_, limits, CallContext{times_.timeout, context.cancel});
    if (!connection) return std::move(connection).error();
    connection_ = std::move(*connection);
    return {};
  }

  Result<StreamFacts> ask() {
    const auto reply = connection_->call({"XINFO", "STREAM", section_.stream}, times_.timeout);
    if (!reply) return reply.error();
    if (const auto facts = facts_from(*reply)) return *facts;
    return Error{ErrorCode::kUnavailable,
                 fmt::format("XINFO STREAM {}: {}", section_.stream,
                             reply->is_error() ? reply->text : std::string("an answer that makes no sense"))};
  }

  Result<void> take_entries(milliseconds wait, Delivery& delivery) {
    const auto reply = connection_->call({"XREAD", "COUNT", std::to_string(most_entries_), "BLOCK",
                                          std::to_string(std::max<std::int64_t>(wait.count(), 1)), "STREAMS",
                                          section_.stream, to_string(position_.last())},
                                         wait + times_.timeout);
    if (!reply) return reply.error();
    if (reply->is_error())
      return Error{ErrorCode::kUnavailable, fmt::format("XREAD {}: {}", section_.stream, reply->text)};
    // [[stream, [[id, [field, value, …]], …]]], or null.
    if (reply->children.empty() || reply->children.front().children.size() != 2) return {};
    for (const Reply& entry : reply->children.front().children[1].children) {
      if (auto added = add(entry, delivery); !added) return added;
    }
    most_entries_ = kMostEntries;
    return {};
  }

  Result<void> add(const Reply& entry, Delivery& delivery) {
    const auto id = entry.children.size() == 2 ? parse_stream_id(entry.children[0].text) : std::nullopt;
    if (!id) return Error{ErrorCode::kUnavailable, "XREAD: an entry that makes no sense"};
    Message message;
    message.fields.emplace();
    const std::vector<Reply>& parts = entry.children[1].children;
    for (std::size_t i = 0; i + 1 < parts.size(); i += 2) {
      message.too_large |= parts[i].cut || parts[i + 1].cut;
      message.fields->emplace_back(parts[i].text, parts[i + 1].text);
    }
    position_.read(*id);
    delivery.messages.push_back(std::move(message));
    return {};
  }

  // First one entry at a time; if a single one is too much, all up to the end is given up, and told of as a gap.
  void skip_what_is_too_large() {
    if (std::exchange(most_entries_, 1) != 1 || !started_) return;
    started_ = false;
    why_it_starts_ = "an entry is too large to be read";
  }

  const config::Events section_;
  const config::RedisUrl url_;
  const RedisStreamTimes times_;
  std::unique_ptr<RedisConnection> connection_;  // null: there is none
  StreamPosition position_;
  bool started_ = false;  // there is a position
  std::string why_it_starts_ = "nobody has read the stream before";
  std::size_t most_entries_ = kMostEntries;
};

}  // namespace

Result<std::unique_ptr<EventSource>> open_redis_stream(const config::Events& section) {
  return open_redis_stream(section, RedisStreamTimes{});
}

Result<std::unique_ptr<EventSource>> open_redis_stream(const config::Events& section,
                                                       const RedisStreamTimes& times) {
  auto url = redis_of(section);
  if (!url) return std::move(url).error();
  return std::make_unique<RedisStream>(section, std::move(*url), times);
}

}  // namespace forebay::events
