#include "journal/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "journal/ages.h"
#include "journal/receipt_bytes.h"

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
// On a disk that is nearly full, how soon the journal's thread looks again, whatever else it does.
constexpr std::chrono::milliseconds kLookAgain{100};
// A group's buffer is used again if it has no more than this.
constexpr std::size_t kKeptBuffer = 2 * Log::kGroupBytes;

std::size_t size_of(const auto& op) {
  return op.key.size() + op.payload.size();
}

// What clients wrote is nobody else's to read. SQLite gives its log the mode of the database.
Result<void> keep_private(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return Error{ErrorCode::kConfig,
                 fmt::format("journal {}: opening: {}", path, std::system_category().message(errno))};
  }
  close(file);
  for (const char* suffix : {"", "-wal", "-lock"}) chmod((path + suffix).c_str(), 0600);
  return {};
}

}  // namespace

Duration ack_delay(double fill, Duration most) {
  const double x = std::clamp((fill - kFree) / (1 - kFree), 0.0, 1.0);
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(most) * (x * x));
}

Log::Log(LogOptions options, const Clock& clock) : options_(std::move(options)), clock_(clock) {}

Result<Log::Opened> Log::open(const LogOptions& options, const Clock& clock) {
  std::unique_ptr<Log> log(new Log(options, clock));
  auto lock_file = LockFile::take(options.path);
  if (!lock_file) return std::move(lock_file).error();
  log->lock_file_ = std::move(*lock_file);
  if (auto kept = keep_private(options.path); !kept) return std::move(kept).error();
  LogFile::Content content;
  content.expected = log->lock_file_->marked();
  auto file = LogFile::open(options.path, options.vfs, kLanes, content);
  if (!file) return std::move(file).error();
  if (const std::uint64_t marked = log->lock_file_->marked(content.id); marked > content.last) {
    (*file)->abandon();
    return Error{
        ErrorCode::kInternal,
        fmt::format("journal {} is damaged: it ends with op {}, and had been synced up to op {}; it is not "
                    "used; `forebay journal export --salvage` prints the writes that can still be read",
                    options.path, content.last, marked)};
  }
  log->file_ = std::move(*file);
  log->id_ = std::move(content.id);
  log->lanes_ = content.lanes;
  log->remember(content);
  log->synced_ = content.trimmed;  // a process that was killed may have left the rest to the operating system
  {
    MutexLock lock(log->mutex_);
    log->next_ = content.last + 1;
    log->committed_ = log->acknowledged_ = content.last;
    log->trimmed_ = content.trimmed;
    for (const Op& op : content.ops) log->bytes_ += size_of(op);
    log->steps_ = log->steps_of(content.ops);
    log->too_little_ = log->too_little_room();
  }
  log->writer_ = std::thread([me = log.get()] { me->work(); });
  Opened opened;
  opened.log = std::move(log);
  opened.ops = std::move(content.ops);
  opened.receipts = std::move(content.receipts);
  opened.applied = std::move(content.applied);
  opened.last = content.last;
  opened.notes = std::move(content.notes);
  opened.cut = std::move(content.cut);
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
  const bool reused = *room >= options_.min_free / 2 && *room + unused_ >= options_.min_free;
  return reused ? std::nullopt : room;
}

std::optional<Error> Log::refusal(const OpView& op) {
  if (failed_) return Error{ErrorCode::kUnavailable, failed_->message};
  if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
  if (too_little_) {
    return Error{ErrorCode::kOverloaded,
                 fmt::format("the journal's disk is nearly full: {} bytes are free, {} must be; this write "
                             "was not taken",
                             *too_little_, options_.min_free)};
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
  if (durability == Durability::kFsync) open_.sync = Sync::kYes;
  if (durability == Durability::kNone) unawaited_ = true;
  if (unawaited_ || !closed_.empty()) wake();
  return seq;
}

void Log::when_committed(std::uint64_t first, std::uint64_t last, Kept kept) {
  {
    MutexLock lock(mutex_);
    last = std::min(last, next_ - 1);
    first = std::min(first, last);
    if (last > acknowledged_ || any_lost(first, last)) {
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

Result<void> Log::note(Notes notes) {
  Note note{std::move(notes)};
  auto answer = note.answer.get_future();
  {
    MutexLock lock(mutex_);
    if (stopping_) return Error{ErrorCode::kCancelled, "shutting down"};
    notes_.push_back(&note);
    wake();
  }
  return answer.get();
}

bool Log::next(Work& work) {
  MutexLock lock(mutex_);
  const bool little = too_little_.has_value();
  const auto asked = [this]() NO_THREAD_SAFETY_ANALYSIS {
    const bool awaited = !committing_.empty() &&
                         (committing_.back().last > committed_ || committing_.front().last <= acknowledged_);
    const bool any = stopping_ || unawaited_ || !closed_.empty() || trim_ || !waiting_.empty() ||
                     !reads_.empty() || !notes_.empty() || awaited;
    asleep_ = !any;
    return any;
  };
  if (delayed_acks_.empty() && !little) {
    wake_.wait(mutex_, asked);
  } else {
    auto until = std::chrono::steady_clock::time_point::max();
    if (!delayed_acks_.empty()) until = delayed_acks_.front().at + delay();
    if (little) until = std::min(until, std::chrono::steady_clock::now() + kLookAgain);
    wake_.wait_until(mutex_, until, asked);
    asleep_ = false;
  }
  const bool nothing = open_.group.empty() && !trim_ && waiting_.empty() && reads_.empty() &&
                       notes_.empty() && committing_.empty();
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
  work.notes = std::exchange(notes_, {});
  return true;
}

void Log::work() {
  while (true) {
    if (!file_) {
      if (!wait_closed()) return;
      continue;
    }
    look_for_room_again();
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
    for (Note* note : work.notes) {
      Result<void> noted = file_ ? file_->note(note->notes) : Result<void>(committed.error());
      if (file_ && !noted) {
        fail(noted.error(), work.last, std::nullopt);
        committed = noted;
      }
      note->answer.set_value(std::move(noted));
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
  if (auto done = file_->commit(group_.group, receipts_now(), work.trim ? &*work.trim : nullptr, work.last,
                                synced_, sync);
      !done)
    return done;
  if (sync == Sync::kYes) {
    synced_ = work.last;
    lock_file_->mark(id_, synced_);
  }
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
    if (!delayed_acks_.empty() || delay() > Duration::zero()) {
      delayed_acks_.push_back({committed_, std::chrono::steady_clock::now()});
    } else {
      acknowledged_ = committed_;
    }
  }
  look_at_room();
  return {};
}

void Log::look_at_room() {
  auto little = too_little_room();
  if (little || unused_ != 0) {
    if (const auto unused = file_->unused()) unused_ = *unused;
    little = too_little_room();
  }
  MutexLock lock(mutex_);
  too_little_ = little;
}

void Log::look_for_room_again() {
  bool little = false;
  {
    MutexLock lock(mutex_);
    little = too_little_.has_value();
  }
  if (little) look_at_room();
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
  return {fill(), delay(), delayed_count_};
}

void Log::end_delays() {
  if (delayed_acks_.empty()) return;
  const Duration wait = delay();
  const auto now = std::chrono::steady_clock::now();
  while (!delayed_acks_.empty() && (wait == Duration::zero() || delayed_acks_.front().at + wait <= now)) {
    acknowledged_ = delayed_acks_.front().upto;
    delayed_acks_.pop_front();
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
    const std::uint64_t before = acknowledged_;
    end_delays();
    while (!committing_.empty() && (failed_ || committing_.front().last <= acknowledged_)) {
      Committing& front = committing_.front();
      answers.push_back({std::move(front.kept), became(front.first, front.last)});
      if (front.last > before && !failed_) ++delayed_count_;
      committing_.pop_front();
    }
  }
  for (Answer& answer : answers) answer.kept(std::move(answer.result));
}

}  // namespace forebay::journal
