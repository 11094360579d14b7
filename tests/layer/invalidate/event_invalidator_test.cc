// What an application's event does to the keys that it names.

#include "layer/invalidate/event_invalidator.h"

#include "config/key_template.h"
#include "config/pattern.h"
#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Event : public LayerTest {
 protected:
  Event() {
    policy.ttl = 1h;
    source->rows = {{"1", "old"}, {"2", "two"}};
    section.name = "people";
    section.invalidate = {parsed("user:{id}")};
  }
  ~Event() override {
    if (core) core->event_invalidator().stop();
  }
  static config::KeyTemplate parsed(std::string_view text) {
    std::vector<config::TextMistake> mistakes;
    return config::parse_key_template(text, mistakes);
  }
  bool event(const std::string& key,
             config::KeyTemplate::Target target = config::KeyTemplate::Target::kNamespace) {
    return core->event_invalidator().invalidate(section, {target, key});
  }
  bool plain_event(const std::string& key) { return event(key, config::KeyTemplate::Target::kPlain); }
  std::string state(const std::string& key) { return fact(key, "state"); }

  config::Events section;
};

TEST_F(Event, DropsTheCopyAndNothingElse) {
  open();
  EXPECT_EQ(get("user:1"), "old");
  EXPECT_EQ(get("user:2"), "two");
  EXPECT_TRUE(event("user:1"));
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(state("user:2"), "fresh");
}

TEST_F(Event, IsNotFollowedByALoad) {
  open();
  get("user:1");
  const auto loads = source->calls();
  event("user:1");
  pass(1min);
  EXPECT_EQ(source->calls(), loads);
  EXPECT_EQ(state("user:1"), "absent");
}

TEST_F(Event, FencesALoadThatIsUnderWay) {
  open();
  auto reader = read("user:1");
  dispatch();
  pass(5ms);  // it has read the old row
  source->rows["1"] = "new";
  event("user:1");
  pass(20ms);
  EXPECT_EQ(reader.text(), "old");
  EXPECT_EQ(state("user:1"), "absent");
}

TEST_F(Event, NothingThatIsLoadedWithinTheHoldOffIsStored) {  // D5
  open();
  event("user:1");
  // The source still shows the old row, for instance as its commit waits for a standby.
  EXPECT_EQ(get("user:1", 1s), "old");
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(fact("user:1", "unsettled"), "yes");
  source->rows["1"] = "new";
  pass(1s);
  EXPECT_EQ(fact("user:1", "unsettled"), "");
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(Event, ALoadThatSpansTheEndOfTheHoldOffIsNotStored) {  // D5
  open();
  event("user:1");
  pass(1995ms);
  auto reader = read("user:1");
  dispatch();
  pass(3ms);
  source->rows["1"] = "new";
  pass(30ms);
  EXPECT_EQ(reader.text(), "old");
  EXPECT_EQ(state("user:1"), "absent");
}

TEST_F(Event, WhatAClientStoresWithinTheHoldOffIsDroppedAtItsEnd) {  // D5
  policy.write = config::WriteStrategy::kAside;
  open();
  event("user:1");
  set("user:1", "read too early");
  EXPECT_EQ(get("user:1"), "read too early");
  pass(2s);
  EXPECT_EQ(state("user:1"), "absent");
}

TEST_F(Event, AnotherEventMakesTheHoldOffLongerAndLeavesOneEndToCome) {
  open();
  event("user:1");
  pass(1500ms);
  for (int i = 0; i < 100; ++i) event("user:1");
  EXPECT_EQ(core->event_invalidator().held(), 1u);
  pass(1500ms);
  get("user:1");
  EXPECT_EQ(state("user:1"), "absent");
  pass(1s);
  EXPECT_EQ(core->event_invalidator().held(), 0u);
  EXPECT_EQ(fact("user:1", "unsettled"), "");
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(Event, WithoutAHoldOffTheNextLoadIsStored) {
  section.hold_off = 0ms;
  open();
  get("user:1");
  event("user:1");
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(core->event_invalidator().held(), 0u);
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(Event, AKeyOfNoNamespaceIsRefusedUnlessItIsMeant) {
  open();
  set("other:1", "x");
  EXPECT_FALSE(event("other:1"));
  EXPECT_EQ(get("other:1"), "x");
  EXPECT_TRUE(plain_event("other:1"));
  EXPECT_EQ(get("other:1"), "(nil)");
}

TEST_F(Event, AGapEndsTheNamespacesThatTheTemplatesNameAndHoldsThem) {
  config::Namespace team = policy;
  team.name = "team";
  team.key = {"team:{id}", {"team:", ""}, {"id"}};
  model.namespaces.push_back(team);
  open();
  get("user:1");
  get("team:2");
  core->event_invalidator().missed(section);
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(state("team:2"), "fresh");
  EXPECT_EQ(get("user:1", 500ms), "old");
  EXPECT_EQ(state("user:1"), "absent");
  pass(2s);
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(Event, AGapDropsPlainKeysThatTheTemplatesCouldName) {
  section.invalidate = {parsed("key s[1]:{id}:x")};
  section.hold_off = 0ms;
  open();
  get("user:1");
  for (const char* key : {"s[1]:7:x", "s1:7:x", "s[1]:7:y"}) set(key, "v");
  core->event_invalidator().missed(section);
  EXPECT_EQ(get("s[1]:7:x"), "(nil)");
  EXPECT_EQ(get("s1:7:x"), "v");
  EXPECT_EQ(get("s[1]:7:y"), "v");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(Event, BeyondTheKeysThatAreHeldTheWholeNamespaceIs) {
  open();
  std::atomic<const Router*> router{&core->router()};
  EventInvalidator small(router, core->invalidator(), core->copies(), clock, scheduler, 1);
  get("user:2");
  small.invalidate(section, {config::KeyTemplate::Target::kNamespace, "user:7"});
  EXPECT_EQ(state("user:2"), "fresh");
  small.invalidate(section, {config::KeyTemplate::Target::kNamespace, "user:1"});
  EXPECT_EQ(small.held(), 2u);
  EXPECT_EQ(state("user:2"), "absent");
  get("user:2", 100ms);
  EXPECT_EQ(state("user:2"), "absent");
  pass(3s);
  EXPECT_EQ(small.held(), 0u);
  get("user:2");
  EXPECT_EQ(state("user:2"), "fresh");
  EXPECT_EQ(fact("user:1", "unsettled"), "");
}

TEST_F(Event, AReloadDuringTheHoldOffOfAGapKeepsNothingEither) {
  open();
  core->event_invalidator().missed(section);
  model.namespaces.at(0).ttl = 2h;
  ASSERT_TRUE(core->configuration().reload(model));
  EXPECT_EQ(get("user:1", 100ms), "old");
  EXPECT_EQ(state("user:1"), "absent");
  pass(3s);
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

// Rows of the simulated source are JSON here, whose column names the tag.
class TagEvent : public Event {
 protected:
  TagEvent() {
    policy.kind = ValueKind::kJson;
    policy.value_column.clear();
    policy.tags = {*config::parse_pattern("team:{team}")};
    source->rows = {{"1", R"({"team":"a"})"}, {"2", R"({"team":"b"})"}};
    section.invalidate = {parsed("tag team:{team}")};
  }
  bool tag_event(const std::string& tag) { return event(tag, config::KeyTemplate::Target::kTag); }
};

TEST_F(TagEvent, EndsWhatHasTheTagAndKeepsNothingOfItDuringTheHoldOff) {
  open();
  get("user:1");
  get("user:2");
  EXPECT_TRUE(tag_event("team:a"));
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(state("user:2"), "fresh");
  // The row of before is read again, as the source does not show the change yet.
  EXPECT_EQ(get("user:1", 100ms), R"({"team":"a"})");
  EXPECT_EQ(state("user:1"), "absent") << "it answered, and was not kept";
  pass(3s);
  EXPECT_EQ(core->event_invalidator().held(), 0u);
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

TEST_F(TagEvent, ALoadThatBeganDuringTheHoldOffIsNotKeptAfterIt) {
  open();
  section.hold_off = 2s;
  tag_event("team:a");
  source->load_takes = 500ms;
  pass(1900ms);
  read("user:1");
  dispatch();
  pass(1s);
  EXPECT_EQ(state("user:1"), "absent");
}

TEST_F(TagEvent, AGapEndsEverythingThatHasTags) {
  open();
  get("user:1");
  get("user:2");
  core->event_invalidator().missed(section);
  EXPECT_EQ(state("user:1"), "absent");
  EXPECT_EQ(state("user:2"), "absent");
  EXPECT_EQ(get("user:1", 100ms), R"({"team":"a"})");
  EXPECT_EQ(state("user:1"), "absent");
  pass(3s);
  get("user:1");
  EXPECT_EQ(state("user:1"), "fresh");
}

}  // namespace
}  // namespace forebay::layer::test
