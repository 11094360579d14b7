// The auditor: what is wrong is found, what is merely on its way is not called wrong.

#include "layer/audit/auditor.h"

#include <string>

#include "layer/audit/equal_values.h"
#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class Audit : public LayerTest {
 protected:
  Audit() {
    policy.ttl = 0s;
    source_config.changes = true;
    source->rows = {{"1", "old"}, {"2", "two"}};
  }

  void open_and_hear() {
    open();
    core->invalidator().heard("db", true);
  }
  // The feed has told of everything up to now.
  void prove() { core->invalidator().complete_as_of("db", clock.now()); }
  AuditReport audit(std::size_t sample = 50) {
    std::optional<Result<AuditReport>> report;
    core->auditor().audit("", sample, [&](Result<AuditReport> found) { report.emplace(std::move(found)); });
    for (int i = 0; i < 300 && !report; ++i) {
      if (proves) prove();
      pass(50ms);
    }
    EXPECT_TRUE(report && *report);
    return report && *report ? **report : AuditReport{};
  }
  AuditCounts counts() { return core->auditor().counts("user"); }

  bool proves = true;
};

TEST_F(Audit, EqualCopiesAreRight) {
  open_and_hear();
  get("user:1");
  get("user:2");
  const AuditReport report = audit();
  EXPECT_EQ(report.checked, 2u) << "each once";
  EXPECT_EQ(report.violations, 0u);
  EXPECT_EQ(counts().right, 2u);
  EXPECT_EQ(stats().misses, 2u) << "its loads are nobody's reads";
}

TEST_F(Audit, AChangeThatNobodyWasToldOfIsAViolation) {
  open_and_hear();
  get("user:1");
  source->rows["1"] = "new";
  const AuditReport report = audit(1);
  EXPECT_EQ(report.violations, 1u);
  EXPECT_EQ(report.keys, std::vector<std::string>{"user:1"});
  EXPECT_EQ(get("user:1"), "old") << "it repairs nothing unless it is told to";
}

TEST_F(Audit, AnAbsenceThatIsNoLongerTrueIsAViolation) {
  policy.negative_ttl = 30s;
  open_and_hear();
  get("user:9");
  source->rows["9"] = "born";
  EXPECT_EQ(audit(1).violations, 1u);
}

TEST_F(Audit, AChangeOnItsWayIsNone) {
  open_and_hear();
  get("user:1");
  source->rows["1"] = "new";
  proves = false;
  std::optional<Result<AuditReport>> report;
  core->auditor().audit("", 1, [&](Result<AuditReport> found) { report.emplace(std::move(found)); });
  pass(500ms);
  EXPECT_FALSE(report) << "nothing is said before the feed has come so far";
  invalidate("user:1");
  prove();
  pass(100ms);
  ASSERT_TRUE(report && *report);
  EXPECT_EQ((*report)->changed, 1u);
  EXPECT_EQ((*report)->violations, 0u);
}

TEST_F(Audit, WithoutAProofNothingIsSaid) {
  open_and_hear();
  get("user:1");
  source->rows["1"] = "new";
  proves = false;
  const AuditReport report = audit(1);
  EXPECT_EQ(report.unknown, 1u);
  EXPECT_EQ(report.violations, 0u);
}

TEST_F(Audit, WithoutAFeedADifferenceIsOnlyAge) {
  source_config.changes = false;
  policy.ttl = 1h;
  open();
  get("user:1");
  source->rows["1"] = "new";
  const AuditReport report = audit(1);
  EXPECT_EQ(report.stale, 1u);
  EXPECT_EQ(report.violations, 0u);
}

// As a query with now(): the row that the auditor reads is another one each time.
TEST_F(Audit, WhatAnswersAnotherThingEachTimeIsNotCalledWrong) {
  open_and_hear();
  get("user:1");
  int reads = 0;
  source->on_load = [&] { source->rows["1"] = "read " + std::to_string(++reads); };
  const AuditReport report = audit(1);
  EXPECT_EQ(report.unknown, 1u);
  EXPECT_EQ(report.violations, 0u);
}

TEST_F(Audit, LooksAtInvalidatedKeysFirstAndRepairsIfToldTo) {
  policy.audit_every = 1s;
  policy.audit_repair = true;
  open_and_hear();
  for (int i = 10; i < 200; ++i) {
    source->rows[std::to_string(i)] = "x";
    get("user:" + std::to_string(i));
  }
  get("user:1");
  invalidate("user:1");
  get("user:1");
  source->rows["1"] = "new";  // and nobody is told
  for (int i = 0; i < 60 && counts().violations == 0; ++i) {
    prove();
    pass(50ms);
  }
  EXPECT_EQ(counts().violations, 1u) << "of 191 keys it was looked at within three seconds";
  EXPECT_EQ(get("user:1"), "new");
  EXPECT_EQ(stats().audit.violations, 1u);
}

TEST_F(Audit, FindsTheFewKeysOfANamespaceAmongMany) {
  open_and_hear();
  get("user:1");
  for (int i = 0; i < 5000; ++i) {
    core->copies().edit(core->at("plain:" + std::to_string(i)), clock.now(),
                        [](const EntryView*) { return Change::replace("v", {}); });
  }
  source->rows["1"] = "new";
  EXPECT_EQ(audit(1).keys, std::vector<std::string>{"user:1"});
}

TEST_F(Audit, ByAndByLooksAtTheFewKeysOfANamespaceAmongMany) {
  policy.audit_every = 1s;
  open_and_hear();
  for (int i = 0; i < 5000; ++i) {
    core->copies().edit(core->at("plain:" + std::to_string(i)), clock.now(),
                        [](const EntryView*) { return Change::replace("v", {}); });
  }
  get("user:1");
  for (int i = 0; i < 400; ++i) {
    prove();
    pass(50ms);
  }
  EXPECT_GT(counts().right, 1u);
}

TEST_F(Audit, ANamespaceThatIsNotReadThroughCanNotBeAudited) {
  policy.read = config::ReadStrategy::kAside;
  open();
  std::optional<Result<AuditReport>> report;
  core->auditor().audit("", 1, [&](Result<AuditReport> found) { report.emplace(std::move(found)); });
  ASSERT_TRUE(report);
  ASSERT_FALSE(*report);
  EXPECT_EQ(report->error().code, ErrorCode::kInvalidArgument);
}

TEST(EqualValues, AreComparedAsJsonWhereTheyAreThat) {
  EXPECT_TRUE(equal_values("text", "text"));
  EXPECT_FALSE(equal_values("text", "texts"));
  EXPECT_TRUE(equal_values(R"({"a":1,"b":[1,2]})", R"({ "b": [1,2], "a": 1 })"));
  EXPECT_TRUE(equal_values(R"([{"a":1,"b":2},{"a":3}])", R"([{"a":3},{"b":2,"a":1}])"))
      << "rows in any order";
  EXPECT_FALSE(equal_values(R"({"a":[1,2]})", R"({"a":[2,1]})")) << "within a value the order counts";
  EXPECT_FALSE(equal_values("[1,1,2]", "[1,2,2]"));
  EXPECT_FALSE(equal_values("1", "\"1\""));
}

}  // namespace
}  // namespace forebay::layer::test
