#include "server/waiting/waiters.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "server/tracking/current_client.h"

namespace forebay::server {
namespace {

// Keys that this thread has changed, and that clients wait for, in the order of the changes.
std::vector<std::string>& noted_here() {
  thread_local std::vector<std::string> keys;
  return keys;
}

}  // namespace

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
    for (const std::string& key : waiter->keys) {
      std::list<Place>& queue = queues_[key];
      waiter->places.push_back(queue.insert(queue.end(), Place{++last_number_, waiter}));
      filter(key).fetch_add(1, std::memory_order_relaxed);
    }
    by_client_.insert_or_assign(waiter->client, waiter);
  }
  std::vector<std::string>& noted = noted_here();
  noted.insert(noted.end(), waiter->keys.begin(), waiter->keys.end());
  noted_ = true;
}

void Waiters::leave_locked(Waiter& waiter) {
  for (std::size_t i = 0; i < waiter.keys.size(); ++i) {
    const auto queue = queues_.find(waiter.keys[i]);
    // The place holds the waiter, whom the caller holds, too.
    queue->second.erase(waiter.places[i]);
    if (queue->second.empty()) queues_.erase(queue);
    filter(waiter.keys[i]).fetch_sub(1, std::memory_order_relaxed);
  }
  waiter.places.clear();
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
      noted_here().push_back(text);
      noted_ = true;
    });
    return;
  }
  std::vector<std::string>& noted = noted_here();
  if (noted.empty() || noted.back() != key) noted.emplace_back(key);
  noted_ = true;
}

void Waiters::take_noted_locked() {
  std::vector<std::string>& noted = noted_here();
  std::ranges::move(noted, std::back_inserter(ready_));
  noted.clear();
  noted_ = false;
}

// The next key to be served; nothing: there is none, or another thread serves. `goes_on`: this thread serves already.
std::optional<std::string> Waiters::take(bool goes_on, FunctionRef<bool()> hold) {
  const MutexLock lock(mutex_);
  take_noted_locked();
  if (!goes_on && serving_) return std::nullopt;
  serving_ = !ready_.empty() && !hold();
  left_.store(!ready_.empty() && !serving_, std::memory_order_relaxed);
  if (!serving_) return std::nullopt;
  std::string key = std::move(ready_.front());
  ready_.pop_front();
  return key;
}

void Waiters::serve(const Clock& clock, FunctionRef<bool()> hold) {
  for (auto key = take(false, hold); key; key = take(true, hold)) serve_key(*key, clock.now());
}

void Waiters::serve_key(std::string_view key, Instant now) {
  std::uint64_t after = 0;
  while (const std::shared_ptr<Waiter> waiter = next(key, after)) {
    const std::vector<std::string_view> args(waiter->args.begin(), waiter->args.end());
    const CommandScope scope(waiter->client, *waiter->command, args);
    if (!settle(waiter, waiter->attempt(key, now))) return;
  }
}

// The first in the key's queue behind the one with this number.
std::shared_ptr<Waiter> Waiters::next(std::string_view key, std::uint64_t& after) {
  const MutexLock lock(mutex_);
  const auto queue = queues_.find(key);
  if (queue == queues_.end()) return nullptr;
  const auto place =
      std::ranges::find_if(queue->second, [&](const Place& one) { return one.number > after; });
  if (place == queue->second.end()) return nullptr;
  after = place->number;
  place->waiter->state = Waiter::State::kIsTried;
  return place->waiter;
}

// False: there is nothing for those behind.
bool Waiters::settle(const std::shared_ptr<Waiter>& waiter, Waiter::Tried tried) {
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
  return tried.outcome != Waiter::Tried::Outcome::kNothing;
}

}  // namespace forebay::server
