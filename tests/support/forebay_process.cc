#include "support/forebay_process.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "support/eventually.h"
#include "support/paths.h"

namespace forebay::test {
namespace {

constexpr std::chrono::seconds kPatience{60};

std::string program() {
  return (binary_dir() / "forebay").string();
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

}  // namespace

ForebayProcess::~ForebayProcess() {
  for (; starts_ > 0; --starts_) {
    if (const std::string said = log(); said.find("Sanitizer") != std::string::npos) ADD_FAILURE() << said;
  }
}

void ForebayProcess::configure(std::string_view toml) const {
  std::ofstream(folder_ / "forebay.toml") << "[server]\nresp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n"
                                          << toml;
}

void ForebayProcess::start() {
  ++starts_;
  std::vector<std::string> arguments = within_;
  arguments.insert(arguments.end(), {program(), "serve", (folder_ / "forebay.toml").string()});
  process_ = Process(arguments, {.output = folder_ / ("log" + std::to_string(starts_))});
  const auto says = [this] { return log().find("HTTP on 127.0.0.1:") != std::string::npos; };
  if (!eventually([&] { return says() || !process_.running(); }, kPatience) || !process_.running()) {
    throw std::runtime_error("the server did not start:\n" + log());
  }
  port_ = port_in_log("Redis protocol on 127.0.0.1:");
  http_port_ = port_in_log("HTTP on 127.0.0.1:");
}

std::uint16_t ForebayProcess::port_in_log(std::string_view before) const {
  const std::string text = log();
  const std::size_t at = text.find(before);
  if (at == std::string::npos) throw std::runtime_error("the server names no port:\n" + text);
  return static_cast<std::uint16_t>(std::stoi(text.substr(at + before.size())));
}

bool ForebayProcess::reload() {
  const std::size_t taken = count(log(), " was taken over: ");
  const std::size_t refused = count(log(), " was not taken over");
  process_.signal(SIGHUP);
  if (!eventually(
          [&] {
            return count(log(), " was taken over: ") > taken || count(log(), " was not taken over") > refused;
          },
          kPatience)) {
    throw std::runtime_error("SIGHUP is not answered:\n" + log());
  }
  return count(log(), " was taken over: ") > taken;
}

Output ForebayProcess::run(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), program());
  arguments.insert(arguments.end(), {"--server", "127.0.0.1:" + std::to_string(port_)});
  return test::run(arguments);
}

std::string ForebayProcess::metrics() const {
  TestClient client(http_port_);
  client.send("GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
  client.end_sending();
  return client.read_all();
}

double ForebayProcess::metric(const std::string& sample) const {
  const std::string all = metrics();
  const std::size_t at = all.find("\n" + sample + " ");
  if (at == std::string::npos) throw std::runtime_error("/metrics has no " + sample);
  return std::stod(all.substr(at + sample.size() + 2));
}

std::string ForebayProcess::log() const {
  std::ostringstream text;
  text << std::ifstream(folder_ / ("log" + std::to_string(starts_))).rdbuf();
  return text.str();
}

}  // namespace forebay::test
