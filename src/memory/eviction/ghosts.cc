#include "memory/eviction/ghosts.h"

#include <algorithm>

namespace forebay::memory {

void Ghosts::insert(std::uint64_t hash, std::size_t capacity) {
  capacity = std::max<std::size_t>(capacity, 1);
  if (capacity > made_for_ || capacity < made_for_ / 4) {
    made_for_ = capacity + capacity / 8;
    // A third of free slots, so that few buckets run over.
    slots_.assign((made_for_ * 4 / 3 / kBucket + 1) * kBucket, Slot{});
    slots_.shrink_to_fit();
    born_.assign(kTimes, 0);
    unit_ = made_for_ / 128 + 1;
    live_ = in_unit_ = 0;
    span_ = 1;
  }
  if (in_unit_++ == unit_) {
    in_unit_ = 1;
    // The time that comes round again must not be in use: slots of then would be young once more.
    if (span_ == kTimes - 1) forget_oldest();
    now_ = (now_ + 1) % kTimes;
    ++span_;
  }
  Slot* const slots = bucket(hash);
  Slot* place = slots;
  for (Slot* slot = slots; slot != slots + kBucket; ++slot) {
    // What is forgotten goes now, before the times come round again and make it young.
    if (!remembered(*slot)) *slot = {};
    if (slot->mark == 0 ? place->mark != 0 : place->mark != 0 && age(*slot) > age(*place)) place = slot;
  }
  clear(*place);
  *place = {mark(hash), now_};
  ++born_[now_];
  ++live_;
  while (live_ > capacity && span_ > 1) forget_oldest();
}

bool Ghosts::take(std::uint64_t hash) {
  if (live_ == 0) return false;
  Slot* const slots = bucket(hash);
  for (Slot* slot = slots; slot != slots + kBucket; ++slot) {
    if (slot->mark != mark(hash) || !remembered(*slot)) continue;
    clear(*slot);
    return true;
  }
  return false;
}

void Ghosts::clear(Slot& slot) {
  if (remembered(slot) && born_[slot.time] != 0) {
    --born_[slot.time];
    --live_;
  }
  slot = {};
}

void Ghosts::forget_oldest() {
  std::uint32_t& born = born_[(now_ - (span_ - 1)) % kTimes];
  live_ -= born;
  born = 0;
  --span_;
}

Ghosts::Slot* Ghosts::bucket(std::uint64_t hash) {
  const std::uint64_t buckets = slots_.size() / kBucket;
  return slots_.data() + ((hash >> 32) * buckets >> 32) * kBucket;  // the upper half, scaled to the buckets
}

std::uint32_t Ghosts::mark(std::uint64_t hash) {
  const auto mark = static_cast<std::uint32_t>(hash & ((1u << 22) - 1));
  return mark == 0 ? 1 : mark;
}

}  // namespace forebay::memory
