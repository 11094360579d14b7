#include "journal/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/hash.h"
#include "base/hash_inline.h"
#include "journal/ages.h"
#include "journal/lanes.h"

namespace forebay::journal {
// Not base/hash.h's, whose seed is the process's: the lane is in the journal.
std::uint32_t lane_of(std::string_view key, std::uint32_t lanes) {
  return static_cast<std::uint32_t>(XXH3_64bits(key.data(), key.size()) % lanes);
}

Queue::Queue(Journal& journal, const Clock& clock)
    : lanes_(std::make_unique<Lanes>(journal, clock, records_)) {}

Queue::~Queue() {
  for (Lanes::Slot& slot : lanes_->slots) {
    std::vector<Flushed> done;
    {
      MutexLock lock(slot.mutex);
      for (auto& [id, waiter] : slot.waiters) done.push_back(std::move(waiter->done));
      slot.waiters.clear();
    }
    for (Flushed& flushed : done) flushed(false);
  }
}

Result<void> Queue::restore(std::vector<Op> ops, std::vector<Applied> applied) {
  const auto lanes = static_cast<std::uint32_t>(lanes_->slots.size());
  for (const Applied& at : applied) {
    if (at.lane >= lanes) continue;  // an older journal's, with more lanes
    Lanes::Slot& slot = lanes_->slots[at.lane];
    MutexLock lock(slot.mutex);
    Lanes::stream_of(slot, at.lane, at.source).position = at.seq;
  }
  Ages ages(lanes_->clock);
  for (Op& op : ops) {
    if (op.lane != lane_of(op.key, lanes)) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} is in lane {}, its key belongs in lane {}", op.seq,
                               op.lane, lane_of(op.key, lanes))};
    }
    Lanes::Slot& slot = lanes_->slots[op.lane];
    MutexLock lock(slot.mutex);
    Lanes::OwnStream& stream = Lanes::stream_of(slot, op.lane, op.source);
    slot.last = std::max(slot.last, op.seq);
    stream.restored = op.seq;
    if (op.seq <= stream.position) continue;
    auto effect = decode(op.payload);
    if (!effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} can't be read: {}", op.seq, effect.error().message)};
    }
    lanes_->add(
        slot, stream, Lanes::added_before(op, ages.since(op.wall_ms)), true,
        [&](std::vector<Step>& steps) { return Lanes::combine_counted(steps, std::move(*effect), op.seq); });
  }
  for (Lanes::Slot& slot : lanes_->slots) {
    MutexLock lock(slot.mutex);
    for (auto& [source, stream] : slot.streams) {
      if (!stream->generations.empty()) stream->generations.back()->closed = true;
    }
  }
  return {};
}

const Place& Queue::place(std::string_view source, std::string_view space, const FlushRule& rule,
                          Durability durability) {
  return lanes_->place(source, space, rule, durability);
}

template <class Kind>
Result<std::uint64_t> Queue::append_any(const NewWrite& write, Kind effect) {
  constexpr std::size_t kKeptText = std::size_t{64} << 10;
  Lanes& all = *lanes_;
  const Place& place = write.place;
  const std::uint32_t lane = lane_of(write.key, static_cast<std::uint32_t>(all.slots.size()));
  thread_local std::string payload;  // kept for its room
  payload.clear();
  if (payload.capacity() > kKeptText) payload.shrink_to_fit();
  encode(effect, payload);
  const OpView op{lane, place.source, place.space, write.key, payload, write.receipt, place.id};
  Lanes::Slot& slot = all.slots[lane];
  // The journal numbers a lane's ops in the order in which they become pending.
  MutexLock lock(slot.mutex);
  const Lanes::OwnStream& stream = *place.streams[lane];
  if (!stream.refuses.empty()) return Error{ErrorCode::kUnavailable, stream.refuses};
  auto seq = all.journal.append(op, place.durability);
  if (!seq) return seq;
  slot.last = *seq;
  const Lanes::Added added{
      place.space, write.key, write.hash, write.now, place.rule, *seq, write.key.size() + payload.size()};
  all.add(slot, *place.streams[lane], added, false,
          [&](std::vector<Step>& steps) { return Lanes::combine_counted(steps, std::move(effect), *seq); });
  return seq;
}

void Queue::refuse(std::string_view source, const std::string& why) {
  for (std::uint32_t lane = 0; lane < lanes_->slots.size(); ++lane) {
    Lanes::Slot& slot = lanes_->slots[lane];
    MutexLock lock(slot.mutex);
    Lanes::OwnStream& stream = Lanes::stream_of(slot, lane, source);
    if (!stream.stopped) stream.refuses = why;
  }
}

Result<std::uint64_t> Queue::append(const NewWrite& write, Effect effect) {
  return append_any(write, std::move(effect));
}

Result<std::uint64_t> Queue::append(const NewWrite& write, const Addition& addition) {
  return append_any<const Addition&>(write, addition);
}

void Queue::when_committed(std::uint64_t first, std::uint64_t last, Kept kept) {
  lanes_->journal.when_committed(first, last, std::move(kept));
}

std::optional<PendingKey> Queue::of(std::string_view key) const {
  if (records_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  return of(key, hash_bytes(key));
}

std::optional<PendingKey> Queue::of(std::string_view key, std::uint64_t hash) const {
  // Relaxed: who must see a write has had the key's lock after its append().
  if (records_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  Lanes::Slot& slot = lanes_->slot_of(key);
  MutexLock lock(slot.mutex);
  return Lanes::pending_of(slot, {key, hash});
}

std::vector<std::string> Queue::keys(std::string_view prefix) const {
  std::vector<std::string> found;
  if (records_.load(std::memory_order_relaxed) == 0) return found;  // relaxed: as in of()
  for (const Lanes::Slot& slot : lanes_->slots) {
    const MutexLock lock(slot.mutex);
    for (const auto& [key, parts] : slot.keys) {
      if (key.starts_with(prefix)) found.push_back(key);
    }
  }
  return found;
}

std::uint64_t Queue::when_flushed(std::string_view key, std::uint64_t hash, Flushed done) {
  Lanes::Slot& slot = lanes_->slot_of(key);
  {
    MutexLock lock(slot.mutex);
    std::vector<std::pair<Lanes::OwnStream*, std::uint64_t>> wanted;
    if (const auto found = slot.keys.find(HashedKey{key, hash}); found != slot.keys.end()) {
      for (const Lanes::Part& part : found->second) {
        const Item& item = part.generation->batch->items[part.item];
        if (item.steps.empty()) continue;
        const std::uint64_t last = item.steps.back().last;
        if (!wanted.empty() && wanted.back().first == part.stream) {
          wanted.back().second = last;
        } else {
          wanted.emplace_back(part.stream, last);
        }
      }
    }
    if (!wanted.empty()) {
      for (const auto& [stream, last] : wanted) {
        stream->hurry = std::max(stream->hurry, last);
        lanes_->arm(slot, *stream);
      }
      return lanes_->wait_locked(slot, std::move(wanted), std::move(done));
    }
  }
  done(true);
  return 0;
}

void Queue::forget(std::uint64_t id) {
  lanes_->forget(id);
}

std::vector<PendingStats> Queue::stats() const {
  std::map<std::string, PendingStats, std::less<>> by_space;
  for (Lanes::Slot& slot : lanes_->slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [source, stream] : slot.streams) {
      for (const auto& generation : stream->generations) {
        for (const Lanes::Share& share : generation->shares) {
          PendingStats& stats = by_space[share.space];
          stats.records += share.ops;
          stats.bytes += share.bytes;
          stats.oldest = std::min(stats.oldest.value_or(kNever), share.oldest);
        }
      }
    }
  }
  std::vector<PendingStats> all;
  for (auto& [space, stats] : by_space) {
    stats.space = space;
    all.push_back(std::move(stats));
  }
  return all;
}

std::vector<std::string> Queue::spaces(std::string_view source) const {
  std::vector<std::string> all;
  for (Lanes::Slot& slot : lanes_->slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [name, stream] : slot.streams) {
      if (!source.empty() && name != source) continue;
      for (const auto& generation : stream->generations) {
        for (const Lanes::Share& share : generation->shares) all.push_back(share.space);
      }
    }
  }
  std::ranges::sort(all);
  const auto twice = std::ranges::unique(all);
  all.erase(twice.begin(), twice.end());
  return all;
}

void Queue::settle(std::string_view key, std::uint64_t hash) {
  Lanes::Slot& slot = lanes_->slot_of(key);
  MutexLock lock(slot.mutex);
  const auto found = slot.keys.find(HashedKey{key, hash});
  if (found == slot.keys.end()) return;
  auto& parts = found->second;
  const auto sent = std::ranges::find_if(parts, [](const auto& part) { return part.generation->sent; });
  if (sent == parts.end()) return;
  --sent->generation->unsettled;
  parts.erase(sent);
  Lanes::forget_merged(slot, {key, hash});
  if (parts.empty()) slot.keys.erase(found);
}

Result<std::vector<std::string>> Queue::lose(const std::vector<Op>& ops, std::uint64_t last) {
  std::vector<Effect> effects;
  effects.reserve(ops.size());
  for (const Op& op : ops) {
    auto effect = decode(op.payload);
    if (!effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} can't be read: {}", op.seq, effect.error().message)};
    }
    effects.push_back(std::move(*effect));
  }
  std::vector<std::string> keys;
  for (Lanes::Slot& slot : lanes_->slots) {
    std::vector<Flushed> done;
    {
      MutexLock lock(slot.mutex);
      for (auto& [source, stream] : slot.streams) {
        std::ranges::move(lanes_->lose(slot, *stream, ops, effects, last, keys), std::back_inserter(done));
      }
    }
    for (Flushed& flushed : done) flushed(true);
  }
  std::ranges::sort(keys);
  const auto twice = std::ranges::unique(keys);
  keys.erase(twice.begin(), twice.end());
  return keys;
}

Outbox& Queue::outbox() {
  return *lanes_;
}

}  // namespace forebay::journal
