#pragma once

#include <atomic>
#include <memory>
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

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override;
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override;
  // These never open it. Before it is open nothing is known.
  Result<void> validate(const KeyFields& key, const Write& write) const override;
  Shown shown(std::string_view column, Given given, std::string& text) const override;
  bool batches() const override;

 private:
  Source& source_;
  const DatasetSpec spec_;
  Mutex mutex_;
  std::unique_ptr<Dataset> dataset_ GUARDED_BY(mutex_);
  std::string reported_ GUARDED_BY(mutex_);  // the error that was logged last
  // dataset_, once it is there. Stored with release and read with acquire: who sees it sees it complete.
  std::atomic<Dataset*> opened_{nullptr};
};

}  // namespace forebay::layer
