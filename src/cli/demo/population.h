#pragma once

// What the demo's clients ask for.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/demo/database.h"
#include "forebay/result.h"

namespace forebay::cli::demo {

// Chances by rank after Zipf's law: rank r (from 0) is drawn in proportion to 1 / (r + 1)^exponent.
// Thread-safe.
class Zipf {
 public:
  Zipf(std::size_t ranks, double exponent);  // ranks > 0
  std::size_t rank(double unit) const;       // unit in [0, 1); O(log ranks)

 private:
  std::vector<double> cumulative_;
};

enum class RequestKind : std::uint8_t {
  kPackage,     // GET package:<name>
  kDependents,  // GET rdepends:<name>
  kPackages,    // MGET of kPackagesPerRequest packages
  kAbsent,      // GET package:<a name that no package has>
  kWrite,       // HSET package:<name> note <text>
  kCount,       // INCR views:<name>
};
inline constexpr std::size_t kRequestKinds = 6;
inline constexpr std::size_t kPackagesPerRequest = 10;

struct Request {
  RequestKind kind = RequestKind::kPackage;
  // Indexes into Population::names; only kPackages uses more than the first. For kAbsent: which absent name.
  std::array<std::uint32_t, kPackagesPerRequest> packages{};
};

// The packages, those that most others depend on first: they are asked for most. Immutable, so thread-safe.
class Population {
 public:
  static Result<Population> read(Database& database);
  explicit Population(std::vector<std::string> names);  // at least 100

  const std::vector<std::string>& names() const { return names_; }
  // Names from this index on are never asked for by a RequestStream: they are for experiments that need cold
  // keys.
  std::size_t cold_begin() const { return cold_begin_; }

 private:
  friend class RequestStream;

  std::vector<std::string> names_;
  std::size_t cold_begin_;
  // Names whose dependents are asked for, [first, last): not the most popular, as hundreds of kilobytes a
  // reply would make this a test of the loopback interface.
  std::size_t first_target_, last_target_;
  Zipf packages_, targets_;
};

// An endless stream of requests that its seed decides: of 1,000 some 930 GET package, 20 GET rdepends, 20
// MGET, 20 GET absent, 5 HSET, 5 INCR. Not thread-safe.
class RequestStream {
 public:
  // `population` outlives the stream.
  RequestStream(const Population& population, std::uint64_t seed) : population_(population), state_(seed) {}
  Request next();

 private:
  std::uint64_t number();
  double unit();

  const Population& population_;
  std::uint64_t state_;
};

std::string absent_name(std::uint32_t number);

}  // namespace forebay::cli::demo
