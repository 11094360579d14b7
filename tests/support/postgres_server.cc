#include "support/postgres_server.h"

#include <libpq-fe.h>
#include <pwd.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "support/eventually.h"

namespace forebay::test {
namespace {

namespace fs = std::filesystem;

// Debian keeps each version's programs in a folder of their own, off the PATH.
fs::path program(const std::string& name) {
  fs::path found = name;
  for (const char* version : {"13", "14", "15", "16", "17", "18"}) {
    const fs::path candidate = fs::path("/usr/lib/postgresql") / version / "bin" / name;
    if (fs::exists(candidate)) found = candidate;
  }
  return found;
}

// PostgreSQL refuses to run as root.
std::string server_user() {
  if (geteuid() != 0) return "";
  return getpwnam("postgres") != nullptr ? "postgres" : "nobody";
}

std::string read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

PostgresServer& PostgresServer::shared() {
  static PostgresServer server;
  server.resume();
  if (!server.postmaster_.running()) server.start();
  return server;
}

PostgresServer::PostgresServer(const std::vector<std::string>& settings) {
  const std::string user = server_user();
  if (!user.empty()) {
    const passwd* entry = getpwnam(user.c_str());
    if (chown(folder_.path().c_str(), entry->pw_uid, entry->pw_gid) != 0)
      throw std::runtime_error("chown failed");
  }
  const Output made =
      run({program("initdb"), "--no-sync", "--no-instructions", "--auth=trust", "--username=postgres",
           "--encoding=UTF8", "--locale=C", "--pgdata=" + (folder_ / "data").string()},
          {.user = user});
  if (made.status != 0) throw std::runtime_error("initdb failed:\n" + made.text);
  std::ofstream configuration(folder_ / "data/postgresql.conf", std::ios::app);
  configuration << "listen_addresses = ''\nunix_socket_directories = '" << folder_.path().string() << "'\n"
                << "fsync = off\nfull_page_writes = off\nmax_connections = 100\nshared_buffers = 64MB\n"
                << "jit = off\nautovacuum = off\nlog_min_messages = warning\n";
  for (const std::string& line : settings) configuration << line << '\n';
  configuration.close();
  start();
}

PostgresServer::~PostgresServer() {
  stop(SIGQUIT);
}

std::string PostgresServer::url(std::string_view user) const {
  return "postgresql://" + std::string(user) + "@/postgres?host=" + folder_.path().string();
}

std::string PostgresServer::exec(const std::string& sql) const {
  const std::unique_ptr<PGconn, decltype(&PQfinish)> connection(PQconnectdb(url().c_str()), &PQfinish);
  if (PQstatus(connection.get()) != CONNECTION_OK) throw std::runtime_error(PQerrorMessage(connection.get()));
  PQsetNoticeProcessor(connection.get(), [](void*, const char*) {}, nullptr);
  const std::unique_ptr<PGresult, decltype(&PQclear)> result(PQexec(connection.get(), sql.c_str()), &PQclear);
  const ExecStatusType status = PQresultStatus(result.get());
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_EMPTY_QUERY) {
    throw std::runtime_error(PQerrorMessage(connection.get()));
  }
  std::string text;
  for (int row = 0; row < PQntuples(result.get()) && PQnfields(result.get()) > 0; ++row) {
    if (row > 0) text += '\n';
    text += PQgetvalue(result.get(), row, 0);
  }
  return text;
}

void PostgresServer::start() {
  // After a quick stop the last children of the old server may still hold its shared memory for a moment, and
  // a new one then refuses to start: it is asked again until they are gone.
  const bool up = eventually([this] {
    if (!postmaster_.running()) {
      // SIGQUIT: the postmaster ends its children and frees its shared memory, at once.
      postmaster_ = Process({program("postgres"), "-D", (folder_ / "data").string()},
                            {.output = folder_ / "log", .user = server_user(), .death_signal = SIGQUIT});
    }
    return eventually([this] { return !postmaster_.running() || PQping(url().c_str()) == PQPING_OK; }) &&
           postmaster_.running();
  });
  if (!up) throw std::runtime_error("postgres did not start:\n" + read(folder_ / "log"));
}

void PostgresServer::stop(int signal_number) {
  resume();
  postmaster_.stop(signal_number);
}

void PostgresServer::pause() {
  for (const pid_t pid : processes()) kill(pid, SIGSTOP);
}

void PostgresServer::resume() {
  for (const pid_t pid : processes()) kill(pid, SIGCONT);
}

// The postmaster and its children; the postmaster first, so that a paused one starts no more.
std::vector<pid_t> PostgresServer::processes() const {
  if (postmaster_.pid() == 0) return {};
  std::vector<pid_t> pids{postmaster_.pid()};
  const std::string parent = std::to_string(postmaster_.pid());
  std::ifstream children("/proc/" + parent + "/task/" + parent + "/children");
  for (pid_t child = 0; children >> child;) pids.push_back(child);
  return pids;
}

}  // namespace forebay::test
