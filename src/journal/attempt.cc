#include "journal/attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

namespace forebay::journal {
namespace {

// Whether an effect only adds, so that two of them in a row come to one wherever it is made.
bool only_adds(const Effect& effect) {
  return !effect.insert && !effect.remove && effect.sets.empty() && !effect.sums.empty() && !effect.revives;
}

}  // namespace

void Attempt::restart(std::shared_ptr<const Batch> batch) {
  batch_ = std::move(batch);
  in_order_ = false;
  fused_.assign(batch_->items.size(), false);
  units_.clear();
  sent_.clear();
  put_away_.clear();
  for (std::size_t item = 0; item < batch_->items.size(); ++item) {
    for (const Step& step : batch_->items[item].steps) {
      units_.push_back({item, &step.effect, nullptr, step.first, step.last, step.ops, {}, {}});
    }
  }
}

Attempt::Unit Attempt::unit_of(std::size_t item, Effect effect, std::uint64_t seq) {
  auto own = std::make_shared<Effect>(std::move(effect));
  const Effect* const shown = own.get();
  return {item, shown, std::move(own), seq, seq, 1, {}, {}};
}

Result<void> Attempt::restart_in_order(std::shared_ptr<const Batch> batch, const std::vector<Op>& ops) {
  restart(std::move(batch));
  in_order_ = true;
  units_.clear();
  std::map<std::string_view, std::size_t> items;
  for (std::size_t item = 0; item < batch_->items.size(); ++item)
    items.emplace(batch_->items[item].key, item);
  std::vector<std::optional<std::size_t>> last(items.size());  // each item's last unit
  for (const Op& op : ops) {
    const auto item = items.find(op.key);
    auto effect = decode(op.payload);
    if (item == items.end() || !effect) {
      return Error{ErrorCode::kInternal, fmt::format("the journal's op {} is not what was pending", op.seq)};
    }
    std::optional<std::size_t>& before = last[item->second];
    if (before && only_adds(*effect) && only_adds(*units_[*before].effect)) {
      Unit& unit = units_[*before];
      std::vector<Step> sum = {{*unit.effect, unit.first, unit.last, static_cast<std::uint32_t>(unit.ops)}};
      combine(sum, *effect, op.seq);
      if (sum.size() == 1) {  // else it would leave 64 bits
        *unit.own = std::move(sum.front().effect);
        unit.last = op.seq;
        ++unit.ops;
        continue;
      }
    }
    before = units_.size();
    units_.push_back(unit_of(item->second, std::move(*effect), op.seq));
  }
  return {};
}

Attempt::Try Attempt::next(const std::string& journal, const Letters& letters, const Holds& holds) {
  Try next;
  sent_.clear();
  put_away_.clear();
  refused_.clear();
  struct Key {
    bool asked = false;
    std::set<DeadId> before;   // its dead letters, as far as the units have come
    std::optional<bool> hold;  // asked for where it matters
  };
  std::vector<Key> keys(batch_->items.size());
  const auto put_aside = [&](std::size_t at, std::string error) {
    put_away_.push_back(at);
    next.dead.push_back({units_[at].item, units_[at].last, encode(*units_[at].effect), std::move(error)});
  };
  for (std::size_t at = 0; at < units_.size(); ++at) {
    const Unit& unit = units_[at];
    const Item& item = batch_->items[unit.item];
    Key& key = keys[unit.item];
    if (!std::exchange(key.asked, true)) key.before = letters(item);
    const DeadId id{journal, item.lane, unit.last};
    if (unit.fate == Unit::Fate::kPassOver) continue;
    if (unit.fate == Unit::Fate::kPutAside) {
      put_aside(at, unit.error);
      key.before.insert(id);
      continue;
    }
    if (unit.effect->revives) {
      key.before.erase(*unit.effect->revives);
    } else if (!key.before.empty()) {
      if (!key.hold) key.hold = holds(item.space);
      if (*key.hold) {
        put_aside(at, fmt::format("held: an earlier write of its key is a dead letter (lane {}, seq {})",
                                  key.before.begin()->lane, key.before.begin()->seq));
        key.before.insert(id);
        continue;
      }
    }
    sent_.push_back(at);
    next.statements.push_back({unit.item, unit.effect});
  }
  return next;
}

bool Attempt::may_be_early(const BatchOutcome::Refusal& refusal) const {
  return refusal.early && !in_order_;
}

bool Attempt::has_others(std::size_t unit) const {
  const std::size_t item = units_[unit].item;
  return std::ranges::count(units_, item, &Unit::item) > 1;
}

std::optional<std::vector<Target::Dead>> Attempt::judge(const std::vector<BatchOutcome::Refusal>& refusals,
                                                        const Holds& holds) const {
  std::vector<Target::Dead> dead;
  for (const BatchOutcome::Refusal& refusal : refusals) {
    if (refusal.write >= sent_.size()) return std::nullopt;
    const std::size_t at = sent_[refusal.write];
    const Unit& unit = units_[at];
    // What follows it would have to be held, and has been written.
    const bool last = !holds(batch_->items[unit.item].space);
    if (unit.ops > 1 || unit.effect->revives || may_be_early(refusal) || !last) return std::nullopt;
    if (in_order_ && !fused_[unit.item] && has_others(at)) return std::nullopt;
    dead.push_back({unit.item, unit.last, encode(*unit.effect), refusal.error.message});
  }
  return dead;
}

void Attempt::judged(const std::vector<BatchOutcome::Refusal>& refusals) {
  std::vector<std::size_t> refused;
  for (const BatchOutcome::Refusal& refusal : refusals) refused.push_back(sent_[refusal.write]);
  for (const std::size_t at : refused) put_away_.push_back(at);
  refused_ = std::move(refused);
}

Attempt::Verdict Attempt::refuse(const std::vector<BatchOutcome::Refusal>& refusals, bool alone) {
  Verdict verdict;
  std::set<std::size_t> to_fuse;
  for (const BatchOutcome::Refusal& refusal : refusals) {
    if (refusal.write >= sent_.size()) continue;
    const std::size_t at = sent_[refusal.write];
    Unit& unit = units_[at];
    if (!alone && may_be_early(refusal)) {
      verdict.in_order = true;
    } else if (in_order_ && !fused_[unit.item] && has_others(at)) {
      to_fuse.insert(unit.item);
      verdict.again = true;
    } else if (unit.ops > 1) {
      if (!has_others(at)) fused_[unit.item] = true;
      verdict.take_apart.push_back(at);
    } else {
      unit.fate = unit.effect->revives ? Unit::Fate::kPassOver : Unit::Fate::kPutAside;
      unit.error = refusal.error.message;
      verdict.again = true;
    }
  }
  // To take apart comes first, as it names units by their places; the rest is found again.
  if (verdict.take_apart.empty()) {
    for (const std::size_t item : to_fuse) fuse(item);
  }
  return verdict;
}

void Attempt::fuse(std::size_t item) {
  fused_[item] = true;
  std::vector<Unit> fused;
  std::size_t last = 0;
  for (std::size_t at = 0; at < units_.size(); ++at) {
    Unit& unit = units_[at];
    if (unit.item != item) continue;
    last = at;
    if (!fused.empty() && fused.back().fate == Unit::Fate::kSend && unit.fate == Unit::Fate::kSend) {
      Unit& before = fused.back();
      std::vector<Step> one = {
          {*before.effect, before.first, before.last, static_cast<std::uint32_t>(before.ops)}};
      combine(one, *unit.effect, unit.last);
      if (one.size() == 1) {
        before.own = std::make_shared<Effect>(std::move(one.front().effect));
        before.effect = before.own.get();
        before.last = unit.last;
        before.ops += unit.ops;
        continue;
      }
    }
    fused.push_back(std::move(unit));
  }
  std::vector<Unit> all;
  for (std::size_t at = 0; at < units_.size(); ++at) {
    if (at == last) std::ranges::move(fused, std::back_inserter(all));
    // Moved-from ones of the item are told by their number, which a move leaves.
    if (units_[at].item != item) all.push_back(std::move(units_[at]));
  }
  units_ = std::move(all);
}

Attempt::Range Attempt::range(std::size_t unit) const {
  const Item& item = batch_->items[units_[unit].item];
  return {item.lane, &item.key, units_[unit].first, units_[unit].last};
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
      part.push_back(unit_of(whole.item, std::move(*effect), op.seq));
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
    if (std::ranges::find(refused_, sent_[i]) != refused_.end()) continue;
    const Unit& unit = units_[sent_[i]];
    done.counts[unit.item].applied_ops += unit.ops;
    if (unit.effect->revives) done.revived.push_back({unit.item, *unit.effect->revives});
    // What was passed over changed nothing: the row is as the statement before left it.
    if (i < written.size() && written[i]) done.written[unit.item] = std::move(written[i]);
  }
  for (const std::size_t at : put_away_) {
    done.counts[units_[at].item].dead_ops += units_[at].ops;
    done.put_aside.push_back(
        {units_[at].item, {journal, batch_->items[units_[at].item].lane, units_[at].last}});
  }
  for (const Unit& unit : units_) {
    if (unit.fate == Unit::Fate::kPassOver) ++done.counts[unit.item].passed_over;
  }
  return done;
}

}  // namespace forebay::journal
