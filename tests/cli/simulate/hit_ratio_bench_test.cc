// `./dev bench hit-ratio` judges by the rules that it states: a small trace, and references of known distance
// from what the policies do on it.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "cli/simulate/reference_cache.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::cli::simulate {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class HitRatioBench : public testing::Test {
 protected:
  HitRatioBench() : keys_(mixed_requests(20'000, 5)) {
    unique_ = std::set<std::uint64_t>(keys_.begin(), keys_.end()).size();
    const std::size_t bytes = keys_.size() * sizeof(keys_[0]);
    std::string compressed(ZSTD_compressBound(bytes), '\0');
    compressed.resize(ZSTD_compress(compressed.data(), compressed.size(), keys_.data(), bytes, 1));
    std::ofstream(folder_ / "small.keys.zst", std::ios::binary) << compressed;
  }

  double lru(std::size_t one_in) const {
    return static_cast<double>(reference_misses(keys_, unique_ / one_in, ReferenceOrder::kLru)) /
           static_cast<double>(keys_.size());
  }
  // The reference says this much more than what LRU does.
  test::Output judge(double more, const std::vector<std::string>& arguments) {
    std::ofstream file(folder_ / "reference.csv");
    file << "trace,policy,size,miss_ratio\n";
    for (const auto& [size, one_in] :
         {std::pair("0.1%", 1000U), std::pair("1%", 100U), std::pair("10%", 10U)})
      file << fmt::format("small,LRU,{},{:.4f}\n", size, lru(one_in) + more);
    file.close();
    std::vector<std::string> command{(test::source_dir() / "bench/hit-ratio/run").string(),
                                     "--program",
                                     (test::binary_dir() / "forebay").string(),
                                     "--reference",
                                     (folder_ / "reference.csv").string(),
                                     "--traces",
                                     folder_.path().string()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    return test::run(command);
  }

  test::TempDir folder_;
  std::vector<std::uint64_t> keys_;
  std::size_t unique_ = 0;
};

TEST_F(HitRatioBench, LruIsEqualToFourDecimalsOrFails) {
  const test::Output equal = judge(0, {"--policy", "lru"});
  EXPECT_EQ(equal.status, 0) << equal.text;
  EXPECT_THAT(equal.text, AllOf(HasSubstr("PASS: 3 held, 0 did not"),
                                HasSubstr(fmt::format("{:.4f} +0.0000 ok", lru(10)))));
  for (const double off : {0.0002, -0.0002}) {
    const test::Output other = judge(off, {"--policy", "lru"});
    EXPECT_EQ(other.status, 1);
    EXPECT_THAT(other.text, HasSubstr("FAIL: 0 held, 3 did not"));
  }
}

TEST_F(HitRatioBench, APolicyWithoutARuleIsShownAndNotJudged) {
  const test::Output shown = judge(0, {"--policy", "lru,noeviction"});
  EXPECT_EQ(shown.status, 0) << shown.text;
  EXPECT_THAT(shown.text, AllOf(HasSubstr("noeviction"), HasSubstr("PASS: 3 held")));
}

TEST_F(HitRatioBench, TheWorstOfSeveralSeedsIsJudged) {
  const auto misses = [this](int seed) {
    const test::Output out = test::run({(test::binary_dir() / "forebay").string(), "simulate",
                                        (folder_ / "small.keys.zst").string(), "--policy", "w-tinylfu",
                                        "--size", "10%", "--csv", "--seed", std::to_string(seed)});
    return std::stod(out.text.substr(out.text.rfind(',') + 1));
  };
  const double ratios[] = {misses(1), misses(2), misses(3)};
  const auto [least, most] = std::minmax({ratios[0], ratios[1], ratios[2]});
  ASSERT_GE(most - least, 0.0002) << "the seed makes no difference: another trace is needed";
  const test::Output shown = judge(0, {"--policy", "w-tinylfu", "--seeds", "3"});
  EXPECT_THAT(shown.text, AllOf(testing::ContainsRegex(fmt::format("w-tinylfu .* {:.4f}",
                                                                   (ratios[0] + ratios[1] + ratios[2]) / 3)),
                                testing::ContainsRegex(fmt::format("worst of 3 seeds .* {:.4f}", most))));
}

TEST_F(HitRatioBench, AMissingTraceFailsAndMissingTracesAreWrongUse) {
  const test::Output missing = judge(0, {"--policy", "lru", "small", "other"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.text, HasSubstr("other: FAIL: there is no other.keys.zst in "));
  std::filesystem::remove(folder_ / "small.keys.zst");
  const test::Output none = judge(0, {"--policy", "lru"});
  EXPECT_EQ(none.status, 2);
  EXPECT_THAT(none.text, HasSubstr("there is no NAME.keys.zst in it"));
  const test::Output nowhere = test::run({(test::source_dir() / "bench/hit-ratio/run").string()},
                                         {.environment = {"FOREBAY_TRACES="}});
  EXPECT_EQ(nowhere.status, 2);
  EXPECT_THAT(nowhere.text, HasSubstr("set FOREBAY_TRACES"));
}

}  // namespace
}  // namespace forebay::cli::simulate
