// What clients see while a real PostgreSQL is gone, and after it is back.

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/service.h"
#include "support/eventually.h"
#include "support/postgres_server.h"

namespace forebay::test {
namespace {

constexpr int kWarm = 20;

std::string configuration(std::string_view url) {
  return "[source.orders_db]\nkind = 'postgres'\nurl = '" + std::string(url) + R"('
pool = 4
timeout = "1s"
breaker_minimum = 5
breaker_open = "50ms"
breaker_open_max = "200ms"
[namespace.item]
key = "item:{id}"
source = "orders_db"
table = "outage_items"
ttl = "50ms"
stale_if_error = "1h"
[namespace.strict]
key = "strict:{id}"
source = "orders_db"
table = "outage_items"
ttl = "50ms"
)";
}

// Clients that go on reading, each on a thread of its own: keys that were read before the outage, from a
// namespace with stale_if_error.
class Readers {
 public:
  Readers(const Service& service, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      threads_.emplace_back([this, client = service.connect()]() mutable {
        for (int id = 1; !stop_; id = id % kWarm + 1) {
          const auto reply = client.call({"GET", "item:" + std::to_string(id)});
          if (!reply || reply->text != "{\"id\":" + std::to_string(id) + ",\"body\":\"b\"}") {
            const std::lock_guard lock(mutex_);
            wrong_.insert(reply ? reply->text : reply.error().message);
          }
          ++answers_;
        }
      });
    }
  }
  ~Readers() { stop(); }

  // Returns everything that was not the value.
  std::set<std::string> stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    return wrong_;
  }
  std::size_t answers() const { return answers_; }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<std::size_t> answers_ = 0;
  std::mutex mutex_;
  std::set<std::string> wrong_;
  std::vector<std::thread> threads_;
};

class Outage : public testing::Test {
 protected:
  Outage() {
    postgres_.exec(
        "CREATE TABLE outage_items (id int PRIMARY KEY, body text NOT NULL);"
        "INSERT INTO outage_items SELECT i, 'b' FROM generate_series(1, 10000) AS i");
    service_ = std::make_unique<Service>(configuration(postgres_.url()));
    client_ = std::make_unique<RespClient>(service_->connect());
    for (int id = 1; id <= kWarm; ++id) {
      call(*client_, {"GET", "item:" + std::to_string(id)});
      call(*client_, {"GET", "strict:" + std::to_string(id)});
    }
  }

  PostgresServer postgres_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RespClient> client_;
};

TEST_F(Outage, KnownKeysAreServedOthersFailNamingTheSourceAndTheBreakerClosesByItself) {
  Readers readers(*service_, 8);
  postgres_.stop(SIGQUIT);

  // Cold keys fail, with an error that names the source, and open the breaker.
  std::string failure;
  int cold = 100;
  EXPECT_TRUE(eventually([&] {
    failure = call(*client_, {"GET", "item:" + std::to_string(++cold)}).text;
    return service_->source().breaker != "closed";
  })) << failure;
  EXPECT_NE(failure.find("orders_db"), std::string::npos) << failure;
  // So do keys that were read, in a namespace that does not allow stale answers.
  EXPECT_TRUE(eventually(
      [&] { return call(*client_, {"GET", "strict:1"}).text.find("orders_db") != std::string::npos; }));

  // Meanwhile the readers have had an answer each time: wait until all their keys were stale and served
  // nevertheless.
  const std::uint64_t stale = service_->space("item").stale;
  const std::size_t answers = readers.answers();
  EXPECT_TRUE(eventually(
      [&] { return service_->space("item").stale > stale + 1'000 && readers.answers() > answers + 1'000; }));

  postgres_.start();
  // Nobody asks for anything that is not in memory, and yet the breaker closes: the source is probed.
  EXPECT_TRUE(eventually([&] { return service_->source().breaker == "closed"; }));
  EXPECT_TRUE(
      eventually([&] { return call(*client_, {"GET", "strict:5000"}).text == R"({"id":5000,"body":"b"})"; }));
  EXPECT_EQ(readers.stop(), std::set<std::string>());
}

// A server that accepts connections and answers nothing is the harder kind of dead.
TEST_F(Outage, AServerThatHangsCostsAColdKeyItsTimeoutAndNoMore) {
  postgres_.pause();
  const auto begin = std::chrono::steady_clock::now();
  const resp::Reply reply = call(*client_, {"GET", "strict:6000"});
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_TRUE(reply.is_error());
  EXPECT_NE(reply.text.find("orders_db"), std::string::npos) << reply.text;
  EXPECT_GE(took, 900ms);  // it is the timeout that ended it; how much later depends on the machine
  const resp::Reply known = call(*client_, {"GET", "item:1"});
  EXPECT_EQ(known.text, R"({"id":1,"body":"b"})");
  postgres_.resume();
  EXPECT_TRUE(
      eventually([&] { return call(*client_, {"GET", "strict:6000"}).text == R"({"id":6000,"body":"b"})"; }));
}

// A cache that restarts while its database is down.
class RestartedInAnOutage : public testing::Test {
 protected:
  RestartedInAnOutage() {
    postgres_.exec(
        "CREATE TABLE outage_items (id int PRIMARY KEY, body text NOT NULL);"
        "INSERT INTO outage_items SELECT i, 'b' FROM generate_series(1, 100) AS i");
    postgres_.stop(SIGQUIT);
    Environment environment;
    environment.unreachable = Unreachable::kServeWithout;
    service_ = std::make_unique<Service>(configuration_with_gone(), std::move(environment));
    client_ = std::make_unique<RespClient>(service_->connect());
  }
  std::string configuration_with_gone() const {
    return configuration(postgres_.url()) + R"(
[namespace.gone]
key = "gone:{id}"
source = "orders_db"
table = "outage_no_such_table"
write = "through"
)";
  }
  std::string get(const std::string& key) { return call(*client_, {"GET", key}).text; }

  PostgresServer postgres_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<RespClient> client_;
};

TEST_F(RestartedInAnOutage, ServesWhatNeedsNoSourceAndTheRestWhenItIsBack) {
  EXPECT_NE(service_->source().breaker, "closed");
  EXPECT_FALSE(Layer::open(configuration(postgres_.url()))) << "a program that did not ask for it";
  EXPECT_FALSE(service_->source().reached);
  EXPECT_EQ(call(*client_, {"SET", "plain", "1"}).text, "OK");
  EXPECT_EQ(get("plain"), "1");
  const std::string refused = get("item:1");
  EXPECT_NE(refused.find("UNAVAILABLE source 'orders_db'"), std::string::npos) << refused;

  postgres_.start();
  EXPECT_TRUE(eventually([&] { return get("item:1") == R"({"id":1,"body":"b"})"; })) << get("item:1");
  EXPECT_TRUE(service_->source().reached);
  // Rows go in batches, as if it had been there from the beginning. The timer that an earlier load has set may
  // send what one MGET has gathered so far, so they are two batches at most.
  const std::uint64_t loads = service_->source().loads;
  call(*client_, {"MGET", "item:11", "item:12", "item:13", "item:14"});
  EXPECT_LE(service_->source().loads, loads + 2);
}

TEST_F(RestartedInAnOutage, WhatDoesNotFitTheDatabaseIsSaidOnceThatIsBack) {
  postgres_.start();
  EXPECT_TRUE(eventually([&] { return service_->source().breaker == "closed"; }));
  for (const char* command : {"GET", "HGETALL"}) {
    EXPECT_NE(call(*client_, {command, "gone:1"}).text.find("outage_no_such_table: there is no such table"),
              std::string::npos);
  }
  EXPECT_NE(call(*client_, {"HSET", "gone:1", "a", "1"}).text.find("there is no such table"),
            std::string::npos);
  EXPECT_EQ(get("item:1"), R"({"id":1,"body":"b"})");
  // At a start that reaches the database, this is a mistake like any other.
  Environment environment;
  environment.unreachable = Unreachable::kServeWithout;
  EXPECT_FALSE(Layer::open(configuration_with_gone(), std::move(environment)));

  // Made meanwhile, it is served without a restart.
  postgres_.exec("CREATE TABLE outage_no_such_table (id int PRIMARY KEY, a int)");
  EXPECT_EQ(call(*client_, {"HSET", "gone:1", "a", "1"}).integer, 1);
  EXPECT_EQ(get("gone:1"), R"({"id":1,"a":1})");
}

}  // namespace
}  // namespace forebay::test
