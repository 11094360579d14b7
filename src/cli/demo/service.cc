#include "cli/demo/service.h"

#include <fmt/format.h>

#include <fstream>
#include <utility>

#include "cli/demo/database.h"
#include "config/reader.h"
#include "layer/open.h"

namespace forebay::cli::demo {
namespace {

// The queries in their general form name the parameter {name}, which Forebay binds.
std::string with_field(std::string_view query) {
  std::string text(query);
  for (std::size_t at = text.find("?1"); at != std::string::npos; at = text.find("?1", at))
    text.replace(at, 2, "{name}");
  return text;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  if (!file.flush()) return {ErrorCode::kUnavailable, "cannot write " + path};
  return {};
}

constexpr const char* kConfiguration =
    R"(# Written by `forebay demo`. To serve from it: forebay serve forebay.toml
# To see what is wrong after an edit: forebay check forebay.toml

[server]
resp = "127.0.0.1:{port}"    # any Redis client
http = "127.0.0.1:{http}"    # /metrics /healthz /readyz

[memory]
limit  = "512MiB"
policy = "lru"

[source.catalogue]
kind = "sqlite"
path = "{file}"
timeout = "5s"
changes = true               # notice what other programs change in the file

# A row of a table, as JSON: GET, MGET, HGET, HSET, ...
[namespace.package]
key    = "package:{{name}}"
source = "catalogue"
table  = "packages"
version = "version_no"
read   = "through"
write  = "through"
ttl    = "5m"
jitter = 0.1
refresh_ahead = 0.75
stale_while_revalidate = "30s"
stale_if_error = "1h"
negative_ttl = "10s"

# Everything that depends on a package, directly or not: a recursive query of up to hundreds of milliseconds.
[namespace.rdepends]
key    = "rdepends:{{name}}"
source = "catalogue"
query  = """{dependents}"""
depends_on = ["depends"]     # any change to the table may change any answer
ttl    = "1h"
stale_if_error = "1d"

# How many packages those are. Its short life shows what stale_while_revalidate is for.
[namespace.impact]
key    = "impact:{{name}}"
source = "catalogue"
query  = """{impact}"""
type   = "text"
depends_on = ["depends"]
ttl    = "1s"
stale_while_revalidate = "10m"

# A counter: INCR, DECR, INCRBY, GET.
[namespace.views]
key    = "views:{{name}}"
source = "catalogue"
table  = "package_views"
type   = "counter"
value  = "views"
write  = "through"
ttl    = "5m"
)";

}  // namespace

std::string configuration_text(std::uint16_t port, std::uint16_t http_port) {
  return fmt::format(fmt::runtime(kConfiguration), fmt::arg("port", port), fmt::arg("http", http_port),
                     fmt::arg("file", kDatabaseFile),
                     fmt::arg("dependents", with_field(kReverseDependenciesQuery)),
                     fmt::arg("impact", with_field(kImpactQuery)));
}

Result<std::unique_ptr<Service>> Service::start(const std::string& folder, std::uint16_t port,
                                                std::uint16_t http_port) {
  const std::string path = folder + "/" + kConfigurationFile;
  if (auto written = write_file(path, configuration_text(port, http_port)); !written)
    return std::move(written.error());
  auto model = config::read_file(path);
  if (!model) return std::move(model.error());
  auto layer = layer::open_layer(*model);
  if (!layer) return std::move(layer.error());
  auto server = server::Server::open(model->server, **layer);
  if (!server) return std::move(server.error());
  // Ports that the system chose belong into the file, too: it is there to be used.
  const std::string chosen = configuration_text((*server)->resp_port(), (*server)->http_port());
  if (auto written = write_file(path, chosen); !written) return std::move(written.error());
  (*server)->start();
  return std::unique_ptr<Service>(new Service(*std::move(layer), *std::move(server)));
}

Service::Service(std::unique_ptr<Layer> layer, std::unique_ptr<server::Server> server)
    : layer_(std::move(layer)), server_(std::move(server)) {}

}  // namespace forebay::cli::demo
