// The simulation against caches that are right by inspection, and the subcommand around it.

#include "cli/simulate/simulation.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "cli/simulate/cache_size.h"
#include "cli/simulate/reference_cache.h"
#include "memory/eviction/registry.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::cli::simulate {
namespace {

using test::Output;
using testing::AllOf;
using testing::HasSubstr;

class Simulation : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& bytes) {
    const std::string path = folder_ / name;
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string write_keys(const std::string& name, const std::vector<std::uint64_t>& keys) {
    return write(name, {reinterpret_cast<const char*>(keys.data()), keys.size() * sizeof(keys[0])});
  }
  static Output forebay(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {(test::binary_dir() / "forebay").string(), "simulate"});
    return test::run(arguments);
  }
  static Outcome simulated(const std::string& path, const SimulatedCache& cache) {
    Progress progress;
    const auto outcome = simulate(TraceFile(path), cache, progress);
    EXPECT_TRUE(outcome) << outcome.error().message;
    return outcome ? *outcome : Outcome{};
  }

  test::TempDir folder_;
};

TEST_F(Simulation, DeterminedPoliciesMissExactlyAsOften) {
  const auto keys = mixed_requests(20'000, 1);
  const std::string trace = write_keys("t.keys", keys);
  for (const std::size_t limit : {1U, 2U, 17U, 100U, 699U, 700U, 2'000U, 100'000U}) {
    for (const auto& [name, order] :
         {std::pair("lru", ReferenceOrder::kLru), std::pair("fifo", ReferenceOrder::kFifo)}) {
      if (!memory::find_policy(name)) continue;
      const Outcome outcome = simulated(trace, {.policy = name, .limit = limit, .policy_options = {}});
      EXPECT_EQ(outcome.requests, keys.size());
      EXPECT_EQ(outcome.misses, reference_misses(keys, limit, order)) << name << " " << limit;
    }
  }
}

TEST_F(Simulation, NoPolicyMissesMoreThanAllOrLessThanTheUniqueKeys) {
  const auto keys = mixed_requests(20'000, 2);
  const std::string trace = write_keys("t.keys", keys);
  const std::size_t unique = std::set<std::uint64_t>(keys.begin(), keys.end()).size();
  for (const std::string_view policy : memory::policy_names()) {
    const Outcome outcome =
        simulated(trace, {.policy = std::string(policy), .limit = 300, .policy_options = {}});
    EXPECT_GE(outcome.misses, unique) << policy;
    EXPECT_LT(outcome.misses, outcome.requests) << policy;
    const Outcome all =
        simulated(trace, {.policy = std::string(policy), .limit = 100'000, .policy_options = {}});
    EXPECT_EQ(all.misses, unique) << policy;
  }
}

TEST_F(Simulation, BytesHoldAsManyValuesAsTheirSizesAllow) {
  // A loop over 1,000 values of 100 kB: LRU hits all of them or none.
  std::vector<std::uint64_t> records;
  for (std::uint64_t i = 0; i < 5'000; ++i) records.insert(records.end(), {i % 1'000, 100'000, i});
  const std::string trace = write_keys("loop.kst", records);
  const auto misses = [&](std::uint64_t limit) {
    return simulated(trace,
                     {.policy = "lru", .limit = limit, .count = memory::Count::kBytes, .policy_options = {}})
        .misses;
  };
  EXPECT_EQ(misses(101'000'000), 1'000U);  // 1 % for keys and overhead
  EXPECT_EQ(misses(99'900'000), 5'000U);
}

TEST_F(Simulation, OneSeedOneResult) {
  const std::string trace = write_keys("t.keys", mixed_requests(20'000, 6));
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{trace,    "--policy", "random,w-tinylfu,auto",
                                       "--size", "1%,10%",   "--csv"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return forebay(arguments).text;
  };
  const std::string once = run({});
  EXPECT_EQ(run({}), once) << "without --seed";
  EXPECT_EQ(run({"--threads", "1"}), once);
  EXPECT_EQ(run({"--seed", "1"}), once) << "the default";
  const std::string other = run({"--seed", "18446744073709551615"});
  EXPECT_NE(other, once);
  EXPECT_EQ(run({"--seed", "18446744073709551615"}), other);
}

TEST_F(Simulation, UniqueKeysAreCounted) {
  const auto keys = mixed_requests(20'000, 3);
  std::string text;
  for (const std::uint64_t key : keys) text += std::to_string(key) + "\n";
  const std::size_t unique = std::set<std::uint64_t>(keys.begin(), keys.end()).size();
  Progress progress;
  EXPECT_EQ(*count_unique_keys(TraceFile(write_keys("t.keys", keys)), progress), unique);
  EXPECT_EQ(*count_unique_keys(TraceFile(write("t.txt", text)), progress), unique);
}

TEST_F(Simulation, AShareIsRoundedDownExactly) {
  const auto amount = [](const char* text, std::uint64_t unique) {
    return CacheSize::parse(text)->amount(unique);
  };
  EXPECT_EQ(amount("0.1%", 186'880), 186U);
  EXPECT_EQ(amount("10%", 182'790), 18'279U);
  EXPECT_EQ(amount("0.7%", 1'000), 7U);  // 6 in binary fractions
  EXPECT_EQ(amount("33.333333%", 3), 0U);
  EXPECT_EQ(amount("100%", 3), 3U);
  EXPECT_EQ(amount("5000", 3), 5'000U);
  EXPECT_EQ(amount("64MiB", 3), 64U << 20);
}

TEST_F(Simulation, CsvHasALineForEveryPolicyAndSize) {
  const auto keys = mixed_requests(5'000, 4);
  const std::size_t unique = std::set<std::uint64_t>(keys.begin(), keys.end()).size();
  const Output out =
      forebay({write_keys("a b.keys", keys), "--policy", "lru,noeviction", "--size", "10%,50", "--csv"});
  EXPECT_EQ(out.status, 0) << out.text;
  std::istringstream lines(out.text);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(line, "trace,policy,size,requests,misses,miss_ratio");
  const std::uint64_t at_share = reference_misses(keys, unique / 10, ReferenceOrder::kLru);
  const std::uint64_t at_50 = reference_misses(keys, 50, ReferenceOrder::kLru);
  std::getline(lines, line);
  EXPECT_EQ(line, fmt::format("a b,lru,10%,5000,{},{:.6f}", at_share, static_cast<double>(at_share) / 5000));
  std::getline(lines, line);
  EXPECT_EQ(line, fmt::format("a b,lru,50,5000,{},{:.6f}", at_50, static_cast<double>(at_50) / 5000));
  std::getline(lines, line);
  EXPECT_EQ(line.find("a b,noeviction,10%,5000,"), 0U) << line;
  std::getline(lines, line);
  EXPECT_EQ(line.find("a b,noeviction,50,5000,"), 0U) << line;
  EXPECT_FALSE(std::getline(lines, line)) << line;
}

TEST_F(Simulation, ANameWithACommaIsQuoted) {
  const Output out = forebay({write("a,\"b.txt", "x\n"), "--policy", "lru", "--size", "1", "--csv"});
  EXPECT_THAT(out.text, HasSubstr("\n\"a,\"\"b\",lru,1,1,1,1.000000\n"));
}

TEST_F(Simulation, TheTableNamesTheSizes) {
  const auto keys = mixed_requests(5'000, 4);
  const Output out = forebay({write_keys("t.keys", keys), "--policy", "all", "--size", "50,10%"});
  EXPECT_EQ(out.status, 0);
  for (const std::string_view policy : memory::policy_names())
    EXPECT_THAT(out.text, HasSubstr(std::string(policy)));
  EXPECT_THAT(
      out.text,
      AllOf(HasSubstr("t: 5,000 requests"), HasSubstr(" 50 "), HasSubstr("10% = "),
            HasSubstr(fmt::format(
                "{:.4f}", static_cast<double>(reference_misses(keys, 50, ReferenceOrder::kLru)) / 5'000))));
}

TEST_F(Simulation, TheCurveHasALineForEachPolicy) {
  const std::string svg = folder_ / "curve.svg";
  const Output out =
      forebay({write_keys("t.keys", mixed_requests(5'000, 4)), "--policy", "lru,noeviction", "--curve", svg});
  EXPECT_EQ(out.status, 0) << out.text;
  std::ostringstream text;
  text << std::ifstream(svg).rdbuf();
  EXPECT_THAT(text.str(),
              AllOf(testing::StartsWith("<svg "), testing::EndsWith("</svg>\n"), HasSubstr(">lru<"),
                    HasSubstr(">noeviction<"), HasSubstr("t: miss ratio by cache size")));
  std::size_t lines = 0;
  for (std::size_t at = text.str().find("<polyline"); at != std::string::npos;
       at = text.str().find("<polyline", at + 1)) {
    ++lines;
  }
  EXPECT_EQ(lines, 2U);
  EXPECT_EQ(forebay({folder_ / "t.keys", "--policy", "lru", "--curve", folder_ / "none/curve.svg"}).status,
            1);
}

TEST_F(Simulation, EveryMistakeOfUseIsSaidAndEndsWithTwo) {
  const std::string trace = write("t.txt", "a\nb\n");
  const auto said = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), trace);
    const Output out = forebay(arguments);
    EXPECT_EQ(out.status, 2) << out.text;
    return out.text;
  };
  EXPECT_THAT(said({"--policy", "lri", "--size", "1"}), AllOf(HasSubstr("lri"), HasSubstr("lru")));
  EXPECT_THAT(said({"--policy", "lru", "--size", "0"}), HasSubstr("--size 0: a cache of no entries"));
  EXPECT_THAT(said({"--policy", "lru", "--size", "0B"}), HasSubstr("a cache of no bytes"));
  EXPECT_THAT(said({"--policy", "lru", "--size", "0.0%"}), HasSubstr("a cache of no entries"));
  EXPECT_THAT(said({"--policy", "lru", "--size", "101%"}), HasSubstr("more than 100%"));
  EXPECT_THAT(said({"--policy", "lru", "--size", "99999999999999999999"}), HasSubstr("a size is a number"));
  for (const char* text : {"", "x", "-1", "1.5", "%", "1.%", "1e3%", "0.0000001%", "1,2%,x", "64MiBs"})
    EXPECT_THAT(said({"--policy", "lru", "--size", text}), HasSubstr("--size")) << text;
  EXPECT_THAT(said({"--policy", "lru", "--size", "64MiB"}), HasSubstr("has no sizes"));
  EXPECT_THAT(said({"--policy", "lru"}), HasSubstr("--size is required"));
  EXPECT_THAT(said({"--size", "1"}), HasSubstr("--policy is required"));
  said({"--policy", "lru", "--size", "1", "--shards", "0"});
  EXPECT_THAT(said({"--policy", "lru", "--size", "1", "--seed", "-1"}), HasSubstr("--seed"));
  EXPECT_EQ(forebay({"--policy", "lru", "--size", "1"}).status, 2);
}

TEST_F(Simulation, ATraceThatCantBeReadEndsWithOne) {
  const auto said = [&](const std::string& trace, const std::string& size) {
    const Output out = forebay({trace, "--policy", "lru", "--size", size, "--csv"});
    EXPECT_EQ(out.status, 1) << out.text;
    return out.text;
  };
  EXPECT_THAT(said(folder_ / "none.keys", "1"), HasSubstr("none.keys: No such file or directory\n"));
  EXPECT_THAT(said(folder_ / "none.keys", "1%"), HasSubstr("none.keys: No such file or directory\n"));
  EXPECT_THAT(said(write("t.keys", "123456789"), "1"),
              HasSubstr("t.keys: byte 8: the trace ends within a record"));
  EXPECT_THAT(said(write("t.txt", "a\n\n"), "1%"), HasSubstr("t.txt:2: an empty line"));
  EXPECT_THAT(said(write("t.txt", ""), "1"), HasSubstr("t.txt: no requests"));
  EXPECT_THAT(said(write("t.txt", ""), "1%"), HasSubstr("t.txt: no requests"));
  EXPECT_THAT(said(write("t.txt", "a\nb\n"), "10%"), HasSubstr("--size 10%: no entry, as "));
}

}  // namespace
}  // namespace forebay::cli::simulate
