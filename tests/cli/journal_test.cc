// forebay journal: the built program on journals that are good, in use and damaged.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <sstream>
#include <string>
#include <vector>

#include "journal/log.h"
#include "support/manual_time.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::cli {
namespace {

using test::Output;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class JournalCommand : public testing::Test {
 protected:
  // Standard output and standard error, one after the other.
  Output journal(std::vector<std::string> arguments) {
    std::string command = (test::binary_dir() / "forebay").string() + " journal";
    for (const std::string& argument : arguments) command += " '" + argument + "'";
    command += " 2> '" + (folder_ / "errors").string() + "'; status=$?; cat '" +
               (folder_ / "errors").string() + "'; exit $status";
    return test::run({"sh", "-c", command});
  }
  std::string path() const { return (folder_ / "j").string(); }

  // Two writes in a group of their own each.
  std::unique_ptr<journal::Log> make() {
    std::filesystem::create_directory(folder_ / "j");
    auto opened = journal::Log::open({.path = path() + "/journal.db"}, clock_);
    EXPECT_TRUE(opened);
    add(*opened->log, {2, "db", "views", "views:1", R"({"add":{"n":"1"}})"});
    clock_.advance(std::chrono::milliseconds(1500));
    add(*opened->log, {3, "db", "names", "name:\xff", R"({"fields":{"name":"Ada"}})"});
    return std::move(opened->log);
  }
  static void add(journal::Log& log, const journal::OpView& op) {
    const auto seq = log.append(op, journal::Durability::kFsync);
    ASSERT_TRUE(seq);
    std::promise<void> kept;
    log.when_committed(*seq, *seq, [&](const Result<void>&) { kept.set_value(); });
    kept.get_future().wait();
  }
  // Changes a byte of the first write.
  void damage() {
    const auto file = folder_ / "j/journal.db";
    std::ostringstream text;
    text << std::ifstream(file, std::ios::binary).rdbuf();
    std::string bytes = text.str();
    bytes[bytes.find("views:1") + 6] = '2';
    std::ofstream(file, std::ios::binary) << bytes;
  }

  test::TempDir folder_;
  test::ManualClock clock_;
};

constexpr const char* kFirst =
    R"({"seq":1,"lane":2,"source":"db","namespace":"views","key":"views:1","at":"2023-11-14T23:13:20.000Z",)"
    R"("operation":{"add":{"n":"1"}}})"
    "\n";
constexpr const char* kSecond =
    R"({"seq":2,"lane":3,"source":"db","namespace":"names","key_base64":"bmFtZTr/","at":)"
    R"("2023-11-14T23:13:21.500Z","operation":{"fields":{"name":"Ada"}}})"
    "\n";

TEST_F(JournalCommand, CheckSaysWhatAJournalHoldsAndExportPrintsIt) {
  make().reset();
  const Output check = journal({"check", path()});
  EXPECT_EQ(check.status, 0) << check.text;
  EXPECT_THAT(check.text,
              AllOf(HasSubstr("trimmed   up to op 0\nlast      op 2\n"),
                    HasSubstr("pending   2 writes, 55 bytes, the oldest of 2023-11-14T23:13:20.000Z\n"),
                    HasSubstr("namespace names: 1 write, 31 bytes (lane 3: 1)\n"),
                    HasSubstr("namespace views: 1 write, 24 bytes (lane 2: 1)\n")));
  const Output exported = journal({"export", path()});
  EXPECT_EQ(exported.status, 0);
  EXPECT_EQ(exported.text, std::string(kFirst) + kSecond);
}

TEST_F(JournalCommand, AConfigurationNamesTheJournalAsWell) {
  make().reset();
  std::ofstream(folder_ / "f.toml") << "[journal]\npath = \"j\"\n";
  EXPECT_EQ(journal({"export", (folder_ / "f.toml").string()}).text, std::string(kFirst) + kSecond);
  std::ofstream(folder_ / "g.toml") << "[memory]\nlimit = \"1GiB\"\n";
  const Output none = journal({"check", (folder_ / "g.toml").string()});
  EXPECT_EQ(none.status, 1);
  EXPECT_THAT(none.text, HasSubstr("g.toml has no [journal]"));
}

TEST_F(JournalCommand, AJournalInUseOrNoneIsAFailure) {
  auto log = make();
  Output check = journal({"check", path()});
  EXPECT_EQ(check.status, 1);
  EXPECT_THAT(check.text, HasSubstr("a process holds it"));
  EXPECT_EQ(journal({"export", "--salvage", path()}).status, 1);
  check = journal({"check", folder_.path().string()});
  EXPECT_EQ(check.status, 1);
  EXPECT_THAT(check.text, HasSubstr("there is no journal"));
}

TEST_F(JournalCommand, OfADamagedJournalOnlySalvagePrintsWhatIsLeft) {
  make().reset();
  damage();
  const Output check = journal({"check", path()});
  EXPECT_EQ(check.status, 1);
  EXPECT_THAT(check.text,
              AllOf(HasSubstr("journal.db is damaged: the checksum of the group of op 1 does not match"),
                    HasSubstr("lost: op 1\n"), HasSubstr("pending   1 write, ")));
  const Output plain = journal({"export", path()});
  EXPECT_EQ(plain.status, 1);
  EXPECT_THAT(plain.text,
              AllOf(HasSubstr("the group of op 1"), HasSubstr("--salvage"), Not(HasSubstr("\"seq\""))));
  const Output salvaged = journal({"export", "--salvage", path()});
  EXPECT_EQ(salvaged.status, 3);
  EXPECT_THAT(salvaged.text, AllOf(testing::StartsWith(kSecond), HasSubstr("lost: op 1\n")));
}

}  // namespace
}  // namespace forebay::cli
