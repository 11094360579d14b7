// A batch's way into the database: taken, kept by the journal, admitted, applied, settled; or what is done
// where one of these fails (journal/flusher.h).

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "journal/flusher_state.h"

namespace forebay::journal {

void Flusher::State::look(Stream& stream) {
  auto batch = outbox.take(stream, clock.now());
  if (!batch) return;
  const std::uint64_t upto = batch->upto;
  auto run = std::make_shared<Run>(stream, std::move(batch));
  journal.when_kept(upto, entering([run](State& me, Result<void> kept) {
                      if (kept) {
                        me.post([run](State& next) { next.begin(run); });
                      } else {
                        me.put_back(run->stream, kept.error());
                      }
                    }));
}

void Flusher::State::put_back(Stream& stream, const Error& error) {
  outbox.put_back(stream);
  if (error.code == ErrorCode::kConflict) {  // it is, without some of the batch
    post([&stream](State& me) { me.look(stream); });
    return;
  }
  MutexLock lock(mutex);
  if (journal_failed.empty()) journal_failed = error.message;
}

void Flusher::State::reopened() {
  {
    MutexLock lock(mutex);
    journal_failed.clear();
  }
  outbox.trim();
  for (Stream* stream : outbox.streams({})) post([stream](State& me) { me.look(*stream); });
}

void Flusher::State::begin(const std::shared_ptr<Run>& run) {
  run->began = clock.now();
  send(run);
}

void Flusher::State::send(const std::shared_ptr<Run>& run) {
  {
    MutexLock lock(mutex);
    waiting.emplace(&run->stream, clock.now());
  }
  target.admit(run->stream.source, entering([run](State& me, Result<std::unique_ptr<Target::Permit>> permit) {
                 {
                   MutexLock lock(me.mutex);
                   me.waiting.erase(&run->stream);
                 }
                 if (permit) {
                   me.send_now(run, std::move(*permit));
                 } else {
                   me.again_later(run, std::move(permit.error()));
                 }
               }));
}

void Flusher::State::send_now(const std::shared_ptr<Run>& run, std::unique_ptr<Target::Permit> permit) {
  if (!run->applying) {
    run->applying = true;
    outbox.set_sent(run->stream, true);
    target.applying(run->attempt.batch());
  }
  Letters::ByKey letters;
  {
    MutexLock lock(mutex);
    letters = sources[run->stream.source].letters.of(run->attempt.batch());
  }
  Attempt::Try next = run->attempt.next(
      journal.id(),
      [&](const Item& item) {
        const auto found = letters.empty() ? letters.end() : letters.find({item.space, item.key});
        return found == letters.end() ? std::set<DeadId>() : found->second;
      },
      [this](const std::string& space) { return target.holds(space); });
  target.apply(run->attempt.batch(), std::move(next.statements), std::move(next.dead), std::move(permit),
               entering([run](State& me, Result<BatchOutcome> outcome) {
                 if (!outcome) {
                   const ErrorCode code = outcome.error().code;
                   run->unsure |= code == ErrorCode::kUnknownOutcome || code == ErrorCode::kInternal;
                 }
                 if (!outcome && outcome.error().code == ErrorCode::kConflict) {
                   me.conflict(run, std::move(outcome.error()));
                 } else if (!outcome) {
                   me.again_later(run, std::move(outcome.error()));
                 } else if (!outcome->refused.empty()) {
                   me.refused(run, outcome->refused);
                 } else {
                   me.through(run, std::move(outcome->written));
                 }
               }));
}

void Flusher::State::rest(Run& run) {
  if (!run.applying || run.unsure) return;
  run.applying = false;
  outbox.set_sent(run.stream, false);
  target.not_applied(run.attempt.batch());
}

void Flusher::State::again_later(const std::shared_ptr<Run>& run, Error error) {
  rest(*run);
  {
    MutexLock lock(mutex);
    sources[run->stream.source].counts.retried(run->attempt.batch());
  }
  lane_failed(run->stream, std::move(error), [run](State& again) { again.send(run); });
}

void Flusher::State::conflict(const std::shared_ptr<Run>& run, Error error) {
  target.open_ledger(
      run->stream.source, entering([run, error = std::move(error)](State& me, Result<Ledger> ledger) {
        Stream& stream = run->stream;
        const Batch& batch = run->attempt.batch();
        const std::uint64_t position =
            ledger && stream.lane < ledger->positions.size() ? ledger->positions[stream.lane] : 0;
        if (!ledger || position == batch.after || position == batch.upto) {
          me.lane_failed(stream, error, [run](State& again) { again.send(run); });
        } else if (position > batch.after && position < batch.upto &&
                   position <= me.outbox.restored(stream)) {
          me.cut(stream, position, batch.upto, run);
        } else {
          me.outbox.stop(stream);
          if (std::exchange(run->applying, false)) me.target.not_applied(batch);
          me.stop(stream,
                  fmt::format("its ledger stands at {}, the journal expects {}: the database seems to "
                              "have been restored, or another copy of the journal to be in use",
                              position, batch.after));
        }
      }));
}

void Flusher::State::refused(const std::shared_ptr<Run>& run,
                             const std::vector<BatchOutcome::Refusal>& refusals) {
  const Instant now = clock.now();
  if (!run->early_until) run->early_until = now + kEarlyKey;
  const Attempt::Verdict verdict = run->attempt.refuse(refusals, [&](std::uint64_t last) {
    return now < *run->early_until && outbox.hurry_before(run->stream, last);
  });
  if (!verdict.take_apart.empty()) {
    take_apart(run, verdict.take_apart);
  } else if (verdict.again) {
    post([run](State& me) { me.send(run); });
  } else if (verdict.wait) {
    rest(*run);
    MutexLock lock(mutex);
    sources[run->stream.source].counts.retried(run->attempt.batch());
    Trouble& trouble = troubles[&run->stream];
    schedule(trouble, std::min(next_try(++trouble.failures), *run->early_until),
             [run](State& me) { me.send(run); });
  } else {
    again_later(run, {ErrorCode::kInternal, "the source refused writes that it was not given"});
  }
}

void Flusher::State::take_apart(const std::shared_ptr<Run>& run, const std::vector<std::size_t>& units) {
  target.run_blocking(entering([run, units](State& me) {
    std::vector<std::vector<Op>> ops;
    Result<void> good;
    for (const std::size_t unit : units) {
      const Attempt::Range range = run->attempt.range(unit);
      auto read = me.journal.read(run->stream.lane, range.key, range.first, range.last);
      if (!read) {
        good = read.error();
        break;
      }
      ops.push_back(std::move(*read));
    }
    if (good) good = run->attempt.take_apart(units, std::move(ops));
    if (good) {
      me.post([run](State& next) { next.send(run); });
    } else {
      me.again_later(run, std::move(good.error()));
    }
  }));
}

void Flusher::State::through(const std::shared_ptr<Run>& run, std::vector<std::optional<Written>> written) {
  Stream& stream = run->stream;
  const Batch& batch = run->attempt.batch();
  const bool earlier = written.empty();  // an earlier try had committed
  Attempt::Done done = run->attempt.through(journal.id(), std::move(written));
  bool unsure = false;
  {
    MutexLock lock(mutex);
    SourceState& state = sources[stream.source];
    const auto key_of = [&](const Attempt::Done::Letter& letter) {
      return Letters::Key(batch.items[letter.item].space, batch.items[letter.item].key);
    };
    for (const auto& letter : done.put_aside) state.letters.add(key_of(letter), letter.id);
    for (const auto& letter : done.revived) state.letters.remove(key_of(letter), letter.id);
    // Which try committed, and what it put aside, the ledger knows.
    unsure = earlier && (!state.letters.empty() || !done.revived.empty());
    state.counts.through(batch, done, clock.now() - run->began);
    troubles.erase(&stream);
  }
  target.settled(batch, std::move(done.written));
  for (auto& flushed : outbox.finish(stream)) flushed(true);
  outbox.trim();
  if (unsure) read_letters(stream.source);
  post([&stream](State& me) { me.look(stream); });
}

}  // namespace forebay::journal
