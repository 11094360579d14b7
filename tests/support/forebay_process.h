#pragma once

// The program `forebay serve` as an operator has it: a configuration file, signals, a log, and beside it the
// subcommands that speak to it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "support/process.h"
#include "support/test_client.h"

namespace forebay::test {

// Not thread-safe, but for connect(). Everything that fails without being what the test is about throws
// std::runtime_error with the server's log.
class ForebayProcess {
 public:
  // `folder`: an existing one for the configuration and the logs; a relative journal's path starts there too.
  // `within`: a program and its arguments that runs the server in its place, for instance in a namespace of
  // its own.
  explicit ForebayProcess(std::filesystem::path folder, std::vector<std::string> within = {})
      : folder_(std::move(folder)), within_(std::move(within)) {}

  // Whatever a sanitizer has said in a log is a failure of the test.
  ~ForebayProcess();
  ForebayProcess(const ForebayProcess&) = delete;
  ForebayProcess& operator=(const ForebayProcess&) = delete;

  // `toml`: everything but [server]'s addresses, which stand before it. It counts from the next start() or
  // reload() on.
  void configure(std::string_view toml) const;

  // Returns once it answers.
  void start();
  void kill() { process_.stop(SIGKILL); }
  // The exit status; nothing: it had to be killed.
  std::optional<int> terminate(std::chrono::milliseconds deadline = std::chrono::seconds(60)) {
    return process_.stop(SIGTERM, deadline);
  }
  // SIGHUP; returns whether the configuration was taken over.
  bool reload();

  std::unique_ptr<TestClient> connect() const { return std::make_unique<TestClient>(port_); }
  // A subcommand, with `--server` behind its arguments.
  Output run(std::vector<std::string> arguments) const;
  // A sample of /metrics by its name and labels as they are written there:
  // `forebay_dead_letters{source="db",namespace="n"}`.
  double metric(const std::string& sample) const;
  std::string metrics() const;

  std::string log() const;  // since the last start()

 private:
  std::uint16_t port_in_log(std::string_view before) const;

  const std::filesystem::path folder_;
  const std::vector<std::string> within_;
  Process process_;
  int starts_ = 0;
  std::uint16_t port_ = 0;
  std::uint16_t http_port_ = 0;
};

}  // namespace forebay::test
