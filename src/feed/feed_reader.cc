#include "feed/feed_reader.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace forebay::feed {
namespace {

using std::chrono::milliseconds;

// How soon the source is asked again whether it shows a change: a commit that waits is usually over soon.
constexpr milliseconds kLookFirst{1};
constexpr milliseconds kLookMost{50};
constexpr milliseconds kPauseMost{2000};

}  // namespace

FeedReader::FeedReader(Options options, std::unique_ptr<Feed> feed, ChangeSink& sink, const Clock& clock,
                       Run run)
    : options_(std::move(options)),
      feed_(std::move(feed)),
      sink_(sink),
      clock_(clock),
      known_at_(clock.now()) {
  if (run == Run::kThread) thread_ = std::thread([this] { this->run(); });
}

FeedReader::~FeedReader() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  for (Batch& batch : batches_) {
    for (Batch::Waiting& waiting : batch.waiting) waiting.change->settle();
  }
}

FeedReader::Stats FeedReader::stats() const {
  Stats stats;
  stats.source = options_.source;
  stats.lag_seconds =
      std::chrono::duration<double>(clock_.now() - known_at_.load(std::memory_order_relaxed)).count();
  stats.changes = changes_.load(std::memory_order_relaxed);
  stats.gaps = gaps_.load(std::memory_order_relaxed);
  stats.unsettled = unsettled_.load(std::memory_order_relaxed);
  MutexLock lock(mutex_);
  stats.heard = heard_;
  stats.failure = failure_;
  stats.warnings = warnings_;
  return stats;
}

void FeedReader::run() {
  for (;;) {
    const milliseconds pause = step();
    MutexLock lock(mutex_);
    if (pause.count() > 0 && !stopping_) {
      const Instant until = std::chrono::steady_clock::now() + pause;
      wake_.wait_until(mutex_, until, [this]() NO_THREAD_SAFETY_ANALYSIS { return stopping_; });
    }
    if (stopping_) return;
  }
}

milliseconds FeedReader::step() {
  // While a change waits to be shown, the source is asked soon.
  const milliseconds wait = waiting_ > 0 ? std::min(look_again_, options_.wait) : options_.wait;
  auto delivery = feed_->next(CallContext{wait, nullptr});
  if (!delivery) {
    fail(delivery.error());
  } else {
    works();
    take(std::move(*delivery));
    pause_ = milliseconds(0);
  }
  // Also while the log can't be read: what was reported is to be settled as soon as it can be.
  if (auto settled = settle(); !settled && delivery) {
    fail(settled.error());
    delivery = settled.error();
  }
  finish_settled();
  if (delivery) return feed_->rest();
  pause_ = std::clamp(pause_ * 2, options_.wait, kPauseMost);
  return pause_;
}

void FeedReader::take(Delivery delivery) {
  // Before the first delivery nobody has heard of anything: what was loaded meanwhile is dropped, and that is all.
  if (!delivery.gap.empty() && !delivered_) {
    sink_.lost(options_.source);
  } else if (!delivery.gap.empty()) {
    gaps_.fetch_add(1, std::memory_order_relaxed);
    spdlog::warn(
        "feed of source '{}': changes may have been missed ({}): what was cached of its tables is dropped",
        options_.source, delivery.gap);
    sink_.lost(options_.source);
  }
  delivered_ = true;
  Batch batch;
  for (Change& change : delivery.changes) report(batch, std::move(change));
  changes_.fetch_add(delivery.changes.size(), std::memory_order_relaxed);
  if (!batch.waiting.empty()) look_again_ = kLookFirst;
  batch.position = delivery.position;
  batch.complete_as_of = delivery.complete_as_of;
  batches_.push_back(std::move(batch));
}

void FeedReader::report(Batch& batch, Change change) {
  if (change.transaction == 0) return sink_.changed(options_.source, change.row);
  if (waiting_ >= kMostUnsettled) {
    if (!whole_.emplace(change.transaction, change.row.table).second) return;
    change.row.images = {};
    change.row.whole_table = true;
  }
  batch.waiting.push_back(
      {change.transaction, sink_.reported(options_.source, change.row, change.transaction)});
  ++waiting_;
}

// Asks once for all transactions that wait.
Result<void> FeedReader::settle() {
  std::vector<std::uint64_t> asked;
  for (const Batch& batch : batches_) {
    for (const Batch::Waiting& waiting : batch.waiting) {
      if (asked.empty() || asked.back() != waiting.transaction) asked.push_back(waiting.transaction);
    }
  }
  std::ranges::sort(asked);
  asked.erase(std::ranges::unique(asked).begin(), asked.end());
  if (asked.empty()) return {};
  look_again_ = std::min(look_again_ * 2, kLookMost);
  const auto shown = feed_->shown(asked, CallContext{options_.timeout, nullptr});
  if (!shown) return shown.error();
  const auto is_shown = [&](std::uint64_t transaction) {
    return (*shown)[static_cast<std::size_t>(std::ranges::lower_bound(asked, transaction) - asked.begin())];
  };
  for (Batch& batch : batches_) {
    std::erase_if(batch.waiting, [&](const Batch::Waiting& waiting) {
      if (!is_shown(waiting.transaction)) return false;
      waiting.change->settle();
      --waiting_;
      return true;
    });
  }
  std::erase_if(whole_, [&](const auto& seen) { return is_shown(seen.first); });
  return {};
}

void FeedReader::finish_settled() {
  std::uint64_t position = 0;
  while (!batches_.empty() && batches_.front().waiting.empty()) {
    const Batch& batch = batches_.front();
    position = std::max(position, batch.position);
    if (batch.complete_as_of) {
      known_at_.store(*batch.complete_as_of, std::memory_order_relaxed);
      if (feed_->follows_all()) sink_.complete_as_of(options_.source, *batch.complete_as_of);
    }
    batches_.pop_front();
  }
  if (position != 0) feed_->confirm(position);
  unsettled_.store(waiting_, std::memory_order_relaxed);
}

void FeedReader::fail(const Error& error) {
  {
    MutexLock lock(mutex_);
    failure_ = error.message;
    if (!heard_ && begun_) return;
    heard_ = false;
  }
  begun_ = true;
  spdlog::warn("feed of source '{}': {}; trying again", options_.source, error.message);
  sink_.heard(options_.source, false);
}

void FeedReader::works() {
  auto warnings = feed_->warnings();
  const bool again = begun_;
  {
    MutexLock lock(mutex_);
    for (const std::string& warning : warnings) {
      if (std::ranges::find(warnings_, warning) == warnings_.end())
        spdlog::warn("feed of source '{}': {}", options_.source, warning);
    }
    warnings_ = std::move(warnings);
    if (heard_) return;
    heard_ = true;
    failure_.clear();
  }
  begun_ = true;
  if (again) spdlog::info("feed of source '{}': works again", options_.source);
  // Whatever was loaded before the last proof includes nothing that was not in the log.
  if (again && feed_->may_lose_commits())
    sink_.came_back(options_.source, known_at_.load(std::memory_order_relaxed));
  sink_.heard(options_.source, true);
}

}  // namespace forebay::feed
