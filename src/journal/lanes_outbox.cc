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

Outbox::Opening Lanes::open(Stream& any, std::uint64_t position) {
  OwnStream& stream = own(any);
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
    left->items.push_back({item.space, item.key, {}, item.since, 0});
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

void Lanes::stop(Stream& any) {
  OwnStream& stream = own(any);
  MutexLock lock(slots[stream.lane].mutex);
  stream.stopped = true;
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

bool Lanes::hurry_before(const Stream& any, std::uint64_t seq) {
  const OwnStream& stream = own(any);
  bool found_any = false;
  for (Slot& slot : slots) {
    MutexLock lock(slot.mutex);
    const auto found = slot.streams.find(stream.source);
    if (found == slot.streams.end()) continue;
    OwnStream& other = *found->second;
    if (&other == &stream || other.stopped || other.generations.empty()) continue;
    if (other.generations.front()->first >= seq) continue;
    found_any = true;
    other.hurry = std::max(other.hurry, seq);
    arm(slot, other);
  }
  return found_any;
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
