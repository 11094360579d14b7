#include "source/postgres.h"

#include <fmt/format.h>
#include <libpq-fe.h>

#include <string>
#include <utility>
#include <vector>

#include "source/postgres/ledger.h"
#include "source/postgres/pool.h"
#include "source/postgres/query.h"
#include "source/postgres/shape.h"
#include "source/postgres/table.h"

namespace forebay::source {
namespace {

class PostgresSource final : public Source {
 public:
  explicit PostgresSource(const config::Source& settings)
      : name_(settings.name),
        opening_(settings.connect_timeout + settings.timeout),
        pool_(settings.url, settings.pool, settings.connect_timeout, settings.pooler) {}

  std::size_t concurrency() const override { return pool_.size(); }

  Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) override {
    pool_.tables_may_have_changed();
    const Call call({.timeout = opening_, .cancel = nullptr});
    return spec.table.empty() ? postgres::open_query(pool_, name_, spec, call)
                              : postgres::open_table(pool_, name_, spec, call);
  }

  Result<std::vector<KnownTable>> known_tables(std::span<const std::string> names,
                                               const CallContext& context) override {
    std::vector<TableName> parsed;
    for (const std::string& name : names) {
      parsed.push_back(parse_table_name(name).value_or(TableName{{}, name}));
    }
    auto known = postgres::known_tables(pool_, parsed, Call(context));
    if (!known) return postgres::located(known.error(), fmt::format("source {}", name_));
    return std::move(*known);
  }

  Result<void> ping(const CallContext& context) override {
    const Call call(context);
    auto answered =
        pool_.read(call, [&](postgres::Connection& connection) { return connection.command("", call); });
    if (!answered) return postgres::located(answered.error(), fmt::format("source {}", name_));
    return {};
  }

  Result<bool> has_ended(std::uint64_t transaction, const CallContext& context) override {
    const Call call(context);
    const std::vector<OptionalText> number = {std::to_string(transaction)};
    // txid_status() rather than pg_xact_status(), as PostgreSQL 12 has only that. NULL: too old to be known.
    auto rows = pool_.read(call, [&](postgres::Connection& connection) {
      return connection.execute("SELECT pg_catalog.txid_status($1::pg_catalog.int8)", number, call);
    });
    if (rows) return postgres::cell(*rows, 0, 0) != "in progress";
    // A number from the future: after a failover that transaction is gone.
    if (rows.error().sqlstate == "22023") return true;
    return postgres::located(rows.error(), fmt::format("source {}", name_));
  }

  std::unique_ptr<Ledger> ledger() override { return postgres::ledger_of(pool_, name_); }

 private:
  const std::string name_;
  const std::chrono::milliseconds opening_;
  postgres::Pool pool_;
};

}  // namespace

Result<std::shared_ptr<Source>> open_postgres(const config::Source& settings) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kConfig, fmt::format("source {}: {}", settings.name, what)};
  };
  if (settings.url.empty()) return wrong("a PostgreSQL source needs a url");
  // libpq's own message is not passed on: it quotes the text, which may hold a password.
  char* message = nullptr;
  PQconninfoOption* options = PQconninfoParse(settings.url.c_str(), &message);
  PQfreemem(message);
  if (options == nullptr)
    return wrong("its url is neither a postgresql:// URI nor a connection string of libpq");
  PQconninfoFree(options);
  return std::make_shared<PostgresSource>(settings);
}

}  // namespace forebay::source
