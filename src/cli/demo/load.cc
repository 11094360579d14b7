#include "cli/demo/load.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

namespace forebay::cli::demo {
namespace {

using SteadyClock = std::chrono::steady_clock;

bool is_read_of_packages(RequestKind kind) {
  return kind == RequestKind::kPackage || kind == RequestKind::kPackages;
}

std::size_t keys_of(const Request& request) {
  return request.kind == RequestKind::kPackages ? request.packages.size() : 1;
}

}  // namespace

void Samples::add(const Samples& other) {
  durations_.insert(durations_.end(), other.durations_.begin(), other.durations_.end());
}

std::chrono::nanoseconds Samples::quantile(double share) const {
  if (durations_.empty()) return {};
  auto sorted = durations_;
  const auto at =
      sorted.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(sorted.size() - 1));
  std::ranges::nth_element(sorted, at);
  return *at;
}

bool Answered::test(const Request& request) const {
  if (request.kind == RequestKind::kDependents) return dependents_[request.packages[0]].load();
  if (!is_read_of_packages(request.kind)) return true;
  return std::all_of(request.packages.begin(), request.packages.begin() + keys_of(request),
                     [&](std::uint32_t package) { return packages_[package].load(); });
}

void Answered::set(const Request& request) {
  if (request.kind == RequestKind::kDependents) dependents_[request.packages[0]].store(true);
  if (!is_read_of_packages(request.kind)) return;
  for (std::size_t i = 0; i < keys_of(request); ++i) packages_[request.packages[i]].store(true);
}

std::size_t LoadResult::requests() const {
  std::size_t sum = 0;
  for (const Samples& samples : first) sum += samples.count();
  for (const Samples& samples : again) sum += samples.count();
  return sum;
}

Samples LoadResult::all() const {
  Samples sum;
  for (const Samples& samples : first) sum.add(samples);
  for (const Samples& samples : again) sum.add(samples);
  return sum;
}

LoadResult run_load(const Population& population, const OpenBackend& open, Answered& answered,
                    const LoadOptions& options) {
  LoadResult total;
  std::mutex mutex;  // of total, connected and running
  std::condition_variable changed;
  unsigned connected = 0, running = options.clients;
  std::atomic<bool> started = false, stop = false;
  std::atomic<std::size_t> requests = 0;  // relaxed: shown as progress

  const auto client = [&](unsigned number) {
    LoadResult mine;
    auto backend = open();
    {
      std::unique_lock lock(mutex);
      ++connected;
      changed.notify_all();
      changed.wait(lock, [&] { return started.load(); });
    }
    if (!backend) mine.error = std::move(backend.error());
    RequestStream stream(population, options.seed + number);
    std::size_t sent = 0;
    while (!mine.error && !stop && (options.requests_each == 0 || sent < options.requests_each)) {
      const Request request = stream.next();
      const bool again = answered.test(request);
      const auto begin = SteadyClock::now();
      if (auto done = (*backend)->perform(population, request); !done) {
        mine.error = std::move(done.error());
        break;
      }
      (again ? mine.again : mine.first)[static_cast<std::size_t>(request.kind)].add(SteadyClock::now() -
                                                                                    begin);
      answered.set(request);
      ++sent;
      requests.fetch_add(1, std::memory_order_relaxed);
    }
    const std::lock_guard lock(mutex);
    for (std::size_t i = 0; i < kRequestKinds; ++i) {
      total.first[i].add(mine.first[i]);
      total.again[i].add(mine.again[i]);
    }
    if (mine.error && !total.error) {
      total.error = std::move(mine.error);
      stop = true;
    }
    --running;
    changed.notify_all();
  };

  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.clients; ++i) threads.emplace_back(client, i);
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return connected == options.clients; });
    // The clock starts when all are connected, so that connecting is not part of the numbers.
    const auto begin = SteadyClock::now();
    started = true;
    changed.notify_all();
    const auto end = options.duration.count() > 0 ? begin + options.duration : SteadyClock::time_point::max();
    const auto all_ended = [&] { return running == 0; };
    while (!stop && !all_ended()) {
      changed.wait_until(lock, std::min(end, SteadyClock::now() + std::chrono::milliseconds(250)), all_ended);
      if (SteadyClock::now() >= end) stop = true;
      if (stop || all_ended() || !options.on_progress) continue;
      lock.unlock();
      if (!options.on_progress(requests.load(std::memory_order_relaxed))) stop = true;
      lock.lock();
    }
    changed.wait(lock, all_ended);  // the last requests get their answers
    total.elapsed = SteadyClock::now() - begin;
  }
  for (std::thread& thread : threads) thread.join();
  return total;
}

}  // namespace forebay::cli::demo
