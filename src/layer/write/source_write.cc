#include "layer/write/source_write.h"

#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <utility>

#include "layer/key/boards.h"
#include "layer/load/source_gate.h"
#include "layer/namespaces/router.h"

namespace forebay::layer {

struct SourceWrites::Waiting {
  Waiting(const KeyRef& at, Write write_in, AfterCommit after_in, WriteCallback done_in)
      : space(at.space),
        key(at.text),
        hash(at.hash),
        write(std::move(write_in)),
        after(after_in),
        done(std::move(done_in)) {
    match(space.config.key, key, &fields);
  }
  KeyRef at() const { return {space, key, hash}; }

  Namespace& space;
  const std::string key;
  const std::uint64_t hash;
  KeyFields fields;
  Write write;
  const AfterCommit after;
  WriteCallback done;
  AsOf as_of;  // when it was sent: a purge since then must not be undone
  Instant since{};
  Instant deadline{};
  // Whoever sets it first has the say: who sends the write, or the timer, which answers it. Acquire and release:
  // `done` goes with it.
  std::atomic<bool> decided{false};
};

void SourceWrites::write(const KeyRef& at, Write write, AfterCommit after, WriteCallback done) {
  auto waiting = std::make_shared<Waiting>(at, std::move(write), after, std::move(done));
  waiting->since = clock_.now();
  waiting->deadline = saturating_add(waiting->since, at.space.gate->write_timeout());
  Task start = [this, waiting] { begin(waiting); };
  if (keys_.begin_write(at, start)) return begin(waiting);
  wait(waiting);
}

void SourceWrites::wait(const std::shared_ptr<Waiting>& waiting) {
  scheduler_.post_at(waiting->deadline, [this, weak = std::weak_ptr(waiting)] {
    if (const auto alive = weak.lock()) expire(*alive);
  });
}

void SourceWrites::begin(const std::shared_ptr<Waiting>& waiting) {
  if (earlier_ == nullptr || !earlier_->pending(waiting->at())) return send(waiting);
  wait(waiting);
  earlier_->after_flush(waiting->at(), [this, waiting](bool flushed) {
    if (flushed) return send(waiting);
    if (waiting->decided.exchange(true, std::memory_order_acq_rel)) return pass(*waiting);
    written(*waiting,
            Error{ErrorCode::kCancelled, "shutting down before the source had the key's earlier writes"});
  });
}

void SourceWrites::expire(Waiting& waiting) {
  if (waiting.decided.exchange(true, std::memory_order_acq_rel)) return;
  const auto waited = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - waiting.since);
  waiting.done(
      Error{ErrorCode::kTimeout,
            fmt::format("source '{}': the write waited {} ms for earlier ones of its key and was not "
                        "sent: nothing has changed",
                        waiting.space.gate->name(), waited.count()),
            ErrorScope::kCall});
}

void SourceWrites::pass(const Waiting& waiting) {
  Task next = keys_.end_write(waiting.at(), false, [](const Fence&) {});
  // Not from here: a long line of them would go as deep.
  if (next) scheduler_.post(std::move(next));
}

void SourceWrites::send(const std::shared_ptr<Waiting>& waiting) {
  if (waiting->decided.exchange(true, std::memory_order_acq_rel)) return pass(*waiting);
  Namespace& space = waiting->space;
  waiting->as_of = space.as_of();
  space.gate->write(space, std::move(waiting->fields), std::move(waiting->write), waiting->deadline,
                    [this, waiting](Result<Written> result) { written(*waiting, std::move(result)); });
}

bool SourceWrites::keep(const Waiting& waiting, const Result<Written>& result, const Fence& reported,
                        WriteAnswer& answer, Instant now) {
  const KeyRef at = waiting.at();
  const bool known = result && waiting.after == AfterCommit::kStore && !at.space.config.append &&
                     reported.admits({result->after.evidence, result->after.version, result->transaction});
  if (!known) {
    copies_.drop(at, now);
    return false;
  }
  if (!result->after.value) {
    copies_.remove(at, now);
    return true;
  }
  const Evidence evidence{result->after.evidence, result->after.version, result->transaction};
  answer.value = Value::bytes(*result->after.value);
  NewCopy copy;
  copy.value = answer.value;
  copy.evidence = evidence;
  copy.as_of = waiting.as_of;
  copy.loaded_at = now;
  copies_.store(at, std::move(copy), now);
  return true;
}

void SourceWrites::written(Waiting& waiting, Result<Written> result) {
  const KeyRef at = waiting.at();
  const Instant now = clock_.now();
  // A source that can't tell later either: what depends on the row is in doubt.
  const bool unknown = !result && result.error().code == ErrorCode::kUnknownOutcome;
  RowChange change;
  change.table = at.space.config.table;
  if (result) {
    change.images = std::move(result->images);
    change.evidence = result->after.evidence;
    if (result->unconfirmed) {
      // Before the turn ends: no load of the key may be stored in between.
      change.evidence = 0;
      unconfirmed_.add(at, change, result->unconfirmed->transaction);
      result = Error{ErrorCode::kUnknownOutcome, std::move(result->unconfirmed->why)};
    }
  }
  const bool committed = result || result.error().code == ErrorCode::kUnknownOutcome;
  WriteAnswer answer;
  bool known = true;
  Task next = keys_.end_write(
      at, committed, [&](const Fence& reported) { known = keep(waiting, result, reported, answer, now); });
  if (committed) copies_.invalidated(at, observe::Invalidation::kWrite, now);
  // Loads of the collection that have begun may not have seen it: nobody else may join them.
  if (!known && at.space.boards != nullptr) invalidator_.drop(board_of(at), observe::Invalidation::kWrite);
  if (result) {
    answer.existed = result->existed;
    answer.added = result->added;
    answer.held = result->held;
    answer.before = std::move(result->before);
    answer.token = tokens_.next();
    invalidator_.row_changed(at.space.config.source, change, at.text);
    invalidator_.also_changed(at.space.config.source, result->also);
    waiting.done(std::move(answer));
  } else {
    if (unknown) invalidator_.rows_may_have_changed(at.space);
    waiting.done(std::move(result).error());
  }
  if (next) next();
}

}  // namespace forebay::layer
