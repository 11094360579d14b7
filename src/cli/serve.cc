#include "cli/serve.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "cli/configuration.h"
#include "cli/logging.h"
#include "forebay/layer.h"
#include "layer/open.h"
#include "server/server.h"
#include "server/tls/tls.h"

namespace forebay::cli {
namespace {

struct Options {
  std::string file;
};

// The signals that the serving program answers to. They are blocked before the first thread starts, so that
// every thread inherits that and only wait() ever sees one.
class Signals {
 public:
  Signals() {
    sigemptyset(&set_);
    for (const int number : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set_, number);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
    // A client that is gone is an error of that write, not the end of the process.
    std::signal(SIGPIPE, SIG_IGN);
  }
  int wait() const {
    int number = 0;
    while (sigwait(&set_, &number) != 0) {
    }
    return number;
  }
  // From here on Ctrl-C ends the process at once, for whoever does not want to wait until all has been
  // drained. A supervisor's second SIGTERM does not.
  static void release_interrupt() {
    sigset_t interrupt;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
  }

 private:
  sigset_t set_{};
};

std::string count(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

// One serving process: what it was configured with and what runs because of it.
class Service {
 public:
  explicit Service(std::string file) : file_(std::move(file)) {}

  Result<void> open() {
    auto model = load_configuration(file_);
    if (!model) return model.error();
    model_ = std::move(*model);
    set_up_logging(model_.log);
    // A cache that does not start again because its database is down makes an outage worse.
    Environment environment;
    environment.unreachable = Unreachable::kServeWithout;
    auto layer = layer::open_layer(model_, std::move(environment));
    if (!layer) return layer.error();
    layer_ = std::move(*layer);
    auto server = server::Server::open(model_.server, *layer_);
    if (!server) return server.error();
    server_ = std::move(*server);
    return {};
  }

  void start() {
    server_->start();
    log_info(fmt::format("forebay " FOREBAY_VERSION " serves {}: {}, {}, Redis protocol on {}, HTTP on {}",
                         file_.empty() ? "without a configuration file" : file_,
                         count(model_.sources.size(), "source"), count(model_.namespaces.size(), "namespace"),
                         redis_fronts(), listening(model_.server.http, server_->http_port())));
  }

  // SIGHUP. A configuration that can't be taken over changes nothing.
  void reload() {
    if (file_.empty()) return log_warning("SIGHUP: there is no configuration file to read again");
    auto model = load_configuration(file_);
    Result<void> taken = model ? layer::reload_layer(*layer_, *model) : Result<void>(model.error());
    if (!taken) {
      log_error_lines(taken.error().message);
      return log_warning(fmt::format("SIGHUP: {} was not taken over; nothing has changed", file_));
    }
    set_log_level(model->log);
    take_over_limits(model->server);
    take_over_users(model->server);
    reload_certificates(model->server);
    // What the sockets and the threads were made with stays: it is compared again at the next SIGHUP.
    const config::Server running = model_.server;
    const bool restart = running.resp != model->server.resp || running.http != model->server.http ||
                         running.threads != model->server.threads ||
                         running.unix_socket != model->server.unix_socket ||
                         running.unix_socket_mode != model->server.unix_socket_mode ||
                         running.tls.address != model->server.tls.address ||
                         running.protected_mode != model->server.protected_mode ||
                         running.http_hosts != model->server.http_hosts ||
                         running.metrics_password != model->server.metrics_password ||
                         running.login_timeout != model->server.login_timeout ||
                         running.max_arguments != model->server.max_arguments ||
                         running.request_timeout != model->server.request_timeout ||
                         running.drain_timeout != model->server.drain_timeout;
    if (restart) {
      log_warning(fmt::format(
          "SIGHUP: resp, http, http_hosts, unix_socket, unix_socket_mode, tls.address, threads, "
          "metrics_password, protected_mode, "
          "max_arguments, "
          "login_timeout, request_timeout and drain_timeout of [server] in {} take effect at the next start",
          file_));
    }
    log_info(fmt::format("SIGHUP: {} was taken over: {}, {}", file_, count(model->sources.size(), "source"),
                         count(model->namespaces.size(), "namespace")));
  }

  void stop() {
    const auto grace = model_.server.drain_timeout;
    const auto until = std::chrono::steady_clock::now() + grace;
    log_info(fmt::format("draining: requests in progress have {} ms", grace.count()));
    server_->stop();
    server_.reset();
    flush(std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()));
    layer_.reset();
    log_info("stopped");
  }

 private:
  std::string redis_fronts() const {
    std::string text = listening(model_.server.resp, server_->resp_port());
    if (!model_.server.tls.address.empty())
      text += fmt::format(", TLS on {}", listening(model_.server.tls.address, server_->tls_port()));
    if (!model_.server.unix_socket.empty()) text += ", " + model_.server.unix_socket;
    return text;
  }

  static std::string listening(const std::string& address, std::uint16_t port) {
    if (address.empty()) return "none";
    return fmt::format("{}:{}", address.substr(0, address.rfind(':')), port);
  }

  // Sends writes behind to the databases for at most this long.
  void flush(std::chrono::milliseconds grace) {
    const auto pending = [this] {
      std::uint64_t writes = 0;
      for (const NamespaceStats& space : layer_->stats().namespaces) writes += space.pending_records;
      return writes;
    };
    if (pending() == 0) return;
    if (grace > std::chrono::milliseconds(0)) layer_->drain(grace);
    if (const std::uint64_t left = pending(); left > 0) {
      log_warning(fmt::format(
          "the journal keeps {} that the databases do not have yet: they get them at the next start",
          count(left, "write")));
    }
  }

  // The rules were right when the file was read.
  void take_over_users(const config::Server& wanted) {
    if (auto taken = server_->take_over_users(wanted); !taken)
      log_warning("SIGHUP: " + taken.error().message);
    model_.server.password = wanted.password;
    model_.server.users = wanted.users;
  }

  // Also where the file says the same: what it names may be new. Broken ones leave the old ones in use.
  void reload_certificates(const config::Server& wanted) {
    if (model_.server.tls.address.empty() || wanted.tls.address.empty()) return;
    if (auto reloaded = server_->tls().reload(wanted.tls); !reloaded) {
      log_warning(fmt::format("SIGHUP: {}; the certificates in use stay", reloaded.error().message));
    }
  }

  // Limits that differ from those of the last file; what CONFIG SET has changed meanwhile otherwise stays.
  void take_over_limits(const config::Server& wanted) {
    server::RuntimeLimits& limits = server_->limits();
    config::Server& had = model_.server;
    const auto take = [](auto& limit, auto& before, const auto& now) {
      if (before == now) return;
      limit.store(now);
      before = now;
    };
    take(limits.max_clients, had.max_clients, wanted.max_clients);
    take(limits.idle_timeout, had.idle_timeout, wanted.idle_timeout);
    take(limits.max_query_buffer, had.max_query_buffer, wanted.max_query_buffer);
    take(limits.max_output_buffer, had.max_output_buffer, wanted.max_output_buffer);
    take(limits.max_client_memory, had.max_client_memory, wanted.max_client_memory);
    take(limits.max_value, had.max_value, wanted.max_value);
  }

  std::string file_;
  config::Model model_;
  std::unique_ptr<Layer> layer_;
  std::unique_ptr<server::Server> server_;
};

int serve(const Options& options) {
  const Signals signals;
  Service service(options.file);
  if (const auto opened = service.open(); !opened) {
    print_error(opened.error().message);
    return kFailed;
  }
  service.start();
  while (signals.wait() == SIGHUP) service.reload();
  Signals::release_interrupt();
  service.stop();
  return kDone;
}

}  // namespace

void add_serve(CLI::App& program, Action& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* command = program.add_subcommand("serve", "Run the server");
  command->footer("SIGTERM and SIGINT drain and end it; SIGHUP reads FILE again.");
  command->add_option("FILE", options->file, "Configuration; without one: a plain cache on the defaults");
  command->callback([options, &chosen] { chosen = [options] { return serve(*options); }; });
}

}  // namespace forebay::cli
