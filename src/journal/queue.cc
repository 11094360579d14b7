#include "journal/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/hash_inline.h"
#include "journal/ages.h"
#include "journal/queue_state.h"

namespace forebay::journal {
// Not base/hash.h's, whose seed is the process's: the lane is in the journal.
std::uint32_t lane_of(std::string_view key, std::uint32_t lanes) {
  return static_cast<std::uint32_t>(XXH3_64bits(key.data(), key.size()) % lanes);
}

Queue::Queue(Journal& journal, const Clock& clock) : state_(std::make_unique<State>(*this, journal, clock)) {}

Queue::~Queue() {
  for (State::Slot& slot : state_->slots) {
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
  const auto lanes = static_cast<std::uint32_t>(state_->slots.size());
  for (const Applied& at : applied) {
    if (at.lane >= lanes) continue;  // an older journal's, with more lanes
    State::Slot& slot = state_->slots[at.lane];
    MutexLock lock(slot.mutex);
    State::stream_of(slot, at.lane, at.source).position = at.seq;
  }
  Ages ages(state_->clock);
  for (Op& op : ops) {
    if (op.lane != lane_of(op.key, lanes)) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} is in lane {}, its key belongs in lane {}", op.seq,
                               op.lane, lane_of(op.key, lanes))};
    }
    State::Slot& slot = state_->slots[op.lane];
    MutexLock lock(slot.mutex);
    State::Stream& stream = State::stream_of(slot, op.lane, op.source);
    slot.last = std::max(slot.last, op.seq);
    stream.restored = op.seq;
    if (op.seq <= stream.position) continue;
    auto effect = decode(op.payload);
    if (!effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} can't be read: {}", op.seq, effect.error().message)};
    }
    const Wanted wanted{op.source, op.space, op.key, ages.since(op.wall_ms), {.every = {}}};
    state_->add(slot, stream, wanted, op.seq, State::size_of(op), true, [&](std::vector<Step>& steps) {
      return State::combine_counted(steps, std::move(*effect), op.seq);
    });
  }
  for (State::Slot& slot : state_->slots) {
    MutexLock lock(slot.mutex);
    for (auto& [source, stream] : slot.streams) {
      if (!stream->generations.empty()) stream->generations.back()->closed = true;
    }
  }
  return {};
}

template <class Kind>
Result<std::uint64_t> Queue::append_any(const Wanted& wanted, Kind effect) {
  constexpr std::size_t kKeptText = std::size_t{64} << 10;
  State& state = *state_;
  const std::uint32_t lane = lane_of(wanted.key, static_cast<std::uint32_t>(state.slots.size()));
  thread_local std::string payload;  // kept for its room
  payload.clear();
  if (payload.capacity() > kKeptText) payload.shrink_to_fit();
  encode(effect, payload);
  const OpView op{lane, wanted.source, wanted.space, wanted.key, payload, wanted.receipt};
  State::Slot& slot = state.slots[lane];
  // The journal numbers a lane's ops in the order in which they become pending.
  MutexLock lock(slot.mutex);
  auto seq = state.journal.append(op, wanted.durability);
  if (!seq) return seq;
  slot.last = *seq;
  State::Stream& stream = State::stream_of(slot, lane, wanted.source);
  state.add(slot, stream, wanted, *seq, wanted.key.size() + payload.size(), false,
            [&](std::vector<Step>& steps) { return State::combine_counted(steps, std::move(effect), *seq); });
  return seq;
}

Result<std::uint64_t> Queue::append(const Wanted& wanted, Effect effect) {
  return append_any(wanted, std::move(effect));
}

Result<std::uint64_t> Queue::append(const Wanted& wanted, const Addition& addition) {
  return append_any(wanted, addition);
}

void Queue::when_committed(std::uint64_t first, std::uint64_t last, Kept kept) {
  state_->journal.when_committed(first, last, std::move(kept));
}

std::optional<PendingKey> Queue::of(std::string_view key) const {
  // Relaxed: who must see a write has had the key's lock after its append().
  if (records_.load(std::memory_order_relaxed) == 0) return std::nullopt;
  State::Slot& slot = state_->slot_of(key);
  MutexLock lock(slot.mutex);
  return State::pending_of(slot, key);
}

std::uint64_t Queue::when_flushed(std::string_view key, Flushed done) {
  State::Slot& slot = state_->slot_of(key);
  {
    MutexLock lock(slot.mutex);
    std::vector<std::pair<State::Stream*, std::uint64_t>> wanted;
    if (const auto found = slot.keys.find(key); found != slot.keys.end()) {
      for (const State::Part& part : found->second) {
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
        state_->arm(slot, *stream);
      }
      return state_->wait_locked(slot, std::move(wanted), std::move(done));
    }
  }
  done(true);
  return 0;
}

void Queue::forget(std::uint64_t id) {
  state_->forget(id);
}

std::vector<PendingStats> Queue::stats() const {
  std::map<std::string, PendingStats, std::less<>> by_space;
  for (State::Slot& slot : state_->slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [source, stream] : slot.streams) {
      for (const auto& generation : stream->generations) {
        for (const State::Share& share : generation->shares) {
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
  for (State::Slot& slot : state_->slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [name, stream] : slot.streams) {
      if (!source.empty() && name != source) continue;
      for (const auto& generation : stream->generations) {
        for (const State::Share& share : generation->shares) all.push_back(share.space);
      }
    }
  }
  std::ranges::sort(all);
  const auto twice = std::ranges::unique(all);
  all.erase(twice.begin(), twice.end());
  return all;
}

void Queue::settle(std::string_view key) {
  State::Slot& slot = state_->slot_of(key);
  MutexLock lock(slot.mutex);
  const auto found = slot.keys.find(key);
  if (found == slot.keys.end()) return;
  auto& parts = found->second;
  const auto sent = std::ranges::find_if(parts, [](const auto& part) { return part.generation->sent; });
  if (sent == parts.end()) return;
  --sent->generation->unsettled;
  parts.erase(sent);
  State::forget_merged(slot, key);
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
  for (State::Slot& slot : state_->slots) {
    std::vector<Flushed> done;
    {
      MutexLock lock(slot.mutex);
      for (auto& [source, stream] : slot.streams) {
        std::ranges::move(state_->lose(slot, *stream, ops, effects, last, keys), std::back_inserter(done));
      }
    }
    for (Flushed& flushed : done) flushed(true);
  }
  std::ranges::sort(keys);
  const auto twice = std::ranges::unique(keys);
  keys.erase(twice.begin(), twice.end());
  return keys;
}

}  // namespace forebay::journal
