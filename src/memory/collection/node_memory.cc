#include "memory/collection/node_memory.h"

#include <new>
#include <utility>

namespace forebay::memory {
namespace {

std::size_t in_spans(std::size_t bytes) {
  return (bytes + Cage::kSpan - 1) / Cage::kSpan * Cage::kSpan;
}

}  // namespace

NodeMemory::~NodeMemory() {
  for (const auto& [place, bytes] : large_) Cage::give(Cage::at(place), bytes);
}

NodeMemory& NodeMemory::operator=(NodeMemory&& other) noexcept {
  std::swap(slabs_, other.slabs_);
  std::swap(large_, other.large_);
  std::swap(large_bytes_, other.large_bytes_);
  return *this;
}

char* NodeMemory::allocate(std::size_t bytes) {
  void* block = nullptr;
  if (bytes > Slabs::kLargest) {
    block = Cage::take(in_spans(bytes), Cage::Contents::kAny);
    if (block == nullptr) throw std::bad_alloc();
    large_.emplace(Cage::ref(block), in_spans(bytes));
    large_bytes_ += in_spans(bytes);
    return static_cast<char*>(block);
  }
  if (!slabs_) slabs_ = std::make_unique<Slabs>();
  block = slabs_->allocate(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return static_cast<char*>(block);
}

void NodeMemory::free(char* block, std::size_t bytes) noexcept {
  if (bytes <= Slabs::kLargest) return slabs_->free(block, bytes);
  large_.erase(Cage::ref(block));
  large_bytes_ -= in_spans(bytes);
  Cage::give(block, in_spans(bytes));
}

std::size_t NodeMemory::rounded(std::size_t bytes) {
  return bytes > Slabs::kLargest ? in_spans(bytes) : Slabs::rounded(bytes);
}

std::size_t NodeMemory::allocated() const {
  return large_bytes_ + (slabs_ ? slabs_->allocated() : 0);
}

std::size_t NodeMemory::held() const {
  return large_bytes_ + (slabs_ ? slabs_->held() : 0);
}

std::size_t NodeMemory::discard(std::size_t spans) noexcept {
  std::size_t given = 0;
  for (; given < spans && !large_.empty(); ++given) {
    const auto first = large_.begin();
    Cage::give(Cage::at(first->first), first->second);
    large_bytes_ -= first->second;
    large_.erase(first);
  }
  if (given < spans && slabs_) given += slabs_->discard(spans - given);
  return given;
}

}  // namespace forebay::memory
