#include "support/mariadb_server.h"

#include <mysql.h>
#include <pwd.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "support/eventually.h"

namespace forebay::test {
namespace {

namespace fs = std::filesystem;

// mariadbd refuses to run as root.
std::string server_user() {
  if (geteuid() != 0) return "";
  return getpwnam("mysql") != nullptr ? "mysql" : "nobody";
}

fs::path program(const std::string& name) {
  const fs::path off_the_path = fs::path("/usr/sbin") / name;
  return fs::exists(off_the_path) ? off_the_path : fs::path(name);
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool accepts(const fs::path& socket) {
  const std::unique_ptr<MYSQL, decltype(&mysql_close)> handle(mysql_init(nullptr), &mysql_close);
  return mysql_real_connect(handle.get(), nullptr, "root", "", nullptr, 0, socket.c_str(), 0) != nullptr;
}

}  // namespace

struct MariadbSession::Handle {
  MYSQL* mysql = mysql_init(nullptr);
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { mysql_close(mysql); }
};

MariadbSession::MariadbSession(const MariadbServer& server) : handle_(std::make_unique<Handle>()) {
  mysql_options(handle_->mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  if (mysql_real_connect(handle_->mysql, nullptr, "root", "", "forebay", 0, server.socket().c_str(), 0) ==
      nullptr)
    throw std::runtime_error(mysql_error(handle_->mysql));
  run("SET SESSION sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES', time_zone = '+00:00'");
}

MariadbSession::~MariadbSession() = default;

std::string MariadbSession::run(const std::string& sql) {
  MYSQL* mysql = handle_->mysql;
  if (mysql_real_query(mysql, sql.data(), sql.size()) != 0)
    throw std::runtime_error(std::string(mysql_error(mysql)) + ": " + sql.substr(0, 200));
  const std::unique_ptr<MYSQL_RES, decltype(&mysql_free_result)> result(mysql_store_result(mysql),
                                                                        &mysql_free_result);
  if (result == nullptr) return {};
  std::string text;
  for (unsigned long long row = 0; MYSQL_ROW cells = mysql_fetch_row(result.get()); ++row) {
    if (row > 0) text += '\n';
    if (cells[0] != nullptr) text.append(cells[0], mysql_fetch_lengths(result.get())[0]);
  }
  return text;
}

MariadbServer& MariadbServer::shared() {
  static MariadbServer server;
  server.resume();
  if (!server.server_.running()) server.start();
  return server;
}

MariadbServer::MariadbServer(std::vector<std::string> settings) : settings_(std::move(settings)) {
  const std::string user = server_user();
  if (!user.empty()) {
    const passwd* entry = getpwnam(user.c_str());
    if (chown(folder_.path().c_str(), entry->pw_uid, entry->pw_gid) != 0)
      throw std::runtime_error("chown failed");
  }
  const Output made =
      run({"mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal",
           "--skip-test-db", "--datadir=" + (folder_ / "data").string(),
           // A server that starts removes others' temporary tables from a folder that they share.
           "--tmpdir=" + folder_.path().string()},
          {.user = user});
  if (made.status != 0) throw std::runtime_error("mariadb-install-db failed:\n" + made.text);
  start();
  const std::unique_ptr<MYSQL, decltype(&mysql_close)> handle(mysql_init(nullptr), &mysql_close);
  const std::string sql = "CREATE DATABASE forebay";
  if (mysql_real_connect(handle.get(), nullptr, "root", "", nullptr, 0, socket().c_str(), 0) == nullptr ||
      mysql_real_query(handle.get(), sql.data(), sql.size()) != 0)
    throw std::runtime_error(mysql_error(handle.get()));
}

MariadbServer::~MariadbServer() {
  stop(SIGKILL);
}

std::string MariadbServer::url(std::string_view user) const {
  return "mysql://" + std::string(user) + "@/forebay?socket=" + socket().string();
}

std::string MariadbServer::exec(const std::string& sql) const {
  return MariadbSession(*this).run(sql);
}

void MariadbServer::start() {
  std::vector<std::string> argv = {program("mariadbd"),
                                   "--no-defaults",
                                   "--datadir=" + (folder_ / "data").string(),
                                   "--tmpdir=" + folder_.path().string(),
                                   "--socket=" + socket().string(),
                                   "--pid-file=" + (folder_ / "pid").string(),
                                   "--skip-networking",
                                   "--character-set-server=utf8mb4",
                                   "--collation-server=utf8mb4_nopad_bin",
                                   "--max-allowed-packet=256M",
                                   "--max-recursive-iterations=1000000",
                                   "--innodb-flush-log-at-trx-commit=0",
                                   "--innodb-buffer-pool-size=64M",
                                   "--innodb-log-file-size=512M"};
  argv.insert(argv.end(), settings_.begin(), settings_.end());
  // After a crash the old server's lock on its files may stay for a moment: it is started again until it is gone.
  const bool up = eventually([&] {
    if (!server_.running()) {
      server_ = Process(argv, {.output = folder_ / "log", .user = server_user()});
    }
    return eventually([&] { return !server_.running() || accepts(socket()); }) && server_.running();
  });
  if (!up) throw std::runtime_error("mariadbd did not start:\n" + read(folder_ / "log"));
}

void MariadbServer::stop(int signal_number) {
  resume();
  server_.stop(signal_number);
}

void MariadbServer::pause() {
  server_.freeze();
}

void MariadbServer::resume() {
  if (server_.pid() != 0) server_.signal(SIGCONT);
}

}  // namespace forebay::test
