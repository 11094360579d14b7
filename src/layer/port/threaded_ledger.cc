#include "layer/port/threaded_ledger.h"

#include <utility>

#include "layer/port/guarded.h"

namespace forebay::layer {
namespace {

constexpr std::size_t kPage = 500;  // dead letters that are asked for at once

CallContext context_of(const CallOptions& options) {
  return {options.timeout, options.cancel.get()};
}

}  // namespace

void ThreadedLedger::add(const std::shared_ptr<ThreadedDataset>& dataset) {
  MutexLock lock(mutex_);
  std::erase_if(datasets_, [](const auto& known) { return known.second.expired(); });
  datasets_[dataset.get()] = dataset;
}

template <class T, class Call>
void ThreadedLedger::run(CallOptions options, Done<T> done, Call call) {
  pool_.run([options = std::move(options), done = std::move(done), call = std::move(call)]() mutable {
    done(guarded<T>([&] { return call(context_of(options)); }));
  });
}

Result<void> ThreadedLedger::prepare(const std::string& journal, std::uint32_t lanes,
                                     const CallOptions& options) {
  return guarded<void>([&]() -> Result<void> {
    auto positions = ledger_->open(journal, lanes, context_of(options));
    if (!positions) return std::move(positions).error();
    return {};
  });
}

void ThreadedLedger::claim(LedgerOwner owner, CallOptions options, Done<LedgerClaim> done) {
  run<LedgerClaim>(std::move(options), std::move(done),
                   [this, owner = std::move(owner)](const CallContext& context) {
                     return ledger_->claim(owner, context);
                   });
}

Result<LedgerClaim> ThreadedLedger::claim_now(const LedgerOwner& owner, const CallOptions& options) {
  return guarded<LedgerClaim>([&] { return ledger_->claim(owner, context_of(options)); });
}

Result<std::vector<KnownJournal>> ThreadedLedger::journals_now(const CallOptions& options) {
  return guarded<std::vector<KnownJournal>>([&] { return ledger_->journals(context_of(options)); });
}

Result<std::vector<std::uint64_t>> ThreadedLedger::positions_now(const std::string& journal,
                                                                 std::uint32_t lanes,
                                                                 const CallOptions& options) {
  return guarded<std::vector<std::uint64_t>>(
      [&] { return ledger_->open(journal, lanes, context_of(options)); });
}

void ThreadedLedger::open(std::string journal, std::uint32_t lanes, CallOptions options,
                          Done<PortLedger> done) {
  run<PortLedger>(
      std::move(options), std::move(done),
      [this, journal = std::move(journal), lanes](const CallContext& context) -> Result<PortLedger> {
        auto positions = ledger_->open(journal, lanes, context);
        if (!positions) return std::move(positions).error();
        auto dead = collect([&](const DeadLetter& letter) { return letter.id.journal == journal; }, context);
        if (!dead) return std::move(dead).error();
        return PortLedger{std::move(*positions), std::move(*dead)};
      });
}

void ThreadedLedger::apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done) {
  run<BatchOutcome>(
      std::move(options), std::move(done),
      [this, batch = std::move(batch)](const CallContext& context) mutable -> Result<BatchOutcome> {
        auto own = with_own_datasets(batch);
        if (!own) return std::move(own).error();
        return ledger_->apply(*own, context);
      });
}

Result<WriteBatch> ThreadedLedger::with_own_datasets(PortBatch& batch) const {
  WriteBatch own;
  own.journal = std::move(batch.journal);
  own.lane = batch.lane;
  own.after = batch.after;
  own.upto = batch.upto;
  own.also = std::move(batch.also);
  own.process = std::move(batch.process);
  own.dead = std::move(batch.dead);
  own.judge = std::move(batch.judge);
  own.writes.reserve(batch.writes.size());
  for (PortBatch::One& one : batch.writes) {
    std::shared_ptr<const ThreadedDataset> dataset;
    {
      MutexLock lock(mutex_);
      if (const auto known = datasets_.find(one.dataset.get()); known != datasets_.end())
        dataset = known->second.lock();
    }
    if (dataset == nullptr) return Error{ErrorCode::kInternal, "a batch with another source's dataset"};
    auto opened = dataset->own();
    if (!opened) return std::move(opened).error();
    own.writes.push_back({*opened, std::move(one.key), std::move(one.writes), std::move(one.revives)});
  }
  return own;
}

void ThreadedLedger::dead_letters(std::optional<DeadId> after, std::size_t limit, CallOptions options,
                                  Done<std::vector<DeadLetter>> done) {
  run<std::vector<DeadLetter>>(std::move(options), std::move(done),
                               [this, after = std::move(after), limit](const CallContext& context) {
                                 return ledger_->dead_letters(after, limit, context);
                               });
}

void ThreadedLedger::all_dead_letters(Wanted wanted, CallOptions options,
                                      Done<std::vector<DeadLetter>> done) {
  run<std::vector<DeadLetter>>(
      std::move(options), std::move(done),
      [this, wanted = std::move(wanted)](const CallContext& context) { return collect(wanted, context); });
}

Result<std::vector<DeadLetter>> ThreadedLedger::collect(const Wanted& wanted, const CallContext& context) {
  std::vector<DeadLetter> letters;
  std::optional<DeadId> after;
  for (;;) {
    auto page = ledger_->dead_letters(after, kPage, context);
    if (!page) return std::move(page).error();
    const bool last = page->size() < kPage;
    if (!page->empty()) after = page->back().id;
    for (DeadLetter& letter : *page) {
      if (wanted(letter)) letters.push_back(std::move(letter));
    }
    if (last) return letters;
  }
}

void ThreadedLedger::dead_letter(DeadId id, CallOptions options, Done<std::optional<DeadLetter>> done) {
  run<std::optional<DeadLetter>>(
      std::move(options), std::move(done),
      [this, id = std::move(id)](const CallContext& context) { return ledger_->dead_letter(id, context); });
}

void ThreadedLedger::edit_dead_letter(DeadId id, std::string operation, CallOptions options,
                                      Done<bool> done) {
  run<bool>(std::move(options), std::move(done),
            [this, id = std::move(id), operation = std::move(operation)](const CallContext& context) {
              return ledger_->edit_dead_letter(id, operation, context);
            });
}

void ThreadedLedger::drop_dead_letter(DeadId id, CallOptions options, Done<bool> done) {
  run<bool>(std::move(options), std::move(done), [this, id = std::move(id)](const CallContext& context) {
    return ledger_->drop_dead_letter(id, context);
  });
}

}  // namespace forebay::layer
