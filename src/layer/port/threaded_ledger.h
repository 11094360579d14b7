#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "forebay/ledger.h"
#include "layer/port/ledger_port.h"
#include "layer/port/threaded_dataset.h"

namespace forebay::layer {

// A blocking Ledger, called on its source's threads.
class ThreadedLedger final : public LedgerPort {
 public:
  // `pool` is borrowed.
  ThreadedLedger(std::unique_ptr<Ledger> ledger, ThreadPool& pool)
      : ledger_(std::move(ledger)), pool_(pool) {}

  // Batches may name this dataset from now on.
  void add(const std::shared_ptr<ThreadedDataset>& dataset);

  Result<void> prepare(const std::string& journal, std::uint32_t lanes, const CallOptions& options) override;
  void claim(LedgerOwner owner, CallOptions options, Done<LedgerClaim> done) override;
  Result<LedgerClaim> claim_now(const LedgerOwner& owner, const CallOptions& options) override;
  Result<std::vector<KnownJournal>> journals_now(const CallOptions& options) override;
  Result<std::vector<std::uint64_t>> positions_now(const std::string& journal, std::uint32_t lanes,
                                                   const CallOptions& options) override;
  void open(std::string journal, std::uint32_t lanes, CallOptions options, Done<PortLedger> done) override;
  void apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done) override;
  void dead_letters(std::optional<DeadId> after, std::size_t limit, CallOptions options,
                    Done<std::vector<DeadLetter>> done) override;
  void all_dead_letters(Wanted wanted, CallOptions options, Done<std::vector<DeadLetter>> done) override;
  void dead_letter(DeadId id, CallOptions options, Done<std::optional<DeadLetter>> done) override;
  void edit_dead_letter(DeadId id, std::string operation, CallOptions options, Done<bool> done) override;
  void drop_dead_letter(DeadId id, CallOptions options, Done<bool> done) override;

 private:
  // Runs `call` with the context that `options` make, on one of the source's threads, and hands on its
  // result.
  template <class T, class Call>
  void run(CallOptions options, Done<T> done, Call call);
  Result<std::vector<DeadLetter>> collect(const Wanted& wanted, const CallContext& context);
  Result<WriteBatch> with_own_datasets(PortBatch& batch) const;

  const std::unique_ptr<Ledger> ledger_;
  ThreadPool& pool_;
  mutable Mutex mutex_;
  // By the port that a batch names. A dataset that is gone is forgotten when another one is added.
  std::unordered_map<const DatasetPort*, std::weak_ptr<const ThreadedDataset>> datasets_ GUARDED_BY(mutex_);
};

}  // namespace forebay::layer
