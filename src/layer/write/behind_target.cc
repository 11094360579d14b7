#include "layer/write/behind_target.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "layer/noted.h"
#include "layer/read/freshness.h"
#include "layer/router.h"
#include "layer/write/pending.h"

namespace forebay::layer {
namespace {

// A transaction of many statements may take longer than one call.
constexpr std::chrono::milliseconds kForEachStatement{10};

struct SlotPermit final : journal::Target::Permit {
  explicit SlotPermit(SourceGate::Slot slot_in) : slot(std::move(slot_in)) {}
  SourceGate::Slot slot;
};

KeyFields fields_of(const Space& space, std::string_view key) {
  KeyFields fields;
  match(space.config.key, key, &fields);
  return fields;
}

}  // namespace

BehindTarget::BehindTarget(const Rooms& rooms, std::function<void(Task)> blocking)
    : rooms_(rooms), blocking_(std::move(blocking)) {
  if (!blocking_) pool_ = std::make_unique<ThreadPool>(1);
}

void BehindTarget::set_places(const std::vector<SourceAt>& sources, const std::vector<Space*>& spaces) {
  MutexLock lock(mutex_);
  for (const SourceAt& source : sources) sources_.insert_or_assign(source.name, source);
  for (Space* space : spaces) {
    if (space->port && space->info.writes_source) spaces_.insert_or_assign(space->name(), space);
  }
}

void BehindTarget::close() {
  pool_.reset();
  MutexLock lock(mutex_);
  sources_.clear();
}

Space* BehindTarget::space_of(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto space = spaces_.find(name);
  return space == spaces_.end() ? nullptr : space->second;
}

std::optional<BehindTarget::SourceAt> BehindTarget::source_of(const std::string& name) const {
  MutexLock lock(mutex_);
  const auto source = sources_.find(name);
  if (source == sources_.end()) return std::nullopt;
  return source->second;
}

void BehindTarget::open_ledger(const std::string& source, LedgerDone done) {
  const auto at = source_of(source);
  if (!at) return done(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", source)});
  at->port->open_ledger(rooms_.journal, rooms_.lanes, CallOptions{at->timeout, nullptr},
                        [this, source, done = std::move(done)](Result<PortLedger> opened) mutable {
                          if (!opened) return done(std::move(opened).error());
                          journal::Ledger ledger;
                          ledger.positions = std::move(opened->positions);
                          for (DeadLetter& letter : opened->dead) {
                            ledger.dead.push_back(std::move(letter.id));
                            ledger.dead_keys.emplace_back(std::move(letter.space), std::move(letter.key));
                          }
                          done(std::move(ledger));
                          rooms_.ledger_known(source);
                        });
}

void BehindTarget::applying(const journal::Batch& batch) {
  for (const journal::Item& item : batch.items) {
    const Space* space = space_of(item.space);
    rooms_.flights.begin_apply(item.key, hash_bytes(item.key),
                               space != nullptr ? space->epoch.load(std::memory_order_acquire) : 0);
  }
}

void BehindTarget::not_applied(const journal::Batch& batch) {
  for (const journal::Item& item : batch.items) {
    rooms_.reads.resume(rooms_.flights.end_apply(item.key, hash_bytes(item.key), [](const ApplyFence*) {}));
  }
}

void BehindTarget::try_now(const std::string& source) {
  if (const auto at = source_of(source)) at->gate->probe_now();
}

void BehindTarget::admit(const std::string& source, Admitted go) {
  const auto at = source_of(source);
  if (!at) return go(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", source)});
  at->gate->queue_batch([go = std::move(go)](Result<SourceGate::Slot> slot) mutable {
    if (!slot) return go(std::move(slot).error());
    go(std::unique_ptr<Permit>(std::make_unique<SlotPermit>(std::move(*slot))));
  });
}

void BehindTarget::apply(const journal::Batch& batch, std::vector<Statement> statements,
                         std::vector<Dead> dead, std::unique_ptr<Permit> permit, ApplyDone done) {
  const auto at = source_of(batch.source);
  if (!at) return done(Error{ErrorCode::kConfig, fmt::format("there is no source '{}'", batch.source)});
  PortBatch out;
  out.journal = rooms_.journal;
  out.lane = batch.lane;
  out.after = batch.after;
  out.upto = batch.upto;
  out.writes.reserve(statements.size());
  for (const Statement& statement : statements) {
    const journal::Item& item = batch.items[statement.item];
    const Space* space = space_of(item.space);
    if (space == nullptr) {
      return done(Error{ErrorCode::kConfig,
                        fmt::format("there is no namespace '{}', for which writes are pending", item.space)});
    }
    out.writes.push_back({space->port, fields_of(*space, item.key), journal::writes_of(*statement.effect),
                          statement.effect->revives});
  }
  for (Dead& each : dead) {
    const journal::Item& item = batch.items[each.item];
    out.dead.push_back({{rooms_.journal, batch.lane, each.seq},
                        item.space,
                        item.key,
                        std::move(each.operation),
                        std::move(each.error),
                        {}});
  }
  const auto timeout = at->timeout + kForEachStatement * statements.size();
  at->port->apply(std::move(out), CallOptions{timeout, nullptr},
                  [permit = std::move(permit), done = std::move(done)](Result<BatchOutcome> outcome) mutable {
                    static_cast<SlotPermit&>(*permit).slot.ended(outcome ? nullptr : &outcome.error());
                    permit.reset();  // what follows may want one
                    done(std::move(outcome));
                  });
}

void BehindTarget::settled(const journal::Batch& batch, std::vector<std::optional<Written>> written) {
  written.resize(batch.items.size());
  std::set<Space*> unknown;
  for (std::size_t i = 0; i < batch.items.size(); ++i) {
    Space* space = space_of(batch.items[i].space);
    settle(space, batch.items[i], written[i]);
    if (space == nullptr) continue;
    // Those who depend on the row see the source, so it changes for them now.
    if (!written[i]) {
      if (unknown.insert(space).second) rooms_.invalidator.rows_may_have_changed(*space);
      continue;
    }
    RowChange change;
    change.table = space->config.table;
    change.images = std::move(written[i]->images);
    change.evidence = written[i]->after.evidence;
    rooms_.invalidator.row_changed(batch.source, change, batch.items[i].key);
  }
}

void BehindTarget::settle(Space* space, const journal::Item& item, const std::optional<Written>& written) {
  const std::uint64_t hash = hash_bytes(item.key);
  const Instant now = rooms_.clock.now();
  const auto waiting = rooms_.flights.end_apply(item.key, hash, [&](const ApplyFence* fence) {
    rooms_.queue.settle(item.key, hash);
    bool copied = false;
    if (space != nullptr) {
      rooms_.tier.find(
          hash, item.key, now, [&](const EntryView& entry) { copied = space->owns(entry.stamp()); },
          Touch::kNo);
    }
    const bool keep = copied && written && fence != nullptr && !fence->changes.fenced &&
                      fence->epoch == space->epoch.load(std::memory_order_acquire) &&
                      (fence->changes.evidence == 0 || written->after.evidence >= fence->changes.evidence);
    if (keep) return store(*space, item, hash, *written, now);
    if (!copied) return;
    rooms_.tier.erase(item.key, now, Departure::kInvalidated);
    if (rooms_.curves.sampled(hash)) rooms_.curves.dropped(hash);
  });
  rooms_.reads.resume(waiting);
}

void BehindTarget::store(Space& space, const journal::Item& item, std::uint64_t hash, const Written& written,
                         Instant now) {
  std::optional<std::string> value = written.after.value;
  if (const auto pending = rooms_.queue.of(item.key, hash)) {
    value = with_pending(shape_of(space, item.key), std::move(value), pending->steps);
  }
  PutOutcome outcome = PutOutcome::kKept;
  if (value) {
    Stamp stamp = space.stamp(space.epoch.load(std::memory_order_acquire), now);
    stamp.version = written.after.version;
    stamp.evidence = written.after.evidence;
    set_times(space.config, stamp, now, rooms_.random);
    outcome =
        rooms_.tier.update(item.key, now, [&](const EntryView*) { return Change::replace(*value, stamp); });
    note_write(rooms_.curves, space, item.key, hash, value->size(), stamp, outcome);
  }
  if (outcome == PutOutcome::kStored) return;
  rooms_.tier.erase(item.key, now, Departure::kInvalidated);
  if (rooms_.curves.sampled(hash)) rooms_.curves.dropped(hash);
}

bool BehindTarget::holds(const std::string& space) const {
  const Space* found = space_of(space);
  return found != nullptr && found->config.after_dead_letter == config::AfterDeadLetter::kHold;
}

void BehindTarget::run_blocking(Task task) {
  if (pool_) return pool_->run(std::move(task));
  blocking_(std::move(task));
}

}  // namespace forebay::layer
