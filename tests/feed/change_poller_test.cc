#include "feed/change_poller.h"

#include <gtest/gtest.h>

#include <future>

#include "base/mutex.h"

namespace forebay::feed {
namespace {

using namespace std::chrono_literals;

// Fails twice, and after the first change says once that it has lost some.
class Log final : public ChangeLog {
 public:
  Result<void> watch(std::span<const std::string>) override { return {}; }
  Result<Changes> poll(const CallContext&) override {
    if (polls_++ < 2) return Error{ErrorCode::kUnavailable, "database is locked"};
    RowChange change;
    change.table = "t" + std::to_string(polls_);
    return Changes{{change}, polls_ == 4};
  }

 private:
  int polls_ = 0;
};

class FirstThree final : public ChangeSink {
 public:
  void changed(const std::string& source, const RowChange& change) override {
    seen(source + "/" + change.table + " ");
  }
  void lost(const std::string& source) override { seen(source + " lost "); }
  std::promise<std::string> done;

 private:
  void seen(const std::string& what) {
    seen_ += what;
    if (++count_ == 3) done.set_value(seen_);
  }

  std::string seen_;
  int count_ = 0;
};

TEST(ChangePoller, DeliversChangesInOrderAndGoesOnAfterFailures) {
  Log log;
  FirstThree sink;
  ChangePoller poller({"db", 1ms, 1s}, log, sink, system_clock());
  EXPECT_EQ(sink.done.get_future().get(), "db/t3 db lost db/t4 ");
}

}  // namespace
}  // namespace forebay::feed
