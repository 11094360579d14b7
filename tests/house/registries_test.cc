// A folder of parts that are picked by name has a registry, and the two agree: what is in the folder is in
// the registry. (That a registry's rows exist is the linker's business.)

#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include "house/tree.h"
#include "support/paths.h"

namespace forebay::house {
namespace {

// Everything that the pattern's first group matches in the folder's files.
std::set<std::string> named_in(const std::string& folder, const std::string& ending,
                               const std::string& pattern) {
  const std::regex regex(pattern);
  std::set<std::string> names;
  for (const File& file : files({folder}, {ending})) {
    if (file.path.ends_with("/registry" + ending)) continue;
    for (const std::string& line : file.lines) {
      std::smatch match;
      if (std::regex_search(line, match, regex)) names.insert(match[1]);
    }
  }
  return names;
}

TEST(Registries, EveryFamilyOfCommandsIsRegistered) {
  const std::set<std::string> families = named_in("src/server/resp/commands", ".cc", R"(^Family (\w+)\(\))");
  ASSERT_GE(families.size(), 8u);
  const std::string registry = read("src/server/resp/commands/registry.cc");
  for (const std::string& family : families)
    EXPECT_NE(registry.find(family + ","), std::string::npos) << family;
}

TEST(Registries, EveryEvictionPolicyIsRegistered) {
  const std::set<std::string> factories =
      named_in("src/memory/eviction", ".h", R"(^std::unique_ptr<EvictionPolicy> (make_\w+)\()");
  ASSERT_GE(factories.size(), 2u);
  const std::string registry = read("src/memory/eviction/registry.cc");
  for (const std::string& factory : factories)
    EXPECT_NE(registry.find(factory + ","), std::string::npos) << factory;
}

TEST(Registries, EveryKindOfSourceIsRegisteredUnderTheNameOfItsFile) {
  std::set<std::string> kinds = named_in("src/source", ".h", R"(\bopen_(\w+)\(const config::Source)");
  ASSERT_GE(kinds.size(), 3u);
  const std::string registry = read("src/source/registry.cc");
  for (const std::string& kind : kinds) {
    EXPECT_NE(registry.find("{\"" + kind + "\""), std::string::npos) << kind;
    EXPECT_TRUE(std::filesystem::exists(test::source_dir() / "src/source" / (kind + ".h"))) << kind;
  }
}

}  // namespace
}  // namespace forebay::house
