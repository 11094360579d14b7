#pragma once

#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/row_json.h"
#include "forebay/source.h"
#include "source/postgres.h"
#include "support/eventually.h"
#include "support/postgres_server.h"

namespace forebay {

// A session of another program, which can hold locks and transactions open.
class Session {
 public:
  explicit Session(const test::PostgresServer& server)
      : connection_(PQconnectdb(server.url().c_str()), &PQfinish) {}

  void run(const std::string& sql) {
    const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection_.get(), sql.c_str()),
                                                               &PQclear);
    const ExecStatusType status = PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
      throw std::runtime_error(PQerrorMessage(connection_.get()));
    }
  }

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

// Datasets on the test program's PostgreSQL server.
class PostgresTest : public testing::Test {
 protected:
  test::PostgresServer& server_ = test::PostgresServer::shared();

  std::string sql(const std::string& text) const { return server_.exec(text); }

  std::shared_ptr<Source> source(std::size_t pool = 4, const std::string& user = "postgres",
                                 const std::string& more = "") const {
    config::Source settings;
    settings.name = "shop";
    settings.kind = "postgres";
    settings.url = server_.url(user) + more;
    settings.pool = pool;
    settings.timeout = std::chrono::seconds(30);
    settings.connect_timeout = std::chrono::seconds(30);
    auto opened = source::open_postgres(settings);
    return opened ? *opened : nullptr;
  }

  static DatasetSpec table(const std::string& name, std::vector<std::string> keys = {"id"},
                           bool writable = true) {
    DatasetSpec spec;
    spec.name = "item";
    spec.table = name;
    spec.key_fields = std::move(keys);
    spec.writable = writable;
    return spec;
  }
  static DatasetSpec query(const std::string& text, std::vector<std::string> keys = {"id"}) {
    DatasetSpec spec;
    spec.name = "answer";
    spec.query = text;
    spec.key_fields = std::move(keys);
    return spec;
  }

  static std::unique_ptr<Dataset> open(Source& source, const DatasetSpec& spec) {
    auto dataset = source.open_dataset(spec);
    EXPECT_TRUE(dataset.has_value()) << (dataset ? "" : dataset.error().message);
    return dataset ? std::move(*dataset) : nullptr;
  }
  static Error open_error(Source& source, const DatasetSpec& spec) {
    auto dataset = source.open_dataset(spec);
    EXPECT_FALSE(dataset.has_value()) << "opened";
    return dataset ? Error{} : dataset.error();
  }

  static CallContext within(std::chrono::milliseconds timeout = std::chrono::seconds(30),
                            CancelToken* cancel = nullptr) {
    return {.timeout = timeout, .cancel = cancel};
  }

  static std::vector<std::optional<std::string>> load(Dataset& dataset, const std::vector<KeyFields>& keys) {
    auto loaded = dataset.load(keys, within());
    EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error().message);
    std::vector<std::optional<std::string>> values(keys.size());
    if (!loaded) return values;
    for (std::size_t i = 0; i < keys.size(); ++i) values[i] = (*loaded)[i].value;
    return values;
  }
  static std::optional<std::string> load_one(Dataset& dataset, const std::string& key) {
    return load(dataset, {{key}}).front();
  }
  static Error load_error(Dataset& dataset, const std::string& key, const CallContext& context) {
    const std::vector<KeyFields> keys = {{key}};
    auto loaded = dataset.load(keys, context);
    EXPECT_FALSE(loaded.has_value()) << "loaded";
    return loaded ? Error{} : loaded.error();
  }
  static Error write_error(Dataset& dataset, const std::string& key, const Write& write,
                           const CallContext& context = within()) {
    auto written = dataset.write({key}, write, context);
    EXPECT_FALSE(written.has_value()) << "written";
    return written ? Error{} : written.error();
  }

  // From now on a COMMIT waits for a standby that never comes. It is in the log by then, and nobody sees it.
  void hold_commits() const {
    sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    sql("SELECT pg_reload_conf()");
    ASSERT_TRUE(test::eventually([&] { return sql("SHOW synchronous_standby_names") == "nobody"; }));
  }
  // Those that wait are confirmed, and others wait no more.
  void let_commits_go() const {
    sql("ALTER SYSTEM RESET synchronous_standby_names");
    sql("SELECT pg_reload_conf()");
  }

  // Waits until a session of Forebay's runs a statement that contains `text`.
  void wait_for_statement(const std::string& text) const {
    ASSERT_TRUE(test::eventually([&] { return runs(text); }));
  }
  bool runs(const std::string& text) const { return !backend_running(text).empty(); }
  // Its process id.
  std::string backend_running(const std::string& text) const {
    return sql(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'forebay' AND state = 'active' AND query "
        "LIKE '%" +
        text + "%'");
  }
  int sessions() const {
    return std::stoi(sql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'forebay'"));
  }
};

}  // namespace forebay
