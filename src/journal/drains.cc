#include "journal/drains.h"

#include <algorithm>

namespace forebay::journal {

// Guarded by Drains::mutex_.
struct Drains::Drain {
  std::vector<std::pair<Stream*, std::uint64_t>> parts;  // with the ids of their waiters
  bool closed = false;                                   // no more parts are added
  bool good = true;
  std::move_only_function<void(bool)> done;
};

Drains::DrainPtr Drains::begin(std::move_only_function<void(bool)> done) {
  auto drain = std::make_shared<Drain>();
  drain->done = std::move(done);
  MutexLock lock(mutex_);
  drains_.push_back(drain);
  return drain;
}

void Drains::add(const DrainPtr& drain, Stream& stream, std::uint64_t last) {
  {
    MutexLock lock(mutex_);
    drain->parts.emplace_back(&stream, 0);
  }
  // It may be called before wait() returns.
  const std::uint64_t id = outbox_.wait(
      stream, last,
      [me = shared_from_this(), drain, at = &stream](bool good) { me->ended(drain, *at, good); });
  outbox_.hurry(stream, last);
  MutexLock lock(mutex_);
  for (auto& part : drain->parts) {
    if (part.first == &stream) part.second = id;
  }
}

void Drains::fail(const DrainPtr& drain) {
  MutexLock lock(mutex_);
  drain->good = false;
}

void Drains::close(const DrainPtr& drain) {
  {
    MutexLock lock(mutex_);
    drain->closed = true;
  }
  finish(drain);
}

void Drains::give_up(Stream& stream) {
  std::vector<DrainPtr> all;
  {
    MutexLock lock(mutex_);
    all = drains_;
  }
  for (const DrainPtr& drain : all) ended(drain, stream, false);
}

void Drains::ended(const DrainPtr& drain, Stream& stream, bool good) {
  {
    MutexLock lock(mutex_);
    const auto part = std::ranges::find(drain->parts, &stream, &std::pair<Stream*, std::uint64_t>::first);
    if (part == drain->parts.end()) return;
    if (!good && part->second != 0) outbox_.forget(part->second);
    drain->good &= good;
    drain->parts.erase(part);
  }
  finish(drain);
}

void Drains::finish(const DrainPtr& drain) {
  {
    MutexLock lock(mutex_);
    if (!drain->closed || !drain->parts.empty() || std::erase(drains_, drain) == 0) return;
  }
  drain->done(drain->good);
}

void Drains::end() {
  std::vector<DrainPtr> unfinished;
  {
    MutexLock lock(mutex_);
    unfinished = std::exchange(drains_, {});
  }
  for (const DrainPtr& drain : unfinished) {
    {
      MutexLock lock(mutex_);
      for (const auto& [stream, id] : std::exchange(drain->parts, {})) outbox_.forget(id);
    }
    drain->done(false);
  }
}

}  // namespace forebay::journal
