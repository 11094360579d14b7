#include "journal/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <system_error>
#include <utility>

#include "journal/ages.h"
#include "journal/receipts.h"

namespace forebay::journal {
namespace {

using Sync = LogFile::Sync;

// A step of what is pending ends at so many ops or bytes, or at a share of the age bound.
constexpr std::uint64_t kStepOps = 256;
constexpr std::size_t kStepBytes = std::size_t{1} << 20;
constexpr int kStepsOfAge = 64;
// Up to this share of a bound nothing is slowed.
constexpr double kFree = 0.75;
// Rows of old receipts that a commit deletes: more than it adds, and few enough to delay nobody.
constexpr int kForgetMost = 64;
// A group's buffer is used again if it has no more than this.
constexpr std::size_t kKeptBuffer = 2 * Log::kGroupBytes;

std::size_t size_of(const auto& op) {
  return op.key.size() + op.payload.size();
}

}  // namespace

// Keeps other processes out, also while the file is closed.
class Log::Hold {
 public:
  static Result<std::unique_ptr<Hold>> take(const std::string& journal) {
    const std::string path = journal + "-lock";
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    std::unique_ptr<Hold> hold(new Hold(file));
    if (file >= 0 && flock(file, LOCK_EX | LOCK_NB) == 0) return hold;
    const int code = errno;
    return Error{
        ErrorCode::kConfig,
        code == EWOULDBLOCK
            ? fmt::format("journal {}: another process holds it; a journal serves one at a time", journal)
            : fmt::format("journal {}: locking {}: {}", journal, path, std::system_category().message(code))};
  }
  ~Hold() {
    if (file_ >= 0) close(file_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

 private:
  explicit Hold(int file) : file_(file) {}
  const int file_;
};

Duration ack_delay(double fill, Duration most) {
  const double x = std::clamp((fill - kFree) / (1 - kFree), 0.0, 1.0);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(most) * (x * x));
}

Log::Log(LogOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

Result<Log::Opened> Log::open(const LogOptions& options, const Clock& clock) {
  std::unique_ptr<Log> log(new Log(options, clock));
  auto hold = Hold::take(options.path);
  if (!hold) return std::move(hold).error();
  log->hold_ = std::move(*hold);
  LogFile::Content content;
  auto file = LogFile::open(options.path, options.vfs, kLanes, content);
  if (!file) return std::move(file).error();
  log->file_ = std::move(*file);
  log->id_ = std::move(content.id);
  log->lanes_ = content.lanes;
  log->remember(content);
  log->synced_ = content.trimmed;  // a process that was killed may have left the rest to the operating system
  {
    MutexLock lock(log->mutex_);
    log->next_ = content.last + 1;
    log->committed_ = log->released_ = content.last;
    log->trimmed_ = content.trimmed;
    for (const Op& op : content.ops) log->bytes_ += size_of(op);
    log->steps_ = log->steps_of(content.ops);
    log->nearly_full_ = log->too_little_room().has_value();
  }
  log->writer_ = std::thread([me = log.get()] { me->work(); });
  Opened opened;
  opened.log = std::move(log);
  opened.ops = std::move(content.ops);
  opened.receipts = std::move(content.receipts);
  opened.applied = std::move(content.applied);
  opened.last = content.last;
  return opened;
}

Log::~Log() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    wake();
  }
  if (writer_.joinable()) writer_.join();
}

void Log::wake() {
  if (std::exchange(asleep_, false)) wake_.notify_one();
}

std::optional<std::uint64_t> Log::disk_room() const {
  if (options_.free_bytes) return options_.free_bytes();
  struct statvfs disk{};
  if (statvfs(options_.path.c_str(), &disk) != 0) return std::nullopt;
  return std::uint64_t{disk.f_bavail} * disk.f_frsize;
}

std::optional<std::uint64_t> Log::too_little_room() const {
  if (options_.min_free == 0) return std::nullopt;
  const auto room = disk_room();
  if (!room || *room >= options_.min_free) return std::nullopt;
  // The file has room for what it grows by where it was trimmed, the write-ahead log has not.
  const bool reused =
      *room >= options_.min_free / 2 && *room + unused_.load(std::memory_order_relaxed) >= options_.min_free;
  return reused ? std::nullopt : room;
}

std::optional<Error> Log::refusal(const OpView& op) {
  if (failed_) return Error{ErrorCode::kUnavailable, failed_->message};
  if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
  if (nearly_full_) {
    if (const auto room = too_little_room()) {
      return Error{ErrorCode::kOverloaded,
                   fmt::format("the journal's disk is nearly full: {} bytes are free, {} must be; this write "
                               "was not taken",
                               *room, options_.min_free)};
    }
    nearly_full_ = false;
  }
  const std::size_t records = next_ - 1 - trimmed_;
  if (records >= options_.max_records || bytes_ + size_of(op) > options_.max_bytes) {
    return Error{ErrorCode::kOverloaded,
                 fmt::format("the journal is full: {} writes, {} bytes wait for the database (bounds: {} "
                             "and {}); this one was not taken",
                             records, bytes_, options_.max_records, options_.max_bytes)};
  }
  if (size_of(op) + op.source.size() + op.space.size() > kOpBytes) {
    return Error{
        ErrorCode::kInvalidArgument,
        fmt::format("a write of {} bytes is more than the journal takes ({})", size_of(op), kOpBytes)};
  }
  if (options_.max_age > Duration::zero() && !steps_.empty()) {
    const Duration age = clock_.now() - steps_.front().since;
    if (age > options_.max_age) {
      return Error{ErrorCode::kOverloaded,
                   fmt::format("the journal is full: its oldest write has waited for the database for {} s "
                               "(bound: {} s); this one was not taken",
                               std::chrono::duration_cast<std::chrono::seconds>(age).count(),
                               std::chrono::duration<double>(options_.max_age).count())};
    }
  }
  return std::nullopt;
}

void Log::count(std::deque<Step>& steps, std::uint64_t seq, std::size_t bytes, Instant since) const {
  if (steps.empty() || seq % kStepOps == 0 || steps.back().bytes >= kStepBytes ||
      (options_.max_age > Duration::zero() && since - steps.back().since > options_.max_age / kStepsOfAge)) {
    steps.push_back({seq, 0, since});
  }
  steps.back().last = seq;
  steps.back().bytes += bytes;
}

std::deque<Log::Step> Log::steps_of(const std::vector<Op>& ops) const {
  Ages ages(clock_);
  std::deque<Step> steps;
  for (const Op& op : ops) count(steps, op.seq, size_of(op), ages.since(op.wall_ms));
  return steps;
}

Result<std::uint64_t> Log::append(const OpView& op, Durability durability) {
  MutexLock lock(mutex_);
  if (auto refused = refusal(op)) return std::move(*refused);
  const std::uint64_t seq = next_++;
  const std::size_t size = size_of(op);
  bytes_ += size;
  if (open_.group.bytes().size() + open_.receipts.size() >= kGroupBytes)
    closed_.push_back(std::exchange(open_, {}));
  Instant now{};
  if (open_.group.empty() || options_.max_age > Duration::zero()) now = clock_.now();
  count(steps_, seq, size, now);
  if (open_.group.empty()) open_.group.set_time(clock_.to_wall_ms(now));
  open_.group.add(seq, op);
  if (!op.receipt.empty()) {
    add_receipt(open_.receipts, seq, op.receipt);
    open_.last_receipt = seq;
  }
  if (durability == Durability::kSync) open_.sync = Sync::kYes;
  if (durability == Durability::kNone) unawaited_ = true;
  if (unawaited_ || !closed_.empty()) wake();
  return seq;
}

void Log::when_committed(std::uint64_t first, std::uint64_t last, Kept kept) {
  {
    MutexLock lock(mutex_);
    last = std::min(last, next_ - 1);
    first = std::min(first, last);
    if (last > released_ || any_lost(first, last)) {
      auto at = committing_.end();
      while (at != committing_.begin() && std::prev(at)->last > last) --at;
      committing_.insert(at, {first, last, std::move(kept)});
      wake();
      return;
    }
  }
  kept({});
}

void Log::when_kept(std::uint64_t seq, Kept kept) {
  MutexLock lock(mutex_);
  waiting_.push_back({std::min(seq, next_ - 1), std::move(kept)});
  wake();
}

struct Log::Read {
  std::uint64_t upto;  // what must be written before
  std::uint32_t lane;
  const std::string* key;  // null: every key's
  std::uint64_t first;
  std::uint64_t last;
  std::promise<Result<std::vector<Op>>> answer = {};
};

Result<std::vector<Op>> Log::read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                                  std::uint64_t last) {
  Read read{0, lane, key, first, last};
  auto answer = read.answer.get_future();
  {
    MutexLock lock(mutex_);
    if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
    read.upto = next_ - 1;
    reads_.push_back(&read);
    wake();
  }
  return answer.get();
}

void Log::trim(std::uint64_t seq, std::vector<Applied> applied) {
  MutexLock lock(mutex_);
  seq = std::min(seq, next_ - 1);
  if (seq <= trimmed_) return;
  trim_ = LogFile::Trim{seq, std::move(applied)};
  wake();
}

bool Log::next(Work& work) {
  MutexLock lock(mutex_);
  const auto asked = [this]() NO_THREAD_SAFETY_ANALYSIS {
    const bool awaited = !committing_.empty() &&
                         (committing_.back().last > committed_ || committing_.front().last <= released_);
    const bool any = stopping_ || unawaited_ || !closed_.empty() || trim_ || !waiting_.empty() ||
                     !reads_.empty() || awaited;
    asleep_ = !any;
    return any;
  };
  if (held_.empty()) {
    wake_.wait(mutex_, asked);
  } else {
    wake_.wait_until(mutex_, held_.front().at + delay(), asked);
    asleep_ = false;
  }
  const bool nothing =
      open_.group.empty() && !trim_ && waiting_.empty() && reads_.empty() && committing_.empty();
  if (nothing && stopping_) return false;
  if (!closed_.empty()) {
    group_ = std::move(closed_.front());
    closed_.pop_front();
  } else {
    std::swap(group_, open_);
    unawaited_ = false;
  }
  work.last = group_.group.empty() ? next_ - 1 : group_.group.last();
  while (!waiting_.empty() && waiting_.front().upto <= work.last) {
    work.waiting.push_back(std::move(waiting_.front()));
    work.waiting.back().lost = lost(work.waiting.back().upto);
    waiting_.pop_front();
  }
  while (!reads_.empty() && reads_.front()->upto <= work.last) {
    work.reads.push_back(reads_.front());
    reads_.pop_front();
  }
  if (trim_ && trim_->seq <= work.last) work.trim = std::exchange(trim_, std::nullopt);
  return true;
}

void Log::work() {
  while (true) {
    if (!file_) {
      if (!wait_closed()) return;
      continue;
    }
    Work work;
    if (!next(work)) return;
    Sync sync = group_.sync;
    for (const Waiting& waiting : work.waiting) {
      if (waiting.upto > synced_) sync = Sync::kYes;
    }

    Result<void> committed;
    if (!group_.group.empty() || work.trim || sync == Sync::kYes) committed = commit(work, sync);
    if (!committed) fail(committed.error(), work.last, std::move(work.trim));
    group_.group.clear(kKeptBuffer);
    group_.receipts.clear();
    if (group_.receipts.capacity() > kKeptBuffer) group_.receipts.shrink_to_fit();
    group_.sync = Sync::kNo;
    answer_committed();
    for (Waiting& waiting : work.waiting) {
      if (waiting.lost) {
        waiting.kept(Error{ErrorCode::kConflict, "the journal's disk failed, and this write was lost"});
      } else {
        waiting.kept(committed || waiting.upto <= synced_ ? Result<void>() : committed);
      }
    }
    for (Read* read : work.reads) {
      read->answer.set_value(file_ ? file_->read(read->lane, read->key, read->first, read->last)
                                   : Result<std::vector<Op>>(committed.error()));
    }
    if (!committed) continue;
    // What is committed is safe whatever becomes of it; what is queued since then is not.
    if (auto done = file_->checkpoint_if_due(); !done) {
      fail(done.error(), work.last, std::nullopt);
      answer_committed();
    }
  }
}

LogFile::Receipts Log::receipts_now() {
  LogFile::Receipts now;
  if (group_.receipts.empty() && remembered_.empty()) return now;
  const Instant at = clock_.now();
  for (int i = 0; i < kForgetMost && !remembered_.empty(); ++i) {
    if (at - remembered_.front().at < options_.remember) break;
    now.forget = remembered_.front().last;
    remembered_.pop_front();
  }
  if (group_.receipts.empty()) return now;
  now.bytes = group_.receipts;
  now.last = group_.last_receipt;
  now.wall_ms = clock_.to_wall_ms(at);
  remembered_.push_back({now.last, at});
  return now;
}

void Log::remember(LogFile::Content& content) {
  remembered_.clear();
  const Instant now = clock_.now();
  std::erase_if(content.receipts, [&](const Receipt& receipt) {
    // A wall clock that was set back makes none younger than it can be.
    const Instant at = std::clamp(clock_.from_wall_ms(receipt.wall_ms), now - options_.remember, now);
    if (remembered_.empty() || remembered_.back().at != at) remembered_.push_back({receipt.seq, at});
    remembered_.back().last = receipt.seq;
    return now - at >= options_.remember;
  });
}

Result<void> Log::commit(const Work& work, Sync sync) {
  if (auto done =
          file_->commit(group_.group, receipts_now(), work.trim ? &*work.trim : nullptr, work.last, sync);
      !done)
    return done;
  if (sync == Sync::kYes) synced_ = work.last;
  {
    MutexLock lock(mutex_);
    committed_ = work.last;
    if (work.trim) {
      trimmed_ = work.trim->seq;
      while (!steps_.empty() && steps_.front().last <= trimmed_) {
        bytes_ -= steps_.front().bytes;
        steps_.pop_front();
      }
    }
    if (!held_.empty() || delay() > Duration::zero()) {
      held_.push_back({committed_, std::chrono::steady_clock::now()});
    } else {
      released_ = committed_;
    }
  }
  look_at_room();
  return {};
}

void Log::look_at_room() {
  const bool little = too_little_room().has_value();
  if (!little && unused_.load(std::memory_order_relaxed) == 0) return;
  if (const auto unused = file_->unused()) unused_.store(*unused, std::memory_order_relaxed);
  if (!too_little_room()) return;
  MutexLock lock(mutex_);
  nearly_full_ = true;
}

bool Log::any_lost(std::uint64_t first, std::uint64_t last) const {
  const auto after =
      std::ranges::upper_bound(lost_, last, {}, &std::pair<std::uint64_t, std::uint64_t>::first);
  return after != lost_.begin() && first <= std::prev(after)->second;
}

Result<void> Log::became(std::uint64_t first, std::uint64_t last) const {
  if (last <= committed_ && !any_lost(first, last)) return {};
  const auto all = [&](const auto& range) { return range.first <= first && last <= range.second; };
  if (std::ranges::any_of(lost_, all))
    return Error{ErrorCode::kUnavailable, "the journal's disk failed, and this write was lost"};
  if (last <= committed_)
    return Error{ErrorCode::kUnknownOutcome,
                 "the journal's disk failed; this write, or another that was asked for with it, was lost"};
  if (first > unknown_ && first > committed_)
    return Error{ErrorCode::kUnavailable, fmt::format("{}; this write was not taken", failed_->message)};
  return Error{ErrorCode::kUnknownOutcome,
               fmt::format("{}; whether this write was kept shows then", failed_->message)};
}

double Log::fill() const {
  const auto share = [](std::size_t part, std::size_t bound) {
    return static_cast<double>(part) / static_cast<double>(bound);
  };
  return std::max(share(next_ - 1 - trimmed_, options_.max_records), share(bytes_, options_.max_bytes));
}

Duration Log::delay() const {
  return stopping_ || failed_ ? Duration::zero() : ack_delay(fill(), options_.ack_delay_most);
}

Pressure Log::pressure() const {
  MutexLock lock(mutex_);
  return {fill(), delay(), delayed_};
}

void Log::release() {
  if (held_.empty()) return;
  const Duration wait = delay();
  const auto now = std::chrono::steady_clock::now();
  while (!held_.empty() && (wait == Duration::zero() || held_.front().at + wait <= now)) {
    released_ = held_.front().upto;
    held_.pop_front();
  }
}

void Log::answer_committed() {
  struct Answer {
    Kept kept;
    Result<void> result;
  };
  std::vector<Answer> answers;
  {
    MutexLock lock(mutex_);
    const std::uint64_t before = released_;
    release();
    while (!committing_.empty() && (failed_ || committing_.front().last <= released_)) {
      Committing& front = committing_.front();
      answers.push_back({std::move(front.kept), became(front.first, front.last)});
      if (front.last > before && !failed_) ++delayed_;
      committing_.pop_front();
    }
  }
  for (Answer& answer : answers) answer.kept(std::move(answer.result));
}

// ---- After a failure

void Log::fail(const Error& error, std::uint64_t unknown, std::optional<LogFile::Trim> trim) {
  file_->abandon();
  file_.reset();
  reopen_in_ = options_.reopen_first;
  reopen_at_ = std::chrono::steady_clock::now() + reopen_in_;
  MutexLock lock(mutex_);
  failed_ = Error{ErrorCode::kUnavailable,
                  fmt::format("{}; the journal takes no writes until it can be opened again", error.message)};
  unknown_ = unknown;
  released_ = committed_;
  held_.clear();
  closed_.clear();
  open_ = {};
  unawaited_ = false;
  if (!trim_) trim_ = std::move(trim);
}

bool Log::wait_closed() {
  tell_failed();
  std::deque<Waiting> waiting;
  std::deque<Read*> reads;
  std::optional<Error> failed;
  bool try_now = false;
  {
    MutexLock lock(mutex_);
    const auto asked = [this]() NO_THREAD_SAFETY_ANALYSIS {
      const bool any =
          stopping_ || watch_changed_ || !waiting_.empty() || !reads_.empty() || !committing_.empty();
      asleep_ = !any;
      return any;
    };
    if (watched_) {
      wake_.wait_until(mutex_, reopen_at_, asked);
    } else {
      wake_.wait(mutex_, asked);
    }
    asleep_ = false;
    try_now = watched_ && !stopping_ && std::chrono::steady_clock::now() >= reopen_at_;
    if (stopping_ && waiting_.empty() && reads_.empty() && committing_.empty()) return false;
    watch_changed_ = false;
    waiting = std::exchange(waiting_, {});
    reads = std::exchange(reads_, {});
    for (Waiting& each : waiting) each.lost = lost(each.upto);
    failed = failed_;
  }
  answer_committed();
  for (Waiting& each : waiting) {
    each.kept(each.upto <= synced_ && !each.lost ? Result<void>() : Result<void>(*failed));
  }
  for (Read* read : reads) read->answer.set_value(*failed);
  if (!try_now) return true;
  auto done = reopen();
  if (done) return true;
  reopen_in_ = std::min(2 * reopen_in_, options_.reopen_most);
  reopen_at_ = std::chrono::steady_clock::now() + reopen_in_;
  MutexLock lock(mutex_);
  failed_ = Error{
      ErrorCode::kUnavailable,
      fmt::format("{}; the journal takes no writes until it can be opened again", done.error().message)};
  return true;
}

void Log::watch(Watcher* watcher) {
  {
    MutexLock lock(watch_mutex_);
    watcher_ = watcher;
  }
  MutexLock lock(mutex_);
  watched_ = watcher != nullptr;
  watch_changed_ = true;
  if (failed_) wake();
}

void Log::tell_failed() {
  std::optional<Error> failed;
  {
    MutexLock lock(mutex_);
    failed = failed_;
  }
  MutexLock lock(watch_mutex_);
  if (watcher_ == nullptr || told_ == failed->message) return;
  told_ = failed->message;
  watcher_->failed(*failed);
}

Result<void> Log::reopen() {
  if (auto written = LogFile::rewrite(options_.path, options_.vfs); !written) return written;
  LogFile::Content content;
  auto file = LogFile::open(options_.path, options_.vfs, lanes_, content);
  if (!file) return std::move(file).error();
  std::uint64_t next = 0;
  std::uint64_t written = 0;
  {
    MutexLock lock(mutex_);
    next = next_;
    written = std::max(committed_, unknown_);
  }
  // An attempt before this one may have come so far as to give the lost numbers to no op.
  const std::uint64_t kept = content.voided && *content.voided > synced_ ? *content.voided - 1 : content.last;
  Result<void> good;
  if (content.id != id_ || content.lanes != lanes_ || kept > written || content.last >= next) {
    good = Error{ErrorCode::kInternal,
                 fmt::format("journal {}: the file is not the one that failed", options_.path)};
  } else if (kept < synced_) {
    good = Error{ErrorCode::kInternal,
                 fmt::format("journal {}: the file ends with op {}, but ops up to {} had been synced",
                             options_.path, kept, synced_)};
  } else {
    good = (*file)->void_numbers(content.last + 1, next - 1);
  }
  std::size_t bytes = 0;
  for (const Op& op : content.ops) bytes += size_of(op);
  std::deque<Step> steps = steps_of(content.ops);
  if (good) {
    MutexLock lock(watch_mutex_);
    good = watcher_ == nullptr ? Error{ErrorCode::kUnavailable, "nobody watches the journal"}
                               : watcher_->reopened(std::move(content.ops), kept);
  }
  if (!good) {
    (*file)->abandon();
    return good;
  }
  file_ = std::move(*file);
  remember(content);
  synced_ = next - 1;
  told_.clear();
  MutexLock lock(mutex_);
  if (kept < next - 1) lost_.emplace_back(kept + 1, next - 1);
  failed_.reset();
  committed_ = released_ = next - 1;
  trimmed_ = content.trimmed;
  if (trim_ && trim_->seq <= trimmed_) trim_.reset();
  steps_ = std::move(steps);
  bytes_ = bytes;
  nearly_full_ = too_little_room().has_value();
  return {};
}

}  // namespace forebay::journal
