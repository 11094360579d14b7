#include "server/waiting/waiters.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/database_key.h"
#include "server/tracking/current_client.h"

namespace forebay::server {
// Keys that this thread is to serve, in the order of what made them so.
std::vector<Waiters::Ready>& Waiters::noted_here() {
  thread_local std::vector<Ready> keys;
  return keys;
}

void Waiters::close() {
  const MutexLock lock(listen_mutex_);
  token_.reset();
}

void Waiters::listen() {
  const MutexLock lock(listen_mutex_);
  if (token_ == nullptr) token_ = listen_();
}

// Not at once: clients that wait often come back, and listening anew takes locks.
void Waiters::upkeep() {
  if (size() != 0) return;
  const MutexLock lock(listen_mutex_);
  // Whoever has joined since counted itself before it took this lock, or will find that nobody listens.
  if (size() == 0) token_.reset();
}

bool Waiters::waits_for(std::string_view key) const {
  if (size() == 0) return false;
  const MutexLock lock(mutex_);
  return queues_.contains(key);
}

void Waiters::join(const std::shared_ptr<Waiter>& waiter) {
  waiting_.fetch_add(1, std::memory_order_relaxed);
  listen();
  {
    const MutexLock lock(mutex_);
    waiter->number = ++last_number_;
    for (const std::string& key : waiter->keys) {
      queues_[key].emplace(waiter->number, waiter);
      filter(key).fetch_add(1, std::memory_order_relaxed);
    }
    by_client_.insert_or_assign(waiter->client, waiter);
  }
  for (const std::string& key : waiter->keys) noted_here().push_back({key, waiter->number});
  noted_ = true;
}

void Waiters::leave_locked(Waiter& waiter) {
  for (const std::string& key : waiter.keys) {
    const auto queue = queues_.find(key);
    // The queue holds the waiter, whom the caller holds, too.
    queue->second.erase(waiter.number);
    if (queue->second.empty()) queues_.erase(queue);
    filter(key).fetch_sub(1, std::memory_order_relaxed);
  }
  by_client_.erase(waiter.client);
  waiter.state = Waiter::State::kEnded;
  waiting_.fetch_sub(1, std::memory_order_relaxed);
}

void Waiters::answer(Waiter& waiter, Unserved why) {
  if (why == Unserved::kGone) return waiter.slot.reset();
  waiter.slot->complete(waiter.finish([why](resp::Writer& reply) {
    if (why == Unserved::kTimeout) return reply.null_array();
    reply.error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
  }));
}

bool Waiters::end(const std::shared_ptr<Waiter>& waiter, Unserved why) {
  {
    const MutexLock lock(mutex_);
    if (waiter->state == Waiter::State::kEnded) return false;
    if (waiter->state == Waiter::State::kIsTried) {
      // Who has gone wants no answer, whatever was to be said before.
      if (!waiter->ends || why == Unserved::kGone) waiter->ends = why;
      return true;
    }
    leave_locked(*waiter);
  }
  answer(*waiter, why);
  return true;
}

bool Waiters::end(std::uint64_t client, Unserved why) {
  std::shared_ptr<Waiter> waiter;
  {
    const MutexLock lock(mutex_);
    const auto found = by_client_.find(client);
    if (found == by_client_.end()) return false;
    waiter = found->second;
  }
  return end(waiter, why);
}

void Waiters::changed(std::string_view key) {
  if (size() == 0 || filter(key).load(std::memory_order_relaxed) == 0) return;
  {
    const MutexLock lock(mutex_);
    if (!queues_.contains(key)) return;
  }
  if (Mailbox::of_this_thread() == nullptr) {
    if (home_ == nullptr) return;  // without event loops there are no clients
    home_->post([text = std::string(key)] {
      noted_here().push_back({text});
      noted_ = true;
    });
    return;
  }
  std::vector<Ready>& noted = noted_here();
  if (noted.empty() || noted.back().key != key || noted.back().joiner != 0)
    noted.push_back({std::string(key)});
  noted_ = true;
}

void Waiters::all_changed() {
  if (size() == 0) return;
  std::vector<std::string> keys;
  {
    const MutexLock lock(mutex_);
    for (const auto& [key, queue] : queues_) keys.push_back(key);
  }
  for (const std::string& key : keys) changed(key);
}

bool Waiters::waits_at(unsigned place) const {
  if (size() == 0) return false;
  const MutexLock lock(mutex_);
  return std::ranges::any_of(queues_, [&](const auto& queue) { return database_of(queue.first) == place; });
}

void Waiters::take_noted_locked() {
  std::vector<Ready>& noted = noted_here();
  std::ranges::move(noted, std::back_inserter(ready_));
  noted.clear();
  noted_ = false;
}

// The next key to be served; nothing: there is none, or another thread serves. `goes_on`: this thread serves already.
std::optional<Waiters::Ready> Waiters::take(bool goes_on, FunctionRef<bool()> hold) {
  const MutexLock lock(mutex_);
  take_noted_locked();
  if (!goes_on && serving_) return std::nullopt;
  serving_ = !ready_.empty() && !hold();
  left_.store(!ready_.empty() && !serving_, std::memory_order_relaxed);
  if (!serving_) return std::nullopt;
  Ready key = std::move(ready_.front());
  ready_.pop_front();
  return key;
}

void Waiters::serve(const Clock& clock, FunctionRef<bool()> hold) {
  for (auto key = take(false, hold); key; key = take(true, hold)) serve_key(*key, clock.now());
}

void Waiters::serve_key(const Ready& ready, Instant now) {
  using enum Waiter::Tried::Outcome;
  std::uint64_t after = 0;
  Waiter::Tried::Outcome outcome = serve_next(ready.key, after, now);
  if (ready.joiner != 0 && outcome == kNotMine && after < ready.joiner) {
    // Those between were tried when they joined, and at each change since.
    after = ready.joiner - 1;
    serve_next(ready.key, after, now);
    return;
  }
  if (ready.joiner != 0 && outcome == kNotMine) return;
  while (outcome != kNothing) outcome = serve_next(ready.key, after, now);
}

// Tries for the first in the key's queue behind the one with this number. kNothing: there is nothing for those behind
// it, or nobody is.
Waiter::Tried::Outcome Waiters::serve_next(std::string_view key, std::uint64_t& after, Instant now) {
  const std::shared_ptr<Waiter> waiter = next(key, after);
  if (waiter == nullptr) return Waiter::Tried::Outcome::kNothing;
  const std::vector<std::string_view> args(waiter->args.begin(), waiter->args.end());
  const CommandScope scope(waiter->client, *waiter->command, args);
  tried_.fetch_add(1, std::memory_order_relaxed);
  Waiter::Tried tried = waiter->attempt(key, now);
  const Waiter::Tried::Outcome outcome = tried.outcome;
  settle(waiter, std::move(tried));
  return outcome;
}

// The first in the key's queue behind the one with this number.
std::shared_ptr<Waiter> Waiters::next(std::string_view key, std::uint64_t& after) {
  const MutexLock lock(mutex_);
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return nullptr;
  const auto place = queue->second.upper_bound(after);
  if (place == queue->second.end()) return nullptr;
  after = place->first;
  place->second->state = Waiter::State::kIsTried;
  return place->second;
}

void Waiters::settle(const std::shared_ptr<Waiter>& waiter, Waiter::Tried tried) {
  const bool served = tried.outcome == Waiter::Tried::Outcome::kServed;
  std::optional<Unserved> why;
  {
    const MutexLock lock(mutex_);
    why = waiter->ends;
    if (served || why) {
      leave_locked(*waiter);
    } else {
      waiter->state = Waiter::State::kWaits;
    }
  }
  if (served) {
    waiter->slot->complete(waiter->finish(std::move(tried.reply)), tried.bytes);
  } else if (why) {
    answer(*waiter, *why);
  }
}

}  // namespace forebay::server
