// A batch applied write by write, on a database that does what a script says.

#include "source/batch_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace forebay::source {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Does every step, unless `fails` has an error for it: "save", "write 1", "keep 1", "undo 1", "finish".
class Scripted final : public BatchSteps<Error> {
 public:
  std::optional<std::uint64_t> at = 0;
  std::map<std::string, Error> fails;
  std::vector<std::string> done;

  Step<std::optional<std::uint64_t>> position() override { return at; }
  Step<void> save() override { return step("save"); }
  Step<std::optional<Written>> write(const BatchWrite& one) override {
    write_ = one.key.front();
    if (auto wrote = step("write " + write_); !wrote) return std::unexpected(wrote.error());
    return Written{};
  }
  Step<void> keep() override { return step("keep " + write_); }
  Step<void> undo() override { return step("undo " + write_); }
  Step<void> finish() override { return step("finish"); }
  Cause cause(const Error& error) const override {
    return error.code == ErrorCode::kInternal ? Cause::kDoubt : cause_of(error);
  }
  Step<Cause> look_into(const Error& error) override {
    if (auto looked = step("look into " + write_); !looked) return std::unexpected(looked.error());
    return error.message == "no table" ? Cause::kSchema
           : error.message == "value"  ? Cause::kData
                                       : Cause::kDoubt;
  }
  Error fault(Error error) const override { return error; }
  BatchOutcome::Refusal refusal(std::size_t place, Error error) const override {
    return {place, std::move(error), false};
  }

 private:
  Step<void> step(const std::string& name) {
    if (const auto failure = fails.find(name); failure != fails.end())
      return std::unexpected(failure->second);
    done.push_back(name);
    return {};
  }
  std::string write_;
};

const Error kRefused{ErrorCode::kRefused, "CHECK failed"};
const Error kBusy{ErrorCode::kTimeout, "locked"};
// In doubt, and what a look says.
const Error kValue{ErrorCode::kInternal, "value"};
const Error kNoTable{ErrorCode::kInternal, "no table"};
const Error kBrokenTrigger{ErrorCode::kInternal, "trigger"};

class BatchOneByOne : public testing::Test {
 protected:
  BatchOneByOne() {
    batch.journal = "j";
    batch.after = 0;
    batch.upto = 3;
    for (const char* key : {"0", "1", "2"}) batch.writes.push_back({nullptr, {key}, {Remove{}}});
  }
  std::expected<BatchOutcome, Error> apply() { return apply_one_by_one(steps, batch, "source x"); }
  std::vector<std::size_t> refused() {
    const auto outcome = apply();
    std::vector<std::size_t> places;
    for (const auto& refusal : outcome.value().refused) places.push_back(refusal.write);
    return places;
  }

  Scripted steps;
  WriteBatch batch;
};

TEST_F(BatchOneByOne, AllAreWrittenAndTheBatchIsFinished) {
  const auto outcome = apply();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->written.size(), 3u);
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_THAT(steps.done,
              ElementsAre("save", "write 0", "keep 0", "write 1", "keep 1", "write 2", "keep 2", "finish"));
}

TEST_F(BatchOneByOne, ABatchThatWasAppliedIsNotAppliedAgain) {
  steps.at = 3;
  EXPECT_TRUE(apply().value().written.empty());
  EXPECT_THAT(steps.done, ElementsAre());
}

TEST_F(BatchOneByOne, AnotherPositionOrNoneIsAConflict) {
  for (const auto& position : {std::optional<std::uint64_t>(2), std::optional<std::uint64_t>()}) {
    steps.at = position;
    const auto outcome = apply();
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, ErrorCode::kConflict);
    EXPECT_THAT(outcome.error().message, HasSubstr("source x: forebay_applied says"));
  }
  EXPECT_THAT(steps.done, ElementsAre());
}

TEST_F(BatchOneByOne, EveryWriteThatIsRefusedIsNamedAndNothingIsFinished) {
  steps.fails = {{"write 0", kRefused}, {"write 2", kRefused}};
  EXPECT_THAT(refused(), ElementsAre(0u, 2u));
  EXPECT_THAT(steps.done, ElementsAre("save", "undo 0", "write 1", "keep 1", "undo 2"));
  EXPECT_TRUE(apply().value().written.empty());
}

TEST_F(BatchOneByOne, AnErrorThatIsNoRefusalEndsIt) {
  for (const char* step : {"save", "write 1", "keep 1", "finish"}) {
    steps.fails = {{step, kBusy}};
    const auto outcome = apply();
    ASSERT_FALSE(outcome.has_value()) << step;
    EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout) << step;
  }
}

TEST_F(BatchOneByOne, WhatALookFindsInTheValueIsRefused) {
  steps.fails = {{"write 1", kValue}};
  EXPECT_THAT(refused(), ElementsAre(1u));
  EXPECT_THAT(steps.done,
              ElementsAre("save", "write 0", "keep 0", "undo 1", "look into 1", "write 2", "keep 2"));
}

TEST_F(BatchOneByOne, WhatALookFindsInTheSchemaIsAnErrorWhateverPasses) {
  steps.fails = {{"write 1", kNoTable}};
  const auto outcome = apply();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().message, "no table");
}

TEST_F(BatchOneByOne, WhatStaysInDoubtIsRefusedIfOthersPassAndAnErrorIfNoneDoes) {
  for (const char* passes : {"0", "2"}) {
    steps.fails = {{"write 0", kBrokenTrigger}, {"write 1", kBrokenTrigger}, {"write 2", kBrokenTrigger}};
    steps.fails.erase(std::string("write ") + passes);
    EXPECT_EQ(refused().size(), 2u) << passes;
  }
  steps.fails = {{"write 0", kBrokenTrigger}, {"write 1", kBrokenTrigger}, {"write 2", kBrokenTrigger}};
  const auto outcome = apply();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().message, "trigger");
}

TEST_F(BatchOneByOne, ALookThatFailsEndsIt) {
  steps.fails = {{"write 0", kValue}, {"look into 0", kBusy}};
  const auto outcome = apply();
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kTimeout);
}

TEST_F(BatchOneByOne, RefusalsThatWereFoundBeforeAnErrorAreKept) {
  for (const char* step : {"undo 0", "write 1", "keep 1", "undo 2"}) {
    steps.fails = {{"write 0", kRefused}, {step, kBusy}};
    if (std::string(step) == "undo 2") steps.fails.emplace("write 2", kRefused);
    EXPECT_EQ(refused().front(), 0u) << step;
  }
}

}  // namespace
}  // namespace forebay::source
