#pragma once

// The contract of sources: reading tables and queries, and what does not open. Included by source_contract.h.

#include "contract/source_under_test.h"

namespace forebay {

// ---- Reading a table.

TEST_P(SourceContract, ARowIsAJsonObjectOfItsColumnsInTheirOrder) {
  execute("INSERT INTO orders VALUES ('eu', 7, 'Ada', 30)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, {"eu", "7"}), R"({"region":"eu","id":7,"customer":"Ada","total":30})");
}

TEST_P(SourceContract, ABatchAnswersEveryKeyInTheOrderAsked) {
  for (int i = 0; i < 300; ++i)
    execute("INSERT INTO views(name, n) VALUES ('k" + std::to_string(i) + "', " + std::to_string(i) + ")");
  auto dataset = open(views());
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->batches());
  std::vector<KeyFields> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back({"k" + std::to_string(i * 7 % 500)});
  const std::vector<Loaded> loaded = load_all(*dataset, keys);
  for (int i = 0; i < 1000; ++i) {
    const int n = i * 7 % 500;
    const std::optional<std::string> expected = n < 300 ? std::optional(std::to_string(n)) : std::nullopt;
    EXPECT_EQ(loaded[static_cast<std::size_t>(i)].value, expected) << "key k" << n;
  }
  EXPECT_TRUE(load_all(*dataset, {}).empty());
}

TEST_P(SourceContract, ACompositeKeyIsFoundByAllItsColumnsTogether) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 1), ('eu', 2, 'Bob', 2), ('us', 1, 'Cyd', 3)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  const auto loaded = load_all(*dataset, {{"us", "1"}, {"us", "2"}, {"eu", "2"}, {"us", "1"}, {"eu", "1"}});
  EXPECT_EQ(column(loaded[0].value, "customer"), "Cyd");
  EXPECT_EQ(loaded[1].value, std::nullopt);
  EXPECT_EQ(column(loaded[2].value, "customer"), "Bob");
  EXPECT_EQ(column(loaded[3].value, "customer"), "Cyd");
  EXPECT_EQ(column(loaded[4].value, "customer"), "Ada");
}

TEST_P(SourceContract, AnAnswerThatIsTooLargeIsRefusedAndTheSourceGoesOn) {
  const auto large = [](std::size_t mib) { return "'" + std::string(mib << 20, 'x') + "'"; };
  for (const char* name : {"a", "b", "c"})
    execute("INSERT INTO items(name, body) VALUES ('" + std::string(name) + "', " + large(30) + ")");
  execute("INSERT INTO items(name, body) VALUES ('d', " + large(70) + ")");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  // One after another they are small enough; the last is too large by itself.
  EXPECT_EQ(load_error(*dataset, {{"a"}, {"b"}, {"c"}}).code, ErrorCode::kRefused);
  EXPECT_TRUE(load(*dataset, {"c"}).has_value());
  const Error one = load_error(*dataset, {{"d"}});
  EXPECT_EQ(one.code, ErrorCode::kRefused) << one.message;

  // Many small rows.
  execute("INSERT INTO views(name, label) VALUES ('many', '" + std::string(2000, 'x') + "')");
  auto rows =
      open(query("WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 40000) "
                 "SELECT v.label, c.n AS place FROM views v, c WHERE v.name = {name}"));
  ASSERT_NE(rows, nullptr);
  EXPECT_EQ(load_error(*rows, {{"many"}}).code, ErrorCode::kRefused);
  EXPECT_FALSE(load(*rows, {"other"}).has_value());
}

TEST_P(SourceContract, ARowHasOneKeyHoweverItsColumnsMayBeSpelled) {
  execute("INSERT INTO orders VALUES ('eu', 7, 'Ada', 1)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  // Text that is no number must not fail the batch it is in.
  const auto loaded = load_all(*dataset, {{"eu", "07"},
                                          {"eu", "7.0"},
                                          {"eu", " 7"},
                                          {"eu", "+7"},
                                          {"eu", "seven"},
                                          {"eu", ""},
                                          {"eu", "99999999999999999999"},
                                          {"EU", "7"},
                                          {"eu", "7"}});
  for (std::size_t i = 0; i + 1 < loaded.size(); ++i) EXPECT_EQ(loaded[i].value, std::nullopt) << i;
  EXPECT_TRUE(loaded.back().value.has_value());
  EXPECT_EQ(write_error(*dataset, {"eu", "07"}, Upsert{{{"customer", "Eve"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*dataset, {"eu", "08"}, Upsert{{{"customer", "Eve"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(ask("SELECT customer FROM orders"), "Ada");
  EXPECT_EQ(rows("orders"), "1");
}

TEST_P(SourceContract, NumbersComeWithoutLoss) {
  execute(
      "INSERT INTO items(name, amount, ratio) VALUES ('max', 9223372036854775807, 0.1), ('min', "
      "-9223372036854775808, "
      "1e300), ('odd', 9007199254740993, -2.5), ('third', 0, 0.3333333333333333)");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const auto loaded = load_all(*dataset, {{"max"}, {"min"}, {"odd"}, {"third"}});
  EXPECT_EQ(column(loaded[0].value, "amount"), "9223372036854775807");
  EXPECT_EQ(column(loaded[0].value, "ratio"), "0.1");
  EXPECT_EQ(column(loaded[1].value, "amount"), "-9223372036854775808");
  EXPECT_EQ(column(loaded[1].value, "ratio"), "1e+300");
  EXPECT_EQ(column(loaded[2].value, "amount"), "9007199254740993");
  EXPECT_EQ(column(loaded[2].value, "ratio"), "-2.5");
  EXPECT_EQ(column(loaded[3].value, "ratio"), "0.3333333333333333");
}

TEST_P(SourceContract, NullJsonAndBytesHaveTheirPlaceInTheRow) {
  execute("INSERT INTO items(name, doc, data) VALUES ('a', '{\"k\": [1, 2.50]}', " +
          database_->bytes_literal("00ff10") + ")");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const auto row = load(*dataset, KeyFields{"a"});
  EXPECT_EQ(column(row, "body"), std::nullopt);
  EXPECT_EQ(column(row, "amount"), std::nullopt);
  EXPECT_EQ(column(row, "doc"), R"({"k":[1,2.50]})");
  EXPECT_EQ(column(row, "data"), "AP8Q");
  EXPECT_EQ(column(row, "note"), "none");
}

TEST_P(SourceContract, ATextNamespaceIsOneColumnAsItIs) {
  execute("INSERT INTO items(name, body, data) VALUES ('a', 'x \"y\"', " + database_->bytes_literal("00ff") +
          "), ('null', NULL, NULL), ('empty', '', NULL)");
  DatasetSpec spec = items();
  spec.kind = ValueKind::kText;
  spec.value_column = "body";
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, KeyFields{"a"}), "x \"y\"");
  EXPECT_EQ(load(*dataset, KeyFields{"null"}), std::nullopt);
  EXPECT_EQ(load(*dataset, KeyFields{"empty"}), "");
  spec.value_column = "data";
  auto bytes = open(spec);
  ASSERT_NE(bytes, nullptr);
  EXPECT_EQ(load(*bytes, KeyFields{"a"}), std::string("\0\xff", 2));
}

TEST_P(SourceContract, WhateverAKeyOrValueContainsIsOnlyEverAValue) {
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  std::vector<std::string> texts = {"'; DROP TABLE items; --",
                                    "\" OR 1=1 --",
                                    "$1",
                                    "?1",
                                    "{name}",
                                    ":name",
                                    "%s%n",
                                    "\\",
                                    "\\'",
                                    "'",
                                    "''",
                                    "\"",
                                    "żółw 🐢",
                                    "a\nb\r\n\t",
                                    "{}",
                                    "{1,2}",
                                    "[1]",
                                    "NULL",
                                    "null",
                                    "true",
                                    "0",
                                    "-",
                                    "/*",
                                    "*/",
                                    std::string(std::min<std::size_t>(10'000, database_->key_max()), 'x'),
                                    "\x7f",
                                    "\x01",
                                    " ",
                                    "name"};
  if (database_->stores_nul()) texts.push_back(std::string("a\0b", 3));
  std::size_t count = 0;
  for (const std::string& text : texts) {
    const Written written = write(*dataset, {text}, Upsert{{{"body", text}, {"note", text}}});
    EXPECT_FALSE(written.existed) << text;
    ++count;
    EXPECT_EQ(rows("items"), std::to_string(count)) << text;
    const auto row = load(*dataset, KeyFields{text});
    EXPECT_EQ(column(row, "name"), text);
    EXPECT_EQ(column(row, "body"), text);
    EXPECT_EQ(row, written.after.value);
  }
  std::vector<KeyFields> keys;
  for (const std::string& text : texts) keys.push_back({text});
  const auto all = load_all(*dataset, keys);
  for (std::size_t i = 0; i < texts.size(); ++i) EXPECT_EQ(column(all[i].value, "note"), texts[i]);
}

TEST_P(SourceContract, AKeyThatNoTextColumnCanHoldIsAbsentAndSpoilsNoBatch) {
  execute("INSERT INTO items(name, body) VALUES ('a', 'b')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const auto loaded = load_all(*dataset, {{"\xff\xfe"}, {"a"}, {std::string("a\0", 2)}, {"\xed\xa0\x80"}});
  EXPECT_EQ(loaded[0].value, std::nullopt);
  EXPECT_TRUE(loaded[1].value.has_value());
  EXPECT_EQ(loaded[2].value, std::nullopt);
  EXPECT_EQ(loaded[3].value, std::nullopt);
}

TEST_P(SourceContract, TheVersionColumnIsTheVersion) {
  execute("INSERT INTO items(name, ver) VALUES ('a', 41), ('b', NULL)");
  DatasetSpec spec = items();
  spec.version_column = "ver";
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  const auto loaded = load_all(*dataset, {{"a"}, {"b"}, {"c"}});
  EXPECT_EQ(loaded[0].version, 41U);
  EXPECT_EQ(loaded[1].version, 0U);
  EXPECT_EQ(loaded[2].version, 0U);
  EXPECT_EQ(write(*dataset, {"a"}, Update{{{"body", "x"}}}).after.version, 42U);
  EXPECT_EQ(write(*dataset, {"a"}, Upsert{{{"body", "y"}, {"ver", "7"}}}).after.version, 43U);
  EXPECT_EQ(write(*dataset, {"a"}, Add{"amount", "1"}).after.version, 44U);
  EXPECT_EQ(write(*dataset, {"c"}, Upsert{{{"body", "x"}}}).after.version, 1U);
  EXPECT_EQ(ask("SELECT ver FROM items WHERE name = 'a'"), "44");
}

// ---- Queries.

TEST_P(SourceContract, AQueryOfOneJsonValueIsThatValue) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 1), ('eu', 2, 'Ada', 2), ('us', 1, 'Bob', 3)");
  auto dataset = open(query("SELECT " + database_->json_list("id") +
                            " FROM (SELECT id FROM orders WHERE customer = {name} ORDER BY id) AS o"));
  ASSERT_NE(dataset, nullptr);
  const auto value = load(*dataset, KeyFields{"Ada"});
  ASSERT_TRUE(value.has_value());
  auto wrapped = fields_of_row("{\"v\":" + *value + "}");
  ASSERT_TRUE(wrapped.has_value());
  EXPECT_EQ(wrapped->front().second, "[1,2]");
}

TEST_P(SourceContract, TheShapeOfAQuerysAnswerFollowsItsRowsAndColumns) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 10), ('eu', 2, 'Ada', NULL), ('us', 1, 'Bob', 30)");
  auto objects =
      open(query("SELECT region, id, total FROM orders WHERE customer = {name} ORDER BY region, id"));
  ASSERT_NE(objects, nullptr);
  EXPECT_EQ(load(*objects, KeyFields{"Bob"}), R"({"region":"us","id":1,"total":30})");
  EXPECT_EQ(load(*objects, KeyFields{"Ada"}),
            R"([{"region":"eu","id":1,"total":10},{"region":"eu","id":2,"total":null}])");
  EXPECT_EQ(load(*objects, KeyFields{"Eve"}), std::nullopt);
  auto values = open(query("SELECT total FROM orders WHERE customer = {name} ORDER BY region, id"));
  ASSERT_NE(values, nullptr);
  EXPECT_EQ(load(*values, KeyFields{"Bob"}), "30");
  EXPECT_EQ(load(*values, KeyFields{"Ada"}), "[10,null]");
  auto text = open(query("SELECT region FROM orders WHERE customer = {name} ORDER BY region, id"));
  ASSERT_NE(text, nullptr);
  EXPECT_EQ(load(*text, KeyFields{"Bob"}), "\"us\"");
  EXPECT_EQ(load(*text, KeyFields{"Ada"}), R"(["eu","eu"])");
  execute("UPDATE orders SET total = NULL");
  EXPECT_EQ(load(*values, KeyFields{"Bob"}), std::nullopt);
}

TEST_P(SourceContract, ATextQueryIsOneValueAsItIs) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 10), ('eu', 2, 'Bob', 1), ('us', 2, 'Bob', 1)");
  auto dataset = open(query("SELECT region FROM orders WHERE customer = {name}", ValueKind::kText));
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(load(*dataset, KeyFields{"Ada"}), "eu");
  EXPECT_EQ(load(*dataset, KeyFields{"Eve"}), std::nullopt);
  const std::vector<KeyFields> several = {{"Bob"}};
  auto loaded = dataset->load(several, patient());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kRefused);
}

TEST_P(SourceContract, AQuerysParameterIsNeverPastedText) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 10)");
  auto dataset = open(query("SELECT total FROM orders WHERE customer = {name} -- {not a field}\n"));
  ASSERT_NE(dataset, nullptr);
  for (const std::string& text :
       {std::string("' OR '1'='1"), std::string("Ada' --"), std::string("Ada; DELETE FROM orders")}) {
    EXPECT_EQ(load(*dataset, KeyFields{text}), std::nullopt) << text;
  }
  EXPECT_EQ(load(*dataset, KeyFields{"Ada"}), "10");
  EXPECT_EQ(rows("orders"), "1");
}

// ---- What does not open.

TEST_P(SourceContract, WhatIsMissingIsNamed) {
  struct Case {
    DatasetSpec spec;
    std::string_view named;
  };
  std::vector<Case> cases;
  const auto change = [&](DatasetSpec spec, std::string_view named, auto edit) {
    edit(spec);
    cases.push_back({std::move(spec), named});
  };
  change(items(), "nowhere", [](DatasetSpec& s) { s.table = "nowhere"; });
  change(items(), "nmae", [](DatasetSpec& s) { s.key_fields = {"nmae"}; });
  change(items(), "worth", [](DatasetSpec& s) {
    s.kind = ValueKind::kText;
    s.value_column = "worth";
  });
  change(items(), "revision", [](DatasetSpec& s) { s.version_column = "revision"; });
  change(items(), "unique", [](DatasetSpec& s) { s.key_fields = {"body"}; });
  change(orders(), "unique", [](DatasetSpec& s) { s.key_fields = {"region"}; });
  change(query("SELECT total FROM nowhere WHERE customer = {name}"), "nowhere", [](DatasetSpec&) {});
  change(query("SELECT total FROM orders"), "{name}", [](DatasetSpec&) {});
  change(query("SELECT total FROM orders WHERE customer = {nmae}"), "{nmae}", [](DatasetSpec&) {});
  change(query("SELECT total FORM orders WHERE customer = {name}"), "query", [](DatasetSpec&) {});
  change(query("DELETE FROM orders WHERE customer = {name}"), "query", [](DatasetSpec&) {});
  change(query("SELECT 1 WHERE 'a' = {name}; DELETE FROM orders"), "query", [](DatasetSpec&) {});
  change(query("SELECT id, id FROM orders WHERE customer = {name}"), "id", [](DatasetSpec&) {});
  change(query("SELECT id, total FROM orders WHERE customer = {name}", ValueKind::kText), "column",
         [](DatasetSpec&) {});
  change(query("SELECT id FROM orders WHERE customer = {name}"), "query",
         [](DatasetSpec& s) { s.writable = true; });
  for (const Case& c : cases) {
    const Error error = refused(c.spec);
    EXPECT_EQ(error.code, ErrorCode::kConfig) << error.message;
    EXPECT_NE(error.message.find(c.named), std::string::npos)
        << error.message << " does not name " << c.named;
  }
}

TEST_P(SourceContract, ATableWithoutAUniqueIndexCanStillBeRead) {
  execute("DROP TABLE IF EXISTS loose");
  execute("CREATE TABLE loose(name text, n bigint)");
  execute("INSERT INTO loose VALUES ('a', 1), ('b', 2), ('b', 3)");
  DatasetSpec spec = items();
  spec.table = "loose";
  spec.writable = false;
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  EXPECT_EQ(column(load(*dataset, KeyFields{"a"}), "n"), "1");
  const std::vector<KeyFields> several = {{"b"}};
  auto loaded = dataset->load(several, patient());
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kRefused);
  dataset.reset();
  execute("DROP TABLE loose");
}

// In query mode, too, a row has one key: what the database finds equal is absent, or any change concerns it.
TEST_P(SourceContract, AQueryAnswersNoOtherSpellingOfANumber) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'ann', 3), ('us', 1, 'bob', 4)");
  DatasetSpec spec = query("SELECT sum(total) AS total FROM orders WHERE id = {name}");
  spec.depends_on = {{"orders", {{"id", "name"}}}};
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->found_by_spelling(0));
  EXPECT_EQ(load(*dataset, {"1"}), "7");
  for (const char* key : {"01", " 1", "1 ", "+1", "1.0", "1e0", "-01", "0x1", "1_0"})
    EXPECT_EQ(load(*dataset, {key}), std::nullopt) << key;
  EXPECT_EQ(load(*dataset, {"-1"}), std::nullopt);
}

TEST_P(SourceContract, AQueryIsFoundBySpellingOnlyWhereItsColumnsAre) {
  DatasetSpec spec = query("SELECT total FROM orders WHERE customer = {name}");
  spec.depends_on = {{"orders", {{"customer", "name"}}},
                     {"orders", {}},
                     {"orders", {{"nowhere", "name"}}},
                     {"items", {{"ratio", "name"}}}};
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  EXPECT_TRUE(dataset->found_by_spelling(0));
  EXPECT_TRUE(dataset->found_by_spelling(1));
  EXPECT_FALSE(dataset->found_by_spelling(2));
  EXPECT_FALSE(dataset->found_by_spelling(3)) << "0 and -0 are equal";
}

TEST_P(SourceContract, ADatasetSaysWhenItsTableIsAnotherOne) {
  auto table = open(items());
  ASSERT_NE(table, nullptr);
  DatasetSpec all = query("SELECT * FROM views WHERE name = {name}");
  auto rows = open(all);
  ASSERT_NE(rows, nullptr);
  DatasetSpec depending = query("SELECT count(*) AS n FROM views WHERE name = {name}");
  depending.depends_on = {{"views", {{"name", "name"}}}};
  auto count = open(depending);
  ASSERT_NE(count, nullptr);
  const auto fit = [](Dataset& dataset) { return dataset.fit(patient()).value_or(Fit::kUnknown); };
  EXPECT_EQ(fit(*table), Fit::kFits);
  EXPECT_EQ(fit(*rows), Fit::kFits);
  EXPECT_EQ(fit(*count), Fit::kFits);
  execute("DROP TABLE IF EXISTS others");
  execute("CREATE TABLE others(n bigint)");
  execute("INSERT INTO items(name) VALUES ('a')");
  EXPECT_EQ(fit(*table), Fit::kFits) << "another table is not its business, nor are rows";
  execute("ALTER TABLE items ADD COLUMN more text");
  EXPECT_EQ(fit(*table), Fit::kChanged);
  EXPECT_EQ(fit(*rows), Fit::kFits);
  execute("ALTER TABLE views ADD COLUMN more text");
  EXPECT_EQ(fit(*rows), Fit::kChanged);
  EXPECT_EQ(fit(*count), Fit::kChanged);
  auto opened_anew = open(items());
  ASSERT_NE(opened_anew, nullptr);
  EXPECT_EQ(fit(*opened_anew), Fit::kFits);
  execute("CREATE UNIQUE INDEX items_body ON items(body)");
  EXPECT_EQ(fit(*opened_anew), Fit::kChanged);
  opened_anew = open(items());
  execute("ALTER TABLE items RENAME COLUMN more TO less");
  EXPECT_EQ(fit(*opened_anew), Fit::kChanged);
  opened_anew = open(items());
  execute("ALTER TABLE items RENAME TO former");
  execute("CREATE TABLE items(name " + key_type() + " PRIMARY KEY, body text)");
  EXPECT_EQ(fit(*opened_anew), Fit::kChanged);
  execute("DROP TABLE former");
  execute("DROP TABLE others");
}

TEST_P(SourceContract, ATableHasOneId) {
  execute("DROP TABLE IF EXISTS \"Odd one\"");
  execute("CREATE TABLE \"Odd one\"(id bigint)");
  const std::vector<std::string> names = {"items", "\"items\"", "ITEMS", "orders", "\"Odd one\"", "nowhere"};
  auto known = database_->source().known_tables(names, patient());
  ASSERT_TRUE(known.has_value()) << known.error().message;
  ASSERT_EQ(known->size(), names.size());
  EXPECT_FALSE((*known)[0].id.empty());
  EXPECT_EQ((*known)[1].id, (*known)[0].id);
  EXPECT_NE((*known)[3].id, (*known)[0].id);
  EXPECT_FALSE((*known)[4].id.empty());
  execute("DROP TABLE \"Odd one\"");
}

}  // namespace forebay
