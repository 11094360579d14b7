#include "feed/mysql/checks.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "feed/mysql/server.h"
#include "source/mysql/catalog.h"

namespace forebay::feed::mysql {

using source::Call;
using source::mysql::Pool;

namespace {

// Reading the log as a replica does: an account without this right may still ask where the log ends.
bool may_read_log(const source::mysql::Rows& grants) {
  for (std::size_t i = 0; i < grants.count(); ++i) {
    const std::string_view grant = grants.cell(i, 0);
    if (!grant.contains(" ON *.* ")) continue;
    if (grant.contains("REPLICATION SLAVE") || grant.contains("REPLICATION REPLICA") ||
        grant.starts_with("GRANT ALL PRIVILEGES"))
      return true;
  }
  return false;
}

std::set<std::string, std::less<>> listed(std::string_view text) {
  std::set<std::string, std::less<>> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    names.emplace(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

}  // namespace

Result<bool> may_read(Pool& pool, const Call& call) {
  auto grants = pool.ask("SHOW GRANTS", {}, call);
  if (!grants) return std::move(grants).error().error;
  const bool roles = grants->count() > 0 && !grants->cell(0, 0).contains(" ON ");
  return roles || may_read_log(*grants);
}

Result<void> check_server(Pool& pool, const Call& call) {
  auto mariadb = is_mariadb(pool, call);
  if (!mariadb) return std::move(mariadb).error().error;
  auto settings = ask_settings(pool, call);
  if (!settings) return std::move(settings).error().error;
  if (auto fit = check_settings(*settings, *mariadb); !fit) return fit;
  auto end = ask_end(pool, call);
  if (!end) return std::move(end).error();
  auto may = may_read(pool, call);
  if (!may) return std::move(may).error();
  if (!*may)
    return Error{
        ErrorCode::kConfig,
        "the account may not read the binary log: GRANT REPLICATION SLAVE ON *.* TO it; `forebay feed "
        "sql FILE` prints the statement"};
  return {};
}

std::vector<std::string> left_out(const Followed& followed, std::string_view only, std::string_view without) {
  std::vector<std::string> all;
  const auto logged = listed(only);
  const auto unlogged = listed(without);
  for (const auto& [place, table] : followed.tables) {
    const bool out = (!logged.empty() && !logged.contains(table.schema)) || unlogged.contains(table.schema);
    if (out && table.watched)
      all.push_back(fmt::format(
          "changes of {} are not in the server's log (binlog_do_db, binlog_ignore_db): they are not heard of",
          source::mysql::quoted(source::TableName{table.schema, table.name})));
  }
  return all;
}

}  // namespace forebay::feed::mysql
