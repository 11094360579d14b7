#include "server/http/endpoints.h"

#include <utility>
#include <vector>

#include "observe/metrics.h"
#include "server/access/users.h"
#include "server/admission.h"
#include "server/http/dead_letters.h"
#include "server/resp/commands/registry.h"
#include "server/server.h"

namespace forebay::server {
namespace {

using observe::Metric;
using observe::MetricKind;

std::vector<Metric> server_metrics(const Server& server) {
  const ServerStats stats = server.stats();
  const auto counter = [](std::string name, std::string help, std::uint64_t value) {
    return Metric{std::move(name), std::move(help), MetricKind::kCounter, {{{}, static_cast<double>(value)}}};
  };
  std::vector<Metric> metrics{
      counter("forebay_connections_total", "Redis clients served.", stats.connections),
      counter("forebay_command_errors_total", "Commands refused before they ran, and protocol errors.",
              stats.errors),
      counter("forebay_received_bytes_total", "Bytes that Redis clients sent.", stats.bytes_in),
      counter("forebay_sent_bytes_total", "Bytes sent to Redis clients.", stats.bytes_out),
      {"forebay_clients",
       "Redis clients connected.",
       MetricKind::kGauge,
       {{{}, static_cast<double>(stats.clients)}}},
      {"forebay_client_memory_bytes",
       "Requests and replies of all Redis clients together, and their transactions.",
       MetricKind::kGauge,
       {{{}, static_cast<double>(stats.client_memory)}}},
      {"forebay_connections_closed_total",
       "Redis clients turned away or closed by a limit.",
       MetricKind::kCounter,
       {{{{"reason", "rejected"}}, static_cast<double>(stats.rejected)},
        {{{"reason", "output_buffer"}}, static_cast<double>(stats.closed_output)},
        {{{"reason", "query_buffer"}}, static_cast<double>(stats.closed_query)},
        {{{"reason", "timeout"}}, static_cast<double>(stats.closed_idle)},
        {{{"reason", "login"}}, static_cast<double>(stats.closed_login)},
        {{{"reason", "client_memory"}}, static_cast<double>(stats.closed_memory)}}},
  };
  Metric commands{"forebay_commands_total", "Commands by name.", MetricKind::kCounter, {}};
  const auto all = all_commands();
  for (std::size_t i = 0; i < stats.calls.size(); ++i) {
    if (stats.calls[i] == 0) continue;
    commands.samples.push_back(
        {{{"command", std::string(all[i]->name)}}, static_cast<double>(stats.calls[i])});
  }
  metrics.push_back(std::move(commands));
  return metrics;
}

// A source that fails and has never answered.
const SourceStats* unreached(const LayerStats& stats) {
  for (const SourceStats& source : stats.sources) {
    if (source.breaker != "closed" && !source.reached) return &source;
  }
  return nullptr;
}

HttpAnswer ready(Server& server) {
  if (!server.serving()) return {503, "text/plain; charset=utf-8", "not serving\n"};
  const LayerStats stats = server.layer().stats();
  if (const SourceStats* source = unreached(stats)) {
    return {503, "text/plain; charset=utf-8", "source " + source->name + " has never been reached\n"};
  }
  // It serves, reads and writes alike: who sends requests elsewhere for what a person must see to would only
  // make it worse.
  std::string text = stats.health.empty() && stats.misfits.empty() ? "ready\n" : "degraded\n";
  for (const auto* sentences : {&stats.health, &stats.misfits}) {
    for (const std::string& sentence : *sentences) text += sentence + "\n";
  }
  return {200, "text/plain; charset=utf-8", std::move(text)};
}

HttpAnswer metrics(Server& server) {
  std::vector<Metric> all = observe::layer_metrics(server.layer().stats());
  for (Metric& metric : server_metrics(server)) all.push_back(std::move(metric));
  return {200, "text/plain; version=0.0.4; charset=utf-8", observe::render(all)};
}

}  // namespace

bool admits_host(Server& server, std::string_view target, bool has_host, std::string_view host) {
  if (!server.users().open_to_all() || !has_host) return true;
  const std::string_view path = target.substr(0, target.find('?'));
  if (path == "/healthz" || path == "/readyz") return true;
  return names_this_server(host, server.options().http_hosts);
}

bool needs_password(const Server& server, std::string_view target) {
  if (is_dead_letters(target)) return true;
  return server.options().metrics_password && target.substr(0, target.find('?')) == "/metrics";
}

HttpAnswer answer_http(Server& server, std::string_view method, std::string_view target) {
  constexpr std::string_view kText = "text/plain; charset=utf-8";
  const std::string_view path = target.substr(0, target.find('?'));
  const bool known = path == "/metrics" || path == "/healthz" || path == "/readyz";
  if (!known) return {404, kText, "not found\n"};
  if (method != "GET" && method != "HEAD") return {405, kText, "only GET and HEAD\n"};
  if (path == "/metrics") return metrics(server);
  if (path == "/readyz") return ready(server);
  return {200, kText, "alive\n"};
}

}  // namespace forebay::server
