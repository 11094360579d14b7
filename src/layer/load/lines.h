#pragma once

// What waits, in a line for each key: whichever line may go, its oldest goes first.
//
// Not thread-safe. A line lasts as long as somebody stands in it. Looking for the oldest takes time linear in
// the lines; all else is constant unless it says so.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

namespace forebay::layer {

template <class Key, class T>
class Lines {
 public:
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::size_t size(const Key& key) const {
    const auto line = lines_.find(key);
    return line == lines_.end() ? 0 : line->second.size();
  }

  void push(const Key& key, T one) {
    lines_[key].push_back({next_++, std::move(one)});
    ++size_;
  }

  // The line whose first has waited longest, of those for which `may` says true; null: none.
  template <class May>
  const Key* oldest(May may) const {
    const Key* found = nullptr;
    std::uint64_t first = 0;
    for (const auto& [key, line] : lines_) {
      if (found != nullptr && line.front().number > first) continue;
      if (!may(key)) continue;
      found = &key;
      first = line.front().number;
    }
    return found;
  }

  // Takes up to `most` from the front of a line.
  std::vector<T> pop(Key key, std::size_t most) {
    std::vector<T> taken;
    const auto line = lines_.find(key);
    if (line == lines_.end()) return taken;
    const std::size_t count = std::min(most, line->second.size());
    taken.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      taken.push_back(std::move(line->second.front().one));
      line->second.pop_front();
    }
    took(line, count);
    return taken;
  }

  // Takes all that `gone` says true of. Linear.
  template <class Gone>
  std::vector<T> take_if(Gone gone) {
    std::vector<T> taken;
    for (auto line = lines_.begin(); line != lines_.end();) {
      const std::size_t before = line->second.size();
      std::deque<Place> stay;
      for (Place& place : line->second) {
        if (gone(std::as_const(place.one))) {
          taken.push_back(std::move(place.one));
        } else {
          stay.push_back(std::move(place));
        }
      }
      const std::size_t count = before - stay.size();
      line->second = std::move(stay);
      line = took(line, count);
    }
    return taken;
  }

  // Linear in how many stand before it.
  bool remove(const Key& key, const T& one) {
    const auto line = lines_.find(key);
    if (line == lines_.end()) return false;
    const auto place = std::ranges::find(line->second, one, &Place::one);
    if (place == line->second.end()) return false;
    line->second.erase(place);
    took(line, 1);
    return true;
  }

  std::vector<T> pop_all() {
    return take_if([](const T&) { return true; });
  }

 private:
  struct Place {
    std::uint64_t number;  // ascending over all lines
    T one;
  };
  using Map = std::unordered_map<Key, std::deque<Place>>;

  typename Map::iterator took(typename Map::iterator line, std::size_t count) {
    size_ -= count;
    return line->second.empty() ? lines_.erase(line) : std::next(line);
  }

  Map lines_;
  std::uint64_t next_ = 0;
  std::size_t size_ = 0;
};

}  // namespace forebay::layer
