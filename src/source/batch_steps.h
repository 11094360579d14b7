#pragma once

// A batch of writes in its transaction. What is done in which order, and what becomes of a write that the
// database refuses, is the same for every database; how, is in BatchSteps.
//
// Writes are made in parts, each under a savepoint. One that is refused takes the rest of its part along, so
// what was before it in the part is made again, then it alone, then what follows: a refusal costs at most a
// part, however many writes there are. It is tried alone because the writes of a part may go side by side,
// where another order may be what it was refused for.

#include <algorithm>
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

  // Where the ledger has the batch's lanes (lanes_of()), which are this transaction's until it ends; nothing:
  // it has none.
  virtual Step<std::vector<std::optional<std::uint64_t>>> positions() = 0;
  // Sets the savepoint under which the next part is made.
  virtual Step<void> save() = 0;
  // Makes the batch's writes from `first` to before `last`. On a Fault, `failed` is the place of the write
  // that it is about.
  virtual Step<std::vector<std::optional<Written>>> write(std::size_t first, std::size_t last,
                                                          std::size_t& failed) = 0;
  // The writes since the savepoint stay, and another savepoint is set.
  virtual Step<void> keep() = 0;
  // The writes since the savepoint go. A Fault: no other can be tried either.
  virtual Step<void> undo() = 0;
  // Puts the batch's dead letters and these aside, and writes its new positions.
  virtual Step<void> finish(const std::vector<DeadLetter>& more) = 0;

  virtual Cause cause(const Fault& fault) const = 0;
  // Of the write that was undone last, whose fault leaves doubt: kData, kSchema, or still kDoubt.
  virtual Step<Cause> look_into(const Fault&) { return Cause::kSchema; }
  virtual Fault fault(Error error) const = 0;
  // The write at this place is refused with the fault that write() returned last.
  virtual BatchOutcome::Refusal refusal(std::size_t place, Fault fault) const = 0;
};

// Finds all writes that are refused, and asks the batch's judge about them. Nothing may be committed where
// the outcome has some and not `put_aside`. `part`: how many writes a part has; 1: they never go side by
// side. `where`: for messages.
//
// A write whose fault is still in doubt when its statement has been looked into is refused if others of its
// dataset pass; where none does, it is an error of the batch.
template <class Fault>
class BatchInParts {
 public:
  BatchInParts(BatchSteps<Fault>& steps, const WriteBatch& batch, std::size_t part, std::string_view where)
      : steps_(steps), batch_(batch), part_(part), where_(where) {}

  std::expected<BatchOutcome, Fault> apply() {
    auto at = steps_.positions();
    if (!at) return std::unexpected(std::move(at).error());
    auto due = is_due(batch_, *at, where_);
    if (!due) return std::unexpected(steps_.fault(std::move(due).error()));
    if (!*due) return BatchOutcome();
    if (auto saved = steps_.save(); !saved) return std::unexpected(std::move(saved).error());
    outcome_.written.resize(batch_.writes.size());
    Made made;
    for (std::size_t first = 0; made && first < batch_.writes.size(); first += part_)
      made = make(first, std::min(first + part_, batch_.writes.size()));
    for (auto& [place, fault] : doubtful_) {
      if (passed_.contains(batch_.writes[place].dataset)) {
        outcome_.refused.push_back(steps_.refusal(place, std::move(fault)));
      } else if (made) {
        made = std::unexpected(std::move(fault));
      }
    }
    std::ranges::sort(outcome_.refused, {}, &BatchOutcome::Refusal::write);
    // Out of time, say. Refusals that have been found would be found again.
    if (!made && outcome_.refused.empty()) return std::unexpected(std::move(made).error());
    std::optional<std::vector<DeadLetter>> letters(std::in_place);
    if (!outcome_.refused.empty())
      letters = made && batch_.judge ? batch_.judge(outcome_.refused) : std::nullopt;
    if (!letters) {
      outcome_.written.clear();
      return std::move(outcome_);
    }
    if (auto done = steps_.finish(*letters); !done) return std::unexpected(std::move(done).error());
    outcome_.put_aside = !outcome_.refused.empty();
    return std::move(outcome_);
  }

 private:
  using Made = std::expected<void, Fault>;

  Made make(std::size_t first, std::size_t last) {
    while (first < last) {
      std::size_t failed = first;
      auto written = steps_.write(first, last, failed);
      if (written) {
        for (std::size_t i = first; i < last; ++i) {
          outcome_.written[i] = std::move((*written)[i - first]);
          passed_.insert(batch_.writes[i].dataset);
        }
        return steps_.keep();
      }
      const Cause cause = steps_.cause(written.error());
      if (cause != Cause::kData && cause != Cause::kDoubt) return std::unexpected(std::move(written).error());
      if (last - first == 1) return refuse(first, std::move(written).error(), cause);
      if (auto undone = steps_.undo(); !undone) return undone;
      if (auto before = make(first, failed); !before) return before;
      if (auto one = make(failed, failed + 1); !one) return one;
      first = failed + 1;
    }
    return {};
  }

  // The write at this place has failed by itself.
  Made refuse(std::size_t place, Fault fault, Cause cause) {
    if (cause == Cause::kData) outcome_.refused.push_back(steps_.refusal(place, fault));
    if (auto undone = steps_.undo(); !undone || cause == Cause::kData) return undone;
    auto found = steps_.look_into(fault);
    if (!found) return std::unexpected(std::move(found).error());
    if (*found == Cause::kData) {
      outcome_.refused.push_back(steps_.refusal(place, std::move(fault)));
    } else if (*found == Cause::kDoubt) {
      doubtful_.emplace_back(place, std::move(fault));
    } else {
      return std::unexpected(std::move(fault));
    }
    return {};
  }

  BatchSteps<Fault>& steps_;
  const WriteBatch& batch_;
  const std::size_t part_;
  const std::string_view where_;
  BatchOutcome outcome_;
  std::set<const Dataset*> passed_;  // of writes that were made
  std::vector<std::pair<std::size_t, Fault>> doubtful_;
};

}  // namespace forebay::source
