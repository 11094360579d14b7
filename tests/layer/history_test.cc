// Random schedules of one key: readers, writers through Forebay, a foreign writer that invalidates after its
// commit, purges, refreshes, time. Whatever the interleaving, two things hold (C1, C2, C3, C4 for one node):
//   - a reader gets a value at least as new as every change that was complete before it asked;
//   - when everything is quiet, what is cached equals the source.
// A schedule is repeated by its seed.

#include "layer/layer_fixture.h"

namespace forebay::layer::test {
namespace {

using forebay::test::SeededRandom;

class History : public LayerTest {
 protected:
  struct Read {
    Pending<Answer> pending;
    int at_least;  // the newest change that was complete when it asked
  };
  struct Writing {
    Pending<WriteAnswer> pending;
    int value;
  };

  // Errors count as older than everything: they may not be compared.
  static int value_of(const std::string& text) {
    if (text == "(nil)") return 0;
    return text.starts_with("!") || text == "…" ? -1 : std::stoi(text);
  }

  void run(std::uint64_t seed) {
    SeededRandom chance(seed);
    const auto below = [&](std::uint64_t n) { return chance.next() % n; };
    policy.ttl = 40ms;
    policy.stale_while_revalidate = below(2) ? 60ms : 0ms;
    policy.stale_if_error = below(2) ? 100ms : 0ms;
    policy.refresh_ahead = below(2) ? 0.5 : 0.0;
    policy.negative_ttl = below(2) ? 30ms : 0ms;
    policy.soft_timeout = below(2) ? 5ms : 0ms;
    policy.timeout = 25ms;
    policy.write = below(2) ? config::WriteStrategy::kThrough : config::WriteStrategy::kAround;
    source->connections = 1 + below(4);
    source->proves = false;
    open();

    int next = 0;      // values are numbered in the order in which they reach the source
    int complete = 0;  // the newest change that somebody was told is done
    std::vector<Read> reads;
    std::vector<Writing> writings;
    for (int step = 0; step < 120; ++step) {
      source->load_takes = std::chrono::milliseconds(1 + below(30));
      switch (below(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4:
          reads.push_back({read("user:1", {below(6) == 0 ? Level::kFresh : Level::kAny, 0}), complete});
          if (below(2)) dispatch();
          break;
        case 5: {
          // One write at a time: the order of values is then the order of commits.
          bool writing = false;
          for (const auto& each : writings) writing = writing || !each.pending.answered();
          if (writing) break;
          source->commit_takes = std::chrono::milliseconds(1 + below(5));
          source->write_takes = source->commit_takes + std::chrono::milliseconds(below(10));
          writings.push_back({set("user:1", std::to_string(++next)), next});
          break;
        }
        case 6: {
          bool writing = false;
          for (const auto& each : writings) writing = writing || !each.pending.answered();
          if (writing) break;
          source->rows["1"] = std::to_string(++next);
          invalidate("user:1");
          complete = std::max(complete, next);
          break;
        }
        case 7:
          if (below(4) == 0) {
            ASSERT_TRUE(core->keyspace().purge_namespace("user"));
          }
          break;
        case 8:
          source->load_error =
              below(3) == 0 ? std::optional<Error>(Error{ErrorCode::kUnavailable, "down"}) : std::nullopt;
          break;
        default:
          pass(std::chrono::milliseconds(below(12)));
          break;
      }
      for (const auto& each : writings) {
        // A write that an open breaker refused never reached the source.
        if (each.pending.answered() && each.pending.result()) complete = std::max(complete, each.value);
      }
      for (const auto& each : reads) {
        if (!each.pending.answered() || !each.pending.result()) continue;
        ASSERT_GE(value_of(each.pending.text()), each.at_least) << "seed " << seed << ", step " << step;
      }
    }
    source->load_error.reset();
    pass(5s);
    for (const auto& each : reads) {
      ASSERT_TRUE(each.pending.answered()) << "seed " << seed;
      if (each.pending.result()) {
        ASSERT_GE(value_of(each.pending.text()), each.at_least) << "seed " << seed;
      }
    }
    source->load_takes = 1ms;
    const bool there = source->rows.contains("1");
    const std::string truth = there ? source->rows["1"] : "(nil)";
    ASSERT_EQ(get("user:1", 2ms), truth) << "seed " << seed;
    if (there) {
      ASSERT_EQ(read("user:1").text(), truth) << "seed " << seed;
    }
  }
};

class HistorySeeds : public History, public ::testing::WithParamInterface<std::uint64_t> {};

TEST_P(HistorySeeds, ReadersNeverGoBehindACompletedChange) {
  for (std::uint64_t i = 0; i < 50; ++i) {
    core.reset();
    scheduler.forget();
    source = std::make_shared<SimSource>(clock, scheduler);
    model = {};
    run(GetParam() * 50 + i);
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Schedules, HistorySeeds, ::testing::Range<std::uint64_t>(0, 40));

}  // namespace
}  // namespace forebay::layer::test
