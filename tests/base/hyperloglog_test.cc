#include "base/hyperloglog.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace forebay {
namespace {

HyperLogLog of(int first, int end) {
  HyperLogLog all;
  for (int i = first; i < end; ++i) all.add("element " + std::to_string(i));
  return all;
}

std::string sparse(const std::string& runs) {
  return std::string("HYLL\1\0\0\0", 8) + std::string(7, '\0') + '\x80' + runs;
}

TEST(HyperLogLog, EstimatesWithinItsError) {
  EXPECT_EQ(HyperLogLog().estimate(), 0u);
  for (const int count : {1, 10, 100, 1'000, 10'000, 100'000, 1'000'000}) {
    const auto estimate = static_cast<double>(of(0, count).estimate());
    // Four times the standard error, 1.04 / sqrt(registers).
    EXPECT_NEAR(estimate, count, std::ceil(count * 4 * 0.0081)) << count;
  }
}

TEST(HyperLogLog, KnowsWhatItHas) {
  HyperLogLog all;
  EXPECT_TRUE(all.add("a"));
  EXPECT_FALSE(all.add("a"));
  EXPECT_TRUE(all.add(""));
  EXPECT_EQ(all.estimate(), 2u);
}

TEST(HyperLogLog, IsTheSameOnceItHasBeenWrittenAndRead) {
  for (const int count : {0, 1, 100, 800, 3'000, 100'000}) {
    SCOPED_TRACE(count);
    const HyperLogLog all = of(0, count);
    const std::string bytes = all.bytes();
    EXPECT_EQ(bytes.size() == HyperLogLog::kDenseBytes, count >= 3'000);
    ASSERT_TRUE(HyperLogLog::is_one(bytes));
    const auto read = HyperLogLog::read(bytes);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->estimate(), all.estimate());
    EXPECT_EQ(read->bytes(), bytes);
    EXPECT_FALSE(HyperLogLog::last_estimate(bytes));
  }
}

TEST(HyperLogLog, UnitesWithOthers) {
  HyperLogLog all = of(0, 600);
  all.merge(of(300, 900));
  EXPECT_EQ(all.bytes(), of(0, 900).bytes());
  // What has been dense stays it, also where there would be room for the sparse form.
  HyperLogLog few = of(0, 10);
  few.merge(*HyperLogLog::read(of(0, 100'000).bytes()));
  EXPECT_EQ(few.bytes().size(), HyperLogLog::kDenseBytes);
}

TEST(HyperLogLog, HeedsAnEstimateThatIsNotOutOfDate) {
  std::string bytes = of(0, 10).bytes();
  bytes[8] = 7;
  bytes[15] = 0;
  EXPECT_EQ(HyperLogLog::last_estimate(bytes), 7u);
}

TEST(HyperLogLog, RefusesWhatIsNoneOrDamaged) {
  using namespace std::string_literals;
  for (const std::string& bytes :
       {""s, "HYLL"s, "HYLX\1\0\0\0        "s, "HYLL\2\0\0\0        "s, "HYLL\0\0\0\0        "s}) {
    EXPECT_FALSE(HyperLogLog::is_one(bytes)) << bytes;
  }
  ASSERT_TRUE(HyperLogLog::is_one(sparse("")));
  EXPECT_TRUE(HyperLogLog::read(sparse("\x7f\xff"))) << "16,384 registers of 0";
  EXPECT_FALSE(HyperLogLog::read(sparse(""))) << "too few";
  EXPECT_FALSE(HyperLogLog::read(sparse("\x7f\xfe"))) << "one too few";
  EXPECT_FALSE(HyperLogLog::read(sparse("\x7f\xff\x80"s))) << "one too many";
  EXPECT_FALSE(HyperLogLog::read(sparse("\x7f"))) << "cut off";
}

// Sanitizers see what is read or written outside of it.
TEST(HyperLogLog, ReadsAnyBytes) {
  std::mt19937 random(1);
  int read = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = sparse({});
    bytes[4] = static_cast<char>(random() % 2);
    if (random() % 2 != 0) {
      bytes.resize(HyperLogLog::kDenseBytes);
      for (int i = 0; i < 100; ++i) bytes[16 + random() % (bytes.size() - 16)] = static_cast<char>(random());
    } else {
      for (std::size_t length = random() % 400; length != 0; --length) bytes += static_cast<char>(random());
    }
    if (!HyperLogLog::is_one(bytes)) continue;
    const auto all = HyperLogLog::read(bytes);
    if (!all) continue;
    ++read;
    EXPECT_EQ(HyperLogLog::read(all->bytes())->estimate(), all->estimate());
  }
  EXPECT_GT(read, 1'000);
}

}  // namespace
}  // namespace forebay
