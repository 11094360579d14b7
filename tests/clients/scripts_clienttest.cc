// Clients of other languages, unmodified: each script talks to the server and checks every reply itself.

#include <filesystem>

#include "clients/served.h"
#include "support/paths.h"
#include "support/process.h"

namespace forebay {
namespace {

using Scripts = Served;

void expect_passed(const test::Output& output) {
  EXPECT_EQ(output.status, 0) << output.text;
  EXPECT_TRUE(output.text.ends_with("passed\n")) << output.text;
}

TEST_F(Scripts, PythonsRedis) {
  const auto script = test::source_dir() / "tests/clients/redis_py.py";
  expect_passed(test::run({"/usr/bin/python3", script.string(), port_text()}));
}

TEST_F(Scripts, NpmsRedis) {
  const auto folder = test::source_dir() / "tests/clients/node";
  if (!std::filesystem::exists(folder / "node_modules"))
    GTEST_SKIP() << "./dev test installs the npm packages";
  expect_passed(test::run({"node", (folder / "redis.mjs").string(), port_text()}));
}

TEST_F(Scripts, NpmsIoredis) {
  const auto folder = test::source_dir() / "tests/clients/node";
  if (!std::filesystem::exists(folder / "node_modules"))
    GTEST_SKIP() << "./dev test installs the npm packages";
  expect_passed(test::run({"node", (folder / "ioredis.mjs").string(), port_text()}));
}

}  // namespace
}  // namespace forebay
