// Write-behind under SIGKILL: the short form of ./dev bench crash.

#include <gtest/gtest.h>

#include "campaign/crash_campaign.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

CampaignResult campaign(std::unique_ptr<RealDatabase> database, CampaignOptions options) {
  const TempDir folder;
  return crash_campaign(*database, folder.path().string(), options);
}

std::string all(const std::vector<std::string>& violations) {
  std::string text;
  for (const std::string& one : violations) text += one + "\n";
  return text;
}

TEST(Crash, NothingIsLostOrDoubledOnSqlite) {  // C9, C10, C11
  const CampaignResult result = campaign(real_sqlite(), {.kills = 8, .acks = 400});
  EXPECT_TRUE(result.violations.empty()) << all(result.violations);
  EXPECT_GT(result.acknowledged, 0u);
}

TEST(Crash, NothingIsLostOrDoubledOnPostgres) {  // C9, C10, C11
  const CampaignResult result = campaign(real_postgres(), {.kills = 6, .stops_every = 3, .acks = 400});
  EXPECT_TRUE(result.violations.empty()) << all(result.violations);
  EXPECT_GT(result.acknowledged, 0u);
  EXPECT_GE(result.stops, 1);
}

TEST(Crash, WritesRepeatedByTheirIdsCountExactlyOnce) {
  const CampaignResult result = campaign(real_sqlite(), {.kills = 6, .acks = 400, .repeats = true});
  EXPECT_TRUE(result.violations.empty()) << all(result.violations);
  EXPECT_GT(result.unanswered, 0u);
}

// The campaign's own test: acknowledging before the journal has a write must be seen to lose it.
TEST(Crash, TheCampaignSeesWritesThatWereAcknowledgedTooEarly) {
  const CampaignResult result =
      campaign(real_sqlite(), {.kills = 200, .acks = 3000, .durability = "none", .until_violation = true});
  EXPECT_FALSE(result.violations.empty());
}

TEST(Crash, TheCampaignSeesWritesThatCountTwiceWhereTheLedgerIsNotAsked) {
  const CampaignResult result =
      campaign(real_sqlite(), {.kills = 200, .acks = 400, .without_ledger = true, .until_violation = true});
  EXPECT_FALSE(result.violations.empty());
}

}  // namespace
}  // namespace forebay::test
