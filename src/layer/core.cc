#include "layer/core.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/glob.h"
#include "base/hash.h"
#include "layer/memory_options.h"
#include "layer/noted.h"

namespace forebay::layer {
namespace {

constexpr Duration kUpkeepEvery = std::chrono::milliseconds(20);
constexpr Duration kUpkeepAgain = std::chrono::milliseconds(1);  // while more is due
constexpr Duration kCurvesEvery = std::chrono::minutes(1);
constexpr std::size_t kScanStep = 256;
constexpr std::size_t kWarmStep = 500;  // keys under way at once for one warming

// All reads that a namespace has had.
std::uint64_t reads_of(const Space& space) {
  std::uint64_t reads = 0;
  for (const Count result : {kHits, kStale, kNegative, kMisses, kErrors}) reads += space.counters.sum(result);
  return reads;
}

// What the namespace's limits say about writes behind.
void add_alarms(const Space& space, LayerStats& stats) {
  using Seconds = std::chrono::duration<double>;
  const auto plural = [](std::uint64_t count, const char* one, const char* many) {
    return fmt::format("{} {}", count, count == 1 ? one : many);
  };
  const config::Namespace& config = space.config;
  const auto pending = std::ranges::find(stats.namespaces, space.name(), &NamespaceStats::name);
  const double bound = Seconds(config.flush_every + config.alarm_age).count();
  if (config.alarm_age > Duration::zero() && pending != stats.namespaces.end() &&
      pending->pending_oldest_seconds > bound) {
    stats.health.push_back(fmt::format(
        "namespace {}: {} for source {}, the oldest for {:.0f} s (alarm: {:g} s beyond flush.every)",
        space.name(), plural(pending->pending_records, "write waits", "writes wait"), config.source,
        pending->pending_oldest_seconds, Seconds(config.alarm_age).count()));
  }
  std::size_t letters = 0;
  for (const FlushStats& flush : stats.flushes) {
    if (flush.space == space.name() && flush.source == config.source) letters += flush.dead_letters;
  }
  if (config.alarm_dead_letters > 0 && letters >= config.alarm_dead_letters) {
    stats.health.push_back(fmt::format("namespace {}: {} in source {} (alarm: {})", space.name(),
                                       plural(letters, "dead letter", "dead letters"), config.source,
                                       config.alarm_dead_letters));
  }
}

}  // namespace

Core::Core(std::unique_ptr<memory::Tier> tier, Parts parts, std::unique_ptr<ThreadScheduler> scheduler)
    : own_scheduler_(std::move(scheduler)),
      scheduler_(own_scheduler_ ? *own_scheduler_ : *parts.scheduler),
      clock_(parts.clock ? *parts.clock : system_clock()),
      random_(parts.random ? *parts.random : system_random()),
      open_port_(std::move(parts.open_port)),
      open_journal_(std::move(parts.open_journal)),
      run_blocking_(std::move(parts.run_blocking)),
      predict_(parts.predict),
      tier_(std::move(tier)),
      recent_(clock_.now()),
      flights_(scheduler_),
      curves_(parts.curves),
      reads_(*tier_, flights_, events_, curves_, clock_, random_, scheduler_),
      invalidator_(router_, *tier_, flights_, events_, curves_, clock_),
      tokens_(random_),
      writes_(*tier_, flights_, invalidator_, curves_, clock_, random_, tokens_),
      dead_letters_({[this] { return behind_sources(); }, router_,
                     [this](Space& space, std::string_view key, journal::Effect effect, WriteCallback done) {
                       behind_->path().write_again(space, key, std::move(effect), std::move(done));
                     },
                     [this](const std::string& source) { behind_->dead_changed(source); }}) {
  follow_memory();
}

void Core::follow_memory() {
  const memory::TierOptions options = tier_->options();
  curves_.set_memory(predict_ && options.count == memory::Count::kBytes ? options.limit : 0);
}

Result<std::unique_ptr<Core>> Core::open(const config::Model& model, Parts parts) {
  memory::TierOptions memory;
  if (parts.memory) {
    memory = *std::exchange(parts.memory, {});
  } else {
    configure_memory(model.memory, memory);
  }
  auto tier = memory::Tier::open(memory, parts.clock ? *parts.clock : system_clock());
  if (!tier) return std::move(tier).error();
  auto scheduler = parts.scheduler
                       ? nullptr
                       : std::make_unique<ThreadScheduler>(parts.clock ? *parts.clock : system_clock());
  const Unreachable unreachable = parts.unreachable;
  std::unique_ptr<Core> core(new Core(std::move(*tier), std::move(parts), std::move(scheduler)));
  if (auto journal = core->open_journal(model.journal); !journal) return std::move(journal).error();
  {
    MutexLock lock(core->config_mutex_);
    auto first = core->plan(model, unreachable);
    if (!first) return std::move(first).error();
    core->take_over(std::move(*first));
    core->start_behind();
  }
  core->upkeep();
  return core;
}

Core::~Core() {
  std::vector<std::shared_ptr<ActiveSource>> all;
  {
    MutexLock lock(config_mutex_);
    all = std::exchange(sources_, {});
    for (auto& retired : retired_sources_) all.push_back(std::move(retired));
  }
  for (const auto& active : all) active->poller.reset();
  if (behind_) behind_->stop();
  for (const auto& active : all) active->gate->close();
  for (Waiter& waiter : flights_.close()) {
    waiter.done(Error{ErrorCode::kCancelled, "shutting down before the source answered"});
  }
  // Calls that run end here; what they loaded finds its flights settled.
  for (const auto& active : all) active->port.reset();
  // What the journal has yet to write down is written, and answered.
  behind_.reset();
  own_scheduler_.reset();
}

void Core::upkeep() {
  const Instant now = clock_.now();
  recent_.store(now, std::memory_order_relaxed);
  const bool more = tier_->tick(now);
  if (now - curves_aged_ >= kCurvesEvery) {
    curves_aged_ = now;
    for (const Space* space : router().spaces()) curves_.age(space->info.index, reads_of(*space), now);
  }
  scheduler_.post_at(clock_.now() + (more ? kUpkeepAgain : kUpkeepEvery), [this] { upkeep(); });
}

void Core::read(std::string_view key, const ReadOptions& options, ReadCallback done) {
  Space& space = route(key);
  Level level = options.level;
  if (level == Level::kReadYourWrites) {
    // On one node a write has left its key's copy and flights behind it before its token is handed out, so
    // every later read includes it. A token from elsewhere proves nothing here: ask the source.
    level = tokens_.knows(options.token) ? Level::kAny : Level::kFresh;
  }
  reads_.read(space, key, level, std::move(done));
}

bool Core::peek(std::string_view key, Instant now, FunctionRef<void(const EntryView&)> visit) {
  const Space& space = route(key);
  bool found = false;
  tier_->find(
      key, now,
      [&](const EntryView& entry) {
        if (!space.owns(entry.stamp()) || entry.stamp().negative) return;
        found = true;
        visit(entry);
      },
      Touch::kNo);
  return found;
}

PutOutcome Core::update(std::string_view key, Instant now, FunctionRef<Change(const EntryView*)> decide) {
  const Space& space = route(key);
  const std::uint64_t hash = hash_bytes(key);
  const auto decided = [&](const EntryView* current) {
    const bool valid = current && space.owns(current->stamp()) && !current->stamp().negative;
    Change change = decide(valid ? current : nullptr);
    change.stamp.space = space.info.index;
    change.stamp.epoch = space.epoch.load(std::memory_order_acquire);
    // Keeping what is no longer valid would be to keep nothing.
    if (!valid && current && change.kind == Change::Kind::kKeep && !current->stamp().negative)
      return Change::erase();
    return change;
  };
  if (!curves_.sampled(hash)) return tier_->update(key, now, decided);
  auto kind = Change::Kind::kKeep;
  std::uint64_t bytes = 0;
  Stamp stamp;
  const PutOutcome outcome = tier_->update(key, now, [&](const EntryView* current) {
    Change change = decided(current);
    kind = change.kind;
    stamp = change.stamp;
    if (kind == Change::Kind::kReplace) {
      bytes = value_bytes(change);
    } else if (current != nullptr) {
      bytes = current->shared() ? value_bytes(*current->shared()) : current->bytes().size();
    }
    return change;
  });
  if (kind != Change::Kind::kKeep) note_write(curves_, space, key, hash, bytes, stamp, outcome);
  return outcome;
}

bool Core::drop_unbound(std::string_view key, Instant now) {
  bool valid = false;
  peek(key, now, [&](const EntryView&) { valid = true; });
  if (const std::uint64_t hash = hash_bytes(key); curves_.sampled(hash)) curves_.dropped(hash);
  return tier_->erase(key, now, Departure::kInvalidated) && valid;
}

Stamp Core::stamp_for(std::string_view key, Instant now) {
  const Space& space = route(key);
  Stamp stamp;
  stamp.space = space.info.index;
  stamp.epoch = space.epoch.load(std::memory_order_acquire);
  set_times(space.config, stamp, now, random_);
  return stamp;
}

std::uint64_t Core::scan(std::uint64_t cursor, std::size_t count, Instant now,
                         FunctionRef<void(const EntryView&)> visit) {
  const Router& current = router();
  return tier_->scan(cursor, count, now, [&](const EntryView& entry) {
    if (entry.stamp().negative || !current.route(entry.key()).owns(entry.stamp())) return;
    visit(entry);
  });
}

bool Core::random_entry(Instant now, FunctionRef<void(const EntryView&)> visit) {
  const Router& current = router();
  constexpr int kTries = 32;  // entries of an old epoch are passed over; they may be many right after a purge
  bool found = false;
  for (int i = 0; i < kTries && !found; ++i) {
    const bool any = tier_->random(now, random_.next(), [&](const EntryView& entry) {
      if (entry.stamp().negative || !current.route(entry.key()).owns(entry.stamp())) return;
      found = true;
      visit(entry);
    });
    if (!any) return false;
  }
  return found;
}

Result<void> Core::purge_namespace(std::string_view name) {
  Space* space = router().find(name);
  if (!space) return Error{ErrorCode::kInvalidArgument, fmt::format("there is no namespace '{}'", name)};
  invalidator_.drop_space(*space);
  return {};
}

std::size_t Core::purge_match(std::string_view glob) {
  const auto pattern = Glob::compile(glob);
  if (!pattern) return 0;
  std::size_t dropped = 0;
  std::uint64_t cursor = 0;
  do {
    std::vector<std::string> keys;
    cursor = scan(cursor, kScanStep, clock_.now(), [&](const EntryView& entry) {
      if (pattern->matches(entry.key())) keys.emplace_back(entry.key());
    });
    for (const std::string& key : keys) {
      dropped += invalidator_.drop(route(key), key, observe::Invalidation::kPurge) ? 1 : 0;
    }
  } while (cursor != 0);
  return dropped;
}

// One warming: a step of keys at a time, so that it never fills the sources' queues.
struct WarmJob {
  std::vector<std::string> keys;
  std::size_t next = 0;
  std::move_only_function<void(Result<std::size_t>)> done;
  Mutex mutex;
  std::size_t open GUARDED_BY(mutex) = 0;
  std::size_t loaded GUARDED_BY(mutex) = 0;
  std::optional<Error> error GUARDED_BY(mutex);
};

void Core::warm(std::vector<std::string> keys, std::move_only_function<void(Result<std::size_t>)> done) {
  for (const std::string& key : keys) {
    if (!route(key).info.read_through) {
      return done(Error{ErrorCode::kUnsupported,
                        fmt::format("key '{}' belongs to no namespace that reads through", key)});
    }
  }
  auto job = std::make_shared<WarmJob>();
  job->keys = std::move(keys);
  job->done = std::move(done);
  warm_next(std::move(job));
}

void Core::warm_next(std::shared_ptr<WarmJob> job) {
  const std::size_t end = std::min(job->keys.size(), job->next + kWarmStep);
  const std::size_t begin = std::exchange(job->next, end);
  {
    MutexLock lock(job->mutex);
    job->open =
        end - begin + 1;  // one more for this function, so that the step can't end before all are under way
  }
  const auto finish = [this, job](Result<Answer> answer) {
    Result<std::size_t> result = std::size_t{0};
    {
      MutexLock lock(job->mutex);
      if (!answer) {
        job->error = std::move(answer).error();
      } else if (answer->result == ReadResult::kMiss) {
        ++job->loaded;
      }
      if (--job->open > 0) return;
      if (job->error) {
        result = *job->error;
      } else {
        result = job->loaded;
      }
    }
    if (!result || job->next == job->keys.size()) return job->done(std::move(result));
    warm_next(job);
  };
  for (std::size_t i = begin; i < end; ++i) reads_.warm(route(job->keys[i]), job->keys[i], finish);
  reads_.dispatch();
  Answer none;
  none.result = ReadResult::kHit;
  finish(std::move(none));
}

Result<void> Core::set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy) {
  MutexLock lock(config_mutex_);
  memory::TierOptions options = tier_->options();
  if (limit) options.limit = *limit;
  if (policy) options.policy = std::move(*policy);
  auto reconfigured = tier_->reconfigure(options);
  follow_memory();
  return reconfigured;
}

std::optional<PredictedHitRate> Core::predicted(const Space& space, std::size_t limit) const {
  const std::uint64_t reads = reads_of(space);
  PredictedHitRate rates{};
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const auto ratio =
        curves_.hit_ratio(space.info.index, reads,
                          static_cast<std::uint64_t>(static_cast<double>(limit) * kPredictedMemory[i]));
    if (!ratio) return std::nullopt;
    rates[i] = *ratio;
  }
  return rates;
}

LayerStats Core::stats() const {
  const memory::TierStats tier = tier_->stats();
  LayerStats stats;
  stats.entries = tier.entries;
  stats.bytes = tier.bytes;
  stats.limit = tier_->options().limit;
  stats.with_expiry = tier.with_expiry;
  stats.evicted = tier.evicted;
  stats.expired = tier.expired;
  stats.too_large = tier.too_large;
  stats.refused_full = tier.refused_full;
  for (const Space* space : router().spaces()) {
    NamespaceStats each;
    each.name = space->info.name;
    each.hits = space->counters.sum(kHits);
    each.stale = space->counters.sum(kStale);
    each.negative = space->counters.sum(kNegative);
    each.misses = space->counters.sum(kMisses);
    each.errors = space->counters.sum(kErrors);
    each.coalesced = space->counters.sum(kCoalesced);
    each.refreshes = space->counters.sum(kRefreshes);
    each.fenced = space->counters.sum(kFenced);
    each.invalidations = space->counters.sum(kInvalidations);
    if (space->info.index < tier.entries_by_space.size())
      each.entries = tier.entries_by_space[space->info.index];
    each.predicted_hit_rate = predicted(*space, stats.limit);
    stats.namespaces.push_back(std::move(each));
  }
  if (behind_) behind_->stats(stats);
  for (const Space* space : router().spaces()) {
    if (!space->info.writes_behind) continue;
    const auto known = std::ranges::find_if(stats.flushes, [&](const FlushStats& flush) {
      return flush.source == space->config.source && flush.space == space->name();
    });
    if (known == stats.flushes.end()) {
      stats.flushes.push_back({.source = space->config.source, .space = space->name()});
    }
    add_alarms(*space, stats);
  }
  MutexLock lock(config_mutex_);
  for (const auto& active : sources_) {
    stats.sources.push_back(active->gate->stats());
    if (active->poller)
      stats.feed_lag_seconds = std::max(stats.feed_lag_seconds, active->poller->lag().count());
  }
  return stats;
}

void Core::reset_stats() {
  for (Space* space : router().spaces()) {
    space->counters.reset();
    curves_.restart(space->info.index);
  }
  MutexLock lock(config_mutex_);
  for (const auto& active : sources_) active->gate->reset_stats();
}

}  // namespace forebay::layer
