#pragma once

// Many clients at once, each on a thread of its own, that ask one after another for what a RequestStream
// says: through Forebay, or straight from the database as they would without a cache.

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/demo/population.h"
#include "forebay/result.h"

namespace forebay::cli::demo {

// Durations, and what share of them was no longer than that. Not thread-safe.
class Samples {
 public:
  void add(std::chrono::nanoseconds duration) { durations_.push_back(duration); }
  void add(const Samples& other);
  std::size_t count() const { return durations_.size(); }
  // The smallest duration that at least `share` (0 to 1) of all don't exceed; zero of none. O(count).
  std::chrono::nanoseconds quantile(double share) const;

 private:
  std::vector<std::chrono::nanoseconds> durations_;
};

// What a client sends its requests to. Used by one thread.
class Backend {
 public:
  virtual ~Backend() = default;
  // Answers one request and checks the answer; an Error is one that the demo can't go on from.
  virtual Result<void> perform(const Population& population, const Request& request) = 0;
};
using OpenBackend = std::function<Result<std::unique_ptr<Backend>>()>;  // called on several threads at once

// A connection to a Redis-protocol server.
OpenBackend forebay_backend(std::uint16_t port);
// A connection to the SQLite file.
OpenBackend sqlite_backend(std::string path);

// Which keys some client has had an answer for. A request for such a key is answered from memory unless
// something invalidates it meanwhile: that is how a client, which can't see it, tells hits from misses.
// Thread-safe.
class Answered {
 public:
  explicit Answered(std::size_t names) : packages_(names), dependents_(names) {}
  bool test(const Request& request) const;  // of kPackages: all of them; writes count as answered
  void set(const Request& request);

 private:
  std::vector<std::atomic<bool>> packages_, dependents_;
};

struct LoadResult {
  std::array<Samples, kRequestKinds> first;  // requests for keys that nobody had had an answer for
  std::array<Samples, kRequestKinds> again;  // all others, and writes
  std::chrono::nanoseconds elapsed{0};
  std::optional<Error> error;  // the first one: then the load ended there

  std::size_t requests() const;
  Samples all() const;
};

struct LoadOptions {
  unsigned clients = 50;
  std::uint64_t seed = 1;                // client i has the stream of seed + i
  std::chrono::nanoseconds duration{0};  // ends after this; 0: no limit
  std::size_t requests_each = 0;         // ends after this many requests of each client; 0: no limit
  // Called four times a second with the number of requests so far; false ends the load.
  std::function<bool(std::size_t)> on_progress;
};
LoadResult run_load(const Population& population, const OpenBackend& open, Answered& answered,
                    const LoadOptions& options);

}  // namespace forebay::cli::demo
