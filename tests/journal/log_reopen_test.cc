// The journal opens itself again once its disk answers (consistency.md J2).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <future>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "journal/faulty_vfs.h"
#include "journal/log.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

using forebay::test::eventually;
using forebay::test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;

class Watching final : public Watcher {
 public:
  void failed(const Error& error) override {
    MutexLock lock(mutex_);
    errors_.push_back(error.message);
  }
  Result<void> reopened(std::vector<Op> ops, std::uint64_t last) override {
    MutexLock lock(mutex_);
    if (refuse_) return Error{ErrorCode::kInternal, "not today"};
    ops_ = std::move(ops);
    last_ = last;
    ++reopened_;
    changed_.notify_all();
    return {};
  }
  // Waits until the journal was opened again so many times.
  void wait(int times) {
    MutexLock lock(mutex_);
    changed_.wait(mutex_, [&]() NO_THREAD_SAFETY_ANALYSIS { return reopened_ >= times; });
  }
  void refuse(bool refuse) {
    MutexLock lock(mutex_);
    refuse_ = refuse;
  }
  int reopened() const {
    MutexLock lock(mutex_);
    return reopened_;
  }
  std::vector<std::string> errors() const {
    MutexLock lock(mutex_);
    return errors_;
  }
  std::string last_error() const {
    MutexLock lock(mutex_);
    return errors_.empty() ? "" : errors_.back();
  }
  std::vector<std::string> keys() const {
    MutexLock lock(mutex_);
    std::vector<std::string> keys;
    for (const Op& op : ops_) keys.push_back(op.key);
    return keys;
  }
  std::uint64_t last() const {
    MutexLock lock(mutex_);
    return last_;
  }

 private:
  mutable Mutex mutex_;
  Condition changed_;
  bool refuse_ GUARDED_BY(mutex_) = false;
  int reopened_ GUARDED_BY(mutex_) = 0;
  std::vector<std::string> errors_ GUARDED_BY(mutex_);
  std::vector<Op> ops_ GUARDED_BY(mutex_);
  std::uint64_t last_ GUARDED_BY(mutex_) = 0;
};

class JournalReopens : public testing::Test {
 protected:
  LogOptions options() const {
    LogOptions options;
    options.path = (folder_ / "journal").string();
    options.vfs = test::FaultyVfs::kName;
    options.reopen_first = options.reopen_most = std::chrono::milliseconds(1);
    return options;
  }
  void open() {
    log_.reset();
    auto opened = Log::open(options());
    ASSERT_TRUE(opened) << opened.error().message;
    log_ = std::move(opened->log);
    found_ = std::move(opened->ops);
    check_receipts(found_, opened->receipts);
    last_ = opened->last;
    log_->watch(&watching_);
  }
  // What the file holds after a restart.
  std::vector<std::string> restart() {
    open();
    std::vector<std::string> keys;
    for (const Op& op : found_) keys.push_back(op.key);
    return keys;
  }
  // What it would hold after a power loss now.
  std::vector<std::string> after_power_loss() {
    const TempDir there;
    disk_.power_loss(there / "");
    LogFile::Content content;
    const auto file = LogFile::open((there / "journal").string(), nullptr, 4, content);
    EXPECT_TRUE(file) << (file ? "" : file.error().message);
    check_receipts(content.ops, content.receipts);
    std::vector<std::string> keys;
    for (const Op& op : content.ops) keys.push_back(op.key);
    return keys;
  }
  Result<std::uint64_t> append(const std::string& key, Durability durability = Durability::kFsync,
                               const std::string& payload = "1") {
    return log_->append({1, "db", "views", key, payload, key}, durability);
  }
  // Each op's receipt, which is its key, is there exactly if the op is; those of trimmed ones may be, too.
  static void check_receipts(const std::vector<Op>& ops, const std::vector<Receipt>& receipts) {
    std::map<std::uint64_t, std::string> found;
    for (const Receipt& receipt : receipts) {
      if (!ops.empty() && receipt.seq >= ops.front().seq) found.emplace(receipt.seq, receipt.bytes);
    }
    std::map<std::uint64_t, std::string> wanted;
    for (const Op& op : ops) wanted.emplace(op.seq, op.key);
    EXPECT_EQ(found, wanted);
  }
  Result<void> committed(std::uint64_t seq) { return committed(seq, seq); }
  Result<void> committed(std::uint64_t first, std::uint64_t last) {
    std::promise<Result<void>> promise;
    log_->when_committed(first, last, [&](Result<void> kept) { promise.set_value(std::move(kept)); });
    return promise.get_future().get();
  }
  Result<void> when_kept(std::uint64_t seq) {
    std::promise<Result<void>> promise;
    log_->when_kept(seq, [&](Result<void> kept) { promise.set_value(std::move(kept)); });
    return promise.get_future().get();
  }
  Result<void> keep(const std::string& key, Durability durability = Durability::kFsync,
                    const std::string& payload = "1") {
    auto seq = append(key, durability, payload);
    return seq ? committed(*seq) : seq.error();
  }
  static ErrorCode code(const Result<void>& result) {
    EXPECT_FALSE(result);
    return result ? ErrorCode::kInternal : result.error().code;
  }

  // The disk fails once, at each call in turn. What was acknowledged is there, and nothing that was refused,
  // without a restart, after one, and after a power loss right after the journal was opened again.
  int fail_at_every_step(std::atomic<long>& good) {
    int steps = 0;
    for (bool failed = true; failed; ++steps) {
      open();
      std::set<std::string> acknowledged;
      std::set<std::string> unknown;
      const std::uint64_t before = last_;
      const int reopened = watching_.reopened();
      const int failures = disk_.failures;
      good = steps;
      for (int i = 0; i < 5; ++i) {
        const std::string key = std::to_string(steps) + ":" + std::to_string(i);
        // Beyond a page, and one group is not synced.
        const Durability durability = i == 1 ? Durability::kOs : Durability::kFsync;
        auto kept = keep(key, durability, std::string(3000, 'x'));
        if (kept) acknowledged.insert(key);
        if (!kept && kept.error().code == ErrorCode::kUnknownOutcome) unknown.insert(key);
        if (i == 2) log_->trim(before, {{"db", 1, before}});
        if (kept) continue;
        // Refused or unknown: the next one is taken once the journal is open again.
        good = std::numeric_limits<long>::max();
        watching_.wait(reopened + 1);
        check(steps, acknowledged, unknown, after_power_loss());
      }
      failed = disk_.failures != failures;
      good = std::numeric_limits<long>::max();
      EXPECT_LE(unknown.size(), 1u);
      EXPECT_GE(acknowledged.size(), 3u);
      if (failed) watching_.wait(reopened + 1);
      const std::string end = std::to_string(steps) + ":end";
      EXPECT_TRUE(eventually([&] { return keep(end).has_value(); }));
      acknowledged.insert(end);
      check(steps, acknowledged, unknown, after_power_loss());
      check(steps, acknowledged, unknown, restart());
      log_->trim(last_, {});
    }
    return steps;
  }
  static void check(int step, const std::set<std::string>& acknowledged, const std::set<std::string>& unknown,
                    const std::vector<std::string>& all) {
    const std::set<std::string> found(all.begin(), all.end());
    for (const std::string& key : acknowledged) EXPECT_TRUE(found.contains(key)) << step << " " << key;
    for (const std::string& key : found) {
      if (!key.starts_with(std::to_string(step) + ":")) continue;  // of the step before, not trimmed yet
      EXPECT_TRUE(acknowledged.contains(key) || unknown.contains(key)) << key;
    }
  }

  TempDir folder_;
  test::FaultyVfs disk_;
  Watching watching_;
  std::unique_ptr<Log> log_;
  std::vector<Op> found_;
  std::uint64_t last_ = 0;
};

TEST_F(JournalReopens, AfterAFailedSyncItTakesWritesAgainAndWhatItHoldsDecides) {
  open();
  ASSERT_TRUE(keep("a"));
  disk_.good_syncs = 0;
  EXPECT_EQ(code(keep("b")), ErrorCode::kUnknownOutcome);
  watching_.wait(1);
  EXPECT_THAT(watching_.errors(), ElementsAre(HasSubstr("takes no writes until it can be opened again")));
  // The write of b had succeeded: it is there, and whoever still asks is told so.
  EXPECT_THAT(watching_.keys(), ElementsAre("a", "b"));
  EXPECT_EQ(watching_.last(), 2u);
  EXPECT_THAT(after_power_loss(), ElementsAre("a", "b"));
  ASSERT_TRUE(eventually([&] { return keep("c").has_value(); }));
  EXPECT_TRUE(committed(2));
  EXPECT_TRUE(when_kept(2));
  EXPECT_THAT(after_power_loss(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(restart(), ElementsAre("a", "b", "c"));
}

TEST_F(JournalReopens, WhileTheDiskIsAwayWritesAreRefusedAndWhatIsLostKeepsItsNumber) {
  open();
  ASSERT_TRUE(keep("a"));
  disk_.down = true;
  EXPECT_EQ(code(keep("b")), ErrorCode::kUnknownOutcome);
  const int before = disk_.failures;
  EXPECT_EQ(append("c").error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(when_kept(1));
  EXPECT_EQ(code(when_kept(2)), ErrorCode::kUnavailable);
  EXPECT_EQ(log_->read(1, nullptr, 1, 1).error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(eventually([&] { return disk_.failures > before + 3; }));
  EXPECT_EQ(watching_.reopened(), 0);
  EXPECT_THAT(watching_.last_error(), HasSubstr("writing it again"));
  disk_.down = false;
  watching_.wait(1);
  EXPECT_THAT(watching_.keys(), ElementsAre("a"));
  EXPECT_EQ(watching_.last(), 1u);
  ASSERT_TRUE(eventually([&] { return append("d").has_value(); }));
  EXPECT_TRUE(committed(3));
  for (int again = 0; again < 2; ++again) {
    const auto lost = committed(2);
    EXPECT_EQ(code(lost), ErrorCode::kUnavailable);
    EXPECT_THAT(lost.error().message, HasSubstr("this write was lost"));
    EXPECT_EQ(code(when_kept(2)), ErrorCode::kConflict);
  }
  // Who asks for several at once is not told that a lost one is kept, nor that a kept one is lost.
  EXPECT_EQ(code(committed(2, 3)), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(code(committed(1, 3)), ErrorCode::kUnknownOutcome);
  EXPECT_EQ(code(committed(1, 2)), ErrorCode::kUnknownOutcome);
  EXPECT_TRUE(committed(1, 1));
  EXPECT_TRUE(committed(3, 3));
  EXPECT_EQ(log_->read(1, nullptr, 1, 9)->size(), 2u);
  EXPECT_THAT(restart(), ElementsAre("a", "d"));
  EXPECT_EQ(found_[1].seq, 3u);
  log_->trim(2, {});
  EXPECT_TRUE(keep("e"));
  EXPECT_THAT(restart(), ElementsAre("d", "e"));
}

TEST_F(JournalReopens, WhatWasTakenWithoutAWaiterWhileACommitFailedDoesNotEndIt) {
  open();
  ASSERT_TRUE(keep("a"));
  bool taken = false;
  disk_.on_failure = [&] {
    if (!taken) taken = append("b", Durability::kNone).has_value();
  };
  disk_.good_syncs = 0;
  EXPECT_EQ(code(keep("c")), ErrorCode::kUnknownOutcome);
  watching_.wait(1);
  EXPECT_TRUE(taken);
  disk_.on_failure = nullptr;
  std::optional<std::uint64_t> seq;
  ASSERT_TRUE(eventually([&] {
    if (const auto appended = append("d")) seq = *appended;
    return seq.has_value();
  }));
  const auto promise = std::make_shared<std::promise<bool>>();
  auto kept = promise->get_future();
  log_->when_committed(*seq, *seq,
                       [promise](const Result<void>& good) { promise->set_value(good.has_value()); });
  ASSERT_EQ(kept.wait_for(std::chrono::seconds(30)), std::future_status::ready) << "nobody writes any more";
  EXPECT_TRUE(kept.get());
}

TEST_F(JournalReopens, ADiskThatFailsAgainAndAgainIsTriedAgain) {
  open();
  for (int round = 1; round <= 3; ++round) {
    ASSERT_TRUE(eventually([&] { return keep("a").has_value(); }));
    disk_.good_writes = 0;
    EXPECT_EQ(code(keep("b")), ErrorCode::kUnknownOutcome);
    watching_.wait(round);
  }
  EXPECT_THAT(watching_.keys(), ElementsAre("a", "a", "a"));
  ASSERT_TRUE(eventually([&] { return keep("c").has_value(); }));
  EXPECT_THAT(restart(), ElementsAre("a", "a", "a", "c"));
  EXPECT_EQ(last_, 7u);
}

TEST_F(JournalReopens, AFullDiskThatFailsOnceLosesNothingThatWasAcknowledgedWhereverItStrikes) {
  EXPECT_GE(fail_at_every_step(disk_.good_writes), 8);
}

TEST_F(JournalReopens, AFailedSyncLosesNothingThatWasAcknowledgedWhereverItStrikes) {
  EXPECT_GE(fail_at_every_step(disk_.good_syncs), 4);
}

TEST_F(JournalReopens, ACheckpointThatFailsLosesNothing) {
  open();
  disk_.only_main = true;
  disk_.write_error = SQLITE_IOERR_WRITE;
  disk_.good_writes = 0;
  std::vector<std::string> kept;
  for (int i = 0; i < 100; ++i) {  // a checkpoint comes after 4 MB
    const std::string key = std::to_string(i);
    if (keep(key, Durability::kFsync, std::string(100'000, 'x'))) kept.push_back(key);
  }
  EXPECT_GT(disk_.failures, 0);
  EXPECT_TRUE(eventually([&] { return watching_.reopened() > 0; })) << watching_.last_error();
  EXPECT_THAT(after_power_loss(), testing::ElementsAreArray(kept));
  EXPECT_THAT(restart(), testing::ElementsAreArray(kept));
}

TEST_F(JournalReopens, AFileThatLostWhatHadBeenSyncedStaysClosed) {
  open();
  ASSERT_TRUE(keep("a"));
  ASSERT_TRUE(keep("b"));
  log_->watch(nullptr);  // until then it is left alone, so that nobody writes over what happens to it
  disk_.down = true;
  EXPECT_FALSE(keep("c"));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(options().path.c_str(), &other), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(other, "DELETE FROM groups WHERE first = 2; DELETE FROM receipts WHERE last = 2",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(other);
  disk_.down = false;
  log_->watch(&watching_);
  EXPECT_TRUE(eventually([&] {
    return watching_.last_error().find("ends with op 1, but ops up to 2 had been synced") !=
           std::string::npos;
  }));
  EXPECT_EQ(watching_.reopened(), 0);
  EXPECT_FALSE(append("d"));
}

TEST_F(JournalReopens, WhoWatchesMayRefuseAndIsAskedAgainAndWithoutThatItStaysClosed) {
  open();
  watching_.refuse(true);
  disk_.good_writes = 0;
  EXPECT_FALSE(keep("a"));
  EXPECT_TRUE(eventually([&] { return watching_.last_error().find("not today") != std::string::npos; }));
  EXPECT_FALSE(append("b"));
  log_->watch(nullptr);
  watching_.refuse(false);
  EXPECT_FALSE(append("b"));
  EXPECT_EQ(watching_.reopened(), 0);
  log_->watch(&watching_);
  watching_.wait(1);
  EXPECT_TRUE(eventually([&] { return keep("c").has_value(); }));
  EXPECT_THAT(restart(), ElementsAre("c"));
}

TEST_F(JournalReopens, AnotherProcessDoesNotGetInMeanwhile) {
  open();
  disk_.down = true;
  EXPECT_FALSE(keep("a"));
  LogOptions other = options();
  other.vfs = nullptr;
  const auto opened = Log::open(other);
  ASSERT_FALSE(opened);
  EXPECT_THAT(opened.error().message, HasSubstr("another process holds it"));
}

}  // namespace
}  // namespace forebay::journal
