// redis-cli and redis-py over TLS, with certificates on both sides.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "config/model.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "server/server.h"
#include "support/certificates.h"
#include "support/process.h"

namespace forebay {
namespace {

using testing::HasSubstr;

class TlsClients : public testing::Test {
 protected:
  void SetUp() override {
    files_.make_authority("ca");
    files_.make("127.0.0.1", "ca");
    files_.make("client", "ca");
    auto layer = layer::open_layer(config::Model());
    ASSERT_TRUE(layer) << layer.error().message;
    layer_ = std::move(*layer);
    config::Server fronts;
    fronts.resp.clear();
    fronts.http.clear();
    fronts.threads = 2;
    fronts.users = {{"app", "on >secret ~* +@all", {}}, {"default", "off", {}}};
    fronts.tls.address = "127.0.0.1:0";
    fronts.tls.certificate = files_.certificate("127.0.0.1");
    fronts.tls.key = files_.key("127.0.0.1");
    fronts.tls.client_ca = files_.certificate("ca");
    fronts.tls.client_auth = config::ClientAuth::kRequired;
    auto server = server::Server::open(fronts, *layer_);
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    server_->start();
  }
  std::string port() const { return std::to_string(server_->tls_port()); }

  test::Certificates files_;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<server::Server> server_;
};

TEST_F(TlsClients, RedisCliSpeaksIt) {
  const auto redis_cli = [&](std::vector<std::string> more) {
    std::vector<std::string> args{"redis-cli", "--tls", "-p", port(), "--cacert", files_.certificate("ca")};
    args.insert(args.end(), more.begin(), more.end());
    return test::run(args).text;
  };
  const std::vector<std::string> mutual{"--cert", files_.certificate("client"), "--key",
                                        files_.key("client")};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), mutual.begin(), mutual.end());
    return redis_cli(more);
  };
  EXPECT_EQ(with({"--user", "app", "--pass", "secret", "--no-auth-warning", "SET", "k", "v"}), "OK\n");
  EXPECT_EQ(with({"--user", "app", "--pass", "secret", "--no-auth-warning", "GET", "k"}), "v\n");
  EXPECT_THAT(with({"GET", "k"}), HasSubstr("NOAUTH"));
  EXPECT_THAT(redis_cli({"PING"}), testing::Not(HasSubstr("PONG"))) << "without a certificate";
}

TEST_F(TlsClients, RedisPySpeaksIt) {
  const std::string program =
      "import redis\n"
      "c = redis.Redis(host='127.0.0.1', port=" +
      port() + ", ssl=True, ssl_check_hostname=False, ssl_ca_certs='" + files_.certificate("ca") +
      "', ssl_certfile='" + files_.certificate("client") + "', ssl_keyfile='" + files_.key("client") +
      "', username='app', password='secret')\n"
      "c.set('k', 'x' * 3000000)\n"
      "assert len(c.get('k')) == 3000000\n"
      "p = c.pipeline()\n"
      "for i in range(2000): p.incr('n')\n"
      "assert p.execute()[-1] == 2000\n"
      "assert c.acl_whoami() in (b'app', 'app')\n"
      "print('good')\n";
  EXPECT_EQ(test::run({"/usr/bin/python3", "-c", program}).text, "good\n");
}

}  // namespace
}  // namespace forebay
