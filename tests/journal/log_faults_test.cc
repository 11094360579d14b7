// What the journal does when its disk is full or fails (consistency.md J1 to J3, J11).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "journal/faulty_vfs.h"
#include "journal/log.h"
#include "support/eventually.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

using testing::HasSubstr;

class JournalFaults : public testing::Test {
 protected:
  LogOptions options() const {
    LogOptions options;
    options.path = (folder_ / "journal").string();
    options.vfs = test::FaultyVfs::kName;
    return options;
  }
  Log::Opened open() {
    auto opened = Log::open(options());
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : Log::Opened{};
  }
  static Op op(std::string key, std::string payload = "1") {
    return {0, 1, "db", "views", std::move(key), std::move(payload)};
  }
  static OpView view(const Op& op) { return {op.lane, op.source, op.space, op.key, op.payload}; }
  static Result<void> committed(Log& log, std::uint64_t seq) {
    std::promise<Result<void>> promise;
    log.when_committed(seq, seq, [&](Result<void> kept) { promise.set_value(std::move(kept)); });
    return promise.get_future().get();
  }
  static Result<void> keep(Log& log, const Op& op, Durability durability = Durability::kFsync) {
    auto seq = log.append(view(op), durability);
    return seq ? committed(log, *seq) : seq.error();
  }
  static Result<void> when_kept(Log& log, std::uint64_t seq) {
    std::promise<Result<void>> promise;
    log.when_kept(seq, [&](Result<void> kept) { promise.set_value(std::move(kept)); });
    return promise.get_future().get();
  }
  static ErrorCode code(const Result<void>& result) {
    EXPECT_FALSE(result);
    return result ? ErrorCode::kInternal : result.error().code;
  }

  // The disk fails once, at each call in turn: what was acknowledged is there after a restart, and nothing
  // that was refused. Returns how many calls there were.
  int fail_at_every_step(std::atomic<long>& good) {
    int steps = 0;
    for (bool failed = true; failed; ++steps) {
      std::set<std::string> acknowledged;
      std::set<std::string> unknown;
      {
        auto opened = open();
        const std::uint64_t last = opened.last;
        EXPECT_TRUE(keep(*opened.log, op("before"), Durability::kOs));
        const int failures = disk_.failures;
        good = steps;
        for (int i = 0; i < 4; ++i) {
          const std::string key = std::to_string(i);
          // Beyond a page, and one group is not synced.
          const auto kept = keep(*opened.log, op(key, std::string(3000, 'x')),
                                 i == 1 ? Durability::kOs : Durability::kFsync);
          if (kept) acknowledged.insert(key);
          if (!kept && kept.error().code == ErrorCode::kUnknownOutcome) unknown.insert(key);
          if (i == 2) opened.log->trim(last + 1, {{"db", 1, last + 1}});
        }
        opened.log.reset();
        failed = disk_.failures != failures;
        good = std::numeric_limits<long>::max();
        EXPECT_LE(unknown.size(), 1u);
      }
      auto again = open();
      std::set<std::string> found;
      for (const Op& read : again.ops) {
        if (read.key != "before") found.insert(read.key);
      }
      for (const std::string& key : acknowledged)
        EXPECT_TRUE(found.contains(key)) << "step " << steps << " key " << key;
      for (const std::string& key : found) {
        EXPECT_TRUE(acknowledged.contains(key) || unknown.contains(key))
            << "step " << steps << " key " << key;
      }
      EXPECT_TRUE(keep(*again.log, op("after"), Durability::kOs));
      again.log->trim(again.last + 1, {});
    }
    return steps;
  }

  forebay::test::TempDir folder_;
  test::FaultyVfs disk_;
};

TEST_F(JournalFaults, AnAcknowledgedWriteIsOnTheDiskAndOneForTheOperatingSystemWaitsForNoDisk) {
  auto opened = open();
  EXPECT_TRUE(keep(*opened.log, op("a")));
  int before = disk_.syncs;
  EXPECT_TRUE(keep(*opened.log, op("b")));
  EXPECT_GT(disk_.syncs, before);
  before = disk_.syncs;
  EXPECT_TRUE(keep(*opened.log, op("c"), Durability::kOs));
  EXPECT_TRUE(keep(*opened.log, op("d"), Durability::kNone));
  EXPECT_TRUE(when_kept(*opened.log, 2));
  EXPECT_EQ(disk_.syncs, before);
  // Before it goes to a database it must be there whatever happens.
  EXPECT_TRUE(when_kept(*opened.log, 4));
  EXPECT_GT(disk_.syncs, before);
  before = disk_.syncs;
  EXPECT_TRUE(when_kept(*opened.log, 4));
  EXPECT_EQ(disk_.syncs, before);
}

TEST_F(JournalFaults, WhatAnotherProcessLeftToTheOperatingSystemIsNotTakenForSynced) {
  {
    auto opened = open();
    EXPECT_TRUE(keep(*opened.log, op("a"), Durability::kOs));
  }
  auto again = open();
  const int before = disk_.syncs;
  EXPECT_TRUE(when_kept(*again.log, 1));
  EXPECT_GT(disk_.syncs, before);
}

TEST_F(JournalFaults, ASyncThatFailedIsNeverTriedAgain) {
  {
    auto opened = open();
    EXPECT_TRUE(keep(*opened.log, op("a")));
    disk_.good_syncs = 0;
    const auto failed = keep(*opened.log, op("b"));
    EXPECT_EQ(code(failed), ErrorCode::kUnknownOutcome);
    EXPECT_THAT(failed.error().message, HasSubstr("whether this write was kept shows then"));
    const int before = disk_.syncs;
    const auto refused = keep(*opened.log, op("c"));
    EXPECT_EQ(code(refused), ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr("takes no writes until it can be opened again"));
    EXPECT_EQ(code(keep(*opened.log, op("c"), Durability::kNone)), ErrorCode::kUnavailable);
    // What was kept before can go to its database; the rest can't.
    EXPECT_TRUE(when_kept(*opened.log, 1));
    EXPECT_FALSE(when_kept(*opened.log, 2));
    EXPECT_FALSE(opened.log->read(1, nullptr, 1, 1));
    opened.log->trim(1, {});
    opened.log.reset();
    EXPECT_EQ(disk_.syncs, before);  // not on closing either
  }
  auto again = open();
  ASSERT_GE(again.ops.size(), 1u);
  EXPECT_EQ(again.ops[0].key, "a");
  EXPECT_TRUE(keep(*again.log, op("d")));
}

TEST_F(JournalFaults, WhoAsksLateIsToldWhatBecameOfItsGroup) {
  auto opened = open();
  Log& log = *opened.log;
  EXPECT_TRUE(keep(log, op("a")));
  // The journal's thread is held in an answer, so that these two are one group, and the third comes after it.
  std::promise<void> go;
  std::promise<void> held;
  log.when_kept(1, [&](const Result<void>&) {
    held.set_value();
    go.get_future().wait();
  });
  held.get_future().wait();
  ASSERT_TRUE(log.append(view(op("b")), Durability::kNone));
  ASSERT_TRUE(log.append(view(op("c", std::string(Log::kGroupBytes, 'x'))), Durability::kFsync));
  ASSERT_TRUE(log.append(view(op("d")), Durability::kFsync));
  disk_.good_syncs = 0;
  go.set_value();
  EXPECT_EQ(code(committed(log, 3)), ErrorCode::kUnknownOutcome);
  for (int again = 0; again < 2; ++again) {
    EXPECT_TRUE(committed(log, 1));
    EXPECT_EQ(code(committed(log, 2)), ErrorCode::kUnknownOutcome);
    const auto after = committed(log, 4);
    EXPECT_EQ(code(after), ErrorCode::kUnavailable);
    EXPECT_THAT(after.error().message, HasSubstr("this write was not taken"));
  }
  // Whoever asks may hold what the answer needs.
  std::promise<std::thread::id> thread;
  log.when_committed(2, 2, [&](const Result<void>&) { thread.set_value(std::this_thread::get_id()); });
  EXPECT_NE(thread.get_future().get(), std::this_thread::get_id());
}

TEST_F(JournalFaults, AFullDiskLosesNothingThatWasAcknowledgedWhereverItStrikes) {
  EXPECT_GE(fail_at_every_step(disk_.good_writes), 8);
}

TEST_F(JournalFaults, AFailedSyncLosesNothingThatWasAcknowledgedWhereverItStrikes) {
  EXPECT_GE(fail_at_every_step(disk_.good_syncs), 4);
}

TEST_F(JournalFaults, ACheckpointThatFailsEndsTheJournalAndLosesNothing) {
  disk_.only_main = true;
  disk_.write_error = SQLITE_IOERR_WRITE;
  int kept = 0;
  {
    auto opened = open();
    disk_.good_writes = 0;
    ErrorCode last = ErrorCode::kInternal;
    for (int i = 0; i < 100; ++i) {  // a checkpoint comes after 4 MB
      const auto result = keep(*opened.log, op("a", std::string(100'000, 'x')));
      if (!result) {
        last = result.error().code;
        break;
      }
      ++kept;
    }
    EXPECT_EQ(disk_.failures, 1);
    EXPECT_EQ(last, ErrorCode::kUnavailable);
  }
  auto again = open();
  EXPECT_EQ(again.ops.size(), static_cast<std::size_t>(kept));
}

TEST_F(JournalFaults, AFailureAnswersWhatIsHeldBackNearABound) {
  LogOptions small = options();
  small.max_records = 4;
  small.ack_delay_most = std::chrono::hours(1);
  auto opened = Log::open(small);
  ASSERT_TRUE(opened);
  Log& log = *opened->log;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(keep(log, op("a")));
  EXPECT_TRUE(log.append(view(op("d")), Durability::kFsync));
  std::promise<Result<void>> answer;
  log.when_committed(4, 4, [&](Result<void> kept) { answer.set_value(std::move(kept)); });
  EXPECT_TRUE(when_kept(log, 4));
  disk_.good_writes = 0;
  log.trim(1, {});
  EXPECT_TRUE(answer.get_future().get()) << "it had been kept before";
}

TEST_F(JournalFaults, ADiskThatIsNearlyFullRefusesWritesUntilThereIsRoomAgain) {
  std::atomic<std::uint64_t> room = 1'000'000;
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> asked_by_caller = 0;
  LogOptions small = options();
  small.min_free = 500'000;
  small.free_bytes = [&] {
    if (std::this_thread::get_id() == caller) ++asked_by_caller;
    return room.load();
  };
  auto opened = Log::open(small);
  ASSERT_TRUE(opened);
  Log& log = *opened->log;
  asked_by_caller = 0;  // from here on only the journal's thread asks
  EXPECT_TRUE(keep(log, op("a")));
  room = 400'000;
  // The disk is looked at after each group.
  EXPECT_TRUE(keep(log, op("b")));
  EXPECT_TRUE(when_kept(log, 2));
  const auto refused = keep(log, op("c"));
  EXPECT_EQ(code(refused), ErrorCode::kOverloaded);
  EXPECT_THAT(refused.error().message, HasSubstr("nearly full: 400000 bytes are free, 500000 must be"));
  EXPECT_EQ(code(keep(log, op("c"), Durability::kNone)), ErrorCode::kOverloaded);
  room = 500'000;
  // The journal's thread looks at the disk before each thing that it is asked for: between these two.
  EXPECT_TRUE(log.read(1, nullptr, 1, 2));
  EXPECT_TRUE(log.read(1, nullptr, 1, 2));
  EXPECT_TRUE(keep(log, op("d")));
  EXPECT_EQ(asked_by_caller, 0);
}

TEST_F(JournalFaults, ADiskThatIsNearlyFullIsLookedAtAgainThoughNobodyAsksForAnything) {
  std::atomic<std::uint64_t> room = 400'000;
  LogOptions small = options();
  small.min_free = 500'000;
  small.free_bytes = [&] { return room.load(); };
  auto opened = Log::open(small);
  ASSERT_TRUE(opened);
  EXPECT_EQ(code(keep(*opened->log, op("a"))), ErrorCode::kOverloaded);
  room = 500'000;
  ASSERT_TRUE(forebay::test::eventually([&] { return keep(*opened->log, op("a")).has_value(); }));
}

TEST_F(JournalFaults, OnADiskThatIsNearlyFullTheRoomThatTrimmingMadeIsUsedAgain) {
  std::atomic<std::uint64_t> room = 1'000'000;
  LogOptions small = options();
  small.min_free = 500'000;
  small.free_bytes = [&] { return room.load(); };
  auto opened = Log::open(small);
  ASSERT_TRUE(opened);
  Log& log = *opened->log;
  const std::string large(100'000, 'x');
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(keep(log, op("a", large)));
  room = 300'000;
  ASSERT_TRUE(keep(log, op("b")));
  ASSERT_TRUE(when_kept(log, 7));
  EXPECT_EQ(code(keep(log, op("c"))), ErrorCode::kOverloaded);
  log.trim(6, {});
  ASSERT_TRUE(forebay::test::eventually([&] { return keep(log, op("c")).has_value(); }));
  room = 200'000;  // less than the write-ahead log may need
  ASSERT_TRUE(forebay::test::eventually([&] {
    const auto kept = keep(log, op("d"));
    return !kept && kept.error().code == ErrorCode::kOverloaded;
  }));
}

}  // namespace
}  // namespace forebay::journal
