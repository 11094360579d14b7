#include "memory/collection/own_collection.h"

#include <gtest/gtest.h>

#include <string>

#include "memory/collection/ranking.h"

namespace forebay::memory {
namespace {

void fill(OwnCollection& own, int members) {
  own.edit([&](Collection& all) {
    Ranking ranking(all);
    for (int i = 0; i < members; ++i) ranking.put("member " + std::to_string(i), i);
  });
}

TEST(OwnCollection, IsEmptyUntilSomethingIsPutIn) {
  OwnCollection own(CollectionKind::kSortedSet);
  EXPECT_TRUE(own.empty());
  EXPECT_FALSE(own.read().exists());
  fill(own, 0);
  EXPECT_TRUE(own.empty());
  fill(own, 1);
  EXPECT_FALSE(own.empty());
  own.edit([](Collection& all) { Ranking(all).erase("member 0"); });
  EXPECT_TRUE(own.empty());
}

TEST(OwnCollection, KeepsWhatWasEditedPackedOrLarge) {
  for (const int members : {3, 5'000}) {
    OwnCollection own(CollectionKind::kSortedSet);
    fill(own, members);
    own.edit([](Collection& all) { Ranking(all).put("member 1", -1); });
    Collection all = own.read();
    EXPECT_EQ(all.is_large(), members > 3);
    EXPECT_EQ(Ranking(all).size(), static_cast<std::uint32_t>(members));
    EXPECT_EQ(Ranking(all).rank({-1, "member 1"}), 0u);
    EXPECT_GE(own.charge(), static_cast<std::size_t>(members) * 8);
  }
}

TEST(OwnCollection, IsACopyThatTheOtherDoesNotChange) {
  for (const int members : {3, 5'000}) {
    OwnCollection first(CollectionKind::kSortedSet);
    fill(first, members);
    std::string bytes;
    first.edit([&](Collection& all) { bytes = all.bytes(); });
    OwnCollection second(CollectionKind::kSortedSet);
    second.copy(bytes);
    first.edit([](Collection& all) { Ranking(all).erase_ranks(0, 2); });
    Collection all = second.read();
    EXPECT_EQ(Ranking(all).size(), static_cast<std::uint32_t>(members));
    EXPECT_EQ(Ranking(all).score("member 0"), 0);
  }
}

}  // namespace
}  // namespace forebay::memory
