// An empty cache under five times the demand that its database can take: `./dev bench overload`.
//
//   overload_bench [--seconds N] [--times N] [--keys N]
//
// Every key costs the database 20 ms, and four connections load 200 of them a second. Clients ask for keys at
// random at `--times` that rate, whatever becomes of their requests. Says how long it takes until 99 of 100
// requests are hits, how many calls the database had at once at most, and how many it gave up halfway. Ends with
// status 1 if it does not get there, or if there were more calls than connections.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "support/forebay_process.h"
#include "support/postgres_server.h"
#include "support/real_time.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

constexpr int kConnections = 4;
constexpr int kKeySecond = 200;  // keys that the database can load in a second
constexpr int kClients = 20;
constexpr auto kTick = 50ms;

struct Options {
  int seconds = 60;
  int times = 5;
  int keys = 3000;
};

class Overload {
 public:
  explicit Overload(const Options& options) : options_(options), server_(folder_.path()) {
    postgres_.exec(fmt::format(
        "CREATE TABLE items (id int PRIMARY KEY, body text);"
        "INSERT INTO items SELECT i, 'body ' || i FROM generate_series(1, {}) AS i;"
        "CREATE FUNCTION slowly(k int) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); "
        "RETURN (SELECT body FROM items WHERE id = k); END $$",
        options.keys));
    server_.configure(fmt::format(
        "[source.db]\nkind = 'postgres'\nurl = '{}'\ntimeout = '1s'\npool = {}\n"
        "[namespace.item]\nkey = 'item:{{id}}'\nsource = 'db'\nquery = 'SELECT slowly({{id}}::int) AS body'\n"
        "ttl = '1h'\n",
        postgres_.url(), kConnections));
    server_.start();
  }

  int run() {
    std::vector<std::jthread> threads;
    const struct AtTheEnd {
      std::atomic<bool>& over;
      ~AtTheEnd() { over = true; }
    } at_the_end{over_};
    const auto asking = server_.connect();
    for (int i = 0; i < kClients; ++i) threads.emplace_back([this, i] { client(i); });
    threads.emplace_back([this] { watch(); });
    const auto began = SteadyClock::now();
    std::optional<int> warm;
    std::uint64_t answered = 0, good = 0;
    for (int second = 1; second <= options_.seconds && !warm; ++second) {
      let_pass(1s);
      const std::uint64_t answers = answered_ - answered, hits = quick_ - good;
      answered += answers;
      good += hits;
      fmt::print("  {:3} s: {:5} answers, {:5.1f} % of them hits, {} entries\n", second, answers,
                 answers == 0 ? 0.0 : 100.0 * static_cast<double>(hits) / static_cast<double>(answers),
                 asking->ask({"DBSIZE"}).substr(1));
      std::fflush(stdout);
      if (answers > 0 && hits * 100 >= answers * 99)
        warm = static_cast<int>(
            std::chrono::duration_cast<std::chrono::seconds>(SteadyClock::now() - began).count());
    }
    over_ = true;
    threads.clear();
    fmt::print("{} keys of 20 ms at {} times what the database can take\n", options_.keys, options_.times);
    if (warm)
      fmt::print("  99 of 100 were hits after {} s; loading every key once takes {} s at least\n", *warm,
                 options_.keys / kKeySecond);
    else
      fmt::print("  not warm after {} s\n", options_.seconds);
    fmt::print("  calls in the database at once: {} at most, of {}; given up halfway: {}\n", most_.load(),
               kConnections, given_up());
    server_.terminate();
    return warm && most_ <= kConnections ? 0 : 1;
  }

 private:
  // One thread sends at its rate whatever comes back; another one reads. What is answered within 10 ms was a hit.
  void client(int number) {
    auto connection = server_.connect();
    std::mutex mutex;
    std::deque<SteadyClock::time_point> asked;
    std::jthread reader([&] {
      for (std::string reply; (reply = connection->reply()) != "(closed)";) {
        std::lock_guard lock(mutex);
        ++answered_;
        if (reply.find("body") != std::string::npos && SteadyClock::now() - asked.front() < 10ms) ++quick_;
        asked.pop_front();
      }
    });
    std::mt19937_64 chance(static_cast<std::uint64_t>(number));
    const int each =
        std::max(1, options_.times * kKeySecond / kClients * static_cast<int>(kTick.count()) / 1000);
    auto next = SteadyClock::now();
    while (!over_) {
      for (int i = 0; i < each; ++i) {
        {
          std::lock_guard lock(mutex);
          asked.push_back(SteadyClock::now());
        }
        connection->send_command(
            {"GET", fmt::format("item:{}", chance() % static_cast<std::uint64_t>(options_.keys) + 1)});
      }
      next = std::max(next + kTick, SteadyClock::now());
      let_pass(std::chrono::duration_cast<std::chrono::milliseconds>(next - SteadyClock::now()));
    }
    connection->end_sending();
  }
  void watch() {
    while (!over_) {
      const int active = std::stoi(postgres_.exec(
          "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND application_name = 'forebay'"));
      most_ = std::max(most_.load(), active);
      let_pass(20ms);
    }
  }
  double given_up() const {
    return server_.metric("forebay_source_errors_total{source=\"db\",cause=\"timeout\"}");
  }

  const Options options_;
  PostgresServer postgres_;
  TempDir folder_;
  ForebayProcess server_;
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> answered_{0}, quick_{0};
  std::atomic<int> most_{0};
};

}  // namespace
}  // namespace forebay::test

int main(int argc, char** argv) {
  using namespace forebay::test;
  Options options;
  CLI::App app("An empty cache under more demand than its database can take");
  app.add_option("--seconds", options.seconds, "at most");
  app.add_option("--times", options.times, "demand, in what the database can take");
  app.add_option("--keys", options.keys, "different ones");
  CLI11_PARSE(app, argc, argv);
  try {
    return Overload(options).run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "overload_bench: {}\n", error.what());
    return 2;
  }
}
