// A storm of increments: write-behind, the same written through, and redis-server with appendfsync always.
//
//   behind_bench [--increments N] [--keys N] [--connections N] [--pipeline N] [--rounds N]
//                [--on postgres|sqlite] [--threads N]
//
// `--threads`: Forebay's event loops. One by default, as redis-server has: where the clients run on the same
// few cores, more of them only take turns with the clients and the journal's thread.
//
// redis-benchmark sends INCR for keys drawn at random. The three take turns; each line has the median of the
// rounds. Ends with status 1 if a sum in the database is wrong, if there were more transactions than one per
// flush interval and lane, or if write-behind acknowledges fewer writes a second than redis-server.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "campaign/real_database.h"
#include "cli/resp_client.h"
#include "support/eventually.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kEvery = 1s;
constexpr int kLanes = 4;

struct Load {
  int increments = 1'000'000;
  int keys = 1000;
  int connections = 50;
  int pipeline = 32;
  int threads = 1;
};

struct Round {
  double rate = 0;  // acknowledged writes a second
  double seconds = 0;
};

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

bool answers(std::uint16_t port) {
  auto client = cli::RespClient::connect("127.0.0.1", port, 1s);
  return client && client->call({"PING"}).has_value();
}

Round increments(std::uint16_t port, const std::string& prefix, const Load& load) {
  const auto begin = std::chrono::steady_clock::now();
  const Output output =
      run({"redis-benchmark", "-p", std::to_string(port), "-n", std::to_string(load.increments), "-r",
           std::to_string(load.keys), "-c", std::to_string(load.connections), "-P",
           std::to_string(load.pipeline), "-q", "INCR", prefix + "__rand_int__"},
          {}, 30min);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (output.status != 0 || output.text.find("rror") != std::string::npos) {
    throw std::runtime_error("redis-benchmark: " + output.text);
  }
  // "INCR x: 123456.00 requests per second, p50=…", after lines that overwrite one another
  const auto end = output.text.rfind(" requests per second");
  const auto begin_of_rate = output.text.rfind(' ', end - 1);
  return {std::stod(output.text.substr(begin_of_rate + 1)), seconds};
}

class Redis {
 public:
  explicit Redis(const std::string& folder)
      : port_(free_port()),
        process_({"redis-server", "--port", std::to_string(port_), "--bind", "127.0.0.1", "--save", "",
                  "--appendonly", "yes", "--appendfsync", "always", "--dir", folder},
                 {.output = folder + "/redis.log"}) {
    if (!eventually([&] { return answers(port_); })) throw std::runtime_error("redis-server did not start");
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  Process process_;
};

class Forebay {
 public:
  Forebay(const std::string& folder, const RealDatabase& database, int threads) : port_(free_port()) {
    std::ofstream file(folder + "/forebay.toml");
    file << fmt::format(
        "[server]\nresp = \"127.0.0.1:{}\"\nhttp = \"\"\nthreads = {}\n[journal]\npath = "
        "'{}/journal'\nmax_records = "
        "5000000\n"
        "[source.db]\n{}timeout = \"30s\"\nmax_queue = 100000\n",
        port_, threads, folder, database.source());
    for (const char* write : {"behind", "through"}) {
      file << fmt::format(
          "[namespace.{0}]\nkey = \"{0}:{{id}}\"\nsource = \"db\"\ntable = \"{0}\"\ntype = "
          "\"counter\"\nvalue = \"n\"\n"
          "write = \"{0}\"\n",
          write);
      if (std::string(write) == "behind")
        file << fmt::format("flush = {{ every = \"{}ms\" }}\n", kEvery.count());
    }
    file.close();
    process_ = Process({(binary_dir() / "forebay").string(), "serve", folder + "/forebay.toml"},
                       {.output = folder + "/log"});
    if (!eventually([&] { return !process_.running() || answers(port_); }) || !process_.running()) {
      std::ifstream log(folder + "/log");
      throw std::runtime_error(
          fmt::format("forebay did not start:\n{}", std::string(std::istreambuf_iterator<char>(log), {})));
    }
  }
  void drain() {
    auto client = cli::RespClient::connect("127.0.0.1", port_, 300s);
    const auto reply =
        client ? client->call({"FOREBAY", "DRAIN", "300000"}) : Result<resp::Reply>(client.error());
    if (!reply || reply->is_error()) throw std::runtime_error("FOREBAY DRAIN failed");
  }
  std::uint16_t port() const { return port_; }

 private:
  std::uint16_t port_;
  Process process_;
};

std::int64_t number(RealDatabase& database, const std::string& sql) {
  const std::string text = database.ask(sql);
  return text.empty() ? 0 : std::stoll(text);
}

int compare(RealDatabase& database, const Load& load, int rounds) {
  const TempDir folder;
  for (const char* table : {"behind", "through"}) {
    database.run(fmt::format("CREATE TABLE {}(id text PRIMARY KEY, n bigint NOT NULL)", table));
  }
  Redis redis(folder.path().string());
  Forebay forebay(folder.path().string(), database, load.threads);
  // Every change of the ledger is one of the flusher's transactions.
  database.run("CREATE TABLE ledger_changes(n integer)");
  if (database.name() == "sqlite") {
    database.run(
        "CREATE TRIGGER count_changes AFTER UPDATE ON forebay_applied BEGIN "
        "INSERT INTO ledger_changes VALUES (1); END");
    database.run(
        "CREATE TRIGGER count_news AFTER INSERT ON forebay_applied BEGIN "
        "INSERT INTO ledger_changes VALUES (1); END");
  } else {
    database.run(
        "CREATE FUNCTION count_changes() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO ledger_changes VALUES (1); RETURN NULL; END$$");
    database.run(
        "CREATE TRIGGER count_changes AFTER UPDATE ON forebay_applied FOR EACH ROW EXECUTE FUNCTION "
        "count_changes()");
  }
  Load few = load;  // written through, each write is a transaction
  few.increments = std::max(load.increments / 50, std::min(load.increments, 1000));
  // redis-benchmark sends whole pipelines only.
  few.increments = (few.increments + load.pipeline - 1) / load.pipeline * load.pipeline;
  std::map<std::string, std::vector<double>> rates;
  bool good = true;
  std::int64_t behind = 0;
  std::int64_t through = 0;
  std::vector<double> transactions;
  double most = 0;
  for (int round = 0; round < rounds; ++round) {
    rates["redis"].push_back(increments(redis.port(), "count:", load).rate);
    const std::int64_t before = number(database, "SELECT count(*) AS n FROM ledger_changes");
    const Round storm = increments(forebay.port(), "behind:", load);
    forebay.drain();
    rates["behind"].push_back(storm.rate);
    behind += load.increments;
    transactions.push_back(
        static_cast<double>(number(database, "SELECT count(*) AS n FROM ledger_changes") - before));
    most = kLanes * (std::ceil(storm.seconds / std::chrono::duration<double>(kEvery).count()) + 1);
    if (transactions.back() > most) good = false;
    rates["through"].push_back(increments(forebay.port(), "through:", few).rate);
    through += few.increments;
  }
  const std::int64_t behind_sum = number(database, "SELECT sum(n) AS n FROM behind");
  const std::int64_t through_sum = number(database, "SELECT sum(n) AS n FROM through");
  good = good && behind_sum == behind && through_sum == through;
  const double ratio = median(rates["behind"]) / median(rates["redis"]);
  fmt::print(
      "INCR of {} keys, {} connections, pipelined by {}, event loops: {}, on {}; medians of {} rounds\n\n",
      load.keys, load.connections, load.pipeline, load.threads, database.name(), rounds);
  fmt::print("{:<40}{:>14}\n", "", "acknowledged/s");
  fmt::print("{:<40}{:>14.0f}\n", fmt::format("forebay, behind ({} writes)", load.increments),
             median(rates["behind"]));
  fmt::print("{:<40}{:>14.0f}\n", fmt::format("forebay, through ({} writes)", few.increments),
             median(rates["through"]));
  fmt::print("{:<40}{:>14.0f}\n\n", fmt::format("redis-server, appendfsync always ({})", load.increments),
             median(rates["redis"]));
  fmt::print("behind: {:.2f} times redis-server; {:.0f} transactions a round (at most {:.0f})\n", ratio,
             median(transactions), most);
  fmt::print("sums in the database: behind {} of {}, through {} of {}\n", behind_sum, behind, through_sum,
             through);
  good = good && ratio >= 1;
  fmt::print("{}\n", good ? "all as promised" : "NOT as promised");
  return good ? 0 : 1;
}

}  // namespace
}  // namespace forebay::test

int main(int argc, char** argv) {
  using namespace forebay::test;
  Load load;
  int rounds = 3;
  std::string on = "postgres";
  CLI::App app("A storm of increments");
  app.add_option("--increments", load.increments);
  app.add_option("--keys", load.keys);
  app.add_option("--connections", load.connections);
  app.add_option("--pipeline", load.pipeline);
  app.add_option("--threads", load.threads);
  app.add_option("--rounds", rounds);
  app.add_option("--on", on)->check(CLI::IsMember({"postgres", "sqlite"}));
  CLI11_PARSE(app, argc, argv);
  try {
    const auto database = on == "sqlite" ? real_sqlite() : real_postgres();
    return compare(*database, load, rounds);
  } catch (const std::exception& error) {
    fmt::print(stderr, "behind_bench: {}\n", error.what());
    return 2;
  }
}
