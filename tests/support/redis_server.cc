#include "support/redis_server.h"

#include <stdexcept>

#include "support/eventually.h"

namespace forebay::test {

RedisServer::RedisServer(const std::vector<std::string>& arguments)
    : arguments_(arguments), port_(free_port()) {
  start();
}

std::string RedisServer::url() const {
  return "redis://127.0.0.1:" + std::to_string(port_);
}

void RedisServer::start() {
  std::vector<std::string> command{"redis-server", "--port",   std::to_string(port_), "--save", "",
                                   "--bind",       "127.0.0.1"};
  command.insert(command.end(), arguments_.begin(), arguments_.end());
  process_ = Process(command, {.output = folder_ / "redis.log", .directory = folder_.path()});
  const bool answers = eventually([&] {
    try {
      const std::string reply = ask({"PING"});
      return reply == "+PONG" || reply.starts_with("-NOAUTH");
    } catch (const std::runtime_error&) {
      return false;
    }
  });
  if (!answers) throw std::runtime_error("redis-server does not answer");
}

void RedisServer::stop() {
  process_.stop();
}

std::string RedisServer::ask(const std::vector<std::string>& command) const {
  return TestClient(port_).ask(command);
}

}  // namespace forebay::test
