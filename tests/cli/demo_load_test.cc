#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cli/demo/load.h"
#include "cli/demo/population.h"

namespace forebay::cli::demo {
namespace {

using namespace std::chrono_literals;

Population population_of(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i) names.push_back("p" + std::to_string(i));
  return Population(std::move(names));
}

TEST(Zipf, RanksAreDrawnInProportionToTheirPlace) {
  const Zipf zipf(3, 1.0);  // 1, 1/2, 1/3 of a sum of 11/6
  EXPECT_EQ(zipf.rank(0.0), 0u);
  EXPECT_EQ(zipf.rank(6.0 / 11 - 1e-9), 0u);
  EXPECT_EQ(zipf.rank(6.0 / 11 + 1e-9), 1u);
  EXPECT_EQ(zipf.rank(9.0 / 11 + 1e-9), 2u);
  EXPECT_EQ(zipf.rank(1.0), 2u);
}

TEST(RequestStream, OneSeedMakesTheSameRequestsAgain) {
  const Population population = population_of(1'000);
  RequestStream one(population, 7), same(population, 7), other(population, 8);
  bool differs = false;
  for (int i = 0; i < 1'000; ++i) {
    const Request a = one.next(), b = same.next(), c = other.next();
    ASSERT_EQ(a.kind, b.kind);
    ASSERT_EQ(a.packages, b.packages);
    differs = differs || a.packages != c.packages;
  }
  EXPECT_TRUE(differs);
}

TEST(RequestStream, ColdNamesAreNeverAskedForAndEveryKindIs) {
  for (const std::size_t count : {std::size_t{100}, std::size_t{363}, std::size_t{20'000}}) {
    const Population population = population_of(count);
    ASSERT_LT(population.cold_begin(), count);
    RequestStream stream(population, 1);
    std::set<RequestKind> kinds;
    for (int i = 0; i < 20'000; ++i) {
      const Request request = stream.next();
      kinds.insert(request.kind);
      if (request.kind == RequestKind::kAbsent) continue;
      for (const std::uint32_t package : request.packages) ASSERT_LT(package, population.cold_begin());
    }
    EXPECT_EQ(kinds.size(), kRequestKinds);
  }
}

TEST(Samples, QuantilesAreThoseOfTheSortedDurations) {
  Samples samples;
  EXPECT_EQ(samples.quantile(0.5), 0ns);
  for (int i = 100; i >= 0; --i) samples.add(std::chrono::nanoseconds(i));
  EXPECT_EQ(samples.quantile(0), 0ns);
  EXPECT_EQ(samples.quantile(0.5), 50ns);
  EXPECT_EQ(samples.quantile(0.99), 99ns);
  EXPECT_EQ(samples.quantile(1), 100ns);
}

TEST(Answered, ARequestForSeveralKeysCountsOnceAllHadAnAnswer) {
  Answered answered(100);
  Request many{.kind = RequestKind::kPackages, .packages = {}};
  for (std::uint32_t i = 0; i < kPackagesPerRequest; ++i) many.packages[i] = i;
  Request one;
  for (std::uint32_t i = 0; i < kPackagesPerRequest; ++i) {
    EXPECT_FALSE(answered.test(many));
    one.packages[0] = i;
    EXPECT_FALSE(answered.test(one));
    answered.set(one);
  }
  EXPECT_TRUE(answered.test(many));
}

TEST(Answered, DependentsAndPackagesAreDifferentKeys) {
  Answered answered(100);
  Request dependents{.kind = RequestKind::kDependents, .packages = {5}};
  answered.set(dependents);
  EXPECT_TRUE(answered.test(dependents));
  EXPECT_FALSE(answered.test(Request{.kind = RequestKind::kPackage, .packages = {5}}));
}

// Counts what it is asked, and fails after `most` requests of one connection.
struct Counter {
  std::mutex mutex;
  std::map<RequestKind, std::size_t> counts;
};
class CountingBackend final : public Backend {
 public:
  CountingBackend(Counter& counter, std::size_t most) : counter_(counter), most_(most) {}
  Result<void> perform(const Population&, const Request& request) override {
    if (most_-- == 0) return {ErrorCode::kUnavailable, "enough"};
    const std::lock_guard lock(counter_.mutex);
    ++counter_.counts[request.kind];
    return {};
  }

 private:
  Counter& counter_;
  std::size_t most_;
};
OpenBackend counting(Counter& counter, std::size_t most = SIZE_MAX) {
  return [&counter, most]() -> Result<std::unique_ptr<Backend>> {
    return std::unique_ptr<Backend>(std::make_unique<CountingBackend>(counter, most));
  };
}

TEST(Load, EveryClientSendsItsShareAndEveryRequestIsMeasured) {
  const Population population = population_of(200);
  Answered answered(200);
  Counter counter;
  const LoadResult result = run_load(population, counting(counter), answered,
                                     {.clients = 8, .requests_each = 500, .on_progress = {}});
  EXPECT_FALSE(result.error);
  EXPECT_EQ(result.requests(), 4'000u);
  for (const auto& [kind, count] : counter.counts) {
    const auto i = static_cast<std::size_t>(kind);
    EXPECT_EQ(result.first[i].count() + result.again[i].count(), count);
  }
  const auto packages = static_cast<std::size_t>(RequestKind::kPackage);
  EXPECT_GE(result.first[packages].count(), 1u);
  EXPECT_GT(result.again[packages].count(), result.first[packages].count());
}

TEST(Load, TheFirstErrorEndsItAndIsReturned) {
  const Population population = population_of(200);
  Answered answered(200);
  Counter counter;
  const LoadResult result = run_load(population, counting(counter, 10), answered,
                                     {.clients = 4, .duration = 1h, .on_progress = {}});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->message, "enough");
}

TEST(Load, AConnectionThatFailsIsAnError) {
  const Population population = population_of(200);
  Answered answered(200);
  const LoadResult result = run_load(
      population,
      []() -> Result<std::unique_ptr<Backend>> { return Error{ErrorCode::kUnavailable, "no server"}; },
      answered, {.clients = 4, .duration = 1h, .on_progress = {}});
  ASSERT_TRUE(result.error);
  EXPECT_EQ(result.error->message, "no server");
}

TEST(Load, TheProgressCallbackCanEndIt) {
  const Population population = population_of(200);
  Answered answered(200);
  Counter counter;
  const LoadResult result =
      run_load(population, counting(counter), answered,
               {.clients = 2, .duration = 1h, .on_progress = [](std::size_t) { return false; }});
  EXPECT_FALSE(result.error);
}

}  // namespace
}  // namespace forebay::cli::demo
