#include "feed/mysql/admin.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "feed/mysql/checks.h"
#include "feed/mysql/followed.h"
#include "feed/mysql/server.h"
#include "source/mysql/address.h"

namespace forebay::feed::mysql {

using source::Call;
using source::mysql::Pool;

namespace {

// One look, on connections of its own.
struct Visit {
  explicit Visit(const config::Source& source, source::mysql::Address address)
      : pool(std::move(address), 1, source.connect_timeout),
        call({source.connect_timeout + source.timeout, nullptr}) {}
  Pool pool;
  const Call call;
};

Result<source::mysql::Address> address_of(const config::Source& source) {
  return source::mysql::parse_address(source.feed_url.empty() ? source.url : source.feed_url);
}

// "user@host" as a statement names an account.
std::string account(std::string_view text) {
  const std::size_t at = text.rfind('@');
  const auto quoted = [](std::string_view part) {
    std::string out = "'";
    for (const char c : part) out += c == '\'' ? "''" : std::string(1, c);
    return out + "'";
  };
  if (at == std::string_view::npos) return quoted(text);
  return quoted(text.substr(0, at)) + "@" + quoted(text.substr(at + 1));
}

void add_settings(const Settings& settings, bool mariadb, std::vector<std::string>& all) {
  if (!settings.is("log_bin", "ON"))
    all.emplace_back("-- log_bin = ON in the server's configuration, and a restart");
  if (!settings.is("binlog_format", "ROW")) all.emplace_back("SET GLOBAL binlog_format = ROW;");
  if (!settings.whole_rows()) all.emplace_back("SET GLOBAL binlog_row_image = FULL;");
  if (!settings["binlog_row_value_options"].empty())
    all.emplace_back("SET GLOBAL binlog_row_value_options = '';");
  if (settings.is("binlog_transaction_compression", "ON"))
    all.emplace_back("SET GLOBAL binlog_transaction_compression = OFF;");
  if (!mariadb && !settings.is("gtid_mode", "ON"))
    all.emplace_back("-- gtid_mode = ON and enforce_gtid_consistency = ON in the server's configuration");
}

}  // namespace

Result<std::vector<std::string>> check(const config::Source& source, std::span<const WatchedTable> tables) {
  auto address = address_of(source);
  if (!address) return std::move(address).error();
  Visit visit(source, std::move(*address));
  if (auto fit = check_server(visit.pool, visit.call); !fit) return std::move(fit).error();
  auto settings = ask_settings(visit.pool, visit.call);
  if (!settings) return std::move(settings).error().error;
  auto end = ask_end(visit.pool, visit.call);
  if (!end) return std::move(end).error();
  auto followed = look(visit.pool, tables, visit.call);
  if (!followed) return std::move(followed).error().error;
  auto notes = shortcomings(*followed, settings->whole_rows());
  std::ranges::move(left_out(*followed, end->only, end->without), std::back_inserter(notes));
  return notes;
}

Result<std::vector<std::string>> statements(const config::Source& source,
                                            std::span<const WatchedTable> /*tables*/) {
  auto address = address_of(source);
  if (!address) return std::move(address).error();
  Visit visit(source, std::move(*address));
  auto mariadb = is_mariadb(visit.pool, visit.call);
  if (!mariadb) return std::move(mariadb).error().error;
  auto settings = ask_settings(visit.pool, visit.call);
  if (!settings) return std::move(settings).error().error;
  std::vector<std::string> all;
  add_settings(*settings, *mariadb, all);
  auto who = visit.pool.ask("SELECT CURRENT_USER()", {}, visit.call);
  if (!who) return std::move(who).error().error;
  auto may = may_read(visit.pool, visit.call);
  if (!may) return std::move(may).error();
  const bool asks = ask_end(visit.pool, visit.call).has_value() || !settings->is("log_bin", "ON");
  if (!*may || !asks)
    all.push_back(fmt::format("GRANT REPLICATION SLAVE, {} ON *.* TO {};",
                              *mariadb ? "BINLOG MONITOR" : "REPLICATION CLIENT", account(who->cell(0, 0))));
  return all;
}

}  // namespace forebay::feed::mysql
