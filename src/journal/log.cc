#include "journal/log.h"

#include <fmt/format.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <utility>

namespace forebay::journal {
namespace {

using Sync = LogFile::Sync;

// A step of what is pending ends at so many ops or bytes, or at a share of the age bound.
constexpr std::uint64_t kStepOps = 256;
constexpr std::size_t kStepBytes = std::size_t{1} << 20;
constexpr int kStepsOfAge = 64;
// A group's buffer is used again if it has no more than this.
constexpr std::size_t kKeptBuffer = 2 * Log::kGroupBytes;

std::size_t size_of(const auto& op) {
  return op.key.size() + op.payload.size();
}

}  // namespace

Result<Log::Opened> Log::open(const LogOptions& options, const Clock& clock) {
  std::unique_ptr<Log> log(new Log(options, clock));
  LogFile::Content content;
  auto file = LogFile::open(options.path, options.vfs, kLanes, content);
  if (!file) return std::move(file).error();
  log->file_ = std::move(*file);
  log->id_ = std::move(content.id);
  log->lanes_ = content.lanes;
  log->synced_ = content.trimmed;  // a process that was killed may have left the rest to the operating system
  {
    MutexLock lock(log->mutex_);
    log->next_ = content.last + 1;
    log->committed_ = content.last;
    log->trimmed_ = content.trimmed;
    for (const Op& op : content.ops) log->bytes_ += size_of(op);
    if (!content.ops.empty()) log->steps_.push_back({content.last, log->bytes_, clock.now()});
    log->nearly_full_ = log->too_little_room().has_value();
  }
  log->writer_ = std::thread([me = log.get()] { me->work(); });
  Opened opened;
  opened.log = std::move(log);
  opened.ops = std::move(content.ops);
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

Result<std::uint64_t> Log::append(const OpView& op, Durability durability) {
  MutexLock lock(mutex_);
  if (auto refused = refusal(op)) return std::move(*refused);
  const std::uint64_t seq = next_++;
  const std::size_t size = size_of(op);
  bytes_ += size;
  const Instant now = options_.max_age > Duration::zero() ? clock_.now() : Instant{};
  if (steps_.empty() || seq % kStepOps == 0 || steps_.back().bytes >= kStepBytes ||
      now - steps_.back().since > options_.max_age / kStepsOfAge) {
    steps_.push_back({seq, 0, now});
  }
  steps_.back().last = seq;
  steps_.back().bytes += size;
  if (open_.group.bytes().size() >= kGroupBytes) closed_.push_back(std::exchange(open_, {}));
  open_.group.add(seq, op);
  if (durability == Durability::kSync) open_.sync = Sync::kYes;
  wake();
  return seq;
}

void Log::when_committed(std::uint64_t seq, Kept kept) {
  {
    MutexLock lock(mutex_);
    seq = std::min(seq, next_ - 1);
    if (seq > committed_) {
      auto at = committing_.end();
      while (at != committing_.begin() && std::prev(at)->upto > seq) --at;
      committing_.insert(at, {seq, std::move(kept)});
      // Else the group that holds the op is still to be committed, and then they are answered.
      if (failed_) wake();
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
  if (failed_ || seq <= trimmed_) return;
  trim_ = LogFile::Trim{seq, std::move(applied)};
  wake();
}

bool Log::next(Work& work) {
  MutexLock lock(mutex_);
  asleep_ = true;
  wake_.wait(mutex_, [this]() NO_THREAD_SAFETY_ANALYSIS {
    return stopping_ || !open_.group.empty() || trim_ || !waiting_.empty() || !reads_.empty() ||
           (failed_ && !committing_.empty());
  });
  asleep_ = false;
  if (open_.group.empty() && !trim_ && waiting_.empty() && reads_.empty() && committing_.empty())
    return false;
  if (!closed_.empty()) {
    group_ = std::move(closed_.front());
    closed_.pop_front();
  } else {
    std::swap(group_, open_);
  }
  work.last = group_.group.empty() ? next_ - 1 : group_.group.last();
  while (!waiting_.empty() && waiting_.front().upto <= work.last) {
    work.waiting.push_back(std::move(waiting_.front()));
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
    Work work;
    if (!next(work)) return;
    Sync sync = group_.sync;
    for (const Waiting& waiting : work.waiting) {
      if (waiting.upto > synced_) sync = Sync::kYes;
    }

    Result<void> committed;
    if (!group_.group.empty() || work.trim || sync == Sync::kYes) {
      // After a failure callers are refused at once, so what is left to do is only what waits.
      std::optional<Error> before;
      {
        MutexLock lock(mutex_);
        before = failed_;
      }
      committed = before ? Result<void>(*before) : commit(work, sync);
      if (!committed && !before) fail(committed.error(), work.last);
    }
    group_.group.clear(kKeptBuffer);
    group_.sync = Sync::kNo;
    answer_committed();
    for (Waiting& waiting : work.waiting) {
      waiting.kept(committed || waiting.upto <= synced_ ? Result<void>() : committed);
    }
    for (Read* read : work.reads) {
      read->answer.set_value(file_->read(read->lane, read->key, read->first, read->last));
    }
    if (!committed) continue;
    // What is committed is safe whatever becomes of it; what is queued since then is not.
    if (auto done = file_->checkpoint_if_due(); !done) {
      fail(done.error(), work.last);
      answer_committed();
    }
  }
}

Result<void> Log::commit(const Work& work, Sync sync) {
  if (auto done = file_->commit(group_.group, work.trim ? &*work.trim : nullptr, work.last, sync); !done)
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

// The ops after committed_ up to `unknown` may be in the file or not; those after that are not.
void Log::fail(const Error& error, std::uint64_t unknown) {
  // Closing would checkpoint, and so sync again.
  file_->abandon();
  MutexLock lock(mutex_);
  failed_ =
      Error{ErrorCode::kUnavailable,
            fmt::format("{}; the journal takes no writes until the server is started again", error.message)};
  unknown_ = unknown;
  closed_.clear();
  open_.group.clear(0);
  trim_.reset();
}

void Log::answer_committed() {
  std::deque<Waiting> done;
  std::uint64_t committed = 0;
  std::uint64_t unknown = 0;
  std::optional<Error> failed;
  {
    MutexLock lock(mutex_);
    committed = committed_;
    unknown = unknown_;
    failed = failed_;
    while (!committing_.empty() && (failed_ || committing_.front().upto <= committed_)) {
      done.push_back(std::move(committing_.front()));
      committing_.pop_front();
    }
  }
  for (Waiting& waiting : done) {
    if (waiting.upto <= committed) {
      waiting.kept({});
    } else if (waiting.upto <= unknown) {
      waiting.kept(
          Error{ErrorCode::kUnknownOutcome,
                fmt::format("{}; whether this write was kept shows at the next start", failed->message)});
    } else {
      waiting.kept(
          Error{ErrorCode::kUnavailable, fmt::format("{}; this write was not taken", failed->message)});
    }
  }
}

}  // namespace forebay::journal
