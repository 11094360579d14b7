// Installs what this build made into a folder of its own and builds an outside program against it, once as a
// CMake package and once by pkg-config. Nothing of the library is compiled again.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"

namespace forebay {
namespace {

namespace fs = std::filesystem;

class Install : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<test::TempDir>();
    installed_ = test::run({"cmake", "--install", test::binary_dir(), "--prefix", prefix()});
  }
  static void TearDownTestSuite() { folder_.reset(); }

  void SetUp() override { ASSERT_EQ(installed_.status, 0) << installed_.text; }

  static fs::path prefix() { return *folder_ / "prefix"; }
  static fs::path outside() { return test::source_dir() / "tests/packaging/outside"; }

  static test::Output configure(const fs::path& project, const fs::path& build) {
    return test::run(
        {"cmake", "-S", project, "-B", build, "-G", "Ninja", "-DCMAKE_PREFIX_PATH=" + prefix().string()});
  }

  // The outside program loads one value, asks for it twice, and says so.
  static void expect_that_it_works(const fs::path& program) {
    const test::Output ran = test::run({program});
    EXPECT_EQ(ran.status, 0) << ran.text;
    EXPECT_EQ(ran.text, "square:12 = 144 after 1 load\n");
  }

  static inline std::unique_ptr<test::TempDir> folder_;
  static inline test::Output installed_;
};

TEST_F(Install, FindPackageBuildsAnOutsideProgram) {
  const fs::path build = *folder_ / "by-cmake";
  const test::Output configured = configure(outside(), build);
  ASSERT_EQ(configured.status, 0) << configured.text;
  const test::Output built = test::run({"cmake", "--build", build});
  ASSERT_EQ(built.status, 0) << built.text;
  expect_that_it_works(build / "outside");
}

TEST_F(Install, PkgConfigBuildsAnOutsideProgram) {
  fs::path packages;
  for (const auto& entry : fs::recursive_directory_iterator(prefix())) {
    if (entry.path().filename() == "forebay.pc") packages = entry.path().parent_path();
  }
  ASSERT_FALSE(packages.empty());
  const test::Output flags = test::run({"pkg-config", "--cflags", "--libs", "forebay"},
                                       {.environment = {"PKG_CONFIG_PATH=" + packages.string()}});
  ASSERT_EQ(flags.status, 0) << flags.text;

  const fs::path program = *folder_ / "by-pkg-config";
  std::vector<std::string> command{"g++", "-std=c++23", outside() / "outside.cc", "-o", program};
  std::istringstream words(flags.text);
  for (std::string word; words >> word;) command.push_back(word);
  const test::Output built = test::run(command);
  ASSERT_EQ(built.status, 0) << built.text;
  expect_that_it_works(program);
}

TEST_F(Install, AProgramThatWantsANewerMinorVersionIsToldSo) {
  const fs::path project = *folder_ / "too-new";
  fs::create_directories(project);
  std::ofstream(project / "CMakeLists.txt")
      << "cmake_minimum_required(VERSION 3.25)\nproject(x CXX)\nfind_package(forebay 0.2 REQUIRED)\n";
  const test::Output configured = configure(project, project / "build");
  EXPECT_NE(configured.status, 0);
  EXPECT_NE(configured.text.find("version"), std::string::npos) << configured.text;
}

TEST_F(Install, TheProgramRunsFromWhereItWasInstalled) {
  const test::Output ran = test::run({prefix() / "bin/forebay", "--help"});
  EXPECT_EQ(ran.status, 0) << ran.text;
}

TEST_F(Install, OnlyPublicHeadersAreInstalled) {
  for (const auto& entry : fs::recursive_directory_iterator(prefix() / "include")) {
    if (!entry.is_regular_file()) continue;
    EXPECT_EQ(entry.path().parent_path().filename(), "forebay") << entry.path();
  }
}

}  // namespace
}  // namespace forebay
