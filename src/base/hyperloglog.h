#pragma once

// How many different texts there were, within a percent or so, in at most 12 KB: a HyperLogLog as Redis keeps it in a
// string, so that its bytes may come from there and go there.
//
//    0  "HYLL"
//    4  encoding: 0 dense, 1 sparse; 3 bytes unused
//    8  the last estimate, lowest byte first; the highest bit says that it is out of date
//   16  16,384 registers. Dense: 6 bits each, lowest first. Sparse: runs of equal registers,
//         00nnnnnn            n + 1 of 0
//         01nnnnnn nnnnnnnn   n + 1 of 0, the higher bits first
//         1vvvvvnn            n + 1 of v + 1
//
// A text's hash chooses a register by its lowest 14 bits, and the register keeps the most zeros that the rest of a
// hash began with, and one. The estimate is Ertl's ("New cardinality estimation algorithms for HyperLogLog sketches",
// arXiv:1702.01284, algorithm 6), the hash MurmurHash64A (Austin Appleby, public domain).
//
// Not thread-safe. All functions are linear in the number of registers, but for those that look at the head.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace forebay {

class HyperLogLog {
 public:
  static constexpr unsigned kIndexBits = 14;
  static constexpr std::size_t kRegisters = std::size_t{1} << kIndexBits;
  static constexpr std::size_t kDenseBytes = 16 + kRegisters * 6 / 8;

  // Whether these bytes begin as one does. Nothing else of them is looked at.
  static bool is_one(std::string_view bytes);
  // The registers of what is_one(). Nothing: it is corrupt.
  static std::optional<HyperLogLog> read(std::string_view bytes);
  // The estimate that lies in it, if it is one of the registers as they are. Requires is_one().
  static std::optional<std::uint64_t> last_estimate(std::string_view bytes);

  // An empty one, sparse.
  HyperLogLog() = default;

  // True: the registers changed.
  bool add(std::string_view text);
  // Becomes the union of both; dense if one of them is.
  void merge(const HyperLogLog& other);
  std::uint64_t estimate() const;
  // Sparse as long as it has been that, has no register above 32 and takes at most 3,000 bytes (Redis's
  // hll-sparse-max-bytes). The last estimate is marked as out of date.
  std::string bytes() const;

 private:
  std::array<std::uint8_t, kRegisters> registers_{};
  bool dense_ = false;
};

}  // namespace forebay
