#pragma once

// The contract of sources: what is said of a value before it is written is what is read afterwards. Included
// by source_contract.h.

#include <algorithm>

#include "contract/source_under_test.h"

namespace forebay {

class SourceSpelling : public SourceContract {
 protected:
  static const std::vector<std::string>& texts() {
    static const std::vector<std::string> kTexts = {"",
                                                    " ",
                                                    "a",
                                                    "007",
                                                    "7",
                                                    "+5",
                                                    " 12 ",
                                                    "-0",
                                                    "-0.0",
                                                    "1.50",
                                                    ".5",
                                                    "5.",
                                                    "-.25",
                                                    "00.10",
                                                    "3.0",
                                                    "1e3",
                                                    "1.5E-7",
                                                    "123456789.125",
                                                    "1e15",
                                                    "9007199254740993",
                                                    "9223372036854775807",
                                                    "9223372036854775808",
                                                    "1e400",
                                                    "1e-400",
                                                    "nan",
                                                    "-INF",
                                                    "t",
                                                    "true",
                                                    "FALSE",
                                                    "of",
                                                    "1",
                                                    "0",
                                                    "null",
                                                    "AP8Q",
                                                    "\"quoted\"",
                                                    "[1]",
                                                    "[[1, 2],[3,null]]",
                                                    "[\"1\",\"t\"]",
                                                    "[\"x y\"]",
                                                    "{1,NULL,3}",
                                                    "{t,false}",
                                                    "{}",
                                                    "{\"a\":1.50}",
                                                    "padded  ",
                                                    "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}",
                                                    "2026-02-28 13:45:10",
                                                    "13:45",
                                                    "1 day",
                                                    "10.0.0.1"};
    return kTexts;
  }

  struct Cell {
    OptionalText text;
    bool string = false;
    // Strings, numbers, truth values, objects and arrays.
    char kind() const {
      if (!text || string) return text ? '"' : '0';
      const char first = text->empty() ? '?' : text->front();
      return first == '-' || (first >= '0' && first <= '9') ? '9' : first == 'f' ? 't' : first;
    }
  };
  static Cell cell(const std::string& row, std::string_view column) {
    std::vector<bool> strings;
    auto fields = fields_of_row(row, &strings);
    EXPECT_TRUE(fields) << row;
    for (std::size_t i = 0; fields && i < fields->size(); ++i) {
      if ((*fields)[i].first == column) return {(*fields)[i].second, strings[i]};
    }
    ADD_FAILURE() << row << " has no " << column;
    return {};
  }
  static Cell announced(const Dataset& dataset, std::string_view column, Given given, std::string text) {
    const Shown as = dataset.shown(column, given, text);
    EXPECT_TRUE(as == Shown::kString || as == Shown::kJson) << column;
    RowJson json;
    if (as == Shown::kString) {
      json.text(column, text);
    } else {
      json.json(column, text);
    }
    return cell(json.take(), column);
  }
  void expect_same(const Cell& before, const Cell& after, const std::string& type, const std::string& text) {
    EXPECT_EQ(before.kind(), after.kind()) << type << " '" << text << "': " << after.text.value_or("null");
    if (database_->spells_alone(type, text)) return;
    EXPECT_EQ(before.text, after.text) << type << " '" << text << "'";
  }

  // A table with a column of each type, c0 and so on.
  void make(const SourceUnderTest::Columns& columns) {
    std::string all;
    for (std::size_t i = 0; i < columns.types.size(); ++i) {
      all += ", c" + std::to_string(i) + " " + columns.types[i];
    }
    execute("DROP TABLE IF EXISTS spelled");
    execute("CREATE TABLE spelled(id integer PRIMARY KEY" + all + ") " + columns.options);
  }
  static DatasetSpec spelled() {
    DatasetSpec spec;
    spec.name = "spelled";
    spec.key_fields = {"id"};
    spec.table = "spelled";
    spec.writable = true;
    return spec;
  }
  // What a write leaves; nothing: it is refused.
  static std::optional<std::string> left(Dataset& dataset, const KeyFields& key, const Write& what) {
    if (!dataset.validate(key, what)) return std::nullopt;
    auto written = dataset.write(key, what, patient());
    return written ? std::move(written->after.value) : std::nullopt;
  }
};

TEST_P(SourceSpelling, AColumnIsShownBeforeItIsWrittenAsItIsReadAfterwards) {
  std::size_t compared = 0;
  for (const auto& columns : database_->columns_of_all_types()) {
    make(columns);
    auto dataset = open(spelled());
    ASSERT_NE(dataset, nullptr);
    for (const std::string& text : texts()) {
      for (const Given given : {Given::kText, Given::kJsonString}) {
        Upsert all;
        for (std::size_t i = 0; i < columns.types.size(); ++i) {
          const std::string name = "c" + std::to_string(i);
          if (dataset->validate({"1"}, Update{{{name, text}}, true})) all.fields.emplace_back(name, text);
        }
        const auto compare = [&](const Upsert& some) {
          Upsert write = some;
          write.strings.assign(given == Given::kJsonString ? some.fields.size() : 0, true);
          const auto row = left(*dataset, {"1"}, write);
          for (const auto& [name, value] : some.fields) {
            if (!row) break;
            ++compared;
            expect_same(announced(*dataset, name, given, text), cell(*row, name),
                        columns.types[std::stoul(name.substr(1))], text);
          }
          return row.has_value();
        };
        if (compare(all)) continue;
        for (const auto& field : all.fields) compare({{field}});
      }
    }
  }
  EXPECT_GT(compared, 300U);
}

TEST_P(SourceSpelling, ATextNamespacesValueIsShownAsItIsReadAfterwards) {
  std::size_t compared = 0;
  for (const auto& columns : database_->columns_of_all_types()) {
    make(columns);
    for (std::size_t i = 0; i < columns.types.size(); ++i) {
      DatasetSpec spec = spelled();
      spec.kind = ValueKind::kText;
      spec.value_column = "c" + std::to_string(i);
      auto dataset = open(spec);
      ASSERT_NE(dataset, nullptr);
      // Some of them: each is a transaction.
      for (std::size_t t = i % 3; t < texts().size(); t += 3) {
        const std::string& text = texts()[t];
        if (database_->spells_alone(columns.types[i], text)) continue;
        const auto value = left(*dataset, {"1"}, Upsert{{{spec.value_column, text}}});
        if (!value) continue;
        std::string before = text;
        EXPECT_NE(dataset->shown(spec.value_column, Given::kText, before), Shown::kUnknown);
        EXPECT_EQ(before, value) << columns.types[i] << " '" << text << "'";
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 70U);
}

TEST_P(SourceSpelling, TheKeyOfANewRowIsShownAsItIsReadAfterwards) {
  std::size_t compared = 0;
  for (const std::string& type : database_->types_of_keys()) {
    execute("DROP TABLE IF EXISTS spelled");
    execute("CREATE TABLE spelled(id " + type + " PRIMARY KEY, body text)");
    auto dataset = open(spelled());
    ASSERT_NE(dataset, nullptr);
    for (const std::string& text : texts()) {
      const auto row = left(*dataset, {text}, Update{{{"body", "x"}}, true});
      if (!row) continue;
      ++compared;
      EXPECT_EQ(announced(*dataset, "id", Given::kKey, text).kind(), cell(*row, "id").kind()) << type << text;
      EXPECT_EQ(announced(*dataset, "id", Given::kKey, text).text, cell(*row, "id").text) << type;
    }
  }
  EXPECT_GT(compared, 30U);
}

TEST_P(SourceSpelling, ASumIsShownAsItIsReadAfterwards) {
  const Add amounts[] = {{"", "5"}, {"", "-9223372036854775807"}, {"", "0.5", true}, {"", "12.25", true}};
  std::size_t compared = 0;
  for (const auto& columns : database_->columns_of_all_types()) {
    make(columns);
    auto dataset = open(spelled());
    ASSERT_NE(dataset, nullptr);
    for (std::size_t i = 0; i < columns.types.size(); ++i) {
      std::size_t id = 0;
      for (Add add : amounts) {
        add.field = "c" + std::to_string(i);
        const auto row = left(*dataset, {std::to_string(++id)}, add);
        if (!row) continue;
        ++compared;
        expect_same(announced(*dataset, add.field, Given::kSum, add.amount), cell(*row, add.field),
                    columns.types[i], add.amount);
      }
    }
  }
  EXPECT_GT(compared, 15U);
}

TEST_P(SourceSpelling, WhatChangesNothingIsIgnoredAndWhatIsNotThereUnknown) {
  DatasetSpec spec = items();
  spec.version_column = "ver";
  auto dataset = open(spec);
  ASSERT_NE(dataset, nullptr);
  std::string text = "07";
  EXPECT_EQ(dataset->shown("name", Given::kText, text), Shown::kIgnored);
  EXPECT_EQ(dataset->shown("ver", Given::kText, text), Shown::kIgnored);
  EXPECT_EQ(dataset->shown("colour", Given::kText, text), Shown::kUnknown);
  EXPECT_EQ(text, "07");
  auto counters = open(views());
  ASSERT_NE(counters, nullptr);
  EXPECT_NE(counters->shown("n", Given::kText, text), Shown::kUnknown);
  EXPECT_EQ(text, "7");
}

}  // namespace forebay
