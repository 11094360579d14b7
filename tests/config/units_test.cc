#include "config/units.h"

#include <gtest/gtest.h>

#include "config/address.h"
#include "config/suggest.h"

namespace forebay::config {
namespace {

using namespace std::chrono_literals;

TEST(Units, DurationsAreReadWithTheirUnits) {
  EXPECT_EQ(parse_duration("0"), 0ms);
  EXPECT_EQ(parse_duration("250ms"), 250ms);
  EXPECT_EQ(parse_duration("30s"), 30s);
  EXPECT_EQ(parse_duration("5m"), 5min);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  EXPECT_EQ(parse_duration("7d"), 7 * 24h);
  EXPECT_EQ(parse_duration("3650d"), 3650 * 24h);
}

TEST(Units, WhatIsNoDurationIsRefused) {
  for (const std::string_view text :
       {"", "5", "m", "5 m", "-5m", "1.5s", "5min", "30m1h", "5m5m", "3651d", "99999999999999999999s",
        "9223372036854775807d", "5m ", " 5m", "1h5", "3650d1ms"}) {
    EXPECT_EQ(parse_duration(text), std::nullopt) << text;
  }
}

TEST(Units, SizesAreReadWithTheirUnits) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("100"), 100U);
  EXPECT_EQ(parse_size("100B"), 100U);
  EXPECT_EQ(parse_size("64kB"), 64000U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("512MiB"), 536870912U);
  EXPECT_EQ(parse_size("2 gib"), 2147483648U);
}

TEST(Units, WhatIsNoSizeIsRefused) {
  for (const std::string_view text :
       {"", "MiB", "-1", "1.5GiB", "5k", "5m", "5PiB", "9223372036854775807KiB", "5MiB ", "5 Mi B"}) {
    EXPECT_EQ(parse_size(text), std::nullopt) << text;
  }
}

TEST(Units, WhatIsWrittenIsReadAgain) {
  for (const auto duration : {0ms, 1ms, 999ms, 1000ms, 61'001ms, 90'000'000ms}) {
    EXPECT_EQ(parse_duration(format_duration(duration)), duration);
  }
  for (const std::size_t bytes : {0UL, 1UL, 1024UL, 1025UL, 1UL << 40U})
    EXPECT_EQ(parse_size(format_size(bytes)), bytes);
  EXPECT_EQ(format_duration(90min), "1h30m");
  EXPECT_EQ(format_size(std::size_t{64} << 20), "64MiB");
}

TEST(Suggest, CountsEdits) {
  EXPECT_EQ(edit_distance("ttl", "ttl"), 0U);
  EXPECT_EQ(edit_distance("ttl", "TTL"), 0U);
  EXPECT_EQ(edit_distance("tll", "ttl"), 1U);
  EXPECT_EQ(edit_distance("nmae", "name"), 1U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Suggest, NamesTheNearestWordOnlyIfItIsNear) {
  static constexpr std::string_view kWords[] = {"limit", "policy", "max_value"};
  EXPECT_EQ(did_you_mean("polcy", kWords), "; did you mean \"policy\"?");
  EXPECT_EQ(did_you_mean("Limit", kWords), "; did you mean \"limit\"?");
  EXPECT_EQ(did_you_mean("something", kWords), "");
  EXPECT_EQ(did_you_mean("", kWords), "");
}

TEST(Address, HostAndPortAreTakenApart) {
  EXPECT_EQ(parse_address("127.0.0.1:6380")->host, "127.0.0.1");
  EXPECT_EQ(parse_address("127.0.0.1:6380")->port, 6380);
  EXPECT_EQ(parse_address("[::1]:0")->host, "::1");
  for (const std::string_view text : {"", ":", ":1", "a", "a:", "a:x", "a:65536", "a:-1", "::1", "[::1]",
                                      "[a]:1", "[]:1", "a b:1", "[:1"}) {
    EXPECT_FALSE(parse_address(text)) << text;
  }
}

TEST(Address, LoopbackIsWhatOnlyThisMachineReaches) {
  for (const std::string_view text : {"127.0.0.1:1", "127.255.0.1:1", "localhost:1", "[::1]:1"})
    EXPECT_TRUE(is_loopback(*parse_address(text))) << text;
  for (const std::string_view text :
       {"0.0.0.0:1", "[::]:1", "128.0.0.1:1", "example.org:1", "localhost.example:1"}) {
    EXPECT_FALSE(is_loopback(*parse_address(text))) << text;
  }
}

}  // namespace
}  // namespace forebay::config
