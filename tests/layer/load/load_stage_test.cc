// A stage can be put before the gate: it answers some flights by itself and hands on the rest.

#include "layer/load/load_stage.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "layer/key/key_table.h"
#include "layer/load/source_gate.h"
#include "support/manual_time.h"

namespace forebay::layer::test {
namespace {

using forebay::test::ManualClock;
using forebay::test::ManualScheduler;

// Remembers what passed through it, as a tier shared with other nodes would.
class RememberingStage final : public LoadStage, public FlightSink {
 public:
  explicit RememberingStage(FlightSink& readers) : readers_(readers) {}
  void set_next(LoadStage& next) { next_ = &next; }

  Result<void> enqueue(FlightPtr flight, Urgency urgency) override {
    if (!known.contains(flight->key)) return next_->enqueue(std::move(flight), urgency);
    waiting_.push_back(std::move(flight));
    return {};
  }
  void promote(FlightPtr flight) override {
    if (!known.contains(flight->key)) next_->promote(std::move(flight));
  }
  void withdraw(const FlightPtr& flight) override {
    if (std::erase(waiting_, flight) == 0) next_->withdraw(flight);
  }
  void dispatch() override {
    for (const FlightPtr& flight : std::exchange(waiting_, {})) {
      const auto call = std::make_shared<SourceCall>();
      if (!readers_.starting(*flight, call)) continue;
      readers_.started(call);
      LoadedValue value;
      value.value = Value::bytes(known[flight->key]);
      readers_.loaded(flight, std::move(value), {});
    }
    next_->dispatch();
  }

  bool starting(Flight& flight, const SourceCallPtr& call) override {
    return readers_.starting(flight, call);
  }
  void started(const SourceCallPtr& call) override { readers_.started(call); }
  void loaded(const FlightPtr& flight, LoadedValue value, Duration took) override {
    if (value.value) known[flight->key] = value.value->view();
    readers_.loaded(flight, std::move(value), took);
  }
  void failed(const FlightPtr& flight, const Error& error) override { readers_.failed(flight, error); }

  std::map<std::string, std::string> known;

 private:
  FlightSink& readers_;
  LoadStage* next_ = nullptr;
  std::vector<FlightPtr> waiting_;
};

// Answers every load with the key's name.
class NamesPort final : public DatasetPort {
 public:
  bool batches() const override { return true; }
  void load(std::vector<KeyFields> keys, CallOptions, LoadDone done) override {
    ++calls;
    std::vector<LoadedValue> values(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) values[i].value = Value::bytes(keys[i].front());
    done(std::move(values));
  }
  void write(KeyFields, Write, CallOptions, WriteDone) override {}

  int calls = 0;
};

class Readers final : public FlightSink {
 public:
  explicit Readers(KeyTable& keys, const Clock& clock) : keys_(keys), clock_(clock) {}
  bool starting(Flight& flight, const SourceCallPtr& call) override {
    return keys_.start(flight, clock_.now(), call);
  }
  void started(const SourceCallPtr& call) override { keys_.release(call); }
  void loaded(const FlightPtr& flight, LoadedValue value, Duration) override {
    keys_.land(flight, {}, [](const KeyTable::Seen&) { return KeyTable::Landing::kEnd; });
    answers[flight->key] = value.value->view();
  }
  void failed(const FlightPtr& flight, const Error&) override { answers[flight->key] = "failed"; }

  std::map<std::string, std::string> answers;

 private:
  KeyTable& keys_;
  const Clock& clock_;
};

TEST(LoadStage, AnswersSomeFlightsAndHandsOnTheRest) {
  ManualClock clock;
  ManualScheduler scheduler(clock);
  KeyTable keys(scheduler);
  Readers readers(keys, clock);
  RememberingStage stage(readers);
  SourceGate gate({}, clock, scheduler, stage, [](CallOptions, PingDone) {});
  stage.set_next(gate);
  auto port = std::make_shared<NamesPort>();
  Namespace space;
  space.port = port;
  space.config.max_batch = 10;

  const auto load = [&](const std::string& key) {
    const KeyRef at(space, key);
    Waiter waiter;
    const auto joined = keys.join(
        at, Join::kAny, Urgency::kForeground, [&] { return KeyFields{key}; }, waiter, [] { return false; });
    ASSERT_TRUE(stage.enqueue(joined.flight, Urgency::kForeground));
  };
  load("a");
  load("b");
  stage.dispatch();
  EXPECT_EQ(port->calls, 1);
  EXPECT_EQ(readers.answers.at("a"), "a");
  stage.known["b"] = "from the stage";
  load("b");
  load("c");
  stage.dispatch();
  EXPECT_EQ(port->calls, 2);
  EXPECT_EQ(readers.answers.at("b"), "from the stage");
  EXPECT_EQ(readers.answers.at("c"), "c");
  EXPECT_FALSE(keys.in_flight(KeyRef(space, "b")));
}

}  // namespace
}  // namespace forebay::layer::test
