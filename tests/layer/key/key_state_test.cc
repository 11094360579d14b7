// Every event in every state of a key.

#include "layer/key/key_state.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace forebay::layer::test {
namespace {

using namespace std::chrono_literals;

enum class Load : std::uint8_t { kNone, kQueued, kStarted };

// What is going on with a key, as the table below speaks of it.
struct State {
  Load load = Load::kNone;
  bool turn = false;       // a write has it
  bool applying = false;   // an apply is under way
  bool unsettled = false;  // a change with number 7 is not visible yet
  bool throttled = false;

  bool operator==(const State&) const = default;
};

std::string text_of(const State& state) {
  std::string text = state.load == Load::kNone     ? "no load"
                     : state.load == Load::kQueued ? "queued"
                                                   : "started";
  if (state.turn) text += ", turn taken";
  if (state.applying) text += ", applying";
  if (state.unsettled) text += ", unsettled";
  if (state.throttled) text += ", throttled";
  return text;
}

constexpr ChangeMark kSeventh{7, 0};
constexpr ChangeMark kEighth{8, 0};

// A key brought into a state, and what an event did to it.
struct Key {
  explicit Key(const State& state) {
    KeyState::Effects before;
    if (state.unsettled) key.change(kSeventh, Visible::kNotYet, before);
    if (state.load != Load::kNone) {
      first = key.join(at, Join::kAny, Urgency::kForeground, [] { return KeyFields(); }, {}, before).flight;
      first->started = state.load == Load::kStarted;
      first->call = std::make_shared<SourceCall>();
    }
    Task nothing;
    if (state.turn) key.begin_write(nothing);
    if (state.applying) key.begin_apply({0, 0});
    if (state.throttled) key.throttle(now + 1s);
  }

  State state() const {
    State state;
    if (key.load() != nullptr) state.load = key.load()->started ? Load::kStarted : Load::kQueued;
    state.turn = key.writing();
    state.applying = key.apply() != nullptr;
    state.unsettled = !key.settled();
    state.throttled = key.throttled(now);
    return state;
  }

  Namespace space;
  KeyRef at{space, "key", 1};
  Instant now{1h};
  KeyState key;
  FlightPtr first;  // the load that was there before the event
  KeyState::Effects effects;
  std::string said;  // what the event answered
};

// One row of the table: an event, the state after it, and what it answers. "fenced" is added to the answer if
// the load that was there before is fenced now.
struct Row {
  const char* event;
  void (*happens)(Key&);
  State (*after)(State);
  std::string (*says)(State);
};

KeyState::Joined join(Key& key, Join kind, Urgency urgency) {
  return key.key.join(key.at, kind, urgency, [] { return KeyFields(); }, {}, key.effects);
}

State same(State state) {
  return state;
}
std::string silence(State) {
  return "";
}
// A load that has started may have read the value before: it is fenced and belongs to the key no more.
State without_started(State state) {
  if (state.load == Load::kStarted) state.load = Load::kNone;
  return state;
}
std::string fenced_if_started(State state) {
  return state.load == Load::kStarted ? "fenced" : "";
}
State asked_anew(State state) {
  state = without_started(state);
  state.throttled = false;
  return state;
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      {"a reader joins",
       [](Key& key) { key.said = join(key, Join::kAny, Urgency::kForeground).opened ? "opened" : ""; },
       [](State state) {
         if (state.load == Load::kNone) state.load = Load::kQueued;
         return state;
       },
       [](State state) -> std::string { return state.load == Load::kNone ? "opened" : ""; }},
      {"a reader who wants the newest joins",
       [](Key& key) { key.said = join(key, Join::kFresh, Urgency::kForeground).opened ? "opened" : ""; },
       [](State state) {
         state.load = Load::kQueued;
         return state;
       },
       [](State state) -> std::string {
         if (state.load == Load::kQueued) return "";
         return state.load == Load::kStarted ? "openedfenced" : "opened";
       }},
      {"a refresh is due",
       [](Key& key) {
         key.said = key.key.open_background(key.at, key.now, [] { return KeyFields(); }) ? "opened" : "";
       },
       [](State state) {
         if (state.load == Load::kNone && !state.throttled) state.load = Load::kQueued;
         return state;
       },
       [](State state) -> std::string {
         return state.load == Load::kNone && !state.throttled ? "opened" : "";
       }},
      {"the load ends",
       [](Key& key) {
         if (key.first) key.key.land(*key.first);
       },
       [](State state) {
         state.load = Load::kNone;
         return state;
       },
       silence},
      {"a load of another key's ends",
       [](Key& key) {
         const Flight other(key.at, {}, Urgency::kForeground);
         key.key.land(other);
       },
       same, silence},
      {"a change is reported and visible",
       [](Key& key) { key.key.change(kEighth, Visible::kYes, key.effects); }, asked_anew, fenced_if_started},
      {"a change is reported and not visible yet",
       [](Key& key) { key.key.change(kEighth, Visible::kNotYet, key.effects); },
       [](State state) {
         state = asked_anew(state);
         state.unsettled = true;
         return state;
       },
       fenced_if_started},
      {"the change becomes visible", [](Key& key) { key.key.settle(kSeventh, key.effects); },
       [](State state) {
         if (!state.unsettled) return state;
         state = without_started(state);
         state.unsettled = false;
         return state;
       },
       [](State state) { return state.unsettled ? fenced_if_started(state) : ""; }},
      {"another change becomes visible", [](Key& key) { key.key.settle(kEighth, key.effects); }, same,
       silence},
      {"a write comes",
       [](Key& key) {
         Task start = [] {};
         key.said = key.key.begin_write(start) ? "begins" : "waits";
       },
       [](State state) {
         state.turn = true;
         return state;
       },
       [](State state) -> std::string { return state.turn ? "waits" : "begins"; }},
      {"the write's turn ends",
       [](Key& key) {
         if (key.key.writing()) key.said = key.key.end_write() ? "another" : "";
       },
       [](State state) {
         state.turn = false;
         return state;
       },
       silence},
      {"a write has been committed", [](Key& key) { key.key.committed(key.effects); }, asked_anew,
       fenced_if_started},
      {"an apply begins", [](Key& key) { key.key.begin_apply({3, 0}); },
       [](State state) {
         state.applying = true;
         return state;
       },
       silence},
      {"the apply ends", [](Key& key) { key.key.end_apply(); },
       [](State state) {
         state.applying = false;
         return state;
       },
       silence},
      {"the source fails for the key", [](Key& key) { key.key.throttle(key.now + 1s); },
       [](State state) {
         state.throttled = true;
         return state;
       },
       silence},
      {"the source works for the key", [](Key& key) { key.key.unthrottle(); },
       [](State state) {
         state.throttled = false;
         return state;
       },
       silence},
  };
  return rows;
}

std::vector<State> all_states() {
  std::vector<State> states;
  for (const Load load : {Load::kNone, Load::kQueued, Load::kStarted}) {
    for (unsigned bits = 0; bits < 16; ++bits)
      states.push_back({load, (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, (bits & 8) != 0});
  }
  return states;
}

TEST(KeyState, DoesWhatTheTableSaysInEveryState) {
  for (const State& before : all_states()) {
    for (const Row& row : table()) {
      SCOPED_TRACE(text_of(before) + ": " + row.event);
      Key key(before);
      ASSERT_EQ(key.state(), before);
      row.happens(key);
      if (key.first && key.first->fenced) key.said += "fenced";
      const State expected = row.after(before);
      EXPECT_EQ(text_of(key.state()), text_of(expected));
      EXPECT_EQ(key.said, row.says(before));
      const bool quiet = expected == State{Load::kNone, false, false, false, expected.throttled};
      EXPECT_EQ(key.key.quiet(), quiet);
    }
  }
}

TEST(KeyState, AFencedLoadThatSomebodyWaitsForIsKeptForTheEnd) {
  Key key({.load = Load::kStarted});
  key.key.change(kEighth, Visible::kYes, key.effects);
  EXPECT_EQ(key.effects.detached, key.first);
  EXPECT_EQ(key.effects.unwanted, nullptr);
}

TEST(KeyState, AFencedLoadThatNobodyWaitsForIsNotWantedAnyMore) {
  Key key({.load = Load::kStarted});
  key.first->waiters.clear();
  const SourceCallPtr call = key.first->call;
  key.key.change(kEighth, Visible::kYes, key.effects);
  EXPECT_EQ(key.effects.detached, nullptr);
  EXPECT_EQ(key.effects.unwanted, call);
}

TEST(KeyState, ALoadOfAnotherEpochIsNotJoined) {
  Key key({.load = Load::kStarted});
  key.space.epoch.fetch_add(1);
  EXPECT_TRUE(join(key, Join::kAny, Urgency::kForeground).opened);
  EXPECT_TRUE(key.first->fenced);
}

TEST(KeyState, AQueuedLoadOfAnotherEpochIsJoined) {
  Key key({.load = Load::kQueued});
  key.space.epoch.fetch_add(1);
  EXPECT_FALSE(join(key, Join::kAny, Urgency::kForeground).opened);
  EXPECT_FALSE(key.first->fenced);
}

TEST(KeyState, ALoadOfANamespaceThatWasReplacedIsNotJoined) {
  Key key({.load = Load::kQueued});
  Namespace replaced;
  const KeyRef at(replaced, "key", 1);
  EXPECT_TRUE(
      key.key.join(at, Join::kAny, Urgency::kForeground, [] { return KeyFields(); }, {}, key.effects).opened);
}

TEST(KeyState, AReaderMovesABackgroundLoadToTheFrontOnce) {
  Key key({});
  key.key.open_background(key.at, key.now, [] { return KeyFields(); });
  EXPECT_FALSE(join(key, Join::kAny, Urgency::kBackground).promoted);
  EXPECT_TRUE(join(key, Join::kAny, Urgency::kForeground).promoted);
  EXPECT_FALSE(join(key, Join::kAny, Urgency::kForeground).promoted);
}

TEST(KeyState, WhatIsLoadedWhileAChangeIsUnsettledMustIncludeIt) {
  Key key({.unsettled = true});
  EXPECT_FALSE(key.key.admits({}));
  EXPECT_FALSE(key.key.admits({6, 0}));
  EXPECT_TRUE(key.key.admits({7, 0}));
  key.key.settle(kSeventh, key.effects);
  EXPECT_TRUE(key.key.admits({}));
}

TEST(KeyState, AChangeThatWasReportedTwiceIsSettledTwice) {
  Key key({.unsettled = true});
  key.key.change(kSeventh, Visible::kNotYet, key.effects);
  key.key.settle(kSeventh, key.effects);
  EXPECT_FALSE(key.key.settled());
  key.key.settle(kSeventh, key.effects);
  EXPECT_TRUE(key.key.settled());
}

TEST(KeyState, AWriteLearnsOfTheChangesOfItsTurnOnly) {  // X1
  Key key({.turn = true});
  EXPECT_TRUE(key.key.reported_in_turn().admits({}));
  key.key.change(kEighth, Visible::kYes, key.effects);
  EXPECT_FALSE(key.key.reported_in_turn().admits({7, 0}));
  EXPECT_TRUE(key.key.reported_in_turn().admits({8, 0}));
  Task next = [] {};
  key.key.begin_write(next);
  EXPECT_TRUE(key.key.end_write());
  EXPECT_TRUE(key.key.writing());
  EXPECT_TRUE(key.key.reported_in_turn().admits({}));
}

TEST(KeyState, AnApplyLearnsOfTheChangesSinceItBegan) {
  Key key({.applying = true});
  key.key.change({}, Visible::kYes, key.effects);
  EXPECT_FALSE(key.key.apply()->changes.admits({100, 100}));
  key.key.end_apply();
  key.key.begin_apply({0, 0});
  EXPECT_TRUE(key.key.apply()->changes.admits({}));
}

// ---- Evidence and fences

TEST(Evidence, CoversOnlyWhatItProves) {
  struct Case {
    Evidence evidence;
    ChangeMark change;
    bool covered;
  };
  const Case cases[] = {
      {{}, {}, false},         {{}, {7, 0}, false},     {{}, {0, 7}, false},     {{7, 0}, {}, false},
      {{6, 0}, {7, 0}, false}, {{7, 0}, {7, 0}, true},  {{8, 0}, {7, 0}, true},  {{0, 6}, {0, 7}, false},
      {{0, 7}, {0, 7}, true},  {{0, 7}, {7, 0}, false}, {{7, 0}, {0, 7}, false}, {{6, 7}, {7, 7}, true},
      {{7, 6}, {7, 7}, true},  {{6, 6}, {7, 7}, false},
  };
  for (const Case& each : cases) EXPECT_EQ(each.evidence.covers(each.change), each.covered) << &each - cases;
}

TEST(Evidence, IsOlderOnlyWhereThatIsProved) {
  EXPECT_FALSE(Evidence().older_than({7, 7}));
  EXPECT_FALSE(Evidence(7, 0).older_than({}));
  EXPECT_FALSE(Evidence(7, 0).older_than({7, 0}));
  EXPECT_TRUE(Evidence(6, 0).older_than({7, 0}));
  EXPECT_TRUE(Evidence(0, 6).older_than({0, 7}));
  EXPECT_FALSE(Evidence(0, 6).older_than({7, 0}));
}

TEST(ChangeFence, AdmitsWhatIncludesAllChanges) {
  layer::Fence fence;
  EXPECT_TRUE(fence.admits({}));
  fence.add({7, 0});
  fence.add({5, 0});
  EXPECT_FALSE(fence.admits({6, 0}));
  EXPECT_TRUE(fence.admits({7, 0}));
  fence.add({0, 3});
  EXPECT_FALSE(fence.admits({7, 2}));
  EXPECT_TRUE(fence.admits({7, 3}));
  fence.add({});
  EXPECT_FALSE(fence.admits({100, 100}));
}

}  // namespace
}  // namespace forebay::layer::test
