// Redis's own tools: redis-cli and redis-benchmark.

#include <fstream>
#include <string>
#include <vector>

#include "clients/served.h"
#include "support/process.h"

namespace forebay {
namespace {

class RedisTools : public Served {
 protected:
  std::string cli(std::vector<std::string> args) {
    args.insert(args.begin(), {"redis-cli", "-p", port_text()});
    const test::Output output = test::run(args);
    EXPECT_EQ(output.status, 0) << output.text;
    return output.text;
  }
  // What a shell does with `command`, with $PORT set.
  std::string shell(const std::string& command) {
    const test::Output output =
        test::run({"bash", "-o", "pipefail", "-c", "PORT=" + port_text() + "; " + command});
    EXPECT_EQ(output.status, 0) << output.text;
    return output.text;
  }
};

TEST_F(RedisTools, CliTalksInResp2AndResp3) {
  EXPECT_EQ(cli({"SET", "a", "1"}), "OK\n");
  EXPECT_EQ(cli({"GET", "a"}), "1\n");
  EXPECT_EQ(cli({"--no-raw", "GET", "none"}), "(nil)\n");
  EXPECT_EQ(cli({"--no-raw", "-3", "HGETALL", "pkg:curl"}),
            "1# \"name\" => \"curl\"\n2# \"version\" => \"8.1\"\n3# \"size\" => \"300\"\n");
  EXPECT_EQ(cli({"-2", "HMGET", "pkg:wget", "size", "note"}), "900\nold\n");
  EXPECT_NE(cli({"INFO"}).find("redis_version"), std::string::npos);
  EXPECT_NE(cli({"FOREBAY", "EXPLAIN", "pkg:curl"}).find("namespace"), std::string::npos);
  EXPECT_NE(cli({"COMMAND", "COUNT"}), "0\n");
}

TEST_F(RedisTools, CliScansAndPipes) {
  EXPECT_NE(
      shell("for i in $(seq 1000); do printf 'SET key:%d %d\\r\\n' $i $i; done | redis-cli -p $PORT --pipe")
          .find("errors: 0, replies: 1000"),
      std::string::npos);
  EXPECT_EQ(shell("redis-cli -p $PORT --scan --pattern 'key:*' | wc -l"), "1000\n");
  EXPECT_NE(cli({"--bigkeys"}).find("Sampled 1000 keys"), std::string::npos);
}

TEST_F(RedisTools, CliRunsATransactionFromItsInput) {
  EXPECT_EQ(shell("printf 'MULTI\\nSET t 1\\nINCR t\\nEXEC\\n' | redis-cli -p $PORT"),
            "OK\nQUEUED\nQUEUED\nOK\n2\n");
}

TEST_F(RedisTools, BenchmarkRunsPipelinedAndNot) {
  for (const char* depth : {"1", "16"}) {
    const test::Output output = test::run({"redis-benchmark", "-p", port_text(), "-n", "5000", "-c", "20",
                                           "-P", depth, "-q", "-t", "ping,set,get,incr,mset"});
    EXPECT_EQ(output.status, 0) << output.text;
    for (const char* name : {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET"}) {
      EXPECT_NE(output.text.find(std::string(name)), std::string::npos) << name << " in " << output.text;
    }
    EXPECT_EQ(output.text.find("rror"), std::string::npos) << output.text;
  }
}

}  // namespace
}  // namespace forebay
