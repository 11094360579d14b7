#pragma once

// Entries in the order of their last use, and how many bytes were used since: the LRU stack of Mattson,
// Gecsei, Slutz and Traiger (Evaluation Techniques for Storage Hierarchies, IBM Systems Journal 1970), whose
// distances say in how much memory a least-recently-used cache would still have an entry.
//
// Each use takes the next slot of a row; a Fenwick tree over the slots (A New Data Structure for Cumulative
// Frequency Tables, 1994) sums the bytes of those that came later. When the row is full, it is closed up.
// Some 80 bytes an entry. Not thread-safe.

#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "forebay/clock.h"

namespace forebay::observe {

class ReuseStack {
 public:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint64_t bytes = 0;
    std::uint32_t space = 0;
    std::uint32_t epoch = 0;
    Instant until = kNever;  // from here on it answers nobody
  };

  std::size_t size() const { return nodes_.size(); }
  std::uint64_t bytes() const { return bytes_; }

  // Null if there is none. Valid until the next call that is not const. O(1).
  const Entry* find(std::uint64_t hash) const;
  // Bytes of the entries that were used after this one. Requires: it is there. O(log n).
  std::uint64_t bytes_after(std::uint64_t hash) const;
  // Makes an entry that is there the last one used. O(log n), amortised.
  void use(std::uint64_t hash);
  // Adds an entry, or replaces the one of its hash, as the last one used. O(log n), amortised.
  void put(const Entry& entry);
  void erase(std::uint64_t hash);
  // The one that was used longest ago. Requires: there is one. O(1), amortised.
  const Entry& oldest();
  void clear();

  // Removes the entries of which `gone` is true. O(n).
  template <class Predicate>
  void erase_if(Predicate gone) {
    for (std::size_t i = nodes_.size();
         i-- > 0;) {  // what takes the place of a removed one has been asked about
      if (gone(nodes_[i].entry)) erase(nodes_[i].entry.hash);
    }
  }

 private:
  struct Node {
    Entry entry;
    std::uint32_t slot = 0;
  };
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  void place(std::uint32_t node);  // in the next slot
  void leave(const Node& node);
  void close_up();
  void add(std::size_t slot, std::uint64_t bytes);  // modulo 2^64, so that it also subtracts
  std::uint64_t sum_to(std::size_t slot) const;     // that slot included

  std::vector<Node> nodes_;
  boost::unordered_flat_map<std::uint64_t, std::uint32_t> index_;  // hash to node
  std::vector<std::uint32_t> slots_;                               // the node in it, or kNobody
  std::vector<std::uint64_t> tree_;                                // slot i is element i + 1
  std::size_t next_ = 0;                                           // slot
  std::size_t first_ = 0;                                          // no slot below it is taken
  std::uint64_t bytes_ = 0;
};

}  // namespace forebay::observe
