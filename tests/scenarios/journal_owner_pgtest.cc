// A journal that is no longer what it was, or whose configuration isn't: copies, backups, other tables, none.

#include <filesystem>
#include <string>

#include "scenarios/behind_service.h"
#include "support/paths.h"

namespace forebay::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::StartsWith;

class JournalOwner : public BehindService {
 protected:
  JournalOwner() {
    for (const char* table : {"visits", "others"})
      database_->run("CREATE TABLE " + std::string(table) +
                     "(page text PRIMARY KEY, views bigint NOT NULL DEFAULT 0)");
  }
  std::string toml(const std::string& journal, const std::string& space, const std::string& table,
                   const std::string& write) const {
    return (journal.empty() ? "" : "[journal]\npath = \"" + journal + "\"\n") + "[source.db]\n" +
           database_->source() + "[namespace." + space + "]\nkey = \"" + space +
           ":{page}\"\nsource = \"db\"\ntable = \"" + table +
           "\"\ntype = \"counter\"\nvalue = \"views\"\nwrite = \"" + write + "\"\n" +
           (write == "behind" ? "flush = { every = \"1h\" }\n" : "");
  }
  void configure_visits() const { forebay_.configure(toml("journal", "visits", "visits", "behind")); }
  Output check() const {
    return run({(binary_dir() / "forebay").string(), "check", (folder_.path() / "forebay.toml").string()});
  }
  void expect_good() const {
    const Output said = check();
    EXPECT_EQ(said.status, 0) << said.text;
  }
  std::string views() const { return database_->ask("SELECT views FROM visits WHERE page = 'home'"); }
  fs::path journal() const { return folder_.path() / "journal"; }
};

TEST_P(JournalOwner, WhatIsPendingMustNotBeForgottenByAnotherConfiguration) {
  configure_visits();
  start();
  EXPECT_EQ(ask("INCRBY", "visits:home", "5"), ":5");
  forebay_.kill();

  const auto refused = [&](const std::string& changed) {
    forebay_.configure(changed);
    const Output said = check();
    EXPECT_EQ(said.status, 1) << said.text;
    EXPECT_THAT(said.text, HasSubstr("journal"));
    return said.text;
  };
  EXPECT_THAT(refused(toml("journal", "visits", "others", "behind")), HasSubstr("visits"));
  EXPECT_THAT(refused(toml("elsewhere", "visits", "visits", "behind")), HasSubstr("holds 1 write"));
  EXPECT_THAT(refused(toml("", "visits", "visits", "through")), HasSubstr("holds 1 write"));
  EXPECT_THAT(refused(toml("journal", "other", "others", "behind")), HasSubstr("visits"));
  // Another program, which has nothing to do with these writes.
  forebay_.configure(toml("", "other", "others", "through"));
  expect_good();

  configure_visits();
  expect_good();
  start();
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(views(), "5");
  EXPECT_EQ(forebay_.terminate(), 0);
  forebay_.configure(toml("", "visits", "others", "through"));
  expect_good();
}

TEST_P(JournalOwner, ACopyOfAJournalThatIsInUseTakesNoWrites) {
  configure_visits();
  start();
  EXPECT_EQ(ask("INCR", "visits:home"), ":1");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  forebay_.kill();
  const fs::path other = folder_.path() / "other";
  fs::create_directory(other);
  fs::copy(journal(), other / "journal", fs::copy_options::recursive);
  start();

  ForebayProcess clone(other);
  clone.configure(toml("journal", "visits", "visits", "behind"));
  clone.start();
  EXPECT_THAT(clone.connect()->ask({"SET", "visits:home", "1000"}), StartsWith("-UNAVAILABLE"));
  EXPECT_THAT(clone.log(), HasSubstr("no writes are taken before its lease has ended"));

  EXPECT_EQ(ask("INCR", "visits:home"), ":2");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(views(), "2");

  // Not even after a restart, as the original lives.
  clone.kill();
  clone.start();
  EXPECT_THAT(clone.connect()->ask({"SET", "visits:home", "1000"}), StartsWith("-UNAVAILABLE"));
  EXPECT_EQ(ask("INCR", "visits:home"), ":3");
}

// The copy can't know whether what it holds has been applied by the original.
TEST_P(JournalOwner, ACopyDoesNotAnswerForKeysWhoseWritesItHolds) {
  configure_visits();
  start();
  EXPECT_EQ(ask("INCR", "visits:home"), ":1");
  forebay_.kill();  // with the write pending
  const fs::path other = folder_.path() / "other";
  fs::create_directory(other);
  fs::copy(journal(), other / "journal", fs::copy_options::recursive);
  start();
  EXPECT_EQ(ask("INCR", "visits:home"), ":2");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");

  ForebayProcess clone(other);
  clone.configure(toml("journal", "visits", "visits", "behind"));
  clone.start();
  EXPECT_THAT(clone.connect()->ask({"GET", "visits:home"}), StartsWith("-UNAVAILABLE")) << "neither 2 nor 3";
  EXPECT_EQ(clone.connect()->ask({"GET", "visits:other"}), "(nil)")
      << "of others it knows as much as anybody";
}

TEST_P(JournalOwner, AJournalFromABackupRepeatsNothingAndLosesNothingSilently) {
  configure_visits();
  start();
  EXPECT_EQ(ask("INCR", "visits:home"), ":1");
  forebay_.kill();  // with the write pending
  const fs::path backup = folder_.path() / "backup";
  fs::copy(journal(), backup, fs::copy_options::recursive);
  start();
  EXPECT_EQ(ask("INCRBY", "visits:home", "10"), ":11");
  EXPECT_EQ(ask("FOREBAY", "DRAIN", "30000"), ":1");
  EXPECT_EQ(views(), "11");
  EXPECT_EQ(forebay_.terminate(), 0);
  fs::remove_all(journal());
  fs::rename(backup, journal());

  for (int restart = 0; restart < 2; ++restart) {
    start();
    EXPECT_TRUE(eventually([&] {
      return forebay_.log().find("seems to be an older copy") != std::string::npos;
    })) << forebay_.log();
    EXPECT_THAT(ask("SET", "visits:home", "1000"), StartsWith("-UNAVAILABLE"));
    EXPECT_THAT(ask("GET", "visits:home"), StartsWith("-UNAVAILABLE"))
        << "not 12: what is pending was applied";
    EXPECT_EQ(views(), "11");
    forebay_.kill();
  }
}

TEST_P(JournalOwner, AJournalIsItsUsersAlone) {
  configure_visits();
  start();
  EXPECT_EQ(ask("INCR", "visits:home"), ":1");
  EXPECT_EQ(fs::status(journal()).permissions(), fs::perms::owner_all);
  for (const fs::directory_entry& each : fs::directory_iterator(journal()))
    EXPECT_EQ(each.status().permissions(), fs::perms::owner_read | fs::perms::owner_write) << each.path();
}

INSTANTIATE_TEST_SUITE_P(On, JournalOwner, both_databases(), database_name);

}  // namespace
}  // namespace forebay::test
