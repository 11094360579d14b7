#include "journal/queue_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "journal/ages.h"

namespace forebay::journal {
namespace {

std::size_t bytes_of(const Step& step) {
  std::size_t bytes = 0;
  for (const Effect::Set& set : step.effect.sets)
    bytes += set.column.size() + (set.text ? set.text->size() : 0);
  for (const Effect::Sum& sum : step.effect.sums) bytes += sum.column.size() + sum.amount.size();
  return bytes;
}

}  // namespace

std::ptrdiff_t Queue::State::combine_counted(std::vector<Step>& steps, Effect effect, std::uint64_t seq) {
  const auto last_bytes = [&](std::size_t from) {
    std::ptrdiff_t bytes = 0;
    for (; from < steps.size(); ++from) bytes += static_cast<std::ptrdiff_t>(bytes_of(steps[from]));
    return bytes;
  };
  // Of several steps only the last takes more writes.
  const std::size_t from = effect.remove || steps.empty() ? 0 : steps.size() - 1;
  const std::ptrdiff_t before = last_bytes(from);
  combine(steps, std::move(effect), seq);
  return last_bytes(from) - before;
}

std::ptrdiff_t Queue::State::combine_counted(std::vector<Step>& steps, const Addition& addition,
                                             std::uint64_t seq) {
  const std::size_t before = steps.size();
  combine(steps, addition, seq);
  return steps.size() == before ? 0 : static_cast<std::ptrdiff_t>(bytes_of(steps.back()));
}

Queue::State::Stream& Queue::State::stream_of(Slot& slot, std::uint32_t lane, std::string_view source) {
  if (slot.recent != nullptr && slot.recent->source == source) return *slot.recent;
  const auto found = slot.streams.find(source);
  if (found != slot.streams.end()) return *(slot.recent = found->second.get());
  auto stream = std::make_unique<Stream>();
  stream->source = source;
  stream->lane = lane;
  return *slot.streams.emplace(std::string(source), std::move(stream)).first->second;
}

void Queue::State::add(Slot& slot, Stream& stream, const Wanted& wanted, std::uint64_t seq, std::size_t bytes,
                       bool restored, FunctionRef<std::ptrdiff_t(std::vector<Step>&)> take_in) {
  if (stream.generations.empty() || stream.generations.back()->closed) {
    auto made = std::make_unique<Generation>();
    made->batch->source = stream.source;
    made->batch->lane = stream.lane;
    made->batch->after =
        stream.generations.empty() ? stream.position : stream.generations.back()->batch->upto;
    made->first = seq;
    made->restored = restored;
    stream.generations.push_back(std::move(made));
  }
  Generation& generation = *stream.generations.back();
  Batch& batch = *generation.batch;

  auto found = slot.keys.find(wanted.key);
  if (found == slot.keys.end()) found = slot.keys.try_emplace(std::string(wanted.key)).first;
  auto& parts = found->second;
  bool changed = false;  // when the generation goes
  if (parts.empty() || parts.back().generation != &generation) {
    auto share = std::ranges::find(generation.shares, wanted.space, &Share::space);
    if (share == generation.shares.end()) {
      generation.shares.push_back({.space = std::string(wanted.space)});
      share = std::prev(generation.shares.end());
    }
    share->oldest = std::min(share->oldest, wanted.now);
    parts.push_back({&stream, &generation, static_cast<std::uint32_t>(batch.items.size()),
                     static_cast<std::uint32_t>(share - generation.shares.begin())});
    batch.items.push_back(
        {std::string(wanted.space), std::string(wanted.key), {}, wanted.now, wanted.key.size()});
    generation.written += wanted.key.size();
    ++generation.unsettled;
    const Instant due = saturating_add(wanted.now, wanted.rule.every);
    changed = due < generation.due;
    generation.due = std::min(generation.due, due);
    if (++share->keys >= std::max<std::size_t>(wanted.rule.batch, 1)) generation.closed = changed = true;
  }
  const Part& part = parts.back();
  Item& item = batch.items[part.item];
  const auto more = static_cast<std::size_t>(take_in(item.steps));
  item.bytes += more;
  generation.written += more;
  if (generation.written >= wanted.rule.bytes) generation.closed = changed = true;
  Share& share = generation.shares[part.share];
  ++share.ops;
  share.bytes += bytes;
  ++batch.ops;
  batch.bytes += bytes;
  batch.upto = seq;
  // Relaxed, as in of().
  queue.records_.fetch_add(1, std::memory_order_relaxed);
  if (changed && &generation == stream.generations.front().get()) arm(slot, stream);
}

bool Queue::State::ready(const Stream& stream, Instant now) {
  const Generation& front = *stream.generations.front();
  return front.closed || front.due <= now || front.first <= stream.hurry;
}

void Queue::State::arm(Slot& slot, Stream& stream) {
  if (!slot.wake || stream.busy || stream.stopped || !stream.known || stream.generations.empty()) return;
  const Instant now = clock.now();
  const Instant at = ready(stream, now) ? Instant::min() : stream.generations.front()->due;
  if (stream.armed <= at) return;
  stream.armed = at;
  slot.wake(stream, at);
}

std::vector<Queue::State::Stream*> Queue::State::streams(std::string_view source) {
  std::vector<Stream*> all;
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [name, stream] : slot.streams) {
      if (source.empty() || name == source) all.push_back(stream.get());
    }
  }
  return all;
}

Queue::State::Stream& Queue::State::stream(std::string_view source, std::uint32_t lane) {
  Slot& slot = slots[lane];
  MutexLock lock(slot.mutex);
  return stream_of(slot, lane, source);
}

Queue::State::Opening Queue::State::open(Stream& stream, std::uint64_t position) {
  Slot& slot = slots[stream.lane];
  Opening opening;
  MutexLock lock(slot.mutex);
  const std::uint64_t most = std::max(stream.position, stream.restored);
  if (position < stream.position || position > most) {
    opening.wrong =
        fmt::format("its ledger stands at {}, the journal knows that it has been at {} and ends at {}: {}",
                    position, stream.position, most,
                    position < stream.position ? "the database seems to have been restored from a backup"
                                               : "the journal's file seems to be an older copy");
    stream.known = stream.stopped = true;
    return opening;
  }
  while (!stream.generations.empty() && stream.generations.front()->batch->upto <= position) {
    drop(slot, *stream.generations.front());
    stream.generations.pop_front();
  }
  stream.position = position;
  opening.done = passed(slot, stream);
  if (!stream.generations.empty()) {
    Generation& front = *stream.generations.front();
    if (front.first <= position) {
      opening.cut = front.batch->upto;
    } else {
      front.batch->after = position;
    }
  }
  stream.known = opening.cut == 0;
  return opening;
}

Result<std::shared_ptr<const Batch>> Queue::State::cut(Stream& stream, std::uint64_t position,
                                                       std::vector<Op> ops) {
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  Generation& front = *stream.generations.front();
  auto left = std::make_shared<Batch>();
  left->source = stream.source;
  left->lane = stream.lane;
  left->after = position;
  left->upto = front.batch->upto;
  std::map<std::string, std::size_t, std::less<>> places;
  std::vector<Share> shares = front.shares;
  for (Share& share : shares) share.ops = share.bytes = 0;
  for (const Item& item : front.batch->items) {
    forget_merged(slot, item.key);
    places.emplace(item.key, left->items.size());
    left->items.push_back({item.space, item.key, {}, item.since, 0});
  }
  for (const Op& op : ops) {
    if (op.source != stream.source || op.seq <= position || op.seq > left->upto) continue;
    const auto place = places.find(op.key);
    auto effect = decode(op.payload);
    if (place == places.end() || !effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} is not what it was when it was read first", op.seq)};
    }
    combine(left->items[place->second].steps, std::move(*effect), op.seq);
    Share& share = *std::ranges::find(shares, left->items[place->second].space, &Share::space);
    ++share.ops;
    share.bytes += size_of(op);
    ++left->ops;
    left->bytes += size_of(op);
  }
  queue.records_.fetch_sub(front.batch->ops - left->ops, std::memory_order_relaxed);
  front.batch = left;
  front.shares = std::move(shares);
  front.first = position + 1;
  stream.position = position;
  stream.known = true;
  return std::shared_ptr<const Batch>(std::move(left));
}

std::shared_ptr<const Batch> Queue::State::take(Stream& stream, Instant now) {
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  if (stream.busy || stream.stopped || !stream.known) return nullptr;
  stream.armed = kNever;
  if (stream.generations.empty()) return nullptr;
  if (!ready(stream, now)) {
    arm(slot, stream);
    return nullptr;
  }
  stream.generations.front()->closed = true;
  stream.busy = true;
  return stream.generations.front()->batch;
}

void Queue::State::set_sent(Stream& stream, bool sent) {
  MutexLock lock(slots[stream.lane].mutex);
  stream.generations.front()->sent = sent;
}

void Queue::State::merge(PendingKey& pending, const Part& part) {
  const Item& item = part.generation->batch->items[part.item];
  if (item.steps.empty()) return;
  pending.since = std::min(pending.since, item.since);
  const bool first = pending.steps.empty();
  if (first) pending.steps = item.steps;
  for (const Step& step : item.steps) {
    pending.ops += step.ops;
    pending.last = std::max(pending.last, step.last);
    if (first) continue;
    const std::size_t before = pending.steps.size();
    combine(pending.steps, step.effect, step.last);
    if (pending.steps.size() > before) {
      pending.steps.back().first = step.first;
      pending.steps.back().ops = step.ops;
    } else {
      pending.steps.back().ops += step.ops - 1;
    }
  }
}

// A key's part in an open generation is its last one. (10,000 generations of a counter: 740 us, and 12 us
// where they have been merged.)
std::optional<PendingKey> Queue::State::pending_of(Slot& slot, std::string_view key) {
  const auto found = slot.keys.find(key);
  if (found == slot.keys.end()) return std::nullopt;
  const std::vector<Part>& parts = found->second;
  PendingKey pending;
  pending.since = kNever;
  std::size_t from = 0;
  if (parts.size() >= kManyParts) {
    auto merged = slot.merged.find(key);
    if (merged == slot.merged.end()) {
      merged = slot.merged.emplace(std::string(key), Merged{}).first;
      merged->second.pending.since = kNever;
    }
    std::size_t& count = merged->second.parts;
    for (; count < parts.size() - 1 && parts[count].generation->closed; ++count)
      merge(merged->second.pending, parts[count]);
    pending = merged->second.pending;
    from = count;
  }
  for (; from < parts.size(); ++from) merge(pending, parts[from]);
  if (pending.steps.empty()) return std::nullopt;
  // Of a stream's generations the first is sent, and those that were restored are the first.
  const Stream* seen = nullptr;
  for (const Part& part : parts) {
    if (part.stream == seen || part.generation->batch->items[part.item].steps.empty()) continue;
    seen = part.stream;
    pending.applying |=
        part.generation->sent || (part.generation->restored && !seen->confirmed && !seen->stopped);
  }
  return pending;
}

void Queue::State::forget_merged(Slot& slot, std::string_view key) {
  if (slot.merged.empty()) return;
  if (const auto merged = slot.merged.find(key); merged != slot.merged.end()) slot.merged.erase(merged);
}

void Queue::State::put_back(Stream& stream) {
  MutexLock lock(slots[stream.lane].mutex);
  stream.busy = false;
}

std::vector<Queue::Flushed> Queue::State::lose(Slot& slot, Stream& stream, const std::vector<Op>& ops,
                                               const std::vector<Effect>& effects, std::uint64_t last,
                                               std::vector<std::string>& keys) {
  std::uint64_t from = 0;
  while (!stream.generations.empty() && stream.generations.back()->batch->upto > last) {
    Generation& generation = *stream.generations.back();
    for (const Item& item : generation.batch->items) keys.push_back(item.key);
    from = generation.first;
    drop(slot, generation);
    stream.generations.pop_back();
  }
  if (from == 0) return {};
  // Of the oldest of these generations some may be kept.
  Ages ages(clock);
  const auto begin = std::ranges::lower_bound(ops, from, {}, &Op::seq);
  for (auto op = begin; op != ops.end() && op->seq <= last; ++op) {
    if (op->lane != stream.lane || op->source != stream.source) continue;
    const Wanted wanted{op->source, op->space, op->key, ages.since(op->wall_ms), {.every = {}}};
    add(slot, stream, wanted, op->seq, size_of(*op), false, [&](std::vector<Step>& steps) {
      return combine_counted(steps, effects[static_cast<std::size_t>(op - ops.begin())], op->seq);
    });
  }
  const std::uint64_t left =
      stream.generations.empty() ? stream.position : stream.generations.back()->batch->upto;
  std::vector<std::shared_ptr<Waiter>> moved;
  const auto waiting = stream.waiters.upper_bound(left);
  for (auto waiter = waiting; waiter != stream.waiters.end(); ++waiter) moved.push_back(waiter->second);
  stream.waiters.erase(waiting, stream.waiters.end());
  for (auto& waiter : moved) {
    for (auto& [wanted, seq] : waiter->wanted) {
      if (wanted == &stream) seq = left;
    }
    stream.waiters.emplace(left, std::move(waiter));
  }
  return passed(slot, stream);
}

// Takes the keys' parts in the generation, and its numbers, out of what is pending.
void Queue::State::drop(Slot& slot, Generation& generation) {
  for (const Item& item : generation.batch->items) {
    if (generation.unsettled == 0) break;
    const auto found = slot.keys.find(item.key);
    if (found == slot.keys.end()) continue;
    const auto part = std::ranges::find(found->second, &generation, &Part::generation);
    if (part == found->second.end()) continue;
    found->second.erase(part);
    forget_merged(slot, item.key);
    if (found->second.empty()) slot.keys.erase(found);
    --generation.unsettled;
  }
  queue.records_.fetch_sub(generation.batch->ops, std::memory_order_relaxed);
}

std::vector<Queue::Flushed> Queue::State::passed(Slot& slot, Stream& stream) {
  std::vector<Flushed> done;
  while (!stream.waiters.empty() && stream.waiters.begin()->first <= stream.position) {
    const std::shared_ptr<Waiter> waiter = std::move(stream.waiters.begin()->second);
    stream.waiters.erase(stream.waiters.begin());
    std::erase_if(waiter->wanted, [&](const auto& wanted) { return wanted.first == &stream; });
    if (!waiter->wanted.empty()) continue;
    done.push_back(std::move(waiter->done));
    slot.waiters.erase(waiter->id);
  }
  return done;
}

std::vector<Queue::Flushed> Queue::State::finish(Stream& stream) {
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  Generation& front = *stream.generations.front();
  stream.position = front.batch->upto;
  stream.confirmed = true;
  drop(slot, front);
  stream.generations.pop_front();
  stream.busy = false;
  return passed(slot, stream);
}

void Queue::State::stop(Stream& stream) {
  MutexLock lock(slots[stream.lane].mutex);
  stream.stopped = true;
  stream.busy = false;
  if (!stream.generations.empty()) stream.generations.front()->sent = false;
}

void Queue::State::hurry(Stream& stream, std::uint64_t upto) {
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  stream.hurry = std::max(stream.hurry, upto);
  arm(slot, stream);
}

bool Queue::State::hurry_before(const Stream& stream, std::uint64_t seq) {
  bool any = false;
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    const auto found = slot.streams.find(stream.source);
    if (found == slot.streams.end()) continue;
    Stream& other = *found->second;
    if (&other == &stream || other.stopped || other.generations.empty()) continue;
    if (other.generations.front()->first >= seq) continue;
    any = true;
    other.hurry = std::max(other.hurry, seq);
    arm(slot, other);
  }
  return any;
}

std::uint64_t Queue::State::wait_locked(Slot& slot, std::vector<std::pair<Stream*, std::uint64_t>> wanted,
                                        Flushed done) {
  auto waiter = std::make_shared<Waiter>();
  const auto lane = static_cast<std::uint64_t>(&slot - slots.data());
  waiter->id = slot.next_waiter++ * slots.size() + lane;
  waiter->done = std::move(done);
  waiter->wanted = std::move(wanted);
  for (const auto& [stream, seq] : waiter->wanted) stream->waiters.emplace(seq, waiter);
  slot.waiters.emplace(waiter->id, waiter);
  return waiter->id;
}

std::uint64_t Queue::State::wait(Stream& stream, std::uint64_t seq, Flushed done) {
  Slot& slot = slots[stream.lane];
  {
    MutexLock lock(slot.mutex);
    if (seq > stream.position) return wait_locked(slot, {{&stream, seq}}, std::move(done));
  }
  done(true);
  return 0;
}

std::uint64_t Queue::State::last_of(Stream& stream, std::string_view space) {
  MutexLock lock(slots[stream.lane].mutex);
  for (auto i = stream.generations.rbegin(); i != stream.generations.rend(); ++i) {
    const Generation& generation = **i;
    if (space.empty() ||
        std::ranges::find(generation.shares, space, &Share::space) != generation.shares.end())
      return generation.batch->upto;
  }
  return 0;
}

void Queue::State::forget(std::uint64_t id) {
  Flushed dropped;  // destroyed without the lock
  Slot& slot = slots[id % slots.size()];
  MutexLock lock(slot.mutex);
  const auto found = slot.waiters.find(id);
  if (found == slot.waiters.end()) return;
  const std::shared_ptr<Waiter> waiter = found->second;
  for (const auto& [stream, seq] : waiter->wanted) {
    auto [begin, end] = stream->waiters.equal_range(seq);
    for (; begin != end; ++begin) {
      if (begin->second != waiter) continue;
      stream->waiters.erase(begin);
      break;
    }
  }
  dropped = std::move(waiter->done);
  slot.waiters.erase(found);
}

// Every op up to the first pass's number either is pending when the second pass comes to its lane, or was
// applied: it was numbered under the lock that both passes take, by a thread that did not let go before it
// was pending.
void Queue::State::trim() {
  MutexLock lock(trim_mutex);
  std::uint64_t upto = 0;
  for (Slot& slot : slots) {
    MutexLock in(slot.mutex);
    upto = std::max(upto, slot.last);
  }
  std::vector<Applied> applied;
  for (Slot& slot : slots) {
    MutexLock in(slot.mutex);
    for (const auto& [source, stream] : slot.streams) {
      if (!stream->generations.empty()) upto = std::min(upto, stream->generations.front()->first - 1);
      if (stream->position != 0) applied.push_back({source, stream->lane, stream->position});
    }
  }
  if (upto <= trimmed) return;
  trimmed = upto;
  journal.trim(upto, std::move(applied));
}

}  // namespace forebay::journal
