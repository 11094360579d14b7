#pragma once

// A typed cache in this process that loads what it misses.
//
//   forebay::CacheOptions options;
//   options.ttl = std::chrono::minutes(5);
//   auto cache = forebay::Cache<int, User>::open(
//       options, [&](const int& id) { return database.find_user(id); });
//   auto user = (*cache)->get(42);   // Result<std::shared_ptr<const User>>; null: there is no such user
//
// The cache reads as the server does: one load however many threads ask, fresh and stale windows, early
// refresh, remembered absence, timeouts, a circuit breaker, and the fence: what a load has read before an
// invalidate() or put() is never stored after it.
//
// What a value costs to keep and to read depends on its type:
//
//   trivially copyable, up to 64 bytes   kept as its bytes; get() copies them out
//   std::string                          kept as its bytes; get() copies a short one (up to 4 KiB)
//                                        and shares a longer one
//   any other                            moved in and handed out by shared pointer: never copied,
//                                        need not be copyable
//
// visit() and peek() with a function read a value where it lies: no copy, no allocation, no reference count.
//
// Thread-safe throughout. get() blocks while a load is needed; loaders run on the cache's own threads.

#include <array>
#include <bit>
#include <chrono>
#include <concepts>
#include <cstddef>
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
#include "forebay/eviction.h"
#include "forebay/function_ref.h"
#include "forebay/result.h"
#include "forebay/value.h"

namespace forebay {

struct CacheOptions {
  std::string name = "cache";                 // for messages
  std::size_t limit = std::size_t{64} << 20;  // bytes of keys, values' charges and overhead; 0: unbounded
  std::size_t max_entries = 0;  // not 0: entries are counted instead of bytes, and limit is ignored
  // Who leaves first when it is full: lru, lfu, fifo, random, ttl, sieve, s3-fifo or w-tinylfu; noeviction:
  // nobody, what does not fit is not kept; volatile-lru, -lfu, -random and -ttl: only what expires.
  std::string policy = "lru";
  // For lru, lfu and their volatile kin. What a value is worth beyond that order: large ones leave sooner,
  // those that took long to load stay longer, or both.
  using Weigh = forebay::Weigh;
  Weigh weigh = Weigh::kNothing;
  // Who is let in when it is full: all, or only what is asked for more often than who would leave for it.
  using Admission = forebay::Admission;
  Admission admission = Admission::kAll;
  std::chrono::milliseconds ttl{0};  // 0: fresh until invalidated or evicted
  double jitter = 0.0;               // share of ttl by which it is randomly shortened, 0 to 0.9
  std::chrono::milliseconds stale_while_revalidate{0};  // after ttl: answer at once, reload in the background
  std::chrono::milliseconds stale_if_error{0};          // after ttl: answer if the loader fails
  // After a failed load: the pause before the loader is asked for that key again.
  std::chrono::milliseconds stale_throttle{1000};
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
// enums, plain structs without padding); specialise it for others. A codec has decode(), and either view(),
// which returns bytes that live as long as the key, or encode(), which makes a string of them; different keys
// must have different bytes.
template <class Key>
struct KeyCodec {
  static_assert(std::has_unique_object_representations_v<Key> && std::is_trivially_copyable_v<Key>,
                "specialise forebay::KeyCodec for this key type");
  static std::string_view view(const Key& key) { return {reinterpret_cast<const char*>(&key), sizeof(Key)}; }
  static Key decode(std::string_view bytes) {
    Key key;
    std::memcpy(&key, bytes.data(), sizeof(Key));
    return key;
  }
};
template <>
struct KeyCodec<std::string> {
  static std::string_view view(std::string_view key) { return key; }
  static std::string decode(std::string_view bytes) { return std::string(bytes); }
};

// Whether a T is kept as its bytes. Copying it must be allowed, as that is what get() does.
template <class T>
concept KeptAsBytes = std::is_same_v<T, std::string> ||
                      (std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T> && sizeof(T) <= 64);

// What get() returns for a value that is kept as its bytes: a copy, used like a pointer to const. Null: there
// is no such value.
template <class T>
class Held {
 public:
  Held() = default;
  Held(std::nullptr_t) {}                      // NOLINT: a null pointer is written so
  Held(T value) : value_(std::move(value)) {}  // NOLINT: a value is its own holder

  explicit operator bool() const { return value_.has_value(); }
  // Requires a value.
  const T& operator*() const& { return *value_; }
  T operator*() && { return *std::move(value_); }
  const T* operator->() const { return &*value_; }
  const T* get() const { return value_ ? &*value_ : nullptr; }
  friend bool operator==(const Held& a, std::nullptr_t) { return !a; }

 private:
  std::optional<T> value_;
};

// The same for strings; a long one is not copied but shared with the cache.
template <>
class Held<std::string> {
 public:
  Held() = default;
  Held(std::nullptr_t) {}                                           // NOLINT: as above
  Held(std::string value) : own_(std::move(value)), here_(true) {}  // NOLINT: as above
  Held(std::shared_ptr<const std::string> value)
      : shared_(std::move(value)), here_(shared_ != nullptr) {}  // NOLINT

  explicit operator bool() const { return here_; }
  const std::string& operator*() const& { return *get(); }
  std::string operator*() && {
    if (shared_) return *shared_;
    return std::move(own_);
  }
  const std::string* operator->() const { return get(); }
  const std::string* get() const { return shared_ ? shared_.get() : here_ ? &own_ : nullptr; }
  friend bool operator==(const Held& a, std::nullptr_t) { return !a; }

 private:
  std::shared_ptr<const std::string> shared_;
  std::string own_;
  bool here_ = false;
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
  enum class Found : unsigned char {
    kHere,    // visited
    kAbsent,  // there is no such value
    kUnknown  // not in memory, or not fit to be served
  };
  // Visits what is in memory and may be served, as bytes or (non-null) as a Value; starts a refresh that is
  // due. The visitor must be brief and must not call the cache.
  Found find(std::string_view key, FunctionRef<void(std::string_view bytes, const Value* shared)> visit);
  void put(std::string_view key, Value value);
  void put(std::string_view key, std::string_view bytes);
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
  static constexpr bool kBytes = KeptAsBytes<T>;
  using Pointer = std::conditional_t<kBytes, Held<T>, std::shared_ptr<const T>>;
  // What visit() shows: text as a view, any other value as it is.
  using Shown = std::conditional_t<std::is_same_v<T, std::string>, std::string_view, const T&>;
  // What a key is asked for by; a std::string key also by a literal or a view, without making a string of it.
  using KeyArgument = std::conditional_t<std::is_same_v<Key, std::string>, std::string_view, const Key&>;
  // Nothing: there is no such value (remembered for negative_ttl). An Error or an exception: nobody knows.
  using Loader = std::function<Result<std::optional<T>>(const Key&)>;
  // The same for several keys in one call: one answer a key, in order.
  using BatchLoader = std::function<Result<std::vector<std::optional<T>>>(std::span<const Key>)>;
  // What a value that is not kept as its bytes counts for in the limit, in bytes; sizeof(T) without it.
  using Charge = std::function<std::size_t(const T&)>;

  static Result<std::unique_ptr<Cache>> open(const CacheOptions& options, Loader loader) {
    return open_any(options, std::move(loader), {});
  }
  static Result<std::unique_ptr<Cache>> open(const CacheOptions& options, Loader loader, Charge charge)
    requires(!kBytes)
  {
    return open_any(options, std::move(loader), std::move(charge));
  }

  static Result<std::unique_ptr<Cache>> open_batched(const CacheOptions& options, BatchLoader loader) {
    return open_any_batched(options, std::move(loader), {});
  }
  static Result<std::unique_ptr<Cache>> open_batched(const CacheOptions& options, BatchLoader loader,
                                                     Charge charge)
    requires(!kBytes)
  {
    return open_any_batched(options, std::move(loader), std::move(charge));
  }

  // The value, loaded if need be. Null: there is none.
  Result<Pointer> get(KeyArgument key) {
    return with_bytes(key, [&](std::string_view bytes) -> Result<Pointer> {
      Pointer value;
      if (find(bytes, value) != Found::kUnknown) [[likely]]
        return value;
      return load(bytes);
    });
  }

  // Several at once: those that are missing are loaded together. In the order asked.
  std::vector<Result<Pointer>> get_many(std::span<const Key> keys) {
    std::vector<Result<Pointer>> values(keys.size());
    std::vector<std::size_t> missing;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      with_bytes(keys[i], [&](std::string_view bytes) {
        if (find(bytes, *values[i]) == Found::kUnknown) missing.push_back(i);
      });
    }
    if (missing.empty()) return values;
    detail::CacheWait wait(missing.size());
    core_->hold();
    for (std::size_t i = 0; i < missing.size(); ++i) {
      with_bytes(keys[missing[i]], [&](std::string_view bytes) { core_->get(bytes, wait.slot(i)); });
    }
    core_->release();
    core_->dispatch();
    auto answers = wait.wait();
    for (std::size_t i = 0; i < missing.size(); ++i) values[missing[i]] = unwrap(std::move(answers[i]));
    return values;
  }

  // Calls f(Shown) with the value, loaded if need be, and returns whether there is one. `f` sees the value
  // where it lies in the cache, perhaps under a lock: it must be brief, must not call the cache, and must
  // keep no reference to it.
  template <std::invocable<Shown> F>
  Result<bool> visit(KeyArgument key, F&& f) {
    return with_bytes(key, [&](std::string_view bytes) -> Result<bool> {
      const Found found = show(bytes, f);
      if (found != Found::kUnknown) [[likely]]
        return found == Found::kHere;
      auto value = load(bytes);
      if (!value) return std::move(value).error();
      if (!*value) return false;
      f(Shown(**std::as_const(value)));
      return true;
    });
  }

  // The value if it is in memory; never loads, never blocks.
  Pointer peek(KeyArgument key) {
    return with_bytes(key, [&](std::string_view bytes) {
      Pointer value;
      find(bytes, value);
      return value;
    });
  }
  // visit() of what is in memory: never loads, never blocks. True: `f` was called.
  template <std::invocable<Shown> F>
  bool peek(KeyArgument key, F&& f) {
    return with_bytes(key, [&](std::string_view bytes) { return show(bytes, f) == Found::kHere; });
  }

  void put(KeyArgument key, T value) {
    with_bytes(key, [&](std::string_view bytes) {
      if constexpr (std::is_same_v<T, std::string>) {
        if (value.size() > kCopiedText) return core_->put(bytes, text_value(std::move(value)));
        core_->put(bytes, std::string_view(value));
      } else if constexpr (kBytes) {
        core_->put(bytes, bytes_of(value));
      } else {
        core_->put(bytes, *wrap(std::optional<T>(std::move(value)), charge_));
      }
    });
  }
  // Drops the value and keeps out what loads in progress have read. Call it after changing what the loader
  // reads. True: there was one.
  bool invalidate(KeyArgument key) {
    return with_bytes(key, [&](std::string_view bytes) { return core_->invalidate(bytes); });
  }
  void clear() { core_->clear(); }
  CacheStats stats() const { return core_->stats(); }

 private:
  using Codec = KeyCodec<Key>;
  using Found = detail::CacheCore::Found;
  using Loaded = detail::CacheCore::Loaded;
  // Longer text is moved into the cache and shared with those who read it.
  static constexpr std::size_t kCopiedText = 4096;

  Cache(std::unique_ptr<detail::CacheCore> core, Charge charge)
      : core_(std::move(core)), charge_(std::move(charge)) {}

  static Result<std::unique_ptr<Cache>> open_any(const CacheOptions& options, Loader loader, Charge charge) {
    auto load = [loader = std::move(loader), charge](std::span<const std::string> keys) -> Result<Loaded> {
      auto value = loader(Codec::decode(keys.front()));
      if (!value) return std::move(value).error();
      Loaded loaded;
      loaded.push_back(wrap(std::move(*value), charge));
      return loaded;
    };
    return make(options, std::move(load), false, charge);
  }

  static Result<std::unique_ptr<Cache>> open_any_batched(const CacheOptions& options, BatchLoader loader,
                                                         Charge charge) {
    auto load = [loader = std::move(loader), charge](std::span<const std::string> keys) -> Result<Loaded> {
      std::vector<Key> typed;
      typed.reserve(keys.size());
      for (const std::string& key : keys) typed.push_back(Codec::decode(key));
      auto values = loader(typed);
      if (!values) return std::move(values).error();
      Loaded loaded;
      loaded.reserve(values->size());
      for (auto& value : *values) loaded.push_back(wrap(std::move(value), charge));
      return loaded;
    };
    return make(options, std::move(load), true, charge);
  }

  static Result<std::unique_ptr<Cache>> make(const CacheOptions& options, detail::CacheCore::LoadAll load,
                                             bool batches, Charge charge) {
    auto core = detail::CacheCore::open(options, std::move(load), batches);
    if (!core) return std::move(core).error();
    return std::unique_ptr<Cache>(new Cache(std::move(*core), std::move(charge)));
  }

  // Calls f with the key's bytes, in place where the codec can show them.
  template <class F>
  static auto with_bytes(KeyArgument key, F&& f) {
    if constexpr (requires { Codec::view(key); }) {
      return f(std::string_view(Codec::view(key)));
    } else {
      const std::string bytes = Codec::encode(key);
      return f(std::string_view(bytes));
    }
  }

  static std::string_view bytes_of(const T& value)
    requires kBytes
  {
    if constexpr (std::is_same_v<T, std::string>) {
      return value;
    } else {
      return {reinterpret_cast<const char*>(&value), sizeof(T)};
    }
  }
  // The value that bytes_of() gave these bytes of, as they lie unaligned in the cache.
  static T value_of(std::string_view bytes)
    requires kBytes
  {
    if constexpr (std::is_same_v<T, std::string>) {
      return T(bytes);
    } else {
      alignas(T) std::array<char, sizeof(T)> room;
      std::memcpy(room.data(), bytes.data(), sizeof(T));
      return std::bit_cast<T>(room);
    }
  }
  static const T& object_in(const Value& value) { return *static_cast<const T*>(value.owner().get()); }
  // Long text is an object, so that it is moved in and shared.
  static Value text_value(std::string text) {
    if (text.size() <= kCopiedText) return Value::bytes(std::move(text));
    const std::size_t bytes = text.size();
    return Value::object(std::make_shared<const std::string>(std::move(text)), bytes);
  }
  static Pointer pointer_to(std::string_view bytes, const Value* shared) {
    if constexpr (std::is_same_v<T, std::string>) {
      if (shared != nullptr && shared->is_object()) return shared->template as<std::string>();
      return value_of(bytes);
    } else if constexpr (kBytes) {
      return value_of(bytes);
    } else {
      return shared->template as<T>();
    }
  }

  Found find(std::string_view key, Pointer& value) {
    return core_->find(
        key, [&](std::string_view bytes, const Value* shared) { value = pointer_to(bytes, shared); });
  }
  template <class F>
  Found show(std::string_view key, F& f) {
    return core_->find(key, [&](std::string_view bytes, const Value* shared) {
      if constexpr (std::is_same_v<T, std::string>) {
        f(shared != nullptr && shared->is_object() ? std::string_view(object_in(*shared)) : bytes);
      } else if constexpr (kBytes) {
        f(value_of(bytes));
      } else {
        f(object_in(*shared));
      }
    });
  }
  Result<Pointer> load(std::string_view key) {
    detail::CacheWait wait(1);
    core_->get(key, wait.slot(0));
    core_->dispatch();
    return unwrap(std::move(wait.wait().front()));
  }

  static std::optional<Value> wrap(std::optional<T> value, const Charge& charge) {
    if (!value) return std::nullopt;
    if constexpr (std::is_same_v<T, std::string>) {
      return text_value(std::move(*value));
    } else if constexpr (kBytes) {
      return Value::bytes(std::string(bytes_of(*value)));
    } else {
      auto owner = std::make_shared<const T>(std::move(*value));
      const std::size_t bytes = charge ? charge(*owner) : sizeof(T);
      return Value::object(std::move(owner), bytes);
    }
  }
  static Result<Pointer> unwrap(Result<std::optional<Value>> answer) {
    if (!answer) return std::move(answer).error();
    return *answer ? pointer_to((*answer)->view(), &**answer) : Pointer();
  }

  std::unique_ptr<detail::CacheCore> core_;
  Charge charge_;
};

}  // namespace forebay
