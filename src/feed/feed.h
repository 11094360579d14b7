#pragma once

// The seam for feeds: where changes come from that somebody else made.
//
// A feed follows one source's log. It delivers committed changes in the log's order, and is told up to which position
// everything that follows from them has been done. What comes twice does no harm.
//
// To add one: a pair of files here, and a row in registry.cc and in config/source_kind.h.

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "forebay/change_log.h"
#include "forebay/clock.h"
#include "forebay/result.h"

namespace forebay::feed {

struct Change {
  RowChange row;
  // What Feed::shown() knows the change's transaction by. 0: the source shows the change already.
  std::uint64_t transaction = 0;
};

struct Delivery {
  // Changes were missed before these, and nobody can say which: why. Empty: none were.
  std::string gap;
  std::vector<Change> changes;  // oldest first
  // For Feed::confirm(), once all of these and all before them has been done. 0: nothing new.
  std::uint64_t position = 0;
  // All that was committed before this has been delivered by now. Nothing: not known.
  std::optional<Instant> complete_as_of;
};

// Not thread-safe but for watch(), which another thread may call while next() runs.
class Feed {
 public:
  virtual ~Feed() = default;

  // Which tables' changes are wanted from now on, in place of those before. kConfig: the source was asked, and can't
  // tell of them as it is set up now; the message says what mends it. A source that can't be reached is no error: it is
  // asked again when the feed begins.
  virtual Result<void> watch(std::span<const WatchedTable> tables) = 0;

  // Waits for changes, at most the context's timeout; none by then is not an error. After an Error the next call goes
  // on where this one stopped, or says that there is a gap.
  virtual Result<Delivery> next(const CallContext& context) = 0;

  // How long to wait before next() is called again, if that does not wait itself.
  virtual std::chrono::milliseconds rest() const { return {}; }

  // For each transaction that was delivered: whether all who read the source from now on see it.
  virtual Result<std::vector<bool>> shown(std::span<const std::uint64_t> transactions,
                                          const CallContext& context);
  // Nothing up to here has to be delivered again.
  virtual void confirm(std::uint64_t position);
  // How often Delivery::complete_as_of is wanted at least. Thread-safe.
  virtual void prove_every(std::chrono::milliseconds /*interval*/) {}
  // Whether it tells of all changes of all tables that are wanted.
  virtual bool follows_all() const { return true; }
  // Whether the source may lose commits that it has shown to readers, when it crashes.
  virtual bool may_lose_commits() const { return false; }
  // What a person must see to, one sentence each: tables that it can't tell of, a log that is soon lost.
  virtual std::vector<std::string> warnings() const { return {}; }
};

inline Result<std::vector<bool>> Feed::shown(std::span<const std::uint64_t> transactions,
                                             const CallContext& /*context*/) {
  return std::vector<bool>(transactions.size(), true);
}
inline void Feed::confirm(std::uint64_t /*position*/) {}

}  // namespace forebay::feed
