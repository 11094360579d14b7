#pragma once

// The members of a sorted set with their scores. Equal scores are in the order of their members' bytes.

#include <cstdint>
#include <optional>
#include <string_view>

#include "memory/collection/collection.h"

namespace forebay::memory {

// Borrows the collection. Scores are no NaN. What comes back as an Item lies in it, and is valid until it is
// edited.
class Ranking {
 public:
  // Requires: a sorted set.
  explicit Ranking(Collection& all) : all_(all) {}

  std::uint32_t size() const { return all_.size(); }
  std::optional<double> score(std::string_view member) const;
  // Gives a member this score, whether it was there or not.
  void put(std::string_view member, double score);
  // True: it was there.
  bool erase(std::string_view member);
  // Erases `count` from this rank on.
  void erase_ranks(std::uint32_t from, std::uint32_t count);

  // How many come before the key: the rank of the first that does not.
  std::uint32_t rank(const ScoreKey& key) const;
  // Shows members from a rank on, upwards or downwards. Show returns whether to go on.
  void visit(std::uint32_t from, bool downwards, FunctionRef<bool(Item member, double score)> show) const;

 private:
  struct Found {
    Tree::Path path;
    std::size_t offset = 0;  // of the first record that is not before the key
    std::uint32_t rank = 0;
  };
  friend class Fields;  // the moments at which a large hash's fields end are such a tree
  Found seek(const ScoreKey& key) const;
  void insert(std::string_view member, double score);
  void insert_score(std::string_view member, double score);
  void erase_score(std::string_view member, double score);
  void erase_from(unsigned which, const Tree::Path& path, std::size_t offset, const char* record);

  Collection& all_;
};

}  // namespace forebay::memory
