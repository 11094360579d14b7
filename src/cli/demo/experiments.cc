// The experiments of the account that ask one question each (account.h).

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <latch>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "cli/demo/account.h"
#include "cli/demo/database.h"
#include "cli/resp_client.h"

namespace forebay::cli::demo {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::nanoseconds;

constexpr auto kPatience = std::chrono::seconds(30);

// Asks until the answer satisfies `enough` or `limit` has passed. Returns how long that took, or nothing.
template <class Ask>
std::optional<nanoseconds> wait_until(std::chrono::milliseconds limit, Ask enough) {
  const auto begin = SteadyClock::now();
  while (!enough()) {
    if (SteadyClock::now() - begin > limit) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return SteadyClock::now() - begin;
}

Result<RespClient> connect(const Laboratory& laboratory) {
  return RespClient::connect("127.0.0.1", laboratory.port, kPatience);
}

// A reply's text, with an error reply made an Error.
Result<std::string> text_of(Result<resp::Reply> reply) {
  if (!reply) return std::move(reply.error());
  if (reply->is_error()) return {ErrorCode::kInternal, "the server replied: " + reply->text};
  return std::move(reply->text);
}

struct Timed {
  std::string text;
  nanoseconds took{0};
};
Result<Timed> timed(RespClient& client, std::initializer_list<std::string_view> command) {
  const auto begin = SteadyClock::now();
  auto text = text_of(client.call(command));
  if (!text) return std::move(text.error());
  return Timed{*std::move(text), SteadyClock::now() - begin};
}

// One query straight at the database, as a program without a cache makes it.
Result<Timed> direct(const Laboratory& laboratory, std::string_view sql, std::string_view name) {
  auto database = Database::open(laboratory.database);
  if (!database) return std::move(database.error());
  auto statement = database->prepare(sql);
  if (!statement) return std::move(statement.error());
  const auto begin = SteadyClock::now();
  auto answer = statement->run({name});
  if (!answer) return std::move(answer.error());
  return Timed{answer->value_or(""), SteadyClock::now() - begin};
}

// A change by a program that knows nothing of Forebay: a connection of its own, one statement.
Result<void> change(const Laboratory& laboratory, const std::string& sql) {
  auto database = Database::open(laboratory.database);
  if (!database) return std::move(database.error());
  return database->execute(sql);
}

NamespaceStats stats_of(const Layer& layer, std::string_view name) {
  for (NamespaceStats& stats : layer.stats().namespaces) {
    if (stats.name == name) return std::move(stats);
  }
  return {};
}

// Two sockets a client, as the server is in this process too. Returns for how many clients there is room.
std::size_t room_for_clients(std::size_t wanted) {
  constexpr std::size_t kOthers = 300;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < 2 * wanted + kOthers && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2 * wanted + kOthers);
    ::setrlimit(RLIMIT_NOFILE, &limit);
    ::getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur <= kOthers ? 0 : std::min<std::size_t>(wanted, (limit.rlim_cur - kOthers) / 2);
}

// Lets every client ask for `key` at the same moment; returns their answers' common text.
Result<Timed> ask_together(std::vector<RespClient>& clients, std::string_view key) {
  constexpr std::size_t kThreads = 20;
  std::latch ready(kThreads);
  std::mutex mutex;
  std::optional<Error> error;
  std::optional<std::string> common;
  std::vector<std::thread> threads;
  const auto ask = [&](std::size_t first) {
    for (std::size_t i = first; i < clients.size(); i += kThreads) clients[i].append({"GET", key});
    ready.arrive_and_wait();
    // All are sent before the first answer is awaited: every client of every thread waits at the same time.
    for (std::size_t i = first; i < clients.size(); i += kThreads) {
      if (auto sent = clients[i].send(); !sent) {
        const std::lock_guard lock(mutex);
        error = std::move(sent.error());
        return;
      }
    }
    for (std::size_t i = first; i < clients.size(); i += kThreads) {
      auto text = text_of(clients[i].receive());
      const std::lock_guard lock(mutex);
      if (!text) {
        error = std::move(text.error());
      } else if (!common) {
        common = *std::move(text);
      } else if (*common != *text) {
        error = Error{ErrorCode::kInternal, "two clients got different answers for " + std::string(key)};
      }
    }
  };
  const auto begin = SteadyClock::now();
  for (std::size_t i = 0; i < kThreads; ++i) threads.emplace_back(ask, i);
  for (std::thread& thread : threads) thread.join();
  if (error) return *std::move(error);
  return Timed{common.value_or(""), SteadyClock::now() - begin};
}

}  // namespace

Result<void> stampede(Laboratory& laboratory) {
  constexpr std::size_t kClients = 1'000;
  // Expensive enough to show, and an answer that a thousand clients can be sent; the small catalogue has no
  // such package, so there it is the one that most others depend on.
  constexpr std::size_t kSmall = 5'000;
  const std::string_view package = laboratory.population.names().size() < kSmall ? "libc6" : "openssl";
  const std::string key = "rdepends:" + std::string(package);
  Console& console = laboratory.console;
  const std::size_t count = room_for_clients(kClients);
  console.heading(fmt::format("A stampede: {} clients at once on one cold key, {}", with_commas(count), key));
  if (count < kClients) console.paragraph("(Fewer than 1,000: this machine allows no more open files.)", 2);

  console.progress("  connecting");
  std::vector<RespClient> clients;
  for (std::size_t i = 0; i < count; ++i) {
    auto client = connect(laboratory);
    if (!client) return std::move(client.error());
    clients.push_back(*std::move(client));
  }
  if (auto dropped = text_of(clients.front().call({"DEL", key})); !dropped) return std::move(dropped.error());
  const auto alone = direct(laboratory, kReverseDependenciesQuery, package);
  if (!alone) return alone.error();

  console.progress("  asking");
  const SourceWork before = source_work(laboratory.layer);
  const auto together = ask_together(clients, key);
  if (!together) return together.error();
  const SourceWork work = source_work(laboratory.layer) - before;

  console.paragraph(
      fmt::format("All were answered within {} ({} bytes each). Without a cache that is {} queries of {} "
                  "each, {} of database work.",
                  in_words(together->took), with_commas(together->text.size()), with_commas(count),
                  in_words(alone->took), in_words(alone->took * static_cast<std::int64_t>(count))),
      2);
  laboratory.claim(work.calls == 1,
                   fmt::format("the database was asked {} time{}", work.calls, work.calls == 1 ? "" : "s"));
  laboratory.claim(together->text == alone->text, "every client got what the database says");
  return {};
}

Result<void> cold_batches(Laboratory& laboratory) {
  Console& console = laboratory.console;
  const auto& names = laboratory.population.names();
  const std::size_t cold = names.size() - laboratory.population.cold_begin();
  const std::size_t half = std::min<std::size_t>(500, cold / 2);
  console.heading(
      fmt::format("{} keys that nobody has read, in one MGET; {} others in one pipeline", half, half));
  auto client = connect(laboratory);
  if (!client) return std::move(client.error());

  std::vector<std::string> keys;
  for (std::size_t i = names.size() - 2 * half; i < names.size(); ++i) keys.push_back("package:" + names[i]);
  std::vector<std::string_view> mget{"MGET"};
  mget.insert(mget.end(), keys.begin(), keys.begin() + static_cast<std::ptrdiff_t>(half));

  SourceWork before = source_work(laboratory.layer);
  auto begin = SteadyClock::now();
  auto rows = client->call(mget);
  if (!rows) return std::move(rows.error());
  nanoseconds took = SteadyClock::now() - begin;
  SourceWork work = source_work(laboratory.layer) - before;
  const auto is_row = [](const resp::Reply& reply) { return reply.text.starts_with('{'); };
  const bool all_rows = rows->children.size() == half && std::ranges::all_of(rows->children, is_row);
  laboratory.claim(all_rows && work.calls <= 2,
                   fmt::format("MGET: {} rows from {} quer{}, in {}", rows->children.size(), work.calls,
                               work.calls == 1 ? "y" : "ies", in_words(took)));

  before = source_work(laboratory.layer);
  begin = SteadyClock::now();
  for (std::size_t i = half; i < keys.size(); ++i) client->append({"GET", keys[i]});
  if (auto sent = client->send(); !sent) return sent;
  std::size_t answered = 0;
  for (std::size_t i = half; i < keys.size(); ++i) {
    auto reply = client->receive();
    if (!reply) return std::move(reply.error());
    if (is_row(*reply)) ++answered;
  }
  took = SteadyClock::now() - begin;
  work = source_work(laboratory.layer) - before;
  // What the server finds in its socket at once shares a query: how often it looks is the scheduler's choice.
  const std::size_t most = std::max<std::size_t>(5, half / 10);
  laboratory.claim(answered == half && work.calls <= most,
                   fmt::format("pipeline: {} rows from {} quer{}, in {}", answered, work.calls,
                               work.calls == 1 ? "y" : "ies", in_words(took)));
  return {};
}

Result<void> stale_while_loading(Laboratory& laboratory) {
  Console& console = laboratory.console;
  console.heading("Stale instead of slow: impact:libc6, whose ttl is 1 s");
  auto client = connect(laboratory);
  if (!client) return std::move(client.error());
  const auto cold = timed(*client, {"GET", "impact:libc6"});
  if (!cold) return cold.error();

  console.progress("  waiting for it to become stale");
  const NamespaceStats before = stats_of(laboratory.layer, "impact");
  std::this_thread::sleep_for(std::chrono::milliseconds(1'100));
  const auto stale = timed(*client, {"GET", "impact:libc6"});
  if (!stale) return stale.error();
  const bool refreshed =
      wait_until(kPatience, [&] {
        return stats_of(laboratory.layer, "impact").refreshes > before.refreshes &&
               std::ranges::all_of(laboratory.layer.stats().sources,
                                   [](const SourceStats& stats) { return stats.in_flight == 0; });
      }).has_value();
  const NamespaceStats after = stats_of(laboratory.layer, "impact");
  laboratory.claim(
      after.stale == before.stale + 1 && stale->text == cold->text && refreshed,
      fmt::format("the query took its first reader {}; after its ttl the next one got the copy in {}, while "
                  "the query ran again behind it",
                  in_words(cold->took), in_words(stale->took)));
  return {};
}

Result<void> write_through(Laboratory& laboratory) {
  constexpr std::size_t kReaders = 50;
  constexpr std::string_view kNote = "a note that one client wrote";
  Console& console = laboratory.console;
  console.heading("A write through the cache: HSET package:curl note ...");
  std::vector<RespClient> readers;
  for (std::size_t i = 0; i < kReaders + 1; ++i) {
    auto client = connect(laboratory);
    if (!client) return std::move(client.error());
    if (auto row = text_of(client->call({"GET", "package:curl"})); !row) return std::move(row.error());
    readers.push_back(*std::move(client));
  }
  const auto written = timed(readers.back(), {"HSET", "package:curl", "note", kNote});
  if (!written) return written.error();
  std::size_t saw = 0;
  for (std::size_t i = 0; i < kReaders; ++i) {
    const auto row = text_of(readers[i].call({"GET", "package:curl"}));
    if (!row) return row.error();
    if (row->contains(kNote)) ++saw;
  }
  const auto stored = direct(laboratory, kPackageQuery, "curl");
  if (!stored) return stored.error();
  laboratory.claim(saw == kReaders, fmt::format("it took {}, and {} of {} other connections read it at once",
                                                in_words(written->took), saw, kReaders));
  laboratory.claim(stored->text.contains(kNote), "it is in the database");
  return {};
}

Result<void> changes_made_elsewhere(Laboratory& laboratory) {
  constexpr auto kLimit = std::chrono::seconds(1);
  Console& console = laboratory.console;
  console.heading("Changes made by another program, straight in the database file");
  auto client = connect(laboratory);
  if (!client) return std::move(client.error());

  struct Case {
    std::string key, sql, expected, what;
  };
  const Case cases[] = {
      {"package:curl",
       "UPDATE packages SET note = 'changed elsewhere', version_no = version_no + 1 WHERE name = 'curl'",
       "changed elsewhere", "an UPDATE of curl's row"},
      {"rdepends:openssl", "INSERT INTO depends VALUES ('forebay-demo', 'openssl', 'depends')",
       "\"forebay-demo\"", "a new row in depends"},
      {"rdepends:openssl", "DELETE FROM depends WHERE package = 'forebay-demo'", "[", "its deletion"},
  };
  for (const Case& one : cases) {
    if (auto cached = text_of(client->call({"GET", one.key})); !cached) return std::move(cached.error());
    if (auto done = change(laboratory, one.sql); !done) return done;
    const bool gone = one.expected == "[";
    std::optional<Error> error;
    const auto took = wait_until(kLimit, [&] {
      const auto text = text_of(client->call({"GET", one.key}));
      if (!text) error = text.error();
      return error || (gone ? !text->contains("\"forebay-demo\"") : text->contains(one.expected));
    });
    if (error) return *std::move(error);
    laboratory.claim(
        took.has_value(),
        took ? fmt::format("{}: readers of {} saw it after {}", one.what, one.key, in_words(*took))
             : fmt::format("{}: readers of {} did not see it within a second", one.what, one.key));
  }
  return {};
}

}  // namespace forebay::cli::demo
