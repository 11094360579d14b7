#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/mutex.h"
#include "base/thread_pool.h"
#include "forebay/source.h"
#include "layer/port/late_dataset.h"
#include "layer/port/source_port.h"

namespace forebay::layer {

// A dataset that is opened anew when its table or query is not what it was (Dataset::fit()): when a call fails
// for a reason that this may be, and when it is told to look. What was opened before stays, as calls may be
// using it, and is what calls go to as long as nothing can be opened in its place. Thread-safe.
class ReopeningDataset final {
 public:
  // `source` and `pool`, whose threads may block, are borrowed.
  ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<Dataset> dataset, ThreadPool& pool);
  ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<LateDataset> late, ThreadPool& pool);

  // What calls go to.
  Dataset& current() const { return *current_.load(std::memory_order_acquire); }
  // The dataset as its source made it; it may have to be opened first, which blocks.
  Result<Dataset*> own() const;

  // Dataset::load() and write(). What fails is tried again if the table has changed.
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) const;
  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) const;
  // Dataset::validate(). For a write that does not fit, a thread of the pool looks whether the table has
  // changed, for the next that asks.
  Result<void> validate(const KeyFields& key, const Write& write) const;

  // As DatasetPort has them.
  Result<bool> look(Look when, const CallContext& context) const;
  std::optional<Error> misfit() const;
  void on_change(std::function<void()> changed) const;

 private:
  // Whether a dataset, opened anew, takes what the present one does not.
  using Takes = std::function<bool(const Dataset&)>;

  void keep(std::unique_ptr<Dataset> dataset) const;
  bool may_look() const;
  // Whether a call on `used` that failed is worth another try, as there is another dataset by now.
  bool mended(const Dataset& used, const Error& error, const CallContext& context, const Takes& takes) const;
  void look_locked(const Error& error, const CallContext& context, const Takes& takes) const
      REQUIRES(looking_);
  void reopen(const Takes& takes) const REQUIRES(looking_);
  void fits() const;
  void does_not_fit(const Error& error) const;
  void changed() const;

  Source& source_;
  const DatasetSpec spec_;
  LateDataset* late_ = nullptr;  // the first one, if it is one
  // One of datasets_. Stored with release and read with acquire: who sees a dataset sees it complete.
  mutable std::atomic<Dataset*> current_;
  mutable Mutex looking_;  // held while the database is looked at; taken before mutex_
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Dataset>> datasets_ GUARDED_BY(mutex_);
  mutable std::chrono::steady_clock::time_point look_at_ GUARDED_BY(mutex_){};
  mutable std::optional<Error> misfit_ GUARDED_BY(mutex_);  // has been logged
  mutable std::optional<std::chrono::steady_clock::time_point> changed_at_
      GUARDED_BY(looking_);  // when it was first seen, if it has not been opened anew since
  mutable std::function<void()> changed_ GUARDED_BY(mutex_);
  ThreadPool& pool_;
};

}  // namespace forebay::layer
