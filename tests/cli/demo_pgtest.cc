// The demo's second act, as a user sees it, on the PostgreSQL that is installed.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "cli/demo/own_postgres.h"
#include "cli/demo/second_act.h"

namespace forebay::cli::demo {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string text_of(std::FILE* file) {
  std::rewind(file);
  std::string text;
  char buffer[4096];
  for (std::size_t count; (count = std::fread(buffer, 1, sizeof(buffer), file)) > 0;)
    text.append(buffer, count);
  return text;
}

TEST(SecondAct, ShowsThatWhatDependsOnTheRowFollows) {
  std::FILE* const out = std::tmpfile();
  ASSERT_NE(out, nullptr);
  Console console(out, false);
  const auto held = second_act(console, [] { return false; });
  const std::string text = text_of(out);
  std::fclose(out);
  ASSERT_TRUE(held) << held.error().message;
  EXPECT_TRUE(*held) << text;
  EXPECT_THAT(text, HasSubstr("UPDATE members SET team = 8 WHERE id = 7"));
  EXPECT_THAT(text, Not(HasSubstr("FAILED")));
}

TEST(OwnPostgres, IsGoneWithItsFolderAtTheEnd) {
  const std::string programs = OwnPostgres::installed();
  ASSERT_FALSE(programs.empty());
  std::string folder;
  {
    auto server = OwnPostgres::start(programs);
    ASSERT_TRUE(server) << server.error().message;
    folder = (*server)->folder();
    const auto product = (*server)->psql("SELECT 6 * 7");
    ASSERT_TRUE(product) << product.error().message;
    EXPECT_EQ(*product, "42\n");
    EXPECT_FALSE((*server)->psql("SELECT nonsense"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder));
}

}  // namespace
}  // namespace forebay::cli::demo
