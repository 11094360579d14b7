#include "server/pubsub/pattern_index.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace forebay::server {
namespace {

std::set<std::string> matching(PatternIndex& index, std::string_view channel) {
  std::set<std::string> texts;
  for (const auto& pattern : index.match(channel).patterns) texts.insert(pattern->text);
  return texts;
}

TEST(PatternIndex, FindsWhatAComparisonWithEveryPatternFinds) {
  std::mt19937 random(7);
  const auto text = [&](std::string_view letters, std::size_t most) {
    std::string made(random() % (most + 1), ' ');
    for (char& letter : made) letter = letters[random() % letters.size()];
    return made;
  };
  PatternIndex index;
  std::multiset<std::string> added;
  for (int step = 0; step < 3000; ++step) {
    if (added.size() > 60 || (!added.empty() && random() % 3 == 0)) {
      const auto gone = std::next(added.begin(), static_cast<std::ptrdiff_t>(random() % added.size()));
      index.remove(*gone, 3);
      added.erase(gone);
    } else {
      const std::string pattern = text("ab*?[]\\", 5);
      index.add(pattern, 3);
      added.insert(pattern);
    }
    const std::string channel = text("ab", 6);
    std::set<std::string> expected;
    std::size_t clients = 0;
    for (const std::string& pattern : added) {
      if (!Glob::compile(pattern)->matches(channel)) continue;
      expected.insert(pattern);
      ++clients;
    }
    ASSERT_EQ(matching(index, channel), expected) << channel;
    ASSERT_EQ(index.match(channel).clients, clients) << channel;
    ASSERT_EQ(index.size(), std::set<std::string>(added.begin(), added.end()).size());
  }
}

TEST(PatternIndex, NamesTheLoopsWhoseClientsMatch) {
  PatternIndex index;
  index.add("news.*", 1);
  index.add("*", 4);
  index.add("other.*", 2);
  std::set<std::uint32_t> loops;
  const PatternIndex::Matches matches = index.match("news.it");
  for (const LoopCounts::Share& share : matches.loops.shares()) loops.insert(share.loop);
  EXPECT_EQ(loops, (std::set<std::uint32_t>{1, 4}));
}

TEST(PatternIndex, NumbersTellWhichMessagesCameBeforeASubscription) {
  PatternIndex index;
  const std::uint64_t first = index.add("a*", 0);
  const std::uint64_t message = index.match("abc").number;
  const std::uint64_t second = index.add("a*", 0);
  EXPECT_LT(first, message);
  EXPECT_GE(second, message);
  EXPECT_GT(index.match("abc").number, second);
}

}  // namespace
}  // namespace forebay::server
