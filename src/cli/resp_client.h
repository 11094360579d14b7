#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"
#include "resp/reply_parser.h"

namespace forebay::cli {

// A blocking client of a server that speaks the Redis protocol, for the command line. Not thread-safe.
//
// An Error is about the connection (kUnavailable, kTimeout, or kInvalidArgument for bytes that are no reply);
// after one the client is of no further use. An error that the server replies is an ordinary Reply of kind
// kError.
class RespClient {
 public:
  // `timeout` limits connecting and, later, each wait for the server to take or send bytes; zero or less: no
  // limit.
  static Result<RespClient> connect(const std::string& host, std::uint16_t port,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(5));
  // The same from `host:port` or `[ipv6]:port`, as the configuration writes it.
  static Result<RespClient> connect(std::string_view address,
                                    std::chrono::milliseconds timeout = std::chrono::seconds(5));
  RespClient(RespClient&& other) noexcept;
  RespClient& operator=(RespClient&& other) noexcept;
  ~RespClient();

  // Sends one command and waits for its reply.
  Result<resp::Reply> call(std::span<const std::string_view> arguments);
  Result<resp::Reply> call(std::initializer_list<std::string_view> arguments);

  // Pipelining: any number of append(), one send(), as many receive().
  void append(std::span<const std::string_view> arguments);
  void append(std::initializer_list<std::string_view> arguments);
  Result<void> send();
  Result<resp::Reply> receive();

 private:
  RespClient(int socket, std::string peer, std::chrono::milliseconds timeout);
  // Waits until the socket is ready for poll()'s `events`.
  Result<void> wait_for(short events);

  int socket_ = -1;
  std::chrono::milliseconds timeout_;
  std::string peer_;           // for messages
  std::string out_;            // commands not yet sent
  std::vector<char> in_;       // where bytes are received
  std::string_view unparsed_;  // those of in_ that the parser has not seen
  resp::ReplyParser parser_;
};

}  // namespace forebay::cli
