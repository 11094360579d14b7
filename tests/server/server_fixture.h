#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "config/model.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "server/server.h"
#include "support/eventually.h"
#include "support/test_client.h"

namespace forebay::server {

using namespace std::chrono_literals;
using forebay::test::eventually;
using forebay::test::TestClient;

// A clock that a test can push forward while threads read it.
class OffsetClock final : public Clock {
 public:
  Instant now() const override { return system_clock().now() + Duration(offset_.load()); }
  std::int64_t to_wall_ms(Instant at) const override { return system_clock().to_wall_ms(at); }
  Instant from_wall_ms(std::int64_t unix_ms) const override { return system_clock().from_wall_ms(unix_ms); }
  void advance(Duration by) { offset_ += by.count(); }

 private:
  std::atomic<Duration::rep> offset_{0};
};

// Keys `slow:{id}` are loaded by a function that answers when the test lets it: value "v<id>", or no such row
// for ids that begin with '-'; refused for those that begin with '!'.
class GatedSource {
 public:
  std::size_t least_size = 0;  // values are padded to this; set before the first load
  Result<std::vector<Loaded>> load(std::span<const KeyFields> keys) {
    std::unique_lock lock(mutex_);
    batches_.push_back(keys.size());
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    std::vector<Loaded> rows(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i][0].starts_with('!')) return Error{ErrorCode::kRefused, "no such thing"};
      if (keys[i][0].starts_with('-')) continue;
      rows[i].value = "v" + keys[i][0];
      if (rows[i].value->size() < least_size) rows[i].value->resize(least_size, '.');
    }
    return rows;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  void shut() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  // Waits until this many loads have begun.
  void wait_for_loads(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return batches_.size() >= count; });
  }
  std::vector<std::size_t> batches() {
    const std::lock_guard lock(mutex_);
    return batches_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;
  std::vector<std::size_t> batches_;
};

// A server on ports of the system's choice over a real layer. Change `options` and `model`, then start().
class ServerTest : public ::testing::Test {
 protected:
  ServerTest() {
    options.resp = "127.0.0.1:0";
    options.http = "";
    options.threads = 2;
    config::Source gated;
    gated.name = "gated";
    gated.kind = "function";
    gated.timeout = 60s;
    model.sources.push_back(gated);
    config::Namespace space;
    space.name = "slow";
    space.key.text = "slow:{id}";
    space.key.literals = {"slow:", ""};
    space.key.fields = {"id"};
    space.source = "gated";
    space.kind = ValueKind::kText;
    space.timeout = 60s;
    model.namespaces.push_back(space);
  }
  ~ServerTest() override {
    source.open();
    server.reset();
  }

  void start() {
    Environment environment;
    environment.clock = &clock;
    environment.functions["gated"].load = [this](std::span<const KeyFields> keys, const CallContext&) {
      return source.load(keys);
    };
    auto opened = layer::open_layer(model, std::move(environment));
    ASSERT_TRUE(opened) << opened.error().message;
    layer = std::move(*opened);
    auto bound = Server::open(options, *layer);
    ASSERT_TRUE(bound) << bound.error().message;
    server = std::move(*bound);
    server->start();
  }
  std::unique_ptr<TestClient> connect(int receive_buffer = 0) {
    return std::make_unique<TestClient>(server->resp_port(), receive_buffer);
  }
  // Whether a client that is connected already still gets answers: nobody else holds the server up.
  bool others_are_served() { return connect()->ask({"PING"}) == "+PONG"; }

  OffsetClock clock;
  GatedSource source;
  config::Server options;
  config::Model model;
  std::unique_ptr<Layer> layer;
  std::unique_ptr<Server> server;
};

}  // namespace forebay::server
