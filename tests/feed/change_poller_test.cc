#include "feed/change_poller.h"

#include <gtest/gtest.h>

#include <future>

#include "base/mutex.h"

namespace forebay::feed {
namespace {

using namespace std::chrono_literals;

class Log final : public Source {
 public:
  std::size_t concurrency() const override { return 1; }
  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec&) override {
    return Error{ErrorCode::kUnsupported, "none"};
  }
  Result<void> ping(const CallContext&) override { return {}; }
  Result<std::vector<RowChange>> poll_changes(const CallContext&) override {
    if (polls_++ < 2) return Error{ErrorCode::kUnavailable, "database is locked"};
    RowChange change;
    change.table = "t" + std::to_string(polls_);
    return std::vector<RowChange>{change};
  }

 private:
  int polls_ = 0;
};

class FirstTwo final : public ChangeSink {
 public:
  void changed(const std::string& source, const RowChange& change) override {
    seen_ += source + "/" + change.table + " ";
    if (++count_ == 2) done.set_value(seen_);
  }
  void lost(const std::string&) override {}
  std::promise<std::string> done;

 private:
  std::string seen_;
  int count_ = 0;
};

TEST(ChangePoller, DeliversChangesInOrderAndGoesOnAfterFailures) {
  Log log;
  FirstTwo sink;
  ChangePoller poller({"db", 1ms, 1s}, log, sink, system_clock());
  EXPECT_EQ(sink.done.get_future().get(), "db/t3 db/t4 ");
}

}  // namespace
}  // namespace forebay::feed
