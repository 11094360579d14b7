#include "layer/audit/auditor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <utility>

#include "layer/audit/equal_values.h"
#include "layer/load/load_stage.h"

namespace forebay::layer {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTick{100};
// When a key that was invalidated is looked at, after that.
constexpr std::array kLooks = {seconds(1), seconds(10), seconds(60)};
constexpr std::size_t kMostRecent = 1024;  // keys of a namespace
// How long a proof is waited for, and how often it is looked for.
constexpr seconds kProofWithin{10};
constexpr milliseconds kProofEvery{50};
constexpr std::size_t kMostShown = 100;  // violations that a report names
constexpr int kTries = 64;               // entries that are looked at for a random one
constexpr std::size_t kScanStep = 1000;  // entries
constexpr seconds kSaidEvery{1};         // a namespace's violations are logged no more often

}  // namespace

struct Auditor::Check {
  Check(std::string key_in, Namespace& space_in, Copy copy_in, Judged judged_in)
      : key(std::move(key_in)), space(space_in), copy(std::move(copy_in)), judged(std::move(judged_in)) {}
  KeyRef at() const { return {space, key}; }

  const std::string key;
  Namespace& space;
  const Copy copy;
  Judged judged;
  std::optional<std::string> row;  // that the source had, where it differs
  Instant loaded_at{};             // when that load had ended
};

bool Auditor::auditable(const Namespace& space) {
  return space.info.read_through && space.loads != nullptr && space.boards == nullptr &&
         space.members == nullptr && space.info.type != EntryType::kCollection;
}

std::optional<Auditor::Copy> Auditor::copy_of(const KeyRef& at) const {
  std::optional<Copy> copy;
  parts_.copies.find(
      at, parts_.clock.now(),
      [&](const EntryView& entry) {
        if (entry.type() == EntryType::kCollection) return;
        if (entry.shared() != nullptr && entry.shared()->is_object()) return;
        copy.emplace();
        copy->revision = entry.revision();
        if (entry.stamp().negative) return;
        copy->value.emplace(entry.shared() != nullptr ? entry.shared()->view() : entry.bytes());
      },
      Touch::kNo);
  return copy;
}

void Auditor::start() {
  parts_.scheduler.post_at(parts_.clock.now() + kTick, [this] { tick(); });
}

void Auditor::stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
}

bool Auditor::is_stopped() const {
  const MutexLock lock(mutex_);
  return stopped_;
}

void Auditor::invalidated(const KeyRef& at, observe::Invalidation, Instant now) {
  if (at.space.config.audit_every == Duration::zero() || !auditable(at.space)) return;
  const MutexLock lock(mutex_);
  std::deque<Recent>& recent = recent_[at.space.name()];
  if (recent.size() == kMostRecent) recent.pop_front();
  recent.push_back({std::string(at.text), now});
}

void Auditor::tick() {
  if (is_stopped()) return;
  const Instant now = parts_.clock.now();
  for (Namespace* space : router().spaces()) {
    const Duration every = space->config.audit_every;
    if (every == Duration::zero() || !auditable(*space)) continue;
    std::size_t due = 0;
    {
      const MutexLock lock(mutex_);
      Instant& next = next_[space->name()];
      if (next == Instant{}) next = now;
      // What a busy thread has left undone is not made up for all at once.
      for (; next <= now && due < 100; next += every) ++due;
      next = std::max(next, now);
    }
    for (; due > 0; --due) {
      auto key = next_recent(*space, now);
      if (!key || !check(*key, {}))
        key = random_key(space);
      else
        continue;
      if (key) check(*key, {});
    }
  }
  parts_.dispatch();
  parts_.scheduler.post_at(parts_.clock.now() + kTick, [this] { tick(); });
}

std::optional<std::string> Auditor::next_recent(const Namespace& space, Instant now) {
  const MutexLock lock(mutex_);
  const auto of_space = recent_.find(space.name());
  if (of_space == recent_.end()) return std::nullopt;
  std::deque<Recent>& recent = of_space->second;
  const auto due = std::ranges::find_if(
      recent, [&](const Recent& each) { return now - each.invalidated_at >= kLooks.at(each.looked); });
  if (due == recent.end()) return std::nullopt;
  std::string key = due->key;
  if (++due->looked == kLooks.size()) recent.erase(due);
  return key;
}

std::optional<std::string> Auditor::random_key(const Namespace* space) {
  std::optional<std::string> key;
  const Router& current = router();
  for (int i = 0; i < kTries && !key; ++i) {
    const bool any =
        parts_.copies.tier().random(parts_.clock.now(), parts_.random.next(), [&](const EntryView& entry) {
          const Namespace& owner = current.route(entry.key());
          if (&owner == space && owner.owns(entry.stamp())) key.emplace(entry.key());
        });
    if (!any) break;
  }
  return key ? key : next_key(*space);
}

// Of a namespace with few entries among many chance finds none: a walk goes on from where the last one was.
std::optional<std::string> Auditor::next_key(const Namespace& space) {
  const Router& current = router();
  std::optional<std::string> key;
  std::uint64_t& cursor = walks_[space.name()];
  cursor = parts_.copies.tier().scan(cursor, kScanStep, parts_.clock.now(), [&](const EntryView& entry) {
    if (key || &current.route(entry.key()) != &space || !space.owns(entry.stamp())) return;
    key.emplace(entry.key());
  });
  return key;
}

bool Auditor::check(const std::string& key, Judged judged) {
  const KeyRef at(router().route(key), key);
  if (!auditable(at.space) || overlay_->applying(at) || !overlay_->pending(key).empty()) return false;
  auto copy = copy_of(at);
  if (!copy) return false;
  const auto check = std::make_shared<Check>(key, at.space, std::move(*copy), std::move(judged));
  load(check, [this, check](Result<std::optional<std::string>> row) { compare(check, std::move(row)); });
  return true;
}

// On the side: the flight is in no key's state, so nobody joins it, and nothing is stored.
void Auditor::load(const CheckPtr& check, std::function<void(Result<std::optional<std::string>>)> done) {
  KeyFields fields;
  match(check->space.config.key, check->key, &fields);
  const auto flight = std::make_shared<Flight>(check->at(), std::move(fields), Urgency::kBackground);
  flight->aside = [done](Result<std::optional<Value>> loaded) {
    if (!loaded) return done(std::move(loaded).error());
    if (!*loaded) return done(std::optional<std::string>());
    done(std::optional(std::string((*loaded)->view())));
  };
  if (auto queued = check->space.loads->enqueue(flight, Urgency::kBackground); !queued) done(queued.error());
}

void Auditor::compare(const CheckPtr& check, Result<std::optional<std::string>> row) {
  if (!row) return judge(check, Verdict::kUnknown);
  const std::optional<std::string>& value = check->copy.value;
  if (value.has_value() == row->has_value() && (!value || equal_values(*value, **row)))
    return judge(check, Verdict::kRight);
  check->row = std::move(*row);
  check->loaded_at = parts_.clock.now();
  if (check->space.feed == nullptr) return judge(check, Verdict::kStale);
  await_proof(check);
}

void Auditor::await_proof(const CheckPtr& check) {
  const auto now = copy_of(check->at());
  if (!now || now->revision != check->copy.revision) return judge(check, Verdict::kChanged);
  if (is_stopped() || parts_.clock.now() - check->loaded_at > kProofWithin)
    return judge(check, Verdict::kUnknown);
  const FeedState& feed = *check->space.feed;
  if (feed.heard.load(std::memory_order_acquire) &&
      feed.complete_as_of.load(std::memory_order_relaxed) >= check->loaded_at) {
    load(check, [this, check](Result<std::optional<std::string>> row) { decide(check, std::move(row)); });
    return parts_.dispatch();
  }
  parts_.scheduler.post_at(parts_.clock.now() + kProofEvery, [this, check] { await_proof(check); });
}

// Everything that was committed before the first load had ended is known, and the copy is still there.
void Auditor::decide(const CheckPtr& check, Result<std::optional<std::string>> row) {
  const auto now = copy_of(check->at());
  if (!now || now->revision != check->copy.revision) return judge(check, Verdict::kChanged);
  // Another value each time: the row goes on changing, or the query says another thing whenever it is asked.
  const bool same =
      row && row->has_value() == check->row.has_value() && (!check->row || equal_values(**row, *check->row));
  if (!same) return judge(check, Verdict::kUnknown);
  report(check);
  judge(check, Verdict::kViolation);
}

void Auditor::report(const CheckPtr& check) {
  if (check->space.config.audit_repair) parts_.invalidator.drop(check->at(), observe::Invalidation::kPurge);
  if (!may_say(check->space.name())) return;
  std::string history;
  for (const auto& [name, text] : parts_.explain(check->key).facts) {
    if (name != "value") history += fmt::format("{}{}={}", history.empty() ? "" : ", ", name, text);
  }
  spdlog::error(
      "audit: the copy of '{}' (namespace {}) is not what source '{}' has, though all changes up to then are "
      "known{}; {}",
      check->key, check->space.name(), check->space.config.source,
      check->space.config.audit_repair ? "; it is dropped" : "", history);
}

bool Auditor::may_say(const std::string& space) {
  const Instant now = parts_.clock.now();
  const MutexLock lock(mutex_);
  Instant& next = said_[space];
  if (now < next) return false;
  next = now + kSaidEvery;
  return true;
}

void Auditor::judge(const CheckPtr& check, Verdict verdict) {
  count(check->space.name(), verdict);
  if (check->judged) check->judged(verdict);
}

void Auditor::count(const std::string& space, Verdict verdict) {
  const MutexLock lock(mutex_);
  AuditCounts& counts = counts_[space];
  switch (verdict) {
    case Verdict::kRight:
      ++counts.right;
      break;
    case Verdict::kChanged:
      ++counts.changed;
      break;
    case Verdict::kStale:
      ++counts.stale;
      break;
    case Verdict::kViolation:
      ++counts.violations;
      break;
    case Verdict::kUnknown:
      ++counts.unknown;
      break;
  }
}

AuditCounts Auditor::counts(std::string_view space) const {
  const MutexLock lock(mutex_);
  const auto found = counts_.find(std::string(space));
  return found == counts_.end() ? AuditCounts{} : found->second;
}

// What an audit that was asked for has found so far.
struct Auditor::Asked {
  Mutex mutex;
  AuditReport report GUARDED_BY(mutex);
  std::size_t open GUARDED_BY(mutex) = 1;  // checks, and one for who begins them
  std::move_only_function<void(Result<AuditReport>)> done GUARDED_BY(mutex);

  void end_one() {
    std::move_only_function<void(Result<AuditReport>)> answer;
    AuditReport found;
    {
      const MutexLock lock(mutex);
      if (--open != 0) return;
      answer = std::move(done);
      found = report;
    }
    answer(std::move(found));
  }
};

// Keys that are being chosen.
struct Auditor::Sample {
  Sample(std::vector<const Namespace*> of, std::size_t most,
         std::function<void(const std::vector<std::string>&)> then)
      : spaces(std::move(of)), wanted(most), done(std::move(then)) {}

  const std::vector<const Namespace*> spaces;
  const std::size_t wanted;
  const std::function<void(const std::vector<std::string>&)> done;
  std::uint64_t cursor = 0;
  std::uint64_t seen = 0;
  std::vector<std::string> keys;
};

void Auditor::audit(std::string_view space, std::size_t sample,
                    std::move_only_function<void(Result<AuditReport>)> done) {
  std::vector<const Namespace*> spaces;
  for (const Namespace* each : router().spaces()) {
    if (auditable(*each) && (space.empty() || each->name() == space)) spaces.push_back(each);
  }
  if (spaces.empty()) {
    return done(Error{ErrorCode::kInvalidArgument,
                      space.empty()
                          ? "no namespace can be audited: none reads through from rows or queries"
                          : fmt::format("namespace '{}' can't be audited: it has no source that is read "
                                        "through, or holds collections",
                                        space)});
  }
  const auto asked = std::make_shared<Asked>();
  {
    const MutexLock lock(asked->mutex);
    asked->done = std::move(done);
  }
  collect(std::make_shared<Sample>(std::move(spaces), sample,
                                   [this, asked](const std::vector<std::string>& keys) {
                                     for (const std::string& key : keys) begin(asked, key);
                                     parts_.dispatch();
                                     asked->end_one();
                                   }));
}

void Auditor::begin(const std::shared_ptr<Asked>& asked, const std::string& key) {
  {
    const MutexLock lock(asked->mutex);
    ++asked->open;
  }
  const bool begun = check(key, [asked, key](Verdict verdict) {
    {
      const MutexLock lock(asked->mutex);
      AuditReport& report = asked->report;
      ++report.checked;
      report.right += verdict == Verdict::kRight ? 1 : 0;
      report.changed += verdict == Verdict::kChanged ? 1 : 0;
      report.stale += verdict == Verdict::kStale ? 1 : 0;
      report.unknown += verdict == Verdict::kUnknown ? 1 : 0;
      report.violations += verdict == Verdict::kViolation ? 1 : 0;
      if (verdict == Verdict::kViolation && report.keys.size() < kMostShown) report.keys.push_back(key);
    }
    asked->end_one();
  });
  if (!begun) asked->end_one();
}

// A step of a walk over all entries, after which others have their turn. Which keys are kept: algorithm R (J. S. Vitter,
// "Random Sampling with a Reservoir", 1985), so that each has the same chance.
void Auditor::collect(const std::shared_ptr<Sample>& sample) {
  const Router& current = router();
  sample->cursor =
      parts_.copies.tier().scan(sample->cursor, kScanStep, parts_.clock.now(), [&](const EntryView& entry) {
        const Namespace& space = current.route(entry.key());
        if (!space.owns(entry.stamp()) || std::ranges::find(sample->spaces, &space) == sample->spaces.end())
          return;
        ++sample->seen;
        if (sample->keys.size() < sample->wanted) {
          sample->keys.emplace_back(entry.key());
        } else if (const std::uint64_t at = parts_.random.next() % sample->seen; at < sample->wanted) {
          sample->keys[at] = entry.key();
        }
      });
  if (sample->cursor != 0 && !is_stopped()) return parts_.scheduler.post([this, sample] { collect(sample); });
  std::ranges::sort(sample->keys);
  sample->keys.erase(std::ranges::unique(sample->keys).begin(),
                     sample->keys.end());  // a walk may show one twice
  sample->done(sample->keys);
}

}  // namespace forebay::layer
