#include "layer/write/behind/flush_target.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>

#include "layer/namespaces/router.h"
#include "layer/write/behind/pending.h"

namespace forebay::layer {
namespace {

// A transaction of many statements may take longer than one call.
constexpr std::chrono::milliseconds kForEachStatement{10};
constexpr std::chrono::milliseconds kLeaveMost{500};

struct SlotPermit final : journal::Target::Permit {
  explicit SlotPermit(SourceGate::Slot slot_in) : slot(std::move(slot_in)) {}
  SourceGate::Slot slot;
};

KeyFields fields_of(const Namespace& space, std::string_view key) {
  KeyFields fields;
  match(space.config.key, key, &fields);
  return fields;
}

}  // namespace

FlushTarget::FlushTarget(const Parts& parts, std::function<void(Task)> blocking)
    : parts_(parts), blocking_(std::move(blocking)) {
  if (!blocking_) pool_ = std::make_unique<ThreadPool>(1);
}

void FlushTarget::set_targets(const std::vector<SourceAt>& sources, const std::vector<Namespace*>& spaces) {
  MutexLock lock(mutex_);
  for (const SourceAt& source : sources) sources_.insert_or_assign(source.name, source);
  for (Namespace* space : spaces) {
    if (space->port && space->info.writes_source) spaces_.insert_or_assign(space->name(), space);
  }
}

void FlushTarget::close() {
  pool_.reset();
  MutexLock lock(mutex_);
  sources_.clear();
}

Namespace& FlushTarget::space_of(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto space = spaces_.find(name);
  return space == spaces_.end() ? nowhere_ : *space->second;
}

std::optional<FlushTarget::SourceAt> FlushTarget::source_of(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto source = sources_.find(name);
  if (source == sources_.end()) return std::nullopt;
  return source->second;
}

void FlushTarget::claim(const std::string& source, Claimed done) {
  const auto at = source_of(source);
  if (!at) return done(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", source)});
  LedgerPort* ledger = at->port->ledger();
  if (ledger == nullptr) return done(no_ledger());
  ledger->claim(parts_.ownership.owner(source), CallOptions{at->timeout, nullptr},
                [this, source, done = std::move(done)](Result<LedgerClaim> claim) mutable {
                  if (!claim) return done(std::move(claim).error());
                  done(parts_.ownership.took(source, *claim));
                });
}

void FlushTarget::leave(const std::string& source) {
  const auto at = source_of(source);
  LedgerPort* ledger = at ? at->port->ledger() : nullptr;
  if (ledger == nullptr) return;
  LedgerOwner owner = parts_.ownership.owner(source);
  owner.lease = std::chrono::milliseconds(0);
  // Where it can't be asked the lease ends by itself.
  static_cast<void>(ledger->claim_now(owner, CallOptions{std::min(at->timeout, kLeaveMost), nullptr}));
}

void FlushTarget::open_ledger(const std::string& source, LedgerDone done) {
  const auto at = source_of(source);
  LedgerPort* const theirs = at ? at->port->ledger() : nullptr;
  const auto timeout = at ? at->timeout : std::chrono::milliseconds(0);
  claim(source,
        [this, source, theirs, timeout, done = std::move(done)](Result<Ownership::Verdict> verdict) mutable {
          using Kind = Ownership::Verdict::Kind;
          if (!verdict) return done(std::move(verdict).error());
          if (verdict->kind == Kind::kFenced) {
            journal::Ledger ledger;
            ledger.fenced = std::move(verdict->why);
            return done(std::move(ledger));
          }
          if (verdict->kind == Kind::kOwner)
            return read_ledger(source, *theirs, timeout, verdict->fresh, std::move(done));
          const bool passes = verdict->kind == Kind::kWaits;
          done(Error{passes ? ErrorCode::kUnavailable : ErrorCode::kConfig, std::move(verdict->why)});
        });
}

void FlushTarget::read_ledger(const std::string& source, LedgerPort& ledger,
                              std::chrono::milliseconds timeout, bool fresh, LedgerDone done) {
  ledger.open(parts_.journal, parts_.lanes, CallOptions{timeout, nullptr},
              [this, source, fresh, done = std::move(done)](Result<PortLedger> opened) mutable {
                if (!opened) return done(std::move(opened).error());
                journal::Ledger known;
                known.fresh = fresh;
                known.positions = std::move(opened->positions);
                for (DeadLetter& letter : opened->dead) {
                  known.dead.push_back(std::move(letter.id));
                  known.dead_keys.emplace_back(std::move(letter.space), std::move(letter.key));
                }
                done(std::move(known));
                parts_.ledger_known(source);
              });
}

void FlushTarget::applying(const journal::Batch& batch) {
  for (const journal::Item& item : batch.items) {
    const KeyRef at(space_of(item.space), item.key);
    parts_.keys.begin_apply(at);
    parts_.copies.applying(at);
  }
}

void FlushTarget::not_applied(const journal::Batch& batch) {
  for (const journal::Item& item : batch.items) {
    parts_.loader.resume(
        parts_.keys.end_apply({space_of(item.space), item.key}, [](const KeyState::Apply*) {}));
  }
}

void FlushTarget::try_now(const std::string& source) {
  if (const auto at = source_of(source)) at->gate->probe_now();
}

void FlushTarget::admit(const std::string& source, Admitted go) {
  const auto at = source_of(source);
  if (!at) return go(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", source)});
  at->gate->queue_batch([go = std::move(go)](Result<SourceGate::Slot> slot) mutable {
    if (!slot) return go(std::move(slot).error());
    go(std::unique_ptr<Permit>(std::make_unique<SlotPermit>(std::move(*slot))));
  });
}

void FlushTarget::apply(const journal::Batch& batch, std::vector<Statement> statements,
                        std::vector<Dead> dead, Judge judge, std::unique_ptr<Permit> permit, ApplyDone done) {
  const auto at = source_of(batch.source);
  if (!at) return done(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", batch.source)});
  LedgerPort* ledger = at->port->ledger();
  if (ledger == nullptr) return done(no_ledger());
  PortBatch out;
  out.journal = parts_.journal;
  out.lane = batch.lane;
  out.after = batch.after;
  out.upto = batch.upto;
  out.writes.reserve(statements.size());
  for (const Statement& statement : statements) {
    const journal::Item& item = batch.items[statement.item];
    const Namespace& space = space_of(item.space);
    if (&space == &nowhere_) {
      return done(Error{ErrorCode::kConfig,
                        fmt::format("there is no namespace '{}', for which writes are pending", item.space)});
    }
    out.writes.push_back({space.port, fields_of(space, item.key), journal::writes_of(*statement.effect),
                          statement.effect->revives});
  }
  out.also = batch.also;
  out.process = parts_.ownership.process();
  out.dead = letters_of(batch, std::move(dead));
  // The flusher holds the batch until it has been answered.
  out.judge = [this, &batch, judge = std::move(judge)](const std::vector<BatchOutcome::Refusal>& refusals) {
    auto aside = judge(refusals);
    return aside ? std::optional(letters_of(batch, std::move(*aside))) : std::nullopt;
  };
  const auto timeout = at->timeout + kForEachStatement * statements.size();
  ledger->apply(std::move(out), CallOptions{timeout, nullptr},
                [this, source = batch.source, permit = std::move(permit),
                 done = std::move(done)](Result<BatchOutcome> outcome) mutable {
                  static_cast<SlotPermit&>(*permit).slot.ended(outcome ? nullptr : &outcome.error());
                  permit.reset();  // what follows may want one
                  if (outcome) parts_.invalidator.also_changed(source, outcome->also);
                  done(std::move(outcome));
                });
}

std::vector<DeadLetter> FlushTarget::letters_of(const journal::Batch& batch, std::vector<Dead> dead) const {
  std::vector<DeadLetter> letters;
  for (Dead& each : dead) {
    const journal::Item& item = batch.items[each.item];
    letters.push_back({{parts_.journal, item.lane, each.seq},
                       item.space,
                       item.key,
                       std::move(each.operation),
                       std::move(each.error),
                       {}});
  }
  return letters;
}

void FlushTarget::settled(const journal::Batch& batch, std::vector<std::optional<Written>> written) {
  written.resize(batch.items.size());
  std::set<Namespace*> unknown;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    const KeyRef at(space_of(batch.items[i].space), batch.items[i].key);
    settle(at, written[i]);
    if (&at.space == &nowhere_) continue;
    // Those who depend on the row see the source, so it changes for them now.
    if (!written[i]) {
      if (unknown.insert(&at.space).second) parts_.invalidator.rows_may_have_changed(at.space);
      continue;
    }
    RowChange change;
    change.table = at.space.config.table;
    change.images = std::move(written[i]->images);
    change.evidence = written[i]->after.evidence;
    parts_.invalidator.row_changed(batch.source, change, at.text);
    parts_.invalidator.also_changed(batch.source, written[i]->also);
  }
}

void FlushTarget::settle(const KeyRef& at, const std::optional<Written>& written) {
  const Instant now = parts_.clock.now();
  const auto waiting = parts_.keys.end_apply(at, [&](const KeyState::Apply* apply) {
    parts_.copies.applying(
        at);  // before the write is no longer pending, after which only the copy tells of it
    parts_.queue.settle(at.text, at.hash);
    bool copied = false;
    parts_.copies.find(at, now, [&](const EntryView&) { copied = true; }, Touch::kNo);
    if (!copied && at.space.boards == nullptr) return;
    const bool keep = written && apply != nullptr &&
                      apply->as_of.epoch == at.space.epoch.load(std::memory_order_acquire) &&
                      apply->changes.admits({written->after.evidence, written->after.version});
    if (keep) return store(at, *written, apply->as_of, now);
    parts_.copies.drop(at, now);
  });
  parts_.loader.resume(waiting);
}

void FlushTarget::store(const KeyRef& at, const Written& written, const AsOf& as_of, Instant now) {
  std::optional<std::string> value = written.after.value;
  if (const auto pending = parts_.queue.of(at.text, at.hash))
    value = with_pending(shape_of(at.space, at.text), std::move(value), pending->steps);
  if (!value) {
    parts_.copies.remove(at, now);
    return;
  }
  NewCopy copy;
  copy.bytes = *value;
  copy.evidence = {written.after.evidence, written.after.version};
  copy.as_of = as_of;
  copy.loaded_at = now;
  parts_.copies.store(at, std::move(copy), now);
}

bool FlushTarget::holds(const std::string& space) const {
  return space_of(space).config.after_dead_letter == config::AfterDeadLetter::kHold;
}

void FlushTarget::stopped(const std::string& source, std::uint32_t lane, const std::string& why) {
  parts_.stopped(source, lane, why);
}

void FlushTarget::note(Tone tone, const std::string& sentence) {
  spdlog::log(tone == Tone::kTrouble ? spdlog::level::err : spdlog::level::info, "{}", sentence);
}

void FlushTarget::run_blocking(Task task) {
  if (pool_) return pool_->run(std::move(task));
  blocking_(std::move(task));
}

}  // namespace forebay::layer
