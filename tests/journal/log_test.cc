#include "journal/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <string>
#include <vector>

#include "support/manual_time.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

using testing::HasSubstr;

class JournalLog : public testing::Test {
 protected:
  LogOptions options() const { return {.path = path()}; }
  std::string path() const { return (folder_ / "journal").string(); }

  Log::Opened open() {
    auto opened = Log::open(options());
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : Log::Opened{};
  }
  std::string refusal() {
    auto opened = Log::open(options());
    return opened ? "opened" : opened.error().message;
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
  // Appends and waits until it is kept.
  static Result<void> keep(Log& log, const Op& op) {
    auto seq = log.append(view(op), Durability::kFsync);
    return seq ? committed(log, *seq) : seq.error();
  }
  // Statements run by somebody else while no journal is open.
  void tamper(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
    sqlite3_close(database);
  }

  test::TempDir folder_;
};

TEST_F(JournalLog, WhatWasKeptIsThereInOrderAfterReopening) {
  std::string id;
  {
    auto opened = open();
    id = opened.log->id();
    EXPECT_EQ(opened.last, 0u);
    EXPECT_TRUE(keep(*opened.log, op("a", "5")));
    EXPECT_TRUE(keep(*opened.log, op(std::string("b\0\xff", 3), "")));
  }
  auto again = open();
  EXPECT_EQ(again.log->id(), id);
  ASSERT_EQ(again.ops.size(), 2u);
  EXPECT_EQ(again.last, 2u);
  EXPECT_EQ(again.ops[0].seq, 1u);
  EXPECT_EQ(again.ops[0].payload, "5");
  EXPECT_EQ(again.ops[1].key, std::string("b\0\xff", 3));
  EXPECT_EQ(again.ops[1].lane, 1u);
  EXPECT_EQ(again.ops[1].source, "db");
  EXPECT_EQ(again.ops[1].space, "views");
}

TEST_F(JournalLog, ATrimRemovesTheFrontAndNumbersGoOn) {
  {
    auto opened = open();
    for (int i = 0; i < 5; ++i) EXPECT_TRUE(keep(*opened.log, op("a")));
    opened.log->trim(3, {{"db", 1, 3}});
    EXPECT_TRUE(keep(*opened.log, op("b")));
  }
  {
    auto again = open();
    ASSERT_EQ(again.ops.size(), 3u);
    EXPECT_EQ(again.ops.front().seq, 4u);
    ASSERT_EQ(again.applied.size(), 1u);
    EXPECT_EQ(again.applied[0].seq, 3u);
    again.log->trim(6, {{"db", 1, 6}});
  }
  auto empty = open();
  EXPECT_TRUE(empty.ops.empty());
  EXPECT_EQ(empty.last, 6u);
  EXPECT_EQ(*empty.log->append(view(op("c")), Durability::kFsync), 7u);
}

TEST_F(JournalLog, AKeptOpSurvivesTheProcessBeingKilled) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    auto opened = Log::open(options());
    if (opened && keep(*opened->log, op("a"))) (void)!write(ready[1], "k", 1);
    pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(open().ops.size(), 1u);
}

TEST_F(JournalLog, AnswersComeInTheOrderOfTheNumbersAndAtOnceForWhatIsCommitted) {
  auto opened = open();
  EXPECT_EQ(*opened.log->append(view(op("a")), Durability::kNone), 1u);
  EXPECT_EQ(*opened.log->append(view(op("a")), Durability::kFsync), 2u);
  EXPECT_EQ(*opened.log->append(view(op("a")), Durability::kOs), 3u);
  ASSERT_TRUE(committed(*opened.log, 3));
  for (const std::uint64_t seq : {3U, 1U, 2U}) {
    bool at_once = false;
    opened.log->when_committed(seq, seq, [&](Result<void> kept) { at_once = kept.has_value(); });
    EXPECT_TRUE(at_once);
  }
  // The journal's thread is held in an answer, so that what follows is one group.
  std::promise<void> go;
  EXPECT_EQ(*opened.log->append(view(op("a")), Durability::kFsync), 4u);
  opened.log->when_kept(4, [&](const Result<void>&) { go.get_future().wait(); });
  std::vector<std::uint64_t> answers;
  std::promise<void> last;
  for (int i = 5; i <= 8; ++i) EXPECT_TRUE(opened.log->append(view(op("a")), Durability::kFsync));
  for (const std::uint64_t seq : {6U, 5U, 8U, 7U}) {
    opened.log->when_committed(seq, seq, [&, seq](const Result<void>& kept) {
      EXPECT_TRUE(kept);
      answers.push_back(seq);
      if (seq == 8) last.set_value();
    });
  }
  go.set_value();
  last.get_future().wait();
  EXPECT_THAT(answers, testing::ElementsAre(5, 6, 7, 8));
  opened.log.reset();
  EXPECT_EQ(open().ops.size(), 8u);
}

TEST_F(JournalLog, WhenKeptAnswersForEveryOpUpToItsNumber) {
  auto opened = open();
  (void)opened.log->append(view(op("a")), Durability::kNone);
  (void)opened.log->append(view(op("a")), Durability::kOs);
  for (const std::uint64_t seq : {2U, 1U, 2U, 100U}) {
    std::promise<Result<void>> promise;
    opened.log->when_kept(seq, [&](Result<void> kept) { promise.set_value(std::move(kept)); });
    EXPECT_TRUE(promise.get_future().get());
  }
}

TEST_F(JournalLog, ReadGivesOneKeysOpsOfALaneBetweenTwoNumbers) {
  auto opened = open();
  for (int i = 1; i <= 6; ++i) {
    Op next = op(i == 3 ? "b" : "a", std::to_string(i));
    if (i == 5) next.lane = 2;
    (void)opened.log->append(view(next), Durability::kNone);  // written before it is read
  }
  const std::string key = "a";
  auto ops = opened.log->read(1, &key, 2, 6);
  ASSERT_TRUE(ops) << ops.error().message;
  ASSERT_EQ(ops->size(), 3u);
  EXPECT_EQ((*ops)[0].seq, 2u);
  EXPECT_EQ((*ops)[0].payload, "2");
  EXPECT_EQ((*ops)[0].source, "db");
  EXPECT_EQ((*ops)[0].space, "views");
  EXPECT_EQ((*ops)[1].payload, "4");
  EXPECT_EQ((*ops)[2].payload, "6");
  ops = opened.log->read(1, nullptr, 2, 6);
  ASSERT_TRUE(ops);
  ASSERT_EQ(ops->size(), 4u);
  EXPECT_EQ((*ops)[1].key, "b");
  opened.log->trim(2, {});
  ops = opened.log->read(1, &key, 1, 4);
  ASSERT_TRUE(ops);
  ASSERT_EQ(ops->size(), 1u);
  EXPECT_EQ(ops->front().seq, 4u);
}

TEST_F(JournalLog, NothingIsTakenWhileTheOldestWriteIsTooOld) {
  test::ManualClock clock;
  LogOptions aged = options();
  aged.max_age = std::chrono::seconds(60);
  auto opened = Log::open(aged, clock);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(keep(*opened->log, op("a")));
  clock.advance(std::chrono::seconds(60));
  EXPECT_TRUE(keep(*opened->log, op("a")));
  clock.advance(std::chrono::seconds(1));
  const auto refused = keep(*opened->log, op("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_THAT(refused.error().message, HasSubstr("waited for the database for 61 s (bound: 60 s)"));
  opened->log->trim(1, {});
  Result<void> taken;
  do {
    taken = keep(*opened->log, op("a"));
  } while (!taken && taken.error().code == ErrorCode::kOverloaded);
  EXPECT_TRUE(taken);
}

// A machine's clocks: the monotonic one begins anywhere when the process does, the wall clock may be set.
class MachineClock final : public Clock {
 public:
  MachineClock(std::chrono::seconds up, std::int64_t wall_s)
      : now_(up), offset_ms_(wall_s * 1000 - std::chrono::milliseconds(up).count()) {}
  Instant now() const override { return now_; }
  std::int64_t to_wall_ms(Instant at) const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count() + offset_ms_;
  }
  Instant from_wall_ms(std::int64_t unix_ms) const override {
    return Instant(std::chrono::milliseconds(unix_ms - offset_ms_));
  }
  void advance(Duration by) { now_ += by; }

 private:
  Instant now_;
  const std::int64_t offset_ms_;
};

TEST_F(JournalLog, AgesGoOnOverARestart) {
  constexpr std::int64_t kWall = 1'800'000'000;
  LogOptions aged = options();
  aged.max_age = std::chrono::seconds(60);
  {
    MachineClock clock(std::chrono::hours(500), kWall);
    auto opened = Log::open(aged, clock);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(keep(*opened->log, op("a")));
    clock.advance(std::chrono::seconds(10));
    EXPECT_TRUE(keep(*opened->log, op("b")));
  }
  MachineClock clock(std::chrono::seconds(7), kWall + 50);  // the machine has been started, too
  auto opened = Log::open(aged, clock);
  ASSERT_TRUE(opened);
  ASSERT_EQ(opened->ops.size(), 2u);
  EXPECT_EQ(opened->ops[0].wall_ms, kWall * 1000);
  EXPECT_EQ(opened->ops[1].wall_ms, (kWall + 10) * 1000);
  clock.advance(std::chrono::seconds(10));
  EXPECT_TRUE(keep(*opened->log, op("c")));
  clock.advance(std::chrono::seconds(1));
  auto refused = keep(*opened->log, op("d"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("waited for the database for 61 s (bound: 60 s)"));
  // Without the oldest the next one's age counts.
  opened->log->trim(1, {});
  const auto there = opened->log->read(1, nullptr, 1, 3);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->back().wall_ms, (kWall + 60) * 1000);
  EXPECT_TRUE(keep(*opened->log, op("e")));
  clock.advance(std::chrono::seconds(10));
  refused = keep(*opened->log, op("f"));
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("for 61 s"));
}

TEST_F(JournalLog, AWallClockThatWentBackwardsMakesNothingOlder) {
  LogOptions aged = options();
  aged.max_age = std::chrono::seconds(60);
  {
    MachineClock clock(std::chrono::seconds(10), 1'800'000'000);
    auto opened = Log::open(aged, clock);
    ASSERT_TRUE(opened);
    EXPECT_TRUE(keep(*opened->log, op("a")));
  }
  MachineClock clock(std::chrono::seconds(10), 1'000'000'000);
  auto opened = Log::open(aged, clock);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(keep(*opened->log, op("b")));
  clock.advance(std::chrono::seconds(60));
  EXPECT_TRUE(keep(*opened->log, op("c")));
  clock.advance(std::chrono::seconds(1));
  EXPECT_FALSE(keep(*opened->log, op("d")));
}

TEST_F(JournalLog, ASecondHolderIsRefused) {
  auto opened = open();
  EXPECT_THAT(refusal(), HasSubstr("another process holds it"));
}

TEST_F(JournalLog, AnotherProgramsDatabaseIsRefused) {
  tamper("CREATE TABLE mine(x)");
  EXPECT_THAT(refusal(), HasSubstr("another program's database"));
}

TEST_F(JournalLog, AGapIsReportedWithItsPlaceAndNothingIsUsed) {
  {
    auto opened = open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(keep(*opened.log, op("a")));
  }
  tamper("DELETE FROM groups WHERE first = 2");
  EXPECT_THAT(refusal(), HasSubstr("op 3 in one group follow where op 2 should be"));
}

TEST_F(JournalLog, AChangedByteIsReportedWithItsPlace) {
  {
    auto opened = open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(keep(*opened.log, op("a")));
  }
  tamper(
      "UPDATE groups SET ops = CAST(replace(CAST(ops AS text), 'views', 'views') AS blob) WHERE first = 2");
  EXPECT_EQ(open().ops.size(), 3u);
  tamper(
      "UPDATE groups SET ops = CAST(replace(CAST(ops AS text), 'views', 'hours') AS blob) WHERE first = 2");
  EXPECT_THAT(refusal(), HasSubstr("the checksum of the group of op 2 does not match its content; nothing"));
  tamper("UPDATE groups SET ops = CAST(ops AS blob) || x'00' WHERE first = 2");
  EXPECT_THAT(refusal(),
              HasSubstr("the checksum of the group of op 2 does not match its content (op 3, byte"));
}

TEST_F(JournalLog, AGroupWithAnotherTimeOrOtherNumbersIsReported) {
  {
    auto opened = open();
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(keep(*opened.log, op("a")));
  }
  tamper("UPDATE groups SET wall_ms = wall_ms - 1 WHERE first = 2");
  EXPECT_THAT(refusal(), HasSubstr("the checksum of the group of op 2 does not match its content"));
  tamper("UPDATE groups SET wall_ms = wall_ms + 1 WHERE first = 2");
  EXPECT_EQ(open().ops.size(), 3u);
  tamper("UPDATE groups SET last = 9 WHERE first = 3");
  EXPECT_THAT(refusal(), HasSubstr("the checksum of the group of ops 3 to 9"));
  tamper("UPDATE groups SET last = 1 WHERE first = 3");
  EXPECT_THAT(refusal(), HasSubstr("ops 3 to 1 in one group follow where op 3 should be"));
  tamper(
      "UPDATE groups SET last = 3 WHERE first = 3; UPDATE meta SET value = x'31' WHERE name = "
      "CAST('trimmed_to' AS blob)");
  EXPECT_THAT(refusal(), HasSubstr("op 1 in one group follow where op 2 should be"));
}

TEST_F(JournalLog, ANewerOrOlderFormatIsRefused) {
  (void)open();
  tamper("PRAGMA user_version = 1");
  EXPECT_THAT(refusal(), HasSubstr("its format is 1, this version of Forebay reads 3: let the version that "
                                   "wrote it bring its writes to the database (forebay drain)"));
}

TEST_F(JournalLog, AGroupThatIsTrimmedInPartStaysAndIsReadInPart) {
  {
    auto opened = open();
    Log& log = *opened.log;
    // The journal's thread is held in an answer, so that what follows is one group.
    std::promise<void> held;
    std::promise<void> go;
    EXPECT_TRUE(log.append(view(op("a", "1")), Durability::kFsync));
    log.when_kept(1, [&](const Result<void>&) {
      held.set_value();
      go.get_future().wait();
    });
    held.get_future().wait();
    for (int i = 2; i <= 5; ++i)
      EXPECT_TRUE(log.append(view(op("a", std::to_string(i))), Durability::kFsync));
    go.set_value();
    EXPECT_TRUE(committed(log, 5));
    log.trim(3, {});
    EXPECT_TRUE(keep(log, op("b")));
    const auto ops = log.read(1, nullptr, 1, 5);
    ASSERT_TRUE(ops);
    ASSERT_EQ(ops->size(), 2u);
    EXPECT_EQ(ops->front().payload, "4");
  }
  auto again = open();
  ASSERT_EQ(again.ops.size(), 3u);
  EXPECT_EQ(again.ops.front().seq, 4u);
  EXPECT_EQ(again.ops.back().key, "b");
  EXPECT_EQ(again.last, 6u);
}

TEST_F(JournalLog, LargeAndManyWritesAreSplitIntoGroupsAndAllThere) {
  const std::string large(700'000, 'x');
  {
    auto opened = open();
    Log& log = *opened.log;
    for (int i = 0; i < 20'000; ++i) {
      EXPECT_TRUE(log.append(view(op(std::to_string(i), i % 2000 == 0 ? large : "1")), Durability::kOs));
    }
    EXPECT_TRUE(committed(log, 20'000));
  }
  auto again = open();
  ASSERT_EQ(again.ops.size(), 20'000u);
  for (std::size_t i = 0; i < again.ops.size(); ++i) {
    ASSERT_EQ(again.ops[i].seq, i + 1);
    ASSERT_EQ(again.ops[i].key, std::to_string(i));
  }
}

TEST_F(JournalLog, BeyondItsBoundsNothingIsTakenAndTrimmingMakesRoom) {
  LogOptions small = options();
  small.max_records = 2;
  small.ack_delay_most = std::chrono::seconds(0);
  auto opened = Log::open(small);
  ASSERT_TRUE(opened.has_value());
  EXPECT_TRUE(keep(*opened->log, op("a")));
  EXPECT_TRUE(keep(*opened->log, op("a")));
  const auto refused = keep(*opened->log, op("a"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  opened->log->trim(1, {});
  // The trim is some time later: a write after it is taken as soon as it is done.
  Result<void> taken;
  do {
    taken = keep(*opened->log, op("a"));
  } while (!taken && taken.error().code == ErrorCode::kOverloaded);
  EXPECT_TRUE(taken);
}

TEST(JournalAckDelay, RisesFromThreeQuartersOfABoundToTheBound) {
  using std::chrono::milliseconds;
  const Duration most = milliseconds(100);
  EXPECT_EQ(ack_delay(0, most), milliseconds(0));
  EXPECT_EQ(ack_delay(0.75, most), milliseconds(0));
  EXPECT_EQ(ack_delay(0.875, most), milliseconds(25));
  EXPECT_EQ(ack_delay(0.8125, most), std::chrono::microseconds(6250));
  EXPECT_EQ(ack_delay(1, most), milliseconds(100));
  EXPECT_EQ(ack_delay(1.5, most), milliseconds(100));
  EXPECT_EQ(ack_delay(1, milliseconds(0)), milliseconds(0));
}

// A journal that would hold acknowledgements back for hours, of four records.
class JournalNearItsBound : public JournalLog {
 protected:
  LogOptions slow() const {
    LogOptions slow = options();
    slow.max_records = 4;
    slow.ack_delay_most = std::chrono::hours(24 * 365);
    return slow;
  }
  void SetUp() override {
    auto opened = Log::open(slow());
    ASSERT_TRUE(opened);
    log_ = std::move(opened->log);
  }
  // Appends one; its answer.
  std::future<Result<void>> ask(const std::string& key) {
    const Op next = op(key);
    const auto seq = log_->append(view(next), Durability::kFsync);
    EXPECT_TRUE(seq);
    return ask(*seq);
  }
  std::future<Result<void>> ask(std::uint64_t seq) {
    auto promise = std::make_shared<std::promise<Result<void>>>();
    log_->when_committed(seq, seq, [promise](Result<void> kept) { promise->set_value(std::move(kept)); });
    return promise->get_future();
  }
  static bool answered(const std::future<Result<void>>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  Result<void> kept(std::uint64_t seq) {
    std::promise<Result<void>> promise;
    log_->when_kept(seq, [&](Result<void> result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }

  std::unique_ptr<Log> log_;
};

TEST_F(JournalNearItsBound, AcknowledgementsWaitUntilATrimMakesRoomAndNothingElseWaits) {
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(ask(key).get());  // up to 3/4
  EXPECT_EQ(log_->pressure().ack_delay, Duration::zero());
  EXPECT_EQ(log_->pressure().delayed, 0u);
  auto last = ask("d");
  EXPECT_EQ(log_->pressure().fill, 1);
  EXPECT_EQ(log_->pressure().ack_delay, std::chrono::hours(24 * 365));
  // It is written all the same: what the databases need does not wait, nor do reads.
  EXPECT_TRUE(kept(4));
  const auto there = log_->read(1, nullptr, 1, 4);
  ASSERT_TRUE(there);
  EXPECT_EQ(there->size(), 4u);
  EXPECT_FALSE(answered(last));
  // Asked for once it is written it comes no sooner.
  auto later = ask(std::uint64_t{4});
  EXPECT_TRUE(kept(4));
  EXPECT_FALSE(answered(later));
  EXPECT_TRUE(answered(ask(std::uint64_t{3})));
  log_->trim(1, {});
  EXPECT_TRUE(last.get());
  EXPECT_TRUE(later.get());
  EXPECT_EQ(log_->pressure().ack_delay, Duration::zero());
  EXPECT_EQ(log_->pressure().delayed, 2u);
  EXPECT_FALSE(log_->append(view(op("e")), Durability::kNone).value_or(0) == 0);
}

TEST_F(JournalNearItsBound, BytesCountAsRecordsDo) {
  log_.reset();
  LogOptions slow = this->slow();
  slow.max_records = 1000;
  slow.max_bytes = 100;
  auto opened = Log::open(slow);
  ASSERT_TRUE(opened);
  log_ = std::move(opened->log);
  const auto fill = [&](std::size_t bytes) {
    const Op next = op("k", std::string(bytes - 1, '1'));
    return committed(*log_, *log_->append(view(next), Durability::kOs));
  };
  EXPECT_TRUE(fill(75));
  EXPECT_EQ(log_->pressure().ack_delay, Duration::zero());
  auto held = ask(std::string(20, 'x'));
  EXPECT_TRUE(kept(2));
  EXPECT_FALSE(answered(held));
  EXPECT_GT(log_->pressure().ack_delay, std::chrono::hours(1));
  log_->trim(2, {});
  EXPECT_TRUE(held.get());
}

TEST_F(JournalNearItsBound, TheEndAnswersWhatIsHeldBack) {
  for (const char* key : {"a", "b", "c"}) EXPECT_TRUE(ask(key).get());
  auto last = ask("d");
  EXPECT_TRUE(kept(4));
  EXPECT_FALSE(answered(last));
  log_.reset();
  EXPECT_TRUE(last.get());
}

TEST_F(JournalNearItsBound, AfterTheirTimeTheyComeByThemselves) {
  log_.reset();
  LogOptions slow = this->slow();
  slow.ack_delay_most = std::chrono::milliseconds(1);
  auto opened = Log::open(slow);
  ASSERT_TRUE(opened);
  log_ = std::move(opened->log);
  for (const char* key : {"a", "b", "c", "d"}) EXPECT_TRUE(ask(key).get());
  EXPECT_EQ(log_->pressure().delayed, 1u);
}

TEST_F(JournalLog, AFailedCommitIsAnUnknownOutcomeAndTheEndOfWriting) {
  auto opened = open();
  EXPECT_TRUE(keep(*opened.log, op("a")));
  // A file that may not grow: the write fails as on a full disk. SIGXFSZ would end the process first.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit none{4096, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &none);
  const auto failed = keep(*opened.log, op("b", std::string(100'000, '1')));
  setrlimit(RLIMIT_FSIZE, &before);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::kUnknownOutcome);
  // There is room again, and still nothing is taken: what the file holds must be read first.
  const auto refused = keep(*opened.log, op("c"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  opened.log.reset();
  auto again = open();
  ASSERT_EQ(again.ops.size(), 1u);
  EXPECT_EQ(again.ops[0].key, "a");
  EXPECT_TRUE(keep(*again.log, op("d")));
}

}  // namespace
}  // namespace forebay::journal
