#include "cli/demo/second_act.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "cli/demo/own_postgres.h"
#include "cli/resp_client.h"
#include "config/reader.h"
#include "layer/open.h"
#include "server/server.h"

namespace forebay::cli::demo {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::seconds(20);

constexpr const char* kTables = R"(
CREATE TABLE members (id int PRIMARY KEY, name text, team int);
INSERT INTO members SELECT i, 'member ' || i, i % 10 FROM generate_series(1, 1000) i;
ALTER TABLE members REPLICA IDENTITY FULL;)";

constexpr const char* kConfiguration = R"toml(
[server]
resp = "127.0.0.1:0"
http = ""

[source.shop]
kind = "postgres"
url  = "{url}"
feed = "logical"             # follow the database's own log

[namespace.member]
key    = "member:{{id}}"
source = "shop"
table  = "members"

[namespace.team]
key    = "team:{{team}}"
source = "shop"
query  = "SELECT count(*)::text FROM members WHERE team = {{team}}"
type   = "text"
depends_on = ["members(team -> team)"]
)toml";

class Act {
 public:
  Act(Console& console, OwnPostgres& postgres) : console_(console), postgres_(postgres) {}

  Result<bool> play() {
    if (auto made = postgres_.psql(kTables); !made) return std::move(made).error();
    if (auto served = serve(); !served) return std::move(served).error();
    auto client = connect();
    if (!client) return std::move(client).error();
    auto near = connect();
    if (!near) return std::move(near).error();
    if (auto followed = wait_for_the_feed(*client); !followed) return std::move(followed).error();

    console_.paragraph(
        "Cached: a row, and two lists that a query makes. Another client keeps the row by itself (CLIENT "
        "TRACKING), as redis-py's, Lettuce's and rueidis' near caches do.",
        2);
    for (const auto& command : {std::array{"HELLO", "3", ""}, std::array{"CLIENT", "TRACKING", "ON"}}) {
      auto reply = *command[2] == 0 ? near->call({command[0], command[1]})
                                    : near->call({command[0], command[1], command[2]});
      if (!reply) return std::move(reply).error();
    }
    if (auto read = near->call({"GET", "member:7"}); !read) return std::move(read).error();
    show(*client, {"member:7", "team:7", "team:8", "team:9"});

    const char* const update = "UPDATE members SET team = 8 WHERE id = 7";
    console_.line(fmt::format("\n  psql> {};\n", update));
    if (auto done = postgres_.psql(update); !done) return std::move(done).error();
    const auto since = SteadyClock::now();
    const auto row = wait_until(*client, "member:7", "\"team\":8", since);
    const auto told = near->receive();
    const auto told_after = SteadyClock::now() - since;
    const auto left = wait_until(*client, "team:7", "99", since);
    const auto joined = wait_until(*client, "team:8", "101", since);
    show(*client, {"member:7", "team:7", "team:8", "team:9"});

    console_.line();
    claim(row.has_value(),
          fmt::format("The row is new, {} after psql had its answer, though nobody told Forebay.",
                      row ? in_words(*row) : "never"));
    claim(left && joined,
          "The list that the row left and the one that it joined are new; the third was not touched.");
    claim(told && told->kind == resp::ReplyKind::kPush && told_after < kPatience,
          "The client that kept the row was told to forget it.");
    return held_;
  }

 private:
  Result<void> serve() {
    const std::string text = fmt::format(fmt::runtime(kConfiguration), fmt::arg("url", postgres_.url()));
    auto model = config::read(text, "second act");
    if (!model) return std::move(model).error();
    auto layer = layer::open_layer(*model);
    if (!layer) return std::move(layer).error();
    layer_ = *std::move(layer);
    auto server = server::Server::open(model->server, *layer_);
    if (!server) return std::move(server).error();
    server_ = *std::move(server);
    server_->start();
    return {};
  }

  Result<RespClient> connect() const {
    return RespClient::connect("127.0.0.1", server_->resp_port(), kPatience);
  }

  // What is loaded before the feed is heard would be dropped again.
  static Result<void> wait_for_the_feed(RespClient& client) {
    const auto begin = SteadyClock::now();
    while (SteadyClock::now() - begin < kPatience) {
      const auto facts = client.call({"FOREBAY", "EXPLAIN", "member:7"});
      if (!facts) return facts.error();
      for (std::size_t i = 0; i + 1 < facts->children.size(); i += 2) {
        if (facts->children[i].text == "feed" && facts->children[i + 1].text.starts_with("heard")) return {};
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return Error{ErrorCode::kTimeout, "the feed was not heard within 20 s"};
  }

  void show(RespClient& client, std::initializer_list<std::string_view> keys) {
    for (const std::string_view key : keys) {
      const auto value = client.call({"GET", key});
      console_.line(fmt::format("  GET {:<9} {}", key, value ? value->text : value.error().message));
    }
  }

  // How long after `since` the key's value has this text in it; nothing: not within the demo's patience.
  static std::optional<SteadyClock::duration> wait_until(RespClient& client, std::string_view key,
                                                         std::string_view text,
                                                         SteadyClock::time_point since) {
    while (SteadyClock::now() - since < kPatience) {
      const auto value = client.call({"GET", key});
      if (value && value->text.find(text) != std::string::npos) return SteadyClock::now() - since;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    return std::nullopt;
  }

  void claim(bool held, std::string_view text) {
    held_ = held_ && held;
    console_.claim(held, text);
  }

  Console& console_;
  OwnPostgres& postgres_;
  bool held_ = true;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<server::Server> server_;
};

}  // namespace

Result<bool> second_act(Console& console, const std::function<bool()>& interrupted) {
  console.heading("Second act: the database's own log");
  const std::string programs = OwnPostgres::installed();
  if (programs.empty()) {
    console.paragraph("Not shown: no PostgreSQL is installed here (apt install postgresql).", 2);
    return true;
  }
  console.progress("  starting a PostgreSQL of its own");
  auto postgres = OwnPostgres::start(programs);
  if (!postgres) return std::move(postgres).error();
  if (interrupted()) return true;
  return Act(console, **postgres).play();
}

}  // namespace forebay::cli::demo
