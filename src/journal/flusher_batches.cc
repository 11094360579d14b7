// A batch's way into the database: taken, kept by the journal, admitted, applied, settled; or what is done
// where one of these fails (journal/flusher.h).

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include "journal/flusher_state.h"

namespace forebay::journal {

namespace {

// A pace of more keys than this is none.
constexpr std::size_t kPaceMost = 5000;

// For a sentence: a key as far as it can be shown.
std::string shown(const std::string& key) {
  constexpr std::size_t kMost = 100;
  std::string text = key.substr(0, kMost);
  for (char& c : text) {
    if (c < ' ' || c > '~') c = '?';
  }
  if (key.size() > kMost) text += "...";
  return text;
}

std::string writes_of(const Batch& batch) {
  if (batch.items.empty()) return {};
  const std::string first = shown(batch.items.front().key);
  if (batch.ops <= 1) return fmt::format(" at {}", first);
  return fmt::format(" at {} and {} other write{}", first, batch.ops - 1, batch.ops == 2 ? "" : "s");
}

}  // namespace

std::string Flusher::State::held_sentence(const Stream& stream, const Trouble& trouble) {
  return fmt::format("source {}: lane {} of write-behind is held up{}, and tries again: {}", stream.source,
                     stream.lane, trouble.at, trouble.error.message);
}

std::string Flusher::State::stopped_sentence(const Stream& stream, const std::string& why) {
  return fmt::format("source {}: write-behind has stopped in lane {}: {}; its writes stay in the journal",
                     stream.source, stream.lane, why);
}

void Flusher::State::lane_failed(Stream& stream, Error error, std::string at,
                                 std::function<void(State&)> again) {
  bool first = false;
  {
    MutexLock lock(mutex);
    Trouble& trouble = troubles[&stream];
    first = trouble.error.message.empty();
    trouble.at = std::move(at);
    failed(trouble, std::move(error), std::move(again));
  }
  if (first)
    scheduler.post_at(clock.now() + kSaidAfter, entering([&stream](State& me) { me.note_held(stream); }));
  note_held(stream);
}

void Flusher::State::note_held(Stream& stream) {
  std::string sentence;
  {
    MutexLock lock(mutex);
    const auto trouble = troubles.find(&stream);
    if (trouble == troubles.end() || trouble->second.noted || trouble->second.error.message.empty() ||
        !is_said(trouble->second, clock.now()))
      return;
    trouble->second.noted = true;
    sentence = held_sentence(stream, trouble->second);
  }
  target.note(Target::Tone::kTrouble, sentence);
}

void Flusher::State::lane_goes_on(Stream& stream) {
  bool noted = false;
  {
    MutexLock lock(mutex);
    const auto trouble = troubles.find(&stream);
    if (trouble == troubles.end()) return;
    noted = trouble->second.noted;
    troubles.erase(trouble);
  }
  if (noted) {
    target.note(Target::Tone::kGood,
                fmt::format("source {}: lane {} of write-behind goes on", stream.source, stream.lane));
  }
}

void Flusher::State::look(Stream& stream) {
  std::shared_ptr<const Batch> batch;
  bool in_order = false;
  {
    MutexLock lock(mutex);
    const auto found = sources.find(stream.source);
    if (found == sources.end()) return;  // it has not begun
    SourceState& source = found->second;
    if (!source.in_order.wanted) batch = outbox.take(stream, clock.now());
    if (batch) {
      source.busy.insert(&stream);
      in_order = clock.now() < source.in_order.until;
    }
  }
  if (!batch) return begin_in_order_if_idle(stream.source);
  const std::uint64_t upto = batch->upto;
  if (in_order) {
    give_back({&stream});
    return want_in_order(stream.source, upto);
  }
  auto run = std::make_shared<Run>(stream, std::move(batch));
  journal.when_kept(upto, entering([run](State& me, Result<void> kept) {
                      if (kept) {
                        me.post([run](State& next) { next.begin(run); });
                      } else {
                        me.not_kept(run->stream, kept.error());
                      }
                    }));
}

void Flusher::State::give_back(const std::vector<Stream*>& streams) {
  for (Stream* stream : streams) outbox.put_back(*stream);
  MutexLock lock(mutex);
  for (Stream* stream : streams) sources[stream->source].busy.erase(stream);
}

void Flusher::State::not_kept(Stream& stream, const Error& error) {
  give_back({&stream});
  begin_in_order_if_idle(stream.source);
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
  std::size_t most = 0;
  {
    MutexLock lock(mutex);
    if (const auto pace = paces.find(&run->stream); pace != paces.end()) most = pace->second.most;
  }
  if (most != 0 && most < run->attempt.batch().items.size()) return split(run, most);
  send(run);
}

void Flusher::State::send(const std::shared_ptr<Run>& run) {
  if (yields(run)) return;
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
  if (yields(run)) return;
  run->tried = clock.now();
  if (!run->applying) {
    run->applying = true;
    for (Stream* stream : run->streams) outbox.set_sent(*stream, true);
    target.applying(run->attempt.batch());
  }
  Letters::ByKey letters;
  {
    MutexLock lock(mutex);
    letters = sources[run->stream.source].letters.of(run->attempt.batch());
  }
  const auto holds = [this](const std::string& space) { return target.holds(space); };
  Attempt::Try next = run->attempt.next(
      journal.id(),
      [&](const Item& item) {
        const auto found = letters.empty() ? letters.end() : letters.find({item.space, item.key});
        return found == letters.end() ? std::set<DeadId>() : found->second;
      },
      holds);
  target.apply(
      run->attempt.batch(), std::move(next.statements), std::move(next.dead),
      [run, holds](const std::vector<BatchOutcome::Refusal>& refusals) {
        return run->attempt.judge(refusals, holds);
      },
      std::move(permit),
      entering([run](State& me, Result<BatchOutcome> outcome) { me.answered(run, std::move(outcome)); }));
}

void Flusher::State::answered(const std::shared_ptr<Run>& run, Result<BatchOutcome> outcome) {
  if (!outcome) {
    const ErrorCode code = outcome.error().code;
    run->unsure |= code == ErrorCode::kUnknownOutcome || code == ErrorCode::kInternal;
    if (code == ErrorCode::kConflict) return conflict(run, std::move(outcome.error()));
    return again_later(run, std::move(outcome.error()));
  }
  if (outcome->put_aside) {
    run->early = std::ranges::any_of(outcome->refused, &BatchOutcome::Refusal::early);
    run->attempt.judged(outcome->refused);
  } else if (!outcome->refused.empty()) {
    run->unsure = false;  // the ledger was found where it was before the batch, and locked
    return refused(run, outcome->refused);
  }
  through(run, std::move(outcome->written));
}

void Flusher::State::rest(Run& run) {
  if (!run.applying || run.unsure) return;
  run.applying = false;
  for (Stream* stream : run.streams) outbox.set_sent(*stream, false);
  target.not_applied(run.attempt.batch());
}

void Flusher::State::again_later(const std::shared_ptr<Run>& run, Error error) {
  rest(*run);
  const Batch& batch = run->attempt.batch();
  const bool smaller = error.code == ErrorCode::kTimeout && !run->unsure && batch.ops > 1;
  std::size_t most = 0;
  {
    MutexLock lock(mutex);
    SourceState& source = sources[run->stream.source];
    source.counts.retried(batch);
    if (smaller && run->in_order) source.in_order.most = std::max<std::uint64_t>(1, batch.ops / 2);
    if (smaller && !run->in_order) {
      Pace& pace = paces[&run->stream];
      most = pace.most = std::max<std::size_t>(1, batch.items.size() / 2);
      pace.patience = clock.now() - run->tried;
    }
  }
  if (smaller && run->in_order) {
    give_back(run->streams);
    return lane_failed(run->stream, std::move(error), writes_of(batch),
                       [source = run->stream.source](State& again) { again.begin_in_order(source); });
  }
  lane_failed(run->stream, std::move(error), writes_of(batch), [run, most](State& again) {
    if (most != 0) return again.split(run, most);
    again.send(run);
  });
}

void Flusher::State::conflict(const std::shared_ptr<Run>& run, Error error) {
  target.open_ledger(
      run->stream.source, entering([run, error = std::move(error)](State& me, Result<Ledger> ledger) {
        Stream& stream = run->stream;
        const Batch& batch = run->attempt.batch();
        if (ledger && run->in_order) {
          if (std::exchange(run->applying, false)) {
            for (Stream* each : run->streams) me.outbox.set_sent(*each, false);
            me.target.not_applied(batch);
          }
          me.give_back(run->streams);
          me.outbox.hurry(stream, batch.upto);
          for (const LaneRange& range : batch.also)
            me.outbox.hurry(me.outbox.stream(stream.source, range.lane), range.upto);
          return me.ended_in_order(stream.source, 0, false);
        }
        if (ledger && !ledger->fenced.empty()) {
          me.outbox.stop(stream, ledger->fenced);
          if (std::exchange(run->applying, false)) me.target.not_applied(batch);
          return me.stop(stream, ledger->fenced);
        }
        const std::uint64_t position =
            ledger && stream.lane < ledger->positions.size() ? ledger->positions[stream.lane] : 0;
        if (!ledger || position == batch.after || position == batch.upto) {
          me.lane_failed(stream, error, writes_of(batch), [run](State& again) { again.send(run); });
        } else if (position > batch.upto && position <= me.outbox.restored(stream)) {
          // A transaction of the process before had more than this batch, which was made smaller since.
          me.through(run, {});
        } else if (position > batch.after && position < batch.upto &&
                   position <= me.outbox.restored(stream)) {
          me.cut(stream, position, batch.upto, run);
        } else {
          std::string why = fmt::format(
              "its ledger stands at {}, the journal expects {}: the database seems to "
              "have been restored, or another copy of the journal to be in use",
              position, batch.after);
          me.outbox.stop(stream, why);
          if (std::exchange(run->applying, false)) me.target.not_applied(batch);
          me.stop(stream, std::move(why));
        }
      }));
}

void Flusher::State::refused(const std::shared_ptr<Run>& run,
                             const std::vector<BatchOutcome::Refusal>& refusals) {
  const Batch& batch = run->attempt.batch();
  const bool alone = batch.ops == 1 && !outbox.any_before(run->stream, batch.upto);
  run->early |= run->in_order && std::ranges::any_of(refusals, &BatchOutcome::Refusal::early);
  const Attempt::Verdict verdict = run->attempt.refuse(refusals, alone);
  if (verdict.in_order) {
    rest(*run);
    {
      MutexLock lock(mutex);
      sources[run->stream.source].counts.retried(batch);
    }
    const std::uint64_t upto = batch.upto;
    give_back({&run->stream});
    want_in_order(run->stream.source, upto);
  } else if (!verdict.take_apart.empty()) {
    take_apart(run, verdict.take_apart);
  } else if (verdict.again) {
    post([run](State& me) { me.send(run); });
  } else {
    again_later(run, {ErrorCode::kInternal, "the source refused writes that it was not given"});
  }
}

void Flusher::State::split(const std::shared_ptr<Run>& run, std::size_t most) {
  target.run_blocking(entering([run, most](State& me) {
    const Batch& whole = run->attempt.batch();
    const auto fail = [&](Error error) {
      me.lane_failed(run->stream, std::move(error), writes_of(whole),
                     [run, most](State& again) { again.split(run, most); });
    };
    auto read = me.journal.read(whole.lane, nullptr, whole.after + 1, whole.upto);
    if (!read) return fail(std::move(read.error()));
    std::erase_if(*read, [&](const Op& op) { return op.source != whole.source; });
    if (read->size() < 2) return me.post([run](State& next) { next.send(run); });
    std::set<std::string_view> keys;
    std::size_t count = 0;
    for (; count < read->size() && (keys.size() < most || keys.contains((*read)[count].key)); ++count)
      keys.insert((*read)[count].key);
    if (count == read->size()) count /= 2;
    auto part = me.outbox.regroup(run->stream, (*read)[count - 1].seq, *read);
    if (!part) return fail(std::move(part.error()));
    run->attempt.restart(std::move(*part));
    me.post([run](State& next) { next.send(run); });
  }));
}

void Flusher::State::take_apart(const std::shared_ptr<Run>& run, const std::vector<std::size_t>& units) {
  target.run_blocking(entering([run, units](State& me) {
    std::vector<std::vector<Op>> ops;
    Result<void> good;
    for (const std::size_t unit : units) {
      const Attempt::Range range = run->attempt.range(unit);
      auto read = me.journal.read(range.lane, range.key, range.first, range.last);
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
  const Instant now = clock.now();
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
    unsure = earlier;
    state.counts.through(batch, done, now - run->began);
    if (const auto pace = paces.find(&stream);
        pace != paces.end() && !run->in_order && 2 * (now - run->tried) <= pace->second.patience) {
      pace->second.most = 2 * std::max(pace->second.most, batch.items.size());
      if (pace->second.most > kPaceMost) paces.erase(pace);
    }
    for (Stream* each : run->streams) state.busy.erase(each);
    if (run->in_order) {
      state.in_order.most = std::min(kInOrderMost, 2 * state.in_order.most);
      if (run->early) state.in_order.until = now + kInOrder;
    }
  }
  for (Stream* each : run->streams) lane_goes_on(*each);
  target.settled(batch, std::move(done.written));
  std::uint64_t upto = batch.upto;
  for (const LaneRange& range : batch.also) upto = std::max(upto, range.upto);
  for (Stream* each : run->streams) {
    for (auto& flushed : outbox.finish(*each)) flushed(true);
  }
  outbox.trim();
  if (unsure) read_letters(stream.source);
  if (run->in_order) return ended_in_order(stream.source, upto, true);
  post([&stream](State& me) { me.look(stream); });
}

}  // namespace forebay::journal
