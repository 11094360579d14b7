#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"
#include "support/test_client.h"

namespace forebay::test {

// A real Redis for tests: Debian's redis-server, without persistence, on a port of its own.
class RedisServer {
 public:
  // `arguments` of redis-server besides. Throws std::runtime_error if it does not answer.
  explicit RedisServer(const std::vector<std::string>& arguments = {});

  std::uint16_t port() const { return port_; }
  std::string url() const;
  // One command, on a connection of its own; the reply as TestClient shows it.
  std::string ask(const std::vector<std::string>& command) const;

  void start();  // after stop(), on the same port; what it held is gone
  void stop();
  // It stands still: connections stay, and nothing is answered.
  void pause() { process_.freeze(); }
  void resume() { process_.signal(SIGCONT); }

 private:
  const std::vector<std::string> arguments_;
  TempDir folder_;
  const std::uint16_t port_;
  Process process_;
};

}  // namespace forebay::test
