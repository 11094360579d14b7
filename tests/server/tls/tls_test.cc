// The Redis front over TLS, with real certificates.

#include "server/tls/tls.h"

#include <gmock/gmock.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "server/server_fixture.h"
#include "support/certificates.h"

namespace forebay::server {
namespace {

using testing::HasSubstr;

// A client that speaks TLS over a socket that it does not own.
class TlsClient {
 public:
  struct Options {
    std::string authority = {};    // whom it believes
    std::string certificate = {};  // its own
    std::string key = {};
    int version = 0;  // at most; 0: any
    SSL_SESSION* session = nullptr;
  };

  TlsClient(std::uint16_t port, const Options& options)
      : socket_(port), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    // Or OpenSSL itself refuses what the server is to refuse.
    SSL_CTX_set_cipher_list(context_, "DEFAULT@SECLEVEL=0");
    if (options.version != 0) SSL_CTX_set_max_proto_version(context_, options.version);
    SSL_CTX_load_verify_locations(context_, options.authority.c_str(), nullptr);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    if (!options.certificate.empty()) {
      SSL_CTX_use_certificate_chain_file(context_, options.certificate.c_str());
      SSL_CTX_use_PrivateKey_file(context_, options.key.c_str(), SSL_FILETYPE_PEM);
    }
    stream_ = SSL_new(context_);
    SSL_set_fd(stream_, socket_.descriptor());
    if (options.session != nullptr) SSL_set_session(stream_, options.session);
    connected_ = SSL_connect(stream_) == 1;
  }
  ~TlsClient() {
    SSL_free(stream_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // A TLS 1.3 client learns that it was refused from what it reads.
  bool connected() { return connected_ && ask({"PING"}) == "+PONG\r\n"; }
  bool send(const std::string& bytes) {
    std::size_t sent = 0;
    for (std::size_t at = 0; at < bytes.size(); at += sent) {
      if (SSL_write_ex(stream_, bytes.data() + at, bytes.size() - at, &sent) != 1) return false;
    }
    return true;
  }
  // So many bytes, or "(closed)".
  std::string receive(std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t count = 0;
    for (std::size_t at = 0; at < size; at += count) {
      if (SSL_read_ex(stream_, bytes.data() + at, size - at, &count) != 1) return "(closed)";
    }
    return bytes;
  }
  // The first line of the answer.
  std::string ask(const std::vector<std::string>& args) {
    if (!send(TestClient::encode(args))) return "(closed)";
    std::string line;
    while (!line.ends_with("\r\n") && line != "(closed)") line += receive(1);
    return line;
  }
  std::string version() const { return SSL_get_version(stream_); }
  std::string server_name() const {
    X509* const certificate = SSL_get1_peer_certificate(stream_);
    char name[256] = "";
    if (certificate != nullptr)
      X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name, sizeof name);
    X509_free(certificate);
    return name;
  }
  bool resumed() const { return SSL_session_reused(stream_) == 1; }
  SSL_SESSION* session() const { return SSL_get1_session(stream_); }

 private:
  TestClient socket_;
  SSL_CTX* context_;
  SSL* stream_ = nullptr;
  bool connected_ = false;
};

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    files.make_authority("ca");
    files.make("server", "ca");
    options.tls.address = "127.0.0.1:0";
    options.tls.certificate = files.certificate("server");
    options.tls.key = files.key("server");
  }
  TlsClient::Options believing(const std::string& authority = "ca") const {
    TlsClient::Options client;
    client.authority = files.certificate(authority);
    return client;
  }
  TlsClient::Options as(const std::string& name) const {
    TlsClient::Options client = believing();
    client.certificate = files.certificate(name);
    client.key = files.key(name);
    return client;
  }
  bool connects(const TlsClient::Options& client) {
    return TlsClient(server->tls_port(), client).connected();
  }

  test::Certificates files;
};

TEST_F(TlsTest, ServesBothVersionsBesidePlainClients) {
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient::Options wanted = believing();
    wanted.version = version;
    TlsClient client(server->tls_port(), wanted);
    ASSERT_TRUE(client.connected());
    EXPECT_EQ(client.version(), version == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
    EXPECT_EQ(client.ask({"SET", "k", client.version()}), "+OK\r\n");
    EXPECT_EQ(connect()->ask({"GET", "k"}), client.version());
  }
  TlsClient::Options old = believing();
  old.version = TLS1_1_VERSION;
  EXPECT_FALSE(connects(old));
  EXPECT_FALSE(connects(believing("server"))) << "the client does not believe the server";
}

TEST_F(TlsTest, LargeValuesAndPipelinesGoBothWays) {
  start();
  TlsClient client(server->tls_port(), believing());
  std::string value(5'000'000, 'v');
  for (std::size_t at = 0; at < value.size(); at += 997) value[at] = static_cast<char>('a' + at % 26);
  EXPECT_EQ(client.ask({"SET", "k", value}), "+OK\r\n");
  const std::string wanted = "$5000000\r\n" + value + "\r\n";
  std::string pipeline;
  std::string answers;
  for (int i = 0; i < 5; ++i) {
    pipeline += TestClient::encode({"GET", "k"}) + TestClient::encode({"PING"});
    answers += wanted + "+PONG\r\n";
  }
  ASSERT_TRUE(client.send(pipeline));
  EXPECT_TRUE(client.receive(answers.size()) == answers) << "the socket was full meanwhile";
  pipeline.clear();
  for (int i = 0; i < 5000; ++i) pipeline += TestClient::encode({"PING"});
  ASSERT_TRUE(client.send(pipeline));
  EXPECT_EQ(client.receive(5000 * 7).substr(0, 14), "+PONG\r\n+PONG\r\n");
  EXPECT_EQ(client.ask({"QUIT"}), "+OK\r\n");
  EXPECT_EQ(client.receive(1), "(closed)");
}

TEST_F(TlsTest, ClientsShowCertificatesWhereTheyMust) {
  files.make("client", "ca");
  files.make_authority("others");
  files.make("stranger", "others");
  options.tls.client_ca = files.certificate("ca");
  options.tls.client_auth = config::ClientAuth::kRequired;
  start();
  EXPECT_TRUE(connects(as("client")));
  EXPECT_FALSE(connects(as("stranger")));
  EXPECT_FALSE(connects(believing())) << "without a certificate";

  config::Tls optional = options.tls;
  optional.client_auth = config::ClientAuth::kOptional;
  ASSERT_TRUE(server->tls().reload(optional));
  EXPECT_TRUE(connects(as("client")));
  EXPECT_TRUE(connects(believing()));
  EXPECT_FALSE(connects(as("stranger"))) << "a wrong one is no better than none";
}

TEST_F(TlsTest, NewCertificatesAreForNewClientsAndBrokenOnesForNobody) {
  start();
  TlsClient before(server->tls_port(), believing());
  EXPECT_EQ(before.server_name(), "server");
  files.make("renewed", "ca");
  std::filesystem::copy_file(files.certificate("renewed"), options.tls.certificate,
                             std::filesystem::copy_options::overwrite_existing);
  const auto half = server->tls().reload(options.tls);
  ASSERT_FALSE(half) << "the key is still the old one's";
  EXPECT_THAT(half.error().message,
              HasSubstr("server.tls.key = \"" + options.tls.key + "\": key values mismatch"));
  EXPECT_EQ(TlsClient(server->tls_port(), believing()).server_name(), "server");
  std::filesystem::copy_file(files.key("renewed"), options.tls.key,
                             std::filesystem::copy_options::overwrite_existing);
  ASSERT_TRUE(server->tls().reload(options.tls));
  TlsClient after(server->tls_port(), believing());
  EXPECT_TRUE(after.connected());
  EXPECT_EQ(after.server_name(), "renewed");
  EXPECT_TRUE(before.connected()) << "who is connected stays";
}

TEST_F(TlsTest, WrongFilesAreNamed) {
  const auto refusal = [&] {
    auto opened = TlsContext::open(options.tls);
    return opened ? "" : opened.error().message;
  };
  const config::Tls good = options.tls;
  options.tls.certificate = "/nowhere.crt";
  EXPECT_THAT(refusal(), HasSubstr("server.tls.certificate = \"/nowhere.crt\": "));
  options.tls = good;
  std::ofstream(files.path("junk")) << "junk";
  options.tls.key = files.path("junk");
  EXPECT_THAT(refusal(), HasSubstr("server.tls.key = "));
  options.tls = good;
  options.tls.client_auth = config::ClientAuth::kRequired;
  options.tls.client_ca = files.path("junk");
  EXPECT_THAT(refusal(), HasSubstr("server.tls.client_ca = "));
  options.tls = good;
  options.tls.ciphers = "NOPE";
  EXPECT_THAT(refusal(), HasSubstr("server.tls.ciphers = \"NOPE\": no cipher match"));
}

TEST_F(TlsTest, AHandshakeHasItsTime) {
  start();
  TestClient silent(server->tls_port());
  TlsClient finished(server->tls_port(), believing());
  ASSERT_TRUE(finished.connected());
  const std::string address = " addr=127.0.0.1:" + std::to_string(silent.local_port()) + " ";
  ASSERT_TRUE(
      eventually([&] { return connect()->ask({"CLIENT", "LIST"}).find(address) != std::string::npos; }));
  clock.advance(options.login_timeout + 1s);
  EXPECT_TRUE(silent.closed());
  EXPECT_TRUE(finished.connected()) << "it has nothing more to prove";
}

TEST_F(TlsTest, BytesThatAreNoTlsHurtNobody) {
  start();
  std::mt19937 random(7);
  const std::string hello = "\x16\x03\x01";
  for (int round = 0; round < 60; ++round) {
    TestClient client(server->tls_port());
    std::string bytes = round % 3 == 0 ? TestClient::encode({"PING"}) : round % 3 == 1 ? hello : "";
    for (std::size_t i = random() % 2000; i > 0; --i) bytes += static_cast<char>(random());
    client.send(bytes);
    client.end_sending();
    EXPECT_EQ(client.read_all().find("PONG"), std::string::npos);
  }
  EXPECT_TRUE(connects(believing()));
  EXPECT_TRUE(others_are_served());
}

TEST_F(TlsTest, ASessionIsResumed) {
  files.make("client", "ca");
  options.tls.client_ca = files.certificate("ca");
  options.tls.client_auth = config::ClientAuth::kRequired;
  start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient::Options client = as("client");
    client.version = version;
    TlsClient first(server->tls_port(), client);
    ASSERT_TRUE(first.connected());
    EXPECT_FALSE(first.resumed());
    client.session = first.session();
    TlsClient second(server->tls_port(), client);
    EXPECT_TRUE(second.connected());
    EXPECT_TRUE(second.resumed()) << first.version();
    SSL_SESSION_free(client.session);
  }
}

TEST_F(TlsTest, ThePlainPortMayBeOff) {
  options.resp = "";
  options.password = "secret";
  start();
  EXPECT_EQ(server->resp_port(), 0);
  TlsClient client(server->tls_port(), believing());
  EXPECT_EQ(client.ask({"PING"}), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(client.ask({"AUTH", "default", "secret"}), "+OK\r\n");
  server->stop();
  EXPECT_EQ(client.receive(1), "(closed)");
}

TEST_F(TlsTest, OtherMachinesNeedAPasswordHereToo) {
  options.tls.address = "0.0.0.0:0";
  Environment environment;
  environment.functions["gated"].load = [this](std::span<const KeyFields> keys, const CallContext&) {
    return source.load(keys);
  };
  auto opened = layer::open_layer(model, std::move(environment));
  ASSERT_TRUE(opened);
  auto refused = Server::open(options, **opened);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("server.tls.address = \"0.0.0.0:0\" is reachable from other machines"));
}

}  // namespace
}  // namespace forebay::server
