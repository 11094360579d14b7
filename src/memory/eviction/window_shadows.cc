#include "memory/eviction/window_shadows.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace forebay::memory {
namespace {

constexpr std::array kShares = {0.01, 0.05, 0.2, 0.5, 0.8, 0.99};
constexpr std::size_t kFirst = 2;                   // the share to begin with
constexpr std::size_t kSample = 256;                // keys tracked that are sampled, at most
constexpr std::size_t kMostKeys = 2 * kSample;      // in a shadow, where it samples many small ones
constexpr double kFade = 1 - 1.0 / (20 * kSample);  // a hit counts for about 20 uses of each sampled key
constexpr double kBetter = 0.003;
constexpr double kMostLead = 0.05;
constexpr double kGuarded = 0.8;  // of what isn't window

std::size_t share_of(double share, std::size_t weight) {
  return static_cast<std::size_t>(share * static_cast<double>(weight));
}

}  // namespace

WindowShadows::WindowShadows() : best_(kFirst) {
  for (std::size_t i = 0; i < shadows_.size(); ++i) shadows_[i].share = kShares[i];
}

double WindowShadows::use(std::uint64_t hash, std::size_t weight, std::size_t tracked, std::size_t total,
                          const FrequencySketch& sketch) {
  while (tracked >> shift_ > kSample) thin_out();
  while (shift_ > 0 && tracked >> shift_ < kSample / 4) --shift_;
  if (!sampled(hash)) return best();
  const std::size_t capacity = std::max(total >> shift_, std::size_t{1});
  const auto clamped =
      static_cast<std::uint32_t>(std::min<std::size_t>(weight, std::numeric_limits<std::uint32_t>::max()));
  std::size_t most = best_;
  std::size_t bytes = 0;
  uses_ = uses_ * kFade + 1;
  for (std::size_t i = 0; i < shadows_.size(); ++i) {
    Shadow& shadow = shadows_[i];
    shadow.hits *= kFade;
    if (shadow.hit({hash, clamped}, capacity)) {
      ++shadow.hits;
    } else {
      shadow.insert({hash, clamped}, capacity, sketch);
    }
    if (shadow.hits > shadows_[most].hits) most = i;
    for (const Queue* queue : {&shadow.window, &shadow.probation, &shadow.guarded})
      bytes += queue->hashes.capacity() * (sizeof(queue->hashes[0]) + sizeof(queue->weights[0]));
  }
  bytes_ = bytes;
  if (shadows_[most].hits > shadows_[best_].hits + kBetter * uses_) best_ = most;
  const double least = shadows_[most].hits - kMostLead * uses_;
  for (Shadow& shadow : shadows_) shadow.hits = std::max(shadow.hits, least);
  return best();
}

bool WindowShadows::sampled(std::uint64_t hash) const {
  // Mixed, since the sketch's places are made of the same bits.
  return ((hash * 0x9e37'79b9'7f4a'7c15) >> 32 & ((std::uint64_t{1} << shift_) - 1)) == 0;
}

void WindowShadows::thin_out() {
  ++shift_;
  for (Shadow& shadow : shadows_) {
    for (Queue* queue : {&shadow.window, &shadow.probation, &shadow.guarded}) {
      Queue kept;
      for (std::size_t i = 0; i < queue->size(); ++i) {
        if (sampled(queue->hashes[i])) kept.push({queue->hashes[i], queue->weights[i]});
      }
      *queue = std::move(kept);
    }
  }
}

void WindowShadows::Queue::push(Key key) {
  hashes.push_back(key.hash);
  weights.push_back(key.weight);
  weight += key.weight;
}

WindowShadows::Key WindowShadows::Queue::take(std::size_t at) {
  const Key key{hashes[at], weights[at]};
  hashes.erase(hashes.begin() + static_cast<std::ptrdiff_t>(at));
  weights.erase(weights.begin() + static_cast<std::ptrdiff_t>(at));
  weight -= key.weight;
  return key;
}

bool WindowShadows::Shadow::hit(Key key, std::size_t capacity) {
  for (Queue* queue : {&window, &probation, &guarded}) {
    const auto at = std::ranges::find(queue->hashes, key.hash);
    if (at == queue->hashes.end()) continue;
    queue->take(static_cast<std::size_t>(at - queue->hashes.begin()));
    (queue == &window ? window : guarded).push(key);
    const std::size_t most = share_of(kGuarded, capacity - share_of(share, capacity));
    while (guarded.weight > most && !guarded.empty()) probation.push(guarded.take(0));
    return true;
  }
  return false;
}

void WindowShadows::Shadow::insert(Key key, std::size_t capacity, const FrequencySketch& sketch) {
  bool full = false;
  while (window.weight + probation.weight + guarded.weight + key.weight > capacity ||
         window.size() + probation.size() + guarded.size() >= kMostKeys) {
    if (!evict(capacity, sketch)) break;
    full = true;
  }
  window.push(key);
  if (full) return;
  while (window.weight > share_of(share, capacity) && window.size() > 1) probation.push(window.take(0));
}

bool WindowShadows::Shadow::evict(std::size_t capacity, const FrequencySketch& sketch) {
  Queue* from = !probation.empty() ? &probation : &guarded;
  if (!window.empty() && (from->empty() || window.weight >= share_of(share, capacity))) {
    if (!from->empty() && sketch.estimate(window.hashes[0]) > sketch.estimate(from->hashes[0])) {
      probation.push(window.take(0));
    } else {
      from = &window;
    }
  }
  if (from->empty()) return false;
  from->take(0);
  return true;
}

}  // namespace forebay::memory
