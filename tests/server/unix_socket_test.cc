// Clients that come by a Unix socket.

#include "server/unix_socket.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "server/server_fixture.h"
#include "support/temp_dir.h"

namespace forebay::server {
namespace {

using testing::HasSubstr;

class UnixSocketTest : public ServerTest {
 protected:
  UnixSocketTest() {
    path_ = (folder_ / "forebay.sock").string();
    options.unix_socket = path_;
  }
  std::string refusal() {
    auto opened = UnixSocket::open(path_, 0700);
    return opened ? "" : opened.error().message;
  }
  bool exists() const { return std::filesystem::exists(std::filesystem::symlink_status(path_)); }

  test::TempDir folder_;
  std::string path_;
};

TEST_F(UnixSocketTest, ServesBesideTheNetwork) {
  start();
  TestClient client(path_);
  EXPECT_EQ(client.ask({"SET", "k", "v"}), "+OK");
  EXPECT_EQ(connect()->ask({"GET", "k"}), "v");
  const std::string info = client.ask({"CLIENT", "INFO"});
  EXPECT_THAT(info, HasSubstr(" addr=" + path_ + ":0 "));
  EXPECT_THAT(info, HasSubstr(" laddr=" + path_ + ":0 "));
  struct stat file{};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0700U);
  std::vector<std::unique_ptr<TestClient>> many;
  for (int i = 0; i < 20; ++i) {
    many.push_back(std::make_unique<TestClient>(path_));
    EXPECT_EQ(many.back()->ask({"PING"}), "+PONG") << "whichever loop has it";
  }
  server->stop();
  EXPECT_FALSE(exists()) << "it goes with its server";
}

TEST_F(UnixSocketTest, ServesWithoutANetwork) {
  options.resp = "";
  options.unix_socket_mode = 0770;
  start();
  EXPECT_EQ(server->resp_port(), 0);
  EXPECT_EQ(TestClient(path_).ask({"EVAL", "return 1", "0"}), ":1")
      << "scripts are on: only this machine comes here";
  struct stat file{};
  ASSERT_EQ(::stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777U, 0770U);
}

TEST_F(UnixSocketTest, TakesPasswordsToo) {
  options.password = "secret";
  start();
  TestClient client(path_);
  EXPECT_EQ(client.ask({"PING"}), "-NOAUTH Authentication required.");
  EXPECT_TRUE(client.ask({"AUTH", "wrong"}).starts_with("-WRONGPASS"));
  EXPECT_EQ(client.ask({"AUTH", "secret"}), "+OK");
}

TEST_F(UnixSocketTest, ALiveServersSocketIsNotTaken) {
  start();
  EXPECT_THAT(refusal(), HasSubstr("another server listens on it"));
  EXPECT_EQ(TestClient(path_).ask({"PING"}), "+PONG");
}

TEST_F(UnixSocketTest, WhatADeadServerLeftIsReplaced) {
  {
    const Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(exists());
  start();
  EXPECT_EQ(TestClient(path_).ask({"PING"}), "+PONG");
}

TEST_F(UnixSocketTest, AFileThatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(refusal(), HasSubstr("there is a file that is no socket"));
  std::string text;
  std::ifstream(path_) >> text;
  EXPECT_EQ(text, "precious");
}

TEST_F(UnixSocketTest, AnotherServersFileIsNotRemoved) {
  auto first = UnixSocket::open(path_, 0700);
  ASSERT_TRUE(first);
  std::filesystem::remove(path_);
  auto second = UnixSocket::open(path_, 0700);
  ASSERT_TRUE(second);
  first->reset();
  EXPECT_TRUE(exists());
  second->reset();
  EXPECT_FALSE(exists());
}

TEST_F(UnixSocketTest, APathHasALimit) {
  path_ = "/tmp/" + std::string(200, 'a');
  EXPECT_THAT(refusal(), HasSubstr("a path has at most"));
  path_ = (folder_ / "none" / "x.sock").string();
  EXPECT_THAT(refusal(), HasSubstr("can't bind"));
}

}  // namespace
}  // namespace forebay::server
