// What can still be read of a journal's files, whatever became of them (consistency.md J3).

#include "journal/salvage.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "journal/log.h"
#include "support/manual_time.h"
#include "support/temp_dir.h"

namespace forebay::journal {
namespace {

namespace fs = std::filesystem;
using testing::AnyOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t kWritten = 120;
constexpr std::uint64_t kTrimmed = 40;

std::string contents(const fs::path& file) {
  std::ostringstream text;
  text << std::ifstream(file, std::ios::binary).rdbuf();
  return text.str();
}
void write(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary) << bytes;
}
std::map<std::string, std::string> all_of(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& file : fs::directory_iterator(folder))
    files[file.path().filename()] = contents(file.path());
  return files;
}
void write_all(const fs::path& folder, const std::map<std::string, std::string>& files) {
  fs::remove_all(folder);
  fs::create_directory(folder);
  for (const auto& [name, bytes] : files) write(folder / name, bytes);
}

// Op `seq` of the journal that every test damages: large ones and small ones, several namespaces and lanes.
Op op_of(std::uint64_t seq) {
  Op op{seq,
        static_cast<std::uint32_t>(seq % 4),
        "db",
        seq % 3 == 0 ? "views" : "names",
        "key:" + std::to_string(seq),
        R"({"add":{"n":")" + std::to_string(seq) + "\"}}"};
  if (seq % 17 == 0) op.payload.append(9000, static_cast<char>('a' + seq % 26));
  return op;
}

bool same(const Op& a, const Op& b) {
  return a.seq == b.seq && a.lane == b.lane && a.source == b.source && a.space == b.space && a.key == b.key &&
         a.payload == b.payload;
}

class JournalSalvage : public testing::Test {
 protected:
  // Files of a journal with groups of three ops, of which the first are trimmed: as they are while it is in
  // use (`log_`: most of it in the write-ahead log) and once it has been closed.
  struct Files {
    std::map<std::string, std::string> in_use;
    std::map<std::string, std::string> closed;
  };
  static const Files& files() {
    static const Files made = [] {
      const test::TempDir folder;
      fs::create_directory(folder / "j");
      const fs::path path = folder / "j/journal.db";
      Files all;
      {
        test::ManualClock clock;
        auto opened = Log::open({.path = path.string()}, clock);
        EXPECT_TRUE(opened);
        for (std::uint64_t seq = 1; seq <= kWritten; ++seq) {
          const Op op = op_of(seq);
          // A few have a receipt.
          const std::string receipt = seq % 20 == 0 ? "receipt of " + std::to_string(seq) : "";
          EXPECT_TRUE(opened->log->append({op.lane, op.source, op.space, op.key, op.payload, receipt},
                                          Durability::kFsync));
          if (seq % 3 == 0) wait(*opened->log, seq);
          if (seq == 90) opened->log->trim(kTrimmed, {{"db", 1, 37}});
        }
        wait(*opened->log, kWritten);
        all.in_use = all_of(folder / "j");
      }
      all.closed = all_of(folder / "j");
      return all;
    }();
    return made;
  }
  static void wait(Log& log, std::uint64_t seq) {
    std::promise<void> kept;
    log.when_committed(seq, seq, [&](const Result<void>&) { kept.set_value(); });
    kept.get_future().wait();
  }
  // What is pending, but for the ops from `from` to `to`.
  static void expect_all_but(const Salvaged& found, std::uint64_t from, std::uint64_t to) {
    std::uint64_t seq = kTrimmed + 1;
    const auto skip = [&] {
      if (seq == from) seq = to + 1;
    };
    for (const Op& op : found.ops) {
      skip();
      ASSERT_TRUE(same(op, op_of(seq))) << op.seq << " for " << seq;
      ++seq;
    }
    skip();
    EXPECT_EQ(seq, kWritten + 1);
  }
  static std::vector<std::string> ranges(const std::vector<Salvaged::Range>& ranges) {
    std::vector<std::string> all;
    for (const auto& [first, last] : ranges)
      all.push_back(std::to_string(first) + "-" + std::to_string(last));
    return all;
  }
  fs::path journal() const { return folder_ / "j/journal.db"; }
  // Reads these files; nothing of them changes.
  Result<Salvaged> read(const std::map<std::string, std::string>& files) const {
    write_all(folder_ / "j", files);
    auto found = salvage(journal().string());
    EXPECT_TRUE(all_of(folder_ / "j") == files);
    return found;
  }
  Salvaged good(const std::map<std::string, std::string>& files) const {
    auto found = read(files);
    EXPECT_TRUE(found) << (found ? "" : found.error().message);
    return found ? std::move(*found) : Salvaged{};
  }
  std::string wrong(const std::map<std::string, std::string>& files) const {
    const auto found = read(files);
    return found ? "it is a journal" : found.error().message;
  }
  static std::map<std::string, std::string> with(std::map<std::string, std::string> files,
                                                 const std::string& name, std::size_t at,
                                                 const std::string& bytes) {
    files[name].replace(at, bytes.size(), bytes);
    return files;
  }
  // Where op `seq` is in a file; the last place of several.
  static std::size_t place(const std::string& bytes, std::uint64_t seq) {
    const std::size_t at = bytes.rfind(op_of(seq).payload.substr(0, 20));
    EXPECT_NE(at, std::string::npos) << seq;
    return at;
  }

  test::TempDir folder_;
};

TEST_F(JournalSalvage, AGoodJournalIsReadWhole) {
  for (const auto& files : {files().in_use, files().closed}) {
    const Salvaged found = good(files);
    EXPECT_THAT(found.damage, IsEmpty());
    EXPECT_THAT(found.lost, IsEmpty());
    EXPECT_THAT(found.unseen, IsEmpty());
    EXPECT_FALSE(found.more);
    EXPECT_EQ(found.id.size(), 32u);
    EXPECT_EQ(found.lanes, 4u);
    EXPECT_EQ(found.trimmed, kTrimmed);
    EXPECT_EQ(found.last, kWritten);
    ASSERT_EQ(found.applied.size(), 1u);
    EXPECT_EQ(found.applied[0].seq, 37u);
    expect_all_but(found, 0, 0);
    EXPECT_EQ(found.ops.front().wall_ms, 1'700'003'600'000);
  }
  EXPECT_FALSE(files().closed.contains("journal.db-wal"));
}

TEST_F(JournalSalvage, AJournalThatIsInUseIsLeftAlone) {
  write_all(folder_ / "j", files().closed);
  auto opened = Log::open({.path = journal().string()});
  ASSERT_TRUE(opened);
  const auto found = salvage(journal().string());
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kConfig);
  EXPECT_THAT(found.error().message, HasSubstr("a process holds it"));
  opened->log.reset();
  EXPECT_TRUE(salvage(journal().string()));
}

TEST_F(JournalSalvage, WhatIsNoJournalIsSaidToBeNone) {
  fs::create_directory(folder_ / "empty");
  const auto found = salvage((folder_ / "empty/journal.db").string());
  ASSERT_FALSE(found);
  EXPECT_THAT(found.error().message, HasSubstr("there is no journal"));
  EXPECT_TRUE(fs::is_empty(folder_ / "empty"));
  EXPECT_THAT(wrong({{"journal.db", std::string(10'000, 'x')}}),
              HasSubstr("is no journal: file is not a database"));
  EXPECT_THAT(wrong({{"journal.db", ""}}), HasSubstr("is no journal: nothing of one is in it"));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((folder_ / "other").c_str(), &other), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(other, "CREATE TABLE mine(x)", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
  EXPECT_THAT(wrong({{"journal.db", contents(folder_ / "other")}}), HasSubstr("another program's database"));
}

TEST_F(JournalSalvage, ADamagedGroupIsNamedAndTheOthersAreRead) {
  const std::string& bytes = files().closed.at("journal.db");
  for (const std::uint64_t seq : {50U, 68U, 119U}) {  // 68 is a large one
    const Salvaged found = good(with(files().closed, "journal.db", place(bytes, seq) + 3, "X"));
    const std::uint64_t first = seq - (seq - 1) % 3;
    const std::string group = std::to_string(first) + " to " + std::to_string(first + 2);
    EXPECT_THAT(found.damage,
                Contains(HasSubstr("the checksum of the group of ops " + group + " does not match")));
    EXPECT_THAT(ranges(found.lost), ElementsAre(std::to_string(first) + "-" + std::to_string(first + 2)));
    expect_all_but(found, first, first + 2);
  }
}

TEST_F(JournalSalvage, DamagedReceiptsAreNamedAndAllWritesAreRead) {
  const std::size_t at = files().closed.at("journal.db").rfind("receipt of 80");
  ASSERT_NE(at, std::string::npos);
  const Salvaged found = good(with(files().closed, "journal.db", at, "X"));
  EXPECT_THAT(found.damage,
              ElementsAre(HasSubstr("the checksum of the receipts up to op 80 does not match")));
  EXPECT_THAT(found.lost, IsEmpty());
  expect_all_but(found, 0, 0);
}

// A start refuses the journal then.
TEST_F(JournalSalvage, AReceiptTellsOfOpsThatAreMissingAtTheEnd) {
  write_all(folder_ / "j", files().closed);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(journal().c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "PRAGMA secure_delete = ON; DELETE FROM groups WHERE last = 120", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  const Salvaged found = good(all_of(folder_ / "j"));
  EXPECT_THAT(found.damage, ElementsAre("it has the receipt of op 120, but no op after 117"));
  EXPECT_THAT(ranges(found.lost), ElementsAre("118-120"));
  EXPECT_FALSE(Log::open({.path = journal().string()}));
}

TEST_F(JournalSalvage, AnOlderCopyOfADamagedGroupIsFound) {
  // Each commit writes the page that it adds to again: the log has several copies of most groups.
  const std::string& log = files().in_use.at("journal.db-wal");
  const Salvaged found = good(with(files().in_use, "journal.db-wal", place(log, 112) + 3, "X"));
  EXPECT_THAT(found.damage, Contains(HasSubstr("the write-ahead log's frame at byte ")));
  EXPECT_THAT(found.lost, IsEmpty());
  EXPECT_THAT(found.unseen, testing::Not(IsEmpty()));
  expect_all_but(found, 0, 0);
}

TEST_F(JournalSalvage, AWriteAheadLogThatBreaksInTheMiddleIsDamageAndWhatFollowsIsRead) {
  const std::string& log = files().in_use.at("journal.db-wal");
  // A byte of the seventh frame: SQLite takes what comes before it for all.
  Salvaged found = good(with(files().in_use, "journal.db-wal", 32 + 6 * (24 + 4096) + 24 + 100, "X"));
  EXPECT_THAT(
      found.damage,
      Contains(AllOf(HasSubstr("the write-ahead log's frame at byte 24752 does not match its checksum"),
                     HasSubstr("commits come after it"))));
  EXPECT_EQ(found.last, kWritten);
  expect_all_but(found, 0, 0);
  // Its header: SQLite reads nothing of it.
  found = good(with(files().in_use, "journal.db-wal", 16, "salt"));
  EXPECT_THAT(found.damage, Contains(HasSubstr("the write-ahead log's header")));
  expect_all_but(found, 0, 0);
  // A commit that was not written to its end is no damage: that is how a process dies.
  auto torn = files().in_use;
  torn["journal.db-wal"].resize(log.size() - 1000);
  EXPECT_THAT(good(torn).damage, IsEmpty());
}

TEST_F(JournalSalvage, WithoutItsWriteAheadLogTheRestIsRead) {
  auto without = files().in_use;
  without.erase("journal.db-wal");
  const auto found = read(without);
  if (found) {
    for (const Op& op : found->ops) EXPECT_TRUE(same(op, op_of(op.seq)));
  }
}

TEST_F(JournalSalvage, AFileThatIsCutOffIsReadAsFarAsItGoes) {
  auto cut = files().closed;
  std::string& bytes = cut["journal.db"];
  const std::size_t whole = bytes.size();
  for (const std::size_t size :
       {whole - 1, whole - 4096, whole * 3 / 4, std::size_t{8192}, std::size_t{100}}) {
    cut = files().closed;
    cut["journal.db"].resize(size);
    const auto found = read(cut);
    if (!found) {
      EXPECT_EQ(size, 100u) << found.error().message;
      continue;
    }
    EXPECT_THAT(found->damage, testing::Not(IsEmpty())) << size;
    for (const Op& op : found->ops) EXPECT_TRUE(same(op, op_of(op.seq)));
    EXPECT_TRUE(!found->lost.empty() || found->more) << size;
    if (size >= whole * 3 / 4) {
      EXPECT_GT(found->ops.size(), 10u);
    }
  }
}

TEST_F(JournalSalvage, WithoutItsFirstPageAllGroupsAreFound) {
  for (const std::string& header : {std::string(4096, '\0'), std::string(100, 'x')}) {
    const Salvaged found = good(with(files().closed, "journal.db", 0, header));
    EXPECT_THAT(found.damage, Contains(HasSubstr("SQLite can't read it: file is not a database")));
    EXPECT_EQ(found.trimmed, kTrimmed);
    EXPECT_THAT(found.lost, IsEmpty());
    expect_all_but(found, 0, 0);
  }
}

TEST_F(JournalSalvage, ATreeThatLeadsInACircleIsNotFollowed) {
  write_all(folder_ / "j", files().closed);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(journal().c_str(), &database), SQLITE_OK);
  std::size_t root = 0;
  EXPECT_EQ(sqlite3_exec(
                database, "SELECT rootpage FROM sqlite_schema WHERE name = 'groups'",
                [](void* page, int, char** columns, char**) {
                  *static_cast<std::size_t*>(page) = std::stoul(columns[0]);
                  return 0;
                },
                &root, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  const std::size_t page = (root - 1) * 4096;
  const std::string& bytes = files().closed.at("journal.db");
  ASSERT_EQ(bytes[page], 5);  // an inner page: its last child becomes the page itself
  const Salvaged found =
      good(with(files().closed, "journal.db", page + 8, {0, 0, 0, static_cast<char>(root)}));
  EXPECT_THAT(found.damage, Contains(HasSubstr(" follows op ")));
  EXPECT_TRUE(found.more);
  expect_all_but(found, 0, 0);
}

// Otherwise this would take an hour.
TEST_F(JournalSalvage, OverflowPagesThatLeadInACircleAreNotFollowedForLong) {
  constexpr std::size_t kCells = 1500;
  std::string leaf(4096, '\0');
  const auto put = [](std::string& page, std::size_t at, std::size_t number) {
    page[at] = static_cast<char>(number >> 8);
    page[at + 1] = static_cast<char>(number);
  };
  leaf[0] = 0x0d;
  put(leaf, 3, kCells);
  // A group of 2^29 bytes, the first 512 of them here, the others on page 3.
  const std::string cell = "\x82\x80\x80\x80" + std::string(1, '\0') + "\x4d" + std::string(512, '\5') +
                           std::string(3, '\0') + "\3";
  const std::size_t at = leaf.size() - cell.size();
  leaf.replace(at, cell.size(), cell);
  for (std::size_t i = 0; i < kCells; ++i) put(leaf, 8 + 2 * i, at);
  std::string overflow(4096, '\0');
  overflow[3] = 3;
  const std::string first = files().closed.at("journal.db").substr(0, 4096);
  EXPECT_THAT(wrong({{"journal.db", first + leaf + overflow}}), HasSubstr("is no journal"));
}

TEST_F(JournalSalvage, AJournalWithoutItsMetaSaysThatItCantTellWhatIsTrimmed) {
  write_all(folder_ / "j", files().closed);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(journal().c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, "DROP TABLE meta; VACUUM", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(database);
  const Salvaged found = good(all_of(folder_ / "j"));
  EXPECT_EQ(found.trimmed, std::nullopt);
  EXPECT_THAT(found.damage, Contains(HasSubstr("meta")));
  EXPECT_GE(found.ops.size(), kWritten - kTrimmed);
}

// Bytes that change, blocks that are lost or change places, and files that are cut off: never a crash, never
// an op that was not written, never one twice, and nothing in the folder is touched.
TEST_F(JournalSalvage, WhateverBecomesOfItNothingIsMadeUp) {
  test::SeededRandom random(20261121);
  std::size_t read_ops = 0;
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    auto damaged = round % 2 == 0 ? files().in_use : files().closed;
    const int changes = 1 + static_cast<int>(random.next() % 6);
    for (int i = 0; i < changes; ++i) {
      auto file = damaged.find("journal.db");
      if (random.next() % 2 == 0 && damaged.contains("journal.db-wal")) file = damaged.find("journal.db-wal");
      std::string& bytes = file->second;
      if (bytes.size() < 1024) continue;
      const std::size_t at = random.next() % (bytes.size() - 512);
      switch (random.next() % 8) {
        case 0:
          bytes.replace(at, 512, 512, static_cast<char>(random.next()));
          break;
        case 1:
          bytes.replace(at, 512, bytes.substr(random.next() % (bytes.size() - 512), 512));
          break;
        case 2:
          if (random.next() % 4 == 0) bytes.resize(at);
          break;
        case 3:  // the pages that all others hang from
          bytes[at % 8192] = static_cast<char>(random.next());
          break;
        default:
          bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.next() % 8));
      }
    }
    const auto found = read(damaged);
    if (!found) continue;
    std::uint64_t before = 0;
    for (const Op& op : found->ops) {
      ASSERT_GT(op.seq, before) << round;
      ASSERT_LE(op.seq, kWritten) << round;
      ASSERT_TRUE(same(op, op_of(op.seq))) << round << ": " << op.seq;
      before = op.seq;
    }
    read_ops += found->ops.size();
    // What is missing is said to be.
    if (found->damage.empty()) continue;
    std::size_t missing = 0;
    for (const auto& [first, last] : found->lost) missing += last - first + 1;
    if (found->trimmed == kTrimmed && found->last == kWritten) {
      ASSERT_EQ(found->ops.size() + missing, kWritten - kTrimmed) << round;
    }
  }
  EXPECT_GT(read_ops, kRounds * (kWritten - kTrimmed) * 3 / 4);
}

// A byte at a time: no more than what it hit is lost.
TEST_F(JournalSalvage, AByteThatChangesCostsAGroupAtMost) {
  test::SeededRandom random(7);
  for (int round = 0; round < 150; ++round) {
    auto damaged = files().closed;
    std::string& bytes = damaged["journal.db"];
    const std::size_t at = random.next() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random.next() % 8));
    const auto found = read(damaged);
    ASSERT_TRUE(found) << at;
    std::size_t pending = 0;
    for (const Op& op : found->ops) pending += op.seq > kTrimmed ? 1 : 0;
    // A page's header, or where its cells are, may cost the page.
    EXPECT_GE(pending, kWritten - kTrimmed - (at % 4096 < 200 ? 60U : 3U)) << at;
  }
}

TEST_F(JournalSalvage, TheRefusalToStartNamesTheCommands) {
  const std::string& bytes = files().closed.at("journal.db");
  for (const auto& damaged : {with(files().closed, "journal.db", place(bytes, 50), "X"),
                              with(files().closed, "journal.db", 0, std::string(4096, 'x'))}) {
    write_all(folder_ / "j", damaged);
    const auto opened = Log::open({.path = journal().string()});
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kInternal);
    EXPECT_THAT(opened.error().message, HasSubstr("`forebay journal export --salvage`"));
  }
}

}  // namespace
}  // namespace forebay::journal
