#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/row_json.h"
#include "forebay/source.h"
#include "source/mysql.h"
#include "support/eventually.h"
#include "support/mariadb_server.h"

namespace forebay {

// Datasets on the test program's MariaDB server.
class MysqlTest : public testing::Test {
 protected:
  test::MariadbServer& server_ = test::MariadbServer::shared();

  std::string sql(const std::string& text) const { return server_.exec(text); }

  std::shared_ptr<Source> source(std::size_t pool = 4, const std::string& user = "root",
                                 std::chrono::milliseconds timeout = std::chrono::seconds(30)) const {
    config::Source settings;
    settings.name = "shop";
    settings.kind = "mysql";
    settings.url = server_.url(user);
    settings.pool = pool;
    settings.timeout = timeout;
    settings.connect_timeout = std::chrono::seconds(30);
    auto opened = source::open_mysql(settings);
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
  static Written write(Dataset& dataset, const std::string& key, const Write& write) {
    auto written = dataset.write({key}, write, within());
    EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().message);
    return written ? std::move(*written) : Written{};
  }
  static Error write_error(Dataset& dataset, const std::string& key, const Write& write,
                           const CallContext& context = within()) {
    auto written = dataset.write({key}, write, context);
    EXPECT_FALSE(written.has_value()) << "written";
    return written ? Error{} : written.error();
  }

  // The number of a session that runs a statement which contains `text`; "" if none does.
  std::string running(const std::string& text) const {
    return sql("SELECT id FROM information_schema.processlist WHERE info LIKE '%" + text +
               "%' AND id <> CONNECTION_ID() LIMIT 1");
  }
  void wait_for_statement(const std::string& text) const {
    ASSERT_TRUE(test::eventually([&] { return !running(text).empty(); }));
  }
};

}  // namespace forebay
