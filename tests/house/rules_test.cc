// docs/consistency.md explains every rule that the code cites, and the tests that it names exist.

#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>

#include "house/tree.h"

namespace forebay::house {
namespace {

// What stands behind `//` in a line; empty where nothing does.
std::string comment_in(const std::string& line) {
  const std::size_t start = line.find("//");
  return start == std::string::npos ? std::string() : line.substr(start);
}

// The rules that the page explains: `### X1: …` or `**J4. …`.
std::set<std::string> explained() {
  const std::regex head(R"re((?:### |\*\*)([A-Z][0-9]{1,2})[.:])re");
  const std::string page = read("docs/consistency.md");
  std::set<std::string> rules;
  for (std::sregex_iterator at(page.begin(), page.end(), head), end; at != end; ++at) rules.insert((*at)[1]);
  return rules;
}

TEST(Rules, EveryRuleThatIsCitedIsExplained) {
  const std::set<std::string> rules = explained();
  EXPECT_GT(rules.size(), 30U);
  const std::regex rule(R"re(\b[CDJLORTWX][0-9]{1,2}\b)re");
  for (const File& file : files({"include", "src", "tests"}, {".h", ".cc"})) {
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      const std::string comment = comment_in(file.lines[i]);
      for (std::sregex_iterator at(comment.begin(), comment.end(), rule), end; at != end; ++at) {
        EXPECT_TRUE(rules.contains(at->str())) << file.at(i) << "\n"
                                               << at->str() << " is not in docs/consistency.md";
      }
    }
  }
}

TEST(Rules, TheTestsThatThePageNamesExist) {
  std::set<std::string> tests;
  const std::regex test(R"re(^TEST(?:_[FP])?\((\w+), (\w+)\))re");
  for (const File& file : files({"tests"}, {".h", ".cc"})) {
    for (const std::string& line : file.lines) {
      std::smatch match;
      if (std::regex_search(line, match, test)) tests.insert(match[1].str() + "." + match[2].str());
    }
  }
  const std::regex named(R"re(`([A-Z]\w+\.[A-Z]\w+)`)re");
  const std::string page = read("docs/consistency.md");
  int count = 0;
  for (std::sregex_iterator at(page.begin(), page.end(), named), end; at != end; ++at) {
    const std::string name = (*at)[1];
    if (name == "Suite.Test") continue;
    ++count;
    EXPECT_TRUE(tests.contains(name)) << "docs/consistency.md names " << name;
  }
  EXPECT_GT(count, 40);
}

}  // namespace
}  // namespace forebay::house
