// Where SQLite's log breaks off: damage if what is missing had been synced, else a tail that is cut (J3).

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <vector>

#include "journal/log.h"
#include "journal/salvage.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class JournalMarks : public testing::Test {
 protected:
  // A journal of twenty groups as a process leaves it that is killed: the log has not been moved.
  void write(Durability durability) {
    auto opened = Log::open({.path = (folder_ / "live").string()});
    ASSERT_TRUE(opened.has_value());
    for (int i = 0; i < 20; ++i) {
      ends_.push_back(fs::exists(folder_ / "live-wal") ? fs::file_size(folder_ / "live-wal") : 0);
      std::promise<void> done;
      auto seq = opened->log->append({1, "db", "views", "k" + std::to_string(i), "{}"}, durability);
      opened->log->when_committed(*seq, *seq, [&](Result<void>) { done.set_value(); });
      done.get_future().get();
    }
    for (const char* suffix : {"", "-wal"})
      fs::copy_file(folder_.path() / (std::string("live") + suffix),
                    folder_.path() / (std::string("j") + suffix));
  }
  // Changes a byte of the log.
  void spoil(std::uint64_t at) {
    std::fstream file(folder_ / "j-wal", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const char byte = static_cast<char>(file.get() ^ 1);
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte);
  }
  Result<Log::Opened> open() { return Log::open({.path = (folder_ / "j").string()}); }

  test::TempDir folder_;
  std::vector<std::uint64_t> ends_;  // of the log, before each group
};

TEST_F(JournalMarks, ABreakBeforeWhatHadBeenSyncedIsDamage) {
  write(Durability::kFsync);
  for (const std::uint64_t at : {ends_[3] + 100, ends_[10] + 9, ends_[18] + 30}) {
    spoil(at);
    const auto opened = open();
    ASSERT_FALSE(opened.has_value()) << at;
    EXPECT_EQ(opened.error().code, ErrorCode::kInternal);
    EXPECT_THAT(opened.error().message, HasSubstr("had been synced up to op"));
    spoil(at);
  }
  const auto good = open();
  ASSERT_TRUE(good.has_value());
  EXPECT_EQ(good->ops.size(), 20u);
  EXPECT_EQ(good->cut, "");
}

TEST_F(JournalMarks, ATornTailIsCutAndSaid) {
  write(Durability::kFsync);
  spoil(ends_[19] + 40);  // the last group, of which nobody may have been told
  auto opened = open();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->ops.size(), 19u);
  EXPECT_THAT(opened->cut, HasSubstr("cut after op 19"));
}

TEST_F(JournalMarks, APartOfAFrameIsCutAndSaid) {
  write(Durability::kFsync);
  fs::resize_file(folder_ / "j-wal", fs::file_size(folder_ / "j-wal") - 100);
  auto opened = open();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_THAT(opened->cut, HasSubstr("a part of a frame"));
}

TEST_F(JournalMarks, ABreakInWhatHadNotIsCutAndSaid) {
  write(Durability::kOs);
  spoil(ends_[10] + 100);
  auto opened = open();
  ASSERT_TRUE(opened.has_value()) << opened.error().message;
  EXPECT_EQ(opened->ops.size(), 10u);
  EXPECT_THAT(opened->cut, HasSubstr("cut after op 10"));
}

TEST_F(JournalMarks, AnEndThatIsMissingIsMissedWhereTheLockFileKnowsOfIt) {
  write(Durability::kFsync);
  fs::copy_file(folder_ / "live-lock", folder_ / "j-lock");
  fs::copy_file(folder_ / "j-wal", folder_ / "whole");
  for (const std::uint64_t size : {ends_[19], ends_[10], std::uint64_t{0}}) {
    fs::copy_file(folder_ / "whole", folder_ / "j-wal", fs::copy_options::overwrite_existing);
    fs::resize_file(folder_ / "j-wal", size);
    const auto opened = open();
    ASSERT_FALSE(opened.has_value()) << size;
    EXPECT_EQ(opened.error().code, ErrorCode::kInternal);
  }
  // Another journal in its place is none of its business.
  for (const char* name : {"j", "j-wal"}) fs::remove(folder_ / name);
  EXPECT_FALSE(open().has_value());
  fs::remove(folder_ / "j-lock");
  EXPECT_TRUE(open().has_value());
}

TEST_F(JournalMarks, AJournalWithoutMarksIsTakenOverWithWhatItHolds) {
  write(Durability::kFsync);
  {
    // As the version before wrote it.
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder_ / "j").c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database,
                           "DELETE FROM groups; ALTER TABLE groups DROP COLUMN synced;"
                           "PRAGMA user_version = 2",
                           nullptr, nullptr, nullptr),
              SQLITE_OK);
    const std::string bytes = [] {
      Group group;
      group.add(1, {1, "db", "views", "old", "{}"});
      group.add(2, {1, "db", "views", "older", "{}"});
      return group.bytes();
    }();
    sqlite3_stmt* insert = nullptr;
    ASSERT_EQ(
        sqlite3_prepare_v2(database, "INSERT INTO groups VALUES (1, 2, ?1, 0, ?2)", -1, &insert, nullptr),
        SQLITE_OK);
    sqlite3_bind_int64(insert, 1, checksum(1, 2, 0, bytes));
    sqlite3_bind_blob(insert, 2, bytes.data(), static_cast<int>(bytes.size()), SQLITE_STATIC);
    EXPECT_EQ(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_finalize(insert);
    sqlite3_close(database);
  }
  EXPECT_TRUE(salvage((folder_ / "j").string())->damage.empty());
  for (std::size_t ops = 2; ops < 4; ++ops) {
    auto opened = open();
    ASSERT_TRUE(opened.has_value()) << opened.error().message;
    ASSERT_EQ(opened->ops.size(), ops);
    EXPECT_EQ(opened->ops[1].key, "older");
    EXPECT_TRUE(opened->log->append({1, "db", "views", "new", "{}"}, Durability::kNone));
  }
  EXPECT_TRUE(salvage((folder_ / "j").string())->damage.empty());
}

TEST_F(JournalMarks, NotesAreRememberedAndForgotten) {
  {
    auto opened = open();
    ASSERT_TRUE(opened.has_value());
    EXPECT_TRUE(opened->log->note({{"a", "1"}, {"b", "2"}}));
    EXPECT_TRUE(opened->log->note({{"a", "3"}, {"b", ""}}));
  }
  auto opened = open();
  ASSERT_TRUE(opened.has_value());
  EXPECT_EQ(opened->notes, (Notes{{"a", "3"}}));
  opened->log.reset();
  EXPECT_TRUE(salvage((folder_ / "j").string())->damage.empty());
}

TEST_F(JournalMarks, TheFilesAreTheirUsersAlone) {
  const mode_t before = umask(0);
  const auto opened = open();
  umask(before);
  for (const char* suffix : {"", "-wal", "-lock"}) {
    struct stat file{};
    ASSERT_EQ(stat((folder_ / ("j" + std::string(suffix))).c_str(), &file), 0);
    EXPECT_EQ(file.st_mode & 0777, 0600u) << suffix;
  }
}

}  // namespace
}  // namespace forebay::journal
