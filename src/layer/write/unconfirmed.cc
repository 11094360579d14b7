#include "layer/write/unconfirmed.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "layer/namespaces/namespace.h"

namespace forebay::layer {
namespace {

using std::chrono::milliseconds;

// A commit that was slow is over soon; a server that is away may be away for long.
constexpr Duration kAskFirst = milliseconds(10);
constexpr Duration kAskMost = milliseconds(500);

}  // namespace

struct UnconfirmedWrites::Waiting {
  Namespace& space;
  const std::string key;
  const RowChange change;
  const std::uint64_t transaction;
  const Invalidator::Unsettled unsettled;
  Duration pause = kAskFirst;
};

void UnconfirmedWrites::add(const KeyRef& at, RowChange change, std::uint64_t transaction) {
  auto unsettled = invalidator_.row_changes(at.space.config.source, change, &at);
  auto waiting = std::make_shared<Waiting>(
      Waiting{at.space, std::string(at.text), std::move(change), transaction, std::move(unsettled)});
  {
    MutexLock lock(mutex_);
    keys_.insert(waiting->key);
  }
  spdlog::warn(
      "namespace '{}': the commit of a write was not confirmed; its key and what depends on it are not "
      "cached until source '{}' says what has become of it",
      at.space.name(), at.space.config.source);
  if (transaction == 0) return answered(waiting, true);  // nobody can say
  ask_later(std::move(waiting));
}

void UnconfirmedWrites::ask_later(std::shared_ptr<Waiting> waiting) {
  const Duration pause = waiting->pause;
  waiting->pause = std::min(pause * 2, kAskMost);
  scheduler_.post_at(clock_.now() + pause, [this, waiting = std::move(waiting)] { ask(waiting); });
}

void UnconfirmedWrites::ask(const std::shared_ptr<Waiting>& waiting) {
  MutexLock lock(mutex_);
  if (stopped_) return;
  waiting->space.port->has_ended(
      waiting->transaction,
      CallOptions{std::chrono::duration_cast<milliseconds>(waiting->space.load_timeout), nullptr},
      [this, waiting](const Result<bool>& ended) { answered(waiting, ended); });
}

void UnconfirmedWrites::answered(const std::shared_ptr<Waiting>& waiting, const Result<bool>& ended) {
  if (!ended || !*ended) return ask_later(waiting);
  const KeyRef at(waiting->space, waiting->key);
  // By the configuration in force, which may be another one by now.
  invalidator_.drop(at, observe::Invalidation::kWrite);
  invalidator_.row_changed(waiting->space.config.source, waiting->change, waiting->key);
  invalidator_.settle(waiting->unsettled);
  MutexLock lock(mutex_);
  keys_.erase(keys_.find(waiting->key));
}

bool UnconfirmedWrites::has(std::string_view key) const {
  MutexLock lock(mutex_);
  return keys_.contains(key);
}

void UnconfirmedWrites::stop() {
  MutexLock lock(mutex_);
  stopped_ = true;
}

}  // namespace forebay::layer
