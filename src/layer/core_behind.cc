// The core's part in write-behind: journal and flusher at the start and at a reload, and what clients may
// ask about pending writes.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "layer/core.h"

namespace forebay::layer {
namespace {

bool same_place(const config::Namespace& a, const config::Namespace& b) {
  return a.key == b.key && a.source == b.source && a.table == b.table && a.kind == b.kind &&
         a.value_column == b.value_column && a.write == b.write && a.append == b.append;
}

}  // namespace

Result<void> Core::open_journal(const config::Journal& config) {
  MutexLock one(reload_mutex_);
  journal_config_ = config;
  if (config.path.empty()) return {};
  auto opened = WriteBehind::open(
      config, {*tier_, flights_, reads_, invalidator_, curves_, clock_, random_, scheduler_, tokens_, writes_,
               [this](std::string_view key, Write write, WriteCallback done, const WriteOptions& options) {
                 writes_.write(route(key), key, std::move(write), std::move(done), options);
               },
               open_journal_, run_blocking_,
               [this](std::vector<std::string> keys) {
                 // Their entries survive the restart warm.
                 std::erase_if(keys, [this](const auto& key) { return !route(key).info.read_through; });
                 warm(std::move(keys), [](const Result<std::size_t>&) {});
               }});
  if (!opened) return std::move(opened).error();
  behind_ = std::move(*opened);
  reads_.set_queue(&behind_->queue());
  writes_.set_behind(&behind_->path());
  return {};
}

// Sends what is pending for the configuration in force, now and from now on.
void Core::start_behind() {
  if (!behind_) return;
  std::vector<std::string> sources;
  for (const auto& active : sources_) {
    const bool used = std::ranges::any_of(router().spaces(), [&](const Space* space) {
      return space->config.source == active->config.name && space->info.writes_behind;
    });
    if (used || !behind_->queue().spaces(active->config.name).empty()) sources.push_back(active->config.name);
  }
  behind_->start(std::move(sources));
}

std::vector<Space*> Core::leaving(const config::Model& model) {
  std::vector<Space*> left;
  if (!behind_) return left;
  MutexLock lock(config_mutex_);
  for (Space* space : router().spaces()) {
    if (space->config.write != config::WriteStrategy::kBehind) continue;
    const auto wanted = std::ranges::find(model.namespaces, space->name(), &config::Namespace::name);
    const auto source = std::ranges::find(model.sources, space->config.source, &config::Source::name);
    const auto active = std::ranges::find_if(
        sources_, [&](const auto& each) { return each->config.name == space->config.source; });
    const bool stays = wanted != model.namespaces.end() && same_place(*wanted, space->config) &&
                       source != model.sources.end() && active != sources_.end() &&
                       config::same_settings((*active)->config, *source);
    if (!stays) left.push_back(space);
  }
  return left;
}

Result<void> Core::drain_leaving(const std::vector<Space*>& spaces, const config::Model& model) {
  const auto until = std::chrono::steady_clock::now() + model.server.drain_timeout;
  for (const Space* space : spaces) {
    if (behind_->wait_until_empty(space->name(), until)) continue;
    return Error{ErrorCode::kUnavailable,
                 fmt::format("namespace '{}' is written behind, and its source '{}' did not take what is "
                             "pending within {} ms: nothing was changed",
                             space->name(), space->config.source, model.server.drain_timeout.count())};
  }
  return {};
}

std::vector<DeadLetters::SourceAt> Core::behind_sources() const {
  std::vector<DeadLetters::SourceAt> all;
  if (!behind_) return all;
  MutexLock lock(config_mutex_);
  for (const auto& active : sources_) {
    const bool used = std::ranges::any_of(router().spaces(), [&](const Space* space) {
      return space->info.writes_behind && space->config.source == active->config.name;
    });
    if (used || !behind_->queue().spaces(active->config.name).empty())
      all.push_back({active->config.name, active->port, active->config.timeout});
  }
  return all;
}

void Core::when_flushed(std::string_view key, Duration timeout, WriteBehind::Flushed done) {
  if (!behind_) return done(true);
  behind_->when_flushed(key, timeout, std::move(done));
}

void Core::drain(std::string_view space, Duration timeout, WriteBehind::Flushed done) {
  if (!behind_) return done(true);
  behind_->drain(space, timeout, std::move(done));
}

}  // namespace forebay::layer
