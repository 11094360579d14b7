#pragma once

#include <memory>
#include <optional>

#include "base/thread_pool.h"
#include "forebay/source.h"
#include "layer/port/guarded_change_log.h"
#include "layer/port/source_port.h"
#include "layer/port/threaded_ledger.h"

namespace forebay::layer {

// A blocking Source with the threads that call it.
class ThreadedSource final : public SourcePort {
 public:
  explicit ThreadedSource(std::shared_ptr<Source> source);

  std::size_t concurrency() const override { return source_->concurrency(); }
  Result<std::shared_ptr<DatasetPort>> open(const DatasetSpec& spec) override;
  std::shared_ptr<DatasetPort> open_later(const DatasetSpec& spec) override;
  void ping(CallOptions options, PingDone done) override;
  Result<std::vector<KnownTable>> known_tables(const std::vector<std::string>& names,
                                               const CallOptions& options) override;
  LedgerPort* ledger() override { return ledger_ ? &*ledger_ : nullptr; }
  ChangeLog* change_log() override { return change_log_ ? &*change_log_ : nullptr; }

 private:
  template <class Opened>
  std::shared_ptr<DatasetPort> port_of(const DatasetSpec& spec, std::unique_ptr<Opened> dataset);

  std::shared_ptr<Source> source_;
  std::optional<GuardedChangeLog> change_log_;
  std::optional<ThreadedLedger> ledger_;
  ThreadPool pool_;  // the first to go: its threads use the others
};

}  // namespace forebay::layer
