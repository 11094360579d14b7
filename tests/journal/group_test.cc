#include "journal/group.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/manual_time.h"

namespace forebay::journal {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::vector<Op> some_ops() {
  std::vector<Op> ops;
  const auto add = [&](std::uint32_t lane, std::string source, std::string space, std::string key,
                       std::string payload) {
    ops.push_back(
        {7 + ops.size(), lane, std::move(source), std::move(space), std::move(key), std::move(payload)});
  };
  add(0, "db", "views", "views:1", "+1");
  add(3, "db", "views", std::string("b\0\xff", 3), "");
  add(1, "db", "names", "", std::string(300, 'x'));
  add(1023, "other", "views", "k", "v");
  add(2, "", "", "", "");
  add(0, "db", "views", "views:1", "+2");
  return ops;
}

Group group_of(const std::vector<Op>& ops) {
  Group group;
  for (const Op& op : ops) group.add(op.seq, {op.lane, op.source, op.space, op.key, op.payload});
  return group;
}

// What is read before the end or the damage, which `wrong` then says.
std::vector<Op> read(std::uint64_t first, std::uint64_t last, std::string_view bytes, std::string* wrong) {
  std::vector<Op> ops;
  GroupReader reader(first, last, bytes);
  while (true) {
    const auto next = reader.next();
    if (!next) *wrong = next.error().message;
    if (!next || !*next) return ops;
    const auto& [seq, op] = **next;
    for (const std::string_view text : {op.source, op.space, op.key, op.payload}) {
      const bool inside =
          text.data() >= bytes.data() && text.data() + text.size() <= bytes.data() + bytes.size();
      EXPECT_TRUE(inside);
    }
    ops.push_back({seq, op.lane, std::string(op.source), std::string(op.space), std::string(op.key),
                   std::string(op.payload)});
  }
}

void expect_same(const std::vector<Op>& found, const std::vector<Op>& ops) {
  ASSERT_EQ(found.size(), ops.size());
  for (std::size_t i = 0; i < ops.size(); ++i) {
    EXPECT_EQ(found[i].seq, ops[i].seq);
    EXPECT_EQ(found[i].lane, ops[i].lane);
    EXPECT_EQ(found[i].source, ops[i].source);
    EXPECT_EQ(found[i].space, ops[i].space);
    EXPECT_EQ(found[i].key, ops[i].key);
    EXPECT_EQ(found[i].payload, ops[i].payload);
  }
}

TEST(JournalGroup, ANumberForAPlaceSavesComparingAndChangesNoByte) {
  const std::vector<Op> ops = some_ops();
  for (const bool mixed : {false, true}) {
    Group numbered;
    for (const Op& op : ops) {
      OpView view{op.lane, op.source, op.space, op.key, op.payload};
      const bool names = op.space == "names";
      view.place = op.source.empty() ? 4 : op.source == "other" ? 3 : names ? 2 : 1;
      if (mixed && op.seq % 2 == 0) view.place = 0;
      numbered.add(op.seq, view);
    }
    EXPECT_EQ(numbered.bytes(), group_of(ops).bytes()) << mixed;
  }
}

TEST(JournalGroup, GivesBackWhatItWasGiven) {
  const std::vector<Op> ops = some_ops();
  Group group = group_of(ops);
  EXPECT_EQ(group.first(), 7u);
  EXPECT_EQ(group.last(), 12u);
  std::string wrong;
  expect_same(read(7, 12, group.bytes(), &wrong), ops);
  EXPECT_EQ(wrong, "");
  const std::string bytes = group.bytes();
  group.clear(1 << 20);
  EXPECT_TRUE(group.empty());
  for (const Op& op : ops) group.add(op.seq, {op.lane, op.source, op.space, op.key, op.payload});
  EXPECT_EQ(group.bytes(), bytes);
}

TEST(JournalGroup, SourceAndNamespaceAreWrittenOnceAsLongAsTheyAreFew) {
  Group group;
  group.add(1, {0, "database", "counters", "a", "1"});
  const std::size_t first = group.bytes().size();
  group.add(2, {0, "database", "counters", "b", "1"});
  EXPECT_EQ(group.bytes().size() - first, 6u);
  std::vector<Op> ops;
  for (std::uint64_t seq = 1; seq <= 200; ++seq) {
    ops.push_back({seq, 1, "db", "space" + std::to_string(seq % 50), "k", "v"});
  }
  std::string wrong;
  expect_same(read(1, 200, group_of(ops).bytes(), &wrong), ops);
  EXPECT_EQ(wrong, "");
}

TEST(JournalGroup, NumbersOfNoOpAreAGroupWithoutBytes) {
  std::string wrong;
  EXPECT_TRUE(read(5, 900, "", &wrong).empty());
  EXPECT_EQ(wrong, "");
}

TEST(JournalGroup, SaysWhichOpAndByteIsDamaged) {
  Group group;
  group.add(7, {0, "db", "s", "key", "value"});
  group.add(8, {0, "db", "s", "key", "value"});
  const std::string good = group.bytes();
  const std::size_t second = 7 + 10;
  const auto wrong_with = [&](std::size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    std::string wrong;
    (void)read(7, 8, bytes, &wrong);
    return wrong;
  };
  EXPECT_EQ(wrong_with(second + 1, 2), "op 8, byte 18: its place is 2, there are 1");
  EXPECT_EQ(wrong_with(second + 2, 100), "op 8, byte 19: the key has 100 bytes, 9 are left");
  EXPECT_EQ(wrong_with(second + 6, 4), "op 9, byte 28: 1 bytes are left over");
  std::string wrong;
  (void)read(7, 9, good, &wrong);
  EXPECT_EQ(wrong, "op 9, byte 29: the group ends before it, and not with op 9");
  (void)read(7, 7, good, &wrong);
  EXPECT_EQ(wrong, "op 8, byte 17: 12 bytes are left over");
  (void)read(7, 7, std::string(11, '\xff'), &wrong);
  EXPECT_EQ(wrong, "op 7, byte 0: the lane is beyond 64 bits");
  (void)read(7, 7, "\xff\xff\xff\xff\xff\x01", &wrong);
  EXPECT_THAT(wrong, StartsWith("op 7, byte 0: there is no lane"));
  (void)read(7, 7, "\x80", &wrong);
  EXPECT_EQ(wrong, "op 7, byte 0: the end is in the lane");
}

TEST(JournalGroup, WhateverIsCutOffItIsReported) {
  const std::vector<Op> ops = some_ops();
  const Group group = group_of(ops);
  for (std::size_t size = 1; size < group.bytes().size(); ++size) {
    // A copy of its own, so that a sanitizer sees who reads beyond it.
    const std::vector<char> bytes(group.bytes().begin(), group.bytes().begin() + static_cast<long>(size));
    std::string wrong;
    const auto found = read(7, 12, {bytes.data(), bytes.size()}, &wrong);
    EXPECT_THAT(wrong, HasSubstr("byte ")) << size;
    EXPECT_LT(found.size(), ops.size());
  }
}

TEST(JournalGroup, WhateverBitIsFlippedTheChecksumChangesAndReadingEnds) {
  const Group group = group_of(some_ops());
  const std::uint32_t sum = checksum(7, 12, 99, group.bytes());
  for (std::size_t at = 0; at < group.bytes().size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = group.bytes();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
      EXPECT_NE(checksum(7, 12, 99, bytes), sum);
      std::string wrong;
      EXPECT_LE(read(7, 12, bytes, &wrong).size(), 6u);
    }
  }
  EXPECT_NE(checksum(8, 12, 99, group.bytes()), sum);
  EXPECT_NE(checksum(7, 13, 99, group.bytes()), sum);
  for (int bit = 0; bit < 64; ++bit) {
    const auto flipped = static_cast<std::int64_t>(99 ^ std::uint64_t{1} << bit);
    EXPECT_NE(checksum(7, 12, flipped, group.bytes()), sum);
  }
  forebay::test::SeededRandom random(1);
  for (int i = 0; i < 2000; ++i) {
    std::string bytes = group.bytes();
    for (int change = 0; change < 4; ++change)
      bytes[random.next() % bytes.size()] = static_cast<char>(random.next());
    std::string wrong;
    EXPECT_LE(read(7, 12, bytes, &wrong).size(), 6u);
  }
}

}  // namespace
}  // namespace forebay::journal
