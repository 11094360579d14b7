#pragma once

// A typed cache in this process that loads what it misses.
//
//   forebay::CacheOptions options;
//   options.ttl = std::chrono::minutes(5);
//   auto cache = forebay::Cache<int, User>::open(options, [&](const int& id) { return database.find_user(id);
//   }); auto user = (*cache)->get(42);   // Result<std::shared_ptr<const User>>; null: there is no such user
//
// The same read path as the server's: one load however many threads ask, fresh and stale windows, early
// refresh, negative caching, timeouts, a circuit breaker, and the fence: what a load read before invalidate()
// or put() is never stored after it. Values are moved in and handed out by shared pointer: never copied, and
// need not be copyable.
//
// Thread-safe throughout. get() blocks while a load is needed; loaders run on the cache's own threads.

#include <chrono>
#include <concepts>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "forebay/clock.h"
#include "forebay/entry.h"
#include "forebay/function_ref.h"
#include "forebay/result.h"
#include "forebay/value.h"

namespace forebay {

struct CacheOptions {
  std::string name = "cache";                 // for messages
  std::size_t limit = std::size_t{64} << 20;  // bytes of keys, values' charges and overhead; 0: unbounded
  std::size_t max_entries = 0;       // not 0: entries are counted instead of bytes, and limit is ignored
  std::string policy = "lru";        // eviction
  std::chrono::milliseconds ttl{0};  // 0: fresh until invalidated or evicted
  double jitter = 0.0;               // share of ttl by which it is randomly shortened, 0 to 0.9
  std::chrono::milliseconds stale_while_revalidate{0};  // after ttl: answer at once, reload in the background
  std::chrono::milliseconds stale_if_error{0};          // after ttl: answer if the loader fails
  std::chrono::milliseconds stale_throttle{
      1000};                   // after a failed load: pause before the loader is asked again
  double refresh_ahead = 0.0;  // share of ttl after which a read starts a reload; 0: off; below 1
  double xfetch = 0.0;         // XFetch's beta; 0: off, 1 is the paper's
  std::chrono::milliseconds negative_ttl{0};  // how long absence is remembered; at most 30 s
  std::chrono::milliseconds soft_timeout{0};  // then the stale copy answers if there is one; 0: off
  std::chrono::milliseconds timeout{2000};    // then get() returns an error; the load goes on
  std::size_t loader_threads = 4;             // loads at once, 1 to 256
  std::size_t max_batch = 500;                // keys of one batch loader call
  Clock* clock = nullptr;                     // null: the system's; borrowed
};

struct CacheStats {
  std::uint64_t hits = 0, stale = 0, negative = 0, misses = 0, errors = 0;
  std::uint64_t coalesced = 0, refreshes = 0, fenced = 0;
  std::uint64_t loads = 0, keys_loaded = 0, evicted = 0;
  std::size_t entries = 0, bytes = 0;
};

// How a Key becomes bytes and back. There for strings and for types whose bytes are their value (integers,
// enums, plain structs without padding); specialise it for others: encode() must give different bytes for
// different keys.
template <class Key>
struct KeyCodec {
  static_assert(std::has_unique_object_representations_v<Key> && std::is_trivially_copyable_v<Key>,
                "specialise forebay::KeyCodec for this key type");
  static std::string encode(const Key& key) {
    std::string bytes(sizeof(Key), '\0');
    std::memcpy(bytes.data(), &key, sizeof(Key));
    return bytes;
  }
  static Key decode(std::string_view bytes) {
    Key key;
    std::memcpy(&key, bytes.data(), sizeof(Key));
    return key;
  }
};
template <>
struct KeyCodec<std::string> {
  static std::string encode(const std::string& key) { return key; }
  static std::string decode(std::string_view bytes) { return std::string(bytes); }
};

namespace detail {

// The cache without its types: keys are bytes, values are handles.
class CacheCore {
 public:
  using Loaded = std::vector<std::optional<Value>>;
  using LoadAll = std::function<Result<Loaded>(std::span<const std::string> keys)>;

  static Result<std::unique_ptr<CacheCore>> open(const CacheOptions& options, LoadAll load, bool batches);
  ~CacheCore();

  using Done = std::move_only_function<void(Result<std::optional<Value>>)>;
  // Answered on this thread if the value is at hand, else on one of the cache's.
  void get(std::string_view key, Done done);
  void dispatch();
  // Around the get() calls of one group: nothing of it goes to the loader before the dispatch() that follows.
  void hold();
  void release();
  // Only if it is in memory and may be served; starts a refresh that is due.
  std::optional<Value> find(std::string_view key);
  void put(std::string_view key, Value value);
  bool invalidate(std::string_view key);
  void clear();
  CacheStats stats() const;

 private:
  struct Impl;
  explicit CacheCore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Blocks until all of `count` answers are there.
class CacheWait {
 public:
  explicit CacheWait(std::size_t count);
  ~CacheWait();
  CacheCore::Done slot(std::size_t index);
  std::vector<Result<std::optional<Value>>> wait();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace detail

template <class Key, class T>
class Cache {
 public:
  using Pointer = std::shared_ptr<const T>;
  // Nothing: there is no such value (remembered for negative_ttl). An Error or an exception: nobody knows.
  using Loader = std::function<Result<std::optional<T>>(const Key&)>;
  // The same for several keys in one call: one answer a key, in order.
  using BatchLoader = std::function<Result<std::vector<std::optional<T>>>(std::span<const Key>)>;
  // What a value counts for in the limit, in bytes.
  using Charge = std::function<std::size_t(const T&)>;

  static Result<std::unique_ptr<Cache>> open(const CacheOptions& options, Loader loader, Charge charge = {}) {
    auto load = [loader = std::move(loader), charge](std::span<const std::string> keys) -> Result<Loaded> {
      auto value = loader(Codec::decode(payload(keys.front())));
      if (!value) return std::move(value).error();
      Loaded loaded;
      loaded.push_back(wrap(std::move(*value), charge));
      return loaded;
    };
    return make(options, std::move(load), false, charge);
  }

  static Result<std::unique_ptr<Cache>> open_batched(const CacheOptions& options, BatchLoader loader,
                                                     Charge charge = {}) {
    auto load = [loader = std::move(loader), charge](std::span<const std::string> keys) -> Result<Loaded> {
      std::vector<Key> typed;
      typed.reserve(keys.size());
      for (const std::string& key : keys) typed.push_back(Codec::decode(payload(key)));
      auto values = loader(typed);
      if (!values) return std::move(values).error();
      Loaded loaded;
      loaded.reserve(values->size());
      for (auto& value : *values) loaded.push_back(wrap(std::move(value), charge));
      return loaded;
    };
    return make(options, std::move(load), true, charge);
  }

  // The value, loaded if need be. Null: there is none.
  Result<Pointer> get(const Key& key) {
    const std::string bytes = encode(key);
    if (auto found = core_->find(bytes)) return unwrap(*found);
    detail::CacheWait wait(1);
    core_->get(bytes, wait.slot(0));
    core_->dispatch();
    return unwrap(std::move(wait.wait().front()));
  }

  // Several at once: those that are missing are loaded together. In the order asked.
  std::vector<Result<Pointer>> get_many(std::span<const Key> keys) {
    detail::CacheWait wait(keys.size());
    core_->hold();
    for (std::size_t i = 0; i < keys.size(); ++i) core_->get(encode(keys[i]), wait.slot(i));
    core_->release();
    core_->dispatch();
    std::vector<Result<Pointer>> values;
    values.reserve(keys.size());
    for (auto& answer : wait.wait()) values.push_back(unwrap(std::move(answer)));
    return values;
  }

  // The value if it is in memory; never loads, never blocks.
  Pointer peek(const Key& key) {
    const auto found = core_->find(encode(key));
    return found ? found->template as<T>() : nullptr;
  }

  void put(const Key& key, T value) {
    core_->put(encode(key), *wrap(std::optional<T>(std::move(value)), charge_));
  }
  // Drops the value and keeps out what loads in progress have read. Call it after changing what the loader
  // reads.
  bool invalidate(const Key& key) { return core_->invalidate(encode(key)); }
  void clear() { core_->clear(); }
  CacheStats stats() const { return core_->stats(); }

 private:
  using Codec = KeyCodec<Key>;
  using Loaded = detail::CacheCore::Loaded;

  Cache(std::unique_ptr<detail::CacheCore> core, Charge charge)
      : core_(std::move(core)), charge_(std::move(charge)) {}

  static Result<std::unique_ptr<Cache>> make(const CacheOptions& options, detail::CacheCore::LoadAll load,
                                             bool batches, Charge charge) {
    auto core = detail::CacheCore::open(options, std::move(load), batches);
    if (!core) return std::move(core).error();
    return std::unique_ptr<Cache>(new Cache(std::move(*core), std::move(charge)));
  }

  // A byte more than the key, so that the empty key has bytes too.
  static std::string encode(const Key& key) {
    std::string bytes = Codec::encode(key);
    bytes.push_back('.');
    return bytes;
  }
  static std::string_view payload(std::string_view bytes) { return bytes.substr(0, bytes.size() - 1); }

  static std::optional<Value> wrap(std::optional<T> value, const Charge& charge) {
    if (!value) return std::nullopt;
    auto owner = std::make_shared<const T>(std::move(*value));
    const std::size_t bytes = charge ? charge(*owner) : sizeof(T);
    return Value::object(std::move(owner), bytes);
  }
  static Pointer unwrap(const Value& value) { return value.template as<T>(); }
  static Result<Pointer> unwrap(Result<std::optional<Value>> answer) {
    if (!answer) return std::move(answer).error();
    return *answer ? (*answer)->template as<T>() : Pointer();
  }

  std::unique_ptr<detail::CacheCore> core_;
  Charge charge_;
};

}  // namespace forebay
