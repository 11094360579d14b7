#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace forebay::server {

// Bytes received and not yet parsed, in one piece. Grows with what has arrived, never with what was
// announced.
class InputBuffer {
 public:
  // More than a batch usually brings: a read that leaves room tells the event loop that the socket is empty,
  // which saves it a system call.
  static constexpr std::size_t kSize = std::size_t{16} << 10;
  static constexpr std::size_t kLeast = kSize / 4;

  std::size_t capacity() const { return capacity_; }
  std::string_view pending() const { return {data_.get() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  void commit(std::size_t bytes) { end_ += bytes; }

  // `most`: pending bytes that the caller allows. Room for the next read, at least kLeast bytes. Moves what
  // is pending, at an amortised cost of O(1) a byte, and gives back memory that a large request needed.
  std::span<char> prepare(std::size_t most) {
    const std::size_t held = end_ - begin_;
    if (held == 0) {
      begin_ = end_ = 0;
      if (capacity_ != kSize) resize(kSize);
    } else if (capacity_ - end_ < kLeast) {
      if (held * 2 > capacity_) {
        resize(std::max(held, std::min(held * 2, most)) + kLeast);
      } else {
        std::memmove(data_.get(), data_.get() + begin_, held);
        begin_ = 0;
        end_ = held;
      }
    }
    return {data_.get() + end_, capacity_ - end_};
  }

 private:
  void resize(std::size_t capacity) {
    auto data = std::make_unique_for_overwrite<char[]>(capacity);
    const std::size_t held = end_ - begin_;
    if (held > 0) std::memcpy(data.get(), data_.get() + begin_, held);
    data_ = std::move(data);
    capacity_ = capacity;
    begin_ = 0;
    end_ = held;
  }

  std::unique_ptr<char[]> data_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace forebay::server
