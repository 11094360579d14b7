// How long readers of keys within stale_if_error wait while their PostgreSQL is gone, against how long they
// wait for a fresh hit: `./dev bench outage`. Clients keep reading the same keys, each for the same time
// before and after the server is stopped. The project promises a p99 no worse than three times a hit's; ends
// with status 1 if it is.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "scenarios/service.h"
#include "support/postgres_server.h"

namespace forebay::test {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kKeys = 200;
constexpr std::size_t kClients = 20;
constexpr auto kDuration = std::chrono::seconds(5);

std::string configuration(const std::string& url) {
  return "[source.db]\nkind = 'postgres'\nurl = '" + url + R"('
timeout = "1s"
[namespace.item]
key = "item:{id}"
source = "db"
table = "items"
ttl = "2s"
stale_while_revalidate = "1s"
stale_if_error = "1h"
)";
}

struct Waits {
  std::vector<double> ms;
  std::size_t wrong = 0;
  double quantile(double share) const {
    return ms[static_cast<std::size_t>(share * static_cast<double>(ms.size() - 1))];
  }
};

// What every client waited for each of its answers.
Waits read_for(const Service& service, SteadyClock::duration duration) {
  std::vector<Waits> each(kClients);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kClients; ++i) {
    threads.emplace_back([&waits = each[i], client = service.connect(), i, duration]() mutable {
      const auto end = SteadyClock::now() + duration;
      for (std::size_t id = i; SteadyClock::now() < end; ++id) {
        const auto begin = SteadyClock::now();
        const auto reply = client.call({"GET", "item:" + std::to_string(id % kKeys + 1)});
        waits.ms.push_back(std::chrono::duration<double, std::milli>(SteadyClock::now() - begin).count());
        if (!reply || !reply->text.starts_with('{')) ++waits.wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Waits all;
  for (const Waits& waits : each) {
    all.ms.insert(all.ms.end(), waits.ms.begin(), waits.ms.end());
    all.wrong += waits.wrong;
  }
  std::ranges::sort(all.ms);
  return all;
}

int measure() {
  PostgresServer postgres;
  postgres.exec(
      "CREATE TABLE items (id int PRIMARY KEY, body text);"
      "INSERT INTO items SELECT i, 'body' FROM generate_series(1, 1000) AS i");
  const Service service(configuration(postgres.url()));
  read_for(service, std::chrono::seconds(1));

  const Waits up = read_for(service, kDuration);
  postgres.stop(SIGQUIT);
  const Waits down = read_for(service, kDuration);
  const auto print = [](std::string_view label, const Waits& waits) {
    fmt::print("  {:18} {:>9} {:>9.3f} {:>9.3f} {:>9.3f} {:>7}\n", label, waits.ms.size(),
               waits.quantile(0.5), waits.quantile(0.99), waits.quantile(0.999), waits.wrong);
  };
  fmt::print("{} clients on {} keys, {} s each; PostgreSQL is stopped in between\n\n", kClients, kKeys,
             kDuration.count());
  fmt::print("  {:18} {:>9} {:>9} {:>9} {:>9} {:>7}\n", "", "answers", "p50 ms", "p99 ms", "p99.9 ms",
             "wrong");
  print("PostgreSQL up", up);
  print("PostgreSQL stopped", down);
  const double ratio = down.quantile(0.99) / up.quantile(0.99);
  const bool held = ratio <= 3 && up.wrong == 0 && down.wrong == 0;
  fmt::print("\n  {}  p99 while stopped, of a hit's before: {:.2f} (at most 3)\n", held ? "ok    " : "MISSED",
             ratio);
  return held ? 0 : 1;
}

}  // namespace
}  // namespace forebay::test

int main() {
  try {
    return forebay::test::measure();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "outage_bench: %s\n", error.what());
    return 1;
  }
}
