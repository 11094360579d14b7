#include "memory/eviction/frequency_sketch.h"

#include <algorithm>
#include <utility>

namespace forebay::memory {
namespace {

// A sample is this many additions for each key of interest (the paper's W/C).
constexpr std::size_t kSample = 10;
// Keys of interest to a line of 128 counters: 5 to 11 bytes for each.
constexpr std::size_t kKeysALine = 12;

}  // namespace

void FrequencySketch::add(std::uint64_t hash, std::size_t tracked) {
  if (tracked > lines_.size() * kKeysALine || lines_.empty()) grow(tracked);
  const unsigned lowest = estimate(hash);
  if (lowest == kMost) return;
  auto& words = const_cast<Line&>(line(hash)).words;
  for (unsigned row = 0; row < 4; ++row) {
    const auto [word, shift] = place(hash, row);
    if (((words[word] >> shift) & 15) == lowest) words[word] += std::uint64_t{1} << shift;
  }
  if (++added_ >= kSample * std::max<std::size_t>(tracked, 1)) halve();
}

unsigned FrequencySketch::estimate(std::uint64_t hash) const {
  if (lines_.empty()) return 0;
  const auto& words = line(hash).words;
  unsigned lowest = kMost;
  for (unsigned row = 0; row < 4; ++row) {
    const auto [word, shift] = place(hash, row);
    lowest = std::min(lowest, static_cast<unsigned>(words[word] >> shift) & 15);
  }
  return lowest;
}

FrequencySketch::Place FrequencySketch::place(std::uint64_t hash, unsigned row) {
  const auto bits = static_cast<unsigned>(hash >> (row * 5)) & 31;
  return {row * 2 + (bits & 1), (bits >> 1) * 4};
}

// By the hash's upper half, scaled to the number of lines, so that doubling them splits each in two.
const FrequencySketch::Line& FrequencySketch::line(std::uint64_t hash) const {
  return lines_[(hash >> 32) * lines_.size() >> 32];
}

void FrequencySketch::grow(std::size_t tracked) {
  std::size_t lines = std::max<std::size_t>(lines_.size(), 1);
  while (tracked > lines * kKeysALine) lines *= 2;
  std::vector<Line> grown(lines);
  if (!lines_.empty()) {
    const std::size_t copies = lines / lines_.size();
    for (std::size_t i = 0; i < lines; ++i) grown[i] = lines_[i / copies];
  }
  lines_ = std::move(grown);
}

void FrequencySketch::halve() {
  for (Line& line : lines_) {
    for (std::uint64_t& word : line.words) word = (word >> 1) & 0x7777'7777'7777'7777;
  }
  added_ /= 2;
}

}  // namespace forebay::memory
