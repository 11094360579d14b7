// Stale-while-revalidate: after `ttl` an answer is still given at once for a while, and a single load in the
// background renews it. A slow query then never makes a reader of a known key wait.

#include <condition_variable>
#include <mutex>
#include <string>

#include "forebay/layer.h"
#include "show.h"

namespace {

// A database whose queries take until they are let go.
class SlowDatabase {
 public:
  std::string query() {
    std::unique_lock lock(mutex_);
    ++started_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    return "report " + std::to_string(++answered_);
  }
  void open(bool open) {
    std::lock_guard lock(mutex_);
    open_ = open;
    changed_.notify_all();
  }
  int started() {
    std::lock_guard lock(mutex_);
    return started_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  int started_ = 0;
  int answered_ = 0;
};

}  // namespace

int main() {
  SlowDatabase database;
  forebay::Environment environment;
  environment.functions["reports"].load =
      [&](std::span<const forebay::KeyFields> keys,
          const forebay::CallContext&) -> forebay::Result<std::vector<forebay::Loaded>> {
    std::vector<forebay::Loaded> loaded;
    for (std::size_t i = 0; i < keys.size(); ++i) loaded.push_back({.value = database.query()});
    return loaded;
  };
  auto layer = show::value_of(forebay::Layer::open(R"(
[source.reports]
kind    = "function"
timeout = "30s"

[namespace.report]
key    = "report:{name}"
source = "reports"
type   = "text"
read   = "through"
ttl    = "50ms"
stale_while_revalidate = "1h"
)",
                                                   std::move(environment)));

  show::expect(show::text(show::value_of(layer->get("report:sales"))) == "report 1",
               "the first reader waits for a load");

  std::printf("After 50 ms the report is stale, and the next query hangs:\n");
  database.open(false);
  int reads = 0;
  const bool revalidating = show::eventually([&] {
    ++reads;
    const auto answer = show::value_of(layer->get("report:sales"));
    return answer.result == forebay::ReadResult::kStale && database.started() == 2;
  });
  show::expect(revalidating, "a stale answer, and a load in the background");
  for (int i = 0; i < 1000; ++i) {
    if (show::text(show::value_of(layer->get("report:sales"))) != "report 1") return 1;
  }
  show::expect(database.started() == 2,
               "a thousand more readers got it at once, and that load is still the only one");

  std::printf("The query comes through:\n");
  database.open(true);
  show::expect(
      show::eventually([&] { return show::text(show::value_of(layer->get("report:sales"))) != "report 1"; }),
      "readers see the new report");
}
