#include "cli/configuration.h"

#include <fmt/format.h>

#include <cstdio>

#include "config/reader.h"
#include "memory/eviction/registry.h"
#include "server/access/users.h"

namespace forebay::cli {

Result<config::Model> load_configuration(const std::string& file) {
  if (file.empty()) return config::Model();
  const auto policies = memory::policy_names();
  config::ReadOptions options;
  options.policies = policies;
  const auto with_options = memory::policy_names_with_options();
  options.policies_with_options = with_options;
  options.check_rules = server::access::check_rules;
  options.lets_everybody_in = server::access::lets_everybody_in;
  return config::read_file(file, options);
}

void print_error(std::string_view text) {
  fmt::print(stderr, "{}\n", text);
}

void print_failure(const Error& error) {
  fmt::print(stderr, "forebay: {}\n", error.message);
}

}  // namespace forebay::cli
