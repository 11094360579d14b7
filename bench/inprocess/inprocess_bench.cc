// The C++ contenders of `./dev bench inprocess`, one a process: bench/inprocess/run drives it.
//
//   inprocess_bench keys FILE       writes the key sequences that every contender reads
//   inprocess_bench list            the contenders
//   inprocess_bench serve FILE NAME takes runs on standard input, one a line: VALUE WORKLOAD THREADS MS;
//                                   answers each with a line of JSON
//
// VALUE is u64 or text (64 bytes); WORKLOAD is get (what is missing stays missing), mixed (each 20th
// operation is a put) or hot (all threads get one key). Before each run a read-through pass brings the cache
// to what its policy keeps of the stream. Every value read is compared with its key.

#if __has_include(<oneapi/tbb/concurrent_lru_cache.h>)
#define TBB_PREVIEW_CONCURRENT_LRU_CACHE 1
#include <oneapi/tbb/concurrent_lru_cache.h>
#define BENCH_HAS_TBB 1
#endif

#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <latch>
#include <list>
#include <memory>
#include <mutex>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "forebay/cache.h"
#include "memory/eviction/registry.h"

namespace {

constexpr std::size_t kKeys = 200'000;
constexpr std::size_t kEntries = 100'000;
constexpr double kSkew = 0.99;
constexpr std::size_t kThreads = 4;
constexpr std::size_t kSequence = std::size_t{1} << 20;  // keys of one thread's sequence
constexpr std::size_t kSequences = kThreads + 1;         // the last is for warming
constexpr std::size_t kTextBytes = 64;
constexpr std::size_t kPutEvery = 20;

// Spreads ranks over all of 64 bits without collisions (the finaliser of SplitMix64, Steele, Lea, Flood
// 2014).
std::uint64_t scramble(std::uint64_t rank) {
  rank += 0x9e3779b97f4a7c15u;
  rank = (rank ^ (rank >> 30)) * 0xbf58476d1ce4e5b9u;
  rank = (rank ^ (rank >> 27)) * 0x94d049bb133111ebu;
  return rank ^ (rank >> 31);
}

int write_keys(const char* path) {
  std::vector<double> below(kKeys);
  double sum = 0;
  for (std::size_t i = 0; i < kKeys; ++i) {
    sum += 1 / std::pow(static_cast<double>(i + 1), kSkew);
    below[i] = sum;
  }
  std::ofstream file(path, std::ios::binary);
  for (std::size_t thread = 0; thread < kSequences; ++thread) {
    std::mt19937_64 random(thread + 1);
    std::vector<std::uint64_t> keys(kSequence);
    for (std::uint64_t& key : keys) {
      const double at = static_cast<double>(random() >> 11) * 0x1.0p-53 * sum;
      key = scramble(static_cast<std::uint64_t>(std::ranges::upper_bound(below, at) - below.begin()));
    }
    file.write(reinterpret_cast<const char*>(keys.data()),
               static_cast<std::streamsize>(keys.size() * sizeof(keys[0])));
  }
  return file ? 0 : 1;
}

std::vector<std::uint64_t> read_keys(const char* path) {
  std::vector<std::uint64_t> keys(kSequences * kSequence);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(keys.data()),
            static_cast<std::streamsize>(keys.size() * sizeof(keys[0])));
  if (!file) keys.clear();
  return keys;
}

// The value of a key, and whether a value is that key's.
template <class Value>
Value make_value(std::uint64_t key);
template <>
std::uint64_t make_value(std::uint64_t key) {
  return key;
}
template <>
std::string make_value(std::uint64_t key) {
  std::string text(kTextBytes, 'v');
  std::memcpy(text.data(), &key, sizeof(key));
  return text;
}
bool belongs(std::uint64_t key, std::uint64_t value) {
  return key == value;
}
bool belongs(std::uint64_t key, std::string_view text) {
  std::uint64_t start = 0;
  std::memcpy(&start, text.data(), sizeof(start));
  return text.size() == kTextBytes && start == key;
}

// A contender has get(key, check), which calls check(value) and returns true if the key is there, and
// put(key). kLoads: a get that misses loads.

template <class Value>
class Forebay {
 public:
  static constexpr bool kLoads = false;
  explicit Forebay(const std::string& policy) {
    forebay::CacheOptions options;
    options.max_entries = kEntries;
    options.policy = policy;
    auto opened = forebay::Cache<std::uint64_t, Value>::open(
        options, [](const std::uint64_t& key) -> forebay::Result<std::optional<Value>> {
          return std::optional(make_value<Value>(key));
        });
    if (!opened) {
      std::fprintf(stderr, "%s\n", opened.error().message.c_str());
      std::exit(2);
    }
    cache_ = std::move(*opened);
  }
  template <class Check>
  bool get(std::uint64_t key, Check check) {
    return cache_->peek(key, check);
  }
  void put(std::uint64_t key) { cache_->put(key, make_value<Value>(key)); }

 private:
  std::unique_ptr<forebay::Cache<std::uint64_t, Value>> cache_;
};

// What everybody writes first. Values are checked in place, under the lock: nothing is copied out.
template <class Value>
class alignas(64) MutexLru {
 public:
  static constexpr bool kLoads = false;
  explicit MutexLru(std::size_t entries = kEntries) : entries_(entries) { index_.reserve(entries + 1); }
  template <class Check>
  bool get(std::uint64_t key, Check check) {
    const std::lock_guard lock(mutex_);
    const auto found = index_.find(key);
    if (found == index_.end()) return false;
    order_.splice(order_.begin(), order_, found->second);
    check(found->second->second);
    return true;
  }
  void put(std::uint64_t key) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      found->second->second = make_value<Value>(key);
      order_.splice(order_.begin(), order_, found->second);
      return;
    }
    order_.emplace_front(key, make_value<Value>(key));
    index_.emplace(key, order_.begin());
    if (index_.size() <= entries_) return;
    index_.erase(order_.back().first);
    order_.pop_back();
  }

 private:
  using Order = std::list<std::pair<std::uint64_t, Value>>;  // newest in front
  std::mutex mutex_;
  const std::size_t entries_;
  Order order_;
  std::unordered_map<std::uint64_t, typename Order::iterator> index_;
};

template <class Value>
class ShardedLru {
 public:
  static constexpr bool kLoads = false;
  ShardedLru() {
    for (auto& shard : shards_) shard = std::make_unique<MutexLru<Value>>(kEntries / kShards);
  }
  template <class Check>
  bool get(std::uint64_t key, Check check) {
    return shard(key).get(key, check);
  }
  void put(std::uint64_t key) { shard(key).put(key); }

 private:
  static constexpr std::size_t kShards = 64;
  MutexLru<Value>& shard(std::uint64_t key) { return *shards_[key >> 58]; }
  std::array<std::unique_ptr<MutexLru<Value>>, kShards> shards_;
};

#ifdef BENCH_HAS_TBB
// It has no put and no get that leaves what is missing: every operation loads on a miss.
template <class Value>
class OneTbb {
 public:
  static constexpr bool kLoads = true;
  template <class Check>
  bool get(std::uint64_t key, Check check) {
    thread_loads() = false;
    auto handle = cache_[key];
    check(handle.value());
    return !thread_loads();
  }
  void put(std::uint64_t key) { (void)cache_[key]; }

 private:
  static bool& thread_loads() {
    static thread_local bool loads = false;
    return loads;
  }
  static Value load(std::uint64_t key) {
    thread_loads() = true;
    return make_value<Value>(key);
  }
  tbb::concurrent_lru_cache<std::uint64_t, Value> cache_{&OneTbb::load, kEntries};
};
#endif

double process_cpu_ns() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e9 + static_cast<double>(time.tv_usec) * 1e3;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

struct Run {
  std::string workload;
  std::size_t threads = 1;
  int ms = 0;
};

struct Tally {
  std::uint64_t operations = 0, gets = 0, hits = 0, wrong = 0;
  double rate = 0;    // operations a second, summed over the threads
  double cpu_ns = 0;  // of the process, for one operation
};

// One contender with its cache and where each thread is in its sequence.
template <class Contender>
class Course {
 public:
  template <class... Args>
  explicit Course(const std::vector<std::uint64_t>& keys, const Args&... args)
      : keys_(keys), contender_(args...) {}

  Tally run(const Run& run) {
    for (std::size_t i = 0; i < kSequence / 2; ++i) {
      const std::uint64_t key = next(kThreads);
      if (!contender_.get(key, [](const auto&) {}) && !Contender::kLoads) contender_.put(key);
    }
    if (run.workload == "hot") contender_.put(keys_[0]);
    std::vector<Tally> tallies(run.threads);
    std::atomic<bool> stop{false};
    std::latch ready(static_cast<std::ptrdiff_t>(run.threads) + 1);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < run.threads; ++t) {
      threads.emplace_back([&, t] {
        ready.arrive_and_wait();
        tallies[t] = work(t, run.workload, stop);
      });
    }
    const double cpu = process_cpu_ns();
    ready.arrive_and_wait();
    std::this_thread::sleep_for(std::chrono::milliseconds(run.ms));
    stop = true;
    for (auto& thread : threads) thread.join();
    Tally sum;
    sum.cpu_ns = process_cpu_ns() - cpu;
    for (const Tally& each : tallies) {
      sum.operations += each.operations;
      sum.gets += each.gets;
      sum.hits += each.hits;
      sum.wrong += each.wrong;
      sum.rate += each.rate;
    }
    sum.cpu_ns /= static_cast<double>(sum.operations);
    return sum;
  }

 private:
  static constexpr std::size_t kBlock = 1000;  // operations between looks at `stop`; a multiple of kPutEvery

  std::uint64_t next(std::size_t thread) {
    return keys_[thread * kSequence + (at_[thread].value++ & (kSequence - 1))];
  }

  Tally work(std::size_t thread, const std::string& workload, const std::atomic<bool>& stop) {
    Tally tally;
    const auto start = std::chrono::steady_clock::now();
    if (workload == "mixed") {
      blocks(tally, stop, [&](std::size_t i) {
        const std::uint64_t key = next(thread);
        if (i % kPutEvery == 0) return contender_.put(key);
        get(tally, key);
      });
      tally.gets = tally.operations / kPutEvery * (kPutEvery - 1);
    } else if (workload == "hot") {
      blocks(tally, stop, [&, key = keys_[0]](std::size_t) { get(tally, key); });
      tally.gets = tally.operations;
    } else {
      blocks(tally, stop, [&](std::size_t) { get(tally, next(thread)); });
      tally.gets = tally.operations;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    tally.rate = static_cast<double>(tally.operations) / took.count();
    return tally;
  }

  template <class Operation>
  static void blocks(Tally& tally, const std::atomic<bool>& stop, Operation operation) {
    do {
      for (std::size_t i = 0; i < kBlock; ++i) operation(i);
      tally.operations += kBlock;
    } while (!stop.load(std::memory_order_relaxed));
  }

  void get(Tally& tally, std::uint64_t key) {
    tally.hits +=
        contender_.get(key, [&](const auto& value) { tally.wrong += belongs(key, value) ? 0 : 1; }) ? 1 : 0;
  }

  const std::vector<std::uint64_t>& keys_;
  Contender contender_;
  struct alignas(64) Position {
    std::size_t value = 0;
  };
  std::array<Position, kSequences> at_{};
};

template <template <class> class Contender, class... Args>
int serve(const std::vector<std::uint64_t>& keys, const Args&... args) {
  std::unique_ptr<Course<Contender<std::uint64_t>>> u64;
  std::unique_ptr<Course<Contender<std::string>>> text;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string value;
    Run run;
    words >> value >> run.workload >> run.threads >> run.ms;
    if (!words || run.threads < 1 || run.threads > kThreads) return 2;
    if (!u64) u64 = std::make_unique<Course<Contender<std::uint64_t>>>(keys, args...);
    if (!text) text = std::make_unique<Course<Contender<std::string>>>(keys, args...);
    const Tally tally = value == "u64" ? u64->run(run) : text->run(run);
    std::printf("{\"rate\": %.0f, \"hit_ratio\": %.5f, \"cpu_ns\": %.2f, \"wrong\": %llu}\n", tally.rate,
                static_cast<double>(tally.hits) / static_cast<double>(tally.gets), tally.cpu_ns,
                static_cast<unsigned long long>(tally.wrong));
    std::fflush(stdout);
  }
  return 0;
}

int list() {
  for (const std::string_view policy : forebay::memory::policy_names()) {
    if (policy == "lru" || policy == "sieve" || policy == "s3-fifo")
      std::printf("forebay:%.*s\n", static_cast<int>(policy.size()), policy.data());
  }
  std::printf("sharded\nmutex\n");
#ifdef BENCH_HAS_TBB
  std::printf("tbb\n");
#endif
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "list") return list();
  if (mode == "keys" && argc == 3) return write_keys(argv[2]);
  if (mode != "serve" || argc != 4) return 2;
  const auto keys = read_keys(argv[2]);
  if (keys.empty()) return 1;
  const std::string name = argv[3];
  if (name.starts_with("forebay:")) return serve<Forebay>(keys, name.substr(8));
  if (name == "sharded") return serve<ShardedLru>(keys);
  if (name == "mutex") return serve<MutexLru>(keys);
#ifdef BENCH_HAS_TBB
  if (name == "tbb") return serve<OneTbb>(keys);
#endif
  return 2;
}
