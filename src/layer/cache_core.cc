// Cache<Key, Value> without its types: the layer's core with one namespace over the program's own loader.

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <exception>
#include <thread>
#include <utility>

#include "base/thread_pool.h"
#include "forebay/cache.h"
#include "layer/core.h"
#include "layer/read/look_up.h"
#include "layer/write/put.h"
#include "memory/eviction/registry.h"

namespace forebay::detail {
namespace {

using layer::CallOptions;
using layer::LoadDone;
using layer::LoadedValue;

// The loader on threads of its own.
class LoaderPort final : public layer::SourcePort {
 public:
  LoaderPort(const CacheOptions& options, CacheCore::LoadAll load, bool batches)
      : name_(options.name),
        load_(std::move(load)),
        batches_(batches),
        threads_(options.loader_threads),
        pool_(options.loader_threads) {}

  std::size_t concurrency() const override { return threads_; }
  Result<std::shared_ptr<layer::DatasetPort>> open(const DatasetSpec&) override {
    return std::shared_ptr<layer::DatasetPort>(std::make_shared<Loads>(*this));
  }
  // There is no telling whether a loader works but to call it: after its pause the breaker lets loads through
  // again.
  void ping(CallOptions, layer::PingDone done) override { done({}); }

 private:
  class Loads final : public layer::DatasetPort {
   public:
    explicit Loads(LoaderPort& port) : port_(port) {}
    bool batches() const override { return port_.batches_; }
    void load(std::vector<KeyFields> keys, CallOptions, LoadDone done) override {
      port_.pool_.run(
          [this, keys = std::move(keys), done = std::move(done)]() mutable { done(port_.call(keys)); });
    }

   private:
    LoaderPort& port_;
  };

  Result<std::vector<LoadedValue>> call(const std::vector<KeyFields>& keys) {
    std::vector<std::string> bytes;
    bytes.reserve(keys.size());
    // An empty key matches no pattern and so has no fields.
    for (const KeyFields& key : keys) bytes.push_back(key.empty() ? std::string() : key.front());
    try {
      auto loaded = load_(bytes);
      if (!loaded) return std::move(loaded).error();
      if (loaded->size() != keys.size()) {
        return Error{ErrorCode::kInternal, fmt::format("the loader of cache '{}' answered {} of {} keys",
                                                       name_, loaded->size(), keys.size())};
      }
      std::vector<LoadedValue> values;
      values.reserve(loaded->size());
      for (auto& value : *loaded) values.emplace_back().value = std::move(value);
      return values;
    } catch (const std::exception& e) {
      return Error{ErrorCode::kUnavailable,
                   fmt::format("the loader of cache '{}' threw: {}", name_, e.what())};
    } catch (...) {
      return Error{ErrorCode::kUnavailable, fmt::format("the loader of cache '{}' threw", name_)};
    }
  }

  const std::string name_;
  const CacheCore::LoadAll load_;
  const bool batches_;
  const std::size_t threads_;
  ThreadPool pool_;
};

std::optional<std::string> mistake_in(const CacheOptions& options) {
  if (options.jitter < 0 || options.jitter > 0.9) return "jitter must be 0 to 0.9";
  if (options.refresh_ahead < 0 || options.refresh_ahead >= 1)
    return "refresh_ahead must be at least 0 and below 1";
  if (options.xfetch < 0) return "xfetch must not be negative";
  if (options.loader_threads < 1 || options.loader_threads > 256) return "loader_threads must be 1 to 256";
  if (options.max_batch < 1) return "max_batch must be at least 1";
  if (options.timeout.count() <= 0) return "timeout must be positive";
  if (options.ttl.count() < 0 || options.negative_ttl.count() < 0) return "a ttl must not be negative";
  if (options.negative_ttl > std::chrono::seconds(30)) return "negative_ttl must be at most 30 s";
  if (options.ttl.count() == 0 &&
      (options.stale_while_revalidate.count() > 0 || options.stale_if_error.count() > 0 ||
       options.refresh_ahead > 0 || options.xfetch > 0)) {
    return "stale windows, refresh_ahead and xfetch need a ttl";
  }
  if (options.weigh != CacheOptions::Weigh::kNothing || options.admission != CacheOptions::Admission::kAll) {
    const auto policy = memory::find_policy(options.policy);
    if (policy && !(*policy)->heeds_options)
      return fmt::format("policy '{}' heeds neither weigh nor admission", options.policy);
  }
  return std::nullopt;
}

memory::TierOptions memory_of(const CacheOptions& options) {
  memory::TierOptions memory;
  memory.limit = options.max_entries != 0 ? options.max_entries : options.limit;
  memory.count = options.max_entries != 0 ? memory::Count::kEntries : memory::Count::kBytes;
  memory.policy = options.policy;
  memory.policy_options.weigh = options.weigh;
  memory.policy_options.admission = options.admission;
  // Threads of one program come close together: more shards than the tier would take keep them out of each
  // other's way.
  memory.shards = std::bit_ceil(16 * std::max<std::size_t>(1, std::thread::hardware_concurrency()));
  memory.shards = std::min<std::size_t>(memory.shards, 64);
  return memory;
}

config::Model model_of(const CacheOptions& options) {
  config::Model model;
  model.file = options.name;
  config::Source source;
  source.name = options.name;
  source.kind = "function";
  source.pool = options.loader_threads;
  source.timeout = options.timeout;
  model.sources.push_back(source);
  config::Namespace space;
  space.name = options.name;
  space.key = {"{key}", {"", ""}, {"key"}};
  space.source = options.name;
  space.query = "{key}";
  space.kind = ValueKind::kText;
  space.ttl = options.ttl;
  space.jitter = options.jitter;
  space.stale_while_revalidate = options.stale_while_revalidate;
  space.stale_if_error = options.stale_if_error;
  space.stale_throttle = options.stale_throttle;
  space.refresh_ahead = options.refresh_ahead;
  space.xfetch = options.xfetch;
  space.negative_ttl = options.negative_ttl;
  space.soft_timeout = options.soft_timeout;
  space.timeout = options.timeout;
  space.max_batch = options.max_batch;
  model.namespaces.push_back(space);
  return model;
}

}  // namespace

struct CacheCore::Impl {
  std::unique_ptr<layer::Core> core;
  layer::Namespace* space = nullptr;
  // Nothing that is kept gets older: then a hit needs no clock.
  bool timeless = false;

  Instant now() const { return timeless ? core->recent() : core->clock().now(); }
  void put(std::string_view key, layer::NewCopy&& copy) {
    layer::put_copy(core->copies(), core->keys(), {*space, key}, std::move(copy), now());
  }
};

CacheCore::CacheCore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
CacheCore::~CacheCore() = default;

Result<std::unique_ptr<CacheCore>> CacheCore::open(const CacheOptions& options, LoadAll load, bool batches) {
  if (auto mistake = mistake_in(options)) {
    return Error{ErrorCode::kConfig, fmt::format("cache '{}': {}", options.name, *mistake)};
  }
  layer::Parts parts;
  parts.clock = options.clock;
  parts.memory = memory_of(options);
  parts.predict = false;  // there is nowhere to read it
  parts.watch_shapes = false;
  parts.open_port = [&](const config::Source&) -> Result<std::shared_ptr<layer::SourcePort>> {
    return std::shared_ptr<layer::SourcePort>(
        std::make_shared<LoaderPort>(options, std::move(load), batches));
  };
  auto core = layer::Core::open(model_of(options), std::move(parts));
  if (!core) return std::move(core).error();
  auto impl = std::make_unique<Impl>();
  impl->core = std::move(*core);
  impl->space = impl->core->router().find(options.name);
  impl->space->sole = true;
  impl->space->notes_loads = options.refresh_ahead > 0 || options.xfetch > 0 ||
                             options.weigh == CacheOptions::Weigh::kCost ||
                             options.weigh == CacheOptions::Weigh::kCostPerByte;
  impl->timeless = options.ttl.count() == 0 && options.negative_ttl.count() == 0;
  return std::unique_ptr<CacheCore>(new CacheCore(std::move(impl)));
}

void CacheCore::get(std::string_view key, Done done) {
  impl_->core->reads().read({*impl_->space, key}, Level::kAny,
                            [done = std::move(done)](Result<Answer> answer) mutable {
                              if (!answer) return done(std::move(answer).error());
                              done(std::move(answer->value));
                            });
}

void CacheCore::dispatch() {
  impl_->core->loads().dispatch();
}

void CacheCore::hold() {
  impl_->core->loads().begin_gathering();
}

void CacheCore::release() {
  impl_->core->loads().end_gathering();
}

CacheCore::Found CacheCore::find(std::string_view key,
                                 FunctionRef<void(std::string_view bytes, const Value* shared)> visit) {
  // Numbers are keys so often that they have code of their own.
  constexpr std::size_t kNumber = sizeof(std::uint64_t);
  layer::ReadPath& reads = impl_->core->reads();
  const Instant now = impl_->now();
  switch (key.size() == kNumber ? reads.look_up_bytes(*impl_->space, {key.data(), kNumber}, now, visit)
                                : reads.look_up_bytes(*impl_->space, key, now, visit)) {
    case LookUp::kAnswered:
      return Found::kHere;
    case LookUp::kAbsent:
      return Found::kAbsent;
    case LookUp::kLoad:
      break;
  }
  return Found::kUnknown;
}

void CacheCore::put(std::string_view key, Value value) {
  layer::NewCopy copy;
  copy.value = std::move(value);
  impl_->put(key, std::move(copy));
}

void CacheCore::put(std::string_view key, std::string_view bytes) {
  layer::NewCopy copy;
  copy.bytes = bytes;
  impl_->put(key, std::move(copy));
}

bool CacheCore::invalidate(std::string_view key) {
  return impl_->core->invalidator().drop({*impl_->space, key}, observe::Invalidation::kDelete);
}

void CacheCore::clear() {
  impl_->core->invalidator().drop_everything();
}

CacheStats CacheCore::stats() const {
  const LayerStats layer = impl_->core->statistics().collect();
  const NamespaceStats& space = layer.namespaces.at(1);
  const SourceStats& loader = layer.sources.at(0);
  CacheStats stats;
  stats.hits = space.hits;
  stats.stale = space.stale;
  stats.negative = space.negative;
  stats.misses = space.misses;
  stats.errors = space.errors;
  stats.coalesced = space.coalesced;
  stats.refreshes = space.refreshes;
  stats.fenced = space.fenced;
  stats.loads = loader.loads;
  stats.keys_loaded = loader.load_keys;
  stats.evicted = layer.evicted;
  stats.entries = layer.entries;
  stats.bytes = layer.bytes;
  return stats;
}

struct CacheWait::State {
  Mutex mutex;
  Condition all_there;
  std::size_t missing GUARDED_BY(mutex) = 0;
  std::vector<Result<std::optional<Value>>> answers GUARDED_BY(mutex);
};

CacheWait::CacheWait(std::size_t count) : state_(std::make_unique<State>()) {
  MutexLock lock(state_->mutex);
  state_->missing = count;
  state_->answers.resize(count, std::optional<Value>());
}
CacheWait::~CacheWait() = default;

CacheCore::Done CacheWait::slot(std::size_t index) {
  return [state = state_.get(), index](Result<std::optional<Value>> answer) {
    MutexLock lock(state->mutex);
    state->answers[index] = std::move(answer);
    // Notified with the lock held: the waiter may destroy the state as soon as it can take the lock.
    if (--state->missing == 0) state->all_there.notify_one();
  };
}

std::vector<Result<std::optional<Value>>> CacheWait::wait() {
  MutexLock lock(state_->mutex);
  state_->all_there.wait(state_->mutex, [this]() NO_THREAD_SAFETY_ANALYSIS { return state_->missing == 0; });
  return std::move(state_->answers);
}

}  // namespace forebay::detail
