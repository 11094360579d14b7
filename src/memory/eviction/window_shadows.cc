#include "memory/eviction/window_shadows.h"

#include <algorithm>

namespace forebay::memory {
namespace {

constexpr std::array kShares = {0.01, 0.05, 0.2, 0.5, 0.8, 0.99};
constexpr std::size_t kFirst = 2;                   // the share to begin with
constexpr std::size_t kSample = 128;                // keys tracked that are sampled, at most
constexpr std::size_t kMostKeys = 2 * kSample;      // in a shadow, where it samples many small ones
constexpr double kFade = 1 - 1.0 / (20 * kSample);  // a hit counts for about 20 uses of each sampled key
constexpr double kBetter = 0.003;
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
  std::size_t most = best_;
  std::size_t bytes = 0;
  uses_ = uses_ * kFade + 1;
  for (std::size_t i = 0; i < shadows_.size(); ++i) {
    Shadow& shadow = shadows_[i];
    shadow.hits *= kFade;
    if (shadow.hit(hash, capacity)) {
      ++shadow.hits;
    } else {
      shadow.insert({hash, weight}, capacity, sketch);
    }
    if (shadow.hits > shadows_[most].hits) most = i;
    for (const Queue* queue : {&shadow.window, &shadow.probation, &shadow.guarded})
      bytes += queue->keys.capacity() * sizeof(Key);
  }
  bytes_ = bytes;
  if (shadows_[most].hits > shadows_[best_].hits + kBetter * uses_) best_ = most;
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
      std::erase_if(queue->keys, [&](const Key& key) { return !sampled(key.hash); });
      queue->weight = 0;
      for (const Key& key : queue->keys) queue->weight += key.weight;
    }
  }
}

void WindowShadows::Queue::push(Key key) {
  keys.push_back(key);
  weight += key.weight;
}

WindowShadows::Key WindowShadows::Queue::take(std::size_t at) {
  const Key key = keys[at];
  keys.erase(keys.begin() + static_cast<std::ptrdiff_t>(at));
  weight -= key.weight;
  return key;
}

bool WindowShadows::Shadow::hit(std::uint64_t hash, std::size_t capacity) {
  for (Queue* queue : {&window, &probation, &guarded}) {
    const auto at = std::ranges::find(queue->keys, hash, &Key::hash);
    if (at == queue->keys.end()) continue;
    const Key key = queue->take(static_cast<std::size_t>(at - queue->keys.begin()));
    (queue == &window ? window : guarded).push(key);
    const std::size_t most = share_of(kGuarded, capacity - share_of(share, capacity));
    while (guarded.weight > most && !guarded.keys.empty()) probation.push(guarded.take(0));
    return true;
  }
  return false;
}

void WindowShadows::Shadow::insert(Key key, std::size_t capacity, const FrequencySketch& sketch) {
  bool full = false;
  while (window.weight + probation.weight + guarded.weight + key.weight > capacity ||
         window.keys.size() + probation.keys.size() + guarded.keys.size() >= kMostKeys) {
    if (!evict(capacity, sketch)) break;
    full = true;
  }
  window.push(key);
  if (full) return;
  while (window.weight > share_of(share, capacity) && window.keys.size() > 1) probation.push(window.take(0));
}

bool WindowShadows::Shadow::evict(std::size_t capacity, const FrequencySketch& sketch) {
  Queue* from = !probation.keys.empty() ? &probation : &guarded;
  if (!window.keys.empty() && (from->keys.empty() || window.weight >= share_of(share, capacity))) {
    if (!from->keys.empty() && sketch.estimate(window.keys[0].hash) > sketch.estimate(from->keys[0].hash)) {
      probation.push(window.take(0));
    } else {
      from = &window;
    }
  }
  if (from->keys.empty()) return false;
  from->take(0);
  return true;
}

}  // namespace forebay::memory
