#pragma once

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

namespace forebay {

// As std::stable_sort(), for which g++ 12 calls what is deprecated, so that clang refuses it. O(n log n) comparisons;
// each element is moved twice.
template <class T, class Less>
void sort_stably(std::vector<T>& items, Less less) {
  std::vector<std::size_t> order(items.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    if (less(items[a], items[b])) return true;
    return !less(items[b], items[a]) && a < b;
  });
  std::vector<T> sorted;
  sorted.reserve(items.size());
  for (const std::size_t at : order) sorted.push_back(std::move(items[at]));
  items = std::move(sorted);
}

}  // namespace forebay
