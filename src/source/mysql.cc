#include "source/mysql.h"

#include <fmt/format.h>

#include <charconv>
#include <string>
#include <utility>
#include <vector>

#include "source/mysql/address.h"
#include "source/mysql/catalog.h"
#include "source/mysql/ledger.h"
#include "source/mysql/pool.h"
#include "source/mysql/query.h"
#include "source/mysql/table.h"

namespace forebay::source {
namespace {

using mysql::Outcome;
using mysql::Rows;

std::uint64_t number_in(const Rows& rows, std::size_t column) {
  std::uint64_t number = 0;
  if (rows.count() == 0) return number;
  const std::string_view text = rows.cell(0, column);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

class MysqlSource final : public Source {
 public:
  MysqlSource(const config::Source& settings, mysql::Address address)
      : name_(settings.name),
        opening_(settings.connect_timeout + settings.timeout),
        pool_(std::move(address), settings.pool, settings.connect_timeout) {}

  std::size_t concurrency() const override { return pool_.size(); }

  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    pool_.tables_may_have_changed();
    const Call call({.timeout = opening_, .cancel = nullptr});
    auto opened = spec.table.empty() ? mysql::open_query(pool_, name_, spec, call)
                                     : mysql::open_table(pool_, name_, spec, call);
    // Refused by the database now: the configuration doesn't fit it.
    if (!opened && opened.error().code == ErrorCode::kRefused) {
      Error error = std::move(opened).error();
      error.code = ErrorCode::kConfig;
      return error;
    }
    return opened;
  }

  Result<std::vector<KnownTable>> known_tables(std::span<const std::string> names,
                                               const CallContext& context) override {
    std::vector<TableName> parsed;
    for (const std::string& name : names)
      parsed.push_back(parse_table_name(name).value_or(TableName{{}, name}));
    auto known = mysql::known_tables(pool_, parsed, Call(context));
    if (!known) return wrong(known.error());
    return std::move(*known);
  }

  Result<void> ping(const CallContext& context) override {
    const Call call(context);
    auto answered = pool_.ask("SELECT 1", {}, call);
    if (!answered) return wrong(answered.error());
    return {};
  }

  // A session is in the process list until its COMMIT is done, whoever waits for it. Of a number that was given
  // before the server's last start there is none any more.
  Result<bool> has_ended(std::uint64_t transaction, const CallContext& context) override {
    const Call call(context);
    auto uptime = pool_.ask("SHOW GLOBAL STATUS LIKE 'Uptime'", {}, call);
    if (!uptime) return wrong(uptime.error());
    const mysql::Parameter session[] = {transaction & 0xffff'ffff};
    auto found = pool_.ask(
        "SELECT UNIX_TIMESTAMP(), (SELECT COUNT(*) FROM information_schema.processlist WHERE id = ?)",
        session, call);
    if (!found) return wrong(found.error());
    const std::uint64_t started = number_in(*found, 0) - number_in(*uptime, 1);
    // Both are rounded to seconds.
    const bool restarted = started > (transaction >> 32) + 1;
    return restarted || number_in(*found, 1) == 0;
  }

  std::unique_ptr<Ledger> ledger() override { return mysql::ledger_of(pool_, name_); }

 private:
  Error wrong(const mysql::Failure& failure) const {
    return mysql::located(failure, fmt::format("source {}", name_));
  }

  const std::string name_;
  const std::chrono::milliseconds opening_;
  mysql::Pool pool_;
};

}  // namespace

Result<std::shared_ptr<Source>> open_mysql(const config::Source& settings) {
  auto address = mysql::parse_address(settings.url);
  if (!address) return mysql::located(address.error(), fmt::format("source {}", settings.name));
  return std::make_shared<MysqlSource>(settings, std::move(*address));
}

}  // namespace forebay::source
