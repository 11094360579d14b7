#pragma once

// The contract of sources: timeouts, cancellation, threads. Included by source_contract.h.

#include "contract/source_under_test.h"

namespace forebay {

// ---- Time.

TEST_P(SourceContract, ALoadEndsAtItsTimeoutAndTheConnectionGoesOn) {
  auto dataset = open(query(database_->endless_query()));
  ASSERT_NE(dataset, nullptr);
  const std::vector<KeyFields> keys = {{"a"}};
  for (int i = 0; i < 8; ++i) {
    auto loaded = dataset->load(keys, {.timeout = std::chrono::milliseconds(30), .cancel = nullptr});
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, ErrorCode::kTimeout) << loaded.error().message;
  }
  execute("INSERT INTO views(name, n) VALUES ('a', 1)");
  auto quick = open(views());
  ASSERT_NE(quick, nullptr);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(load(*quick, KeyFields{"a"}), "1");
}

// Tells when the call has something to cancel, so that the test cancels no sooner.
class ArmedCancel final : public CancelToken {
 public:
  bool cancelled() const override { return flag_.cancelled(); }
  void on_cancel(std::function<void()> action) override {
    const bool armed = static_cast<bool>(action);
    flag_.on_cancel(std::move(action));
    if (armed) armed_.store(true);
    armed_.notify_all();
  }
  void wait_until_armed() { armed_.wait(false); }
  void cancel() { flag_.cancel(); }

 private:
  CancelFlag flag_;
  std::atomic<bool> armed_{false};
};

TEST_P(SourceContract, ALoadEndsWhenItIsCancelled) {
  auto dataset = open(query(database_->endless_query()));
  ASSERT_NE(dataset, nullptr);
  const std::vector<KeyFields> keys = {{"a"}};
  ArmedCancel token;
  std::jthread canceller([&] {
    token.wait_until_armed();
    token.cancel();
  });
  auto loaded = dataset->load(keys, {.timeout = std::chrono::seconds(60), .cancel = &token});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled) << loaded.error().message;
  // One that was cancelled before it began does not begin.
  loaded = dataset->load(keys, {.timeout = std::chrono::seconds(60), .cancel = &token});
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kCancelled) << loaded.error().message;
}

TEST_P(SourceContract, ThePingAnswers) {
  EXPECT_TRUE(database_->source().ping(patient()).has_value());
}

// ---- Threads.

TEST_P(SourceContract, EightThreadsReadAndAddWithoutLosingAnything) {
  auto counters = open(views());
  auto table = open(orders());
  ASSERT_NE(counters, nullptr);
  ASSERT_NE(table, nullptr);
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 0)");
  constexpr int kThreads = 8;
  constexpr int kRounds = 50;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kRounds; ++i) {
          if (!counters->write({"c" + std::to_string(i % 3)}, Add{"n", "1"}, patient())) ++failures;
          if (!table->write({"eu", "1"}, Update{{{"total", std::to_string(t)}}}, patient())) ++failures;
          const std::vector<KeyFields> keys = {{"eu", "1"}, {"eu", "2"}};
          auto loaded = table->load(keys, patient());
          if (!loaded || !(*loaded)[0].value || (*loaded)[1].value) ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures.load(), 0);
  EXPECT_EQ(ask("SELECT sum(n) FROM views"), std::to_string(kThreads * kRounds));
}

}  // namespace forebay
