// Users, certificates and the Unix socket of the program: what its configuration says of them, and what SIGHUP changes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/certificates.h"
#include "support/eventually.h"
#include "support/paths.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/test_client.h"

namespace forebay::cli {
namespace {

using test::eventually;
using test::Output;
using test::TestClient;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class Security : public testing::Test {
 protected:
  std::string file() const { return (folder_ / "f.toml").string(); }
  std::string socket() const { return (folder_ / "f.sock").string(); }
  void configure(const std::string& text) const { std::ofstream(file()) << text; }
  std::string log() const {
    std::ifstream stream(folder_ / "log");
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  bool logged(const std::string& text) {
    return eventually([&] { return log().find(text) != std::string::npos; });
  }
  void start() {
    server_ = test::Process({program(), "serve", file()}, {.output = folder_ / "log"});
    ASSERT_TRUE(logged(" serves ")) << log();
  }
  Output check() const { return test::run({program(), "check", file()}); }
  void reload() { server_.signal(SIGHUP); }

  static std::string program() { return (test::binary_dir() / "forebay").string(); }
  const std::string quiet_ = "[server]\nresp = \"\"\nhttp = \"\"\nunix_socket = \"f.sock\"\n";
  test::TempDir folder_;
  test::Process server_;
};

TEST_F(Security, AWrongRuleIsToldWithItsPlaceAndWithoutPasswords) {
  configure("[user.a]\nacl = \"on >hunter2 +@read +nope\"\n[user.b]\nacl = \"on > hunter2\"\n");
  const Output output = check();
  EXPECT_EQ(output.status, 1);
  EXPECT_THAT(
      output.text,
      AllOf(
          HasSubstr(
              "f.toml:2:27: Error in ACL SETUSER modifier '+nope': Unknown command or category name in ACL"),
          HasSubstr("f.toml:4:13: Error in ACL SETUSER modifier '...': Syntax error"),
          Not(HasSubstr("hunter2"))));
}

TEST_F(Security, APasswordOfTheDefaultUserOpensOtherMachinesTheWay) {
  configure("[server]\nresp = \"0.0.0.0:0\"\nhttp = \"\"\n");
  EXPECT_THAT(check().text, HasSubstr("there is no password"));
  configure("[server]\nresp = \"0.0.0.0:0\"\nhttp = \"\"\n[user.default]\nacl = \"off\"\n");
  EXPECT_EQ(check().status, 0) << check().text;
  configure(
      "[server]\nresp = \"0.0.0.0:0\"\nhttp = \"\"\npassword = \"x\"\n[user.default]\nacl = \"nopass\"\n");
  EXPECT_THAT(check().text, HasSubstr("there is no password"));
}

TEST_F(Security, SighupSetsUsersAnewAndAWrongFileChangesNone) {
  configure(quiet_ + "[user.a]\nacl = \"on >one +@all ~*\"\n[user.gone]\nacl = \"on >one +@all\"\n");
  start();
  TestClient stays(socket());
  TestClient goes(socket());
  EXPECT_EQ(stays.ask({"AUTH", "a", "one"}), "+OK");
  EXPECT_EQ(goes.ask({"AUTH", "gone", "one"}), "+OK");
  configure(quiet_ + "[user.a]\nacl = \"on >two +nope\"\n");
  reload();
  ASSERT_TRUE(logged("was not taken over; nothing has changed")) << log();
  EXPECT_EQ(TestClient(socket()).ask({"AUTH", "a", "one"}), "+OK");
  configure(quiet_ + "[user.a]\nacl = \"on >two +@all -get ~*\"\n");
  reload();
  ASSERT_TRUE(logged("was taken over")) << log();
  EXPECT_TRUE(goes.closed());
  EXPECT_EQ(stays.ask({"SET", "k", "v"}), "+OK");
  EXPECT_EQ(stays.ask({"GET", "k"}), "-NOPERM User a has no permissions to run the 'get' command");
  EXPECT_EQ(TestClient(socket()).ask({"AUTH", "a", "two"}), "+OK");
  EXPECT_THAT(log(), Not(HasSubstr(">two")));
  EXPECT_EQ(server_.stop(SIGTERM), 0) << log();
  EXPECT_FALSE(std::filesystem::exists(socket()));
}

TEST_F(Security, TheSocketOfAServerThatWasKilledIsTakenOver) {
  configure(quiet_);
  start();
  server_.stop(SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(socket()));
  std::filesystem::remove(folder_ / "log");
  start();
  EXPECT_EQ(TestClient(socket()).ask({"PING"}), "+PONG");
  const Output second = test::run({program(), "serve", file()});
  EXPECT_EQ(second.status, 1);
  EXPECT_THAT(second.text, HasSubstr("another server listens on it"));
}

TEST_F(Security, SighupReadsCertificatesAgainAndKeepsThoseInUseWhereTheNewAreBroken) {
  test::Certificates files;
  files.make_authority("ca");
  files.make("server", "ca");
  files.make("renewed", "ca");
  const std::uint16_t port = test::free_port();
  configure(quiet_ + "[server.tls]\naddress = \"127.0.0.1:" + std::to_string(port) + "\"\ncertificate = \"" +
            files.certificate("server") + "\"\nkey = \"" + files.key("server") + "\"\n");
  start();
  const auto subject = [&] {
    return test::run({"sh", "-c",
                      "echo QUIT | openssl s_client -connect 127.0.0.1:" + std::to_string(port) +
                          " -CAfile " + files.certificate("ca")})
        .text;
  };
  EXPECT_THAT(subject(), HasSubstr("subject=CN = server"));
  const auto replace = [](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  };
  replace(files.certificate("renewed"), files.certificate("server"));
  reload();
  ASSERT_TRUE(logged("the certificates in use stay")) << log();
  EXPECT_THAT(subject(), HasSubstr("subject=CN = server"));
  replace(files.key("renewed"), files.key("server"));
  reload();
  EXPECT_TRUE(eventually([&] { return subject().find("subject=CN = renewed") != std::string::npos; }))
      << log();
}

}  // namespace
}  // namespace forebay::cli
