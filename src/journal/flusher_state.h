#pragma once

// The inside of journal/flusher.h: what there is of each source and stream, who tries again when, and the
// steps that a batch takes. flusher_batches.cc has those steps, flusher.cc all that is asked from outside.
//
// `mutex` guards what is marked so, and is taken before the lock of a lane. A Run belongs to one thread at a
// time: each step hands it to the next.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "journal/attempt.h"
#include "journal/drains.h"
#include "journal/flush_counts.h"
#include "journal/flusher.h"
#include "journal/letters.h"

namespace forebay::journal {

struct Flusher::State : std::enable_shared_from_this<Flusher::State> {
  using Stream = Outbox::Stream;

  State(Outbox& outbox_in, Journal& journal_in, Target& target_in, const Clock& clock_in,
        Scheduler& scheduler_in, Random& random_in)
      : outbox(outbox_in),
        journal(journal_in),
        target(target_in),
        clock(clock_in),
        scheduler(scheduler_in),
        random(random_in) {}

  Outbox& outbox;
  Journal& journal;
  Target& target;
  const Clock& clock;
  Scheduler& scheduler;
  Random& random;

  // A batch on its way. One thread at a time has it: each step hands it to the next.
  struct Run {
    Run(Stream& stream_in, std::shared_ptr<const Batch> batch)
        : stream(stream_in), streams{&stream_in}, attempt(std::move(batch)) {}
    Stream& stream;                // the first of
    std::vector<Stream*> streams;  // those that it holds: several where it goes in the journal's order
    bool in_order = false;
    Attempt attempt;
    Instant began{};        // the first try
    Instant tried{};        // the last one
    bool applying = false;  // what Target was told
    bool unsure = false;    // a try may have committed
    bool early = false;     // a write was put aside that may only have come too early for others
  };
  // Who tries again and again: a lane, or a source that has not told its ledger.
  struct Trouble {
    int failures = 0;
    Instant since{};
    Error error;
    std::string at;      // which writes are held
    bool noted = false;  // the log has it
    std::uint64_t timer = 0;
    std::function<void(State&)> again;  // what the timer does
  };
  struct SourceState {
    FlushCounts counts;
    Trouble trouble;
    Letters letters;
    std::set<Stream*> busy;  // lanes with a Run of their own
    // What goes in the journal's order, of all lanes.
    struct InOrder {
      bool wanted = false;     // lanes begin nothing by themselves
      bool running = false;    // and it has begun
      std::uint64_t upto = 0;  // so far
      std::uint64_t most = kInOrderMost;
      Instant until = Instant::min();  // and so does what comes before this
    } in_order;
  };
  // How many keys of a lane are sent at once, since that took too long.
  struct Pace {
    std::size_t most = 0;
    Duration patience{0};  // how long the try took that was given up
  };
  Mutex mutex;
  Condition left;
  bool closed GUARDED_BY(mutex) = false;
  std::size_t inside GUARDED_BY(mutex) = 0;
  std::map<std::string, SourceState, std::less<>> sources GUARDED_BY(mutex);
  std::map<Stream*, Trouble> troubles GUARDED_BY(mutex);
  std::map<Stream*, Pace> paces GUARDED_BY(mutex);
  std::map<Stream*, Instant> waiting GUARDED_BY(mutex);      // for a permit of their source, and since when
  std::map<Stream*, std::string> stopped GUARDED_BY(mutex);  // and why
  std::string journal_failed GUARDED_BY(mutex);              // why, while it is
  const std::shared_ptr<Drains> drains = std::make_shared<Drains>(outbox);

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
    outbox.watch(nullptr);
    {
      MutexLock lock(mutex);
      closed = true;
      left.wait(mutex, [this]() NO_THREAD_SAFETY_ANALYSIS { return inside == 0; });
    }
    drains->end();
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
  // Errors that pass by themselves; all others say something that a person has to mend.
  static bool passes(ErrorCode code) {
    return code == ErrorCode::kUnavailable || code == ErrorCode::kTimeout || code == ErrorCode::kOverloaded ||
           code == ErrorCode::kCancelled || code == ErrorCode::kUnknownOutcome ||
           code == ErrorCode::kConflict;
  }
  static bool is_said(const Trouble& trouble, Instant now) {
    return !passes(trouble.error.code) || now - trouble.since >= kSaidAfter;
  }
  static std::string held_sentence(const Stream& stream, const Trouble& trouble);
  static std::string stopped_sentence(const Stream& stream, const std::string& why);

  void failed(Trouble& trouble, Error error, std::function<void(State&)> again) REQUIRES(mutex) {
    if (trouble.error.message.empty()) trouble.since = clock.now();
    trouble.error = std::move(error);
    ++trouble.failures;
    schedule(trouble, next_try(trouble.failures), std::move(again));
  }
  // `at`: which writes are held.
  void lane_failed(Stream& stream, Error error, std::string at, std::function<void(State&)> again);
  // Tells the log that the lane is held up, if it is and the log doesn't know; that it goes on, if it does.
  void note_held(Stream& stream);
  void lane_goes_on(Stream& stream);

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
      if (ledger->fenced.empty()) state.letters.begin_with(*ledger);
    }
    for (std::uint32_t lane = 0; lane < journal.lanes(); ++lane) {
      Stream& stream = outbox.stream(source, lane);
      if (has_stopped(stream)) continue;
      if (!ledger->fenced.empty()) {
        stop(stream, ledger->fenced);
        continue;
      }
      const std::uint64_t position = lane < ledger->positions.size() ? ledger->positions[lane] : 0;
      auto opening = outbox.open(stream, position, ledger->fresh);
      for (auto& done : opening.done) done(true);
      if (!opening.wrong.empty()) {
        stop(stream, std::move(opening.wrong));
      } else if (opening.cut != 0) {
        cut(stream, ledger->positions[lane], opening.cut, nullptr);
      } else {
        look(stream);
      }
    }
    outbox.trim();
  }

  // The first generation, which ends at `upto`, has been applied up to `position`: what is left of it goes
  // on, in `run` if it was on its way.
  void cut(Stream& stream, std::uint64_t position, std::uint64_t upto, std::shared_ptr<Run> run) {
    target.run_blocking(entering([&stream, position, upto, run](State& me) {
      auto ops = me.journal.read(stream.lane, nullptr, position + 1, upto);
      auto batch = ops ? me.outbox.cut(stream, position, std::move(*ops))
                       : Result<std::shared_ptr<const Batch>>(std::move(ops.error()));
      if (!batch) {
        me.lane_failed(stream, std::move(batch.error()), {}, [&stream, position, upto, run](State& again) {
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

  // Asks again which dead letters there are. What batches change meanwhile is added to the answer.
  void read_letters(const std::string& source) {
    {
      MutexLock lock(mutex);
      if (!sources[source].letters.begin_reading()) return;
    }
    target.open_ledger(source, entering([source](State& me, Result<Ledger> ledger) {
                         me.letters_read(source, std::move(ledger));
                       }));
  }
  void letters_read(const std::string& source, Result<Ledger> ledger) {
    const bool good = ledger && ledger->fenced.empty();
    MutexLock lock(mutex);
    if (!sources[source].letters.end_reading(good ? &*ledger : nullptr)) return;
    scheduler.post_at(ledger ? clock.now() : next_try(3),
                      entering([source](State& me) { me.read_letters(source); }));
  }

  // ---- A batch's way (flusher_batches.cc).

  void look(Stream& stream);
  // What the journal has not kept is not sent, nor anything after it in its lane, before it is open again.
  void not_kept(Stream& stream, const Error& error);
  void reopened();
  void begin(const std::shared_ptr<Run>& run);
  void send(const std::shared_ptr<Run>& run);
  void send_now(const std::shared_ptr<Run>& run, std::unique_ptr<Target::Permit> permit);
  void answered(const std::shared_ptr<Run>& run, Result<BatchOutcome> outcome);
  // Nothing of the batch is in the database, as far as that can be told: loads need not wait for it.
  void rest(Run& run);
  void again_later(const std::shared_ptr<Run>& run, Error error);
  // The ledger is where it should not be. Where that is right before or after the batch, it has only been
  // looked at while another transaction was ending; and one of the process before may have ended after its
  // position was read.
  void conflict(const std::shared_ptr<Run>& run, Error error);
  void refused(const std::shared_ptr<Run>& run, const std::vector<BatchOutcome::Refusal>& refusals);
  void take_apart(const std::shared_ptr<Run>& run, const std::vector<std::size_t>& units);
  // Makes the batch one of so many keys, or of half of its key's ops; then sends it.
  void split(const std::shared_ptr<Run>& run, std::size_t most);
  void through(const std::shared_ptr<Run>& run, std::vector<std::optional<Written>> written);
  // The lanes are nobody's again, with what they hold.
  void give_back(const std::vector<Stream*>& streams);

  // ---- All lanes in the journal's order (flusher_in_order.cc).

  // What the source has up to there goes so; begins once no lane has a batch of its own.
  void want_in_order(const std::string& source, std::uint64_t upto);
  // Whether the batch is to wait for that, and has been given back.
  bool yields(const std::shared_ptr<Run>& run);
  void begin_in_order_if_idle(const std::string& source);
  void begin_in_order(const std::string& source);
  void gather_in_order(const std::string& source, std::vector<std::pair<Stream*, LaneRange>> parts,
                       std::uint64_t upto);
  // It has come so far; or, not `good`, is given up, so that each lane finds out by itself what is wrong.
  void ended_in_order(const std::string& source, std::uint64_t upto, bool good);

  // ---- Stopping for good.

  bool has_stopped(const Stream& stream) {
    MutexLock lock(mutex);
    return std::ranges::any_of(stopped, [&](const auto& each) { return each.first == &stream; });
  }
  void stop(Stream& stream, std::string why) {
    if (has_stopped(stream)) return;
    outbox.stop(stream, why);
    target.stopped(stream.source, stream.lane, why);
    target.note(Target::Tone::kTrouble, stopped_sentence(stream, why));
    {
      MutexLock lock(mutex);
      stopped[&stream] = std::move(why);
      troubles.erase(&stream);
      sources[stream.source].busy.erase(&stream);
    }
    give_up(stream);
    begin_in_order_if_idle(stream.source);
  }
  // Whoever drains is told that this lane's writes don't get through.
  void give_up(Stream& stream) {
    {
      MutexLock lock(mutex);
      stopped.try_emplace(&stream);
    }
    drains->give_up(stream);
  }

  // ---- Draining.

  void drain(std::string_view space, std::move_only_function<void(bool)> done) {
    const Drains::DrainPtr drain = drains->begin(std::move(done));
    std::vector<std::string> names;
    {
      MutexLock lock(mutex);
      for (auto& [source, state] : sources) {
        names.push_back(source);
        try_now(state.trouble);
      }
      for (auto& [stream, trouble] : troubles) try_now(trouble);
    }
    for (const std::string& source : names) target.try_now(source);
    for (Stream* stream : outbox.streams({})) {
      const std::uint64_t last = outbox.last_of(*stream, space);
      if (last == 0) continue;
      if (std::ranges::find(names, stream->source) == names.end()) {
        drains->fail(drain);
        continue;
      }
      drains->add(drain, *stream, last);
      // Where it stops after this look, it gives up all drains that have it.
      bool hopeless = false;
      {
        MutexLock lock(mutex);
        hopeless = stopped.contains(stream);
      }
      if (hopeless) drains->give_up(drain, *stream);
    }
    drains->close(drain);
  }
};

}  // namespace forebay::journal
