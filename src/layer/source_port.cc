#include "layer/source_port.h"

#include <exception>
#include <string>
#include <utility>

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

void ThreadedSource::ping(CallOptions options, PingDone done) {
  pool_.run([this, options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<void>([&] { return source_->ping(context_of(options)); }));
  });
}

}  // namespace forebay::layer
