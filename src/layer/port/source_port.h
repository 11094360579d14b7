#pragma once

// How the layer calls a source: without waiting. The seam below it (forebay/source.h) blocks, because that is
// what is easy to implement; here blocking calls have become completions, so that everything above can be
// driven by a clock that a test moves.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/cancel.h"
#include "base/thread_pool.h"
#include "forebay/source.h"
#include "forebay/value.h"
#include "journal/effect.h"

namespace forebay::layer {

struct LoadedValue {
  std::optional<Value> value;
  std::uint64_t version = 0;
  std::uint64_t evidence = 0;
};

struct CallOptions {
  std::chrono::milliseconds timeout{2000};
  std::shared_ptr<CancelFlag> cancel;
};

using LoadDone = std::move_only_function<void(Result<std::vector<LoadedValue>>)>;
using WriteDone = std::move_only_function<void(Result<Written>)>;
using PingDone = std::move_only_function<void(Result<void>)>;

class DatasetPort;
// WriteBatch (forebay/source.h), with datasets as the layer has them.
struct PortBatch {
  struct One {
    std::shared_ptr<DatasetPort> dataset;  // of the same port
    KeyFields key;
    std::vector<Write> writes;
    std::optional<DeadId> revives = {};
  };
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;
  std::uint64_t upto = 0;
  std::vector<One> writes;
  std::vector<DeadLetter> dead;
};
// A journal's part of a source's ledger.
struct PortLedger {
  std::vector<std::uint64_t> positions;
  std::vector<DeadLetter> dead;
};
template <class T>
using Done = std::move_only_function<void(Result<T>)>;

// One namespace's values at their source. `done` is called exactly once, on any thread, possibly before the
// call returns, unless the port is destroyed first. Thread-safe.
class DatasetPort : public journal::Columns {
 public:
  virtual bool batches() const = 0;
  // On success there is one LoadedValue a key, in order.
  virtual void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) = 0;
  virtual void write(KeyFields key, Write write, CallOptions options, WriteDone done) = 0;
  // Dataset::validate(). Good where nothing is known yet, as the source was never reached.
  virtual Result<void> validate(const KeyFields&, const Write&) const { return {}; }
  // Dataset::shown(). Nothing is known before the source has been reached.
  Shown shown(std::string_view, Given, std::string&) const override { return Shown::kUnknown; }
};

// One source, as the layer calls it.
class SourcePort {
 public:
  // Waits for calls that run; calls that have not begun are dropped without their `done`.
  virtual ~SourcePort() = default;
  virtual std::size_t concurrency() const = 0;
  // Opens a dataset; may block. No call may be made on it once this port is gone.
  virtual Result<std::shared_ptr<DatasetPort>> open(const DatasetSpec& spec) = 0;
  // A dataset of a source that can't be reached now: opened by the first call that reaches it, on that call's
  // thread. Until then calls fail with what open() would have said. Null: this source can't do that.
  virtual std::shared_ptr<DatasetPort> open_later(const DatasetSpec& spec);
  virtual void ping(CallOptions options, PingDone done) = 0;
  // Write-behind's calls, as forebay/source.h has them. kUnsupported unless overridden.
  virtual void open_ledger(std::string journal, std::uint32_t lanes, CallOptions options,
                           Done<PortLedger> done);
  virtual void apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done);
  // Runs `work` with the blocking source on one of its threads; false: there is none.
  virtual bool run(std::move_only_function<void(Source&)> work);
  // The blocking source behind it, for a change feed; null if there is none.
  virtual Source* blocking() = 0;
};

// A blocking Source with the threads that call it.
class ThreadedSource final : public SourcePort {
 public:
  explicit ThreadedSource(std::shared_ptr<Source> source);

  std::size_t concurrency() const override { return source_->concurrency(); }
  Result<std::shared_ptr<DatasetPort>> open(const DatasetSpec& spec) override;
  std::shared_ptr<DatasetPort> open_later(const DatasetSpec& spec) override;
  void ping(CallOptions options, PingDone done) override;
  void open_ledger(std::string journal, std::uint32_t lanes, CallOptions options,
                   Done<PortLedger> done) override;
  void apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done) override;
  bool run(std::move_only_function<void(Source&)> work) override;
  Source* blocking() override { return source_.get(); }

 private:
  std::shared_ptr<Source> source_;
  ThreadPool pool_;
};

}  // namespace forebay::layer
