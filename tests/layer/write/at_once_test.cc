// The short way of writes behind: without a callback, and answered before the journal has them.

#include <map>
#include <random>

#include "layer/layer_fixture.h"
#include "support/memory_journal.h"

namespace forebay::layer::test {
namespace {

using forebay::test::MemoryJournal;

class AtOnce : public LayerTest {
 protected:
  AtOnce() {
    policy.write = config::WriteStrategy::kBehind;
    policy.flush_every = 1s;
    policy.kind = ValueKind::kCounter;
    policy.value_column = "n";
    model.journal.path = "journal";
  }

  void arrange(Parts& parts) override {
    parts.open_journal = [this](const config::Journal&) -> Result<OpenedJournal> {
      auto made = std::make_unique<MemoryJournal>(disk, scheduler);
      journal = made.get();
      return OpenedJournal{std::move(made), disk.ops, disk.applied};
    };
    parts.run_blocking = [this](Task task) { scheduler.post(std::move(task)); };
  }
  std::optional<Result<WriteAnswer>> write_now(const std::string& key, const Write& what) {
    return core->writes().write_at_once(core->at(key), what, clock.now());
  }
  std::optional<Result<WriteAnswer>> set_now(const std::string& key, const std::string& value) {
    return core->writes().write_value_at_once(core->at(key), value, clock.now());
  }
  std::optional<AddAnswer> add_now(const std::string& key, std::int64_t amount) {
    return core->writes().add_at_once(core->at(key), amount, clock.now());
  }
  // By whichever way takes it; the number after it, or the error.
  std::string add(const std::string& key, std::int64_t amount, int way) {
    if (way == 0) {
      if (const auto answer = add_now(key, amount)) return std::to_string(answer->number);
    }
    const Add what{"n", std::to_string(amount), false};
    if (way <= 1) {
      if (const auto answer = write_now(key, what))
        return *answer ? (*answer)->added.value_or("(none)") : std::string(to_string(answer->error().code));
    }
    auto pending = write(key, what);
    dispatch();
    // A load may have to wait for an apply that it overlapped.
    for (int waits = 0; !pending.answered() && waits < 100; ++waits) pass(20ms);
    if (!pending.answered()) return "…";
    return pending.result() ? pending.result()->added.value_or("(none)") : pending.text();
  }

  MemoryJournal::Disk disk;
  MemoryJournal* journal = nullptr;
};

TEST_F(AtOnce, AWriteIsInEffectAndItsTicketIsKeptLater) {
  disk.keeps = false;
  open();
  const auto set = set_now("user:1", "40");
  ASSERT_TRUE(set && *set);
  const auto added = add_now("user:1", 2);
  ASSERT_TRUE(added);
  EXPECT_EQ(added->number, 42);
  EXPECT_GT(added->ticket, (*set)->ticket);
  EXPECT_NE((*set)->ticket, 0u);
  EXPECT_EQ(get("user:1", 0ms), "42");
  int kept = 0;
  core->writes().when_kept((*set)->ticket, added->ticket,
                           [&](const Result<void>& good) { kept += good ? 1 : 100; });
  pass(100ms);
  EXPECT_EQ(kept, 0);
  journal->answer({});
  EXPECT_EQ(kept, 1);
  disk.keeps = true;
  pass(2s);
  EXPECT_EQ(source->rows["1"], "42");
}

TEST_F(AtOnce, WhatAsksForNoDurabilityHasNoTicket) {
  policy.durability = config::Durability::kNone;
  open();
  EXPECT_EQ((*set_now("user:1", "40"))->ticket, 0u);
  EXPECT_EQ(add_now("user:1", 2)->ticket, 0u);
}

TEST_F(AtOnce, NothingIsDoneWhereTheValueHasToBeLoaded) {
  source->rows["1"] = "5";
  open();
  EXPECT_FALSE(add_now("user:1", 1));
  EXPECT_FALSE(write_now("user:1", Add{"n", "1", false}));
  EXPECT_EQ(disk.appended, 0u);
  EXPECT_EQ(add("user:1", 1, 0), "6");
  EXPECT_EQ(add_now("user:1", 1)->number, 7);
  pass(2s);
  EXPECT_EQ(source->rows["1"], "7");
}

TEST_F(AtOnce, NothingIsDoneWhereTheCopyIsNoLongerFresh) {
  policy.ttl = 10s;
  policy.stale_while_revalidate = 100s;
  source->rows["1"] = "5";
  open();
  EXPECT_EQ(get("user:1"), "5");
  source->rows["1"] = "50";
  pass(11s);
  EXPECT_FALSE(add_now("user:1", 1));
  EXPECT_EQ(add("user:1", 1, 0), "51");
}

TEST_F(AtOnce, NothingIsDoneWhileAReloadDecides) {
  open();
  ASSERT_TRUE(set_now("user:1", "1"));
  core->route("user:1").moving = true;
  EXPECT_FALSE(set_now("user:1", "2"));
  EXPECT_FALSE(add_now("user:1", 1));
  core->route("user:1").moving = false;
  EXPECT_EQ(get("user:1", 0ms), "1");
}

TEST_F(AtOnce, WhatIsNotWrittenBehindIsNotItsBusiness) {
  policy.write = config::WriteStrategy::kThrough;
  open();
  EXPECT_FALSE(set_now("user:1", "1"));
  EXPECT_FALSE(add_now("user:1", 1));
  EXPECT_FALSE(add_now("plain", 1));
  int kept = 0;
  core->writes().when_kept(7, 7, [&](const Result<void>& good) { kept += good ? 1 : 100; });
  pass(0ms);
  EXPECT_EQ(kept, 1);
}

TEST_F(AtOnce, ErrorsAreThoseOfTheLongWay) {
  open();
  ASSERT_TRUE(set_now("user:1", "9223372036854775807"));
  EXPECT_FALSE(add_now("user:1", 1));
  EXPECT_EQ(add("user:1", 1, 1), "refused");
  EXPECT_EQ(add("user:1", 1, 2), "!refused");
  ASSERT_TRUE(set_now("user:1", "5"));
  disk.append_error = Error{ErrorCode::kOverloaded, "full"};
  EXPECT_FALSE(add_now("user:1", 1));
  EXPECT_EQ(add("user:1", 1, 1), "overloaded");
  EXPECT_EQ(get("user:1", 0ms), "5");
}

TEST_F(AtOnce, WhereAFullJournalIsPassedByThatIsTheLongWays) {
  policy.when_full = config::WhenFull::kThrough;
  open();
  ASSERT_TRUE(set_now("user:1", "5"));
  pass(2s);
  disk.append_error = Error{ErrorCode::kOverloaded, "full"};
  EXPECT_FALSE(set_now("user:1", "6"));
  EXPECT_EQ(add("user:1", 1, 0), "6");
  EXPECT_EQ(source->rows["1"], "6");
}

TEST_F(AtOnce, MixedWithTheLongWayComesToTheSame) {
  policy.ttl = 300ms;
  open();
  std::mt19937 draw(7);
  std::map<std::string, std::int64_t> rows;
  for (int step = 0; step < 20'000; ++step) {
    const std::string id = std::to_string(draw() % 5);
    const std::string key = "user:" + id;
    const int way = static_cast<int>(draw() % 3);
    const auto amount = static_cast<std::int64_t>(draw() % 2000) - 1000;
    switch (draw() % 12) {
      case 0:
        if (way == 2 || !set_now(key, std::to_string(amount))) set(key, std::to_string(amount));
        rows[id] = amount;
        break;
      case 1:
        if (way == 2 || !write_now(key, Remove{})) write(key, Remove{});
        rows.erase(id);
        break;
      case 2:
        invalidate(key);
        break;
      case 3:
        pass(std::chrono::milliseconds(draw() % 400));
        break;
      case 4: {
        const auto row = rows.find(id);
        ASSERT_EQ(get(key), row == rows.end() ? "(nil)" : std::to_string(row->second)) << step;
        break;
      }
      default:
        rows[id] += amount;
        ASSERT_EQ(add(key, amount, way), std::to_string(rows[id])) << step;
    }
  }
  pass(5s);
  std::map<std::string, std::string> expected;
  for (const auto& [id, number] : rows) expected[id] = std::to_string(number);
  EXPECT_EQ((std::map<std::string, std::string>(source->rows.begin(), source->rows.end())), expected);
}

}  // namespace
}  // namespace forebay::layer::test
