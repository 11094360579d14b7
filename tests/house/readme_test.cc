// The README shows files of examples/, so that what a reader copies from it is what tests have run.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <regex>
#include <string>

#include "house/tree.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay::house {
namespace {

namespace fs = std::filesystem;

// The text of the first fenced block of this language.
std::string block(const std::string& text, const std::string& language) {
  const std::string fence = "```" + language + "\n";
  const std::size_t start = text.find(fence);
  if (start == std::string::npos) return {};
  const std::size_t end = text.find("```", start + fence.size());
  return text.substr(start + fence.size(), end - start - fence.size());
}

TEST(Readme, ShowsTheFilesThatTestsRun) {
  const std::string readme = read("README.md");
  EXPECT_EQ(block(readme, "toml"), read("examples/shop/shop.toml"));
  EXPECT_EQ(block(readme, "cpp"), read("examples/quick_start.cc"));
}

TEST(Readme, TheFirstConfigurationPassesItsCheck) {
  const test::TempDir folder;
  fs::copy_file(test::source_dir() / "examples/shop/shop.toml", folder / "shop.toml");
  const test::Output imported = test::run(
      {"sqlite3", folder / "shop.db", ".read " + (test::source_dir() / "examples/shop/shop.sql").string()});
  ASSERT_EQ(imported.status, 0) << imported.text;
  const test::Output checked = test::run({test::binary_dir() / "forebay", "check", folder / "shop.toml"});
  EXPECT_EQ(checked.status, 0) << checked.text;
}

TEST(Documentation, ShowsTheLeaderboardThatPassesItsCheck) {
  const std::string page = read("docs/configuration.md");
  const std::string board = read("examples/board/board.toml");
  EXPECT_NE(page.find("```toml\n" + board + "```"), std::string::npos);
  const test::TempDir folder;
  fs::copy_file(test::source_dir() / "examples/board/board.toml", folder / "board.toml");
  const test::Output imported = test::run(
      {"sqlite3", folder / "game.db", ".read " + (test::source_dir() / "examples/board/board.sql").string()});
  ASSERT_EQ(imported.status, 0) << imported.text;
  const test::Output checked = test::run({test::binary_dir() / "forebay", "check", folder / "board.toml"});
  EXPECT_EQ(checked.status, 0) << checked.text;
}

TEST(Readme, NamesEveryCommand) {
  const std::regex row(R"re(\{"([a-z]+)", -?\d+, )re");
  const std::string readme = read("README.md");
  for (const File& file : files({"src/server/resp/commands"}, {".cc"})) {
    // A file with subcommands has only those in its table, or is named after the command that they belong to.
    if (std::ranges::any_of(file.lines, [](const std::string& line) {
          return line.find("kSubcommands") != std::string::npos;
        })) {
      continue;
    }
    for (const std::string& line : file.lines) {
      std::smatch match;
      if (!std::regex_search(line, match, row)) continue;
      std::string name = match[1];
      std::ranges::transform(name, name.begin(),
                             [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
      EXPECT_NE(readme.find("`" + name), std::string::npos) << file.path << ": " << name;
    }
  }
}

// A page that nobody finds is a page that nobody reads.
TEST(Readme, EveryPageOfDocsIsInItsIndex) {
  const std::string index = read("docs/README.md");
  for (const File& page : files({"docs"}, {".md"})) {
    const std::string name = page.path.substr(std::string("docs/").size());
    if (name == "README.md") continue;
    EXPECT_NE(index.find("(" + name + ")"), std::string::npos) << name << " is not in docs/README.md";
  }
}

}  // namespace
}  // namespace forebay::house
