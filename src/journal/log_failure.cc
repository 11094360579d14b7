// The journal after its disk has failed: what it says meanwhile, and how it is opened again (journal/log.h).

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "journal/log.h"

namespace forebay::journal {

void Log::fail(const Error& error, std::uint64_t unknown, std::optional<LogFile::Trim> trim) {
  file_->abandon();
  file_.reset();
  reopen_in_ = options_.reopen_first;
  reopen_at_ = std::chrono::steady_clock::now() + reopen_in_;
  MutexLock lock(mutex_);
  failed_ = Error{ErrorCode::kUnavailable,
                  fmt::format("{}; the journal takes no writes until it can be opened again", error.message)};
  unknown_ = unknown;
  acknowledged_ = committed_;
  delayed_acks_.clear();
  closed_.clear();
  open_ = {};
  unawaited_ = false;
  if (!trim_) trim_ = std::move(trim);
}

bool Log::wait_closed() {
  tell_failed();
  std::deque<Waiting> waiting;
  std::deque<Read*> reads;
  std::vector<Note*> notes;
  std::optional<Error> failed;
  bool try_now = false;
  {
    MutexLock lock(mutex_);
    const auto asked = [this]() NO_THREAD_SAFETY_ANALYSIS {
      const bool any = stopping_ || watch_changed_ || !waiting_.empty() || !reads_.empty() ||
                       !notes_.empty() || !committing_.empty();
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
    if (stopping_ && waiting_.empty() && reads_.empty() && notes_.empty() && committing_.empty())
      return false;
    watch_changed_ = false;
    waiting = std::exchange(waiting_, {});
    reads = std::exchange(reads_, {});
    notes = std::exchange(notes_, {});
    for (Waiting& each : waiting) each.lost = lost(each.upto);
    failed = failed_;
  }
  answer_committed();
  for (Waiting& each : waiting) {
    each.kept(each.upto <= synced_ && !each.lost ? Result<void>() : Result<void>(*failed));
  }
  for (Read* read : reads) read->answer.set_value(*failed);
  for (Note* note : notes) note->answer.set_value(*failed);
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
  for (const Op& op : content.ops) bytes += op.key.size() + op.payload.size();
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
  committed_ = acknowledged_ = next - 1;
  trimmed_ = content.trimmed;
  if (trim_ && trim_->seq <= trimmed_) trim_.reset();
  steps_ = std::move(steps);
  bytes_ = bytes;
  too_little_ = too_little_room();
  return {};
}

}  // namespace forebay::journal
