// PostgreSQL under the contract that every database keeps.

#include "contract/source_contract.h"
#include "source/postgres.h"
#include "support/postgres_server.h"

namespace forebay {
namespace {

class Postgres final : public SourceUnderTest {
 public:
  explicit Postgres(std::shared_ptr<Source> source) : source_(std::move(source)) {}

  Source& source() override { return *source_; }
  void execute(const std::string& sql) override { test::PostgresServer::shared().exec(sql); }
  std::string ask(const std::string& sql) override {
    const std::string column = test::PostgresServer::shared().exec(sql);
    return column.substr(0, column.find('\n'));
  }
  std::string bytes_type() const override { return "bytea"; }
  std::string bytes_literal(const std::string& hex) const override { return "'\\x" + hex + "'"; }
  std::string json_type() const override { return "jsonb"; }
  std::string json_list(const std::string& expression) const override {
    return "json_agg(" + expression + ")";
  }
  std::string endless_query() const override { return "SELECT pg_sleep(60), {name}::text AS name"; }
  bool stores_nul() const override { return false; }
  std::vector<Columns> columns_of_all_types() const override {
    return {{"",
             {"smallint", "integer", "bigint", "oid", "numeric", "numeric(12,2)", "real", "float8", "boolean",
              "text", "char(40)", "varchar(40)", "bytea", "uuid", "json"}},
            {"", {"jsonb"}},
            {"", {"text[]"}},
            {"", {"integer[]", "boolean[]", "float8[]", "numeric[]", "json[]"}},
            {"", {"timestamp", "timestamptz", "time", "interval", "inet"}}};
  }
  std::vector<std::string> types_of_keys() const override {
    return {"integer", "bigint",   "numeric", "float8", "boolean",
            "text",    "char(40)", "bytea",   "uuid",   "timestamp"};
  }
  bool spells_alone(const std::string& type, const std::string& text) const override {
    const auto is = [&](std::string_view begin) { return type.starts_with(begin); };
    if (is("timestamp") || is("time") || is("interval") || is("inet") || is("jsonb")) return true;
    const bool exponent = text.find_first_of("eE") != std::string::npos;
    return is("numeric(") || (is("numeric") && exponent);
  }

 private:
  std::shared_ptr<Source> source_;
};

std::unique_ptr<SourceUnderTest> make_postgres_under_test() {
  config::Source settings;
  settings.name = "db";
  settings.kind = "postgres";
  settings.url = test::PostgresServer::shared().url();
  settings.timeout = settings.connect_timeout = std::chrono::seconds(30);
  auto source = source::open_postgres(settings);
  if (!source) return nullptr;
  return std::make_unique<Postgres>(std::move(*source));
}

INSTANTIATE_TEST_SUITE_P(Postgres, SourceContract, testing::Values(&make_postgres_under_test));
INSTANTIATE_TEST_SUITE_P(Postgres, SourceBatches, testing::Values(&make_postgres_under_test));
INSTANTIATE_TEST_SUITE_P(Postgres, SourceOwners, testing::Values(&make_postgres_under_test));
INSTANTIATE_TEST_SUITE_P(Postgres, SourceSpelling, testing::Values(&make_postgres_under_test));

}  // namespace
}  // namespace forebay
