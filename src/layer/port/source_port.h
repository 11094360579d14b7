#pragma once

// How the layer calls a source: without waiting. The seam below it (forebay/source.h) blocks, because that is
// what is easy to implement; here blocking calls have become completions, so that everything above can be
// driven by a clock that a test moves.

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/cancel.h"
#include "forebay/change_log.h"
#include "forebay/clock.h"
#include "forebay/dataset.h"
#include "forebay/source.h"
#include "forebay/value.h"
#include "journal/effect.h"

namespace forebay::memory {
class OwnCollection;
}

namespace forebay::layer {

class LedgerPort;

// One key's outcome of a load, and what may be done with it besides answering those who wait for it.
struct LoadedValue {
  std::optional<Value> value;  // nothing: the source has no such row
  std::uint64_t version = 0;   // as Loaded's (forebay/dataset.h), as is `evidence`
  std::uint64_t evidence = 0;
  // Where the value is a collection: the same, for who has it alone yet and may edit it.
  std::shared_ptr<memory::OwnCollection> collection = {};
  // False: it is kept nowhere, and the next read loads again.
  bool storable = true;
  // How long it may be kept at most, from the time at which its load began; the namespace's own limit applies
  // as well. Nothing: only that one.
  std::optional<Duration> ttl = {};
  // Names by which many keys are dropped at once. Null: none, which costs nothing.
  std::unique_ptr<const std::vector<std::string>> tags = {};
};

struct CallOptions {
  std::chrono::milliseconds timeout{2000};
  std::shared_ptr<CancelFlag> cancel;
};

// A call's completion. It is called exactly once, on any thread, possibly before the call returns, unless the
// port is destroyed first.
template <class T>
using Done = std::move_only_function<void(Result<T>)>;
using LoadDone = Done<std::vector<LoadedValue>>;
using WriteDone = Done<Written>;
using PingDone = Done<void>;
using EndedDone = Done<bool>;

// When a table that has changed is opened anew.
enum class Look {
  kNow,
  kOnceItRests,  // when it has not changed for a moment: a migration has several steps
};

// One namespace's values at their source. Thread-safe.
class DatasetPort : public journal::Columns {
 public:
  virtual bool batches() const = 0;
  // On success there is one LoadedValue a key, in order.
  virtual void load(std::vector<KeyFields> keys, CallOptions options, LoadDone done) = 0;
  // Dataset::write(). kUnsupported unless overridden.
  virtual void write(KeyFields key, Write write, CallOptions options, WriteDone done);
  // Source::has_ended() of its source. True unless overridden.
  virtual void has_ended(std::uint64_t transaction, CallOptions options, EndedDone done);
  // Dataset::validate(). Good where nothing is known yet, as the source was never reached.
  virtual Result<void> validate(const KeyFields&, const Write&) const { return {}; }
  // Dataset::found_by_spelling(). False where nothing is known yet.
  virtual bool found_by_spelling(std::size_t) const { return true; }

  // Looks whether the table or query is what it was when it was opened, and opens it anew where it is not.
  // Blocks. True: it is not, and is to be looked at again soon. An Error: the source could not be asked.
  virtual Result<bool> look(Look, const CallOptions&) { return false; }
  // Why it can't be opened as its table is now; nothing: it fits. What calls can be done, as it was, still are.
  virtual std::optional<Error> misfit() const { return std::nullopt; }
  // `changed` is called when it was opened anew, or turned out not to fit: what was loaded before may have
  // another shape. On any thread, and before a call that saw the change answers.
  virtual void on_change(std::function<void()>) {}

  // Dataset::shown(). Nothing is known before the source has been reached.
  Shown shown(std::string_view, Given, std::string&) const override { return Shown::kUnknown; }
};

// One source, as the layer calls it. Thread-safe.
class SourcePort {
 public:
  // Waits for calls that run; calls that have not begun are dropped without their `done`.
  virtual ~SourcePort() = default;
  virtual std::size_t concurrency() const = 0;
  // Opens a dataset; may block. No call may be made on it once this port is gone.
  virtual Result<std::shared_ptr<DatasetPort>> open(const DatasetSpec& spec) = 0;
  // A dataset of a source that can't be reached now: opened by the first call that reaches it, on that call's
  // thread. Until then calls fail with what open() would have said. Null: this source can't do that.
  virtual std::shared_ptr<DatasetPort> open_later(const DatasetSpec&) { return nullptr; }
  virtual void ping(CallOptions options, PingDone done) = 0;
  // Source::known_tables(). May block.
  virtual Result<std::vector<KnownTable>> known_tables(const std::vector<std::string>& names,
                                                       const CallOptions&) {
    return std::vector<KnownTable>(names.size());
  }

  // What not every source has; null: this one has it not. They live as long as the port.
  virtual LedgerPort* ledger() { return nullptr; }
  // Blocks: for a thread of the caller's own.
  virtual ChangeLog* change_log() { return nullptr; }
};

}  // namespace forebay::layer
