// [server], [memory], [default], [log] and [journal].

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "base/database_key.h"
#include "config/address.h"
#include "config/document.h"
#include "config/sections.h"
#include "config/suggest.h"
#include "config/units.h"

namespace forebay::config {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kGiB = std::size_t{1} << 30;

bool lets_everybody_in(const Server& server, const ReadOptions& options) {
  return options.lets_everybody_in == nullptr ? server.password.empty() : options.lets_everybody_in(server);
}

void check_front(Section& section, std::string_view key, const std::string& text, const Server& server,
                 const ReadOptions& options) {
  if (text.empty()) return;
  const auto address = parse_address(text);
  if (!address) {
    section.report(section.at(key),
                   fmt::format("{} = \"{}\" is no address: write \"127.0.0.1:6380\" or \"[::1]:6380\", "
                               "or \"\" to switch this front off",
                               key, text));
  } else if (!is_loopback(*address) && server.protected_mode && lets_everybody_in(server, options)) {
    section.report(
        section.at(key),
        fmt::format("{} = \"{}\" can be reached from other machines, and there is no password: set "
                    "password, listen on 127.0.0.1, or set protected_mode = false",
                    key, text));
  }
}

// Relative to the configuration file.
void read_path(Section& section, std::string_view key, std::string& to, std::string_view folder) {
  if (!section.text(key, to)) return;
  if (to.empty()) return section.report(section.at(key), fmt::format("{} must name a file", key));
  if (!folder.empty()) to = (std::filesystem::path(folder) / to).lexically_normal().string();
}

void read_mode(Section& section, unsigned& mode) {
  std::string text;
  if (!section.text("unix_socket_mode", text)) return;
  constexpr unsigned kMost = 0777;
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, 8);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number > kMost) {
    return section.report(section.at("unix_socket_mode"),
                          "unix_socket_mode must be an octal number up to \"0777\", such as \"0700\"");
  }
  mode = number;
}

void read_tls(Section& section, Tls& tls, std::string_view folder) {
  section.text("address", tls.address);
  read_path(section, "certificate", tls.certificate, folder);
  read_path(section, "key", tls.key, folder);
  read_path(section, "client_ca", tls.client_ca, folder);
  static constexpr std::string_view kClientAuth[] = {"no", "optional", "required"};
  if (const auto auth = section.choice("client_auth", kClientAuth))
    tls.client_auth = static_cast<ClientAuth>(*auth);
  static constexpr std::string_view kVersions[] = {"1.2", "1.3"};
  if (const auto version = section.choice("min_version", kVersions)) tls.only_1_3 = *version == 1;
  section.text("ciphers", tls.ciphers);
  section.text("ciphersuites", tls.ciphersuites);
  for (const std::string_view key : {"address", "certificate", "key"}) {
    if (!section.has(key))
      section.report_missing(section.header(), fmt::format("{} needs {}", section.name(), key));
  }
  if (tls.client_auth != ClientAuth::kNo && !section.has("client_ca")) {
    section.report(section.at("client_auth"),
                   "client_auth needs client_ca: the file of who vouches for clients' certificates");
  }
}

}  // namespace

void read_server(Section& section, Server& server, const ReadOptions& options) {
  section.text("resp", server.resp);
  read_path(section, "unix_socket", server.unix_socket, options.folder);
  read_mode(section, server.unix_socket_mode);
  section.text("http", server.http);
  section.count("threads", server.threads, 0U, 256U);
  section.text("password", server.password);
  section.flag("protected_mode", server.protected_mode);
  if (bool scripts = false; section.flag("scripts", scripts)) server.scripts = scripts;
  for (const Node* name : section.texts("http_hosts")) {
    const auto& host = std::get<std::string>(name->value);
    if (host.empty() || host.find_first_of(" :/@") != std::string::npos) {
      section.report(name->at, "http_hosts lists names without a port, such as \"cache.internal\"");
    } else {
      server.http_hosts.push_back(host);
    }
  }
  if (section.flag("metrics_password", server.metrics_password) && server.metrics_password &&
      lets_everybody_in(server, options)) {
    section.report(section.at("metrics_password"), "metrics_password = true needs a password");
  }
  section.count("databases", server.databases, 1U, kMostDatabases);
  section.count("max_clients", server.max_clients, std::size_t{1}, std::size_t{1'000'000});
  section.size("max_value", server.max_value, kKiB, 4 * kGiB);
  section.size("max_query_buffer", server.max_query_buffer, kKiB, 16 * kGiB);
  section.size("max_output_buffer", server.max_output_buffer, kKiB, 16 * kGiB);
  section.size("max_client_memory", server.max_client_memory, 0, std::size_t{1} << 50);
  section.count("max_arguments", server.max_arguments, std::size_t{16}, std::size_t{16'777'216});
  section.duration("idle_timeout", server.idle_timeout, 0ms, 365 * 24h);
  section.duration("request_timeout", server.request_timeout, 0ms, 24h);
  section.duration("login_timeout", server.login_timeout, 0ms, 24h);
  section.duration("drain_timeout", server.drain_timeout, 0ms, 1h);

  if (auto tls = section.table("tls")) {
    read_tls(*tls, server.tls, options.folder);
    tls->finish();
    check_front(*tls, "address", server.tls.address, server, options);
  }
  check_front(section, "resp", server.resp, server, options);
  check_front(section, "http", server.http, server, options);
  if (!server.resp.empty() && server.resp == server.http && !server.resp.ends_with(":0")) {
    section.report(section.at("http"), fmt::format("resp and http can't both listen on \"{}\"", server.http));
  }
  constexpr std::size_t kLeastMemory = std::size_t{16} << 20;
  if (server.max_client_memory != 0 && server.max_client_memory < kLeastMemory) {
    section.report(section.at("max_client_memory"),
                   fmt::format("max_client_memory must be 0 (unbounded) or at least {}, not {}",
                               format_size(kLeastMemory), format_size(server.max_client_memory)));
  }
  if (server.max_query_buffer < server.max_value) {
    section.report(
        section.at(section.has("max_query_buffer") ? "max_query_buffer" : "max_value"),
        fmt::format("a value of max_value ({}) does not fit into max_query_buffer ({}): raise the latter",
                    format_size(server.max_value), format_size(server.max_query_buffer)));
  }
}

void read_user(Section& section, User& user, const ReadOptions& options) {
  if (!section.text("acl", user.acl)) {
    if (!section.has("acl")) {
      section.report_missing(section.header(),
                             fmt::format("{} needs its rules, such as acl = \"on >secret ~{}:* +@read\"",
                                         section.name(), user.name));
    }
    return;
  }
  if (options.check_rules == nullptr) return;
  if (const auto wrong = options.check_rules(user.name, user.acl))
    section.report(section.inside("acl", wrong->offset), wrong->what);
}

void read_memory(Section& section, Memory& memory, const ReadOptions& options) {
  constexpr std::size_t kMost = std::size_t{1} << 50;
  section.size("limit", memory.limit, 0, kMost);
  section.size("max_value", memory.max_value, 0, kMost);
  if (section.share("max_share", memory.max_share, 0.0, 1.0) && memory.max_share == 0.0)
    section.report(section.at("max_share"), "max_share must be above 0: nothing would be kept");
  constexpr std::size_t kLeast = 1024 * kKiB;
  if (memory.limit != 0 && memory.limit < kLeast) {
    section.report(section.at("limit"), fmt::format("limit must be 0 (unbounded) or at least {}, not {}",
                                                    format_size(kLeast), format_size(memory.limit)));
  } else if (memory.limit != 0 && memory.max_value > memory.limit) {
    section.report(section.at("max_value"),
                   fmt::format("max_value ({}) must not exceed limit ({})", format_size(memory.max_value),
                               format_size(memory.limit)));
  }
  static constexpr std::string_view kWeighs[] = {"nothing", "bytes", "cost", "cost_per_byte"};
  static constexpr std::string_view kAdmissions[] = {"all", "frequent"};
  static_assert(std::size(kWeighs) == static_cast<std::size_t>(Weigh::kCostPerByte) + 1 &&
                std::size(kAdmissions) == static_cast<std::size_t>(Admission::kFrequent) + 1);
  static_assert(kWeighs[static_cast<std::size_t>(Weigh::kBytes)] == "bytes" &&
                kWeighs[static_cast<std::size_t>(Weigh::kCost)] == "cost" &&
                kAdmissions[static_cast<std::size_t>(Admission::kFrequent)] == "frequent");
  if (const auto weigh = section.choice("weigh", kWeighs)) memory.weigh = static_cast<Weigh>(*weigh);
  if (const auto admission = section.choice("admission", kAdmissions))
    memory.admission = static_cast<Admission>(*admission);
  const auto policies = options.policies;
  const auto contains = [](std::span<const std::string_view> names, std::string_view name) {
    return std::ranges::find(names, name) != names.end();
  };
  std::string policy;
  if (section.text("policy", policy)) {
    if (!policies.empty() && !contains(policies, policy)) {
      return section.report(section.at("policy"),
                            fmt::format("there is no eviction policy \"{}\"{} (there is {})", policy,
                                        did_you_mean(policy, policies), quoted_list(policies)));
    }
    memory.policy = policy;
  }
  if (policies.empty() || contains(options.policies_with_options, memory.policy)) return;
  for (const std::string_view key : {"weigh", "admission"}) {
    if (key == "weigh" ? memory.weigh == Weigh::kNothing : memory.admission == Admission::kAll) continue;
    section.report(section.at(key), fmt::format("the policy \"{}\" does not heed {} (of {})", memory.policy,
                                                key, quoted_list(options.policies_with_options)));
  }
}

void read_defaults(Section& section, Default& defaults) {
  section.duration("ttl", defaults.ttl, 0ms, 3650 * 24h);
  section.share("jitter", defaults.jitter, 0.0, 0.9);
}

void read_log(Section& section, Log& log) {
  static constexpr std::string_view kLevels[] = {"trace", "debug", "info", "warn", "error"};
  if (const auto level = section.choice("level", kLevels)) log.level = kLevels[*level];
}

void read_journal(Section& section, Journal& journal, std::string_view folder) {
  const bool there = section.header() != Position{};
  if (section.text("path", journal.path)) {
    if (journal.path.empty()) {
      section.report(section.at("path"), "path must name a directory");
    } else if (!folder.empty()) {
      journal.path = (std::filesystem::path(folder) / journal.path).lexically_normal().string();
    }
  } else if (there && !section.has("path")) {
    section.report_missing(section.header(),
                           "[journal] needs a path: the directory that writes are kept in until the database "
                           "has them");
  }
  section.size("max_bytes", journal.max_bytes, 1024 * kKiB, std::size_t{1} << 50);
  section.count("max_records", journal.max_records, std::size_t{1}, std::size_t{1'000'000'000});
  section.duration("max_age", journal.max_age, 0ms, 365 * 24h);
  section.duration("remember", journal.remember, 0ms, 30 * 24h);
  section.count("max_ids", journal.max_ids, std::size_t{1}, std::size_t{100'000'000});
}

}  // namespace forebay::config
