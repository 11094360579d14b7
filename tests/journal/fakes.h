#pragma once

// A journal and a database in memory, for tests of what lies between them.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/mutex.h"
#include "journal/flusher.h"
#include "journal/queue.h"
#include "support/manual_time.h"

namespace forebay::journal::test {

// Keeps what it is given when sync() is called, or at once. A copy of its file survives: durable().
class FakeJournal : public Journal {
 public:
  explicit FakeJournal(std::uint32_t lanes = 4) : lanes_(lanes) {}
  // What another process finds, of what `before` had kept.
  FakeJournal(const FakeJournal& before, std::nullptr_t)
      : lanes_(before.lanes_), applied_(before.applied_), trimmed_(before.trimmed_), kept_(before.kept_) {
    for (const Op& op : before.ops_) {
      if (op.seq <= kept_) ops_.push_back(op);
    }
    next_ = kept_ + 1;
  }

  bool at_once = true;          // ops are kept as soon as somebody waits for it
  bool remember = true;         // ops are stored (else only counted)
  std::optional<Error> refuse;  // append()
  std::optional<Error> fail;    // keeping
  std::optional<Error> fail_read;
  std::size_t reads = 0;

  const std::string& id() const override { return id_; }
  std::uint32_t lanes() const override { return lanes_; }

  Result<std::uint64_t> append(const OpView& op, Durability) override {
    MutexLock lock(mutex_);
    if (refuse) return *refuse;
    const std::uint64_t seq = next_++;
    if (remember) {
      ops_.push_back({seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                      std::string(op.payload)});
    }
    return seq;
  }
  void when_committed(std::uint64_t, std::uint64_t seq, Kept kept) override {
    {
      MutexLock lock(mutex_);
      if (seq > kept_) {
        waiting_.emplace_back(seq, std::move(kept));
        return;
      }
    }
    kept({});
  }
  void when_kept(std::uint64_t seq, Kept kept) override {
    {
      MutexLock lock(mutex_);
      waiting_.emplace_back(seq, std::move(kept));
    }
    if (at_once) sync();
  }
  Result<std::vector<Op>> read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                               std::uint64_t last) override {
    MutexLock lock(mutex_);
    ++reads;
    if (fail_read) return *fail_read;
    std::vector<Op> found;
    for (const Op& op : ops_) {
      if (op.lane == lane && op.seq >= first && op.seq <= last && (key == nullptr || op.key == *key)) {
        found.push_back(op);
      }
    }
    return found;
  }
  void trim(std::uint64_t seq, std::vector<Applied> applied) override {
    MutexLock lock(mutex_);
    if (seq <= trimmed_) return;
    trimmed_ = seq;
    std::erase_if(ops_, [&](const Op& op) { return op.seq <= seq; });
    for (Applied& at : applied) {
      const auto same = std::ranges::find_if(
          applied_, [&](const Applied& old) { return old.source == at.source && old.lane == at.lane; });
      if (same == applied_.end()) {
        applied_.push_back(std::move(at));
      } else {
        same->seq = at.seq;
      }
    }
  }

  Result<void> note(Notes) override { return {}; }
  void watch(Watcher*) override {}

  // Keeps the ops up to `upto`, and says so.
  void sync(std::uint64_t upto = ~std::uint64_t{0}) {
    std::vector<std::pair<Kept, Result<void>>> done;
    {
      MutexLock lock(mutex_);
      if (!fail) kept_ = std::max(kept_, std::min(upto, next_ - 1));
      std::erase_if(waiting_, [&](auto& waiting) {
        if (!fail && waiting.first > kept_) return false;
        Result<void> result;
        if (fail && waiting.first > kept_) result = *fail;
        for (const auto& [from, to] : lost_) {
          if (waiting.first >= from && waiting.first <= to) result = Error{ErrorCode::kConflict, "lost"};
        }
        done.emplace_back(std::move(waiting.second), std::move(result));
        return true;
      });
    }
    for (auto& [kept, result] : done) kept(std::move(result));
  }
  // Its disk fails, and then answers again: it has kept what is numbered up to `upto`, and the numbers of the
  // rest are not used again. `tells`: who waits for those is told that they are lost.
  void break_off(const Error& error) {
    refuse = fail = fail_read = error;
    sync();
  }
  void come_back(std::uint64_t upto, bool tells = true) {
    MutexLock lock(mutex_);
    refuse.reset();
    fail.reset();
    fail_read.reset();
    std::erase_if(ops_, [&](const Op& op) { return op.seq > upto; });
    if (tells && upto < next_ - 1) lost_.emplace_back(upto + 1, next_ - 1);
    kept_ = next_ - 1;
  }

  std::vector<Op> ops() const { return ops_; }
  std::vector<Applied> applied() const { return applied_; }
  std::uint64_t trimmed() const { return trimmed_; }
  std::uint64_t last() const { return next_ - 1; }
  std::uint64_t kept() const { return kept_; }

 private:
  const std::string id_ = "journal-1";
  const std::uint32_t lanes_;
  Mutex mutex_;
  std::vector<Op> ops_;
  std::vector<Applied> applied_;
  std::uint64_t trimmed_ = 0;
  std::uint64_t next_ = 1;
  std::uint64_t kept_ = 0;
  std::vector<std::pair<std::uint64_t, Kept>> waiting_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> lost_;  // numbers, from and to
};

using FakeRow = std::map<std::string, std::string>;
using FakeRows = std::map<std::string, FakeRow>;

// What an effect makes of a row, said as plainly as can be.
inline bool apply_effect(FakeRows& rows, const std::string& key, const Effect& effect) {
  if (effect.insert && rows.contains(key)) return false;
  if (effect.remove) rows.erase(key);
  if (effect.make) rows[key];
  if (!effect.sets.empty() && (!effect.update || rows.contains(key))) {
    for (const auto& set : effect.sets) rows[key][set.column] = set.text.value_or("NULL");
  }
  for (const auto& sum : effect.sums) {
    std::string& cell = rows[key][sum.column];
    cell = std::to_string((cell.empty() ? 0 : std::stoll(cell)) + std::stoll(sum.amount));
  }
  return true;
}

// A database of one source: outlives processes.
struct FakeDatabase {
  FakeRows rows;
  std::map<std::uint32_t, std::uint64_t> positions;
  std::map<DeadId, Target::Dead> dead;
  std::map<DeadId, std::pair<std::string, std::string>> dead_keys;
  bool checks_ledger = true;
  bool reports_all = true;  // all refusals of a try, else the first
  // Why a row, as it would be, is refused; `missing` for a foreign key.
  struct No {
    std::string why;
    bool missing = false;
  };
  std::function<std::optional<No>(const FakeDatabase&, const Item&, const FakeRow&)> check;

  struct Call {
    Batch batch;  // its own copy: a late commit outlives the process that sent it
    struct Statement {
      std::size_t item;
      Effect effect;
    };
    std::vector<Statement> statements;
    std::vector<Target::Dead> dead;
    Target::Judge judge = {};
  };
  std::function<void(const Call&)> committed;  // is told what was written, and what was put aside

  Ledger ledger(std::uint32_t lanes) const {
    Ledger told;
    for (std::uint32_t lane = 0; lane < lanes; ++lane) {
      const auto at = positions.find(lane);
      told.positions.push_back(at == positions.end() ? 0 : at->second);
    }
    for (const auto& [id, key] : dead_keys) {
      told.dead.push_back(id);
      told.dead_keys.push_back(key);
    }
    return told;
  }

  // As Source::apply().
  Result<BatchOutcome> apply(const std::string& journal, const Call& call) {
    BatchOutcome outcome;
    std::vector<LaneRange> lanes = call.batch.also;
    lanes.push_back({call.batch.lane, call.batch.after, call.batch.upto});
    const auto all_at = [&](std::uint64_t LaneRange::* place) {
      return std::ranges::all_of(
          lanes, [&](const LaneRange& range) { return positions[range.lane] == range.*place; });
    };
    if (checks_ledger && all_at(&LaneRange::upto)) return outcome;
    if (checks_ledger && !all_at(&LaneRange::after)) return Error{ErrorCode::kConflict, "wrong position"};
    FakeRows before = rows;
    auto dead_before = std::pair(dead, dead_keys);
    for (std::size_t i = 0; i < call.statements.size(); ++i) {
      const auto& [at, effect] = call.statements[i];
      const Item& item = call.batch.items[at];
      if (effect.revives && dead.erase(*effect.revives) == 0) {
        outcome.written.emplace_back();
        continue;
      }
      if (effect.revives) dead_keys.erase(*effect.revives);
      const std::optional<FakeRow> old =
          rows.contains(item.key) ? std::optional(rows[item.key]) : std::nullopt;
      std::optional<No> no;
      if (!apply_effect(rows, item.key, effect)) no = No{"duplicate key"};
      if (!no && check && rows.contains(item.key)) no = check(*this, item, rows[item.key]);
      if (no) {
        if (old) {
          rows[item.key] = *old;
        } else {
          rows.erase(item.key);
        }
        outcome.refused.push_back({i, {ErrorCode::kRefused, no->why}, no->missing});
        if (!reports_all) break;
        outcome.written.emplace_back();
        continue;
      }
      Written written;
      if (rows.contains(item.key)) {
        std::string shown;
        for (const auto& [column, text] : rows[item.key]) shown += column + "=" + text + " ";
        written.after.value = shown;
      }
      outcome.written.emplace_back(std::move(written));
    }
    std::vector<Target::Dead> letters = call.dead;
    if (!outcome.refused.empty()) {
      auto more = reports_all && call.judge ? call.judge(outcome.refused) : std::nullopt;
      if (!more) {
        rows = std::move(before);
        std::tie(dead, dead_keys) = std::move(dead_before);
        outcome.written.clear();
        return outcome;
      }
      outcome.put_aside = true;
      letters.insert(letters.end(), more->begin(), more->end());
    }
    for (const Target::Dead& letter : letters) {
      const Item& item = call.batch.items[letter.item];
      const DeadId id{journal, item.lane, letter.seq};
      dead[id] = letter;
      dead_keys[id] = {item.space, item.key};
    }
    for (const LaneRange& range : lanes) positions[range.lane] = range.upto;
    if (committed) {
      Call told = call;
      told.dead = std::move(letters);
      for (auto no = outcome.refused.rbegin(); no != outcome.refused.rend(); ++no)
        told.statements.erase(told.statements.begin() + static_cast<std::ptrdiff_t>(no->write));
      committed(told);
    }
    return outcome;
  }
};

// Brings batches to a FakeDatabase, and settles as the layer would. A test decides when, and how, each call
// is answered; `automatic`: at once, and well.
class FakeTarget final : public Target {
 public:
  FakeTarget(FakeDatabase& database, Queue& queue, std::uint32_t lanes)
      : database_(database), queue_(queue), lanes_(lanes) {}

  bool automatic = true;
  std::optional<Error> ledger_error;
  std::optional<Error> apply_error;
  // More statements than this in one call take too long.
  std::optional<std::size_t> too_many;
  bool asks_judge = false;  // else a refusal always comes back
  std::string fenced;
  std::set<std::string> holding;
  bool late_ledger = false;  // ledgers are told when the test says so
  std::function<void()> on_applying;

  struct Pending {
    FakeDatabase::Call call;
    ApplyDone done;
  };
  std::vector<Pending> pending;
  bool busy = false;  // batches wait for let_in()
  std::vector<Admitted> waiting;
  std::size_t hurried = 0;  // calls of try_now()
  std::vector<LedgerDone> ledgers;
  // What happened, in order: "applying 1-5", "apply 1-5 a:2 b:1 dead 4", "settled 1-5"
  std::vector<std::string> seen;
  std::size_t applies = 0;
  std::size_t ledger_calls = 0;
  std::vector<std::vector<std::optional<Written>>> written;
  std::size_t most_at_once = 0;

  void open_ledger(const std::string&, LedgerDone done) override {
    ++ledger_calls;
    if (late_ledger) {
      ledgers.push_back(std::move(done));
    } else {
      tell(std::move(done));
    }
  }
  void tell(LedgerDone done) {
    if (ledger_error) {
      done(*ledger_error);
    } else {
      Ledger ledger = database_.ledger(lanes_);
      ledger.fenced = fenced;
      done(std::move(ledger));
    }
  }
  void applying(const Batch& batch) override {
    seen.push_back("applying " + range(batch));
    if (on_applying) on_applying();
  }
  void not_applied(const Batch& batch) override { seen.push_back("not applied " + range(batch)); }
  void try_now(const std::string&) override { ++hurried; }
  void admit(const std::string&, Admitted go) override {
    waiting.push_back(std::move(go));
    if (!busy) let_in();
  }
  void let_in() {
    for (auto all = std::exchange(waiting, {}); Admitted & go : all) go(std::make_unique<Permit>());
  }
  void apply(const Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead, Judge judge,
             std::unique_ptr<Permit>, ApplyDone done) override {
    ++applies;
    std::string what = "apply " + range(batch);
    FakeDatabase::Call call{batch, {}, std::move(dead)};
    if (asks_judge) call.judge = std::move(judge);
    for (const Statement& statement : statements) {
      what += " " + batch.items[statement.item].key;
      call.statements.push_back({statement.item, *statement.effect});
    }
    for (const Dead& letter : call.dead) what += " dead " + std::to_string(letter.seq);
    seen.push_back(what);
    pending.push_back({std::move(call), std::move(done)});
    most_at_once = std::max(most_at_once, pending.size());
    if (!automatic) return;
    if (apply_error) {
      fail(*apply_error);
    } else if (too_many && pending.back().call.statements.size() > *too_many) {
      fail({ErrorCode::kTimeout, "no answer within 1000 ms"});
    } else {
      answer();
    }
  }
  void settled(const Batch& batch, std::vector<std::optional<Written>> after) override {
    seen.push_back("settled " + range(batch));
    for (const Item& item : batch.items) queue_.settle(item.key, hash_bytes(item.key));
    written.push_back(std::move(after));
  }
  void stopped(const std::string& source, std::uint32_t lane, const std::string& why) override {
    stops.emplace_back(source, lane);
    last_stop = why;
  }
  void note(Tone tone, const std::string& sentence) override {
    notes.push_back((tone == Tone::kTrouble ? "! " : "") + sentence);
  }
  std::vector<std::pair<std::string, std::uint32_t>> stops;
  std::string last_stop;
  std::vector<std::string> notes;
  bool holds(const std::string& space) const override { return holding.contains(space); }
  void run_blocking(Task task) override { task(); }

  // The oldest call is carried out.
  void answer() {
    Pending first = take();
    first.done(database_.apply("journal-1", first.call));
  }
  // The oldest call fails; `commits`: although it was carried out.
  void fail(Error error, bool commits = false) {
    Pending first = take();
    if (commits) (void)database_.apply("journal-1", first.call);
    first.done(std::move(error));
  }
  Pending take() {
    Pending first = std::move(pending.front());
    pending.erase(pending.begin());
    return first;
  }

 private:
  static std::string range(const Batch& batch) {
    return std::to_string(batch.after) + "-" + std::to_string(batch.upto);
  }
  FakeDatabase& database_;
  Queue& queue_;
  const std::uint32_t lanes_;
};

// A write of the key as append() takes it.
inline Queue::NewWrite write_of(Queue& queue, std::string_view key, Instant now, const FlushRule& rule,
                                std::string_view space = "s", std::string_view source = "db") {
  return {queue.place(source, space, rule, Durability::kFsync), key, hash_bytes(key), now};
}

inline Effect add(std::string column, long amount) {
  Effect effect;
  effect.sums.push_back({std::move(column), std::to_string(amount), false});
  return effect;
}
inline Effect set(std::string column, std::string text) {
  Effect effect;
  effect.sets.push_back({std::move(column), std::move(text), {}});
  return effect;
}

}  // namespace forebay::journal::test
