#include "base/write_condition.h"

#include <gtest/gtest.h>

namespace forebay {
namespace {

using Row = WriteCondition::Row;
using Than = WriteCondition::Than;

bool sets(const WriteCondition& condition, const OptionalText& before, const char* after,
          bool exists = true) {
  return holds(condition, Update{{{"score", after}}, true, condition}, exists, before);
}
bool adds(const WriteCondition& condition, const OptionalText& before, const char* amount,
          bool exists = true) {
  return holds(condition, Add{"score", amount, true, condition}, exists, before);
}

TEST(WriteCondition, AsksWhetherThereIsARow) {
  EXPECT_TRUE(sets({Row::kAbsent, Than::kAny}, std::nullopt, "1", false));
  EXPECT_FALSE(sets({Row::kAbsent, Than::kAny}, "1", "2"));
  EXPECT_FALSE(sets({Row::kPresent, Than::kAny}, std::nullopt, "1", false));
  EXPECT_TRUE(sets({Row::kPresent, Than::kAny}, "1", "1"));
  EXPECT_TRUE(sets({Row::kAny, Than::kAny}, "1", "1"));
}

TEST(WriteCondition, ComparesNumbersNotTexts) {
  EXPECT_TRUE(sets({Row::kAny, Than::kGreater}, "9", "10"));
  EXPECT_FALSE(sets({Row::kAny, Than::kGreater}, "10.0", "10"));
  EXPECT_TRUE(sets({Row::kAny, Than::kLess}, "-1", "-1.5"));
  EXPECT_FALSE(sets({Row::kAny, Than::kLess}, "1", "1e3"));
  EXPECT_TRUE(sets({Row::kAny, Than::kLess}, std::nullopt, "1", false)) << "a new row is less than nothing";
}

TEST(WriteCondition, ComparesWhatAnAdditionComesTo) {
  EXPECT_TRUE(adds({Row::kAny, Than::kGreater}, "5", "0.5"));
  EXPECT_FALSE(adds({Row::kAny, Than::kGreater}, "5", "0"));
  EXPECT_FALSE(adds({Row::kAny, Than::kGreater}, "5", "-1"));
  EXPECT_TRUE(adds({Row::kAny, Than::kLess}, "5", "-1"));
  EXPECT_FALSE(adds({Row::kPresent, Than::kAny}, std::nullopt, "1", false));
}

TEST(WriteCondition, IsThatOfAnUpdateOrAnAddition) {
  EXPECT_EQ(condition_of(Remove{}), nullptr);
  EXPECT_EQ(condition_of(Update{}), nullptr);
  const Write write = Add{"score", "1", true, WriteCondition{}};
  EXPECT_NE(condition_of(write), nullptr);
}

}  // namespace
}  // namespace forebay
