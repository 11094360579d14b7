#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

class ReadPath : public LayerTest {};

TEST_F(ReadPath, MissIsLoadedOnceAndThenAHit) {
  source->rows["1"] = "Ada";
  open();
  EXPECT_EQ(get("user:1"), "Ada");
  EXPECT_EQ(get("user:1"), "Ada");
  EXPECT_EQ(source->calls(), 1u);
  EXPECT_EQ(stats().misses, 1u);
  EXPECT_EQ(stats().hits, 1u);
}

TEST_F(ReadPath, AThousandReadersOfOneColdKeyShareOneLoad) {
  source->rows["1"] = "Ada";
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 1000; ++i) readers.push_back(read("user:1"));
  dispatch();
  pass(10ms);
  for (const auto& reader : readers) EXPECT_EQ(reader.text(), "Ada");
  EXPECT_EQ(source->calls(), 1u);
  EXPECT_EQ(stats().coalesced, 999u);
}

TEST_F(ReadPath, SecondReaderSharesTheFirstReadersError) {
  source->load_error = Error{ErrorCode::kRefused, "no"};
  open();
  auto a = read("user:1");
  auto b = read("user:1");
  dispatch();
  pass(10ms);
  EXPECT_EQ(a.text(), "!refused");
  EXPECT_EQ(b.text(), "!refused");
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(ReadPath, KeysAskedForTogetherGoInOneQuery) {
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 500; ++i) {
    source->rows[std::to_string(i)] = "v" + std::to_string(i);
    readers.push_back(read("user:" + std::to_string(i)));
  }
  dispatch();
  pass(10ms);
  for (int i = 0; i < 500; ++i)
    EXPECT_EQ(readers[static_cast<std::size_t>(i)].text(), "v" + std::to_string(i));
  EXPECT_EQ(source->calls(), 1u);
}

TEST_F(ReadPath, AKeyThatTheSourceRefusesTakesNoOthersAnswerAway) {
  source->poison = "7";
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 16; ++i) {
    source->rows[std::to_string(i)] = "v" + std::to_string(i);
    readers.push_back(read("user:" + std::to_string(i)));
  }
  dispatch();
  pass(1s);
  for (int i = 0; i < 16; ++i) {
    EXPECT_EQ(readers[static_cast<std::size_t>(i)].text(), i == 7 ? "!refused" : "v" + std::to_string(i));
  }
  EXPECT_LE(source->calls(), 9u);
  EXPECT_LE(source->most_running, source->connections);
}

// 20 ms a key, one after another, and two seconds for a call: 150 of them are no call that ends in time.
TEST_F(ReadPath, ABatchThatIsTooLargeIsSentInPartsUntilAllAreLoaded) {
  source->load_takes_a_key = 20ms;
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 150; ++i) {
    source->rows[std::to_string(i)] = "v" + std::to_string(i);
    readers.push_back(read("user:" + std::to_string(i)));
  }
  dispatch();
  pass(20s);
  for (int i = 0; i < 150; ++i) EXPECT_EQ(get("user:" + std::to_string(i)), "v" + std::to_string(i));
  EXPECT_LE(source->most_running, source->connections);
  // From now on it is known what they cost.
  const std::size_t calls = source->calls();
  for (int i = 150; i < 200; ++i) read("user:" + std::to_string(i));
  dispatch();
  pass(20s);
  EXPECT_GE(source->calls(), calls + 2);
  EXPECT_EQ(core->statistics().collect().sources.front().timeouts, 1u);
  EXPECT_EQ(core->statistics().collect().sources.front().breaker, "closed");
}

TEST_F(ReadPath, ASourceThatStandsStillOpensTheBreakerWhateverTheBatchesSize) {
  source_config.breaker_minimum = 3;
  open();
  for (int i = 0; i < 100; ++i) read("user:" + std::to_string(i));
  dispatch();
  pass(100ms);  // so many at once were no problem
  source->load_takes_a_key = 1h;
  source->ping_error = Error{ErrorCode::kTimeout, "still no answer"};
  for (int i = 100; i < 200; ++i) read("user:" + std::to_string(i));
  dispatch();
  pass(8s);
  EXPECT_NE(core->statistics().collect().sources.front().breaker, "closed");
}

TEST_F(ReadPath, KeysGatherWhileAllConnectionsAreBusy) {
  source->connections = 2;
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 200; ++i) {
    readers.push_back(read("user:" + std::to_string(i)));
    dispatch();
  }
  pass(1s);
  for (const auto& reader : readers) EXPECT_EQ(reader.text(), "(nil)");
  EXPECT_EQ(source->calls(), 3u);
  EXPECT_LE(source->most_running, 2u);
}

TEST_F(ReadPath, ReadsThatNobodyDispatchesAreSentWithinAMillisecond) {
  source->rows["1"] = "Ada";
  open();
  auto reader = read("user:1");
  pass(1ms);
  EXPECT_EQ(source->calls(), 1u);
  pass(10ms);
  EXPECT_EQ(reader.text(), "Ada");
}

TEST_F(ReadPath, AfterItsTtlAnEntryIsLoadedAgain) {
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->rows["1"] = "Eve";
  pass(9s);
  EXPECT_EQ(get("user:1"), "Ada");
  pass(2s);
  EXPECT_EQ(get("user:1"), "Eve");
}

TEST_F(ReadPath, JitterShortensTheTtlByAtMostItsShare) {
  policy.jitter = 0.5;
  random = FixedRandom({~std::uint64_t{0}});  // unit() == 1: the whole share
  open();
  source->rows["1"] = "Ada";
  get("user:1", 10ms);
  pass(4980ms);
  EXPECT_EQ(get("user:1"), "Ada");
  EXPECT_EQ(source->calls(), 1u);
  pass(20ms);
  get("user:1");
  EXPECT_EQ(source->calls(), 2u);
}

TEST_F(ReadPath, AbsenceIsRememberedForNegativeTtlOnly) {
  policy.negative_ttl = 1s;
  open();
  EXPECT_EQ(get("user:9", 10ms), "(nil)");
  EXPECT_EQ(get("user:9"), "(nil)");
  EXPECT_EQ(source->calls(), 1u);
  EXPECT_EQ(stats().negative, 1u);
  source->rows["9"] = "Neu";
  pass(1s);
  EXPECT_EQ(get("user:9"), "Neu");
}

TEST_F(ReadPath, WithoutNegativeTtlAbsenceIsAskedEachTime) {
  open();
  get("user:9");
  get("user:9");
  EXPECT_EQ(source->calls(), 2u);
}

TEST_F(ReadPath, AnInsertInvalidatesARememberedAbsence) {
  policy.negative_ttl = 20s;
  open();
  EXPECT_EQ(get("user:9"), "(nil)");
  change("9", "Neu");
  EXPECT_EQ(get("user:9"), "Neu");
}

TEST_F(ReadPath, StaleIsServedAtOnceWhileOneReloadRuns) {
  policy.stale_while_revalidate = 5s;
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->rows["1"] = "Eve";
  pass(11s);
  auto first = read("user:1");
  auto second = read("user:1");
  EXPECT_EQ(first.text(), "Ada");
  EXPECT_EQ(first.result()->result, ReadResult::kStale);
  EXPECT_EQ(second.text(), "Ada");
  pass(20ms);
  EXPECT_EQ(source->calls(), 2u);
  EXPECT_EQ(get("user:1"), "Eve");
  EXPECT_EQ(stats().stale, 2u);
}

TEST_F(ReadPath, BeyondTheStaleWindowAReaderWaitsForTheSource) {
  policy.stale_while_revalidate = 5s;
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->rows["1"] = "Eve";
  pass(16s);
  auto reader = read("user:1");
  EXPECT_FALSE(reader.answered());
  pass(20ms);
  EXPECT_EQ(reader.text(), "Eve");
}

TEST_F(ReadPath, StaleIfErrorServesFlaggedCopiesOfADeadSource) {
  policy.stale_if_error = 60s;
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->load_error = Error{ErrorCode::kUnavailable, "source 'db': connection refused"};
  pass(11s);
  auto reader = read("user:1");
  pass(20ms);
  EXPECT_EQ(reader.text(), "Ada");
  EXPECT_EQ(reader.result()->result, ReadResult::kStale);
  pass(70s);
  EXPECT_EQ(get("user:1"), "!unavailable");
}

TEST_F(ReadPath, ADeadSourceIsNotAskedOnEveryRead) {
  policy.stale_if_error = 60s;
  policy.stale_throttle = 1s;
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->load_error = Error{ErrorCode::kUnavailable, "down"};
  pass(11s);
  get("user:1", 20ms);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(read("user:1").text(), "Ada");  // at once
  EXPECT_EQ(source->calls(), 2u);
  pass(1s);
  get("user:1", 20ms);
  EXPECT_EQ(source->calls(), 3u);
}

TEST_F(ReadPath, RefreshAheadReloadsOnlyWhatIsBeingRead) {
  policy.refresh_ahead = 0.75;
  source->rows["1"] = source->rows["2"] = "Ada";
  open();
  get("user:1", 10ms);
  get("user:2", 10ms);
  pass(8s);
  source->rows["1"] = "Eve";
  auto reader = read("user:1");
  EXPECT_EQ(reader.text(), "Ada");
  EXPECT_EQ(reader.result()->result, ReadResult::kHit);
  pass(4s);
  EXPECT_EQ(source->calls(), 3u);
  EXPECT_EQ(read("user:1").text(), "Eve");
  EXPECT_EQ(stats().refreshes, 1u);
}

TEST_F(ReadPath, XFetchReloadsEarlyInProportionToTheLoadsCost) {
  policy.xfetch = 1.0;
  source->load_takes = 1s;
  source->rows["1"] = "Ada";
  random = FixedRandom({std::uint64_t{1} << 63});  // u = 1/2: -ln(u) = 0.69
  open();
  get("user:1", 1s);
  pass(9200ms);  // 0.8 s left, more than 0.69 times the second that the load takes
  get("user:1");
  EXPECT_EQ(source->calls(), 1u);
  pass(150ms);
  EXPECT_EQ(read("user:1").text(), "Ada");
  pass(2ms);
  EXPECT_EQ(source->calls(), 2u);
}

TEST_F(ReadPath, SoftTimeoutAnswersWithTheStaleCopyAndTheLoadGoesOn) {
  policy.stale_if_error = 60s;
  policy.soft_timeout = 100ms;
  source->rows["1"] = "Ada";
  open();
  get("user:1", 10ms);
  source->rows["1"] = "Eve";
  source->load_takes = 500ms;
  pass(11s);
  auto reader = read("user:1");
  dispatch();
  pass(99ms);
  EXPECT_FALSE(reader.answered());
  pass(1ms);
  EXPECT_EQ(reader.text(), "Ada");
  pass(400ms);
  EXPECT_EQ(read("user:1").text(), "Eve");
}

TEST_F(ReadPath, HardTimeoutNamesTheSourceAndTheLoadStillFillsTheCache) {
  policy.timeout = 200ms;
  source->rows["1"] = "Ada";
  source->load_takes = 1s;
  open();
  auto reader = read("user:1");
  dispatch();
  pass(200ms);
  ASSERT_EQ(reader.text(), "!timeout");
  EXPECT_NE(reader.result().error().message.find("'db'"), std::string::npos);
  pass(1s);
  EXPECT_EQ(read("user:1").text(), "Ada");
}

TEST_F(ReadPath, ALoadThatWasNotSentIsGivenUpWithItsLastReader) {
  policy.timeout = 200ms;
  source->connections = 1;
  source->batches = false;
  source->load_takes = 500ms;
  open();
  auto first = read("user:1");
  dispatch();
  auto gone = read("user:2");
  auto waits = read("user:3");
  pass(150ms);
  auto joined = read("user:3");
  pass(50ms);
  EXPECT_EQ(gone.text(), "!timeout");
  EXPECT_NE(gone.result().error().message.find("could not be sent within 200 ms"), std::string::npos)
      << gone.result().error().message;
  EXPECT_EQ(waits.text(), "!timeout");
  pass(1s);
  // "3" had another reader until it was given up, too.
  EXPECT_EQ(joined.text(), "!timeout");
  EXPECT_EQ(source->calls(), 1u);
  auto again = read("user:2");
  dispatch();
  pass(150ms);
  EXPECT_EQ(source->calls(), 2u);
}

TEST_F(ReadPath, AReaderWhoJoinsLateHasItsOwnHardLimit) {
  policy.timeout = 200ms;
  source->load_takes = 300ms;
  source->rows["1"] = "Ada";
  open();
  auto early = read("user:1");
  dispatch();
  pass(150ms);
  auto late = read("user:1");
  pass(150ms);
  EXPECT_EQ(early.text(), "!timeout");
  EXPECT_EQ(late.text(), "Ada");
}

TEST_F(ReadPath, ErrorsAndTimeoutsNeverBecomeNegatives) {
  policy.negative_ttl = 30s;
  source->load_error = Error{ErrorCode::kTimeout, "slow"};
  source->rows["1"] = "Ada";
  open();
  EXPECT_EQ(get("user:1"), "!timeout");
  source->load_error.reset();
  EXPECT_EQ(get("user:1"), "Ada");
}

TEST_F(ReadPath, ForegroundLoadsGoBeforeRefreshesAndWarming) {
  source->connections = 1;
  source->batches = false;
  open();
  auto busy = read("user:0");
  dispatch();
  core->warmer().warm({"user:1", "user:2", "user:3"}, [](auto) {});
  auto reader = read("user:9");
  dispatch();
  pass(1s);
  ASSERT_EQ(source->loads.size(), 5u);
  EXPECT_EQ(source->loads[1], std::vector<std::string>{"9"});
}

TEST_F(ReadPath, AReaderMovesAQueuedWarmingLoadToTheFront) {
  source->connections = 1;
  source->batches = false;
  open();
  read("user:0");
  dispatch();
  core->warmer().warm({"user:1", "user:2", "user:3"}, [](auto) {});
  read("user:3");
  dispatch();
  pass(1s);
  EXPECT_EQ(source->loads[1], std::vector<std::string>{"3"});
  EXPECT_EQ(source->calls(), 4u);
}

TEST_F(ReadPath, WarmLoadsWhatIsNotFreshInBatchesAndCounts) {
  for (int i = 0; i < 1200; ++i) source->rows[std::to_string(i)] = "v";
  open();
  get("user:0");
  std::vector<std::string> keys;
  for (int i = 0; i < 1200; ++i) keys.push_back("user:" + std::to_string(i));
  std::optional<Result<std::size_t>> loaded;
  core->warmer().warm(keys, [&](auto result) { loaded = std::move(result); });
  pass(1s);
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ(**loaded, 1199u);
  EXPECT_LE(source->calls(), 5u);
  EXPECT_EQ(read("user:1199").text(), "v");
}

TEST_F(ReadPath, PastTheQueuesBoundReadsFailAsOverloaded) {
  source_config.max_queue = 3;
  source->connections = 1;
  source->batches = false;
  open();
  std::vector<Pending<Answer>> readers;
  for (int i = 0; i < 6; ++i) {
    readers.push_back(read("user:" + std::to_string(i)));
    dispatch();
  }
  EXPECT_EQ(readers[4].text(), "!overloaded");
  EXPECT_EQ(readers[5].text(), "!overloaded");
  pass(1s);
  EXPECT_EQ(readers[3].text(), "(nil)");
}

TEST_F(ReadPath, KeysOfDifferentNamespacesNeverMix) {  // C12
  config::Namespace other = policy;
  other.name = "account";
  other.key.text = "account:{id}";
  other.key.literals = {"account:", ""};
  model.namespaces.push_back(other);
  source->rows["1"] = "Ada";
  open();
  EXPECT_EQ(get("user:1"), "Ada");
  EXPECT_EQ(fact("account:1", "state"), "absent");
  EXPECT_EQ(fact("user:1", "namespace"), "user");
}

TEST_F(ReadPath, ABreakerThatOpenedAnswersAtOnceAndClosesByItself) {
  source_config.breaker_minimum = 5;
  source->load_error = Error{ErrorCode::kUnavailable, "source 'db': connection refused"};
  source->ping_error = source->load_error;
  open();
  for (int i = 0; i < 5; ++i) get("user:" + std::to_string(i), 20ms);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "open");
  const std::size_t calls = source->calls();
  auto refused = read("user:7");
  EXPECT_EQ(refused.text(), "!unavailable");  // at once
  EXPECT_NE(refused.result().error().message.find("circuit breaker"), std::string::npos);
  EXPECT_EQ(source->calls(), calls);
  pass(3100ms);  // probes after 1 s and after 2 s more
  EXPECT_EQ(source->pings, 2u);
  source->load_error.reset();
  source->ping_error.reset();
  source->rows["7"] = "Ada";
  pass(4100ms);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "closed");
  EXPECT_EQ(get("user:7"), "Ada");
}

TEST_F(ReadPath, ThatASourceHasAnsweredIsNotForgottenWhileItIsAwayOrWhenCountersAreReset) {
  source_config.breaker_minimum = 4;
  source->rows["1"] = "Ada";
  open();
  EXPECT_FALSE(core->statistics().collect().sources[0].reached);
  get("user:1");
  EXPECT_TRUE(core->statistics().collect().sources[0].reached);
  source->load_error = Error{ErrorCode::kTimeout, "source 'db': no answer in time"};
  for (int i = 2; i < 6; ++i) get("user:" + std::to_string(i), 20ms);
  EXPECT_EQ(core->statistics().collect().sources[0].breaker, "open");
  EXPECT_TRUE(core->statistics().collect().sources[0].reached);
  core->statistics().reset();
  EXPECT_TRUE(core->statistics().collect().sources[0].reached);
}

TEST_F(ReadPath, ExplainNamesExactlyOneCauseOfAMiss) {
  policy.negative_ttl = 1s;
  source->rows["1"] = "Ada";
  open();
  EXPECT_EQ(fact("user:1", "miss_cause"), "cold");
  get("user:1");
  EXPECT_EQ(fact("user:1", "state"), "fresh");
  EXPECT_EQ(fact("user:1", "miss_cause"), "");
  invalidate("user:1");
  EXPECT_EQ(fact("user:1", "miss_cause"), "invalidated");
  EXPECT_EQ(fact("user:1", "last_invalidation_cause"), "delete");
  get("user:1");
  pass(20s);
  EXPECT_EQ(fact("user:1", "miss_cause"), "expired");
  get("user:404", 10ms);
  EXPECT_EQ(fact("user:404", "miss_cause"), "negative");
  get("user:1");
  ASSERT_TRUE(core->keyspace().purge_namespace("user"));
  EXPECT_EQ(fact("user:1", "miss_cause"), "invalidated");
}

TEST_F(ReadPath, AValueBeyondMaxShareIsServedAndNotKept) {
  model.memory.limit = std::size_t{4} << 20;
  model.memory.max_share = 0.01;
  const std::size_t most = (std::size_t{4} << 20) / 100;
  source->rows["1"] = std::string(most, 'x');
  source->rows["2"] = std::string(most + 1, 'x');
  open();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(get("user:1").size(), most);
    EXPECT_EQ(get("user:2").size(), most + 1);
  }
  EXPECT_EQ(source->calls(), 4u);  // once for the one, each time for the other
  EXPECT_EQ(fact("user:2", "miss_cause"), "rejected");
}

TEST_F(ReadPath, ExplainTellsRejectedFromEvicted) {
  model.memory.limit = std::size_t{4} << 20;
  model.memory.max_value = 10'000;
  source->rows["1"] = std::string(20'000, 'x');
  source->rows["2"] = "small";
  open();
  EXPECT_EQ(get("user:1").size(), 20'000u);  // served, not kept
  EXPECT_EQ(fact("user:1", "miss_cause"), "rejected");
  get("user:2");
  // No more than it takes: so many others could leave afterwards that why this one did is forgotten.
  const auto is_there = [&] {
    return core->keyspace().peek(core->at("user:2"), clock.now(), [](const EntryView&) {});
  };
  for (int i = 0; i < 2000 && is_there(); ++i) {
    source->rows["fill" + std::to_string(i)] = std::string(9'000, 'y');
    get("user:fill" + std::to_string(i), 10ms);
  }
  EXPECT_FALSE(is_there());
  EXPECT_EQ(fact("user:2", "miss_cause"), "evicted");
}

}  // namespace
}  // namespace forebay::layer::test
