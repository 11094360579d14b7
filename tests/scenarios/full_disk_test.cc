// A journal on a disk that is really full.

#include <map>
#include <string>

#include "scenarios/behind_service.h"
#include "support/small_disk.h"

namespace forebay::test {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

struct HasDisk {
  SmallDisk disk_{"24m"};
};

class FullDisk : private HasDisk, public BehindService {
 protected:
  FullDisk() : BehindService(disk_.within()) {}
  void SetUp() override {
    if (const std::string missing = disk_.missing(); !missing.empty()) GTEST_SKIP() << missing;
    database_->run("CREATE TABLE texts(id text PRIMARY KEY, v text NOT NULL)");
    database_->run("CREATE TABLE counters(id text PRIMARY KEY, n bigint NOT NULL)");
    const std::string behind = "write = \"behind\"\nflush = { every = \"20ms\" }\n";
    configure(
        "[namespace.text]\nkey = \"text:{id}\"\nsource = \"db\"\ntable = \"texts\"\ntype = \"text\"\n"
        "value = \"v\"\n" +
            behind +
            "[namespace.count]\nkey = \"count:{id}\"\nsource = \"db\"\ntable = \"counters\"\n"
            "type = \"counter\"\nvalue = \"n\"\n" +
            behind,
        {.source = "timeout = \"1s\"\n", .journal_path = path()});
    start();
    ASSERT_EQ(ask("INCR", "count:a"), ":1");
    ASSERT_EQ(ask("FOREBAY", "DRAIN", "20000"), ":1");
  }
  std::string path() const { return (disk_.path() / "journal").string(); }
  SmallDisk& disk() { return disk_; }

  static std::string value(int number, std::size_t size) {
    std::string text = "v" + std::to_string(number) + "-";
    text.resize(size, 'x');
    return text;
  }
  // Sets one key after another until that is refused; the reply.
  std::string write_until_refused(std::size_t size) {
    constexpr int kMany = 100'000;
    for (int i = 0; i < kMany; ++i) {
      const std::string key = "text:" + std::to_string(i % 400);
      const std::string text = value(i, size);
      const std::string reply = ask("SET", key, text);
      if (reply != "+OK") {
        refused_ = key;
        unknown_ = text;
        return reply;
      }
      acknowledged_[key] = text;
      const std::string added = ask("INCR", "count:a");
      if (added.starts_with(":")) {
        EXPECT_EQ(added, ":" + std::to_string(++sum_));
      } else {
        may_count_ += added.starts_with("-UNKNOWNOUTCOME ") ? 1 : 0;
      }
    }
    return "never refused";
  }
  // `unsure`: the write that was refused may have happened.
  void expect_all_read(bool unsure) {
    for (const auto& [key, text] : acknowledged_) {
      const std::string found = ask("GET", key);
      if (found == text || (unsure && key == refused_ && found == unknown_)) continue;
      ADD_FAILURE() << key << " is " << found.substr(0, 20) << ", acknowledged was " << text.substr(0, 20);
    }
  }
  void expect_in_database() {
    EXPECT_EQ(database_->ask("SELECT n FROM counters WHERE id = 'a'"), std::to_string(sum_));
    for (const auto& [key, text] : acknowledged_) {
      if (key == refused_) continue;
      const std::string found = database_->ask("SELECT v FROM texts WHERE id = '" + key.substr(5) + "'");
      EXPECT_EQ(found.substr(0, 20), text.substr(0, 20)) << key;
      EXPECT_EQ(found.size(), text.size()) << key;
    }
  }
  // Additions whose outcome was unknown may count or not; from here on that is known.
  void settle_sum() {
    const int there = std::stoi(ask("GET", "count:a"));
    EXPECT_GE(there, sum_);
    EXPECT_LE(there, sum_ + may_count_);
    sum_ = there;
    may_count_ = 0;
  }
  // Everything is in the database, and new writes get there as well.
  void expect_writes_are_taken_again() {
    EXPECT_EQ(ask("FOREBAY", "DRAIN", "60000"), ":1");
    EXPECT_TRUE(eventually([&] { return ask("SET", "text:new", "hello") == "+OK"; })) << forebay_.log();
    EXPECT_EQ(ask("INCR", "count:a"), ":" + std::to_string(++sum_));
    EXPECT_EQ(ask("FOREBAY", "FLUSHED", "text:new", "20000"), ":1");
    EXPECT_EQ(ask("FOREBAY", "FLUSHED", "count:a", "20000"), ":1");
    EXPECT_EQ(database_->ask("SELECT v FROM texts WHERE id = 'new'"), "hello");
    expect_in_database();
  }

  std::map<std::string, std::string> acknowledged_;
  std::string refused_, unknown_;
  int sum_ = 1;
  int may_count_ = 0;
};

// The journal fills its disk by itself, because the database is away. It stops before the disk is full.
TEST_P(FullDisk, FilledByTheJournalItselfRefusesWritesAndLosesNone) {
  {
    const Away away(*database_);
    const std::string refusal = write_until_refused(60'000);
    EXPECT_THAT(refusal, StartsWith("-OVERLOADED "));
    EXPECT_THAT(refusal, HasSubstr("the journal's disk is nearly full"));
    EXPECT_GT(acknowledged_.size(), 20u);
    EXPECT_THAT(ask("INCR", "count:a"), StartsWith("-OVERLOADED "));
    EXPECT_EQ(ask("PING"), "+PONG");
    expect_all_read(false);
    kill_and_start();
    expect_all_read(false);
    EXPECT_EQ(ask("SET", refused_, "again").substr(0, 12), "-OVERLOADED ");
    expect_all_read(false);
  }
  expect_writes_are_taken_again();
}

// Somebody else fills it, so that it is a commit of the journal that fails: ENOSPC from the kernel.
TEST_P(FullDisk, FilledBySomebodyElseRefusesWritesAndLosesNone) {
  {
    const Away away(*database_);
    for (int i = 0; i < 20; ++i) {
      acknowledged_["text:" + std::to_string(i)] = value(i, 2'000);
      ASSERT_EQ(ask("SET", "text:" + std::to_string(i), value(i, 2'000)), "+OK");
    }
    disk().fill();
    const std::string refusal = write_until_refused(60'000);
    EXPECT_THAT(refusal, AnyOf(StartsWith("-OVERLOADED "), StartsWith("-UNKNOWNOUTCOME "),
                               StartsWith("-UNAVAILABLE ")));
    EXPECT_THAT(refusal, HasSubstr("journal"));
    EXPECT_EQ(ask("PING"), "+PONG");
    expect_all_read(true);
    disk().make_room();
    kill_and_start();
    expect_all_read(true);
    settle_sum();
  }
  expect_writes_are_taken_again();
}

INSTANTIATE_TEST_SUITE_P(On, FullDisk, testing::Values("sqlite"), database_name);

}  // namespace
}  // namespace forebay::test
