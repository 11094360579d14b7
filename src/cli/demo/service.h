#pragma once

// The server that the demo runs, from a configuration file as any user would write it.

#include <cstdint>
#include <memory>
#include <string>

#include "forebay/layer.h"
#include "forebay/result.h"
#include "server/server.h"

namespace forebay::cli::demo {

// Address and policy for the demo's database, with a comment on what is meant. Addresses are on the loopback
// interface; port 0 lets the system choose.
std::string configuration_text(std::uint16_t port, std::uint16_t http_port);

class Service {
 public:
  // Writes the configuration, with the ports that are then used, to `folder` as forebay.toml, beside the
  // database (kDatabaseFile), and serves from it.
  static Result<std::unique_ptr<Service>> start(const std::string& folder, std::uint16_t port,
                                                std::uint16_t http_port);

  Layer& layer() { return *layer_; }
  std::uint16_t port() const { return server_->resp_port(); }
  std::uint16_t http_port() const { return server_->http_port(); }

 private:
  Service(std::unique_ptr<Layer> layer, std::unique_ptr<server::Server> server);

  std::unique_ptr<Layer> layer_;  // before the server, which uses it
  std::unique_ptr<server::Server> server_;
};

inline constexpr const char* kDatabaseFile = "catalogue.db";
inline constexpr const char* kConfigurationFile = "forebay.toml";

}  // namespace forebay::cli::demo
