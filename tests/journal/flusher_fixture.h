#pragma once

// A flusher over a fake journal and a fake database, in time that the test moves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "journal/fakes.h"
#include "journal/flusher.h"

namespace forebay::journal {

using forebay::test::FixedRandom;
using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using std::chrono::milliseconds;
using std::chrono::seconds;
using test::add;
using test::FakeDatabase;
using test::FakeJournal;
using test::FakeTarget;
using test::set;
using test::write_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

inline constexpr std::uint64_t kHalf = ~std::uint64_t{0} / 2;

// One lane unless a test asks for more. Chance gives the middle of every range.
class JournalFlusher : public testing::Test {
 protected:
  JournalFlusher() { open(1); }
  void open(std::uint32_t lanes) {
    end();
    journal_ = std::make_unique<FakeJournal>(lanes);
    make();
  }
  void restart() {
    end();
    journal_ = std::make_unique<FakeJournal>(*journal_, nullptr);
    make();
    EXPECT_TRUE(queue_->restore(journal_->ops(), journal_->applied()));
  }
  void end() {
    flusher_.reset();
    queue_.reset();
  }
  void make() {
    queue_ = std::make_unique<Queue>(*journal_, clock_);
    target_ = std::make_unique<FakeTarget>(database_, *queue_, journal_->lanes());
    flusher_ = std::make_unique<Flusher>(queue_->outbox(), *journal_, *target_, clock_, scheduler_, random_);
  }
  void start() {
    flusher_->start({"db"});
    scheduler_.run_due();
  }

  std::uint64_t put(const std::string& key, Effect effect, const std::string& space = "s") {
    auto seq = queue_->append(write_of(*queue_, key, clock_.now(), rule_, space), std::move(effect));
    EXPECT_TRUE(seq);
    return seq ? *seq : 0;
  }
  static Effect revive(Effect effect, std::uint64_t seq) {
    effect.revives = DeadId{"journal-1", 0, seq};
    return effect;
  }
  // The time of a flush comes.
  void flush() { scheduler_.advance(milliseconds(1000)); }
  std::vector<std::string> seen() { return std::exchange(target_->seen, {}); }
  // Of all namespaces together.
  FlushStats stats() {
    FlushStats sum;
    for (const FlushStats& each : flusher_->stats()) {
      sum.batches += each.batches;
      sum.applied_ops += each.applied_ops;
      sum.retries += each.retries;
      sum.dead += each.dead;
      sum.passed_over += each.passed_over;
      sum.dead_letters += each.dead_letters;
      sum.largest_batch = std::max(sum.largest_batch, each.largest_batch);
    }
    return sum;
  }
  // Rows may not say v=bad, and nothing may be above 100.
  void refuse_bad() {
    database_.check = [](const FakeDatabase&, const Item&,
                         const test::FakeRow& row) -> std::optional<FakeDatabase::No> {
      if (row.contains("v") && row.at("v") == "bad") return FakeDatabase::No{"v is bad"};
      if (row.contains("n") && std::stoi(row.at("n")) > 100) return FakeDatabase::No{"n is too large"};
      return std::nullopt;
    };
  }
  // Rows of `child` need a row `mother`.
  void require_parent() {
    database_.check = [](const FakeDatabase& database, const Item& item,
                         const test::FakeRow&) -> std::optional<FakeDatabase::No> {
      if (item.key != "child" || database.rows.contains("mother")) return std::nullopt;
      return FakeDatabase::No{"no parent", true};
    };
  }

  ManualClock clock_;
  ManualScheduler scheduler_{clock_};
  FixedRandom random_{{kHalf}};
  FakeDatabase database_;
  FlushRule rule_{.every = milliseconds(1000), .batch = 500};
  std::unique_ptr<FakeJournal> journal_;
  std::unique_ptr<Queue> queue_;
  std::unique_ptr<FakeTarget> target_;
  std::unique_ptr<Flusher> flusher_;
};

}  // namespace forebay::journal
