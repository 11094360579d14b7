#include "layer/configuration.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "layer/memory_options.h"
#include "layer/write/behind/journaled_writes.h"

namespace forebay::layer {
namespace {

bool same_place(const config::Namespace& a, const config::Namespace& b) {
  return a.key == b.key && a.source == b.source && a.table == b.table && a.kind == b.kind &&
         a.value_column == b.value_column && a.write == b.write && a.append == b.append;
}

}  // namespace

Configuration::Configuration(Parts parts) : parts_(std::move(parts)), planner_(planner_parts(*this)) {}

Planner::Parts Configuration::planner_parts(Configuration& me) {
  Planner::Parts parts = me.parts_.planner;
  parts.reshaped = [&me] {
    me.reshaped_.store(true, std::memory_order_relaxed);
    if (me.parts_.reshaped) me.parts_.reshaped();
  };
  return parts;
}

Result<void> Configuration::open(const config::Model& model, Unreachable unreachable) {
  MutexLock one(reload_mutex_);
  journal_ = model.journal;
  model_ = model;
  MutexLock lock(mutex_);
  auto plan = planner_.plan(model, unreachable, {sources_, nullptr, parts_.journaled});
  if (!plan) return std::move(plan).error();
  take_over_locked(std::move(*plan));
  parts_.events.follow(model.events);
  start_journal();
  return {};
}

void Configuration::take_over_locked(Plan plan) {
  std::vector<std::shared_ptr<LoadStage>> stages;
  std::vector<FlushTarget::SourceAt> places;
  for (const auto& source : plan.sources) {
    stages.push_back(source->loads);
    places.push_back({source->config.name, source->port, source->config.timeout, source->gate});
  }
  if (parts_.journaled != nullptr) parts_.journaled->set_targets(places, plan.spaces);
  for (auto& space : plan.made) spaces_.push_back(std::move(space));
  routers_.push_back(std::make_unique<const Router>(std::move(plan.spaces), std::move(plan.names)));
  {
    // Who holds keys of the tier (EXEC) can rely on them having no source all the while.
    const auto held = parts_.tier.lock_shards({}, true);
    parts_.router.store(routers_.back().get(), std::memory_order_release);
  }
  parts_.planner.invalidator.took_over();
  parts_.loads.set_stages(std::move(stages));
  for (const auto& [source, error] : plan.unreached) source->gate->start_open(error);

  auto before = std::exchange(sources_, std::move(plan.sources));
  {
    MutexLock shown(shown_mutex_);
    shown_ = sources_;
  }
  for (auto& source : before) {
    if (std::ranges::find(sources_, source) != sources_.end()) continue;
    source->feed.reset();
    source->gate->close();
    retired_sources_.push_back(std::move(source));
  }
}

Result<void> Configuration::take_over(const config::Model& model) {
  MutexLock lock(mutex_);
  auto plan = planner_.plan(model, Unreachable::kRefuse, {sources_, router(), parts_.journaled});
  if (!plan) return std::move(plan).error();
  {
    MutexLock memory(memory_mutex_);
    memory::TierOptions options = parts_.tier.options();
    configure_memory(model.memory, options);
    if (auto reconfigured = parts_.tier.reconfigure(options); !reconfigured)
      return std::move(reconfigured).error();
    parts_.memory_changed();
  }
  take_over_locked(std::move(*plan));
  parts_.events.follow(model.events);
  start_journal();
  return {};
}

Result<void> Configuration::reload(const config::Model& model) {
  MutexLock one(reload_mutex_);
  if (model.journal != journal_) {
    return Error{ErrorCode::kConfig,
                 fmt::format("{}: what [journal] says takes effect at the next start", model.file)};
  }
  const std::vector<Namespace*> left = leaving(model);
  Result<void> taken;
  if (left.empty()) {
    taken = take_over(model);
  } else {
    parts_.journaled->moving().begin(left);
    taken = drain(left, model);
    if (taken) taken = take_over(model);
    parts_.journaled->moving().end(left, taken.has_value());
  }
  if (!taken) return taken;
  model_ = model;
  // What the file says may be the same, and what the database has another.
  look_at_tables_locked(Look::kNow, nullptr);
  return taken;
}

// ---- Tables that change

bool Configuration::look_at_tables(const std::shared_ptr<CancelFlag>& cancel) {
  MutexLock one(reload_mutex_);
  return look_at_tables_locked(Look::kOnceItRests, cancel);
}

bool Configuration::look_at_tables_locked(Look when, const std::shared_ptr<CancelFlag>& cancel) {
  bool soon = false;
  std::set<std::string> away;
  for (const Namespace* space : router()->spaces()) {
    if (space->port == nullptr || away.contains(space->config.source)) continue;
    // A source that does not answer is not waited for once for each of its namespaces.
    const auto timeout = std::chrono::duration_cast<std::chrono::milliseconds>(space->load_timeout);
    const auto changing = space->port->look(when, CallOptions{timeout, cancel});
    if (!changing) away.insert(space->config.source);
    soon |= changing.value_or(false);
  }
  if (!reshaped_.exchange(false, std::memory_order_relaxed)) return soon;
  // On an Error what was known of the tables goes on, and the next look tries again.
  if (!name_tables_anew()) reshaped_.store(true, std::memory_order_relaxed);
  return soon;
}

// The same configuration, with names and columns as they are now.
Result<void> Configuration::name_tables_anew() {
  MutexLock lock(mutex_);
  auto plan = planner_.plan(model_, Unreachable::kRefuse, {sources_, router(), parts_.journaled});
  if (!plan) return std::move(plan).error();
  take_over_locked(std::move(*plan));
  start_journal();
  return {};
}

Result<void> Configuration::set_memory(std::optional<std::size_t> limit, std::optional<std::string> policy) {
  MutexLock lock(memory_mutex_);
  memory::TierOptions options = parts_.tier.options();
  if (limit) options.limit = *limit;
  if (policy) options.policy = std::move(*policy);
  auto reconfigured = parts_.tier.reconfigure(options);
  parts_.memory_changed();
  return reconfigured;
}

// ---- Writes behind

bool Configuration::is_behind(const SourceInForce& source) const {
  const std::string& name = source.config.name;
  const bool used = std::ranges::any_of(router()->spaces(), [&](const Namespace* space) {
    return space->info.writes_behind && space->config.source == name;
  });
  return used || !parts_.journaled->queue().spaces(name).empty();
}

// Sends what is pending for the configuration in force, now and from now on.
void Configuration::start_journal() {
  if (parts_.journaled == nullptr) return;
  std::vector<std::string> names;
  for (const auto& source : in_force()) {
    if (is_behind(*source)) names.push_back(source->config.name);
  }
  parts_.journaled->start(std::move(names));
}

std::vector<DeadLetters::SourceAt> Configuration::behind_sources() const {
  std::vector<DeadLetters::SourceAt> all;
  if (parts_.journaled == nullptr) return all;
  for (const auto& source : in_force()) {
    if (is_behind(*source)) all.push_back({source->config.name, source->port, source->config.timeout});
  }
  return all;
}

std::vector<Namespace*> Configuration::leaving(const config::Model& model) {
  std::vector<Namespace*> left;
  if (parts_.journaled == nullptr) return left;
  const std::vector<SourceInForcePtr> sources = in_force();
  for (Namespace* space : router()->spaces()) {
    if (space->config.write != config::WriteStrategy::kBehind) continue;
    const auto wanted = std::ranges::find(model.namespaces, space->name(), &config::Namespace::name);
    const auto source = std::ranges::find(model.sources, space->config.source, &config::Source::name);
    const auto present = std::ranges::find_if(
        sources, [&](const auto& each) { return each->config.name == space->config.source; });
    const bool stays = wanted != model.namespaces.end() && same_place(*wanted, space->config) &&
                       source != model.sources.end() && present != sources.end() &&
                       config::same_settings((*present)->config, *source);
    if (!stays) left.push_back(space);
  }
  return left;
}

Result<void> Configuration::drain(const std::vector<Namespace*>& spaces, const config::Model& model) {
  const auto until = std::chrono::steady_clock::now() + model.server.drain_timeout;
  for (const Namespace* space : spaces) {
    if (parts_.journaled->wait_until_empty(space->name(), until)) continue;
    return Error{ErrorCode::kUnavailable,
                 fmt::format("namespace '{}' is written behind, and its source '{}' did not take what is "
                             "pending within {} ms: nothing was changed",
                             space->name(), space->config.source, model.server.drain_timeout.count())};
  }
  return {};
}

// ---- Seeing

void Configuration::stats(LayerStats& stats) const {
  parts_.events.stats(stats);
  // A feed that a reload ends leaves this list first.
  MutexLock lock(shown_mutex_);
  for (const auto& source : shown_) {
    stats.sources.push_back(source->gate->stats());
    if (source->feed == nullptr) continue;
    feed::FeedReader::Stats feed = source->feed->stats();
    stats.feed_lag_seconds = std::max(stats.feed_lag_seconds, feed.lag_seconds);
    if (!feed.heard && !feed.failure.empty())
      stats.health.push_back(
          fmt::format("the feed of source {} is not heard: {}", feed.source, feed.failure));
    for (const std::string& warning : feed.warnings)
      stats.health.push_back(fmt::format("the feed of source {}: {}", feed.source, warning));
    stats.feeds.push_back(
        {std::move(feed.source), feed.heard, feed.lag_seconds, feed.changes, feed.gaps, feed.unsettled});
  }
}

void Configuration::reset_stats() {
  for (const auto& source : in_force()) source->gate->reset_stats();
}

// ---- The end

std::vector<SourceInForcePtr> Configuration::in_force() const {
  MutexLock lock(shown_mutex_);
  return shown_;
}

std::vector<SourceInForcePtr> Configuration::all_sources() {
  MutexLock lock(mutex_);
  std::vector<SourceInForcePtr> all = sources_;
  all.insert(all.end(), retired_sources_.begin(), retired_sources_.end());
  return all;
}

void Configuration::stop_feeds() {
  for (const auto& source : all_sources()) source->feed.reset();
}

void Configuration::close_gates() {
  for (const auto& source : all_sources()) source->gate->close();
}

void Configuration::close_sources() {
  {
    MutexLock lock(shown_mutex_);
    shown_.clear();
  }
  for (const auto& source : all_sources()) source->port.reset();
}

}  // namespace forebay::layer
