// Reads and writes while the database stands still, ends sessions and holds commits: the short form of
// ./dev bench history.

#include <gtest/gtest.h>

#include "campaign/history_campaign.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

using namespace std::chrono_literals;

HistoryResult campaign(const HistoryOptions& options) {
  const TempDir folder;
  return history_campaign(folder.path().string(), options);
}

std::string all(const std::vector<std::string>& violations) {
  std::string text;
  for (const std::string& one : violations) text += one + "\n";
  return text;
}

TEST(HistoryCampaign, NobodyReadsWhatIsOlderThanWhatWasComplete) {  // C1, C2, C4, X14
  for (const char* write : {"through", "around"}) {
    const HistoryResult result = campaign({.write = write, .length = 4s});
    EXPECT_TRUE(result.violations.empty()) << write << "\n" << all(result.violations);
    EXPECT_GT(result.reads, 0u);
    EXPECT_GT(result.writes, 0u);
    EXPECT_GT(result.faults, 0);
  }
}

TEST(HistoryCampaign, NorWithWritesBehind) {
  const HistoryResult result = campaign({.write = "behind", .length = 3s});
  EXPECT_TRUE(result.violations.empty()) << all(result.violations);
  EXPECT_GT(result.writes, 0u);
}

// The campaign's own test: a program that writes past Forebay and tells nobody must be seen.
TEST(HistoryCampaign, SeesAChangeThatNobodyWasToldOf) {
  const HistoryResult result = campaign({.length = 2s, .faults = false, .silent_outsider = true});
  EXPECT_FALSE(result.violations.empty());
}

}  // namespace
}  // namespace forebay::test
