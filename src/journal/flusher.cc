#include "journal/flusher.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "journal/attempt.h"
#include "journal/flush_counts.h"
#include "journal/queue_state.h"

namespace forebay::journal {
namespace {

// Errors that pass by themselves; all others say something that a person has to mend.
bool passes(ErrorCode code) {
  return code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout || code == ErrorCode::kOverloaded ||
         code == ErrorCode::kCancelled || code == ErrorCode::kUnknownOutcome || code == ErrorCode::kConflict;
}

}  // namespace

struct Flusher::State : std::enable_shared_from_this<Flusher::State> {
  using Lanes = Queue::State;
  using Stream = Lanes::Stream;

  State(Queue& queue, Journal& journal_in, Target& target_in, const Clock& clock_in, Scheduler& scheduler_in,
        Random& random_in)
      : lanes(*queue.state_),
        journal(journal_in),
        target(target_in),
        clock(clock_in),
        scheduler(scheduler_in),
        random(random_in) {}

  Lanes& lanes;
  Journal& journal;
  Target& target;
  const Clock& clock;
  Scheduler& scheduler;
  Random& random;

  // A batch on its way. One thread at a time has it: each step hands it to the next.
  struct Run {
    Run(Stream& stream_in, std::shared_ptr<const Batch> batch)
        : stream(stream_in), attempt(std::move(batch)) {}
    Stream& stream;
    Attempt attempt;
    Instant began{};  // the first try
    std::optional<Instant> early_until;
    bool applying = false;  // what Target was told
    bool unsure = false;    // a try may have committed
  };
  // Who tries again and again: a lane, or a source that has not told its ledger.
  struct Trouble {
    int failures = 0;
    Instant since{};
    Error error;
    std::uint64_t timer = 0;
    std::function<void(State&)> again;  // what the timer does
  };
  struct Letters {
    using Key = std::pair<std::string, std::string>;  // namespace and key
    std::map<Key, std::set<DeadId>> by_key;
    std::size_t count = 0;

    void put(const Key& key, const DeadId& id) { count += by_key[key].insert(id).second ? 1 : 0; }
    void remove(const Key& key, const DeadId& id) {
      const auto found = by_key.find(key);
      if (found == by_key.end() || found->second.erase(id) == 0) return;
      --count;
      if (found->second.empty()) by_key.erase(found);
    }
  };
  struct Change {  // of the letters, by a batch
    bool put;
    Letters::Key key;
    DeadId id;
  };
  struct SourceState {
    FlushCounts counts;
    Trouble trouble;
    Letters letters;
    bool reading = false;         // the ledger has been asked for its letters
    bool read_again = false;      // and they were changed since
    std::vector<Change> changes;  // what batches changed since it was asked
  };
  struct Drain {
    std::vector<std::pair<Stream*, std::uint64_t>> parts;  // with the ids of their waiters
    bool looking = true;                                   // parts are still being added
    bool good = true;
    std::move_only_function<void(bool)> done;
  };

  Mutex mutex;
  Condition left;
  bool closed GUARDED_BY(mutex) = false;
  std::size_t inside GUARDED_BY(mutex) = 0;
  std::map<std::string, SourceState, std::less<>> sources GUARDED_BY(mutex);
  std::map<Stream*, Trouble> troubles GUARDED_BY(mutex);
  std::map<Stream*, Instant> waiting GUARDED_BY(mutex);      // for room at their source, and since when
  std::map<Stream*, std::string> stopped GUARDED_BY(mutex);  // and why
  std::string journal_failed GUARDED_BY(mutex);              // why, while it is
  std::vector<std::shared_ptr<Drain>> drains GUARDED_BY(mutex);

  // ---- Coming and going. What runs on others' threads enters; the destructor closes, and waits for them.

  bool enter() {
    MutexLock lock(mutex);
    if (closed) return false;
    ++inside;
    return true;
  }
  void leave() {
    MutexLock lock(mutex);
    if (--inside == 0) left.notify_all();
  }
  void close() {
    for (Lanes::Slot& slot : lanes.slots) {
      MutexLock lock(slot.mutex);
      slot.wake = nullptr;
    }
    std::vector<std::shared_ptr<Drain>> unfinished;
    {
      MutexLock lock(mutex);
      closed = true;
      left.wait(mutex, [this]() NO_THREAD_SAFETY_ANALYSIS { return inside == 0; });
      unfinished = std::exchange(drains, {});
    }
    for (const auto& drain : unfinished) {
      for (const auto& [stream, id] : drain->parts) lanes.forget(id);
      drain->done(false);
    }
  }
  template <class F>
  auto entering(F work) {
    return [me = shared_from_this(), work = std::move(work)](auto&&... answer) mutable {
      if (!me->enter()) return;
      work(*me, std::forward<decltype(answer)>(answer)...);
      me->leave();
    };
  }
  template <class F>
  void post(F work) {
    scheduler.post(entering(std::move(work)));
  }

  // ---- Trying again.

  // Full jitter (M. Brooker, "Exponential Backoff And Jitter", 2015): uniform up to a bound that doubles.
  Instant next_try(int failures) {
    const Duration bound = std::min<Duration>(kRetryMost, kRetryFirst * (1LL << std::min(failures - 1, 16)));
    return clock.now() +
           Duration(static_cast<Duration::rep>(static_cast<double>(bound.count()) * random.unit()));
  }
  void schedule(Trouble& trouble, Instant at, std::function<void(State&)> again) REQUIRES(mutex) {
    trouble.again = std::move(again);
    trouble.timer = scheduler.post_at(at, entering([&trouble](State& me) { me.try_again(trouble); }));
  }
  void try_again(Trouble& trouble) {
    std::function<void(State&)> again;
    {
      MutexLock lock(mutex);
      trouble.timer = 0;
      again = std::exchange(trouble.again, nullptr);
    }
    if (again) again(*this);
  }
  // Whoever waits there before trying again does so now.
  void try_now(Trouble& trouble) REQUIRES(mutex) {
    if (trouble.timer == 0 || !scheduler.cancel(trouble.timer)) return;
    trouble.timer = 0;
    trouble.failures = 0;
    post([&trouble](State& me) { me.try_again(trouble); });
  }
  void failed(Trouble& trouble, Error error, std::function<void(State&)> again) REQUIRES(mutex) {
    if (trouble.error.message.empty()) trouble.since = clock.now();
    trouble.error = std::move(error);
    ++trouble.failures;
    schedule(trouble, next_try(trouble.failures), std::move(again));
  }
  void lane_failed(Stream& stream, Error error, std::function<void(State&)> again) {
    MutexLock lock(mutex);
    failed(troubles[&stream], std::move(error), std::move(again));
  }

  // ---- Ledgers.

  void begin(const std::string& source) {
    target.open_ledger(
        source, entering([source](State& me, Result<Ledger> ledger) { me.told(source, std::move(ledger)); }));
  }

  void told(const std::string& source, Result<Ledger> ledger) {
    {
      MutexLock lock(mutex);
      SourceState& state = sources[source];
      if (!ledger) {
        failed(state.trouble, std::move(ledger.error()), [source](State& me) { me.begin(source); });
        return;
      }
      state.trouble = {};
      take_letters(state, *ledger);
      state.read_again = state.reading;  // that answer may be the older one
    }
    for (std::uint32_t lane = 0; lane < lanes.slots.size(); ++lane) {
      Stream& stream = lanes.stream(source, lane);
      auto opening = lanes.open(stream, lane < ledger->positions.size() ? ledger->positions[lane] : 0);
      for (auto& done : opening.done) done(true);
      if (!opening.wrong.empty()) {
        stop(stream, std::move(opening.wrong));
      } else if (opening.cut != 0) {
        cut(stream, ledger->positions[lane], opening.cut, nullptr);
      } else {
        look(stream);
      }
    }
    lanes.trim();
  }

  // The first generation, which ends at `upto`, has been applied up to `position`: what is left of it goes
  // on, in `run` if it was on its way.
  void cut(Stream& stream, std::uint64_t position, std::uint64_t upto, std::shared_ptr<Run> run) {
    target.run_blocking(entering([&stream, position, upto, run](State& me) {
      auto ops = me.journal.read(stream.lane, nullptr, position + 1, upto);
      auto batch = ops ? me.lanes.cut(stream, position, std::move(*ops))
                       : Result<std::shared_ptr<const Batch>>(std::move(ops.error()));
      if (!batch) {
        me.lane_failed(stream, std::move(batch.error()), [&stream, position, upto, run](State& again) {
          again.cut(stream, position, upto, run);
        });
      } else if (run) {
        run->attempt.restart(std::move(*batch));
        me.post([run](State& next) { next.send(run); });
      } else {
        me.post([&stream](State& next) { next.look(stream); });
      }
    }));
  }

  void take_letters(SourceState& state, const Ledger& ledger) REQUIRES(mutex) {
    state.letters = {};
    for (std::size_t i = 0; i < ledger.dead.size() && i < ledger.dead_keys.size(); ++i) {
      state.letters.put(ledger.dead_keys[i], ledger.dead[i]);
    }
  }
  void change(SourceState& state, Change change) REQUIRES(mutex) {
    change.put ? state.letters.put(change.key, change.id) : state.letters.remove(change.key, change.id);
    if (state.reading) state.changes.push_back(std::move(change));
  }

  // Asks again which dead letters there are. What batches change meanwhile is added to the answer.
  void read_letters(const std::string& source) {
    {
      MutexLock lock(mutex);
      SourceState& state = sources[source];
      if (state.reading) {
        state.read_again = true;
        return;
      }
      state.reading = true;
      state.read_again = false;
      state.changes.clear();
    }
    target.open_ledger(source, entering([source](State& me, Result<Ledger> ledger) {
                         me.letters_read(source, std::move(ledger));
                       }));
  }
  void letters_read(const std::string& source, Result<Ledger> ledger) {
    MutexLock lock(mutex);
    SourceState& state = sources[source];
    state.reading = false;
    const std::vector<Change> meanwhile = std::exchange(state.changes, {});
    if (ledger) {
      take_letters(state, *ledger);
      for (const Change& made : meanwhile) change(state, made);
      if (!state.read_again) return;
    }
    scheduler.post_at(ledger ? clock.now() : next_try(3),
                      entering([source](State& me) { me.read_letters(source); }));
  }

  // ---- A batch's way.

  void look(Stream& stream) {
    auto batch = lanes.take(stream, clock.now());
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

  // What the journal has not kept is not sent, nor anything after it in its lane, before it is open again.
  void put_back(Stream& stream, const Error& error) {
    lanes.put_back(stream);
    if (error.code == ErrorCode::kConflict) {  // it is, without some of the batch
      post([&stream](State& me) { me.look(stream); });
      return;
    }
    MutexLock lock(mutex);
    if (journal_failed.empty()) journal_failed = error.message;
  }
  void reopened() {
    {
      MutexLock lock(mutex);
      journal_failed.clear();
    }
    lanes.trim();
    for (Stream* stream : lanes.streams()) post([stream](State& me) { me.look(*stream); });
  }

  void begin(const std::shared_ptr<Run>& run) {
    run->began = clock.now();
    send(run);
  }

  void send(const std::shared_ptr<Run>& run) {
    {
      MutexLock lock(mutex);
      waiting.emplace(&run->stream, clock.now());
    }
    target.admit(run->stream.source, entering([run](State& me, Result<std::unique_ptr<Target::Room>> room) {
                   {
                     MutexLock lock(me.mutex);
                     me.waiting.erase(&run->stream);
                   }
                   if (room) {
                     me.send_now(run, std::move(*room));
                   } else {
                     me.again_later(run, std::move(room.error()));
                   }
                 }));
  }

  void send_now(const std::shared_ptr<Run>& run, std::unique_ptr<Target::Room> room) {
    if (!run->applying) {
      run->applying = true;
      lanes.set_sent(run->stream, true);
      target.applying(run->attempt.batch());
    }
    // Letters of the batch's keys; there are seldom any.
    std::map<Letters::Key, std::set<DeadId>> letters;
    {
      MutexLock lock(mutex);
      const Letters& all = sources[run->stream.source].letters;
      for (const Item& item : run->attempt.batch().items) {
        if (all.count == 0) break;
        if (auto found = all.by_key.find({item.space, item.key}); found != all.by_key.end())
          letters.insert(*found);
      }
    }
    Attempt::Try next = run->attempt.next(
        journal.id(),
        [&](const Item& item) {
          const auto found = letters.empty() ? letters.end() : letters.find({item.space, item.key});
          return found == letters.end() ? std::set<DeadId>() : found->second;
        },
        [this](const std::string& space) { return target.holds(space); });
    target.apply(run->attempt.batch(), std::move(next.statements), std::move(next.dead), std::move(room),
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

  // Nothing of the batch is in the database, as far as that can be told: loads need not wait for it.
  void rest(Run& run) {
    if (!run.applying || run.unsure) return;
    run.applying = false;
    lanes.set_sent(run.stream, false);
    target.not_applied(run.attempt.batch());
  }
  void again_later(const std::shared_ptr<Run>& run, Error error) {
    rest(*run);
    {
      MutexLock lock(mutex);
      sources[run->stream.source].counts.retried(run->attempt.batch());
    }
    lane_failed(run->stream, std::move(error), [run](State& again) { again.send(run); });
  }

  // The ledger is where it should not be. Where that is right before or after the batch, it has only been
  // looked at while another transaction was ending; and one of the process before may have ended after its
  // position was read.
  void conflict(const std::shared_ptr<Run>& run, Error error) {
    target.open_ledger(
        run->stream.source, entering([run, error = std::move(error)](State& me, Result<Ledger> ledger) {
          Stream& stream = run->stream;
          const Batch& batch = run->attempt.batch();
          const std::uint64_t position =
              ledger && stream.lane < ledger->positions.size() ? ledger->positions[stream.lane] : 0;
          if (!ledger || position == batch.after || position == batch.upto) {
            me.lane_failed(stream, error, [run](State& again) { again.send(run); });
          } else if (position > batch.after && position < batch.upto && position <= me.restored(stream)) {
            me.cut(stream, position, batch.upto, run);
          } else {
            me.lanes.stop(stream);
            if (std::exchange(run->applying, false)) me.target.not_applied(batch);
            me.stop(stream,
                    fmt::format("its ledger stands at {}, the journal expects {}: the database seems to "
                                "have been restored, or another copy of the journal to be in use",
                                position, batch.after));
          }
        }));
  }
  std::uint64_t restored(Stream& stream) {
    MutexLock lock(lanes.slots[stream.lane].mutex);
    return stream.restored;
  }

  void refused(const std::shared_ptr<Run>& run, const std::vector<BatchOutcome::Refusal>& refusals) {
    const Instant now = clock.now();
    if (!run->early_until) run->early_until = now + kEarlyKey;
    const Attempt::Verdict verdict = run->attempt.refuse(refusals, [&](std::uint64_t last) {
      return now < *run->early_until && lanes.hurry_before(run->stream, last);
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

  void take_apart(const std::shared_ptr<Run>& run, const std::vector<std::size_t>& units) {
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

  void through(const std::shared_ptr<Run>& run, std::vector<std::optional<Written>> written) {
    Stream& stream = run->stream;
    const Batch& batch = run->attempt.batch();
    const bool earlier = written.empty();  // an earlier try had committed
    Attempt::Done done = run->attempt.through(journal.id(), std::move(written));
    bool unsure = false;
    {
      MutexLock lock(mutex);
      SourceState& state = sources[stream.source];
      const auto changed = [&](bool put, const Attempt::Done::Letter& letter) NO_THREAD_SAFETY_ANALYSIS {
        const Item& item = batch.items[letter.item];
        change(state, {put, {item.space, item.key}, letter.id});
      };
      for (const auto& letter : done.put_aside) changed(true, letter);
      for (const auto& letter : done.revived) changed(false, letter);
      // Which try committed, and what it put aside, the ledger knows.
      unsure = earlier && (state.letters.count != 0 || !done.revived.empty());
      state.counts.through(batch, done, clock.now() - run->began);
      troubles.erase(&stream);
    }
    target.settled(batch, std::move(done.written));
    for (auto& flushed : lanes.finish(stream)) flushed(true);
    lanes.trim();
    if (unsure) read_letters(stream.source);
    post([&stream](State& me) { me.look(stream); });
  }

  // ---- Stopping for good.

  void stop(Stream& stream, std::string why) {
    {
      MutexLock lock(mutex);
      stopped[&stream] = std::move(why);
      troubles.erase(&stream);
    }
    give_up(stream);
  }
  // Whoever drains is told that this lane's writes don't get through.
  void give_up(Stream& stream) {
    std::vector<std::shared_ptr<Drain>> all;
    {
      MutexLock lock(mutex);
      stopped.try_emplace(&stream);
      all = drains;
    }
    for (const auto& drain : all) drained(drain, stream, false);
  }

  // ---- Draining.

  void drain(std::string_view space, std::move_only_function<void(bool)> done) {
    auto drain = std::make_shared<Drain>();
    drain->done = std::move(done);
    std::vector<std::string> names;
    {
      MutexLock lock(mutex);
      drains.push_back(drain);
      for (auto& [source, state] : sources) {
        names.push_back(source);
        try_now(state.trouble);
      }
      for (auto& [stream, trouble] : troubles) try_now(trouble);
    }
    for (const std::string& source : names) target.try_now(source);
    for (Stream* stream : lanes.streams()) {
      const std::uint64_t last = lanes.last_of(*stream, space);
      if (last == 0) continue;
      {
        MutexLock lock(mutex);
        if (!sources.contains(stream->source)) {
          drain->good = false;
          continue;
        }
        drain->parts.emplace_back(stream, 0);
      }
      const std::uint64_t id = lanes.wait(*stream, last, [me = shared_from_this(), drain, stream](bool good) {
        me->drained(drain, *stream, good);
      });
      lanes.hurry(*stream, last);
      bool hopeless = false;
      {
        MutexLock lock(mutex);
        hopeless = stopped.contains(stream);
        for (auto& part : drain->parts) {
          if (part.first == stream) part.second = id;
        }
      }
      if (hopeless) drained(drain, *stream, false);
    }
    {
      MutexLock lock(mutex);
      drain->looking = false;
    }
    finish(drain);
  }

  void drained(const std::shared_ptr<Drain>& drain, Stream& stream, bool good) {
    {
      MutexLock lock(mutex);
      const auto part = std::ranges::find(drain->parts, &stream, &std::pair<Stream*, std::uint64_t>::first);
      if (part == drain->parts.end()) return;
      if (!good && part->second != 0) lanes.forget(part->second);
      drain->good &= good;
      drain->parts.erase(part);
    }
    finish(drain);
  }
  void finish(const std::shared_ptr<Drain>& drain) {
    {
      MutexLock lock(mutex);
      if (drain->looking || !drain->parts.empty() || std::erase(drains, drain) == 0) return;
    }
    drain->done(drain->good);
  }
};

Flusher::Flusher(Queue& queue, Journal& journal, Target& target, const Clock& clock, Scheduler& scheduler,
                 Random& random)
    : state_(std::make_shared<State>(queue, journal, target, clock, scheduler, random)) {
  for (auto& slot : state_->lanes.slots) {
    MutexLock lock(slot.mutex);
    slot.wake = [me = state_.get()](State::Stream& stream, Instant at) {
      auto look = me->entering([&stream](State& state) { state.look(stream); });
      if (at == Instant::min()) {
        me->scheduler.post(std::move(look));
      } else {
        me->scheduler.post_at(at, std::move(look));
      }
    };
  }
}

Flusher::~Flusher() {
  state_->close();
}

void Flusher::start(std::vector<std::string> sources) {
  for (const std::string& source : sources) {
    {
      MutexLock lock(state_->mutex);
      if (!state_->sources.try_emplace(source).second) continue;
    }
    state_->begin(source);
  }
}

void Flusher::drain(std::string_view space, std::move_only_function<void(bool)> done) {
  state_->drain(space, std::move(done));
}

void Flusher::journal_failed(const Error& error) {
  MutexLock lock(state_->mutex);
  state_->journal_failed = error.message;
}

void Flusher::journal_reopened() {
  state_->reopened();
}

void Flusher::dead_changed(const std::string& source) {
  {
    MutexLock lock(state_->mutex);
    if (!state_->sources.contains(source)) return;
  }
  state_->read_letters(source);
}

std::vector<FlushStats> Flusher::stats() const {
  std::vector<FlushStats> all;
  MutexLock lock(state_->mutex);
  for (const auto& [source, state] : state_->sources) {
    std::map<std::string, std::size_t> letters;
    for (const auto& [key, ids] : state.letters.by_key) letters[key.first] += ids.size();
    std::ranges::move(state.counts.list(source, letters), std::back_inserter(all));
  }
  return all;
}

std::vector<std::string> Flusher::health() const {
  std::vector<std::string> all;
  std::set<std::string> unknown;  // sources with writes that nobody sends
  for (State::Stream* stream : state_->lanes.streams()) {
    if (state_->lanes.last_of(*stream, {}) != 0) unknown.insert(stream->source);
  }
  const Instant now = state_->clock.now();
  const auto lasting = [&](const State::Trouble& trouble) {
    return !trouble.error.message.empty() &&
           (!passes(trouble.error.code) || now - trouble.since >= kRetryMost);
  };
  MutexLock lock(state_->mutex);
  if (!state_->journal_failed.empty()) {
    all.push_back(fmt::format("{}; writes that it may not have kept are not sent to a database before that",
                              state_->journal_failed));
  }
  for (const auto& [stream, why] : state_->stopped) {
    if (why.empty()) continue;
    all.push_back(
        fmt::format("source {}: write-behind has stopped in lane {}: {}; its writes stay in the journal",
                    stream->source, stream->lane, why));
  }
  for (const auto& [source, state] : state_->sources) {
    unknown.erase(source);
    if (lasting(state.trouble)) {
      all.push_back(
          fmt::format("source {}: write-behind can't begin: {}", source, state.trouble.error.message));
    }
  }
  for (const auto& [stream, trouble] : state_->troubles) {
    if (!lasting(trouble)) continue;
    all.push_back(fmt::format("source {}: lane {} of write-behind is held up, and tries again: {}",
                              stream->source, stream->lane, trouble.error.message));
  }
  for (const auto& [stream, since] : state_->waiting) {
    if (now - since < kRetryMost || state_->troubles.contains(stream)) continue;
    all.push_back(fmt::format("source {}: lane {} of write-behind waits for its source to answer again",
                              stream->source, stream->lane));
  }
  for (const std::string& source : unknown) {
    all.push_back(
        fmt::format("the journal holds writes for source {}, which has no write-behind now", source));
  }
  return all;
}

}  // namespace forebay::journal
