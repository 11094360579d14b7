// What all lanes of a source hold up to a number, in the journal's order and in one transaction: for writes
// that a database refuses for what other writes have yet to bring or to take away (journal/flusher.h).
//
// It begins when no lane of the source has a batch of its own. The lanes are seized, what they hold up to the
// number becomes the first generation of each, and these generations go as one batch, op by op. Some numbers
// at a time, so that it ends within its timeout.

#include <algorithm>
#include <utility>

#include "journal/flusher_state.h"

namespace forebay::journal {

void Flusher::State::want_in_order(const std::string& source, std::uint64_t upto) {
  {
    MutexLock lock(mutex);
    SourceState& state = sources[source];
    state.in_order.wanted = true;
    state.in_order.upto = std::max(state.in_order.upto, upto);
    // Who waits there before trying again yields.
    for (auto& [stream, trouble] : troubles) {
      if (stream->source == source) try_now(trouble);
    }
  }
  begin_in_order_if_idle(source);
}

bool Flusher::State::yields(const std::shared_ptr<Run>& run) {
  if (run->in_order || run->unsure) return false;
  {
    MutexLock lock(mutex);
    if (!sources[run->stream.source].in_order.wanted) return false;
  }
  rest(*run);
  give_back({&run->stream});
  begin_in_order_if_idle(run->stream.source);
  return true;
}

void Flusher::State::begin_in_order_if_idle(const std::string& source) {
  {
    MutexLock lock(mutex);
    const auto state = sources.find(source);
    if (state == sources.end()) return;  // it has not begun
    SourceState::InOrder& in_order = state->second.in_order;
    if (!in_order.wanted || in_order.running || !state->second.busy.empty()) return;
    in_order.running = true;
  }
  post([source](State& me) { me.begin_in_order(source); });
}

void Flusher::State::begin_in_order(const std::string& source) {
  const std::uint64_t first = outbox.first_of(source);
  std::uint64_t upto = 0;
  {
    MutexLock lock(mutex);
    const SourceState::InOrder& state = sources[source].in_order;
    upto = std::min(state.upto, first + state.most - 1);
  }
  if (first == 0 || first > upto) return ended_in_order(source, ~std::uint64_t{0}, true);
  std::vector<std::pair<Stream*, LaneRange>> parts;
  std::uint64_t last = 0;
  for (Stream* stream : outbox.streams(source)) {
    if (!outbox.seize(*stream)) continue;
    const LaneRange range = outbox.enclose(*stream, upto);
    if (range.after == range.upto) {
      outbox.put_back(*stream);
      continue;
    }
    parts.emplace_back(stream, range);
    last = std::max(last, range.upto);
  }
  if (parts.empty()) return ended_in_order(source, upto, false);
  journal.when_kept(last, entering([source, parts = std::move(parts), upto](State& me, Result<void> kept) {
                      if (kept) return me.gather_in_order(source, parts, upto);
                      for (const auto& [stream, range] : parts) me.outbox.put_back(*stream);
                      if (kept.error().code == ErrorCode::kConflict)
                        return me.ended_in_order(source, 0, false);
                      // Nobody looks again before the journal is open: reopened().
                      MutexLock lock(me.mutex);
                      SourceState::InOrder& state = me.sources[source].in_order;
                      state.running = state.wanted = false;
                      state.upto = 0;
                      if (me.journal_failed.empty()) me.journal_failed = kept.error().message;
                    }));
}

void Flusher::State::gather_in_order(const std::string& source,
                                     std::vector<std::pair<Stream*, LaneRange>> parts, std::uint64_t upto) {
  target.run_blocking(entering([source, parts = std::move(parts), upto](State& me) {
    auto whole = std::make_shared<Batch>();
    whole->source = source;
    std::vector<Stream*> streams;
    std::vector<Op> all;
    Result<void> good;
    for (const auto& [stream, range] : parts) {
      auto ops = me.journal.read(range.lane, nullptr, range.after + 1, range.upto);
      auto part = ops ? me.outbox.regroup(*stream, upto, *ops)
                      : Result<std::shared_ptr<const Batch>>(std::move(ops.error()));
      if (!part) {
        good = std::move(part.error());
        break;
      }
      if (*part == nullptr) {
        me.outbox.put_back(*stream);
        continue;
      }
      const Batch& batch = **part;
      if (streams.empty()) {
        whole->lane = batch.lane;
        whole->after = batch.after;
        whole->upto = batch.upto;
      } else {
        whole->also.push_back({batch.lane, batch.after, batch.upto});
      }
      streams.push_back(stream);
      whole->items.insert(whole->items.end(), batch.items.begin(), batch.items.end());
      whole->ops += batch.ops;
      whole->bytes += batch.bytes;
      for (Op& op : *ops) {
        if (op.source == source && op.seq <= upto) all.push_back(std::move(op));
      }
    }
    std::ranges::sort(all, {}, &Op::seq);
    std::shared_ptr<Run> run;
    if (good && streams.empty()) return me.ended_in_order(source, upto, true);
    if (good) {
      run = std::make_shared<Run>(*streams.front(), whole);
      run->streams = std::move(streams);
      run->in_order = true;
      run->began = me.clock.now();
      good = run->attempt.restart_in_order(whole, all);
    }
    if (good) return me.post([run](State& next) { next.send(run); });
    for (const auto& [stream, range] : parts) me.outbox.put_back(*stream);
    me.lane_failed(*parts.front().first, std::move(good.error()), {},
                   [source](State& again) { again.begin_in_order(source); });
  }));
}

void Flusher::State::ended_in_order(const std::string& source, std::uint64_t upto, bool good) {
  bool more = false;
  {
    MutexLock lock(mutex);
    SourceState::InOrder& state = sources[source].in_order;
    more = good && upto < state.upto && state.upto != 0;
    if (!more) {
      state.running = state.wanted = false;
      state.upto = 0;
    }
  }
  if (more) return post([source](State& me) { me.begin_in_order(source); });
  for (Stream* stream : outbox.streams(source)) post([stream](State& me) { me.look(*stream); });
}

}  // namespace forebay::journal
