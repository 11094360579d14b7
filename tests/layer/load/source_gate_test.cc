// The gate to a source: every event in every state, and its promises under random schedules.

#include "layer/load/source_gate.h"

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "support/manual_time.h"

namespace forebay::layer::test {
namespace {

using namespace std::chrono_literals;
using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using forebay::test::SeededRandom;

// A source whose calls end when the test says so.
class HeldPort final : public DatasetPort {
 public:
  bool batches() const override { return true; }
  void load(std::vector<KeyFields> keys, CallOptions, LoadDone done) override {
    loads.push_back({keys.size(), std::move(done)});
  }
  void write(KeyFields, Write, CallOptions options, WriteDone done) override {
    timeouts.push_back(options.timeout);
    writes.push_back(std::move(done));
  }

  struct Load {
    std::size_t keys;
    LoadDone done;
  };
  std::vector<Load> loads;
  std::vector<WriteDone> writes;
  std::vector<std::chrono::milliseconds> timeouts;  // of all writes
};

class GateTest : public ::testing::Test, public FlightSink {
 public:
  GateTest() {
    space.port = port;
    space.config.max_batch = 100;
    options.name = "db";
    options.limit = 2;
    options.max_queue = 3;
    options.breaker.minimum = 1;
    options.breaker.open_for = 1s;
    open();
  }
  void open() {
    gate = std::make_shared<SourceGate>(options, clock, scheduler, *this,
                                        [this](CallOptions, PingDone done) { ping = std::move(done); });
  }

  FlightPtr flight(const std::string& key) {
    return std::make_shared<Flight>(KeyRef(space, key), KeyFields{key}, Urgency::kForeground);
  }

  // FlightSink
  bool starting(Flight& flight, const SourceCallPtr&) override { return !skipped.contains(flight.key); }
  void started(const SourceCallPtr&) override {}
  void loaded(const FlightPtr& flight, LoadedValue, Duration) override { ++answered[flight->key]; }
  void failed(const FlightPtr& flight, const Error& error) override {
    ++answered[flight->key];
    failures[flight->key] = error.code;
  }

  // Ends the oldest load that runs.
  void end_load(std::optional<ErrorCode> error = {}) {
    HeldPort::Load load = std::move(port->loads.front());
    port->loads.erase(port->loads.begin());
    if (error) return load.done(Error{*error, "broken"});
    load.done(std::vector<LoadedValue>(load.keys));
  }
  std::string breaker() { return gate->stats().breaker; }

  ManualClock clock;
  ManualScheduler scheduler{clock};
  std::shared_ptr<HeldPort> port = std::make_shared<HeldPort>();
  Namespace space;
  GateOptions options;
  PingDone ping;
  std::map<std::string, int> answered;  // how often each flight was
  std::map<std::string, ErrorCode> failures;
  std::set<std::string> skipped;
  std::shared_ptr<SourceGate> gate;
};

// ---- The states.

void idle(GateTest&) {}
void one_slot_left(GateTest& test) {
  ASSERT_TRUE(test.gate->enqueue(test.flight("busy"), Urgency::kForeground));
  test.gate->dispatch();
}
void busy(GateTest& test) {
  one_slot_left(test);
  ASSERT_TRUE(test.gate->enqueue(test.flight("busier"), Urgency::kForeground));
  test.gate->dispatch();
}
void open(GateTest& test) {
  test.gate->start_open({ErrorCode::kUnavailable, "away"});
}
void probing(GateTest& test) {
  open(test);
  test.scheduler.advance(1s);
  ASSERT_TRUE(test.ping);
}
void closed(GateTest& test) {
  test.gate->close();
}

// ---- The events; each says what came of it.

std::string queue(GateTest& test, Urgency urgency) {
  const std::size_t sent = test.port->loads.size();
  const auto queued = test.gate->enqueue(test.flight("new"), urgency);
  if (!queued) return std::string(to_string(queued.error().code));
  test.gate->dispatch();
  return test.port->loads.size() > sent ? "sent" : "waits";
}
std::string load(GateTest& test) {
  return queue(test, Urgency::kForeground);
}
std::string refresh(GateTest& test) {
  return queue(test, Urgency::kBackground);
}
std::string write(GateTest& test) {
  const std::size_t sent = test.port->writes.size();
  std::optional<ErrorCode> error;
  test.gate->write(test.space, {"new"}, Remove{}, test.clock.now() + 2s, [&](Result<Written> written) {
    if (!written) error = written.error().code;
  });
  if (error) return std::string(to_string(*error));
  return test.port->writes.size() > sent ? "sent" : "waits";
}
std::string batch(GateTest& test) {
  std::string said = "waits";
  test.gate->queue_batch([&](Result<SourceGate::Slot> slot) {
    said = slot ? "sent" : std::string(to_string(slot.error().code));
  });
  return said;
}
std::string a_load_fails(GateTest& test) {
  if (test.port->loads.empty()) return "nothing runs";
  test.end_load(ErrorCode::kUnavailable);
  return test.breaker();
}
std::string the_data_is_refused(GateTest& test) {
  if (test.port->loads.empty()) return "nothing runs";
  test.end_load(ErrorCode::kRefused);
  return test.breaker();
}
std::string the_source_answers(GateTest& test) {
  if (!test.ping) return "not asked";
  std::exchange(test.ping, nullptr)({});
  return test.breaker();
}
std::string the_source_is_still_away(GateTest& test) {
  if (!test.ping) return "not asked";
  std::exchange(test.ping, nullptr)(Error{ErrorCode::kUnavailable, "away"});
  return test.breaker();
}
std::string somebody_is_in_a_hurry(GateTest& test) {
  const bool asked = test.ping != nullptr;
  test.gate->probe_now();
  return test.ping && !asked ? "asked" : "not asked";
}

TEST_F(GateTest, DoesWhatTheTableSaysInEveryState) {
  struct State {
    const char* name;
    void (*arrange)(GateTest&);
  };
  const State states[] = {{"idle", idle},       {"one slot left", one_slot_left},
                          {"busy", busy},       {"open", layer::test::open},
                          {"probing", probing}, {"closed", closed}};
  struct Row {
    const char* event;
    std::string (*happens)(GateTest&);
    const char* expected[6];
  };
  const Row rows[] = {
      {"a load", load, {"sent", "sent", "waits", "unavailable", "unavailable", "cancelled"}},
      {"a refresh", refresh, {"sent", "waits", "waits", "unavailable", "unavailable", "cancelled"}},
      {"a write", write, {"sent", "sent", "waits", "unavailable", "unavailable", "cancelled"}},
      {"a batch", batch, {"sent", "sent", "waits", "waits", "waits", "cancelled"}},
      {"a load fails",
       a_load_fails,
       {"nothing runs", "open", "open", "nothing runs", "nothing runs", "nothing runs"}},
      {"the data is refused",
       the_data_is_refused,
       {"nothing runs", "closed", "closed", "nothing runs", "nothing runs", "nothing runs"}},
      {"the source answers",
       the_source_answers,
       {"not asked", "not asked", "not asked", "not asked", "closed", "not asked"}},
      {"the source is still away",
       the_source_is_still_away,
       {"not asked", "not asked", "not asked", "not asked", "open", "not asked"}},
      {"somebody is in a hurry",
       somebody_is_in_a_hurry,
       {"not asked", "not asked", "not asked", "asked", "not asked", "not asked"}},
  };
  for (std::size_t i = 0; i < std::size(states); ++i) {
    for (const Row& row : rows) {
      SCOPED_TRACE(std::string(states[i].name) + ": " + row.event);
      port->loads.clear();
      port->writes.clear();
      scheduler.forget();
      ping = nullptr;
      open();
      states[i].arrange(*this);
      EXPECT_EQ(row.happens(*this), row.expected[i]);
    }
  }
}

TEST_F(GateTest, KeysThatWaitGoTogether) {
  busy(*this);
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(gate->enqueue(flight(key), Urgency::kForeground));
  end_load();
  EXPECT_EQ(port->loads.back().keys, 3u);
}

TEST_F(GateTest, ThereIsABoundOnWhatWaits) {
  busy(*this);
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(gate->enqueue(flight(key), Urgency::kForeground));
  const auto fourth = gate->enqueue(flight("d"), Urgency::kForeground);
  ASSERT_FALSE(fourth);
  EXPECT_EQ(fourth.error().code, ErrorCode::kOverloaded);
}

TEST_F(GateTest, AWaitingLoadGoesBeforeARefreshAndAWriteBeforeBoth) {
  busy(*this);
  ASSERT_TRUE(gate->enqueue(flight("refresh"), Urgency::kBackground));
  ASSERT_TRUE(gate->enqueue(flight("load"), Urgency::kForeground));
  gate->write(space, {"w"}, Remove{}, clock.now() + 2s, [](Result<Written>) {});
  end_load();
  EXPECT_EQ(port->writes.size(), 1u);
  end_load();
  EXPECT_EQ(port->loads.size(), 1u);
  EXPECT_EQ(answered.count("load") + answered.count("refresh"), 0u);
  end_load();
  EXPECT_EQ(answered["load"], 1);
}

TEST_F(GateTest, APromotedRefreshGoesAsALoad) {
  one_slot_left(*this);
  auto refresh = flight("refresh");
  ASSERT_TRUE(gate->enqueue(refresh, Urgency::kBackground));
  gate->dispatch();
  ASSERT_EQ(port->loads.size(), 1u);
  gate->promote(refresh);
  gate->dispatch();
  EXPECT_EQ(port->loads.size(), 2u);
}

TEST_F(GateTest, WhatIsSkippedTakesNoSlot) {
  skipped = {"a"};
  ASSERT_TRUE(gate->enqueue(flight("a"), Urgency::kForeground));
  gate->dispatch();
  EXPECT_EQ(port->loads.size(), 0u);
  EXPECT_EQ(gate->stats().in_flight, 0u);
}

TEST_F(GateTest, ABadKeyIsFoundAndItsNeighboursAreAnswered) {
  options.limit = 1;
  options.max_queue = 100;
  open();
  one_slot_left(*this);
  for (int i = 0; i < 8; ++i) ASSERT_TRUE(gate->enqueue(flight(std::to_string(i)), Urgency::kForeground));
  end_load();
  // The source refuses whatever has the last key in it: the second half each time.
  for (const std::size_t keys : {8, 4, 4, 2, 2, 1, 1}) {
    ASSERT_EQ(port->loads.size(), 1u);
    ASSERT_EQ(port->loads.front().keys, keys);
    const bool bad = failures.empty() && answered.size() + keys == 9;
    end_load(bad ? std::optional(ErrorCode::kRefused) : std::nullopt);
  }
  EXPECT_EQ(failures.size(), 1u);
  EXPECT_TRUE(failures.contains("7"));
  EXPECT_EQ(answered.size(), 9u);
}

// ---- Who may take the slots.

TEST_F(GateTest, WritesLeaveASlotToLoads) {
  options.limit = 3;
  options.max_queue = 100;
  open();
  for (int i = 0; i < 5; ++i) gate->write(space, {"w"}, Remove{}, clock.now() + 2s, [](Result<Written>) {});
  EXPECT_EQ(port->writes.size(), 2u);
  bool sent = false;
  gate->queue_batch([&](const Result<SourceGate::Slot>&) { sent = true; });
  EXPECT_FALSE(sent);
  EXPECT_EQ(load(*this), "sent");
  std::exchange(port->writes, {}).front()(Written());
}

TEST_F(GateTest, ATableThatIsStuckLeavesSlotsToOthers) {
  options.limit = 4;
  options.max_queue = 100;
  options.breaker.minimum = 100;
  open();
  Namespace other;
  other.port = port;
  other.config.table = "other";
  other.load_timeout = space.load_timeout = 2s;
  space.config.table = "locked";
  space.config.max_batch = 1;
  const auto load_other = [&](const std::string& key) {
    const std::size_t sent = port->loads.size();
    EXPECT_TRUE(
        gate->enqueue(std::make_shared<Flight>(KeyRef(other, key), KeyFields{key}, Urgency::kForeground),
                      Urgency::kForeground));
    gate->dispatch();
    return port->loads.size() > sent ? "sent" : "waits";
  };
  EXPECT_STREQ(load_other("known"), "sent");
  end_load();
  // Somebody locks the table. What is slow leaves a slot to others …
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(load(*this), i < 3 ? "sent" : "waits");
    scheduler.advance(SlotShares::kQuick);
  }
  EXPECT_STREQ(load_other("a"), "sent");
  EXPECT_STREQ(load_other("b"), "waits");
  HeldPort::Load a = std::move(port->loads.back());
  port->loads.pop_back();
  a.done(std::vector<LoadedValue>(1));  // and "b" is sent
  EXPECT_EQ(answered["a"], 1);
  // … and once it has timed out, half of the slots.
  scheduler.advance(2s);
  for (int i = 0; i < 3; ++i) end_load(ErrorCode::kTimeout);
  end_load();
  EXPECT_EQ(answered["b"], 1);
  EXPECT_EQ(port->loads.size(), 2u);
  EXPECT_STREQ(load_other("c"), "sent");
  // Until a call of it ends in time.
  end_load();
  end_load();
  EXPECT_EQ(port->loads.size(), 4u);
}

TEST_F(GateTest, ATablesWritesThatAreStuckLeaveSlotsToThoseOfOthers) {
  options.limit = 5;
  options.max_queue = 100;
  open();
  Namespace other;
  other.port = port;
  other.config.table = "other";
  space.config.table = "locked";
  const auto write_to = [&](Namespace& where) {
    gate->write(where, {"w"}, Remove{}, clock.now() + 2s, [](const Result<Written>&) {});
  };
  write_to(space);
  scheduler.advance(1001ms);
  std::exchange(port->writes, {}).front()(Error{ErrorCode::kTimeout, "locked", ErrorScope::kCall});
  for (int i = 0; i < 4; ++i) write_to(other);
  for (WriteDone& done : std::exchange(port->writes, {})) done(Written());
  for (int i = 0; i < 8; ++i) write_to(space);
  EXPECT_EQ(port->writes.size(), 2u);
  for (int i = 0; i < 8; ++i) write_to(other);
  EXPECT_EQ(port->writes.size(), 4u);
}

TEST_F(GateTest, ATablesWritesTakeHalfOfTheQueue) {
  options.limit = 1;
  options.max_queue = 6;
  open();
  Namespace other;
  other.port = port;
  other.config.table = "other";
  int overloaded = 0;
  const auto write_to = [&](Namespace& where) {
    gate->write(where, {"w"}, Remove{}, clock.now() + 2s, [&](const Result<Written>& written) {
      overloaded += !written && written.error().code == ErrorCode::kOverloaded ? 1 : 0;
    });
  };
  for (int i = 0; i < 6; ++i) write_to(space);  // one is sent
  EXPECT_EQ(overloaded, 2);
  for (int i = 0; i < 4; ++i) write_to(other);
  EXPECT_EQ(overloaded, 3);
}

// ---- Deadlines

TEST_F(GateTest, AWriteThatCannotBeSentInTimeIsAnsweredAndNeverSent) {
  options.max_queue = 10;
  open();
  busy(*this);
  std::vector<Error> errors;
  const auto late = [&](const Result<Written>& written) { errors.push_back(written.error()); };
  gate->write(space, {"a"}, Remove{}, clock.now() + 300ms, late);
  gate->write(space, {"b"}, Remove{}, clock.now() + 200ms, late);  // behind it, and due before
  scheduler.advance(199ms);
  EXPECT_TRUE(errors.empty());
  scheduler.advance(1ms);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(errors[0].code, ErrorCode::kTimeout);
  EXPECT_EQ(errors[0].scope, ErrorScope::kCall);
  EXPECT_NE(errors[0].message.find("waited 200 ms"), std::string::npos) << errors[0].message;
  scheduler.advance(100ms);
  EXPECT_EQ(errors.size(), 2u);
  end_load();
  end_load();
  EXPECT_EQ(port->writes.size(), 0u);
  EXPECT_EQ(gate->stats().queued, 0u);
}

TEST_F(GateTest, AWriteHasWhatIsLeftOfItsTime) {
  busy(*this);
  gate->write(space, {"a"}, Remove{}, clock.now() + 1s, [](const Result<Written>&) {});
  scheduler.advance(300ms);
  end_load();
  ASSERT_EQ(port->writes.size(), 1u);
  EXPECT_EQ(port->timeouts.back(), 700ms);
  std::exchange(port->writes, {}).front()(Written());
}

TEST_F(GateTest, ALoadThatNobodyWantsLeavesTheQueue) {
  busy(*this);
  for (const char* key : {"a", "b"}) ASSERT_TRUE(gate->enqueue(flight(key), Urgency::kForeground));
  const FlightPtr unwanted = flight("c");
  ASSERT_TRUE(gate->enqueue(unwanted, Urgency::kForeground));
  EXPECT_EQ(load(*this), "overloaded");
  gate->withdraw(unwanted);
  EXPECT_EQ(gate->stats().queued, 2u);
  EXPECT_EQ(load(*this), "waits");
  end_load();
  EXPECT_EQ(port->loads.back().keys, 3u);
}

// ---- What counts for the breaker.

TEST_F(GateTest, WhatIsOfOneCallOnlyOpensNoBreaker) {
  options.breaker.minimum = 2;
  open();
  for (int i = 0; i < 10; ++i) {
    one_slot_left(*this);
    HeldPort::Load ended = std::move(port->loads.front());
    port->loads.clear();
    ended.done(
        Error{i % 2 == 0 ? ErrorCode::kTimeout : ErrorCode::kUnavailable, "locked", ErrorScope::kCall});
    gate->write(space, {"w"}, Remove{}, clock.now() + 2s, [](const Result<Written>&) {});
    std::exchange(port->writes, {}).front()(Error{ErrorCode::kTimeout, "locked", ErrorScope::kCall});
  }
  EXPECT_EQ(breaker(), "closed");
  EXPECT_EQ(gate->stats().errors, 20u);
  // Nor do they speak for the source: two that fail are all that fail.
  for (int i = 0; i < 2; ++i) {
    one_slot_left(*this);
    end_load(ErrorCode::kTimeout);
  }
  EXPECT_EQ(breaker(), "open");
}

TEST_F(GateTest, ClosingAnswersWhateverWaits) {
  busy(*this);
  ASSERT_TRUE(gate->enqueue(flight("load"), Urgency::kForeground));
  ASSERT_TRUE(gate->enqueue(flight("refresh"), Urgency::kBackground));
  int cancelled = 0;
  gate->write(space, {"w"}, Remove{}, clock.now() + 2s,
              [&](const Result<Written>& written) { cancelled += written ? 0 : 1; });
  gate->queue_batch([&](const Result<SourceGate::Slot>& slot) { cancelled += slot ? 0 : 1; });
  gate->close();
  EXPECT_EQ(cancelled, 2);
  EXPECT_EQ(failures["load"], ErrorCode::kCancelled);
  EXPECT_EQ(failures["refresh"], ErrorCode::kCancelled);
}

// Whatever happens in whatever order: no more calls run than there are slots, and every flight, write and
// batch that was taken is answered exactly once.
TEST_F(GateTest, AnswersEverythingOnceUnderRandomSchedules) {
  options.max_queue = 20;
  for (std::uint64_t seed = 0; seed < 500 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    options.limit = 1 + random.next() % 4;
    port->loads.clear();
    port->writes.clear();
    answered.clear();
    scheduler.forget();
    ping = nullptr;
    open();
    std::set<std::string> taken;
    int asked = 0, replied = 0;
    std::vector<SourceGate::Slot> slots;
    for (int i = 0; i < 300; ++i) {
      switch (random.next() % 9) {
        case 0:
        case 1: {
          const std::string key = std::to_string(i);
          const auto urgency = random.next() % 2 == 0 ? Urgency::kForeground : Urgency::kBackground;
          if (gate->enqueue(flight(key), urgency)) taken.insert(key);
          break;
        }
        case 2:
          gate->dispatch();
          break;
        case 3:
          ++asked;
          gate->write(space, {"w"}, Remove{}, clock.now() + 2s, [&](const Result<Written>&) { ++replied; });
          break;
        case 4:
          ++asked;
          gate->queue_batch([&](Result<SourceGate::Slot> slot) {
            ++replied;
            if (slot) slots.push_back(std::move(*slot));
          });
          break;
        case 5: {
          const auto how = random.next() % 4;
          if (port->loads.empty()) break;
          end_load(how == 0   ? std::optional(ErrorCode::kRefused)
                   : how == 1 ? std::optional(ErrorCode::kTimeout)
                              : std::nullopt);
          break;
        }
        case 6:
          if (!port->writes.empty()) {
            WriteDone done = std::move(port->writes.front());
            port->writes.erase(port->writes.begin());
            done(Written());
          }
          break;
        case 7:
          if (!slots.empty()) slots.pop_back();
          break;
        case 8:
          scheduler.advance(500ms);
          if (ping && random.next() % 2 == 0) std::exchange(ping, nullptr)({});
          break;
      }
      ASSERT_LE(port->loads.size() + port->writes.size() + slots.size(), options.limit);
    }
    gate->close();
    while (!port->loads.empty()) end_load();
    for (WriteDone& done : std::exchange(port->writes, {})) done(Written());
    slots.clear();
    EXPECT_EQ(replied, asked);
    for (const std::string& key : taken) EXPECT_EQ(answered[key], 1) << key;
    EXPECT_EQ(answered.size(), taken.size());
    EXPECT_EQ(gate->stats().in_flight, 0u);
  }
}

}  // namespace
}  // namespace forebay::layer::test
