#include "layer/core.h"

#include <algorithm>
#include <utility>

#include "layer/memory_options.h"
#include "layer/write/behind.h"

namespace forebay::layer {
namespace {

constexpr Duration kUpkeepEvery = std::chrono::milliseconds(20);
constexpr Duration kUpkeepAgain = std::chrono::milliseconds(1);  // while more is due
constexpr Duration kCurvesEvery = std::chrono::minutes(1);

}  // namespace

Core::Core(std::unique_ptr<memory::Tier> tier, const Parts& parts, std::unique_ptr<ThreadScheduler> scheduler)
    : own_scheduler_(std::move(scheduler)),
      scheduler_(own_scheduler_ ? *own_scheduler_ : *parts.scheduler),
      clock_(parts.clock ? *parts.clock : system_clock()),
      random_(parts.random ? *parts.random : system_random()),
      predict_(parts.predict),
      tier_(std::move(tier)),
      recent_(clock_.now()),
      curves_(parts.curves),
      event_observer_(events_),
      curve_observer_(curves_),
      copies_(*tier_, random_),
      boards_(copies_),
      keys_(scheduler_),
      no_router_({&no_namespace_}),
      router_(&no_router_),
      news_(router_),
      memory_(copies_, random_),
      loads_(copies_, keys_, memory_, clock_, scheduler_),
      reads_(copies_, keys_, memory_, loads_, curves_, clock_),
      warmer_(loads_, [this](std::string_view key) -> Namespace& { return route(key); }),
      invalidator_(router_, copies_, keys_, clock_),
      event_invalidator_(router_, invalidator_, copies_, clock_, scheduler_),
      events_heard_({event_invalidator_, clock_, random_}),
      keyspace_(router_, copies_, invalidator_, clock_, random_),
      auditor_({router_, copies_, invalidator_, clock_, random_, scheduler_,
                [this](std::string_view key) { return explain(key); }, [this] { loads_.dispatch(); }}),
      tokens_(random_),
      unconfirmed_(invalidator_, clock_, scheduler_),
      writes_(router_, copies_, keys_, loads_, invalidator_, unconfirmed_, clock_, scheduler_, tokens_),
      dead_letters_(
          {[this] { return configuration_->behind_sources(); }, router_,
           [this](Namespace& space, std::string_view key, journal::Effect effect, WriteCallback done) {
             journaled_->strategy().write_again({space, key}, std::move(effect), std::move(done));
           },
           [this](const std::string& source) { journaled_->dead_changed(source); }}) {
  copies_.observe(event_observer_);
  copies_.observe(curve_observer_);
  copies_.observe(news_);
  copies_.observe(auditor_);
  copies_.observe_members(boards_);
  loads_.set_boards(boards_);
  tier_->observe(news_);
  follow_memory();
}

Result<std::unique_ptr<Core>> Core::open(const config::Model& model, Parts parts) {
  memory::TierOptions memory;
  if (parts.memory) {
    memory = *parts.memory;
  } else {
    configure_memory(model.memory, memory);
  }
  Clock& clock = parts.clock ? *parts.clock : system_clock();
  auto tier = memory::Tier::open(memory, clock);
  if (!tier) return std::move(tier).error();
  auto scheduler = parts.scheduler ? nullptr : std::make_unique<ThreadScheduler>(clock);
  std::unique_ptr<Core> core(new Core(std::move(*tier), parts, std::move(scheduler)));
  if (auto journal = core->open_journal(model.journal, parts); !journal) return std::move(journal).error();
  Core& me = *core;
  me.writes_.make_strategies(me.journaled_.get());
  me.configuration_ = std::make_unique<Configuration>(Configuration::Parts{me.router_,
                                                                           *me.tier_,
                                                                           me.loads_,
                                                                           me.journaled_.get(),
                                                                           me.events_heard_,
                                                                           [&me] { me.follow_memory(); },
                                                                           [&me] { me.shape_watch_.wake(); },
                                                                           {std::move(parts.open_port),
                                                                            me.clock_,
                                                                            me.scheduler_,
                                                                            me.loads_,
                                                                            me.invalidator_,
                                                                            me.writes_,
                                                                            me.tier_->tags(),
                                                                            {}}});
  me.statistics_ = std::make_unique<Statistics>(Statistics::Parts{
      me.router_, *me.tier_, me.curves_, *me.configuration_, me.journaled_.get(), me.auditor_});
  if (auto opened = me.configuration_->open(model, parts.unreachable); !opened)
    return std::move(opened).error();
  if (parts.watch_shapes) me.shape_watch_.start(*me.configuration_);
  me.auditor_.start();
  me.upkeep();
  return core;
}

Result<void> Core::open_journal(const config::Journal& config, Parts& parts) {
  if (config.path.empty()) return {};
  auto opened = JournaledWrites::open(
      config,
      {copies_, keys_, loads_, invalidator_, writes_, clock_, random_, scheduler_,
       std::move(parts.open_journal), std::move(parts.run_blocking), [this](std::vector<std::string> keys) {
         // Their entries survive the restart warm.
         std::erase_if(keys, [this](const auto& key) { return !route(key).info.read_through; });
         warmer_.warm(std::move(keys), [](const Result<std::size_t>&) {});
       }});
  if (!opened) return std::move(opened).error();
  journaled_ = std::move(*opened);
  loads_.set_overlay(journaled_->overlay());
  auditor_.set_overlay(journaled_->overlay());
  return {};
}

Core::~Core() {
  shape_watch_.stop();
  auditor_.stop();
  events_heard_.follow({});
  event_invalidator_.stop();
  if (configuration_) configuration_->stop_feeds();
  if (journaled_) journaled_->stop();
  if (configuration_) configuration_->close_gates();
  for (Waiter& waiter : keys_.close()) {
    waiter.done(Error{ErrorCode::kCancelled, "shutting down before the source answered"});
  }
  unconfirmed_.stop();
  // Calls that run end here; what they loaded finds its flights ended.
  if (configuration_) configuration_->close_sources();
  // What the journal has yet to write down is written, and answered.
  journaled_.reset();
  own_scheduler_.reset();
}

void Core::follow_memory() {
  const memory::TierOptions options = tier_->options();
  curves_.set_memory(predict_ && options.count == memory::Count::kBytes ? options.limit : 0);
}

void Core::listen(std::shared_ptr<KeyListener> listener) {
  const bool anybody = listener != nullptr;
  news_.listen(std::move(listener));
  copies_.follow_answers(anybody);
}

void Core::upkeep() {
  const Instant now = clock_.now();
  recent_.store(now, std::memory_order_relaxed);
  if (const Duration moved = clock_.follow_wall_clock(); moved != Duration::zero())
    tier_->move_wall_times(now, moved);
  const bool more = tier_->tick(now);
  if (now - curves_aged_ >= kCurvesEvery) {
    curves_aged_ = now;
    for (const Namespace* space : router().spaces()) curves_.age(space->info.index, reads_of(*space), now);
  }
  scheduler_.post_at(clock_.now() + (more ? kUpkeepAgain : kUpkeepEvery), [this] { upkeep(); });
}

Level Core::level_of(const ReadOptions& options) const {
  if (options.level != Level::kReadYourWrites) return options.level;
  // On one node a write has left its key's copy and loads behind it before its token is handed out, so every
  // later read includes it. A token from elsewhere proves nothing here: ask the source.
  return tokens_.knows(options.token) ? Level::kAny : Level::kFresh;
}

}  // namespace forebay::layer
