#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "feed/change_sink.h"
#include "feed/feed.h"
#include "forebay/clock.h"

namespace forebay::feed {

// Reads a feed on a thread of its own and tells a sink what it says.
//
// A log may tell of a change before the source shows it: on PostgreSQL while the commit waits for a synchronous standby.
// So a change is reported at once, and settled when the source was asked and shows it. A position is confirmed when all
// up to it is settled.
//
// A feed that fails is asked again, at growing intervals. That it has begun to fail is logged, and that it works again,
// not each failure. Until it works again the sink knows that changes are not heard of.
//
// Memory: at most kMostUnsettled changes wait to be settled one by one; of a transaction that brings more the rest counts
// as a change of its whole tables.
class FeedReader {
 public:
  struct Options {
    std::string source;                       // its name
    std::chrono::milliseconds wait{50};       // for the next changes; and between two attempts
    std::chrono::milliseconds timeout{2000};  // of one question to the source
  };
  enum class Run : std::uint8_t { kThread, kSteps };  // kSteps: nothing happens but in step()
  // `sink` and `clock` are borrowed and outlive the reader.
  FeedReader(Options options, std::unique_ptr<Feed> feed, ChangeSink& sink, const Clock& clock,
             Run run = Run::kThread);
  ~FeedReader();  // settles what is unsettled: nobody else would

  // As Feed::watch(). Thread-safe.
  Result<void> watch(std::span<const WatchedTable> tables) { return feed_->watch(tables); }

  // As Feed::prove_every(). Thread-safe.
  void prove_every(std::chrono::milliseconds interval) { feed_->prove_every(interval); }

  // Thread-safe.
  struct Stats {
    std::string source;
    bool heard = false;      // it works, as far as is known
    double lag_seconds = 0;  // all that was committed longer ago has been done
    std::uint64_t changes = 0;
    std::uint64_t gaps = 0;
    std::uint64_t unsettled = 0;  // changes that wait for the source to show them
    std::string failure;          // why it isn't heard
    std::vector<std::string> warnings;
  };
  Stats stats() const;

  // One round. Returns how long to wait before the next one.
  std::chrono::milliseconds step();

  static constexpr std::size_t kMostUnsettled = 100'000;

 private:
  // What one delivery brought, until all of it is settled.
  struct Batch {
    struct Waiting {
      std::uint64_t transaction;
      std::unique_ptr<ChangeSink::Unsettled> change;
    };
    std::vector<Waiting> waiting;
    std::uint64_t position = 0;
    std::optional<Instant> complete_as_of;
  };

  void run();
  void take(Delivery delivery);
  void report(Batch& batch, Change change);
  Result<void> settle();
  void finish_settled();
  void fail(const Error& error);
  void works();

  const Options options_;
  const std::unique_ptr<Feed> feed_;
  ChangeSink& sink_;
  const Clock& clock_;

  // The reading thread's.
  std::deque<Batch> batches_;  // oldest first
  std::size_t waiting_ = 0;    // changes in them
  std::set<std::pair<std::uint64_t, std::string>>
      whole_;  // transactions and tables of which more came than is kept
  std::chrono::milliseconds pause_{0};
  std::chrono::milliseconds look_again_{0};
  bool begun_ = false;      // it has worked or failed at least once
  bool delivered_ = false;  // it has worked

  // Relaxed: figures for people.
  std::atomic<Instant> known_at_;
  std::atomic<std::uint64_t> changes_{0}, gaps_{0}, unsettled_{0};

  mutable Mutex mutex_;
  Condition wake_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  bool heard_ GUARDED_BY(mutex_) = false;
  std::string failure_ GUARDED_BY(mutex_);
  std::vector<std::string> warnings_ GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace forebay::feed
