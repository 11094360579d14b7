// docs/configuration.md and the reader agree.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

#include "config/reader.h"
#include "support/paths.h"

namespace forebay::config {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

std::string page() {
  return contents(test::source_dir() / "docs/configuration.md");
}

TEST(ConfigurationPage, ItsExampleIsAGoodConfiguration) {
  const std::string text = page();
  const std::size_t begin = text.find("```toml\n") + 8;
  const std::string example = text.substr(begin, text.find("```", begin) - begin);
  ASSERT_GT(example.size(), 500U);
  const auto model = read(example, "configuration.md");
  EXPECT_TRUE(model.has_value()) << model.error().message;
}

TEST(ConfigurationPage, HasARowForEveryKeyThatTheReaderTakes) {
  const std::string text = page();
  const std::regex taken(R"re(\b(?:text|flag|count|share|duration|size|choice|table|texts)\("(\w+)")re");
  std::set<std::string> keys;
  for (const auto& file : std::filesystem::directory_iterator(test::source_dir() / "src/config")) {
    if (!file.path().filename().string().contains("_section")) continue;
    const std::string source = contents(file.path());
    for (std::sregex_iterator at(source.begin(), source.end(), taken), end; at != end; ++at)
      keys.insert((*at)[1]);
  }
  EXPECT_GT(keys.size(), 45U);
  for (const std::string& key : keys) {
    // A key of a table in braces stands with that table's: `flush.every`.
    EXPECT_TRUE(std::regex_search(text, std::regex("\n\\| `(\\w+\\.)?" + key + "` \\|"))) << key;
  }
}

TEST(ConfigurationPage, NamesNoKeyThatTheReaderDoesNotKnow) {
  const std::string text = page();
  const std::regex heading_or_row("\n(?:## \\[(\\w+)(\\.NAME)?\\]|\\| `(\\w+)` \\|)");
  std::string table;
  int rows = 0;
  for (std::sregex_iterator at(text.begin(), text.end(), heading_or_row), end; at != end; ++at) {
    const std::smatch& match = *at;
    if (match[1].matched) {
      table = match[1].str() + (match[2].matched ? ".a" : "");
      continue;
    }
    ++rows;
    // A value of a type that no key takes: known keys are wrong, others are unknown.
    const auto result = read("[" + table + "]\n" + match[3].str() + " = 1979-05-27\n", "f");
    ASSERT_FALSE(result.has_value());
    EXPECT_EQ(result.error().message.find("unknown key"), std::string::npos) << table << "." << match[3];
  }
  EXPECT_GT(rows, 50);
}

}  // namespace
}  // namespace forebay::config
