// Every event in every state of a cached copy, and what observers are told.

#include "layer/key/copy_store.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/manual_time.h"

namespace forebay::layer::test {
namespace {

using namespace std::chrono_literals;
using forebay::test::FixedRandom;
using forebay::test::ManualClock;

// Writes down what it is told.
class Diary final : public CopyObserver {
 public:
  bool wants(std::uint64_t, CopyCause) const override { return true; }
  void stored(const KeyRef& at, CopyCause cause, std::uint64_t bytes, const Stamp& stamp) override {
    const char* by = by_cause(cause);
    add(std::string(by) + " stored " + std::string(at.text) + " " + std::to_string(bytes) +
        (stamp.negative ? " absent" : ""));
  }
  void dropped(const KeyRef& at, bool /*existed*/) override { add("dropped " + std::string(at.text)); }
  void invalidated(const KeyRef&, observe::Invalidation cause, Instant) override {
    add("invalidated by " + std::string(observe::to_string(cause)));
  }
  void unstored(const KeyRef&, observe::Unstored) override { add("unstored"); }
  void purged(const Namespace&) override { add("purged"); }
  void cleared() override { add("cleared"); }

  std::string take() { return std::exchange(text_, {}); }

 private:
  static const char* by_cause(CopyCause cause) {
    switch (cause) {
      case CopyCause::kLoaded:
        return "load";
      case CopyCause::kRenewed:
        return "other load";
      case CopyCause::kWritten:
        return "write";
      case CopyCause::kEdited:
        return "edit";
      case CopyCause::kRetimed:
        return "time";
    }
    return "nobody";
  }
  void add(const std::string& line) { text_ += (text_.empty() ? "" : ", ") + line; }
  std::string text_;
};

class CopyStoreTest : public ::testing::Test {
 public:
  CopyStoreTest() { open("lru", std::size_t{1} << 20); }

  void open(const std::string& policy, std::size_t limit) {
    memory::TierOptions options;
    options.limit = limit;
    options.policy = policy;
    options.shards = 1;
    auto opened = memory::Tier::open(options, clock);
    ASSERT_TRUE(opened) << opened.error().message;
    copies.reset();
    tier = std::move(*opened);
    copies = std::make_unique<CopyStore>(*tier, random);
    copies->observe(diary);
    space.info.index = 1;
    space.config.ttl = 10s;
    space.config.negative_ttl = 1s;
  }

  NewCopy copy(std::string_view text, CopyCause cause, Evidence evidence = {}) {
    NewCopy copy;
    copy.cause = cause;
    copy.bytes = text;
    copy.evidence = evidence;
    copy.as_of.epoch = space.epoch;
    copy.loaded_at = clock.now();
    return copy;
  }
  NewCopy absence() {
    NewCopy copy;
    copy.cause = CopyCause::kLoaded;
    copy.as_of.epoch = space.epoch;
    return copy;
  }
  void store(std::string_view text, CopyCause cause, Evidence evidence = {}) {
    copies->store(at, copy(text, cause, evidence), clock.now());
  }
  // The copy as text: its value, "absent", or "none".
  std::string seen() {
    std::string text = "none";
    copies->find(at, clock.now(), [&](const EntryView& entry) {
      text = entry.stamp().negative ? "absent" : std::string(entry.bytes());
    });
    return text;
  }

  ManualClock clock;
  FixedRandom random{{0}};
  Diary diary;
  Namespace space;
  KeyRef at{space, "key"};
  std::unique_ptr<memory::Tier> tier;
  std::unique_ptr<CopyStore> copies;
};

// A state that a copy may be in, and what makes it.
struct Situation {
  const char* name;
  void (*arrange)(CopyStoreTest&);
  const char* seen;
};

const std::vector<Situation>& situations() {
  static const std::vector<Situation> all = {
      {"no copy", [](CopyStoreTest&) {}, "none"},
      {"a copy without proof", [](CopyStoreTest& test) { test.store("old", CopyCause::kLoaded); }, "old"},
      {"a copy with change number 5",
       [](CopyStoreTest& test) { test.store("old", CopyCause::kLoaded, {5, 0}); }, "old"},
      {"a copy of version 5", [](CopyStoreTest& test) { test.store("old", CopyCause::kLoaded, {0, 5}); },
       "old"},
      {"a remembered absence",
       [](CopyStoreTest& test) { test.copies->store(test.at, test.absence(), test.clock.now()); }, "absent"},
      {"a copy of an epoch that is over",
       [](CopyStoreTest& test) {
         test.store("old", CopyCause::kLoaded);
         test.copies->drop_space(test.space);
       },
       "none"},
  };
  return all;
}

TEST_F(CopyStoreTest, DoesWhatTheTableSaysInEverySituation) {
  // What is seen afterwards, situation by situation, and what observers hear.
  struct Row {
    const char* event;
    void (*happens)(CopyStoreTest&);
    std::vector<const char*> seen;
    std::vector<const char*> heard;
  };
  const auto always = [](const char* text) { return std::vector<const char*>(situations().size(), text); };
  // Where there is no copy, one with the value "old", and a remembered absence.
  const auto renewed = [](const char* none, const char* old, const char* absent) {
    return std::vector<const char*>{none, old, old, old, absent, none};
  };
  const std::vector<Row> rows = {
      {"a load brings a value without proof",
       [](CopyStoreTest& test) { test.store("new", CopyCause::kLoaded); }, always("new"),
       renewed("load stored key 3", "other load stored key 3", "other load stored key 3")},
      {"a load brings change number 4",
       [](CopyStoreTest& test) { test.store("new", CopyCause::kLoaded, {4, 0}); },
       {"new", "new", "old", "new", "new", "new"},
       {"load stored key 3", "other load stored key 3", "", "other load stored key 3",
        "other load stored key 3", "load stored key 3"}},
      {"a write returns change number 4",
       [](CopyStoreTest& test) { test.store("new", CopyCause::kWritten, {4, 0}); },
       {"new", "new", "old", "new", "new", "new"},
       {"write stored key 3", "write stored key 3", "", "write stored key 3", "write stored key 3",
        "write stored key 3"}},
      {"a load brings change number 5",
       [](CopyStoreTest& test) { test.store("new", CopyCause::kLoaded, {5, 0}); }, always("new"),
       renewed("load stored key 3", "other load stored key 3", "other load stored key 3")},
      {"a write returns version 4",
       [](CopyStoreTest& test) { test.store("new", CopyCause::kWritten, {0, 4}); },
       {"new", "new", "new", "old", "new", "new"},
       {"write stored key 3", "write stored key 3", "write stored key 3", "", "write stored key 3",
        "write stored key 3"}},
      {"a load finds no row",
       [](CopyStoreTest& test) { test.copies->store(test.at, test.absence(), test.clock.now()); },
       always("absent"),
       renewed("load stored key 0 absent", "other load stored key 0 absent", "load stored key 0 absent")},
      {"a load finds no row, and that is not remembered",
       [](CopyStoreTest& test) {
         test.space.config.negative_ttl = 0s;
         test.copies->store(test.at, test.absence(), test.clock.now());
       },
       always("none"), always("dropped key")},
      {"a value of before a purge comes late",
       [](CopyStoreTest& test) {
         NewCopy late = test.copy("new", CopyCause::kLoaded);
         test.copies->drop_space(test.space);
         test.diary.take();
         test.copies->store(test.at, std::move(late), test.clock.now());
       },
       always("none"), always("")},
      {"a value written before a purge comes late",
       [](CopyStoreTest& test) {
         NewCopy late = test.copy("new", CopyCause::kWritten);
         test.copies->drop_space(test.space);
         test.store("loaded meanwhile", CopyCause::kLoaded);
         test.diary.take();
         test.copies->store(test.at, std::move(late), test.clock.now());
       },
       always("none"), always("dropped key")},
      {"the value is revised",
       [](CopyStoreTest& test) { test.copies->revise(test.at, "new", test.clock.now()); },
       {"none", "new", "new", "new", "none", "none"},
       {"dropped key", "write stored key 3", "write stored key 3", "write stored key 3", "dropped key",
        "dropped key"}},
      {"the key is dropped", [](CopyStoreTest& test) { test.copies->drop(test.at, test.clock.now()); },
       always("none"), always("dropped key")},
      {"change number 5 is reported",
       [](CopyStoreTest& test) { test.copies->drop_before(test.at, {5, 0}, test.clock.now()); },
       {"none", "none", "old", "none", "none", "none"},
       {"dropped key", "dropped key", "", "dropped key", "dropped key", "dropped key"}},
      {"version 5 is reported",
       [](CopyStoreTest& test) { test.copies->drop_before(test.at, {0, 5}, test.clock.now()); },
       {"none", "none", "none", "old", "none", "none"},
       {"dropped key", "dropped key", "dropped key", "", "dropped key", "dropped key"}},
      {"a change of which nothing is known is reported",
       [](CopyStoreTest& test) { test.copies->drop_before(test.at, {}, test.clock.now()); }, always("none"),
       always("dropped key")},
      {"a client stores a value",
       [](CopyStoreTest& test) {
         test.copies->edit(test.at, test.clock.now(),
                           [](const EntryView*) { return Change::replace("new", Stamp()); });
       },
       always("new"), always("edit stored key 3")},
      {"a client looks and leaves it",
       [](CopyStoreTest& test) {
         test.copies->edit(test.at, test.clock.now(), [](const EntryView*) { return Change::keep(); });
       },
       {"none", "old", "old", "old", "absent", "none"},
       {"", "", "", "", "", "dropped key"}},
      {"the namespace is purged", [](CopyStoreTest& test) { test.copies->drop_space(test.space); },
       always("none"), always("purged")},
      {"everything is purged", [](CopyStoreTest& test) { test.copies->drop_everything({&test.space}); },
       always("none"), always("cleared")},
  };
  for (std::size_t i = 0; i < situations().size(); ++i) {
    const Situation& situation = situations()[i];
    for (const Row& row : rows) {
      SCOPED_TRACE(std::string(situation.name) + ": " + row.event);
      open("lru", std::size_t{1} << 20);
      situation.arrange(*this);
      ASSERT_EQ(seen(), situation.seen);
      diary.take();
      row.happens(*this);
      EXPECT_EQ(diary.take(), row.heard.at(i));
      EXPECT_EQ(seen(), row.seen.at(i));
    }
  }
}

TEST_F(CopyStoreTest, WhereMemoryIsFullAWriteLeavesNoOldValueAndALoadDoes) {
  for (const CopyCause cause : {CopyCause::kLoaded, CopyCause::kWritten}) {
    open("noeviction", 64 << 10);
    copies->store(at, copy("old", cause), clock.now());
    const std::string filler(1000, 'x');
    for (int i = 0; i < 1000; ++i) {
      const std::string name = "filler" + std::to_string(i);
      copies->store(KeyRef(space, name), copy(filler, CopyCause::kLoaded), clock.now());
    }
    ASSERT_EQ(seen(), "old");
    const std::string large(3000, 'y');
    EXPECT_EQ(copies->store(at, copy(large, cause), clock.now()).stored, CopyStore::Stored::kFull);
    EXPECT_EQ(seen(), cause == CopyCause::kLoaded ? "old" : "none");
  }
}

TEST_F(CopyStoreTest, WhatIsTooLargeLeavesNoOldValue) {
  for (const CopyCause cause : {CopyCause::kLoaded, CopyCause::kWritten}) {
    open("lru", 1 << 20);
    copies->store(at, copy("old", cause), clock.now());
    diary.take();
    const std::string large(1 << 20, 'y');
    EXPECT_EQ(copies->store(at, copy(large, cause), clock.now()).stored, CopyStore::Stored::kTooLarge);
    EXPECT_EQ(seen(), "none");
    EXPECT_EQ(diary.take(), "dropped key");
  }
}

TEST_F(CopyStoreTest, TimesComeFromTheNamespaceAndAreCutByTheValuesOwn) {
  Stamp stamp;
  const auto look = [&](const EntryView& entry) { stamp = entry.stamp(); };
  copies->store(at, copy("value", CopyCause::kLoaded), clock.now());
  copies->find(at, clock.now(), look);
  EXPECT_EQ(stamp.fresh_until, clock.now() + 10s);
  NewCopy brief = copy("value", CopyCause::kLoaded);
  brief.until = clock.now() + 2s;
  copies->store(at, std::move(brief), clock.now());
  copies->find(at, clock.now(), look);
  EXPECT_EQ(stamp.fresh_until, clock.now() + 2s);
  stamp = {};
  copies->find(at, clock.now() + 2s, look);
  EXPECT_EQ(stamp.fresh_until, kNever) << "it is gone";
}

TEST_F(CopyStoreTest, RevisingLeavesTheTimesAsTheyAre) {
  copies->store(at, copy("old", CopyCause::kLoaded, {0, 5}), clock.now());
  const Instant loaded = clock.now();
  clock.advance(3s);
  EXPECT_TRUE(copies->revise(at, "new", clock.now()));
  Stamp stamp;
  copies->find(at, clock.now(), [&](const EntryView& entry) { stamp = entry.stamp(); });
  EXPECT_EQ(stamp.fresh_until, loaded + 10s);
  EXPECT_EQ(stamp.version, 5u);
}

TEST_F(CopyStoreTest, AValueOfBeforeAPurgeIsNotStoredWhereTheTierIsOneNamespaces) {
  space.sole = true;
  NewCopy late = copy("old", CopyCause::kLoaded);
  copies->drop_space(space);
  EXPECT_EQ(copies->store(at, std::move(late), clock.now()).stored, CopyStore::Stored::kPurged);
  EXPECT_EQ(seen(), "none");
  space.sole = false;
}

}  // namespace
}  // namespace forebay::layer::test
