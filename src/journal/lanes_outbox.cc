// The flusher's side of the lanes: generations are taken out, and leave.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "journal/lanes.h"

namespace forebay::journal {

void Lanes::watch(const Ready& ready) {
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    slot.ready = ready;
  }
}

std::vector<Outbox::Stream*> Lanes::streams(std::string_view source) {
  std::vector<Stream*> all;
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    for (const auto& [name, stream] : slot.streams) {
      if (source.empty() || name == source) all.push_back(stream.get());
    }
  }
  return all;
}

Outbox::Stream& Lanes::stream(std::string_view source, std::uint32_t lane) {
  Slot& slot = slots[lane];
  MutexLock lock(slot.mutex);
  return stream_of(slot, lane, source);
}

std::uint64_t Lanes::restored(const Stream& any) {
  const OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  return stream.restored;
}

Outbox::Opening Lanes::open(Stream& any, std::uint64_t position, bool fresh) {
  OwnStream& stream = own(any);
  Slot& slot = slots[stream.lane];
  Opening opening;
  MutexLock lock(slot.mutex);
  if (fresh && position == 0 && (stream.generations.empty() || !stream.generations.front()->restored))
    stream.position = 0;
  const std::uint64_t most = std::max(stream.position, stream.restored);
  if (position < stream.position || position > most) {
    opening.wrong =
        fmt::format("its ledger stands at {}, the journal knows that it has been at {} and ends at {}: {}",
                    position, stream.position, most,
                    position < stream.position ? "the database seems to have been restored from a backup"
                                               : "the journal's file seems to be an older copy");
    stream.known = true;
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

Result<std::shared_ptr<const Batch>> Lanes::cut(Stream& any, std::uint64_t position, std::vector<Op> ops) {
  OwnStream& stream = own(any);
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  Generation& front = *stream.generations.front();
  auto left = std::make_shared<Batch>();
  left->source = stream.source;
  left->lane = stream.lane;
  left->after = position;
  left->upto = front.batch->upto;
  std::map<std::string, std::size_t, std::less<>> items;
  std::vector<Share> shares = front.shares;
  for (Share& share : shares) share.ops = share.bytes = 0;
  for (const Item& item : front.batch->items) {
    forget_merged(slot, {item.key, hash_bytes(item.key)});
    items.emplace(item.key, left->items.size());
    left->items.push_back({item.space, item.key, {}, item.since, 0, stream.lane});
  }
  for (const Op& op : ops) {
    if (op.source != stream.source || op.seq <= position || op.seq > left->upto) continue;
    const auto item = items.find(op.key);
    auto effect = decode(op.payload);
    if (item == items.end() || !effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} is not what it was when it was read first", op.seq)};
    }
    combine(left->items[item->second].steps, std::move(*effect), op.seq);
    Share& share = *std::ranges::find(shares, left->items[item->second].space, &Share::space);
    ++share.ops;
    share.bytes += size_of(op);
    ++left->ops;
    left->bytes += size_of(op);
  }
  records.fetch_sub(front.batch->ops - left->ops, std::memory_order_relaxed);
  front.batch = left;
  front.shares = std::move(shares);
  front.first = position + 1;
  stream.position = position;
  stream.known = true;
  return std::shared_ptr<const Batch>(std::move(left));
}

LaneRange Lanes::enclose(Stream& any, std::uint64_t upto) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  LaneRange range{stream.lane, stream.position, stream.position};
  for (auto& generation : stream.generations) {
    if (generation->first > upto) break;
    generation->closed = true;
    range.upto = generation->batch->upto;
  }
  return range;
}

Result<std::shared_ptr<const Batch>> Lanes::regroup(Stream& any, std::uint64_t upto,
                                                    const std::vector<Op>& ops) {
  OwnStream& stream = own(any);
  Slot& slot = slots[stream.lane];
  std::vector<std::pair<const Op*, Effect>> mine;
  for (const Op& op : ops) {
    if (op.source != stream.source) continue;
    auto effect = decode(op.payload);
    if (!effect) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal's op {} can't be read: {}", op.seq, effect.error().message)};
    }
    mine.emplace_back(&op, std::move(*effect));
  }
  MutexLock lock(slot.mutex);
  std::size_t count = 0;
  std::uint64_t pending = 0;
  std::map<std::string_view, const Item*> before;
  Instant due = kNever;
  bool restored_in = false;
  for (; count < stream.generations.size() && stream.generations[count]->first <= upto; ++count) {
    const Generation& generation = *stream.generations[count];
    pending += generation.batch->ops;
    due = std::min(due, generation.due);
    restored_in |= generation.restored;
    for (const Item& item : generation.batch->items) before.try_emplace(item.key, &item);
  }
  const bool same = std::ranges::all_of(mine, [&](const auto& op) { return before.contains(op.first->key); });
  if (mine.size() != pending || !same) {
    return Error{ErrorCode::kInternal,
                 fmt::format("the journal has {} ops of lane {} of source {} where {} were pending",
                             mine.size(), stream.lane, stream.source, pending)};
  }
  if (mine.empty()) return std::shared_ptr<const Batch>();
  std::vector<std::unique_ptr<Generation>> made;
  std::map<std::string_view, std::size_t> items;  // of the last one that was made
  for (auto& [op, effect] : mine) {
    const bool second = made.size() == 1 && made.front()->first <= upto && op->seq > upto;
    if (made.empty() || second) {
      auto generation = std::make_unique<Generation>();
      generation->batch->source = stream.source;
      generation->batch->lane = stream.lane;
      generation->batch->after = made.empty() ? stream.position : made.back()->batch->upto;
      generation->first = op->seq;
      generation->due = due;
      generation->closed = true;
      generation->restored = restored_in;
      made.push_back(std::move(generation));
      items.clear();
    }
    Generation& generation = *made.back();
    Batch& batch = *generation.batch;
    const Item& old = *before.at(op->key);
    const auto [item, fresh] = items.try_emplace(op->key, batch.items.size());
    auto share = std::ranges::find(generation.shares, old.space, &Share::space);
    if (share == generation.shares.end()) {
      generation.shares.push_back({.space = old.space});
      share = std::prev(generation.shares.end());
    }
    if (fresh) {
      batch.items.push_back({old.space, old.key, {}, old.since, old.key.size(), stream.lane});
      generation.written += old.key.size();
      ++generation.unsettled;
      ++share->keys;
      share->oldest = std::min(share->oldest, old.since);
    }
    Item& taken = batch.items[item->second];
    const auto more = static_cast<std::size_t>(combine_counted(taken.steps, std::move(effect), op->seq));
    taken.bytes += more;
    generation.written += more;
    ++share->ops;
    share->bytes += size_of(*op);
    ++batch.ops;
    batch.bytes += size_of(*op);
    batch.upto = op->seq;
  }
  std::vector<std::unique_ptr<Generation>> gone;  // `before` points into them
  for (; count > 0; --count) {
    take_parts(slot, *stream.generations.front());
    gone.push_back(std::move(stream.generations.front()));
    stream.generations.pop_front();
  }
  // The last one first, so that a key's parts are in order: those that stay are of later generations.
  for (auto generation = made.rbegin(); generation != made.rend(); ++generation) {
    const Batch& batch = *(*generation)->batch;
    for (std::size_t i = 0; i < batch.items.size(); ++i) {
      const HashedKey key{batch.items[i].key, hash_bytes(batch.items[i].key)};
      auto found = slot.keys.find(key);
      if (found == slot.keys.end()) found = slot.keys.try_emplace(batch.items[i].key).first;
      const auto share = std::ranges::find((*generation)->shares, batch.items[i].space, &Share::space);
      found->second.insert(found->second.begin(),
                           {&stream, generation->get(), static_cast<std::uint32_t>(i),
                            static_cast<std::uint32_t>(share - (*generation)->shares.begin())});
      forget_merged(slot, key);
    }
    stream.generations.push_front(std::move(*generation));
  }
  const Generation& front = *stream.generations.front();
  if (front.first > upto) return std::shared_ptr<const Batch>();
  return std::shared_ptr<const Batch>(front.batch);
}

std::shared_ptr<const Batch> Lanes::take(Stream& any, Instant now) {
  OwnStream& stream = own(any);
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

bool Lanes::seize(Stream& any) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  if (stream.busy || stream.stopped || !stream.known) return false;
  stream.armed = kNever;
  stream.busy = true;
  return true;
}

void Lanes::set_sent(Stream& any, bool sent) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  stream.generations.front()->sent = sent;
}

void Lanes::put_back(Stream& any) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  stream.busy = false;
}

std::vector<Flushed> Lanes::finish(Stream& any) {
  OwnStream& stream = own(any);
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

void Lanes::stop(Stream& any, const std::string& why) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  stream.stopped = true;
  stream.refuses =
      fmt::format("write-behind has stopped in lane {}, and takes no writes: {}", stream.lane, why);
  stream.busy = false;
  if (!stream.generations.empty()) stream.generations.front()->sent = false;
}

void Lanes::hurry(Stream& any, std::uint64_t upto) {
  OwnStream& stream = own(any);
  Slot& slot = slots[stream.lane];
  MutexLock lock(slot.mutex);
  stream.hurry = std::max(stream.hurry, upto);
  arm(slot, stream);
}

bool Lanes::any_before(const Stream& any, std::uint64_t seq) {
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    const auto found = slot.streams.find(any.source);
    if (found == slot.streams.end()) continue;
    const OwnStream& other = *found->second;
    if (&other == &any || other.stopped || other.generations.empty()) continue;
    if (other.generations.front()->first < seq) return true;
  }
  return false;
}

std::uint64_t Lanes::first_of(std::string_view source) {
  std::uint64_t first = 0;
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    const auto found = slot.streams.find(source);
    if (found == slot.streams.end()) continue;
    const OwnStream& stream = *found->second;
    if (stream.stopped || stream.generations.empty()) continue;
    if (first == 0 || stream.generations.front()->first < first) first = stream.generations.front()->first;
  }
  return first;
}

std::uint64_t Lanes::wait(Stream& any, std::uint64_t seq, Flushed done) {
  OwnStream& stream = own(any);
  Slot& slot = slots[stream.lane];
  {
    MutexLock lock(slot.mutex);
    if (seq > stream.position) return wait_locked(slot, {{&stream, seq}}, std::move(done));
  }
  done(true);
  return 0;
}

std::uint64_t Lanes::last_of(const Stream& any, std::string_view space) {
  const OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  for (auto i = stream.generations.rbegin(); i != stream.generations.rend(); ++i) {
    const Generation& generation = **i;
    if (space.empty() ||
        std::ranges::find(generation.shares, space, &Share::space) != generation.shares.end())
      return generation.batch->upto;
  }
  return 0;
}

void Lanes::forget(std::uint64_t id) {
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
void Lanes::trim() {
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
