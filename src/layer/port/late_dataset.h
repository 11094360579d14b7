#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "forebay/source.h"

namespace forebay::layer {

// A dataset that could not be opened when it was asked for, as its source was away. The first call that
// reaches the source opens it; others wait for that one. Thread-safe.
class LateDataset final : public Dataset {
 public:
  // `source` is borrowed.
  LateDataset(Source& source, DatasetSpec spec) : source_(source), spec_(std::move(spec)) {}

  // The source's own dataset, opened now if it has not been: that blocks.
  Result<Dataset*> opened();
  // Whether it has been opened. Why it can't be, if the source was reached and it did not fit.
  bool is_open() const { return opened_.load(std::memory_order_acquire) != nullptr; }
  std::optional<Error> misfit() const;
  // Called once, when it has been opened, before anything is loaded. Before the first call.
  void on_open(std::function<void()> opened) { on_open_ = std::move(opened); }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override;
  // These never open it. Before it is open nothing is known.
  Result<void> validate(const KeyFields& key, const Write& write) const override;
  Shown shown(std::string_view column, Given given, std::string& text) const override;
  bool batches() const override;
  bool found_by_spelling(std::size_t dependency) const override;
  Result<Fit> fit(const CallContext& context) override;

 private:
  Source& source_;
  const DatasetSpec spec_;
  std::function<void()> on_open_;
  mutable Mutex mutex_;
  std::unique_ptr<Dataset> dataset_ GUARDED_BY(mutex_);
  std::optional<Error> misfit_ GUARDED_BY(mutex_);  // has been logged
  // dataset_, once it is there. Stored with release and read with acquire: who sees it sees it complete.
  std::atomic<Dataset*> opened_{nullptr};
};

}  // namespace forebay::layer
