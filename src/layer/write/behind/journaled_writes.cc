#include "layer/write/behind/journaled_writes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include "journal/log.h"

namespace forebay::layer {
namespace {

constexpr std::size_t kExplainedMost = 1000;  // bytes of the pending writes' text
constexpr Duration kRenewEvery = std::chrono::seconds(10);
constexpr std::string_view kPlace = "place ";  // in front of the namespace, in the journal's notes

// Where a namespace's writes go, as far as a write doesn't say so itself.
std::string place_of(const config::Namespace& config) {
  return fmt::format("source {}, table {}, key {}{}", config.source, config.table, config.key.text,
                     config.value_column.empty() ? "" : ", column " + config.value_column);
}

Result<OpenedJournal> open_log(const config::Journal& config, const Clock& clock) {
  std::error_code made;
  std::filesystem::create_directories(config.path, made);
  if (made) {
    return Error{ErrorCode::kConfig,
                 fmt::format("the journal's directory {} can't be made: {}", config.path, made.message())};
  }
  // What clients wrote is nobody else's to read.
  std::filesystem::permissions(config.path, std::filesystem::perms::owner_all, made);
  journal::LogOptions options;
  options.path = (std::filesystem::path(config.path) / kJournalFile).string();
  options.max_bytes = config.max_bytes;
  options.max_records = config.max_records;
  options.max_age = config.max_age;
  options.remember = config.remember;
  auto opened = journal::Log::open(options, clock);
  if (!opened) return std::move(opened).error();
  if (!opened->cut.empty()) spdlog::warn("{}", opened->cut);
  return OpenedJournal{
      std::move(opened->log),
      std::move(opened->ops),
      std::move(opened->applied),
      std::move(opened->receipts),
      std::move(opened->notes),
      home_of(options.path),
      fmt::format("{}:{}", host_name(), std::filesystem::absolute(config.path).lexically_normal().string())};
}

}  // namespace

JournaledWrites::JournaledWrites(OpenedJournal opened, const config::Journal& config, Parts parts)
    : copies_(parts.copies),
      keys_(parts.keys),
      door_(parts.door),
      clock_(parts.clock),
      scheduler_(parts.scheduler),
      journal_(std::move(opened.journal)),
      id_(journal_->id()),
      report_restored_(std::move(parts.restored)),
      queue_(*journal_, parts.clock),
      overlay_(queue_),
      op_ids_({config.remember, config.max_ids}),
      moving_(parts.keys, parts.door),
      notes_(std::move(opened.notes)),
      ownership_({*journal_, queue_, opened.home, opened.place, notes_}),
      target_({queue_, id_, journal_->lanes(), parts.copies, parts.keys, parts.loader, parts.invalidator,
               parts.clock, ownership_,
               [this](const std::string& source, std::uint32_t lane, const std::string& why) {
                 lane_stopped(source, lane, why);
               },
               [this](const std::string& source) { ledger_known(source); }},
              std::move(parts.run_blocking)),
      flusher_(std::make_unique<journal::Flusher>(queue_.outbox(), *journal_, target_, parts.clock,
                                                  parts.scheduler, parts.random)) {}

Result<std::unique_ptr<JournaledWrites>> JournaledWrites::open(const config::Journal& config, Parts parts) {
  auto opened = parts.open_journal ? parts.open_journal(config) : open_log(config, parts.clock);
  if (!opened) return std::move(opened).error();
  std::vector<journal::Op> ops = std::move(opened->ops);
  std::vector<journal::Applied> applied = std::move(opened->applied);
  const std::vector<journal::Receipt> receipts = std::move(opened->receipts);
  std::map<std::string, std::set<std::string>> keys;
  for (const journal::Op& op : ops) keys[op.source].insert(op.key);
  std::unique_ptr<JournaledWrites> behind(new JournaledWrites(std::move(*opened), config, std::move(parts)));
  {
    MutexLock lock(behind->restored_mutex_);
    behind->restored_ = std::move(keys);
  }
  if (auto restored = behind->queue_.restore(std::move(ops), std::move(applied)); !restored)
    return std::move(restored).error();
  if (auto restored = behind->op_ids_.restore(receipts, behind->clock_); !restored)
    return std::move(restored).error();
  for (const auto& [name, why] : behind->notes_) {
    if (!name.starts_with(journal::kStoppedNote)) continue;
    const std::string_view rest = std::string_view(name).substr(journal::kStoppedNote.size());
    std::uint32_t lane = 0;
    const auto [end, wrong] = std::from_chars(rest.data(), rest.data() + rest.size(), lane);
    if (wrong != std::errc() || end == rest.data() + rest.size() || lane >= behind->journal_->lanes())
      continue;
    const std::string source(end + 1, rest.data() + rest.size());
    spdlog::error("source {}: write-behind has been stopped in lane {} since an earlier start: {}", source,
                  lane, why);
    behind->flusher_->stopped_before(source, lane, why);
  }
  behind->journal_->watch(behind.get());
  return behind;
}

JournaledWrites::~JournaledWrites() {
  stop();
  // Answers those whose writes it has yet to keep, so before the queue.
  journal_.reset();
}

void JournaledWrites::failed(const Error& error) {
  spdlog::error("{}; reads go on, and what it has kept goes to the databases", error.message);
  flusher_->journal_failed(error);
}

Result<void> JournaledWrites::reopened(std::vector<journal::Op> ops, std::uint64_t last) {
  auto keys = queue_.lose(ops, last);
  if (!keys) return std::move(keys).error();
  // A copy with a lost write in it must go. Nothing has been written since, so that none is made again.
  for (const std::string& key : *keys) {
    const KeyRef at = door_.route(key);
    keys_.with_key(at, [&](bool) { copies_.drop(at, clock_.now()); });
  }
  // After their keys' locks, within which an id is remembered.
  op_ids_.lose(last);
  flusher_->journal_reopened();
  spdlog::info("the journal is open again and takes writes; {} are in it, the last has number {}", ops.size(),
               last);
  return {};
}

void JournaledWrites::ledger_known(const std::string& source) {
  std::vector<std::string> keys;
  {
    MutexLock lock(restored_mutex_);
    const auto found = restored_.find(source);
    if (found == restored_.end()) return;
    keys.assign(found->second.begin(), found->second.end());
    restored_.erase(found);
  }
  // What turns out to have been at the source already may have been changed there since.
  std::erase_if(keys, [this](const std::string& key) {
    const KeyRef at = door_.route(key);
    bool pending = true;
    keys_.with_key(at, [&](bool) {
      pending = queue_.of(key, at.hash).has_value();
      if (!pending) copies_.drop(at, clock_.now());
    });
    return !pending;
  });
  if (report_restored_) report_restored_(std::move(keys));
}

void JournaledWrites::lane_stopped(const std::string& source, std::uint32_t lane, const std::string& why) {
  target_.run_blocking([this, source, lane, why] {
    // Copies include what is pending, and nobody knows any more whether that will ever be at the source.
    for (const std::string& key : queue_.keys({})) {
      const KeyRef at = door_.route(key);
      keys_.with_key(at, [&](bool) {
        if (overlay_.refusal(at)) copies_.drop(at, clock_.now());
      });
    }
    auto noted = journal_->note({{fmt::format("{}{} {}", journal::kStoppedNote, lane, source), why}});
    if (!noted)
      spdlog::error("the journal could not remember that lane {} has stopped: {}", lane,
                    noted.error().message);
  });
}

Result<void> JournaledWrites::prepare(const std::string& source, LedgerPort& ledger,
                                      const CallOptions& options) {
  ownership_.begin(source);
  auto claim = ledger.claim_now(ownership_.owner(source), options);
  if (!claim) return std::move(claim).error();
  const Ownership::Verdict verdict = ownership_.took(source, *claim);
  if (verdict.kind == Ownership::Verdict::Kind::kUnknown) return Error{ErrorCode::kConfig, verdict.why};
  if (verdict.kind != Ownership::Verdict::Kind::kOwner) return {};  // the flusher asks again, or stops
  return ledger.prepare(id_, journal_->lanes(), options);
}

void JournaledWrites::note_places(const std::vector<Namespace*>& spaces) {
  journal::Notes changed;
  for (const Namespace* space : spaces) {
    if (!space->info.writes_behind) continue;
    const std::string name = std::string(kPlace) + space->name();
    std::string place = place_of(space->config);
    std::string& noted = notes_[name];
    if (noted == place) continue;
    noted = place;
    changed.emplace(name, std::move(place));
  }
  if (changed.empty()) return;
  if (auto noted = journal_->note(std::move(changed)); !noted)
    spdlog::error("the journal could not remember where its writes are to go: {}", noted.error().message);
}

std::vector<std::string> JournaledWrites::begun() {
  MutexLock lock(renewal_mutex_);
  return begun_;
}

// Timers end with stop().
void JournaledWrites::renew_leases() {
  for (const std::string& source : begun()) {
    if (!ownership_.confirmed(source)) continue;  // the flusher asks
    target_.claim(source, [this, source](Result<Ownership::Verdict> verdict) {
      if (!verdict || verdict->kind != Ownership::Verdict::Kind::kFenced) return;
      MutexLock lock(renewal_mutex_);
      if (!ended_ && flusher_) flusher_->fence(source, verdict->why);
    });
  }
  MutexLock lock(renewal_mutex_);
  if (!ended_) renewal_ = scheduler_.post_at(clock_.now() + kRenewEvery, [this] { renew_leases(); });
}

Result<void> JournaledWrites::check(const std::vector<std::string>& sources,
                                    const std::vector<Namespace*>& spaces, bool start) const {
  std::vector<std::string> lost;
  for (const journal::PendingStats& pending : queue_.stats()) {
    const auto noted = notes_.find(std::string(kPlace) + pending.space);
    const auto space = std::ranges::find(spaces, pending.space, &Namespace::name);
    if (!start || noted == notes_.end() || space == spaces.end() || (*space)->config.source.empty()) continue;
    if (const std::string place = place_of((*space)->config); place != noted->second) {
      return Error{
          ErrorCode::kConfig,
          fmt::format("the journal holds {} write{} for namespace '{}' that were made for {}; this "
                      "configuration has {}: put that back and let the journal drain (forebay drain) "
                      "before it is changed",
                      pending.records, pending.records == 1 ? "" : "s", pending.space, noted->second, place)};
    }
  }
  for (const journal::PendingStats& pending : queue_.stats()) {
    const bool there = std::ranges::any_of(spaces, [&](const Namespace* space) {
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

void JournaledWrites::set_targets(const std::vector<FlushTarget::SourceAt>& sources,
                                  const std::vector<Namespace*>& spaces) {
  for (Namespace* space : spaces) {
    if (!space->port || space->place != nullptr) continue;
    const config::Namespace& config = space->config;
    space->place =
        &queue_.place(config.source, space->name(),
                      {config.flush_every, config.flush_batch, config.flush_bytes}, config.durability);
  }
  target_.set_targets(sources, spaces);
  note_places(spaces);
}

void JournaledWrites::start(std::vector<std::string> sources) {
  bool first = false;
  for (const std::string& source : sources) {
    ownership_.begin(source);
    MutexLock lock(renewal_mutex_);
    if (std::ranges::find(begun_, source) != begun_.end()) continue;
    first |= begun_.empty();
    begun_.push_back(source);
  }
  if (flusher_) flusher_->start(std::move(sources));
  if (!first) return;
  MutexLock lock(renewal_mutex_);
  renewal_ = scheduler_.post_at(clock_.now() + kRenewEvery, [this] { renew_leases(); });
}

void JournaledWrites::stop() {
  if (journal_) journal_->watch(nullptr);
  std::uint64_t timer = 0;
  {
    MutexLock lock(renewal_mutex_);
    ended_ = true;
    timer = std::exchange(renewal_, 0);
  }
  if (timer != 0) scheduler_.cancel(timer);
  flusher_.reset();
  for (const std::string& source : begun()) {
    if (ownership_.confirmed(source)) target_.leave(source);
  }
  target_.close();
}

// ---- Waiting

// One answer, with a timer beside it.
class JournaledWrites::Race : public std::enable_shared_from_this<Race> {
 public:
  Race(Scheduler& scheduler, Flushed done) : scheduler_(scheduler), done_(std::move(done)) {}

  // Answers false at `at`, and then calls `late`.
  void end_at(Instant at, std::function<void()> late) {
    const std::uint64_t timer = scheduler_.post_at(at, [me = shared_from_this(), late = std::move(late)] {
      if (me->end(false)) late();
    });
    MutexLock lock(mutex_);
    timer_ = timer;
  }
  bool end(bool good) {
    Flushed done;
    std::uint64_t timer = 0;
    {
      MutexLock lock(mutex_);
      done = std::exchange(done_, nullptr);
      timer = std::exchange(timer_, 0);
    }
    if (!done) return false;
    if (timer != 0) scheduler_.cancel(timer);
    done(good);
    return true;
  }

 private:
  Scheduler& scheduler_;
  Mutex mutex_;
  Flushed done_ GUARDED_BY(mutex_);
  std::uint64_t timer_ GUARDED_BY(mutex_) = 0;
};

void JournaledWrites::when_flushed(std::string_view key, Duration timeout, Flushed done) {
  auto race = std::make_shared<Race>(scheduler_, std::move(done));
  const std::uint64_t id = queue_.when_flushed(key, hash_bytes(key), [race](bool good) { race->end(good); });
  if (id == 0 || timeout == Duration::zero()) return;
  race->end_at(clock_.now() + timeout, [this, id] { queue_.forget(id); });
}

void JournaledWrites::drain(std::string_view space, Duration timeout, Flushed done) {
  if (!flusher_) return done(queue_.empty());
  auto race = std::make_shared<Race>(scheduler_, std::move(done));
  if (timeout != Duration::zero()) race->end_at(clock_.now() + timeout, [] {});
  flusher_->drain(space, [race](bool good) { race->end(good); });
}

bool JournaledWrites::wait_until_empty(const std::string& space,
                                       std::chrono::steady_clock::time_point until) {
  struct Wait {
    Mutex mutex;
    Condition done;
    std::optional<bool> good GUARDED_BY(mutex);
  };
  const auto any = [&] {
    const auto spaces = queue_.spaces({});
    return std::ranges::find(spaces, space) != spaces.end();
  };
  while (any()) {
    if (!flusher_) return false;
    const auto wait = std::make_shared<Wait>();
    flusher_->drain(space, [wait](bool good) {
      MutexLock lock(wait->mutex);
      wait->good = good;
      wait->done.notify_all();
    });
    MutexLock lock(wait->mutex);
    const bool answered = wait->done.wait_until(
        wait->mutex, until, [&]() NO_THREAD_SAFETY_ANALYSIS { return wait->good.has_value(); });
    if (!answered || !*wait->good) return !any();
  }
  return true;
}

// ---- Seeing

void JournaledWrites::stats(LayerStats& stats) const {
  const Instant now = clock_.now();
  for (const journal::PendingStats& pending : queue_.stats()) {
    const auto space = std::ranges::find(stats.namespaces, pending.space, &NamespaceStats::name);
    if (space == stats.namespaces.end()) continue;
    space->pending_records = pending.records;
    space->pending_bytes = pending.bytes;
    if (pending.oldest) {
      space->pending_oldest_seconds = std::chrono::duration<double>(now - *pending.oldest).count();
    }
  }
  if (!flusher_) return;
  for (journal::FlushStats& flush : flusher_->stats()) {
    stats.flushes.push_back({std::move(flush.source), std::move(flush.space), flush.batches,
                             flush.applied_ops, flush.retries, flush.dead, flush.passed_over,
                             flush.dead_letters, flush.flush_seconds, flush.largest_batch});
  }
  std::ranges::move(flusher_->health(), std::back_inserter(stats.health));
  const journal::Pressure pressure = journal_->pressure();
  const double delay = std::chrono::duration<double>(pressure.ack_delay).count();
  stats.journal = JournalStats{pressure.fill, delay, pressure.delayed, op_ids_.size(), op_ids_.repeats()};
  if (pressure.ack_delay > Duration::zero()) {
    stats.health.push_back(
        fmt::format("the journal is {:.0f} % full: acknowledgements are held back by {:.1f} ms",
                    pressure.fill * 100, delay * 1e3));
  }
}

void JournaledWrites::explain(std::string_view key, Explanation& explanation) const {
  const auto pending = queue_.of(key);
  explanation.facts.emplace_back("pending_writes", std::to_string(pending ? pending->ops : 0));
  if (!pending) return;
  const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now() - pending->since);
  explanation.facts.emplace_back("pending_age_ms", std::to_string(age.count()));
  std::string text;
  for (const journal::Step& step : pending->steps) {
    if (!text.empty()) text += ", then ";
    text += journal::encode(step.effect);
  }
  if (text.size() > kExplainedMost) {
    text.resize(kExplainedMost);
    text += "…";
  }
  explanation.facts.emplace_back("pending", std::move(text));
  explanation.facts.emplace_back("pending_state", pending->applying ? "being applied" : "waiting");
}

}  // namespace forebay::layer
