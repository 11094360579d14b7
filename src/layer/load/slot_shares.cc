#include "layer/load/slot_shares.h"

#include <algorithm>

namespace forebay::layer {

bool SlotShares::may_take(const Group& group, Instant now) const {
  if (free() == 0) return false;
  if (limit_ < 2) return true;
  std::size_t own = 0;
  std::size_t writes = 0;
  bool slow = false;
  for (const Running& each : running_) {
    writes += each.group.use == Use::kLoad ? 0 : 1;
    if (each.group != group) continue;
    ++own;
    slow |= now - each.since >= kQuick;
  }
  if (group.use != Use::kLoad && writes + 1 >= limit_) return false;
  if (group.use == Use::kBatch) return own < half();
  const bool alone = known_.empty() || (known_.size() == 1 && known_.contains(group));
  if (alone) return true;
  const bool stuck = stuck_.contains(group);
  if (stuck && own >= half()) return false;
  return !(slow || stuck) || free() >= 2;
}

SlotShares::Ticket SlotShares::take(const Group& group, Instant now, Duration within) {
  known_.insert(group);
  running_.push_back({++last_, group, now, within});
  return last_;
}

void SlotShares::give_back(Ticket ticket, Instant now) {
  const auto found = std::ranges::find(running_, ticket, &Running::ticket);
  if (found == running_.end()) return;
  if (now - found->since > found->within / 2) {
    stuck_.insert(found->group);
  } else {
    stuck_.erase(found->group);
  }
  *found = running_.back();
  running_.pop_back();
}

}  // namespace forebay::layer
