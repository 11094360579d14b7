// MariaDB under the contract that every database keeps.

#include "contract/source_contract.h"
#include "source/mysql.h"
#include "support/mariadb_server.h"

namespace forebay {
namespace {

class Mysql final : public SourceUnderTest {
 public:
  explicit Mysql(std::shared_ptr<Source> source) : source_(std::move(source)) {}

  Source& source() override { return *source_; }
  void execute(const std::string& sql) override { test::MariadbServer::shared().exec(sql); }
  std::string ask(const std::string& sql) override {
    const std::string column = test::MariadbServer::shared().exec(sql);
    return column.substr(0, column.find('\n'));
  }
  std::string bytes_type() const override { return "longblob"; }
  std::string bytes_literal(const std::string& hex) const override { return "X'" + hex + "'"; }
  std::string json_type() const override { return "json"; }
  std::string json_list(const std::string& expression) const override {
    return "json_arrayagg(" + expression + ")";
  }
  std::string endless_query() const override { return "SELECT SLEEP(60) AS slept, {name} AS name"; }
  bool stores_nul() const override { return true; }
  std::string key_type() const override { return "varchar(300)"; }
  std::size_t key_max() const override { return 300; }
  std::string exact_type() const override { return "decimal(12,2)"; }
  std::string long_text_type() const override { return "longtext"; }
  bool defers_foreign_keys() const override { return false; }
  std::size_t json_depth() const override { return 30; }
  std::vector<Columns> columns_of_all_types() const override {
    return {{"",
             {"tinyint", "smallint", "mediumint", "int", "bigint", "bigint unsigned", "tinyint unsigned",
              "decimal(30,10)", "float", "double", "bit(64)", "text", "char(40)", "varchar(40)",
              "varbinary(40)", "longblob", "json"}},
            {"", {"date", "time", "datetime(3)", "year"}},
            {"", {"enum('a','1','true')", "set('a','t','1')"}}};
  }
  std::vector<std::string> types_of_keys() const override {
    return {"int",      "bigint",      "bigint unsigned", "decimal(20,2)", "double",
            "char(40)", "varchar(40)", "varbinary(40)",   "datetime(2)",   "date"};
  }
  bool spells_alone(const std::string& type, const std::string& text) const override {
    const auto is = [&](std::string_view begin) { return type.starts_with(begin); };
    if (is("date") || is("time") || is("year") || is("enum") || is("set")) return true;
    // More digits than the column has, and exponents.
    return is("decimal") && (text.find_first_of("eE") != std::string::npos || text.size() > 15);
  }

 private:
  std::shared_ptr<Source> source_;
};

std::unique_ptr<SourceUnderTest> make_mysql_under_test() {
  config::Source settings;
  settings.name = "db";
  settings.kind = "mysql";
  settings.url = test::MariadbServer::shared().url();
  settings.timeout = settings.connect_timeout = std::chrono::seconds(30);
  auto source = source::open_mysql(settings);
  if (!source) return nullptr;
  return std::make_unique<Mysql>(std::move(*source));
}

INSTANTIATE_TEST_SUITE_P(Mysql, SourceContract, testing::Values(&make_mysql_under_test));
INSTANTIATE_TEST_SUITE_P(Mysql, SourceBatches, testing::Values(&make_mysql_under_test));
INSTANTIATE_TEST_SUITE_P(Mysql, SourceOwners, testing::Values(&make_mysql_under_test));
INSTANTIATE_TEST_SUITE_P(Mysql, SourceSpelling, testing::Values(&make_mysql_under_test));

}  // namespace
}  // namespace forebay
