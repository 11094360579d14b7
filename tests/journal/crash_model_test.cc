// Write-behind under random schedules: writes of a few keys, a database that fails in every way it may, and
// processes that die at any moment and start again with what their journal had kept. One seed repeats a run.
//
// What must hold at the end (consistency.md C9 to C11): the database is what its accepted writes come to,
// each exactly once and in order; those that were never kept are nowhere; every write is applied, or put
// aside, or (while it runs) pending.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "journal/fakes.h"

namespace forebay::journal {
namespace {

using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using forebay::test::SeededRandom;
using std::chrono::milliseconds;
using test::apply_effect;
using test::FakeDatabase;
using test::FakeJournal;
using test::FakeRow;
using test::FakeRows;

const std::string kJournal = "journal-1";

// A way to be wrong that the model must find: the test of the model itself.
enum class Mutation { kNone, kNoLedger, kSendsUnkept, kTrimsEarly, kForgetsLost };

// Sanitizers make a run some twenty times as long.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSeeds = 300;
#else
constexpr std::uint64_t kSeeds = 4000;
#endif
constexpr std::uint64_t kMutantSeeds = 100;

class Model {
 public:
  Model(std::uint64_t seed, Mutation mutation) : chance_(seed), mutation_(mutation) {
    lanes_ = 1 + one_of(3);
    journal_ = make_journal(nullptr);
    database_.checks_ledger = mutation != Mutation::kNoLedger;
    database_.reports_all = one_of(2) == 0;
    faults_ = one_of(4);
    database_.check = [this](const FakeDatabase&, const Item&,
                             const FakeRow& row) -> std::optional<FakeDatabase::No> {
      if (row.contains("v") && row.at("v") == "bad") return FakeDatabase::No{"v is bad"};
      if (row.contains("v") && row.at("v") == "early" && one_of(3) != 0) {
        return FakeDatabase::No{"not yet", true};
      }
      return std::nullopt;
    };
    database_.committed = [this](const FakeDatabase::Call& call) { committed(call); };
  }

  // What is wrong, or nothing.
  std::string run() {
    start();
    for (int step = 0; step < 80 && wrong_.empty(); ++step) {
      switch (one_of(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
        case 5:
          append();
          break;
        case 6:
          journal_->sync(journal_->kept() + one_of(5));
          break;
        case 7:
          scheduler_.advance(milliseconds(one_of(30)));
          break;
        case 8:
          scheduler_.advance(milliseconds(one_of(2000)));
          break;
        case 9:
          read();
          break;
        case 10: {
          const std::string one = key();
          queue_->when_flushed(one, hash_bytes(one), [](bool) {});
        } break;
        case 11:
          if (one_of(4) == 0) {
            crash();
          } else if (one_of(3) == 0) {
            outage();
          }
          break;
      }
      scheduler_.run_due();
    }
    if (wrong_.empty()) finish();
    return wrong_;
  }

 private:
  // As the fake, but it can lose its mind as a mutation says.
  struct MutantJournal final : FakeJournal {
    using FakeJournal::FakeJournal;
    Mutation mutation = Mutation::kNone;
    void when_kept(std::uint64_t seq, Kept kept) override {
      if (mutation == Mutation::kSendsUnkept) {
        kept({});
      } else {
        FakeJournal::when_kept(seq, std::move(kept));
      }
    }
    void trim(std::uint64_t seq, std::vector<Applied> applied) override {
      FakeJournal::trim(mutation == Mutation::kTrimsEarly ? seq + 2 : seq, std::move(applied));
    }
  };

  // The database, an unsteady one, and the layer's part.
  struct UnsteadyTarget final : Target {
    UnsteadyTarget(Model& model_in, Queue& queue_in) : model(model_in), queue(queue_in) {}
    Model& model;
    Queue& queue;
    std::map<std::uint32_t, int> under_way;
    void open_ledger(const std::string&, LedgerDone done) override {
      const bool away = model.one_of(6) < model.faults_;
      auto told = std::make_shared<Result<Ledger>>(Error{ErrorCode::kUnavailable, "away"});
      if (!away) *told = model.database_.ledger(model.lanes_);
      model.later([done = std::move(done), told]() mutable { done(std::move(*told)); });
    }
    void applying(const Batch&) override {}
    void not_applied(const Batch&) override {}
    void try_now(const std::string&) override {}
    void admit(const std::string&, Admitted go) override {
      if (model.one_of(2) == 0) return go(std::make_unique<Permit>());
      model.later([go = std::move(go)]() mutable { go(std::make_unique<Permit>()); });
    }
    void apply(const Batch& batch, std::vector<Statement> statements, std::vector<Dead> dead, Judge judge,
               std::unique_ptr<Permit>, ApplyDone done) override {
      auto call = std::make_shared<FakeDatabase::Call>(
          FakeDatabase::Call{batch, {}, std::move(dead), std::move(judge)});
      for (const Statement& statement : statements) {
        call->statements.push_back({statement.item, *statement.effect});
      }
      std::vector<std::uint32_t> lanes = {batch.lane};
      for (const LaneRange& range : batch.also) lanes.push_back(range.lane);
      for (const std::uint32_t lane : lanes) {
        if (++under_way[lane] > 1) model.wrong_ = "two batches of a lane at once";
      }
      model.late_.push_back(call);
      const std::uint64_t outcome = model.one_of(8);
      model.later([this, call, outcome, lanes, done = std::move(done)]() mutable {
        std::erase(model.late_, call);
        for (const std::uint32_t lane : lanes) --under_way[lane];
        Result<BatchOutcome> answer = BatchOutcome{};
        if (outcome >= model.faults_ || outcome == 0) answer = model.database_.apply(kJournal, *call);
        if (outcome < model.faults_) {
          answer = Error{outcome < 2 ? ErrorCode::kUnknownOutcome : ErrorCode::kUnavailable, "broke off"};
        }
        done(std::move(answer));
      });
    }
    void stopped(const std::string&, std::uint32_t, const std::string&) override {}
    void note(Tone, const std::string&) override {}
    void settled(const Batch& batch, std::vector<std::optional<Written>> written) override {
      if (written.size() != batch.items.size()) model.wrong_ = "settled with a wrong number of items";
      for (const Item& item : batch.items) queue.settle(item.key, hash_bytes(item.key));
    }
    bool holds(const std::string& space) const override { return space == "hold"; }
    void run_blocking(Task task) override { model.later(std::move(task)); }
  };

  std::uint64_t one_of(std::uint64_t n) { return chance_.next() % n; }
  std::string key() { return "k" + std::to_string(one_of(5)); }
  static std::string space_of(const std::string& key) { return key < "k2" ? "hold" : "go"; }
  // Not after the process has died.
  void later(Task task) {
    scheduler_.post_at(clock_.now() + milliseconds(one_of(40)),
                       [this, life = life_, task = std::move(task)]() mutable {
                         if (life == life_) task();
                       });
  }

  std::unique_ptr<MutantJournal> make_journal(const MutantJournal* before) {
    auto made = before == nullptr ? std::make_unique<MutantJournal>(lanes_)
                                  : std::make_unique<MutantJournal>(*before, nullptr);
    made->mutation = mutation_;
    made->at_once = one_of(2) == 0;
    return made;
  }
  void start() {
    queue_ = std::make_unique<Queue>(*journal_, clock_);
    target_ = std::make_unique<UnsteadyTarget>(*this, *queue_);
    flusher_ = std::make_unique<Flusher>(queue_->outbox(), *journal_, *target_, clock_, scheduler_, chance_);
    if (auto restored = queue_->restore(journal_->ops(), journal_->applied()); !restored) {
      wrong_ = restored.error().message;
    }
    if (one_of(2) == 0) flusher_->start({"db"});
    for (std::uint64_t i = one_of(3); i > 0; --i) append();
    flusher_->start({"db"});
  }

  // kill -9: what was not kept is gone; a transaction that was on its way may still commit, then or later.
  void crash() {
    ++life_;
    flusher_.reset();
    queue_.reset();
    target_.reset();
    std::vector<std::shared_ptr<FakeDatabase::Call>> orphans = std::exchange(late_, {});
    for (const auto& call : orphans) call->judge = nullptr;  // who would be asked is dead
    journal_ = make_journal(journal_.get());
    std::erase_if(accepted_, [&](const auto& op) { return op.first > journal_->last(); });
    for (auto& orphan : orphans) {
      const std::uint64_t when = one_of(3);
      if (when == 0) continue;
      scheduler_.post_at(clock_.now() + milliseconds(when == 1 ? 0 : one_of(60)),
                         [this, orphan] { (void)database_.apply(kJournal, *orphan); });
      if (when == 1) scheduler_.run_due();
    }
    start();
  }

  // The journal's disk fails for a while. Some of what it had not said to be kept is lost.
  void outage() {
    if (journal_->refuse || mutation_ == Mutation::kSendsUnkept) return;
    const Error error{ErrorCode::kUnavailable, "no disk"};
    journal_->break_off(error);
    flusher_->journal_failed(error);
    later([this] {
      const std::uint64_t kept = journal_->kept() + one_of(journal_->last() - journal_->kept() + 1);
      journal_->come_back(kept, mutation_ != Mutation::kForgetsLost);
      std::erase_if(accepted_, [&](const auto& op) { return op.first > kept; });
      if (mutation_ != Mutation::kForgetsLost) {
        if (!queue_->lose(journal_->ops(), kept)) wrong_ = "the queue does not read what the journal kept";
      }
      flusher_->journal_reopened();
    });
  }

  void append() {
    const std::string key = this->key();
    Effect effect;
    // A mark of its own, so that no two ops are alike.
    const auto sum = [&](std::string column, std::uint64_t by) {
      effect.sums.push_back({std::move(column), std::to_string(by), false});
    };
    const auto set = [&](const char* text) { effect.sets.push_back({"v", text, {}}); };
    switch (one_of(12)) {
      case 0:
        effect.remove = true;
        break;
      case 1:
        set("bad");
        break;
      case 2:
        set("early");
        break;
      case 3:
        set("x");
        set_update(effect);
        break;
      case 4:
      case 5:
        set("good");
        break;
      case 6:
        if (!database_.dead_keys.empty()) {
          auto letter = database_.dead_keys.begin();
          std::advance(letter, one_of(database_.dead_keys.size()));
          retry(letter->first, letter->second.second);
          return;
        }
        [[fallthrough]];
      default:
        sum("n", one_of(9));
        break;
    }
    if (!effect.update && !effect.remove) sum("mark" + std::to_string(one_of(3)), 1 + one_of(1000));
    put(key, std::move(effect));
  }
  static void set_update(Effect& effect) { effect.update = true; }
  // A person has looked at it.
  void retry(const DeadId& id, const std::string& key) {
    Effect effect;
    effect.sets.push_back({"v", one_of(3) == 0 ? "bad" : "mended", {}});
    effect.sets.push_back({"w", std::to_string(++retries_), {}});
    effect.revives = id;
    put(key, std::move(effect));
  }
  void put(const std::string& key, Effect effect) {
    const FlushRule rule{.every = milliseconds(one_of(2) * 300), .batch = 1 + one_of(4)};
    const std::string space = space_of(key);
    auto seq = queue_->append(test::write_of(*queue_, key, clock_.now(), rule, space), effect);
    if (!seq && journal_->refuse) return;
    if (!seq) {
      wrong_ = seq.error().message;
      return;
    }
    accepted_[*seq] = {key, std::move(effect)};
  }

  // What a committed batch says about its ops.
  void committed(const FakeDatabase::Call& call) {
    for (const Target::Dead& letter : call.dead) {
      const Item& item = call.batch.items[letter.item];
      // A step that was held as a whole, or one op.
      std::uint64_t first = letter.seq;
      for (const Step& step : item.steps) {
        if (step.last == letter.seq && letter.error.starts_with("held") &&
            encode(step.effect) == letter.operation) {
          first = step.first;
        }
      }
      // In order it is additions that follow one another.
      for (std::uint64_t from = letter.seq; letter.error.starts_with("held") && from > 0; --from) {
        std::vector<Step> sum;
        for (std::uint64_t seq = from; seq <= letter.seq; ++seq) {
          const auto op = accepted_.find(seq);
          if (op != accepted_.end() && op->second.first == item.key) combine(sum, op->second.second, seq);
        }
        if (sum.size() != 1) break;
        if (encode(sum.front().effect) != letter.operation) continue;
        first = std::min(first, from);
        break;
      }
      for (std::uint64_t seq = first; seq <= letter.seq; ++seq) {
        const auto op = accepted_.find(seq);
        if (op != accepted_.end() && op->second.first == item.key) dead_.insert(seq);
      }
    }
    // Which of the retries in it were not sent, as they were refused.
    for (const Item& item : call.batch.items) {
      for (const Step& step : item.steps) {
        if (!step.effect.revives) continue;
        const bool sent = std::ranges::any_of(call.statements, [&](const auto& statement) {
          return statement.effect == step.effect && &call.batch.items[statement.item] == &item;
        });
        if (!sent) refused_.insert(step.last);
      }
    }
    database_ops_ += call.batch.ops;
  }

  // What the accepted ops come to.
  FakeRows expected(std::uint64_t upto = ~std::uint64_t{0}) const {
    FakeRows rows;
    std::set<DeadId> gone;
    for (const auto& [seq, op] : accepted_) {
      if (seq > upto || dead_.contains(seq) || refused_.contains(seq)) continue;
      const auto& revives = op.second.revives;
      if (revives && !gone.insert(*revives).second) continue;  // passed over: it had been retried
      apply_effect(rows, op.first, op.second);
    }
    return rows;
  }

  // A read: the database's row with what is pending, of a key where nothing was refused.
  void read() {
    const std::string key = this->key();
    for (const auto& [seq, op] : accepted_) {
      const Effect& effect = op.second;
      if (op.first != key) continue;
      if (effect.revives || (!effect.sets.empty() && *effect.sets[0].text == "bad") || dead_.contains(seq))
        return;
    }
    const auto pending = queue_->of(key);
    if (pending && pending->applying) return;
    FakeRows rows = database_.rows;
    if (pending) {
      for (const Step& step : pending->steps) apply_effect(rows, key, step.effect);
    }
    if (rows[key] != expected()[key]) wrong_ = "a read of " + key + " misses an acknowledged write";
  }

  void finish() {
    faults_ = 0;
    for (int i = 0; i < 400 && !(queue_->empty() && late_.empty()); ++i) {
      journal_->sync();
      scheduler_.advance(milliseconds(500));
    }
    journal_->sync();
    if (!queue_->empty()) {
      wrong_ = "something stays pending";
      for (const auto& sentence : flusher_->health()) wrong_ += "; " + sentence;
      return;
    }
    FakeRows rows = expected();
    std::erase_if(rows, [](const auto& row) { return row.second.empty(); });
    if (rows != database_.rows) wrong_ = "the database is not what its writes come to\n" + difference(rows);
    if (database_ops_ != accepted_.size()) {
      wrong_ += " ops that went through: " + std::to_string(database_ops_) + ", accepted " +
                std::to_string(accepted_.size());
    }
    if (!journal_->ops().empty()) wrong_ += " the journal is not trimmed";
  }
  std::string difference(const FakeRows& rows) const {
    std::string text;
    for (const FakeRows* side : {&rows, static_cast<const FakeRows*>(&database_.rows)}) {
      text += side == &rows ? "expected:" : "\nfound:";
      for (const auto& [key, row] : *side) {
        text += " " + key + "{";
        for (const auto& [column, value] : row) text += column + "=" + value + " ";
        text += "}";
      }
    }
    return text;
  }

  SeededRandom chance_;
  const Mutation mutation_;
  std::uint32_t lanes_ = 1;
  std::uint64_t faults_ = 0;  // of 8
  ManualClock clock_;
  ManualScheduler scheduler_{clock_};
  FakeDatabase database_;
  std::unique_ptr<MutantJournal> journal_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<UnsteadyTarget> target_;
  std::unique_ptr<Flusher> flusher_;
  std::uint64_t life_ = 0;
  std::vector<std::shared_ptr<FakeDatabase::Call>> late_;  // on their way

  std::map<std::uint64_t, std::pair<std::string, Effect>> accepted_;  // by number; what was lost is not in it
  std::set<std::uint64_t> dead_;                                      // put aside, ever
  std::set<std::uint64_t> refused_;                                   // retries that were refused again
  std::uint64_t retries_ = 0;
  std::uint64_t database_ops_ = 0;
  std::string wrong_;
};

TEST(JournalCrashModel, WhateverHappensEachKeptWriteCountsOnceAndInOrder) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const std::string wrong = Model(seed, Mutation::kNone).run();
    ASSERT_EQ(wrong, "") << "seed " << seed;
  }
}

// The model sees what it is there to see.
TEST(JournalCrashModel, FindsALedgerThatIsNotChecked) {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= kMutantSeeds; ++seed)
    found += !Model(seed, Mutation::kNoLedger).run().empty();
  EXPECT_GT(found, 10u);
}
TEST(JournalCrashModel, FindsWritesThatAreSentBeforeTheyAreKept) {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= kMutantSeeds; ++seed)
    found += !Model(seed, Mutation::kSendsUnkept).run().empty();
  EXPECT_GT(found, 10u);
}
TEST(JournalCrashModel, FindsLostWritesThatAreSent) {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= kMutantSeeds; ++seed)
    found += !Model(seed, Mutation::kForgetsLost).run().empty();
  EXPECT_GT(found, 10u);
}
TEST(JournalCrashModel, FindsAJournalThatIsTrimmedTooEarly) {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= kMutantSeeds; ++seed)
    found += !Model(seed, Mutation::kTrimsEarly).run().empty();
  EXPECT_GT(found, 10u);
}

}  // namespace
}  // namespace forebay::journal
