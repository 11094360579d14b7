// Cold random reads from PostgreSQL: many keys a query against one query a key, with the same pool.
//
//   batch_bench [rows] [seconds]     (100000 and 3)
//
// Starts a PostgreSQL of its own in a temporary folder. Every thread owns one connection's worth of work, as
// the layer's source gate gives it out; keys are drawn at random from all rows, so no two queries are alike.

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "config/model.h"
#include "source/postgres.h"
#include "support/postgres_server.h"

namespace forebay {
namespace {

constexpr std::size_t kPool = 4;

struct Rate {
  double keys = 0;     // a second
  double queries = 0;  // a second
};

Rate measure(Dataset& dataset, std::size_t batch, int rows, std::chrono::seconds duration) {
  std::atomic<std::uint64_t> queries = 0;
  std::atomic<bool> failed = false;
  const auto begin = std::chrono::steady_clock::now();
  const auto end = begin + duration;
  {
    std::vector<std::jthread> threads;
    for (std::size_t t = 0; t < kPool; ++t) {
      threads.emplace_back([&, t] {
        std::mt19937 random(static_cast<unsigned>(t + batch * 1000));
        std::uniform_int_distribution<int> any(1, rows);
        std::vector<KeyFields> keys(batch, KeyFields(1));
        while (std::chrono::steady_clock::now() < end) {
          for (KeyFields& key : keys) key[0] = std::to_string(any(random));
          const auto loaded = dataset.load(keys, {.timeout = std::chrono::seconds(30), .cancel = nullptr});
          if (!loaded || !loaded->front().value) failed = true;
          queries.fetch_add(1,
                            std::memory_order_relaxed);  // order: a count, read after the threads have joined
        }
      });
    }
  }
  if (failed) {
    fmt::print(stderr, "a load failed\n");
    std::exit(1);
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const double count = static_cast<double>(queries.load());
  return {count * static_cast<double>(batch) / seconds, count / seconds};
}

void compare(Source& source, const DatasetSpec& spec, const char* title, int rows,
             std::chrono::seconds duration) {
  auto dataset = source.open_dataset(spec);
  if (!dataset) {
    fmt::print(stderr, "{}\n", dataset.error().message);
    std::exit(1);
  }
  static_cast<void>(measure(**dataset, 100, rows, std::chrono::seconds(1)));  // warms caches and plans
  const Rate single = measure(**dataset, 1, rows, duration);
  fmt::print("\n{}\n{:>14} {:>12} {:>12} {:>8}\n", title, "keys a query", "keys/s", "queries/s", "ratio");
  fmt::print("{:>14} {:>12.0f} {:>12.0f} {:>8.1f}\n", 1, single.keys, single.queries, 1.0);
  for (const std::size_t batch : {10, 100, 500}) {
    const Rate rate = measure(**dataset, batch, rows, duration);
    fmt::print("{:>14} {:>12.0f} {:>12.0f} {:>8.1f}\n", batch, rate.keys, rate.queries,
               rate.keys / single.keys);
  }
}

int run(int rows, std::chrono::seconds duration) {
  test::PostgresServer server;
  server.exec(
      fmt::format("CREATE TABLE items AS SELECT i AS id, 'item ' || i AS name, md5(i::text) AS body, "
                  "(i * 7 % 1000) / 10.0 AS price, now() AS changed FROM generate_series(1, {}) AS i;"
                  "ALTER TABLE items ADD PRIMARY KEY (id)",
                  rows));
  server.exec("VACUUM ANALYZE items");
  config::Source settings;
  settings.name = "bench";
  settings.url = server.url();
  settings.pool = kPool;
  auto source = source::open_postgres(settings);
  if (!source) return 1;
  fmt::print("PostgreSQL {}, {} rows, pool of {}, {} s each\n", server.exec("SHOW server_version"), rows,
             kPool, duration.count());
  DatasetSpec table;
  table.name = "item";
  table.key_fields = {"id"};
  table.table = "items";
  compare(**source, table, "Table mode", rows, duration);
  DatasetSpec query;
  query.name = "item";
  query.key_fields = {"id"};
  query.query = "SELECT name, price FROM items WHERE id = {id}";
  compare(**source, query, "Query mode", rows, duration);
  return 0;
}

}  // namespace
}  // namespace forebay

int main(int argc, char** argv) {
  const int rows = argc > 1 ? std::atoi(argv[1]) : 100'000;
  const int seconds = argc > 2 ? std::atoi(argv[2]) : 3;
  if (rows < 1 || seconds < 1) {
    fmt::print(stderr, "usage: batch_bench [rows] [seconds]\n");
    return 2;
  }
  return forebay::run(rows, std::chrono::seconds(seconds));
}
