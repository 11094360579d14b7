#include <memory>
#include <thread>
#include <vector>

#include "server/server_fixture.h"

namespace forebay::server {
namespace {

class HttpTest : public ServerTest {
 protected:
  HttpTest() { options.http = "127.0.0.1:0"; }

  std::string ask(const std::string& request) {
    TestClient client(server->http_port());
    client.send(request);
    client.end_sending();
    return client.read_all();
  }
  std::string get(const std::string& target) {
    return ask("GET " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  }
};

TEST_F(HttpTest, MetricsAreInPrometheusText) {
  start();
  auto client = connect();
  client->ask({"SET", "k", "v"});
  client->ask({"GET", "k"});
  client->ask({"GET", "slow:1"});
  const std::string answer = get("/metrics");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK\r\n")) << answer;
  EXPECT_NE(answer.find("Content-Type: text/plain; version=0.0.4"), std::string::npos);
  for (const std::string_view line :
       {"# TYPE forebay_requests_total counter", "forebay_requests_total{namespace=\"\",result=\"hit\"} 1",
        "forebay_requests_total{namespace=\"slow\",result=\"miss\"} 1",
        "forebay_source_calls_total{source=\"gated\",op=\"load\"} 1",
        "forebay_source_keys_total{source=\"gated\"} 1", "forebay_source_seconds_count{source=\"gated\"} 1",
        "forebay_source_seconds_bucket{source=\"gated\",le=\"+Inf\"} 1",
        "forebay_commands_total{command=\"get\"} 2", "forebay_clients 1",
        "forebay_evictions_total{reason=\"expired\"} 0", "forebay_memory_bytes ",
        "forebay_entries{namespace=\"slow\"} 1", "forebay_coalesced_total{namespace=\"slow\"} 0",
        "forebay_feed_lag_seconds "}) {
    EXPECT_NE(answer.find(std::string("\n").append(line)), std::string::npos) << line;
  }
}

// A page in a browser may have had its own name point here.
TEST_F(HttpTest, WithoutAPasswordOnlyKnownNamesAreAnswered) {
  options.http_hosts = {"cache.internal"};
  start();
  const auto status = [this](const std::string& target, const std::string& host) {
    return ask("GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n").substr(9, 3);
  };
  for (const char* target : {"/metrics", "/deadletters"}) {
    EXPECT_EQ(status(target, "evil.example"), "403") << target;
    EXPECT_EQ(status(target, "cache.internal:8380"), "200") << target;
    EXPECT_EQ(status(target, "localhost:8380"), "200") << target;
    EXPECT_EQ(status(target, "[::1]"), "200") << target;
  }
  for (const char* target : {"/healthz", "/readyz"})
    EXPECT_EQ(status(target, "evil.example"), "200") << target;
  EXPECT_EQ(ask("GET /metrics HTTP/1.0\r\n\r\n").substr(9, 3), "200");  // no browser asks so
}

TEST_F(HttpTest, MetricsMayWantThePassword) {
  options.password = "secret";
  options.metrics_password = true;
  start();
  EXPECT_EQ(get("/metrics").substr(9, 3), "401");
  EXPECT_EQ(get("/readyz").substr(9, 3), "200");
  const std::string right = "Authorization: Basic bWV0cmljczpzZWNyZXQ=\r\n";  // metrics:secret
  EXPECT_EQ(ask("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n" + right + "Connection: close\r\n\r\n")
                .substr(9, 3),
            "200");
}

// Every key is in memory from its second command on: any amount of memory down to half would do.
TEST_F(HttpTest, MetricsAndStatsPredictTheHitRateOfOtherMemory) {
  start();
  auto client = connect();
  EXPECT_EQ(get("/metrics").find("forebay_predicted_hit_ratio"), std::string::npos);  // too little is known
  client->ask({"CONFIG", "SET", "maxmemory", "67108864"});
  // A sixteenth of the keys is sampled, by a hash that differs from process to process; 100 of them are
  // needed.
  for (int i = 0; i < 6'000; ++i) {
    const std::string key = "key" + std::to_string(i);
    client->send_command({"SET", key, "v"});
    client->send_command({"GET", key});
    for (int reply = 0; reply < 2; ++reply) client->reply();
  }
  const std::string answer = get("/metrics");
  for (const char* memory : {"0.5", "1", "2", "4"}) {
    EXPECT_NE(answer.find(std::string("\nforebay_predicted_hit_ratio{namespace=\"\",memory=\"") + memory +
                          "\"} 1\n"),
              std::string::npos)
        << answer;
  }
  const std::string stats = client->ask({"FOREBAY", "STATS", ""});
  for (const char* memory : {"0.5", "1", "2", "4"}) {
    const std::string name = std::string("predicted_hit_rate_") + memory + "x";
    EXPECT_NE(stats.find(name), std::string::npos) << stats;
  }
}

TEST_F(HttpTest, HealthAndReadinessTellApart) {
  start();
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(get("/readyz?verbose=1").starts_with("HTTP/1.1 200"));
}

TEST_F(HttpTest, IsNotReadyWhileItDrains) {
  start();
  source.shut();
  auto waiting = connect();
  waiting->send_command({"GET", "slow:1"});
  source.wait_for_loads(1);
  std::thread stopper([this] { server->stop(); });
  EXPECT_TRUE(eventually([this] { return !server->serving(); }));
  EXPECT_TRUE(get("/readyz").starts_with("HTTP/1.1 503"));
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
  source.open();
  stopper.join();
}

TEST_F(HttpTest, AnswersAnythingElseWithAnError) {
  start();
  EXPECT_TRUE(get("/").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(get("/metricsx").starts_with("HTTP/1.1 404"));
  EXPECT_TRUE(ask("POST /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
                  .starts_with("HTTP/1.1 405"));
  EXPECT_TRUE(ask("*1\r\n$4\r\nPING\r\n").starts_with("HTTP/1.1 400"));
  EXPECT_TRUE(ask("GET /healthz HTTP/1.1\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n")
                  .starts_with("HTTP/1.1 413"));
  EXPECT_TRUE(ask("POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n")
                  .starts_with("HTTP/1.1 413"));
}

TEST_F(HttpTest, HeadHasNoBody) {
  start();
  const std::string answer = ask("HEAD /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200"));
  EXPECT_NE(answer.find("Content-Length: 6\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(HttpTest, AConnectionServesSeveralRequests) {
  start();
  TestClient client(server->http_port());
  client.send(
      "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /nope HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: "
      "close\r\n\r\n");
  const std::string both = client.read_all();
  EXPECT_TRUE(both.starts_with("HTTP/1.1 200"));
  EXPECT_NE(both.find("HTTP/1.1 404"), std::string::npos);
}

TEST_F(HttpTest, ConnectionsThatNeverAskKeepNobodyOut) {
  start();
  std::vector<std::unique_ptr<TestClient>> silent;
  for (int i = 0; i < 256; ++i) {
    silent.push_back(std::make_unique<TestClient>(server->http_port()));
    silent.back()->send("GET /hea");
  }
  EXPECT_TRUE(get("/healthz").starts_with("HTTP/1.1 200"));
  // Who came first has made room; the others may still finish.
  EXPECT_EQ(silent.front()->read_all(), "");
  silent.back()->send("lthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(silent.back()->read_all().starts_with("HTTP/1.1 200"));
}

}  // namespace
}  // namespace forebay::server
