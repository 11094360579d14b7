#pragma once

// A batch of writes in its transaction, one write after another. What is done in which order, and what
// becomes of a write that the database refuses, is the same for every database; how, is in BatchSteps.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>
#include <utility>

#include "forebay/ledger.h"
#include "source/cause.h"
#include "source/ledger.h"

namespace forebay::source {

// The steps of one batch in a transaction that has begun. `Fault` is how the database says what went wrong.
template <class Fault>
class BatchSteps {
 public:
  template <class T>
  using Step = std::expected<T, Fault>;

  virtual ~BatchSteps() = default;

  // Where the ledger has the batch's lane, which is this transaction's until it ends; nothing: it has none.
  virtual Step<std::optional<std::uint64_t>> position() = 0;
  // Sets the savepoint under which the next write is made.
  virtual Step<void> save() = 0;
  virtual Step<std::optional<Written>> write(const BatchWrite& one) = 0;
  // The write since the savepoint stays, and another savepoint is set.
  virtual Step<void> keep() = 0;
  // The write since the savepoint goes. A Fault: no other can be tried either.
  virtual Step<void> undo() = 0;
  // Puts the batch's dead letters aside and writes its new position.
  virtual Step<void> finish() = 0;

  virtual Cause cause(const Fault& fault) const = 0;
  virtual Fault fault(Error error) const = 0;
  // The write at this place is refused with the fault that write() returned last.
  virtual BatchOutcome::Refusal refusal(std::size_t place, Fault fault) const = 0;
};

// Finds all writes that are refused; nothing may be committed unless there is none. `where`: for messages.
template <class Fault>
std::expected<BatchOutcome, Fault> apply_one_by_one(BatchSteps<Fault>& steps, const WriteBatch& batch,
                                                    std::string_view where) {
  BatchOutcome outcome;
  auto at = steps.position();
  if (!at) return std::unexpected(std::move(at).error());
  auto due = is_due(batch, *at, where);
  if (!due) return std::unexpected(steps.fault(std::move(due).error()));
  if (!*due) return outcome;
  if (auto saved = steps.save(); !saved) return std::unexpected(std::move(saved).error());
  for (std::size_t i = 0; i < batch.writes.size(); ++i) {
    auto written = steps.write(batch.writes[i]);
    const bool refused = !written && steps.cause(written.error()) == Cause::kData;
    if (written) outcome.written.push_back(std::move(*written));
    if (refused) outcome.refused.push_back(steps.refusal(i, written.error()));
    auto next = written ? steps.keep() : refused ? steps.undo() : std::unexpected(std::move(written).error());
    if (next) continue;
    // Out of time, say. Refusals that have been found would be found again.
    if (outcome.refused.empty()) return std::unexpected(std::move(next).error());
    break;
  }
  if (!outcome.refused.empty()) {
    outcome.written.clear();
  } else if (auto done = steps.finish(); !done) {
    return std::unexpected(std::move(done).error());
  }
  return outcome;
}

}  // namespace forebay::source
