#include "layer/source_port.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <exception>
#include <string>
#include <utility>

#include "base/mutex.h"

namespace forebay::layer {
namespace {

CallContext context_of(const CallOptions& options) {
  return {options.timeout, options.cancel.get()};
}

// A source written by somebody else may throw; a room's errors are Results.
template <class T, class Call>
Result<T> guarded(Call call) {
  try {
    return call();
  } catch (const std::exception& e) {
    return Error{ErrorCode::kInternal, std::string("the source threw: ") + e.what()};
  } catch (...) {
    return Error{ErrorCode::kInternal, "the source threw something that is no std::exception"};
  }
}

// A dataset that could not be opened when it was asked for. Calls wait for the one that opens it.
class LateDataset final : public Dataset {
 public:
  LateDataset(Source& source, DatasetSpec spec) : source_(source), spec_(std::move(spec)) {}

  bool batches() const override {
    const Dataset* dataset = opened_.load(std::memory_order_acquire);
    return dataset != nullptr && dataset->batches();
  }

  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys, const CallContext& context) override {
    auto dataset = opened();
    if (!dataset) return std::move(dataset).error();
    return (*dataset)->load(keys, context);
  }

  Result<Written> write(const KeyFields& key, const Write& write, const CallContext& context) override {
    auto dataset = opened();
    if (!dataset) return std::move(dataset).error();
    return (*dataset)->write(key, write, context);
  }

 private:
  Result<Dataset*> opened() {
    if (Dataset* dataset = opened_.load(std::memory_order_acquire)) return dataset;
    MutexLock lock(mutex_);
    if (dataset_ != nullptr) return dataset_.get();
    auto dataset = source_.open_dataset(spec_);
    if (!dataset) {
      // A source that is away is the breaker's to report. One that is back and does not fit is for a person.
      const Error& error = dataset.error();
      if (error.code == ErrorCode::kConfig && std::exchange(reported_, error.message) != error.message) {
        spdlog::error("namespace '{}': {}", spec_.name, error.message);
      }
      return std::move(dataset).error();
    }
    dataset_ = std::move(*dataset);
    opened_.store(dataset_.get(), std::memory_order_release);
    return dataset_.get();
  }

  Source& source_;
  const DatasetSpec spec_;
  Mutex mutex_;
  std::unique_ptr<Dataset> dataset_ GUARDED_BY(mutex_);
  std::string reported_ GUARDED_BY(mutex_);
  // dataset_, once it is there. Stored with release and read with acquire: who sees it sees it complete.
  std::atomic<Dataset*> opened_{nullptr};
};

class ThreadedDataset final : public DatasetPort {
 public:
  ThreadedDataset(std::unique_ptr<Dataset> dataset, ThreadPool& pool)
      : dataset_(std::move(dataset)), pool_(pool) {}

  bool batches() const override { return dataset_->batches(); }

  void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) override {
    pool_.run([this, keys = std::move(keys), options = std::move(options), done = std::move(done)]() mutable {
      auto loaded = guarded<std::vector<Loaded>>([&] { return dataset_->load(keys, context_of(options)); });
      if (!loaded) return done(std::move(loaded).error());
      if (loaded->size() != keys.size()) {
        return done(Error{ErrorCode::kInternal, "the source answered " + std::to_string(loaded->size()) +
                                                    " of " + std::to_string(keys.size()) + " keys"});
      }
      std::vector<LoadedValue> values;
      values.reserve(loaded->size());
      for (auto& one : *loaded) {
        LoadedValue value{std::nullopt, one.version, one.evidence};
        if (one.value) value.value = Value::bytes(std::move(*one.value));
        values.push_back(std::move(value));
      }
      done(std::move(values));
    });
  }

  void write(KeyFields key, Write write, CallOptions options, WriteDone done) override {
    pool_.run([this, key = std::move(key), write = std::move(write), options = std::move(options),
               done = std::move(done)]() mutable {
      done(guarded<Written>([&] { return dataset_->write(key, write, context_of(options)); }));
    });
  }

 private:
  std::unique_ptr<Dataset> dataset_;
  ThreadPool& pool_;
};

}  // namespace

ThreadedSource::ThreadedSource(std::shared_ptr<Source> source)
    : source_(std::move(source)), pool_(source_->concurrency()) {}

Result<std::shared_ptr<DatasetPort>> ThreadedSource::open(const DatasetSpec& spec) {
  auto dataset = guarded<std::unique_ptr<Dataset>>([&] { return source_->open_dataset(spec); });
  if (!dataset) return std::move(dataset).error();
  return std::shared_ptr<DatasetPort>(std::make_shared<ThreadedDataset>(std::move(*dataset), pool_));
}

std::shared_ptr<DatasetPort> SourcePort::open_later(const DatasetSpec&) {
  return nullptr;
}

std::shared_ptr<DatasetPort> ThreadedSource::open_later(const DatasetSpec& spec) {
  return std::make_shared<ThreadedDataset>(std::make_unique<LateDataset>(*source_, spec), pool_);
}

void ThreadedSource::ping(CallOptions options, PingDone done) {
  pool_.run([this, options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<void>([&] { return source_->ping(context_of(options)); }));
  });
}

}  // namespace forebay::layer
