#pragma once

// Replies of the Redis protocol (RESP2 and RESP3) as a small tree, for clients: the command line, tests, a
// remote tier.
//
// The parser takes bytes as they arrive and keeps what it needs of them, so the caller needs no buffer of its
// own. A server is as little to be trusted as a client: nothing is allocated for announced sizes, and depth,
// number of nodes and bytes of one reply are bounded.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/result.h"

namespace forebay::resp {

enum class ReplyKind : std::uint8_t {
  kNull,      // RESP3's null and both of RESP2's
  kSimple,    // text
  kError,     // text, from a simple or a bulk error
  kInteger,   // integer
  kBulk,      // text, any bytes
  kReal,      // real
  kBoolean,   // integer 0 or 1
  kBig,       // text: a big number's digits
  kVerbatim,  // text, without its three-letter format
  kArray,
  kSet,
  kPush,  // children
  kMap,   // children: key, value, key, value, …
};

struct Reply {
  ReplyKind kind = ReplyKind::kNull;
  std::string text;
  std::int64_t integer = 0;
  double real = 0;
  std::vector<Reply> children;
  bool cut = false;  // the text was longer than ReplyLimits::max_text, and has not been kept

  bool is_error() const { return kind == ReplyKind::kError; }
};

struct ReplyLimits {
  std::size_t max_bytes = std::size_t{512} << 20;  // of all texts of one reply
  std::size_t max_nodes = 4'000'000;               // of one reply
  std::size_t max_depth = 32;
  // Longer texts are passed over, and count for nothing (Reply::cut). No bound: what is too long ends the connection.
  std::size_t max_text = std::numeric_limits<std::size_t>::max();
};

// Not thread-safe. Reusable for any number of replies; unusable after an Error.
class ReplyParser {
 public:
  explicit ReplyParser(const ReplyLimits& limits = {}) : limits_(limits) {}

  // Takes bytes off the front of `bytes` until a reply is complete or there are none left. True: complete,
  // call take(); bytes that remain belong to the next reply. Attributes (RESP3) are parsed and dropped. An
  // Error (kInvalidArgument) says what was wrong with the stream.
  Result<bool> feed(std::string_view& bytes);

  // The complete reply. Requires that feed() returned true; at most once each time.
  Reply take();

  // Whether some of a reply has arrived and the rest has not.
  bool in_progress() const { return !stack_.empty() || !line_.empty() || text_remaining_ > 0; }

 private:
  struct Open {
    Reply reply;
    std::size_t remaining;  // children still to come
    bool attribute;
  };

  Result<bool> head();
  Result<bool> aggregate(ReplyKind kind, std::int64_t count, bool attribute);
  Result<bool> finish(Reply reply);
  Result<bool> text(ReplyKind kind, std::int64_t length);

  ReplyLimits limits_;
  std::string line_;                // the head being read
  Reply partial_;                   // the bulk being read
  std::size_t text_remaining_ = 0;  // bytes of it still to come, CRLF included
  std::size_t bytes_ = 0, nodes_ = 0;
  std::vector<Open> stack_;
  Reply done_;
};

}  // namespace forebay::resp
