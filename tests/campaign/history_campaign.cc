#include "campaign/history_campaign.h"

#include <fmt/format.h>
#include <signal.h>

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "support/eventually.h"
#include "support/forebay_process.h"
#include "support/postgres_server.h"
#include "support/real_time.h"
#include "support/test_client.h"

namespace forebay::test {
namespace {

using namespace std::chrono_literals;

constexpr int kRows = 8;
constexpr int kGroups = 2;  // row r is in group r % kGroups
constexpr int kClients = 6;
constexpr int kSingles = 100'000;
constexpr std::size_t kViolationsMax = 10;

std::string row_key(int row) {
  return fmt::format("row:{}", row);
}
std::string sum_key(int group) {
  return fmt::format("sum:{}", group);
}

// The number in a reply such as `{"id":1,"n":7}`, `7` or `:7`; nothing for an error or an absence.
std::optional<std::int64_t> number_in(const std::string& reply) {
  const std::size_t field = reply.find("\"n\":");
  const std::string digits = reply.substr(field != std::string::npos ? field + 4
                                          : reply.starts_with(":")   ? 1
                                                                     : 0);
  if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
  return std::stoll(digits);
}

class Campaign {
 public:
  Campaign(const std::string& folder, const HistoryOptions& options)
      : options_(options), database_({"max_connections = 60", "synchronous_commit = on"}), server_(folder) {
    database_.exec(
        fmt::format("CREATE TABLE singles(id int PRIMARY KEY, n bigint NOT NULL);"
                    "INSERT INTO singles SELECT i, 0 FROM generate_series(0, {}) AS i",
                    kSingles - 1));
    database_.exec(
        fmt::format("CREATE TABLE rows(id int PRIMARY KEY, grp int NOT NULL, n bigint NOT NULL);"
                    "INSERT INTO rows SELECT i, i % {}, 0 FROM generate_series(0, {}) AS i",
                    kGroups, kRows - 1));
    server_.configure(fmt::format(R"toml(
[memory]
limit = "6MiB"
[journal]
path = "journal"
[source.db]
kind = "postgres"
url = "{}"
timeout = "300ms"
pool = 8
breaker_minimum = 10000
[namespace.row]
key = "row:{{id}}"
source = "db"
table = "rows"
write = "{}"
ttl = "1h"
[namespace.single]
key = "single:{{id}}"
source = "db"
table = "singles"
write = "{}"
ttl = "1h"
[namespace.sum]
key = "sum:{{grp}}"
source = "db"
query = "SELECT sum(n)::bigint AS n FROM rows WHERE grp = {{grp}}::int"
depends_on = ["rows(grp -> grp)"]
ttl = "1h"
)toml",
                                  database_.url(), options.write, options.write));
    server_.start();
  }

  HistoryResult run() {
    std::vector<std::thread> threads;
    for (int i = 0; i < kClients; ++i) threads.emplace_back([this, i] { guarded([&] { client(i); }); });
    if (options_.outsider && options_.write != "behind")
      threads.emplace_back([this] { guarded([&] { outsider(); }); });
    std::thread faults;
    if (options_.faults) faults = std::thread([this] { guarded([&] { disturb(); }); });
    let_pass(options_.length);
    over_ = true;
    if (faults.joinable()) faults.join();
    for (std::thread& thread : threads) thread.join();
    if (!failure_.empty()) throw std::runtime_error(failure_ + "\n" + server_.log());
    check_the_end();
    server_.terminate();
    return result_;
  }

 private:
  // What a row's number was at least when somebody was told that a change of it is done.
  using Complete = std::array<std::int64_t, kRows>;
  Complete complete() {
    std::lock_guard lock(mutex_);
    return complete_;
  }
  void completed(int row, std::int64_t number) {
    std::lock_guard lock(mutex_);
    complete_[static_cast<std::size_t>(row)] = std::max(complete_[static_cast<std::size_t>(row)], number);
    ++result_.writes;
  }
  static std::int64_t sum_of(const Complete& numbers, int group) {
    std::int64_t sum = 0;
    for (int row = group; row < kRows; row += kGroups) sum += numbers[static_cast<std::size_t>(row)];
    return sum;
  }
  void violated(const std::string& what) {
    std::lock_guard lock(mutex_);
    if (result_.violations.size() < kViolationsMax) result_.violations.push_back(what);
  }
  template <class Work>
  void guarded(Work work) {
    try {
      work();
    } catch (const std::exception& error) {
      std::lock_guard lock(mutex_);
      failure_ = error.what();
      over_ = true;
    }
  }

  void client(int number) {
    std::mt19937_64 chance(options_.seed * 100 + static_cast<std::uint64_t>(number));
    const auto below = [&](std::uint64_t n) { return static_cast<int>(chance() % n); };
    auto connection = server_.connect();
    std::map<std::string, std::int64_t> seen;  // by this connection
    while (!over_) {
      const int row = below(kRows);
      const int what = below(100);
      if (what < 15) {
        write(*connection, row);
      } else if (what < 25) {
        write_once(*connection, number);
      } else if (what < 30) {
        connection->ask({"DEL", row_key(row)});
      } else if (what < 32) {
        connection->ask({"FOREBAY", "PURGE", "NAMESPACE", "row"});
      } else if (what < 45) {
        connection->ask({"SET", fmt::format("fill:{}", below(300)), std::string(20'000 + row, 'x')});
      } else if (what < 60) {
        // A sum is what the source has, which writes behind reach later.
        const int group = row % kGroups;
        const std::int64_t least = options_.write == "behind" ? 0 : sum_of(complete(), group);
        check(sum_key(group), least, connection->ask({"GET", sum_key(group)}), seen);
      } else {
        const std::int64_t least = complete()[static_cast<std::size_t>(row)];
        check(row_key(row), least, connection->ask({"GET", row_key(row)}), seen);
      }
    }
  }

  void write(TestClient& connection, int row) {
    const std::string reply = connection.ask({"HINCRBY", row_key(row), "n", "1"});
    if (const auto number = number_in(reply)) return completed(row, *number);
    std::lock_guard lock(mutex_);
    ++(reply.starts_with("-UNKNOWNOUTCOME") ? result_.unknown : result_.errors);
  }

  // A row of its own, which nobody writes again. If nobody knows whether it was written, it is read at once, and
  // at the end once more: whatever became of it, cache and database must agree.
  void write_once(TestClient& connection, int client) {
    const int row = (client + kClients * singles_++) % kSingles;
    const std::string key = fmt::format("single:{}", row);
    const bool known = number_in(connection.ask({"HINCRBY", key, "n", "1"})).has_value();
    if (known) return;
    connection.ask({"GET", key});
    std::lock_guard lock(mutex_);
    ++result_.unknown;
    doubtful_.push_back(row);
  }

  void check(const std::string& key, std::int64_t least, const std::string& reply,
             std::map<std::string, std::int64_t>& seen) {
    const auto number = number_in(reply);
    if (!number) {
      std::lock_guard lock(mutex_);
      ++result_.errors;
      if (!reply.starts_with("-")) result_.violations.push_back(key + " was answered by " + reply);
      return;
    }
    if (*number < least) violated(fmt::format("{} was {}, and {} was complete before", key, *number, least));
    std::int64_t& last = seen[key];
    if (*number < last) violated(fmt::format("{} was {} after {} on one connection", key, *number, last));
    last = std::max(last, *number);
    std::lock_guard lock(mutex_);
    ++result_.reads;
  }

  void outsider() {
    std::mt19937_64 chance(options_.seed * 100 + 99);
    auto connection = server_.connect();
    while (!over_) {
      const int row = static_cast<int>(chance() % kRows);
      const std::string number =
          database_.exec(fmt::format("UPDATE rows SET n = n + 1 WHERE id = {} RETURNING n", row));
      if (!options_.silent_outsider) {
        for (const std::string& key : {row_key(row), sum_key(row % kGroups)}) {
          if (const std::string reply = connection->ask({"DEL", key}); !reply.starts_with(":"))
            throw std::runtime_error("DEL was answered by " + reply);
        }
      }
      completed(row, std::stoll(number));
      {
        std::lock_guard lock(mutex_);
        ++result_.outside;
      }
      let_pass(std::chrono::milliseconds(chance() % 10));
    }
  }

  // Sessions of Forebay's that run such a statement.
  std::vector<pid_t> sessions(const std::string& statement) {
    std::vector<pid_t> pids;
    std::istringstream lines(database_.exec(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'forebay' AND query LIKE '" + statement +
        "'"));
    for (std::string line; std::getline(lines, line);) {
      if (!line.empty()) pids.push_back(static_cast<pid_t>(std::stol(line)));
    }
    return pids;
  }
  void hold_commits(bool hold) {
    database_.exec(hold ? "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
                        : "ALTER SYSTEM RESET synchronous_standby_names");
    database_.exec("SELECT pg_reload_conf()");
  }
  static void stand_still(const std::vector<pid_t>& pids, std::chrono::milliseconds time) {
    for (const pid_t pid : pids) ::kill(pid, SIGSTOP);
    let_pass(time);
    for (const pid_t pid : pids) ::kill(pid, SIGCONT);
  }

  // What goes wrong with a database: a process stands still, as on a stalled disk, and goes on; a session is
  // ended; commits wait for a standby, or are as good as done and come to an end much later.
  void disturb() {
    std::mt19937_64 chance(options_.seed * 100 + 98);
    const auto between = [&](unsigned least, unsigned most) {
      return std::chrono::milliseconds(least + chance() % (most - least));
    };
    while (!over_) {
      let_pass(between(20, 150));
      const std::vector<pid_t> pids = sessions("%");
      if (pids.empty()) continue;
      const pid_t pid = pids[chance() % pids.size()];
      switch (chance() % 5) {
        case 0:
          stand_still({pid}, between(200, 800));
          break;
        case 1:
          database_.exec(fmt::format("SELECT pg_terminate_backend({})", pid));
          break;
        case 2:
          hold_commits(true);
          let_pass(between(100, 500));
          hold_commits(false);
          break;
        default:
          hold_commits(true);
          let_pass(50ms);
          stand_still(sessions("COMMIT"), between(500, 900));
          hold_commits(false);
          break;
      }
      std::lock_guard lock(mutex_);
      ++result_.faults;
    }
  }

  // Once nothing is under way any more, what is cached is what the database has.
  void check_the_end() {
    auto connection = server_.connect();
    if (options_.write == "behind") connection->ask({"FOREBAY", "DRAIN", "20000"});
    const auto settled = [&] {
      for (int row = 0; row < kRows; ++row) {
        if (connection->ask({"FOREBAY", "EXPLAIN", row_key(row)}).find("unsettled") != std::string::npos)
          return false;
      }
      for (const int row : doubtful_) {
        const std::string key = fmt::format("single:{}", row);
        if (connection->ask({"FOREBAY", "EXPLAIN", key}).find("unsettled") != std::string::npos) return false;
      }
      return true;
    };
    if (!eventually(settled)) violated("a write was never settled");
    for (int pass = 0; pass < 2; ++pass) {
      for (int row = 0; row < kRows; ++row)
        agree(*connection, row_key(row), fmt::format("SELECT n FROM rows WHERE id = {}", row));
      for (int group = 0; group < kGroups; ++group)
        agree(*connection, sum_key(group), fmt::format("SELECT sum(n) FROM rows WHERE grp = {}", group));
    }
    for (const int row : doubtful_) {
      agree(*connection, fmt::format("single:{}", row),
            fmt::format("SELECT n FROM singles WHERE id = {}", row));
    }
    for (int row = 0; row < kRows; ++row) {
      const auto kept = std::stoll(database_.exec(fmt::format("SELECT n FROM rows WHERE id = {}", row)));
      if (kept < complete_[static_cast<std::size_t>(row)])
        violated(fmt::format("row {} is {} in the database, and {} was acknowledged", row, kept,
                             complete_[static_cast<std::size_t>(row)]));
    }
  }
  void agree(TestClient& connection, const std::string& key, const std::string& sql) {
    const std::string reply = connection.ask({"GET", key});
    const std::string expected = database_.exec(sql);
    const auto number = number_in(reply);
    if (!number || std::to_string(*number) != expected)
      violated(fmt::format("at the end {} is {}, and {} in the database", key, reply, expected));
  }

  const HistoryOptions options_;
  PostgresServer database_;
  ForebayProcess server_;
  std::atomic<bool> over_{false};
  std::atomic<int> singles_{0};
  std::mutex mutex_;
  Complete complete_{};
  std::vector<int> doubtful_;  // rows of their own, of writes without an answer
  HistoryResult result_;
  std::string failure_;
};

}  // namespace

HistoryResult history_campaign(const std::string& folder, const HistoryOptions& options) {
  return Campaign(folder, options).run();
}

}  // namespace forebay::test
