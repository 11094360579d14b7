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

  Step<std::vector<std::optional<std::uint64_t>>> positions() override { return std::vector{at}; }
  Step<void> save() override { return step("save"); }
  // "collide 1": write 1 fails where another write is made with it.
  Step<std::vector<std::optional<Written>>> write(std::size_t first, std::size_t last,
                                                  std::size_t& failed) override {
    write_ =
        first + 1 == last ? std::to_string(first) : std::to_string(first) + "-" + std::to_string(last - 1);
    for (failed = first; failed < last; ++failed) {
      const std::string place = std::to_string(failed);
      for (const std::string& name : {"write " + place, last - first > 1 ? "collide " + place : "none"}) {
        if (const auto failure = fails.find(name); failure != fails.end())
          return std::unexpected(failure->second);
      }
    }
    done.push_back("write " + write_);
    return std::vector<std::optional<Written>>(last - first, Written{});
  }
  Step<void> keep() override { return step("keep " + write_); }
  Step<void> undo() override { return step("undo " + write_); }
  Step<void> finish(const std::vector<DeadLetter>& more) override {
    return step(more.empty() ? "finish" : "finish and " + std::to_string(more.size()));
  }
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
  std::expected<BatchOutcome, Error> apply(std::size_t part = 1) {
    return BatchInParts<Error>(steps, batch, part, "source x").apply();
  }
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

TEST_F(BatchOneByOne, APartIsMadeAgainWithoutTheOneThatIsRefused) {
  batch.writes.push_back({nullptr, {"3"}, {Remove{}}});
  batch.writes.push_back({nullptr, {"4"}, {Remove{}}});
  steps.fails = {{"write 2", kRefused}};
  const auto outcome = apply(4);
  ASSERT_TRUE(outcome.has_value());
  ASSERT_EQ(outcome->refused.size(), 1u);
  EXPECT_EQ(outcome->refused[0].write, 2u);
  EXPECT_THAT(steps.done, ElementsAre("save", "undo 0-3", "write 0-1", "keep 0-1", "undo 2", "write 3",
                                      "keep 3", "write 4", "keep 4"));
}

TEST_F(BatchOneByOne, WhatOnlyFailsSideBySideIsMadeAlone) {
  steps.fails = {{"collide 1", kRefused}};
  const auto outcome = apply(3);
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->refused.empty());
  EXPECT_EQ(outcome->written.size(), 3u);
  EXPECT_EQ(steps.done.back(), "finish");
}

TEST_F(BatchOneByOne, TheJudgeDecidesAboutTheRest) {
  steps.fails = {{"write 1", kRefused}};
  batch.judge = [](const std::vector<BatchOutcome::Refusal>& refused) {
    EXPECT_EQ(refused.size(), 1u);
    return std::optional(std::vector<DeadLetter>(1));
  };
  auto outcome = apply();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_TRUE(outcome->put_aside);
  ASSERT_EQ(outcome->written.size(), 3u);
  EXPECT_TRUE(outcome->written[0] && outcome->written[2]);
  EXPECT_FALSE(outcome->written[1]);
  EXPECT_EQ(steps.done.back(), "finish and 1");

  batch.judge = [](const auto&) { return std::nullopt; };
  steps.done.clear();
  outcome = apply();
  ASSERT_TRUE(outcome.has_value());
  EXPECT_FALSE(outcome->put_aside);
  EXPECT_TRUE(outcome->written.empty());
  EXPECT_EQ(steps.done.back(), "keep 2");
}

}  // namespace
}  // namespace forebay::source
