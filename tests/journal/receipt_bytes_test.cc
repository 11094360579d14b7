#include "journal/receipt_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <future>
#include <random>
#include <string>
#include <vector>

#include "journal/log.h"
#include "support/manual_time.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string some() {
  std::string bytes;
  add_receipt(bytes, 3, "three");
  add_receipt(bytes, 7, std::string("\0\xff", 2));
  add_receipt(bytes, 8, "");
  return bytes;
}

TEST(Receipts, AreReadBackAsTheyWere) {
  std::vector<Receipt> read;
  ASSERT_TRUE(read_receipts(8, 12, some(), read));
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].seq, 3u);
  EXPECT_EQ(read[0].wall_ms, 12);
  EXPECT_EQ(read[0].bytes, "three");
  EXPECT_EQ(read[1].bytes, std::string("\0\xff", 2));
  EXPECT_EQ(read[2].seq, 8u);
}

TEST(Receipts, WhateverTheBytesTheyAreReadOrRefused) {
  const std::string good = some();
  std::vector<Receipt> read;
  EXPECT_FALSE(read_receipts(9, 0, good, read));
  EXPECT_FALSE(read_receipts(0, 0, "", read));
  for (std::size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(read_receipts(8, 0, good.substr(0, size), read)) << size;
  EXPECT_FALSE(read_receipts(8, 0, good + "x", read));
  EXPECT_THAT(read, IsEmpty());
  std::mt19937 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    for (int n = 0; n < 3; ++n) bytes[random() % bytes.size()] = static_cast<char>(random());
    bytes.resize(random() % (bytes.size() + 1));
    std::vector<Receipt> any;
    if (!read_receipts(8, 0, bytes, any)) continue;
    std::string again;
    for (const Receipt& receipt : any) add_receipt(again, receipt.seq, receipt.bytes);
    EXPECT_EQ(again, bytes);
  }
}

TEST(Receipts, EveryChangedBitChangesTheChecksum) {
  const std::string good = some();
  const std::uint32_t sum = receipts_checksum(8, 12, good);
  EXPECT_NE(receipts_checksum(9, 12, good), sum);
  EXPECT_NE(receipts_checksum(8, 13, good), sum);
  for (std::size_t i = 0; i < good.size() * 8; ++i) {
    std::string bytes = good;
    bytes[i / 8] = static_cast<char>(bytes[i / 8] ^ (1 << (i % 8)));
    EXPECT_NE(receipts_checksum(8, 12, bytes), sum) << i;
  }
}

// In the journal's file.
class JournalReceipts : public testing::Test {
 protected:
  std::string path() const { return (folder_ / "journal").string(); }
  Log::Opened open(Duration remember = hours(1)) {
    auto opened = Log::open({.path = path(), .remember = remember}, clock_);
    EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : Log::Opened{};
  }
  static void keep(Log& log, std::string_view receipt, Durability durability = Durability::kFsync) {
    const auto seq = log.append({1, "db", "views", "key", "1", receipt}, durability);
    ASSERT_TRUE(seq);
    std::promise<Result<void>> kept;
    log.when_committed(*seq, *seq, [&](Result<void> done) { kept.set_value(std::move(done)); });
    EXPECT_TRUE(kept.get_future().get());
  }
  static std::vector<std::string> texts(const std::vector<Receipt>& receipts) {
    std::vector<std::string> all;
    for (const Receipt& receipt : receipts) all.push_back(receipt.bytes);
    return all;
  }
  void tamper(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &database), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK) << message;
    sqlite3_close(database);
  }

  test::ManualClock clock_;
  test::TempDir folder_;
};

TEST_F(JournalReceipts, OutliveTheirOpsAndTheProcess) {
  {
    auto opened = open();
    EXPECT_THAT(opened.receipts, IsEmpty());
    keep(*opened.log, "a");
    keep(*opened.log, "");
    keep(*opened.log, "b", Durability::kOs);
    keep(*opened.log, "c", Durability::kNone);
    opened.log->trim(3, {});
    keep(*opened.log, "d");
  }
  const auto again = open();
  EXPECT_EQ(again.ops.size(), 2u);
  EXPECT_THAT(texts(again.receipts), ElementsAre("a", "b", "c", "d"));
  EXPECT_EQ(again.receipts[1].seq, 3u);
  EXPECT_EQ(again.receipts[0].wall_ms, clock_.to_wall_ms(clock_.now()));
}

TEST_F(JournalReceipts, ThoseOfOneGroupComeBackTogether) {
  {
    auto opened = open();
    for (int i = 0; i < 100; ++i) {
      const std::string receipt = std::to_string(i);
      EXPECT_TRUE(
          opened.log->append({1, "db", "views", "key", "1", i % 2 == 0 ? receipt : ""}, Durability::kFsync));
    }
    keep(*opened.log, "last");
  }
  const auto again = open();
  ASSERT_EQ(again.receipts.size(), 51u);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(again.receipts[i].seq, 2 * i + 1);
    EXPECT_EQ(again.receipts[i].bytes, std::to_string(2 * i));
  }
}

TEST_F(JournalReceipts, GoWithLaterCommitsOnceTheirTimeIsUp) {
  {
    auto opened = open();
    keep(*opened.log, "a");
    clock_.advance(minutes(30));
    keep(*opened.log, "b");
    clock_.advance(minutes(30));
    keep(*opened.log, "");
  }
  {
    const auto again = open(hours(100));
    EXPECT_THAT(texts(again.receipts), ElementsAre("b"));
  }
  clock_.advance(minutes(29));
  {
    const auto again = open();
    EXPECT_THAT(texts(again.receipts), ElementsAre("b"));
    clock_.advance(minutes(1));
    keep(*again.log, "c");
  }
  EXPECT_THAT(texts(open(hours(100)).receipts), ElementsAre("c"));
  EXPECT_THAT(open(Duration::zero()).receipts, IsEmpty());
}

// However many there are, none of the commits after a long rest takes long.
TEST_F(JournalReceipts, GoAFewAtATime) {
  {
    auto opened = open();
    for (int i = 0; i < 200; ++i) {
      keep(*opened.log, std::to_string(i), Durability::kOs);
      clock_.advance(milliseconds(1));
    }
    clock_.advance(hours(2));
    keep(*opened.log, "new");
  }
  const auto left = open(hours(100)).receipts.size();
  EXPECT_GT(left, 100u);
  EXPECT_LT(left, 200u);
  {
    auto opened = open();
    for (int i = 0; i < 3; ++i) keep(*opened.log, "");
  }
  EXPECT_THAT(texts(open(hours(100)).receipts), ElementsAre("new"));
}

TEST_F(JournalReceipts, AgeFromTheStartOfTheProcessWhereTheWallClockWasSetBack) {
  {
    auto opened = open();
    keep(*opened.log, "a");
  }
  clock_.set(clock_.now() - minutes(50));
  auto opened = open();
  EXPECT_THAT(texts(opened.receipts), ElementsAre("a"));
  clock_.advance(hours(1));
  keep(*opened.log, "b");
  opened.log.reset();
  EXPECT_THAT(texts(open(hours(100)).receipts), ElementsAre("b"));
}

TEST_F(JournalReceipts, DamageIsNamedAndTheJournalIsNotUsed) {
  {
    auto opened = open();
    keep(*opened.log, "a");
    keep(*opened.log, "b");
  }
  const auto refusal = [&] {
    auto opened = Log::open({.path = path()}, clock_);
    return opened ? "opened" : opened.error().message;
  };
  tamper("CREATE TABLE kept AS SELECT * FROM receipts");
  const auto mend = [&] { tamper("DELETE FROM receipts; INSERT INTO receipts SELECT * FROM kept"); };
  tamper("UPDATE receipts SET wall_ms = wall_ms + 1 WHERE last = 2");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("is damaged"), HasSubstr("checksum of the receipts up to op 2")));
  mend();
  tamper("UPDATE receipts SET receipts = x'00'");
  EXPECT_THAT(refusal(), HasSubstr("checksum of the receipts up to op 1"));
  mend();
  EXPECT_EQ(refusal(), "opened");
  const std::string ahead = [] {
    std::string bytes;
    add_receipt(bytes, 9, "x");
    return bytes;
  }();
  std::string hex;
  for (const unsigned char c : ahead) {
    constexpr const char* kDigits = "0123456789abcdef";
    hex += {kDigits[c >> 4U], kDigits[c & 15U]};
  }
  tamper("INSERT INTO receipts VALUES (9, " + std::to_string(receipts_checksum(9, 0, ahead)) + ", 0, x'" +
         hex + "')");
  EXPECT_THAT(refusal(), HasSubstr("in the receipts up to op 9: their numbers are out of place"));
}

}  // namespace
}  // namespace forebay::journal
