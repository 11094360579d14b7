#pragma once

// Caches so small in code that they are right by inspection, to compare the engine with.

#include <cstdint>
#include <list>
#include <random>
#include <unordered_map>
#include <vector>

namespace forebay::cli::simulate {

enum class ReferenceOrder : std::uint8_t { kLru, kFifo };

// How many of the requests miss in a cache of `limit` entries that begins empty and takes in every miss.
inline std::uint64_t reference_misses(const std::vector<std::uint64_t>& keys, std::size_t limit,
                                      ReferenceOrder order) {
  std::list<std::uint64_t> kept;  // the next to leave at the back
  std::unordered_map<std::uint64_t, std::list<std::uint64_t>::iterator> places;
  std::uint64_t misses = 0;
  for (const std::uint64_t key : keys) {
    const auto place = places.find(key);
    if (place != places.end()) {
      if (order == ReferenceOrder::kLru) kept.splice(kept.begin(), kept, place->second);
      continue;
    }
    ++misses;
    if (kept.size() == limit) {
      places.erase(kept.back());
      kept.pop_back();
    }
    kept.push_front(key);
    places[key] = kept.begin();
  }
  return misses;
}

// Requests in which few keys are popular, a third of them fall into a loop, and some keys come once:
// something of everything that tells policies apart. The same for the same seed.
inline std::vector<std::uint64_t> mixed_requests(std::size_t count, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t draw = random();
    const std::uint64_t popular = (draw >> 8) % 1000;
    switch (draw % 3) {
      case 0:
        keys.push_back(popular * popular / 1000 * popular / 1000);  // towards 0: the cube of an even draw
        break;
      case 1:
        keys.push_back(10'000 + i % 700);
        break;
      default:
        keys.push_back(draw % 30 == 2 ? 1'000'000 + i : 20'000 + popular);
    }
  }
  return keys;
}

}  // namespace forebay::cli::simulate
