#include "layer/write/write_behind.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "journal/log.h"

namespace forebay::layer {
namespace {

constexpr const char* kFileName = "journal.db";

Result<OpenedJournal> open_log(const config::Journal& config, const Clock& clock) {
  std::error_code made;
  std::filesystem::create_directories(config.path, made);
  if (made) {
    return Error{ErrorCode::kConfig, fmt::format("the journal's directory {} can't be made: {}", config.path,
                                                 made.message())};
  }
  journal::LogOptions options;
  options.path = (std::filesystem::path(config.path) / kFileName).string();
  options.max_bytes = config.max_bytes;
  options.max_records = config.max_records;
  options.max_age = config.max_age;
  auto opened = journal::Log::open(options, clock);
  if (!opened) return std::move(opened).error();
  return OpenedJournal{std::move(opened->log), std::move(opened->ops), std::move(opened->applied)};
}

}  // namespace

WriteBehind::WriteBehind(OpenedJournal opened, Rooms rooms)
    : journal_(std::move(opened.journal)),
      id_(journal_->id()),
      report_restored_(std::move(rooms.restored)),
      queue_(*journal_, rooms.clock),
      path_({queue_, rooms.tier, rooms.flights, rooms.reads, rooms.invalidator, rooms.curves, rooms.clock,
             rooms.random, rooms.tokens}),
      target_({queue_, id_, journal_->lanes(), rooms.tier, rooms.flights, rooms.reads, rooms.invalidator,
               rooms.curves, rooms.clock, rooms.random,
               [this](const std::string& source) { ledger_known(source); }},
              std::move(rooms.run_blocking)),
      flusher_(std::make_unique<journal::Flusher>(queue_, *journal_, target_, rooms.clock, rooms.scheduler,
                                                  rooms.random)) {}

Result<std::unique_ptr<WriteBehind>> WriteBehind::open(const config::Journal& config, Rooms rooms) {
  auto opened = rooms.open_journal ? rooms.open_journal(config) : open_log(config, rooms.clock);
  if (!opened) return std::move(opened).error();
  std::vector<journal::Op> ops = std::move(opened->ops);
  std::vector<journal::Applied> applied = std::move(opened->applied);
  std::map<std::string, std::set<std::string>> keys;
  for (const journal::Op& op : ops) keys[op.source].insert(op.key);
  std::unique_ptr<WriteBehind> behind(new WriteBehind(std::move(*opened), std::move(rooms)));
  {
    MutexLock lock(behind->restored_mutex_);
    behind->restored_ = std::move(keys);
  }
  if (auto restored = behind->queue_.restore(std::move(ops), std::move(applied)); !restored)
    return std::move(restored).error();
  return behind;
}

WriteBehind::~WriteBehind() {
  stop();
  // Answers those whose writes it has yet to keep, so before the queue.
  journal_.reset();
}

void WriteBehind::ledger_known(const std::string& source) {
  std::vector<std::string> keys;
  {
    MutexLock lock(restored_mutex_);
    const auto found = restored_.find(source);
    if (found == restored_.end()) return;
    for (const std::string& key : found->second) keys.push_back(key);
    restored_.erase(found);
  }
  if (report_restored_) report_restored_(std::move(keys));
}

Result<void> WriteBehind::check(const std::vector<std::string>& sources,
                                const std::vector<Space*>& spaces) const {
  std::vector<std::string> lost;
  for (const journal::PendingStats& pending : queue_.stats()) {
    const bool there = std::ranges::any_of(spaces, [&](const Space* space) {
      return space->name() == pending.space && space->info.writes_source &&
             std::ranges::count(sources, space->config.source) > 0;
    });
    if (!there) lost.push_back(fmt::format("{} for namespace '{}'", pending.records, pending.space));
  }
  if (lost.empty()) return {};
  return Error{ErrorCode::kConfig,
               fmt::format("the journal holds writes that this configuration has no place for: {}; put the "
                           "namespaces back and let the journal drain before they are taken out",
                           fmt::join(lost, ", "))};
}

void WriteBehind::set_places(const std::vector<BehindTarget::SourceAt>& sources,
                             const std::vector<Space*>& spaces) {
  target_.set_places(sources, spaces);
}

void WriteBehind::start(std::vector<std::string> sources) {
  if (flusher_) flusher_->start(std::move(sources));
}

void WriteBehind::stop() {
  flusher_.reset();
  target_.close();
}

}  // namespace forebay::layer
