#pragma once

// What a database brings to the contract of sources, and the vocabulary that the contract's tests are written
// in.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/cancel.h"
#include "base/row_json.h"
#include "forebay/source.h"
#include "support/allocations.h"

namespace forebay {

class SourceUnderTest {
 public:
  virtual ~SourceUnderTest() = default;
  // The source; the same one each time, with at least 4 connections.
  virtual Source& source() = 0;
  // Runs statements on a connection of its own, as another program would; fails the test if the database
  // refuses.
  virtual void execute(const std::string& sql) = 0;
  // The first column of the first row as text; "" for NULL and for no row.
  virtual std::string ask(const std::string& sql) = 0;

  // What the dialects don't share.
  virtual std::string bytes_type() const = 0;                              // of a column of bytes
  virtual std::string bytes_literal(const std::string& hex) const = 0;     // "00ff" -> X'00ff'
  virtual std::string json_type() const = 0;                               // of a column of JSON
  virtual std::string json_list(const std::string& expression) const = 0;  // aggregate to a JSON array
  virtual std::string endless_query() const = 0;  // uses {name}; runs for a minute at least
  virtual bool stores_nul() const = 0;            // whether text may contain NUL
  // Of a column of text that may be in a key, and the longest that goes into it: bytes.
  virtual std::string key_type() const { return "text"; }
  virtual std::size_t key_max() const { return 100'000; }
  virtual std::string exact_type() const { return "numeric"; }  // of a column of exact numbers with fractions
  virtual std::string long_text_type() const { return "text"; }  // of a column of text of any length
  virtual bool defers_foreign_keys() const { return true; }
  virtual std::size_t json_depth() const { return 500; }  // of nesting that a column of JSON takes

  // Every type of column that there is something to say about, in tables that are made with `options`.
  struct Columns {
    std::string options;
    std::vector<std::string> types;
  };
  virtual std::vector<Columns> columns_of_all_types() const = 0;
  virtual std::vector<std::string> types_of_keys() const = 0;
  // Whether only the database knows how it will spell this text in a column of this type.
  virtual bool spells_alone(const std::string& type, const std::string& text) const = 0;
};

using MakeSourceUnderTest = std::unique_ptr<SourceUnderTest> (*)();

class SourceContract : public testing::TestWithParam<MakeSourceUnderTest> {
 protected:
  void SetUp() override {
    database_ = GetParam()();
    ASSERT_NE(database_, nullptr);
    execute("DROP TABLE IF EXISTS items");
    execute("DROP TABLE IF EXISTS orders");
    execute("DROP TABLE IF EXISTS views");
    execute("CREATE TABLE items(name " + key_type() + " PRIMARY KEY, body " + database_->long_text_type() +
            ", amount bigint, ratio double precision, doc " + database_->json_type() + ", data " +
            database_->bytes_type() + ", note text NOT NULL DEFAULT 'none', ver bigint)");
    execute("CREATE TABLE orders(region " + key_type() +
            " NOT NULL, id bigint NOT NULL, customer text NOT NULL, total bigint "
            "CHECK (total >= "
            "0), PRIMARY KEY (region, id))");
    execute("CREATE TABLE views(name " + key_type() + " PRIMARY KEY, n bigint, label text)");
  }

  void execute(const std::string& sql) { database_->execute(sql); }
  std::string ask(const std::string& sql) { return database_->ask(sql); }
  std::string key_type() const { return database_->key_type(); }
  std::string rows(const std::string& table) { return ask("SELECT count(*) FROM " + table); }

  std::unique_ptr<Dataset> open(const DatasetSpec& spec) {
    auto dataset = database_->source().open_dataset(spec);
    EXPECT_TRUE(dataset.has_value()) << (dataset ? "" : dataset.error().message);
    return dataset ? std::move(*dataset) : nullptr;
  }
  // The error of a dataset that must not open.
  Error refused(const DatasetSpec& spec) {
    auto dataset = database_->source().open_dataset(spec);
    EXPECT_FALSE(dataset.has_value()) << "opened " << spec.name;
    return dataset ? Error{} : dataset.error();
  }

  static DatasetSpec items() {
    DatasetSpec spec;
    spec.name = "item";
    spec.key_fields = {"name"};
    spec.table = "items";
    spec.writable = true;
    return spec;
  }
  static DatasetSpec orders() {
    DatasetSpec spec;
    spec.name = "order";
    spec.key_fields = {"region", "id"};
    spec.table = "orders";
    spec.watch_columns = {"customer", "total"};
    spec.writable = true;
    return spec;
  }
  static DatasetSpec views() {
    DatasetSpec spec;
    spec.name = "views";
    spec.key_fields = {"name"};
    spec.table = "views";
    spec.kind = ValueKind::kCounter;
    spec.value_column = "n";
    spec.writable = true;
    return spec;
  }
  static DatasetSpec query(std::string text, ValueKind kind = ValueKind::kJson) {
    DatasetSpec spec;
    spec.name = "query";
    spec.key_fields = {"name"};
    spec.query = std::move(text);
    spec.kind = kind;
    return spec;
  }

  static CallContext patient() { return {.timeout = std::chrono::seconds(30), .cancel = nullptr}; }

  static std::vector<Loaded> load_all(Dataset& dataset, const std::vector<KeyFields>& keys) {
    auto loaded = dataset.load(keys, patient());
    EXPECT_TRUE(loaded.has_value()) << (loaded ? "" : loaded.error().message);
    if (!loaded) return std::vector<Loaded>(keys.size());
    EXPECT_EQ(loaded->size(), keys.size());
    loaded->resize(keys.size());
    return std::move(*loaded);
  }
  static Error load_error(Dataset& dataset, const std::vector<KeyFields>& keys) {
    auto loaded = dataset.load(keys, patient());
    EXPECT_FALSE(loaded.has_value());
    return loaded ? Error{} : loaded.error();
  }
  static std::optional<std::string> load(Dataset& dataset, const KeyFields& key) {
    return load_all(dataset, {key}).front().value;
  }
  // One column of a row as loaded, as text.
  static OptionalText column(const std::optional<std::string>& row, std::string_view name) {
    EXPECT_TRUE(row.has_value()) << "no row";
    if (!row) return std::nullopt;
    auto field = field_of_row(*row, name);
    EXPECT_TRUE(field.has_value() && field->has_value()) << *row << " has no " << name;
    return field && *field ? **field : std::nullopt;
  }

  static Written write(Dataset& dataset, const KeyFields& key, const Write& what) {
    auto written = dataset.write(key, what, patient());
    EXPECT_TRUE(written.has_value()) << (written ? "" : written.error().message);
    return written ? std::move(*written) : Written{};
  }
  static Error write_error(Dataset& dataset, const KeyFields& key, const Write& what) {
    auto written = dataset.write(key, what, patient());
    EXPECT_FALSE(written.has_value());
    return written ? Error{} : written.error();
  }

  std::unique_ptr<SourceUnderTest> database_;
};

}  // namespace forebay
