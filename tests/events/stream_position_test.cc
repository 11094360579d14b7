#include "events/stream_position.h"

#include <gtest/gtest.h>

namespace forebay::events {
namespace {

StreamFacts facts(std::uint64_t last, std::uint64_t length, std::uint64_t first, std::uint64_t added) {
  StreamFacts facts;
  facts.exists = true;
  facts.last_generated = {last, 0};
  facts.length = length;
  if (length > 0) facts.first = StreamId{first, 0};
  facts.added = added;
  return facts;
}

TEST(StreamPosition, ReadsIds) {
  EXPECT_EQ(parse_stream_id("15-3"), (StreamId{15, 3}));
  EXPECT_EQ(to_string(StreamId{15, 3}), "15-3");
  for (const char* no : {"", "15", "-3", "15-", "a-1", "1-a", "1-2-3"})
    EXPECT_FALSE(parse_stream_id(no)) << no;
}

TEST(StreamPosition, WhoHasReadUpToTheEndHasMissedNothingIfTheCountsAgree) {
  StreamPosition at;
  at.start(facts(10, 5, 6, 100));
  EXPECT_EQ(at.last(), (StreamId{10, 0}));
  EXPECT_EQ(at.missed(facts(10, 5, 6, 100)), "");
  at.read({11, 0});
  at.read({12, 0});
  EXPECT_EQ(at.missed(facts(12, 7, 6, 102)), "");
  EXPECT_NE(at.missed(facts(12, 6, 7, 103)), "") << "one was added and deleted between";
}

TEST(StreamPosition, WhatIsTrimmedUnreadIsMissed) {
  StreamPosition at;
  at.start(facts(10, 5, 6, 100));
  EXPECT_EQ(at.missed(facts(13, 3, 11, 103)), "") << "all three are there to be read";
  EXPECT_NE(at.missed(facts(13, 2, 12, 103)), "") << "of three two are left";
  EXPECT_NE(at.missed(facts(13, 0, 0, 103)), "") << "nothing is left";
  EXPECT_EQ(at.missed(facts(13, 8, 6, 103)), "") << "more is to be read: it can't be said yet";
}

TEST(StreamPosition, AnotherStreamUnderItsNameIsAGap) {
  StreamPosition at;
  at.start(facts(10, 5, 6, 100));
  EXPECT_NE(at.missed(facts(3, 3, 1, 3)), "");
  EXPECT_NE(at.missed(StreamFacts{}), "");
}

TEST(StreamPosition, AStreamThatComesLaterIsReadFromItsBeginning) {
  StreamPosition at;
  at.start(StreamFacts{});
  EXPECT_EQ(at.missed(StreamFacts{}), "");
  EXPECT_EQ(at.missed(facts(2, 2, 1, 2)), "");
  EXPECT_NE(at.missed(facts(3, 2, 2, 3)), "");
  at.read({1, 0});
  at.read({2, 0});
  EXPECT_EQ(at.missed(facts(2, 2, 1, 2)), "");
}

TEST(StreamPosition, AfterABreakItGoesOnBehindWhatWasDone) {
  StreamPosition at;
  at.start(facts(10, 5, 6, 100));
  at.read({11, 0});
  at.confirm();
  at.read({12, 0});
  at.rewind();
  EXPECT_EQ(at.last(), (StreamId{11, 0}));
  at.read({12, 0});
  EXPECT_EQ(at.missed(facts(12, 7, 6, 102)), "");
}

TEST(StreamPosition, AnOldServerDoesNotCountSoAYoungerFirstEntryIsAGap) {
  StreamFacts old = facts(10, 5, 6, 0);
  old.added.reset();
  StreamPosition at;
  at.start(old);
  EXPECT_EQ(at.missed(old), "");
  old.last_generated = {12, 0};
  old.first = StreamId{9, 0};
  EXPECT_EQ(at.missed(old), "");
  old.first = StreamId{11, 0};
  EXPECT_NE(at.missed(old), "");
}

}  // namespace
}  // namespace forebay::events
