#pragma once

// A batch of writes in its transaction, one write after another. What is done in which order, and what
// becomes of a write that the database refuses, is the same for every database; how, is in BatchSteps.

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

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
  // Of the write that was undone last, whose fault leaves doubt: kData, kSchema, or still kDoubt.
  virtual Step<Cause> look_into(const Fault&) { return Cause::kSchema; }
  virtual Fault fault(Error error) const = 0;
  // The write at this place is refused with the fault that write() returned last.
  virtual BatchOutcome::Refusal refusal(std::size_t place, Fault fault) const = 0;
};

// Finds all writes that are refused; nothing may be committed unless there is none. `where`: for messages.
//
// A write whose fault is still in doubt when its statement has been looked into is refused if others of its
// dataset pass; where none does, it is an error of the batch.
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
  std::set<const Dataset*> passed;
  std::vector<std::pair<std::size_t, Fault>> doubtful;
  std::optional<Fault> broken_off;
  for (std::size_t i = 0; i < batch.writes.size() && !broken_off; ++i) {
    auto written = steps.write(batch.writes[i]);
    if (written) {
      passed.insert(batch.writes[i].dataset);
      outcome.written.push_back(std::move(*written));
      if (auto kept = steps.keep(); !kept) broken_off = std::move(kept).error();
      continue;
    }
    Fault& fault = written.error();
    Cause cause = steps.cause(fault);
    if (cause == Cause::kData) outcome.refused.push_back(steps.refusal(i, fault));
    if (cause == Cause::kData || cause == Cause::kDoubt) {
      if (auto undone = steps.undo(); !undone) {
        broken_off = std::move(undone).error();
        break;
      }
    }
    if (cause == Cause::kData) continue;
    if (cause == Cause::kDoubt) {
      auto found = steps.look_into(fault);
      if (!found) {
        broken_off = std::move(found).error();
        break;
      }
      cause = *found;
    }
    if (cause == Cause::kData) {
      outcome.refused.push_back(steps.refusal(i, std::move(fault)));
    } else if (cause == Cause::kDoubt) {
      doubtful.emplace_back(i, std::move(fault));
    } else {
      broken_off = std::move(fault);
    }
  }
  for (auto& [place, fault] : doubtful) {
    if (passed.contains(batch.writes[place].dataset)) {
      outcome.refused.push_back(steps.refusal(place, std::move(fault)));
    } else if (!broken_off) {
      broken_off = std::move(fault);
    }
  }
  // Out of time, say. Refusals that have been found would be found again.
  if (broken_off && outcome.refused.empty()) return std::unexpected(std::move(*broken_off));
  if (!outcome.refused.empty()) {
    outcome.written.clear();
  } else if (auto done = steps.finish(); !done) {
    return std::unexpected(std::move(done).error());
  }
  return outcome;
}

}  // namespace forebay::source
