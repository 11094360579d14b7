#include "campaign/crash_campaign.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "cli/resp_client.h"
#include "journal/log_file.h"
#include "support/eventually.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::test {
namespace {

using cli::RespClient;
using namespace std::chrono_literals;

constexpr std::size_t kCounters = 8;
constexpr std::size_t kTexts = 6;  // of each writer
constexpr std::size_t kRows = 4;
constexpr std::size_t kPipeline = 24;
constexpr std::array<const char*, 3> kColumns = {"a", "b", "c"};
constexpr const char* kTables[] = {
    "CREATE TABLE counters(id text PRIMARY KEY, n bigint NOT NULL)",
    "CREATE TABLE texts(id text PRIMARY KEY, v text)",
    "CREATE TABLE people(id text PRIMARY KEY, a text, b text, c text)",
};

// ---- What a writer knows of its keys.

struct Row {
  std::map<std::string, std::string> columns;
  bool operator==(const Row&) const = default;
};
using State = std::optional<Row>;  // a text is a row of one column

struct Change {
  std::string column;  // empty: the row goes
  std::string text;
};

void take(State& state, const Change& change) {
  if (change.column.empty()) return state.reset();
  if (!state) state.emplace();
  state->columns[change.column] = change.text;
}

std::string in_words(const State& state) {
  if (!state) return "(none)";
  std::string text;
  for (const auto& [column, value] : state->columns) text += fmt::format("{}={} ", column, value);
  return text;
}

struct Own {
  State state;                // what was acknowledged
  std::deque<Change> unsure;  // without an answer, in order
};

struct Shared {
  std::uint64_t acknowledged = 0;
  std::uint64_t unsure = 0;
};

enum class Kind : std::uint8_t { kCounter, kText, kRow };

struct Sent {
  Kind kind{};
  std::size_t index = 0;
  Change change;
  std::vector<std::string> command;
};

// What main thread and writers share.
struct Field {
  std::atomic<bool> stop = false;
  std::atomic<std::uint64_t> acknowledged = 0;
  std::atomic<std::uint64_t> refused = 0;
  std::atomic<std::uint64_t> unanswered = 0;
  std::atomic<std::uint64_t> kept = 0;
  std::mutex mutex;
  std::vector<std::string> violations;

  void violation(std::string what) {
    const std::lock_guard lock(mutex);
    if (violations.size() < 100) violations.push_back(std::move(what));
  }
  std::size_t violated() {
    const std::lock_guard lock(mutex);
    return violations.size();
  }
};

class Writer {
 public:
  Writer(std::size_t number, std::uint64_t seed, std::uint16_t port, bool repeats, Field& field)
      : number_(number), random_(seed), port_(port), repeats_(repeats), field_(field) {}

  // Until the field says stop; then with nothing unsure left, if the server allows.
  void run() {
    while (!field_.stop) {
      std::optional<RespClient> client;
      // While the server, or the database that settling asks, is being started again.
      eventually(
          [&] {
            auto fresh = RespClient::connect("127.0.0.1", port_, 30s);
            if (fresh && settle(*fresh)) client.emplace(std::move(*fresh));
            return client.has_value() || field_.stop;
          },
          60s);
      while (client && !field_.stop && round(*client)) {
      }
    }
    eventually([&] {
      auto client = RespClient::connect("127.0.0.1", port_, 30s);
      return client && settle(*client);
    });
    if (!in_doubt_.empty()) {
      field_.violation(fmt::format("writer {}: {} writes can't be repeated, the first is {}", number_,
                                   in_doubt_.size(), fmt::join(in_doubt_.front().command, " ")));
    }
  }

  std::string text_key(std::size_t index) const { return fmt::format("w{}-{}", number_, index); }
  const std::array<Own, kTexts>& texts() const { return texts_; }
  const std::array<Own, kRows>& rows() const { return rows_; }
  const std::array<Shared, kCounters>& counters() const { return counters_; }

 private:
  std::uint64_t unit() const { return std::uint64_t{1} << (16 * number_); }
  std::uint64_t mine(std::int64_t value) const {
    return (static_cast<std::uint64_t>(value) >> (16 * number_)) & 0xffff;
  }
  std::size_t any(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

  Sent choose(RespClient& client) {
    Sent sent;
    const std::size_t kind = any(10);
    if (kind < 5) {
      sent.kind = Kind::kCounter;
      sent.index = any(kCounters);
      sent.command = {"INCRBY", fmt::format("count:c{}", sent.index), std::to_string(unit())};
      return send_on(client, std::move(sent));
    }
    sent.change.text = fmt::format("{}", ++numbered_);
    if (kind < 8) {
      sent.kind = Kind::kText;
      sent.index = any(kTexts);
      sent.change.column = "v";
      sent.command = {"SET", "text:" + text_key(sent.index), sent.change.text};
      return send_on(client, std::move(sent));
    }
    sent.kind = Kind::kRow;
    sent.index = any(kRows);
    const std::string key = "row:" + text_key(sent.index);
    if (any(6) == 0) {
      sent.command = {"FOREBAY", "REMOVE", key};
    } else {
      sent.change.column = kColumns.at(any(kColumns.size()));
      sent.command = {"HSET", key, sent.change.column, sent.change.text};
    }
    return send_on(client, std::move(sent));
  }

  Sent send_on(RespClient& client, Sent sent) {
    if (repeats_) {
      const std::vector<std::string> once = {"FOREBAY", "ONCE", fmt::format("w{}-{}", number_, ++ids_)};
      sent.command.insert(sent.command.begin(), once.begin(), once.end());
    }
    append(client, sent);
    return sent;
  }
  static void append(RespClient& client, const Sent& sent) {
    const std::vector<std::string_view> views(sent.command.begin(), sent.command.end());
    client.append(views);
  }

  Own& own(const Sent& sent) {
    return sent.kind == Kind::kText ? texts_.at(sent.index) : rows_.at(sent.index);
  }

  void unsure(const Sent& sent) {
    ++field_.unanswered;
    if (repeats_) return in_doubt_.push_back(sent);
    if (sent.kind == Kind::kCounter) {
      ++counters_.at(sent.index).unsure;
    } else {
      own(sent).unsure.push_back(sent.change);
    }
  }

  void acknowledged(const Sent& sent, const resp::Reply& reply) {
    ++field_.acknowledged;
    if (sent.kind != Kind::kCounter) return take(own(sent).state, sent.change);
    Shared& counter = counters_.at(sent.index);
    ++counter.acknowledged;
    if (counter.unsure == 0 && mine(reply.integer) != counter.acknowledged) {
      field_.violation(fmt::format("writer {}: INCRBY count:c{} answered {} of its increments instead of {}",
                                   number_, sent.index, mine(reply.integer), counter.acknowledged));
    }
  }

  // Sends some writes and takes the replies; false: the connection broke.
  bool round(RespClient& client) {
    const std::size_t count = 1 + any(kPipeline);
    std::vector<Sent> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(choose(client));
    std::size_t answered = 0;
    bool alive = client.send().has_value();
    while (alive && answered < count) {
      auto reply = client.receive();
      if (!reply) {
        alive = false;
        break;
      }
      const Sent& sent = all[answered++];
      if (!reply->is_error()) {
        acknowledged(sent, *reply);
      } else if (reply->text.starts_with("UNKNOWNOUTCOME") || reply->text.starts_with("CANCELLED")) {
        unsure(sent);
        alive = false;  // settle() finds out
      } else {
        ++field_.refused;
      }
    }
    for (; answered < count; ++answered) unsure(all[answered]);
    return alive;
  }

  // Reads every key with writes of which nobody knows; false: the connection broke or the source is away.
  bool settle(RespClient& client) {
    while (!in_doubt_.empty()) {
      const Sent& sent = in_doubt_.front();
      append(client, sent);
      if (!client.send()) return false;
      const auto reply = client.receive();
      if (!reply || reply->is_error()) return false;
      acknowledged(sent, *reply);
      in_doubt_.pop_front();
    }
    for (std::size_t i = 0; i < kCounters; ++i) {
      Shared& counter = counters_.at(i);
      if (counter.unsure == 0) continue;
      const auto reply = client.call({"GET", fmt::format("count:c{}", i)});
      if (!reply || reply->is_error()) return false;
      const std::uint64_t there = reply->text.empty() ? 0 : mine(std::stoll(reply->text));
      if (there < counter.acknowledged || there > counter.acknowledged + counter.unsure) {
        field_.violation(fmt::format(
            "writer {}: count:c{} holds {} of its increments; {} were acknowledged, {} unanswered", number_,
            i, there, counter.acknowledged, counter.unsure));
      }
      if (there > counter.acknowledged) field_.kept += there - counter.acknowledged;
      counter = {there, 0};
    }
    for (std::size_t i = 0; i < kTexts; ++i) {
      if (texts_.at(i).unsure.empty()) continue;
      const auto reply = client.call({"GET", "text:" + text_key(i)});
      if (!reply || reply->is_error()) return false;
      State there;
      if (reply->kind != resp::ReplyKind::kNull) there = Row{{{"v", reply->text}}};
      settle(texts_.at(i), there, "text:" + text_key(i));
    }
    for (std::size_t i = 0; i < kRows; ++i) {
      if (rows_.at(i).unsure.empty()) continue;
      const auto reply = client.call({"HGETALL", "row:" + text_key(i)});
      if (!reply || reply->is_error()) return false;
      State there;
      for (std::size_t at = 0; at + 1 < reply->children.size(); at += 2) {
        if (!there) there.emplace();
        if (reply->children[at].text != "id")
          there->columns[reply->children[at].text] = reply->children[at + 1].text;
      }
      settle(rows_.at(i), there, "row:" + text_key(i));
    }
    return true;
  }

  void settle(Own& own, const State& there, const std::string& key) {
    State state = own.state;
    std::vector<std::string> possible = {in_words(state)};
    bool found = state == there;
    std::size_t kept = 0;
    for (std::size_t i = 0; i < own.unsure.size(); ++i) {
      take(state, own.unsure[i]);
      possible.push_back(in_words(state));
      if (state == there) {
        found = true;
        kept = i + 1;
      }
    }
    if (!found) {
      field_.violation(fmt::format("writer {}: {} is {} but should be one of {}", number_, key,
                                   in_words(there), fmt::join(possible, " | ")));
    }
    field_.kept += kept;
    own.state = there;
    own.unsure.clear();
  }

  const std::size_t number_;
  std::mt19937_64 random_;
  const std::uint16_t port_;
  const bool repeats_;
  Field& field_;
  std::uint64_t numbered_ = 0;
  std::uint64_t ids_ = 0;
  std::deque<Sent> in_doubt_;  // to be repeated
  std::array<Shared, kCounters> counters_;
  std::array<Own, kTexts> texts_;
  std::array<Own, kRows> rows_;
};

// ---- The server.

std::string configuration(const RealDatabase& database, const std::string& folder, std::uint16_t port,
                          const std::string& durability) {
  std::string toml = fmt::format(
      "[server]\nresp = \"127.0.0.1:{}\"\nhttp = \"\"\n[memory]\nlimit = \"16MiB\"\n"
      "[journal]\npath = '{}/journal'\n[source.db]\n{}timeout = \"5s\"\n",
      port, folder, database.source());
  const auto space = [&](const char* name, const char* table, const char* more) {
    toml += fmt::format(
        "[namespace.{0}]\nkey = \"{0}:{{id}}\"\nsource = \"db\"\ntable = \"{1}\"\n{2}write = \"behind\"\n"
        "flush = {{ every = \"20ms\", batch = 100 }}\ndurability = \"{3}\"\n",
        name, table, more, durability);
  };
  space("count", "counters", "type = \"counter\"\nvalue = \"n\"\n");
  space("text", "texts", "type = \"text\"\nvalue = \"v\"\n");
  space("row", "people", "");
  return toml;
}

class Server {
 public:
  Server(std::string folder, std::uint16_t port) : folder_(std::move(folder)), port_(port) {}

  void start() {
    process_ = Process({(binary_dir() / "forebay").string(), "serve", folder_ + "/forebay.toml"},
                       {.output = folder_ + "/log"});
    const bool up = eventually(
        [&] {
          if (!process_.running()) return true;
          auto client = RespClient::connect("127.0.0.1", port_, 1s);
          return client && client->call({"PING"}).has_value();
        },
        60s);
    if (!up || !process_.running()) throw std::runtime_error("the server did not start:\n" + log());
  }
  void kill() { process_.stop(SIGKILL); }
  std::optional<int> terminate() { return process_.stop(SIGTERM, 60s); }
  std::string log() const {
    std::ifstream file(folder_ + "/log");
    std::stringstream text;
    text << file.rdbuf();
    const std::string all = text.str();
    return all.size() > 4000 ? all.substr(all.size() - 4000) : all;
  }

 private:
  const std::string folder_;
  const std::uint16_t port_;
  Process process_;
};

// How far the ledger has come, in all lanes together.
std::string position(RealDatabase& database) {
  try {
    return database.ask("SELECT coalesce(sum(last_seq), 0) AS s FROM forebay_applied");
  } catch (const std::runtime_error&) {
    return "";
  }
}

// The journal as it was left. Looks at a copy: opening the file itself would recover it.
std::optional<journal::LogFile::Content> left_behind(const std::string& folder) {
  const TempDir copy;
  for (const char* name : {"journal.db", "journal.db-wal"}) {
    std::error_code ignored;
    std::filesystem::copy_file(folder + "/journal/" + name, copy / name, ignored);
  }
  journal::LogFile::Content content;
  if (!journal::LogFile::open((copy / "journal.db").string(), nullptr, 1, content)) return std::nullopt;
  return content;
}

// Whether the database has writes that the journal holds.
bool holds_applied(RealDatabase& database, const journal::LogFile::Content& journal) {
  try {
    const std::string lanes = database.ask("SELECT lane, last_seq FROM forebay_applied");
    std::stringstream lines(lanes);
    for (std::string line; std::getline(lines, line);) {
      const auto bar = line.find('|');
      const auto lane = std::stoul(line.substr(0, bar));
      const auto last = std::stoull(line.substr(bar + 1));
      for (const journal::Op& op : journal.ops) {
        if (op.lane == lane && op.seq <= last) return true;
      }
    }
  } catch (const std::runtime_error&) {
  }
  return false;
}

void forget_ledger(RealDatabase& database, const journal::LogFile::Content& journal) {
  for (std::uint32_t lane = 0; lane < journal.lanes; ++lane) {
    std::uint64_t known = journal.trimmed;
    for (const journal::Applied& applied : journal.applied) {
      if (applied.lane == lane) known = applied.seq;
    }
    database.run(fmt::format("UPDATE forebay_applied SET last_seq = {} WHERE lane = {}", known, lane));
  }
}

// The database's own tables beside what the writers know.
void compare(RealDatabase& database, const std::vector<std::unique_ptr<Writer>>& writers, Field& field) {
  const auto rows = [&](const std::string& sql) {
    std::map<std::string, std::vector<std::string>> all;
    std::stringstream lines(database.ask(sql));
    for (std::string line; std::getline(lines, line);) {
      std::vector<std::string> cells(1);
      for (const char c : line) {
        if (c == '|') {
          cells.emplace_back();
        } else {
          cells.back() += c;
        }
      }
      all[cells[0]] = {cells.begin() + 1, cells.end()};
    }
    return all;
  };
  auto counters = rows("SELECT id, n FROM counters");
  for (std::size_t i = 0; i < kCounters; ++i) {
    std::uint64_t expected = 0;
    for (std::size_t w = 0; w < writers.size(); ++w) {
      expected += writers[w]->counters().at(i).acknowledged << (16 * w);
    }
    const auto& found = counters[fmt::format("c{}", i)];
    const std::string there = found.empty() ? "0" : found[0];
    if (there != std::to_string(expected)) {
      field.violation(fmt::format("the database's counter c{} is {:#x}, the writers' sum {:#x}", i,
                                  std::stoull(there), expected));
    }
  }
  auto texts = rows("SELECT id, v FROM texts");
  auto people = rows("SELECT id, coalesce(a, ''), coalesce(b, ''), coalesce(c, '') FROM people");
  const auto check = [&](const Own& own, const std::string& key, const State& there) {
    if (own.unsure.empty() && own.state != there) {
      field.violation(
          fmt::format("the database's {} is {}, last written {}", key, in_words(there), in_words(own.state)));
    }
  };
  for (const auto& writer : writers) {
    for (std::size_t i = 0; i < kTexts; ++i) {
      const auto found = texts.find(writer->text_key(i));
      check(writer->texts().at(i), "text " + writer->text_key(i),
            found == texts.end() ? State() : State(Row{{{"v", found->second[0]}}}));
    }
    for (std::size_t i = 0; i < kRows; ++i) {
      const auto found = people.find(writer->text_key(i));
      State there;
      if (found != people.end()) {
        there.emplace();
        for (std::size_t c = 0; c < kColumns.size(); ++c) {
          if (!found->second[c].empty()) there->columns[kColumns.at(c)] = found->second[c];
        }
      }
      check(writer->rows().at(i), "row " + writer->text_key(i), there);
    }
  }
  const std::string dead = database.ask("SELECT count(*) AS n FROM forebay_dead");
  if (dead != "0") field.violation(dead + " dead letters, where every write was good");
}

}  // namespace

CampaignResult crash_campaign(RealDatabase& database, const std::string& folder,
                              const CampaignOptions& options) {
  if (options.writers < 1 || options.writers > 4) throw std::runtime_error("1 to 4 writers");
  for (const char* table : kTables) database.run(table);
  const std::uint16_t port = free_port();
  std::ofstream(folder + "/forebay.toml") << configuration(database, folder, port, options.durability);
  Server server(folder, port);
  server.start();

  Field field;
  std::mt19937_64 random(options.seed);
  std::vector<std::unique_ptr<Writer>> writers;
  for (std::size_t i = 0; i < options.writers; ++i) {
    writers.push_back(std::make_unique<Writer>(i, random(), port, options.repeats, field));
  }
  CampaignResult result;
  {
    std::vector<std::jthread> threads;
    for (const auto& writer : writers) threads.emplace_back([&] { writer->run(); });
    // Whatever is thrown below, the writers' threads end.
    struct Stop {
      Field& field;
      ~Stop() { field.stop = true; }
    } const stop{field};

    for (; result.kills < options.kills; ++result.kills) {
      if (options.until_violation && field.violated() > 0) break;
      const bool outage =
          database.stops() && options.stops_every > 0 && result.kills % options.stops_every == 2;
      const std::uint64_t target =
          field.acknowledged + std::uniform_int_distribution<std::uint64_t>(1, options.acks)(random);
      if (outage) {
        database.stop();
        ++result.stops;
      }
      // Without the database only what needs no load goes on; that is enough to have something pending.
      const bool reached = eventually([&] { return field.acknowledged >= target; }, outage ? 500ms : 60s);
      if (!reached && !outage)
        throw std::runtime_error("no writes are acknowledged any more:\n" + server.log());
      if (!outage && random() % 2 == 0) {
        const std::string before = position(database);
        const auto end = std::chrono::steady_clock::now() + 5s;
        while (position(database) == before && std::chrono::steady_clock::now() < end) {
        }
      }
      server.kill();
      if (outage && random() % 2 == 0) {
        server.start();  // without its database
        eventually([&] { return field.acknowledged >= target + 10; }, 200ms);
        server.kill();
        ++result.kills;
      }
      if (outage) database.start();
      if (const auto journal = left_behind(folder)) {
        if (holds_applied(database, *journal)) ++result.kills_before_trim;
        if (options.without_ledger) forget_ledger(database, *journal);
      }
      server.start();
      options.progress(fmt::format("{} of {} kills, {} writes acknowledged, {} violations", result.kills + 1,
                                   options.kills, field.acknowledged.load(), field.violated()));
    }
  }
  {
    auto client = RespClient::connect("127.0.0.1", port, 120s);
    if (!client) throw std::runtime_error(client.error().message);
    const auto drained = client->call({"FOREBAY", "DRAIN", "60000"});
    if (!drained || drained->is_error()) {
      throw std::runtime_error("FOREBAY DRAIN: " + (drained ? drained->text : drained.error().message));
    }
  }
  compare(database, writers, field);
  if (const auto status = server.terminate(); status != 0) {
    field.violation(fmt::format("the server ended with status {}", status.value_or(-1)));
  }
  result.acknowledged = field.acknowledged;
  result.refused = field.refused;
  result.unanswered = field.unanswered;
  result.kept_unanswered = field.kept;
  result.violations = field.violations;
  return result;
}

}  // namespace forebay::test
