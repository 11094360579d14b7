#include "cli/demo/population.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/value_to.hpp>
#include <cmath>
#include <utility>

namespace forebay::cli::demo {
namespace {

constexpr double kExponent = 0.99;  // YCSB's choice, and close to what is measured of web caches
constexpr std::size_t kColdMost = 4'000;
constexpr std::size_t kTargets = 200;
constexpr std::uint64_t kAbsentNames = 50;

}  // namespace

Zipf::Zipf(std::size_t ranks, double exponent) {
  cumulative_.reserve(ranks);
  double sum = 0;
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    sum += std::pow(static_cast<double>(rank + 1), -exponent);
    cumulative_.push_back(sum);
  }
}

std::size_t Zipf::rank(double unit) const {
  const auto found = std::ranges::upper_bound(cumulative_, unit * cumulative_.back());
  return std::min(static_cast<std::size_t>(found - cumulative_.begin()), cumulative_.size() - 1);
}

Result<Population> Population::read(Database& database) {
  auto statement = database.prepare(
      "SELECT json_group_array(name) FROM (SELECT name FROM packages LEFT JOIN "
      "(SELECT target, count(*) AS dependents FROM depends GROUP BY target) ON target = name "
      "ORDER BY dependents DESC, name)");
  if (!statement) return std::move(statement.error());
  auto names = statement->run();
  if (!names) return std::move(names.error());
  boost::json::error_code error;
  const boost::json::value parsed = boost::json::parse(names->value_or("[]"), error);
  auto list = error ? std::vector<std::string>() : boost::json::value_to<std::vector<std::string>>(parsed);
  if (list.size() < 100) return {ErrorCode::kUnavailable, "the catalogue has fewer than 100 packages"};
  return Population(std::move(list));
}

Population::Population(std::vector<std::string> names)
    : names_(std::move(names)),
      cold_begin_(names_.size() - std::min(kColdMost, names_.size() / 3)),
      first_target_(std::min<std::size_t>(100, cold_begin_ / 4)),
      last_target_(std::min(first_target_ + kTargets, cold_begin_)),
      packages_(cold_begin_, kExponent),
      targets_(last_target_ - first_target_, kExponent) {}

Request RequestStream::next() {
  Request request;
  const auto package = [&] { return static_cast<std::uint32_t>(population_.packages_.rank(unit())); };
  request.packages[0] = package();
  const std::uint64_t choice = number() % 1'000;
  if (choice < 930) return request;
  if (choice < 950) {
    request.kind = RequestKind::kDependents;
    request.packages[0] =
        static_cast<std::uint32_t>(population_.first_target_ + population_.targets_.rank(unit()));
  } else if (choice < 970) {
    request.kind = RequestKind::kPackages;
    std::ranges::generate(request.packages, package);
  } else if (choice < 990) {
    request.kind = RequestKind::kAbsent;
    request.packages[0] = static_cast<std::uint32_t>(number() % kAbsentNames);
  } else {
    request.kind = choice < 995 ? RequestKind::kWrite : RequestKind::kCount;
  }
  return request;
}

// SplitMix64 (Steele, Lea, Flood 2014): a request must be the same in every run, so not base/random.h's
// generator.
std::uint64_t RequestStream::number() {
  std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

double RequestStream::unit() {
  return static_cast<double>(number() >> 11) * 0x1.0p-53;
}

std::string absent_name(std::uint32_t number) {
  return "no-such-package-" + std::to_string(number);
}

}  // namespace forebay::cli::demo
