#include "layer/source_port.h"

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
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

constexpr std::size_t kDeadPage = 500;

Result<PortLedger> read_ledger(Source& source, const std::string& journal, std::uint32_t lanes,
                               const CallContext& context) {
  PortLedger ledger;
  auto positions = source.open_ledger(journal, lanes, context);
  if (!positions) return std::move(positions).error();
  ledger.positions = std::move(*positions);
  std::optional<DeadId> after;
  for (;;) {
    auto page = source.dead_letters(after, kDeadPage, context);
    if (!page) return std::move(page).error();
    if (page->empty()) return ledger;
    after = page->back().id;
    const bool last = page->size() < kDeadPage;
    for (DeadLetter& letter : *page) {
      if (letter.id.journal == journal) ledger.dead.push_back(std::move(letter));
    }
    if (last) return ledger;
  }
}

// A dataset that could not be opened when it was asked for. Calls wait for the one that opens it.
class LateDataset final : public Dataset {
 public:
  LateDataset(Source& source, DatasetSpec spec) : source_(source), spec_(std::move(spec)) {}

  // The source's own dataset.
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

  bool batches() const override {
    const Dataset* dataset = opened_.load(std::memory_order_acquire);
    return dataset != nullptr && dataset->batches();
  }

  Result<void> validate(const KeyFields& key, const Write& write) const override {
    const Dataset* dataset = opened_.load(std::memory_order_acquire);
    return dataset != nullptr ? dataset->validate(key, write) : Result<void>();
  }

  Shown shown(std::string_view column, Given given, std::string& text) const override {
    const Dataset* dataset = opened_.load(std::memory_order_acquire);
    return dataset != nullptr ? dataset->shown(column, given, text) : Shown::kUnknown;
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
  Source& source_;
  const DatasetSpec spec_;
  Mutex mutex_;
  std::unique_ptr<Dataset> dataset_ GUARDED_BY(mutex_);
  std::string reported_ GUARDED_BY(mutex_);
  // dataset_, once it is there. Stored with release and read with acquire: who sees it sees it complete.
  std::atomic<Dataset*> opened_{nullptr};
};

// Looked at again, at most this often, where a write does not fit a table as it was when it was opened.
constexpr std::chrono::seconds kLookAgain{1};

// Where a table has got a column since it was opened, the dataset is opened anew as soon as a write names it.
// What was opened before stays: calls may be using it.
class ThreadedDataset final : public DatasetPort {
 public:
  ThreadedDataset(Source& source, DatasetSpec spec, std::unique_ptr<Dataset> dataset, ThreadPool& pool)
      : source_(source), spec_(std::move(spec)), current_(dataset.get()), pool_(pool) {
    keep(std::move(dataset));
  }
  ThreadedDataset(Source& source, DatasetSpec spec, std::unique_ptr<LateDataset> late, ThreadPool& pool)
      : source_(source), spec_(std::move(spec)), late_(late.get()), current_(late.get()), pool_(pool) {
    keep(std::move(late));
  }

  bool batches() const override { return current()->batches(); }

  // The dataset as its source made it; it may have to be opened first, which blocks.
  Result<Dataset*> own() {
    Dataset* dataset = current();
    if (dataset == late_) return late_->opened();
    return dataset;
  }

  void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) override {
    pool_.run([this, keys = std::move(keys), options = std::move(options), done = std::move(done)]() mutable {
      auto loaded = guarded<std::vector<Loaded>>([&] { return current()->load(keys, context_of(options)); });
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
      const auto once = [&] {
        return guarded<Written>([&] { return current()->write(key, write, context_of(options)); });
      };
      auto written = once();
      // Nothing has changed then.
      if (!written && written.error().code == ErrorCode::kInvalidArgument && may_look() && look(key, write))
        written = once();
      done(std::move(written));
    });
  }

  Result<void> validate(const KeyFields& key, const Write& write) const override {
    auto good = guarded<void>([&] { return current()->validate(key, write); });
    if (!good && good.error().code == ErrorCode::kInvalidArgument && may_look())
      pool_.run([this, key, write] { look(key, write); });
    return good;
  }

  Shown shown(std::string_view column, Given given, std::string& text) const override {
    return guarded<Shown>([&] { return current()->shown(column, given, text); }).value_or(Shown::kUnknown);
  }

 private:
  // Acquire: who sees a dataset sees it complete.
  Dataset* current() const { return current_.load(std::memory_order_acquire); }
  void keep(std::unique_ptr<Dataset> dataset) const {
    MutexLock lock(mutex_);
    datasets_.push_back(std::move(dataset));
  }
  bool may_look() const {
    const auto now = std::chrono::steady_clock::now();
    MutexLock lock(mutex_);
    if (now < look_at_) return false;
    look_at_ = now + kLookAgain;
    return true;
  }
  // Whether the table, as it is now, takes a write that it did not take before. Blocks.
  bool look(const KeyFields& key, const Write& write) const {
    auto fresh = guarded<std::unique_ptr<Dataset>>([&] { return source_.open_dataset(spec_); });
    if (!fresh || !guarded<void>([&] { return (*fresh)->validate(key, write); })) return false;
    spdlog::info("namespace '{}': its table has changed, and is known anew", spec_.name);
    current_.store(fresh->get(), std::memory_order_release);
    keep(std::move(*fresh));
    return true;
  }

  Source& source_;
  const DatasetSpec spec_;
  LateDataset* late_ = nullptr;  // the first one, if it is one
  mutable std::atomic<Dataset*> current_;
  mutable Mutex mutex_;
  mutable std::vector<std::unique_ptr<Dataset>> datasets_ GUARDED_BY(mutex_);
  mutable std::chrono::steady_clock::time_point look_at_ GUARDED_BY(mutex_){};
  ThreadPool& pool_;
};

Result<BatchOutcome> apply_batch(Source& source, PortBatch& batch, const CallContext& context) {
  WriteBatch writes;
  writes.journal = std::move(batch.journal);
  writes.lane = batch.lane;
  writes.after = batch.after;
  writes.upto = batch.upto;
  writes.dead = std::move(batch.dead);
  writes.writes.reserve(batch.writes.size());
  for (PortBatch::One& one : batch.writes) {
    auto* threaded = dynamic_cast<ThreadedDataset*>(one.dataset.get());
    if (threaded == nullptr) return Error{ErrorCode::kInternal, "a batch with another source's dataset"};
    auto dataset = threaded->own();
    if (!dataset) return std::move(dataset).error();
    writes.writes.push_back({*dataset, std::move(one.key), std::move(one.writes), std::move(one.revives)});
  }
  return source.apply(writes, context);
}

}  // namespace

void SourcePort::open_ledger(std::string, std::uint32_t, CallOptions, Done<PortLedger> done) {
  done(Error{ErrorCode::kUnsupported, "this source takes no writes behind"});
}
void SourcePort::apply(PortBatch, CallOptions, Done<BatchOutcome> done) {
  done(Error{ErrorCode::kUnsupported, "this source takes no writes behind"});
}
bool SourcePort::run(std::move_only_function<void(Source&)>) {
  return false;
}

ThreadedSource::ThreadedSource(std::shared_ptr<Source> source)
    : source_(std::move(source)), pool_(source_->concurrency()) {}

Result<std::shared_ptr<DatasetPort>> ThreadedSource::open(const DatasetSpec& spec) {
  auto dataset = guarded<std::unique_ptr<Dataset>>([&] { return source_->open_dataset(spec); });
  if (!dataset) return std::move(dataset).error();
  return std::shared_ptr<DatasetPort>(
      std::make_shared<ThreadedDataset>(*source_, spec, std::move(*dataset), pool_));
}

std::shared_ptr<DatasetPort> SourcePort::open_later(const DatasetSpec&) {
  return nullptr;
}

std::shared_ptr<DatasetPort> ThreadedSource::open_later(const DatasetSpec& spec) {
  return std::make_shared<ThreadedDataset>(*source_, spec, std::make_unique<LateDataset>(*source_, spec),
                                           pool_);
}

void ThreadedSource::ping(CallOptions options, PingDone done) {
  pool_.run([this, options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<void>([&] { return source_->ping(context_of(options)); }));
  });
}

void ThreadedSource::open_ledger(std::string journal, std::uint32_t lanes, CallOptions options,
                                 Done<PortLedger> done) {
  pool_.run([this, journal = std::move(journal), lanes, options = std::move(options),
             done = std::move(done)]() mutable {
    done(guarded<PortLedger>([&] { return read_ledger(*source_, journal, lanes, context_of(options)); }));
  });
}

void ThreadedSource::apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done) {
  pool_.run([this, batch = std::move(batch), options = std::move(options), done = std::move(done)]() mutable {
    done(guarded<BatchOutcome>([&] { return apply_batch(*source_, batch, context_of(options)); }));
  });
}

bool ThreadedSource::run(std::move_only_function<void(Source&)> work) {
  pool_.run([this, work = std::move(work)]() mutable { work(*source_); });
  return true;
}

}  // namespace forebay::layer
