#pragma once

// Requests of the Redis protocol, taken from a stream of bytes as they arrive.
//
// The caller keeps the bytes; the parser keeps positions. parse() is given everything that follows the last
// complete request, from its first byte, each time some more has arrived; the bytes may have moved in memory
// meanwhile. What was looked at once is not looked at again, so a request that arrives in n pieces costs
// O(bytes + n).
//
// The peer is hostile: nothing is allocated for what it announces, only for what has arrived (one view per
// argument, and the text of a quoted inline request). How the stream is cut into pieces never changes the
// outcome.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace forebay::resp {

struct RequestLimits {
  std::size_t max_bulk = std::size_t{64} << 20;    // bytes of one argument
  std::size_t max_arguments = 1'000'000;           // of one request, name included
  std::size_t max_inline = std::size_t{64} << 10;  // bytes of an inline request's line
  // The peer has not given its password yet: at most kUnauthenticatedArguments of kUnauthenticatedBulk bytes.
  bool authenticated = true;

  static constexpr std::size_t kUnauthenticatedArguments = 10;
  static constexpr std::size_t kUnauthenticatedBulk = 16 * 1024;
};

enum class RequestStatus : std::uint8_t {
  kIncomplete,  // call again with more bytes
  kComplete,    // args() and size() describe the request; args() is empty for one that asks nothing (an empty
                // line, *0)
  kError,       // error() says why; the stream can't be resumed
  kForeign,     // the peer speaks HTTP or TLS, or is a browser lured here: close without a word
};

// Not thread-safe. Reusable for any number of requests, one after the other.
class RequestParser {
 public:
  // After kComplete the next call starts the next request, whose first byte must be `bytes`'s first.
  RequestStatus parse(std::string_view bytes, const RequestLimits& limits);

  // Views into the bytes given last (or into the parser, for quoted inline arguments). Valid until parse() is
  // called again or those bytes move.
  std::span<const std::string_view> args() const { return args_; }
  // How many bytes the complete request took.
  std::size_t size() const { return position_; }
  // The text for the error reply, "ERR Protocol error: …". Requires kError. Valid until the next parse().
  std::string_view error() const { return error_; }

  // Forgets a request of which some has been parsed, and memory beyond what ordinary requests need.
  void reset();

 private:
  enum class State : std::uint8_t { kStart, kArgumentHead, kArgument };

  RequestStatus parse_inline(std::string_view bytes, const RequestLimits& limits);
  RequestStatus parse_multibulk(std::string_view bytes, const RequestLimits& limits);
  RequestStatus split_inline(std::string_view line);
  RequestStatus fail(std::string_view text);
  void start();

  State state_ = State::kStart;
  bool finished_ = true;        // the last call completed a request
  std::size_t position_ = 0;    // parsed up to here
  std::size_t scanned_ = 0;     // no line end before this
  std::size_t remaining_ = 0;   // arguments still to come
  std::size_t length_ = 0;      // of the argument being read
  const char* base_ = nullptr;  // where the bytes were when args_ was filled
  std::vector<std::string_view> args_;
  std::string unquoted_;  // the text of quoted inline arguments
  std::string error_;
};

}  // namespace forebay::resp
