#pragma once

// The contract of sources: writing. Included by source_contract.h.

#include "contract/source_under_test.h"

namespace forebay {

// ---- Writing.

TEST_P(SourceContract, AnUpsertNamesSomeColumnsAndLeavesTheOthers) {
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  Written written = write(*dataset, {"eu", "1"}, Upsert{{{"customer", "Ada"}, {"total", "5"}}});
  EXPECT_FALSE(written.existed);
  EXPECT_EQ(written.after.value, R"({"region":"eu","id":1,"customer":"Ada","total":5})");
  // customer is NOT NULL and not named: the row has one.
  written = write(*dataset, {"eu", "1"}, Upsert{{{"total", "6"}}});
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(written.after.value, R"({"region":"eu","id":1,"customer":"Ada","total":6})");
  EXPECT_EQ(load(*dataset, KeyFields{"eu", "1"}), written.after.value);
  written = write(*dataset, {"eu", "1"}, Upsert{{{"total", std::nullopt}}});
  EXPECT_EQ(written.after.value, R"({"region":"eu","id":1,"customer":"Ada","total":null})");
  written = write(*dataset, {"eu", "1"}, Upsert{});
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(rows("orders"), "1");
}

TEST_P(SourceContract, ARowAsItWasReadCanBeWrittenBack) {
  execute(
      "INSERT INTO items(name, body, amount, ratio, doc, data, note) VALUES ('a', 'x', 9007199254740993, "
      "0.1, "
      "'{\"k\": [1]}', " +
      database_->bytes_literal("00ff10") + ", 'n')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  const auto row = load(*dataset, KeyFields{"a"});
  ASSERT_TRUE(row.has_value());
  auto fields = fields_of_row(*row);
  ASSERT_TRUE(fields.has_value());
  const Written written = write(*dataset, {"a"}, Upsert{*fields});
  EXPECT_TRUE(written.existed);
  // Writing may respell a JSON column's blanks, nothing else.
  auto again = fields_of_row(written.after.value.value_or(""));
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(*again, *fields);
}

TEST_P(SourceContract, AnUpdateChangesWhatExistsAndCreatesOnlyWhenAsked) {
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  Written written = write(*dataset, {"a"}, Update{{{"body", "x"}}, false});
  EXPECT_FALSE(written.existed);
  EXPECT_EQ(written.after.value, std::nullopt);
  EXPECT_EQ(rows("items"), "0");
  written = write(*dataset, {"a"}, Update{{{"body", "x"}}, true});
  EXPECT_FALSE(written.existed);
  EXPECT_EQ(column(written.after.value, "body"), "x");
  EXPECT_EQ(column(written.after.value, "note"), "none");
  written = write(*dataset, {"a"}, Update{{{"note", "y"}}, false});
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(column(written.after.value, "body"), "x");
  EXPECT_EQ(column(written.after.value, "note"), "y");
}

TEST_P(SourceContract, AConditionIsDecidedByTheRowAsItIs) {
  using Row = WriteCondition::Row;
  using Than = WriteCondition::Than;
  auto dataset = open(views());
  ASSERT_NE(dataset, nullptr);
  const auto set = [&](const char* number, Row row, Than than) {
    return write(*dataset, {"a"}, Update{{{"n", number}}, true, WriteCondition{row, than}});
  };
  Written written = set("5", Row::kPresent, Than::kAny);
  EXPECT_FALSE(written.held);
  EXPECT_FALSE(written.existed);
  EXPECT_EQ(rows("views"), "0");
  written = set("5", Row::kAny, Than::kGreater);
  EXPECT_TRUE(written.held);
  EXPECT_FALSE(written.existed);
  written = set("9", Row::kAbsent, Than::kAny);
  EXPECT_FALSE(written.held);
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(written.before, "5");
  EXPECT_EQ(written.after.value, "5");
  execute("UPDATE views SET n = 20");
  written = set("10", Row::kAny, Than::kGreater);
  EXPECT_FALSE(written.held);
  EXPECT_EQ(written.before, "20");
  EXPECT_EQ(written.after.value, "20");
  written = set("30", Row::kPresent, Than::kGreater);
  EXPECT_TRUE(written.held);
  EXPECT_EQ(written.before, "20");
  EXPECT_EQ(written.after.value, "30");
  const auto add = [&](const char* amount, Than than) {
    return write(*dataset, {"a"}, Add{"n", amount, false, WriteCondition{Row::kAny, than}});
  };
  EXPECT_FALSE(add("-1", Than::kGreater).held);
  EXPECT_EQ(add("-1", Than::kLess).added, "29");
  EXPECT_EQ(ask("SELECT n FROM views"), "29");
  execute("UPDATE views SET n = NULL");
  EXPECT_TRUE(set("1", Row::kAny, Than::kGreater).held) << "every number is greater than none";
}

TEST_P(SourceContract, ConditionsOfManyWritersAreDecidedOneAfterTheOther) {
  auto dataset = open(views());
  ASSERT_NE(dataset, nullptr);
  constexpr int kWriters = 4;
  constexpr int kRounds = 25;
  std::atomic<int> created{0};
  std::atomic<int> raised{0};
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      const auto set = [&](const std::string& key, int number, const WriteCondition& condition) {
        return write(*dataset, {key}, Update{{{"n", std::to_string(number)}}, true, condition}).held;
      };
      for (int round = 0; round < kRounds; ++round) {
        if (set("new" + std::to_string(round), writer, {WriteCondition::Row::kAbsent, {}})) ++created;
        if (set("high", round * kWriters + writer,
                {WriteCondition::Row::kAny, WriteCondition::Than::kGreater}))
          ++raised;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(created, kRounds) << "each row was new to one writer";
  EXPECT_EQ(ask("SELECT n FROM views WHERE name = 'high'"), std::to_string(kRounds * kWriters - 1));
  EXPECT_GE(raised, 1);
}

TEST_P(SourceContract, RemoveDeletesTheRow) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 1), ('eu', 2, 'Bob', 2)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  Written written = write(*dataset, {"eu", "1"}, Remove{});
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(written.after.value, std::nullopt);
  EXPECT_EQ(rows("orders"), "1");
  written = write(*dataset, {"eu", "1"}, Remove{});
  EXPECT_FALSE(written.existed);
}

TEST_P(SourceContract, AddIsDoneInTheDatabaseAndCreatesTheRow) {
  auto dataset = open(views());
  ASSERT_NE(dataset, nullptr);
  Written written = write(*dataset, {"a"}, Add{"n", "5"});
  EXPECT_FALSE(written.existed);
  EXPECT_EQ(written.added, "5");
  EXPECT_EQ(written.after.value, "5");
  execute("UPDATE views SET n = n + 100, label = 'kept'");
  written = write(*dataset, {"a"}, Add{"n", "-7"});
  EXPECT_TRUE(written.existed);
  EXPECT_EQ(written.added, "98");
  EXPECT_EQ(ask("SELECT label FROM views"), "kept");
  execute("UPDATE views SET n = NULL");
  EXPECT_EQ(write(*dataset, {"a"}, Add{"n", "3"}).added, "3");
  execute("UPDATE views SET n = 9223372036854775807");
  EXPECT_EQ(write_error(*dataset, {"a"}, Add{"n", "1"}).code, ErrorCode::kRefused);
  EXPECT_EQ(ask("SELECT n FROM views"), "9223372036854775807");
  EXPECT_EQ(write(*dataset, {"a"}, Upsert{{{"n", "12"}}}).after.value, "12");
}

TEST_P(SourceContract, AddOnARowsColumnTakesFractionsWhereAsked) {
  execute("INSERT INTO items(name, ratio, body) VALUES ('a', 1.5, 'text')");
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  Written written = write(*dataset, {"a"}, Add{"ratio", "0.25", true});
  EXPECT_EQ(written.added, "1.75");
  EXPECT_EQ(column(written.after.value, "ratio"), "1.75");
  EXPECT_EQ(column(write(*dataset, {"a"}, Add{"amount", "2"}).after.value, "amount"), "2");
  EXPECT_EQ(write_error(*dataset, {"a"}, Add{"body", "1"}).code, ErrorCode::kRefused);
  EXPECT_EQ(ask("SELECT body FROM items"), "text");
}

TEST_P(SourceContract, ACounterMayHaveAFraction) {
  execute("DROP TABLE IF EXISTS sums");
  execute("CREATE TABLE sums(name " + key_type() +
          " PRIMARY KEY, ratio double precision, exact numeric(8,2), n bigint)");
  for (const char* name : {"ratio", "exact"}) {
    DatasetSpec spec = views();
    spec.table = "sums";
    spec.value_column = name;
    auto dataset = open(spec);
    ASSERT_NE(dataset, nullptr);
    execute("DELETE FROM sums");
    EXPECT_EQ(write(*dataset, {"a"}, Add{name, "0.5", true}).added, "0.5") << name;
    EXPECT_EQ(load(*dataset, KeyFields{"a"}), "0.5");
    EXPECT_EQ(write_error(*dataset, {"a"}, Add{name, "1"}).code, ErrorCode::kRefused);  // no integer
    EXPECT_EQ(write(*dataset, {"a"}, Add{name, "1.50", true}).added, "2") << name;
    EXPECT_EQ(write(*dataset, {"a"}, Add{name, "3"}).added, "5") << name;
    EXPECT_EQ(load(*dataset, KeyFields{"a"}), "5");
    EXPECT_EQ(write(*dataset, {"a"}, Upsert{{{name, "-7.25"}}}).after.value, "-7.25");
    for (const char* text : {"NaN", "inf", "many", ""}) {
      EXPECT_FALSE(dataset->validate({"a"}, Upsert{{{name, text}}})) << text;
      EXPECT_FALSE(dataset->validate({"a"}, Add{name, text, true})) << text;
    }
    EXPECT_TRUE(dataset->validate({"a"}, Add{name, "-0.125", true}));
    EXPECT_EQ(ask(std::string("SELECT ") + name + " FROM sums"), "-7.25");
  }
  DatasetSpec spec = views();
  spec.table = "sums";
  auto integers = open(spec);
  ASSERT_NE(integers, nullptr);
  EXPECT_EQ(integers->validate({"a"}, Add{"n", "0.5", true}).error().code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*integers, {"a"}, Add{"n", "0.5", true}).code, ErrorCode::kRefused);
  EXPECT_FALSE(integers->validate({"a"}, Upsert{{{"n", "0.5"}}}));
}

TEST_P(SourceContract, AWriteTellsTheWatchedColumnsBeforeAndAfter) {
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  RowImages images = write(*dataset, {"eu", "1"}, Upsert{{{"customer", "Ada"}, {"total", "1"}}}).images;
  EXPECT_TRUE(images.before.empty());
  EXPECT_EQ(images.after, (Fields{{"customer", "Ada"}, {"total", "1"}}));
  images = write(*dataset, {"eu", "1"}, Update{{{"customer", "Bob"}, {"total", std::nullopt}}}).images;
  EXPECT_EQ(images.before, (Fields{{"customer", "Ada"}, {"total", "1"}}));
  EXPECT_EQ(images.after, (Fields{{"customer", "Bob"}, {"total", std::nullopt}}));
  images = write(*dataset, {"eu", "1"}, Add{"total", "4"}).images;
  EXPECT_EQ(images.before, (Fields{{"customer", "Bob"}, {"total", std::nullopt}}));
  EXPECT_EQ(images.after, (Fields{{"customer", "Bob"}, {"total", "4"}}));
  images = write(*dataset, {"eu", "1"}, Remove{}).images;
  EXPECT_EQ(images.before, (Fields{{"customer", "Bob"}, {"total", "4"}}));
  EXPECT_TRUE(images.after.empty());
}

TEST_P(SourceContract, ARefusedWriteChangesNothingAndSaysWhy) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 5)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  const auto before = load(*dataset, KeyFields{"eu", "1"});
  const Error check = write_error(*dataset, {"eu", "1"}, Update{{{"customer", "Eve"}, {"total", "-1"}}});
  EXPECT_EQ(check.code, ErrorCode::kRefused);
  EXPECT_NE(check.message.find("orders"), std::string::npos) << check.message;
  const Error null = write_error(*dataset, {"eu", "1"}, Upsert{{{"customer", std::nullopt}}});
  EXPECT_EQ(null.code, ErrorCode::kRefused);
  EXPECT_NE(null.message.find("customer"), std::string::npos) << null.message;
  EXPECT_EQ(write_error(*dataset, {"eu", "2"}, Upsert{{{"total", "1"}}}).code, ErrorCode::kRefused);
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Add{"total", "-100"}).code, ErrorCode::kRefused);
  EXPECT_EQ(load(*dataset, KeyFields{"eu", "1"}), before);
  EXPECT_EQ(rows("orders"), "1");
  EXPECT_TRUE(write(*dataset, {"eu", "1"}, Update{{{"total", "6"}}}).existed);
}

TEST_P(SourceContract, AFieldThatIsNoColumnOrContradictsTheKeyIsTheCallersMistake) {
  execute("INSERT INTO orders VALUES ('eu', 1, 'Ada', 5)");
  auto dataset = open(orders());
  ASSERT_NE(dataset, nullptr);
  const Error unknown = write_error(*dataset, {"eu", "1"}, Upsert{{{"colour", "red"}}});
  EXPECT_EQ(unknown.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(unknown.message.find("colour"), std::string::npos) << unknown.message;
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Upsert{{{"total\" = 0 --", "1"}}}).code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Upsert{{{"id", "2"}}}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Add{"id", "1"}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Add{"total", "1.5"}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(write_error(*dataset, {"eu", "1"}, Add{"total", "one"}).code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(write(*dataset, {"eu", "1"}, Upsert{{{"id", "1"}, {"total", "9"}}}).existed);
  EXPECT_EQ(ask("SELECT total FROM orders"), "9");
  // Known without the database.
  execute("DROP TABLE orders");
  const std::pair<KeyFields, Write> mistakes[] = {
      {{"eu", "1"}, Upsert{{{"colour", "red"}}}},
      {{"eu", "1"}, Update{{{"id", "2"}}}},
      {{"eu", "1"}, Upsert{{{"total", "9"}, {"total", "8"}}}},
      {{"eu", "1"}, Add{"id", "1"}},
      {{"eu", "1"}, Add{"total", "1.5"}},
      {{"eu"}, Remove{}},
  };
  for (const auto& [key, mistake] : mistakes) EXPECT_FALSE(dataset->validate(key, mistake).has_value());
  EXPECT_EQ(dataset->validate({"eu", "1"}, Add{"id", "1"}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(dataset->validate({"eu", "1"}, Update{{{"total", "-9"}}}).has_value());
  EXPECT_TRUE(dataset->validate({"eu", "1"}, Add{"total", "1"}).has_value());
  EXPECT_TRUE(dataset->validate({"eu", "1"}, Remove{}).has_value());
}

// It is called for every write that is written behind.
TEST_P(SourceContract, ACheckOfAGoodWriteDoesNotAllocate) {
  auto rows = open(orders());
  auto counters = open(views());
  ASSERT_NE(rows, nullptr);
  ASSERT_NE(counters, nullptr);
  const KeyFields order{"eu", "1"};
  const KeyFields view{"a"};
  const Write some = Update{{{"customer", std::string(100, 'x')}, {"total", "12"}, {"region", "eu"}}, true};
  const Write increment = Add{"n", "1"};
  const Write value = Upsert{{{"n", "-5"}}};
  const int before = test::allocations_of_this_thread();
  const bool good = rows->validate(order, some) && counters->validate(view, increment) &&
                    counters->validate(view, value) && rows->validate(order, Remove{});
  EXPECT_EQ(test::allocations_of_this_thread() - before, 0);
  EXPECT_TRUE(good);
}

TEST_P(SourceContract, ValuesThatAreNoneOfTheirColumnAreKnownWithoutTheDatabase) {
  auto dataset = open(items());
  ASSERT_NE(dataset, nullptr);
  EXPECT_FALSE(dataset->validate({"a"}, Update{{{"data", "no base64"}}, true}));
  EXPECT_TRUE(dataset->validate({"a"}, Update{{{"data", "AP8Q"}}, true}));
  EXPECT_TRUE(dataset->validate({"a"}, Update{{{"data", std::nullopt}}, true}));
  EXPECT_TRUE(dataset->validate({"a"}, Update{{{"amount", "5"}, {"body", "text"}, {"doc", "[1]"}}, true}));
  EXPECT_FALSE(dataset->validate({"a"}, Add{"ratio", "one", true}));
  EXPECT_FALSE(dataset->validate({"a"}, Add{"colour", "1"}));
  EXPECT_TRUE(dataset->validate({"a"}, Add{"ratio", "1.5", true}));
}

// What was read is written back, as a whole row and column by column, and the database's own text stays.
TEST_P(SourceContract, JsonThatWasReadCanBeWrittenBack) {
  const std::string deep(database_->json_depth(), '[');
  const std::string texts[] = {"null",
                               "\"12\"",
                               "12",
                               "\"true\"",
                               "true",
                               "\"null\"",
                               "\"abc\"",
                               "\"\"",
                               "{\"a\":null}",
                               "\"{\\\"a\\\": 1}\"",
                               "[1,2]",
                               "\"[1]\"",
                               "1.50",
                               "\"1.50\"",
                               "\"two\\nlines\"",
                               deep + "1" + std::string(deep.size(), ']')};
  for (const char* rule : {"", " NOT NULL"}) {
    execute("DROP TABLE IF EXISTS spelled");
    execute("CREATE TABLE spelled(name " + key_type() + " PRIMARY KEY, doc " + database_->json_type() + rule +
            ", n bigint)");
    DatasetSpec spec = items();
    spec.table = "spelled";
    auto dataset = open(spec);
    ASSERT_NE(dataset, nullptr);
    for (const std::string& text : texts) {
      execute("DELETE FROM spelled");
      execute("INSERT INTO spelled VALUES ('a', '" + text + "', 1)");
      const std::string before = ask("SELECT doc FROM spelled");
      const auto read = load(*dataset, {"a"});
      ASSERT_TRUE(read.has_value());
      Upsert row;
      auto fields = fields_of_row(*read, &row.strings);
      ASSERT_TRUE(fields.has_value()) << *read;
      row.fields = std::move(*fields);
      EXPECT_TRUE(dataset->validate({"a"}, row)) << text;
      EXPECT_EQ(write(*dataset, {"a"}, row).after.value, read) << text;
      EXPECT_EQ(ask("SELECT doc FROM spelled"), before) << text << rule << ", as a row";
      const OptionalText one = column(read, "doc");
      if (!one) continue;  // as a field it can't be given
      EXPECT_EQ(write(*dataset, {"a"}, Update{{{"doc", one}}}).after.value, read) << text;
      EXPECT_EQ(ask("SELECT doc FROM spelled"), before) << text << rule << ", as a field";
    }
    // A value of its own is another matter.
    execute("UPDATE spelled SET doc = '\"12\"'");
    EXPECT_EQ(column(write(*dataset, {"a"}, Update{{{"doc", "13"}}}).after.value, "doc"), "13");
    Upsert number{{{"doc", "12"}}, {false}};
    write(*dataset, {"a"}, number);
    EXPECT_EQ(ask("SELECT doc FROM spelled"), "12");
    write(*dataset, {"a"}, Upsert{{{"doc", "12"}}, {true}});
    EXPECT_EQ(ask("SELECT doc FROM spelled"), "\"12\"");
  }
  execute("DROP TABLE spelled");
}

TEST_P(SourceContract, NullInAJsonColumnIsTheDatabasesOwnUnlessItIsJsonsAlready) {
  execute("DROP TABLE IF EXISTS spelled");
  execute("CREATE TABLE spelled(name " + key_type() + " PRIMARY KEY, doc " + database_->json_type() + ")");
  DatasetSpec spec = items();
  spec.table = "spelled";
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  const auto set_null = [&](const std::string& key) {
    return write(*dataset, {key}, Upsert{{{"doc", std::nullopt}}, {false}});
  };
  set_null("new");
  execute("INSERT INTO spelled VALUES ('text', '\"x\"'), ('json', 'null'), ('sql', NULL)");
  for (const char* key : {"text", "json", "sql"}) set_null(key);
  EXPECT_EQ(ask("SELECT count(*) FROM spelled WHERE doc IS NULL"), "3");
  EXPECT_EQ(ask("SELECT doc FROM spelled WHERE name = 'json'"), "null");
  execute("DROP TABLE spelled");
}

}  // namespace forebay
