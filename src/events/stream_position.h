#pragma once

// Whether a reader of a Redis stream has seen everything. No sockets: it compares what XINFO STREAM says with what was read.
//
// A stream may be trimmed, entries of it deleted, or the whole of it replaced, while nobody reads or faster than somebody
// reads. Redis 7 counts the entries that were ever added: whoever has read up to the newest has missed some exactly if they
// were more than those read. Where more are still to be read than are known, the answer waits. An older server does not
// count; there a first entry that is newer than the last one read means that some may be gone.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay::events {

struct StreamId {
  std::uint64_t ms = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const StreamId&) const = default;
};

// "1526919030474-55"; nothing: it is no id.
std::optional<StreamId> parse_stream_id(std::string_view text);
std::string to_string(const StreamId& id);

// What XINFO STREAM says.
struct StreamFacts {
  bool exists = false;
  StreamId last_generated;
  std::uint64_t length = 0;
  std::optional<StreamId> first;       // the id of the first entry; none: there is no entry
  std::optional<std::uint64_t> added;  // entries that were ever added; none: an old server
};

// Not thread-safe. O(1).
class StreamPosition {
 public:
  // From the stream's end on.
  void start(const StreamFacts& facts);
  // An entry was delivered.
  void read(const StreamId& id);
  // What was delivered has been done; after a break, on from there.
  void confirm() { confirmed_ = at_; }
  void rewind() { at_ = confirmed_; }

  const StreamId& last() const { return at_.last; }
  // Why entries were missed; empty: none was, or it can't be said yet.
  std::string missed(const StreamFacts& facts) const;

 private:
  struct Point {
    StreamId last;            // read, or the newest that there was at the start
    std::uint64_t count = 0;  // of entries added up to it; of no meaning without counts_
  };

  Point at_;
  Point confirmed_;
  bool counts_ = false;  // the server counts
};

}  // namespace forebay::events
