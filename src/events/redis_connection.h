#pragma once

// A blocking connection to a Redis server, for a thread of its own: RESP2 over TCP, without TLS.
//
// Not thread-safe, but for the cancellation. An Error is about the connection, which is of no further use then: kUnavailable,
// kTimeout, kCancelled, or kInvalidArgument for bytes that are no reply, or one larger than is kept.

#include <chrono>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/model.h"
#include "config/redis_url.h"
#include "forebay/dataset.h"
#include "forebay/result.h"
#include "resp/reply_parser.h"

namespace forebay::events {

// Where a section's Redis is, its password included.
Result<config::RedisUrl> redis_of(const config::Events& section);

class RedisConnection {
 public:
  using milliseconds = std::chrono::milliseconds;

  // Connects, logs in and selects the database. `context`: its timeout is for each step of that; its token, if there is one,
  // is the connection's own as long as it lives: cancelled, every wait ends. Looking up a host's name can't be cancelled.
  static Result<std::unique_ptr<RedisConnection>> open(const config::RedisUrl& url,
                                                       const resp::ReplyLimits& limits,
                                                       const CallContext& context);
  ~RedisConnection();
  RedisConnection(const RedisConnection&) = delete;
  RedisConnection& operator=(const RedisConnection&) = delete;

  // Sends one command, waiting as long as open() did at most.
  Result<void> send(std::initializer_list<std::string_view> arguments);
  // The next reply; nothing: none came in time.
  Result<std::optional<resp::Reply>> receive(milliseconds timeout);
  // Sends a command and waits for its reply. An error that the server replies is a Reply.
  Result<resp::Reply> call(std::initializer_list<std::string_view> arguments, milliseconds timeout);

  // When bytes came last, on the system's monotonic clock.
  std::chrono::steady_clock::time_point heard_at() const { return heard_at_; }

 private:
  RedisConnection(std::string peer, const resp::ReplyLimits& limits, const CallContext& context);
  Result<void> connect(const config::RedisUrl& url);
  Result<void> begin(const config::RedisUrl& url);
  // Waits until the socket is ready for poll()'s `events`. False: not in time.
  Result<bool> wait_for(short events, milliseconds timeout);
  Error failure(std::string_view doing, int error) const;

  const std::string peer_;  // for messages
  const milliseconds timeout_;
  CancelToken* const cancel_;
  int socket_ = -1;
  int wake_ = -1;  // an eventfd that is readable once the call is cancelled
  std::chrono::steady_clock::time_point heard_at_;
  std::vector<char> in_;       // where bytes are received
  std::string_view unparsed_;  // those of in_ that the parser has not seen
  resp::ReplyParser parser_;
};

}  // namespace forebay::events
