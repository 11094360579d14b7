#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "forebay/source.h"
#include "layer/port/late_dataset.h"

namespace forebay::layer {

// A dataset that is opened anew when its table has got a column since: as soon as a write names a column that
// was not there. What was opened before stays, as calls may be using it. Thread-safe.
class ReopeningDataset final {
 public:
  // `source` and `pool`, whose threads may block, are borrowed.
  ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<Dataset> dataset, ThreadPool& pool);
  ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<LateDataset> late, ThreadPool& pool);

  // What calls go to.
  Dataset& current() const { return *current_.load(std::memory_order_acquire); }
  // The dataset as its source made it; it may have to be opened first, which blocks.
  Result<Dataset*> own() const;

  // Dataset::write(). A write that does not fit is tried again if the table has changed.
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) const;
  // Dataset::validate(). For a write that does not fit, a thread of the pool looks whether the table has
  // changed, for the next that asks.
  Result<void> validate(const KeyFields& key, const Write& write) const;

 private:
  void keep(std::unique_ptr<Dataset> dataset) const;
  bool may_look() const;
  bool look(const KeyFields& key, const Write& write) const;

  Source& source_;
  const DatasetSpec spec_;
  LateDataset* late_ = nullptr;  // the first one, if it is one
  // One of datasets_. Stored with release and read with acquire: who sees a dataset sees it complete.
  mutable std::atomic<Dataset*> current_;
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Dataset>> datasets_ GUARDED_BY(mutex_);
  mutable std::chrono::steady_clock::time_point look_at_ GUARDED_BY(mutex_){};
  ThreadPool& pool_;
};

}  // namespace forebay::layer
