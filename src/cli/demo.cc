#include "cli/demo.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "cli/demo/account.h"
#include "cli/demo/console.h"
#include "cli/demo/database.h"
#include "cli/demo/import.h"
#include "cli/demo/population.h"
#include "cli/demo/second_act.h"
#include "cli/demo/service.h"

namespace forebay::cli {
namespace {

using namespace demo;  // NOLINT: this is the rest of the demo

// Holds SIGINT and SIGTERM back for all threads that are started meanwhile, so that the demo can end in good
// order.
class HeldSignals {
 public:
  HeldSignals() {
    ::sigemptyset(&signals_);
    ::sigaddset(&signals_, SIGINT);
    ::sigaddset(&signals_, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  ~HeldSignals() {
    // One that has been obeyed must not end the program when it is let through.
    const timespec now{};
    while (pending()) ::sigtimedwait(&signals_, nullptr, &now);
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  static bool pending() {
    sigset_t pending;
    ::sigpending(&pending);
    return ::sigismember(&pending, SIGINT) == 1 || ::sigismember(&pending, SIGTERM) == 1;
  }
  void wait() const {
    int signal = 0;
    ::sigwait(&signals_, &signal);
  }

 private:
  sigset_t signals_{}, before_{};
};

// The folder for the database and the configuration: the one that was asked for, kept; or one of its own,
// removed.
class DataFolder {
 public:
  static Result<DataFolder> open(const std::string& wanted) {
    std::error_code error;
    if (!wanted.empty()) {
      std::filesystem::create_directories(wanted, error);
      if (error)
        return Error{ErrorCode::kUnavailable, "cannot make the folder " + wanted + ": " + error.message()};
      return DataFolder(wanted, false);
    }
    std::string pattern = (std::filesystem::temp_directory_path(error) / "forebay-demo-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) {
      return Error{ErrorCode::kUnavailable, "cannot make a temporary folder " + pattern};
    }
    return DataFolder(pattern, true);
  }
  DataFolder(DataFolder&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}
  ~DataFolder() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(path_, ignored);
  }

  const std::string& path() const { return path_; }

 private:
  DataFolder(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}

  std::string path_;
  bool temporary_;
};

Result<std::unique_ptr<Service>> start_service(Console& console, const std::string& folder,
                                               const DemoOptions& options) {
  auto service = Service::start(folder, options.port, options.http_port);
  if (service || (options.port == 0 && options.http_port == 0)) return service;
  // A Redis of one's own on the port should not be what keeps one from seeing the demo.
  console.paragraph(service.error().message, 2);
  console.line("  Using free ports instead.");
  return Service::start(folder, 0, 0);
}

void print_what_to_try(Console& console, const Service& service) {
  console.heading("Try it");
  const auto redis = [&](std::string_view command) {
    console.line(fmt::format("  redis-cli -p {} {}", service.port(), command));
  };
  redis("GET package:curl");
  redis("HGET package:curl description");
  redis("HSET package:curl note 'mine'");
  redis("GET rdepends:openssl");
  redis("INCR views:curl");
  redis("FOREBAY EXPLAIN package:curl");
  redis("FOREBAY PURGE MATCH 'rdepends:*'");
  if (service.http_port() != 0)
    console.line(fmt::format("  curl http://127.0.0.1:{}/metrics", service.http_port()));
}

Result<bool> demonstrate(Console& console, const DemoOptions& options, const HeldSignals& signals) {
  const auto folder = DataFolder::open(options.data);
  if (!folder) return folder.error();
  const std::string database = folder->path() + "/" + kDatabaseFile;

  console.heading("Forebay in front of a Debian package catalogue");
  if (auto done = import_catalogue(
          console, database, options.small ? Catalogue::kSample : Catalogue::kMachine, HeldSignals::pending);
      !done) {
    return std::move(done.error());
  }
  if (HeldSignals::pending()) return true;
  auto opened = Database::open(database);
  if (!opened) return std::move(opened.error());
  const auto population = Population::read(*opened);
  if (!population) return population.error();

  const auto service = start_service(console, folder->path(), options);
  if (!service) return service.error();
  console.line(fmt::format("  database        {}", database));
  console.line(fmt::format("  configuration   {}/{}", folder->path(), kConfigurationFile));
  console.line(fmt::format("  Redis protocol  127.0.0.1:{}", (*service)->port()));
  console.line(fmt::format("  HTTP            http://127.0.0.1:{}", (*service)->http_port()));

  Laboratory laboratory{.console = console,
                        .layer = (*service)->layer(),
                        .population = *population,
                        .database = database,
                        .port = (*service)->port(),
                        .clients = options.clients,
                        .seconds = options.seconds,
                        .interrupted = HeldSignals::pending};
  if (auto done = give_account(laboratory); !done) return std::move(done.error());
  if (HeldSignals::pending()) return true;
  const auto second = second_act(console, HeldSignals::pending);
  if (!second) return second.error();
  laboratory.all_held = laboratory.all_held && *second;
  if (HeldSignals::pending()) return true;
  if (options.once) {
    console.line(laboratory.all_held ? "\nEvery claim held." : "\nNot every claim held.");
    return laboratory.all_held;
  }
  print_what_to_try(console, **service);
  console.line("\nServing until Ctrl-C.");
  signals.wait();
  return true;
}

}  // namespace

int run_demo(const DemoOptions& options) {
  const HeldSignals signals;
  Console console(stdout);
  const auto held = demonstrate(console, options, signals);
  if (!held) {
    console.line();
    fmt::print(stderr, "forebay demo: {}\n", held.error().message);
    return 1;
  }
  return *held ? 0 : 1;
}

}  // namespace forebay::cli
