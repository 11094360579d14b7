// The abilities of a source that offers them in the earlier way, or not at all.

#include "forebay/source.h"

#include <gtest/gtest.h>

#include "support/own_source.h"

namespace forebay {
namespace {

const CallContext kPatient{std::chrono::seconds(30), nullptr};

// No more than a source must have.
class Bare final : public Source {
 public:
  std::size_t concurrency() const override { return 1; }
  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec&) override {
    return Error{ErrorCode::kUnsupported, "none"};
  }
  Result<void> ping(const CallContext&) override { return {}; }
};

TEST(EarlierSource, ItsLedgerCallsWhatItOverrides) {
  test::OwnSource own;
  DatasetSpec spec;
  spec.table = "things";
  auto dataset = own.open_dataset(spec);
  ASSERT_TRUE(dataset.has_value());
  const auto ledger = own.ledger();
  ASSERT_NE(ledger, nullptr);
  EXPECT_EQ(ledger->open("j", 2, kPatient).value(), (std::vector<std::uint64_t>{0, 0}));
  WriteBatch batch;
  batch.journal = "j";
  batch.lane = 1;
  batch.upto = 2;
  batch.writes.push_back({dataset->get(), {"1"}, {Upsert{{{"body", "one"}}}}});
  batch.dead.push_back({{"j", 1, 2}, "thing", "thing:2", "{}", "why", ""});
  EXPECT_EQ(ledger->apply(batch, kPatient).value().written.size(), 1u);
  EXPECT_EQ(own.row("1"), "one");
  EXPECT_EQ(ledger->open("j", 2, kPatient).value(), (std::vector<std::uint64_t>{0, 2}));
  EXPECT_EQ(ledger->dead_letters(std::nullopt, 10, kPatient).value().size(), 1u);
  const DeadId id{"j", 1, 2};
  EXPECT_TRUE(ledger->edit_dead_letter(id, "other", kPatient).value());
  EXPECT_EQ(ledger->dead_letter(id, kPatient).value()->operation, "other");
  EXPECT_TRUE(ledger->drop_dead_letter(id, kPatient).value());
  EXPECT_FALSE(ledger->dead_letter(id, kPatient).value().has_value());
}

TEST(EarlierSource, ItsChangeLogCallsWhatItOverrides) {
  test::OwnSource own;
  const auto log = own.change_log();
  ASSERT_NE(log, nullptr);
  const std::vector<std::string> tables = {"things"};
  ASSERT_TRUE(log->watch(tables).has_value());
  EXPECT_EQ(own.watched(), tables);
  own.change("1", "one");
  own.change("2", "two");
  const auto changes = log->poll(kPatient);
  ASSERT_TRUE(changes.has_value());
  EXPECT_FALSE(changes->lost);
  ASSERT_EQ(changes->rows.size(), 2u);
  EXPECT_EQ(changes->rows[1].images.after, (Fields{{"id", "2"}, {"body", "two"}}));
  EXPECT_TRUE(log->poll(kPatient)->rows.empty());
}

TEST(EarlierSource, WhatItDoesNotOverrideIsUnsupported) {
  Bare bare;
  const auto ledger = bare.ledger();
  EXPECT_EQ(ledger->open("j", 1, kPatient).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ledger->apply({}, kPatient).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ledger->dead_letters(std::nullopt, 1, kPatient).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ledger->dead_letter({}, kPatient).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ledger->edit_dead_letter({}, "", kPatient).error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(ledger->drop_dead_letter({}, kPatient).error().code, ErrorCode::kUnsupported);
  const auto log = bare.change_log();
  EXPECT_EQ(log->watch({}).error().code, ErrorCode::kUnsupported);
  EXPECT_TRUE(log->poll(kPatient)->rows.empty());
}

}  // namespace
}  // namespace forebay
