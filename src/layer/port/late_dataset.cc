#include "layer/port/late_dataset.h"

#include <spdlog/spdlog.h>

#include <utility>

namespace forebay::layer {

Result<Dataset*> LateDataset::opened() {
  if (Dataset* dataset = opened_.load(std::memory_order_acquire)) return dataset;
  {
    MutexLock lock(mutex_);
    if (dataset_ != nullptr) return dataset_.get();
    auto dataset = source_.open_dataset(spec_);
    if (!dataset) {
      // A source that is away is the breaker's to report. One that is back and does not fit is for a person.
      const Error& error = dataset.error();
      if (error.code != ErrorCode::kConfig) return error;
      if (!misfit_ || misfit_->message != error.message)
        spdlog::error("namespace '{}': {}", spec_.name, error.message);
      misfit_ = error;
      return error;
    }
    dataset_ = std::move(*dataset);
    misfit_.reset();
    opened_.store(dataset_.get(), std::memory_order_release);
  }
  if (on_open_) on_open_();
  return opened_.load(std::memory_order_acquire);
}

std::optional<Error> LateDataset::misfit() const {
  MutexLock lock(mutex_);
  return misfit_;
}

Result<std::vector<Loaded>> LateDataset::load(std::span<const KeyFields> keys, const CallContext& context) {
  auto dataset = opened();
  if (!dataset) return std::move(dataset).error();
  return (*dataset)->load(keys, context);
}

Result<Written> LateDataset::write(const KeyFields& key, const Write& write, const CallContext& context) {
  auto dataset = opened();
  if (!dataset) return std::move(dataset).error();
  return (*dataset)->write(key, write, context);
}

Result<void> LateDataset::validate(const KeyFields& key, const Write& write) const {
  const Dataset* dataset = opened_.load(std::memory_order_acquire);
  return dataset != nullptr ? dataset->validate(key, write) : Result<void>();
}

Shown LateDataset::shown(std::string_view column, Given given, std::string& text) const {
  const Dataset* dataset = opened_.load(std::memory_order_acquire);
  return dataset != nullptr ? dataset->shown(column, given, text) : Shown::kUnknown;
}

bool LateDataset::batches() const {
  const Dataset* dataset = opened_.load(std::memory_order_acquire);
  return dataset != nullptr && dataset->batches();
}

bool LateDataset::found_by_spelling(std::size_t dependency) const {
  const Dataset* dataset = opened_.load(std::memory_order_acquire);
  return dataset != nullptr && dataset->found_by_spelling(dependency);
}

Result<Fit> LateDataset::fit(const CallContext& context) {
  Dataset* dataset = opened_.load(std::memory_order_acquire);
  return dataset != nullptr ? dataset->fit(context) : Fit::kUnknown;
}

}  // namespace forebay::layer
