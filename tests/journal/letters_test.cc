#include "journal/letters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace forebay::journal {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

Letters::Key key(const std::string& name) {
  return {"s", name};
}
DeadId id(std::uint64_t seq) {
  return {"journal-1", 0, seq};
}
Ledger table(const std::vector<std::pair<std::string, std::uint64_t>>& letters) {
  Ledger ledger;
  for (const auto& [name, seq] : letters) {
    ledger.dead_keys.push_back(key(name));
    ledger.dead.push_back(id(seq));
  }
  return ledger;
}
// "a:1 b:2,3"
std::string shown(const Letters& letters) {
  Batch batch;
  for (const char* name : {"a", "b", "c"}) batch.items.push_back({"s", name, {}, {}, 0});
  std::string text;
  for (const auto& [at, ids] : letters.of(batch)) {
    text += (text.empty() ? "" : " ") + at.second;
    char before = ':';
    for (const DeadId& each : ids) text += std::exchange(before, ',') + std::to_string(each.seq);
  }
  return text;
}

TEST(JournalLetters, AreThoseOfTheTableAndWhatBatchesChange) {
  Letters letters;
  EXPECT_TRUE(letters.empty());
  letters.begin_with(table({{"a", 1}, {"b", 2}, {"b", 3}}));
  EXPECT_EQ(shown(letters), "a:1 b:2,3");
  EXPECT_THAT(letters.counts(), UnorderedElementsAre(Pair("s", 3u)));
  letters.add(key("c"), id(4));
  letters.add(key("c"), id(4));  // known already
  letters.remove(key("b"), id(2));
  letters.remove(key("b"), id(9));  // there is none
  EXPECT_EQ(shown(letters), "a:1 b:3 c:4");
  for (const auto& [name, seq] : {std::pair("a", 1), std::pair("b", 3), std::pair("c", 4)})
    letters.remove(key(name), id(static_cast<std::uint64_t>(seq)));
  EXPECT_TRUE(letters.empty());
  EXPECT_THAT(letters.counts(), IsEmpty());
}

TEST(JournalLetters, WhatBatchesChangeWhileTheTableIsReadIsDoneToTheAnswer) {
  Letters letters;
  letters.begin_with(table({{"a", 1}, {"b", 2}}));
  ASSERT_TRUE(letters.begin_reading());
  letters.add(key("c"), id(3));
  letters.remove(key("a"), id(1));
  // The answer may have been given before both.
  const Ledger before = table({{"a", 1}, {"b", 2}});
  EXPECT_FALSE(letters.end_reading(&before));
  EXPECT_EQ(shown(letters), "b:2 c:3");
  // What was changed before the table was read is not done again.
  ASSERT_TRUE(letters.begin_reading());
  const Ledger after = table({{"b", 2}});
  EXPECT_FALSE(letters.end_reading(&after));
  EXPECT_EQ(shown(letters), "b:2");
}

TEST(JournalLetters, TheTableIsReadOnceMoreWhereTheAnswerMayBeTooOld) {
  Letters letters;
  const Ledger ledger = table({{"a", 1}});
  ASSERT_TRUE(letters.begin_reading());
  EXPECT_FALSE(letters.begin_reading()) << "one at a time";
  EXPECT_TRUE(letters.end_reading(&ledger)) << "it was asked for again meanwhile";
  ASSERT_TRUE(letters.begin_reading());
  EXPECT_TRUE(letters.end_reading(nullptr)) << "no answer came";
  EXPECT_EQ(shown(letters), "a:1") << "what was known stays";
  ASSERT_TRUE(letters.begin_reading());
  letters.begin_with(ledger);  // the flusher began again: which answer is the newer one is not known
  EXPECT_TRUE(letters.end_reading(&ledger));
  ASSERT_TRUE(letters.begin_reading());
  EXPECT_FALSE(letters.end_reading(&ledger));
}

}  // namespace
}  // namespace forebay::journal
