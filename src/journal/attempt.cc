#include "journal/attempt.h"

#include <fmt/format.h>

#include <utility>

namespace forebay::journal {

void Attempt::restart(std::shared_ptr<const Batch> batch) {
  batch_ = std::move(batch);
  units_.clear();
  sent_.clear();
  put_away_.clear();
  for (std::size_t item = 0; item < batch_->items.size(); ++item) {
    for (const Step& step : batch_->items[item].steps) {
      units_.push_back({item, &step.effect, nullptr, step.first, step.last, step.ops, {}, {}});
    }
  }
}

Attempt::Try Attempt::next(const std::string& journal, const Letters& letters, const Holds& holds) {
  Try next;
  sent_.clear();
  put_away_.clear();
  const auto put_aside = [&](std::size_t at, std::string error) {
    put_away_.push_back(at);
    next.dead.push_back({units_[at].item, units_[at].last, encode(*units_[at].effect), std::move(error)});
  };
  for (std::size_t begin = 0, end = 0; begin < units_.size(); begin = end) {
    const std::size_t item = units_[begin].item;
    while (end < units_.size() && units_[end].item == item) ++end;
    std::set<DeadId> before = letters(batch_->items[item]);
    std::optional<bool> hold;  // asked for where it matters
    for (std::size_t at = begin; at < end; ++at) {
      const Unit& unit = units_[at];
      const DeadId id{journal, batch_->lane, unit.last};
      if (unit.fate == Unit::Fate::kPassOver) continue;
      if (unit.fate == Unit::Fate::kPutAside) {
        put_aside(at, unit.error);
        before.insert(id);
        continue;
      }
      if (unit.effect->revives) {
        before.erase(*unit.effect->revives);
      } else if (!before.empty()) {
        if (!hold) hold = holds(batch_->items[item].space);
        if (*hold) {
          put_aside(at, fmt::format("held: an earlier write of its key is a dead letter (lane {}, seq {})",
                                    before.begin()->lane, before.begin()->seq));
          before.insert(id);
          continue;
        }
      }
      sent_.push_back(at);
      next.statements.push_back({item, unit.effect});
    }
  }
  return next;
}

Attempt::Verdict Attempt::refuse(const std::vector<BatchOutcome::Refusal>& refusals, const Early& early) {
  Verdict verdict;
  for (const BatchOutcome::Refusal& refusal : refusals) {
    if (refusal.write >= sent_.size()) continue;
    Unit& unit = units_[sent_[refusal.write]];
    if (refusal.missing_key && early(unit.last)) {
      verdict.wait = true;
    } else if (unit.ops > 1) {
      verdict.take_apart.push_back(sent_[refusal.write]);
    } else {
      unit.fate = unit.effect->revives ? Unit::Fate::kPassOver : Unit::Fate::kPutAside;
      unit.error = refusal.error.message;
      verdict.again = true;
    }
  }
  return verdict;
}

Attempt::Range Attempt::range(std::size_t unit) const {
  return {&batch_->items[units_[unit].item].key, units_[unit].first, units_[unit].last};
}

Result<void> Attempt::take_apart(const std::vector<std::size_t>& units, std::vector<std::vector<Op>> ops) {
  std::vector<std::vector<Unit>> parts(units_.size());
  for (std::size_t i = 0; i < units.size(); ++i) {
    const Unit& whole = units_[units[i]];
    std::vector<Unit>& part = parts[units[i]];
    for (const Op& op : ops[i]) {
      if (op.source != batch_->source || op.space != batch_->items[whole.item].space) continue;
      auto effect = decode(op.payload);
      if (!effect) {
        return Error{ErrorCode::kInternal,
                     fmt::format("the journal's op {} can't be read: {}", op.seq, effect.error().message)};
      }
      auto own = std::make_shared<Effect>(std::move(*effect));
      part.push_back({whole.item, own.get(), own, op.seq, op.seq, 1, {}, {}});
    }
    if (part.size() != whole.ops) {
      return Error{ErrorCode::kInternal,
                   fmt::format("the journal has {} ops of a key from {} to {}, there were {}", part.size(),
                               whole.first, whole.last, whole.ops)};
    }
  }
  std::vector<Unit> all;
  for (std::size_t at = 0; at < units_.size(); ++at) {
    if (parts[at].empty()) {
      all.push_back(std::move(units_[at]));
    } else {
      for (Unit& unit : parts[at]) all.push_back(std::move(unit));
    }
  }
  units_ = std::move(all);
  return {};
}

Attempt::Done Attempt::through(const std::string& journal,
                               std::vector<std::optional<Written>> written) const {
  Done done;
  done.written.resize(batch_->items.size());
  done.counts.resize(batch_->items.size());
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    const Unit& unit = units_[sent_[i]];
    done.counts[unit.item].applied_ops += unit.ops;
    if (unit.effect->revives) done.revived.push_back({unit.item, *unit.effect->revives});
    // What was passed over changed nothing: the row is as the statement before left it.
    if (i < written.size() && written[i]) done.written[unit.item] = std::move(written[i]);
  }
  for (const std::size_t at : put_away_) {
    done.counts[units_[at].item].dead_ops += units_[at].ops;
    done.put_aside.push_back({units_[at].item, {journal, batch_->lane, units_[at].last}});
  }
  for (const Unit& unit : units_) {
    if (unit.fate == Unit::Fate::kPassOver) ++done.counts[unit.item].passed_over;
  }
  return done;
}

}  // namespace forebay::journal
