#pragma once

// A source's own change log (forebay/change_log.h) as a feed: it is read in the database itself, so what it tells of is
// shown.

#include <chrono>
#include <span>

#include "feed/feed.h"
#include "forebay/change_log.h"

namespace forebay::feed {

class ChangeLogFeed final : public Feed {
 public:
  struct Options {
    std::chrono::milliseconds interval{50};   // between two looks
    std::chrono::milliseconds timeout{2000};  // of one look
  };
  // Borrows both.
  ChangeLogFeed(Options options, ChangeLog& log, const Clock& clock)
      : options_(options), log_(log), clock_(clock) {}

  Result<void> watch(std::span<const WatchedTable> tables) override { return log_.watch_columns(tables); }
  Result<Delivery> next(const CallContext& context) override;
  std::chrono::milliseconds rest() const override { return options_.interval; }

 private:
  const Options options_;
  ChangeLog& log_;
  const Clock& clock_;
};

}  // namespace forebay::feed
