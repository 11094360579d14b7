#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "layer/core.h"
#include "support/sim_source.h"

namespace forebay::layer::test {

using namespace std::chrono_literals;
using forebay::test::FixedRandom;
using forebay::test::ManualClock;
using forebay::test::ManualScheduler;
using forebay::test::SimSource;

// One namespace `user:{id}` of text values over a simulated source. A test changes `policy` and `source`,
// calls open(), and then speaks in reads, writes and time.
class LayerTest : public ::testing::Test {
 protected:
  LayerTest() {
    source_config.name = "db";
    source_config.kind = "function";
    policy.name = "user";
    policy.key.text = "user:{id}";
    policy.key.literals = {"user:", ""};
    policy.key.fields = {"id"};
    policy.source = "db";
    policy.table = "users";
    policy.kind = ValueKind::kText;
    policy.value_column = "name";
    policy.ttl = 10s;
    policy.write = config::WriteStrategy::kThrough;
  }

  void open() {
    model.sources = {source_config};
    model.namespaces.insert(model.namespaces.begin(), policy);
    Parts parts;
    parts.clock = &clock;
    parts.random = &random;
    parts.scheduler = &scheduler;
    parts.curves = curves;
    parts.watch_shapes = false;
    parts.open_port = [this](const config::Source&) -> Result<std::shared_ptr<SourcePort>> { return source; };
    arrange(parts);
    auto opened = Core::open(model, std::move(parts));
    ASSERT_TRUE(opened) << opened.error().message;
    core = std::move(*opened);
  }

  virtual void arrange(Parts&) {}

  // A reply that may be still to come.
  template <class T>
  struct Pending {
    std::shared_ptr<std::optional<Result<T>>> reply = std::make_shared<std::optional<Result<T>>>();
    bool answered() const { return reply->has_value(); }
    const Result<T>& result() const { return **reply; }
    // The value as text, "(nil)" for absent, "!code" for an error, "…" while there is no answer.
    std::string text() const {
      if (!answered()) return "…";
      if (!result()) return "!" + std::string(to_string(result().error().code));
      return result()->value ? std::string(result()->value->view()) : "(nil)";
    }
  };

  Pending<Answer> read(const std::string& key, const ReadOptions& options = {}) {
    Pending<Answer> pending;
    core->reads().read(core->at(key), core->level_of(options),
                       [reply = pending.reply](Result<Answer> answer) { reply->emplace(std::move(answer)); });
    return pending;
  }
  // A read and all that follows from it, up to `within`.
  std::string get(const std::string& key, Duration within = 1s) {
    auto pending = read(key);
    core->loads().dispatch();
    if (!pending.answered()) scheduler.advance(within);
    return pending.text();
  }
  Pending<WriteAnswer> write(const std::string& key, Write what) {
    Pending<WriteAnswer> pending;
    core->writes().write(core->at(key), std::move(what), [reply = pending.reply](Result<WriteAnswer> answer) {
      reply->emplace(std::move(answer));
    });
    return pending;
  }
  Pending<WriteAnswer> set(const std::string& key, const std::string& value) {
    Pending<WriteAnswer> pending;
    core->writes().write_value(core->at(key), value, [reply = pending.reply](Result<WriteAnswer> answer) {
      reply->emplace(std::move(answer));
    });
    return pending;
  }
  // A row changes behind Forebay's back, and Forebay is told.
  void change(const std::string& id, const std::string& value) {
    source->rows[id] = value;
    invalidate("user:" + id);
  }
  void invalidate(const std::string& key) {
    core->invalidator().drop(core->at(key), observe::Invalidation::kDelete);
  }
  void pass(Duration time) { scheduler.advance(time); }
  void dispatch() { core->loads().dispatch(); }
  std::string fact(const std::string& key, const std::string& name) {
    for (const auto& [each, value] : core->explain(key).facts) {
      if (each == name) return value;
    }
    return "";
  }
  NamespaceStats stats() { return core->statistics().collect().namespaces.at(1); }

  ManualClock clock;
  ManualScheduler scheduler{clock};
  FixedRandom random{{0}};
  std::shared_ptr<SimSource> source = std::make_shared<SimSource>(clock, scheduler);
  config::Source source_config;
  config::Namespace policy;
  config::Model model;
  observe::MissRatioCurves::Options curves;
  std::unique_ptr<Core> core;
};

}  // namespace forebay::layer::test
