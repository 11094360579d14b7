#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cli/demo/catalogue.h"
#include "cli/demo/child_output.h"
#include "cli/demo/console.h"
#include "cli/demo/database.h"
#include "cli/demo/sample_catalogue.h"
#include "support/paths.h"

namespace forebay::cli::demo {
namespace {

std::vector<Package> read(std::string_view text, std::size_t piece = std::string_view::npos) {
  std::vector<Package> packages;
  CatalogueReader reader([&](const Package& package) { packages.push_back(package); });
  while (!text.empty()) {
    reader.feed(text.substr(0, piece));
    text.remove_prefix(std::min(piece, text.size()));
  }
  reader.finish();
  return packages;
}

std::string edges_of(const std::vector<Edge>& edges) {
  std::string text;
  for (const Edge& edge : edges) text += edge.kind + ":" + edge.target + " ";
  return text;
}

constexpr std::string_view kTwoPackages =
    "Package: curl\n"
    "Version: 7.88.1-10\n"
    "Installed-Size: 500\n"
    "Maintainer: Alessandro Ghedini <ghedo@debian.org>\n"
    "Architecture: amd64\n"
    "Depends: libc6 (>= 2.34), libcurl4 (= 7.88.1-10),\n"
    " zlib1g:any\n"
    "Pre-Depends: dpkg\n"
    "Description: command line tool\n"
    " A longer text that is not wanted: Version: 9\n"
    "Tag: implemented-in::c,\n"
    " interface::commandline\n"
    "Section: web\n"
    "\n"
    "Package: sed\n"
    "Version: 4.9-1\n";

TEST(Catalogue, EveryFieldOfAStanzaIsRead) {
  const auto packages = read(kTwoPackages);
  ASSERT_EQ(packages.size(), 2u);
  const Package& curl = packages[0];
  EXPECT_EQ(curl.name, "curl");
  EXPECT_EQ(curl.version, "7.88.1-10");
  EXPECT_EQ(curl.section, "web");
  EXPECT_EQ(curl.architecture, "amd64");
  EXPECT_EQ(curl.maintainer, "Alessandro Ghedini <ghedo@debian.org>");
  EXPECT_EQ(curl.installed_size, 500);
  EXPECT_EQ(curl.description, "command line tool");
  EXPECT_EQ(edges_of(curl.edges), "depends:libc6 depends:libcurl4 depends:zlib1g pre-depends:dpkg ");
  EXPECT_EQ(packages[1].name, "sed");
  EXPECT_EQ(packages[1].edges.size(), 0u);
}

TEST(Catalogue, PiecesOfAnySizeMakeTheSamePackages) {
  const auto whole = read(kTwoPackages);
  for (std::size_t piece = 1; piece < 80; ++piece) {
    const auto pieces = read(kTwoPackages, piece);
    ASSERT_EQ(pieces.size(), whole.size()) << piece;
    EXPECT_EQ(pieces[0].description, whole[0].description) << piece;
    EXPECT_EQ(edges_of(pieces[0].edges), edges_of(whole[0].edges)) << piece;
  }
}

TEST(Catalogue, StanzasWithoutNameOrVersionAndLooseLinesAreSkipped) {
  const auto packages = read(
      "\n\n continues nothing\nno colon here\nVersion: 1\n\nPackage: a\n\nPackage: b\nVersion: 2\n "
      "\nPackage: c\nVersion: 3");
  ASSERT_EQ(packages.size(), 2u);
  EXPECT_EQ(packages[0].name, "b");
  EXPECT_EQ(packages[1].name, "c");
}

TEST(Catalogue, EachAlternativeIsAnEdgeOfItsOwn) {
  std::vector<Edge> edges;
  append_edges(" exim4 (>= 4) | mail-transport-agent,python3:any [amd64],, lib<!nocheck>|", "depends", edges);
  EXPECT_EQ(edges_of(edges), "depends:exim4 depends:mail-transport-agent depends:python3 depends:lib ");
}

TEST(Catalogue, TheSampleInTheProgramIsTheFileInExamples) {
  std::ifstream file(test::source_dir() / "examples/catalogue/packages");
  std::ostringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == kSampleCatalogue);
  EXPECT_GT(read(kSampleCatalogue).size(), 300u);
}

class DemoDatabase : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "forebay-demo-test-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/catalogue.db"; }

  void import(std::string_view text) {
    auto importer = Importer::create(path());
    ASSERT_TRUE(importer) << importer.error().message;
    for (const Package& package : read(text)) {
      const auto added = importer->add(package);
      ASSERT_TRUE(added) << added.error().message;
    }
    const auto finished = importer->finish();
    ASSERT_TRUE(finished) << finished.error().message;
  }

  std::string ask(std::string_view sql, std::string_view parameter = {}) {
    auto database = Database::open(path());
    if (!database) return database.error().message;
    auto statement = database->prepare(sql);
    if (!statement) return statement.error().message;
    auto answer = parameter.empty() ? statement->run() : statement->run({parameter});
    return answer ? answer->value_or("nothing") : answer.error().message;
  }

  std::string folder_;
};

TEST_F(DemoDatabase, APackageIsARowWithItsViewsAndItsEdges) {
  import(kTwoPackages);
  EXPECT_EQ(ask(kPackageQuery, "curl"),
            R"({"name":"curl","version":"7.88.1-10","section":"web","architecture":"amd64",)"
            R"("maintainer":"Alessandro Ghedini <ghedo@debian.org>","homepage":null,"installed_size":500,)"
            R"("description":"command line tool","note":null,"version_no":1})");
  EXPECT_EQ(ask("SELECT section FROM packages WHERE name = 'sed'"), "nothing");
  EXPECT_EQ(ask("SELECT views FROM package_views WHERE name = 'sed'"), "0");
  EXPECT_EQ(ask("SELECT count(*) FROM depends WHERE package = 'curl'"), "4");
}

TEST_F(DemoDatabase, ReverseDependenciesAreTransitiveAndEndInCycles) {
  import(
      "Package: a\nVersion: 1\nDepends: b\n\nPackage: b\nVersion: 1\nDepends: c | d\n\n"
      "Package: c\nVersion: 1\nDepends: a\n\nPackage: e\nVersion: 1\nPre-Depends: b\n");
  EXPECT_EQ(ask(kReverseDependenciesQuery, "d"), R"(["a","b","c","e"])");
  EXPECT_EQ(ask(kReverseDependenciesQuery, "e"), "[]");
}

TEST_F(DemoDatabase, TheFirstOfTwoVersionsStaysWithItsOwnEdges) {
  import("Package: a\nVersion: 2\nDepends: new\n\nPackage: a\nVersion: 1\nDepends: old\n");
  EXPECT_EQ(ask("SELECT version FROM packages"), "2");
  EXPECT_EQ(ask("SELECT group_concat(target) FROM depends"), "new");
}

TEST_F(DemoDatabase, OnlyAFinishedImportIsComplete) {
  EXPECT_FALSE(is_complete(path()));
  {
    auto importer = Importer::create(path());
    ASSERT_TRUE(importer) << importer.error().message;
    const auto added = importer->add(read("Package: a\nVersion: 1\n").at(0));
    ASSERT_TRUE(added) << added.error().message;
  }
  EXPECT_FALSE(is_complete(path()));
  import(kTwoPackages);
  EXPECT_TRUE(is_complete(path()));
  std::ofstream(path())
      << "not a database at all, but long enough to be looked at as one by whoever opens it";
  EXPECT_FALSE(is_complete(path()));
}

TEST_F(DemoDatabase, CreatingReplacesWhatWasThere) {
  import(kTwoPackages);
  import("Package: a\nVersion: 1\n");
  EXPECT_EQ(ask("SELECT group_concat(name) FROM packages"), "a");
}

TEST(ChildOutput, OutputAndExitStatusArePassedOn) {
  std::string output;
  const auto status = run_child({"sh", "-c", "echo one; echo two; echo lost >&2; exit 3"},
                                [&](std::string_view text) { output += text; });
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(*status, 3);
  EXPECT_EQ(output, "one\ntwo\n");
}

TEST(ChildOutput, AProgramThatDoesNotExistIsAnErrorThatNamesIt) {
  const auto status = run_child({"no-such-program-at-all"}, [](std::string_view) {});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("no-such-program-at-all"), std::string::npos);
}

TEST(DemoConsole, TablesAlignNumbersToTheRight) {
  EXPECT_EQ(format_table({{"what", "count", "p50"}, {"hit", "12,345", "0.042 ms"}, {"miss", "7", ""}}),
            "  what   count       p50\n"
            "  ----  ------  --------\n"
            "  hit   12,345  0.042 ms\n"
            "  miss       7\n");
}

TEST(DemoConsole, TextIsBrokenAtSpaces) {
  EXPECT_EQ(wrapped("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("one two three", 7), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("unbreakable words", 4), (std::vector<std::string>{"unbreakable", "words"}));
  EXPECT_EQ(wrapped("", 4), std::vector<std::string>{});
}

TEST(DemoConsole, NumbersReadWell) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1'000), "1,000");
  EXPECT_EQ(with_commas(1'234'567), "1,234,567");
  EXPECT_EQ(in_words(std::chrono::microseconds(42)), "0.042 ms");
  EXPECT_EQ(in_words(std::chrono::microseconds(3'414)), "3.41 ms");
  EXPECT_EQ(in_words(std::chrono::milliseconds(190)), "190 ms");
  EXPECT_EQ(in_words(std::chrono::milliseconds(2'100)), "2.10 s");
  EXPECT_EQ(percent(1, 3), "33.3 %");
  EXPECT_EQ(percent(0, 0), "-");
}

std::string printed(bool terminal) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = ::open_memstream(&text, &size);
  Console console(out, terminal);
  console.heading("Heading");
  console.progress("half way");
  console.claim(true, "it held");
  console.claim(false, "it did not");
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(DemoConsole, APipeGetsNoControlCodesAndNoProgress) {
  EXPECT_EQ(printed(false), "\nHeading\n  ok      it held\n  FAILED  it did not\n");
}

TEST(DemoConsole, ATerminalSeesProgressThatTheNextLineReplaces) {
  const std::string text = printed(true);
  EXPECT_NE(text.find("half way\033[0m\r\033[K  "), std::string::npos) << text;
}

}  // namespace
}  // namespace forebay::cli::demo
