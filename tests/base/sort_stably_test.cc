#include "base/sort_stably.h"

#include <gtest/gtest.h>

#include <string>

namespace forebay {
namespace {

TEST(SortStably, LeavesWhatIsEqualInItsOrder) {
  std::vector<std::pair<int, std::string>> items{{2, "a"}, {1, "b"}, {2, "c"}, {1, "d"}, {0, "e"}};
  sort_stably(items, [](const auto& a, const auto& b) { return a.first < b.first; });
  const std::vector<std::pair<int, std::string>> sorted{{0, "e"}, {1, "b"}, {1, "d"}, {2, "a"}, {2, "c"}};
  EXPECT_EQ(items, sorted);
  std::vector<int> none;
  sort_stably(none, std::less<>());
  EXPECT_TRUE(none.empty());
}

}  // namespace
}  // namespace forebay
