#include "layer/port/reopening_dataset.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "layer/port/guarded.h"

namespace forebay::layer {
namespace {

// A table is looked at again at most this often.
constexpr std::chrono::seconds kLookAgain{1};

}  // namespace

ReopeningDataset::ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<Dataset> dataset,
                                   ThreadPool& pool)
    : source_(source), spec_(std::move(spec)), current_(dataset.get()), pool_(pool) {
  keep(std::move(dataset));
}

ReopeningDataset::ReopeningDataset(Source& source, DatasetSpec spec, std::unique_ptr<LateDataset> late,
                                   ThreadPool& pool)
    : source_(source), spec_(std::move(spec)), late_(late.get()), current_(late.get()), pool_(pool) {
  keep(std::move(late));
}

Result<Dataset*> ReopeningDataset::own() const {
  Dataset& dataset = current();
  if (&dataset == late_) return late_->opened();
  return &dataset;
}

Result<Written> ReopeningDataset::write(const KeyFields& key, const Write& write,
                                        const CallContext& context) const {
  auto written = current().write(key, write, context);
  // Nothing has changed then.
  if (!written && written.error().code == ErrorCode::kInvalidArgument && may_look() && look(key, write))
    written = current().write(key, write, context);
  return written;
}

Result<void> ReopeningDataset::validate(const KeyFields& key, const Write& write) const {
  auto good = current().validate(key, write);
  if (!good && good.error().code == ErrorCode::kInvalidArgument && may_look())
    pool_.run([this, key, write] { look(key, write); });
  return good;
}

void ReopeningDataset::keep(std::unique_ptr<Dataset> dataset) const {
  MutexLock lock(mutex_);
  datasets_.push_back(std::move(dataset));
}

bool ReopeningDataset::may_look() const {
  const auto now = std::chrono::steady_clock::now();
  MutexLock lock(mutex_);
  if (now < look_at_) return false;
  look_at_ = now + kLookAgain;
  return true;
}

// Whether the table, as it is now, takes a write that it did not take before. Blocks.
bool ReopeningDataset::look(const KeyFields& key, const Write& write) const {
  auto fresh = guarded<std::unique_ptr<Dataset>>([&] { return source_.open_dataset(spec_); });
  if (!fresh || !guarded<void>([&] { return (*fresh)->validate(key, write); })) return false;
  spdlog::info("namespace '{}': its table has changed, and is known anew", spec_.name);
  current_.store(fresh->get(), std::memory_order_release);
  keep(std::move(*fresh));
  return true;
}

}  // namespace forebay::layer
