#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace forebay::cli {

// `forebay demo`: a cache in front of this machine's own Debian package catalogue, with a load on it and an
// account of what that cost the database.
struct DemoOptions {
  bool once = false;          // end after the account instead of serving until Ctrl-C
  bool small = false;         // use the small catalogue that the program carries, even if the machine has one
  std::uint16_t port = 6380;  // Redis protocol; 0: any free one
  std::uint16_t http_port = 8380;   // metrics and health; 0: any free one
  unsigned clients = 50;            // connections of the mixed load, 1 to 1,000
  std::chrono::seconds seconds{6};  // how long the mixed load runs, 1 to 3,600
  std::string data;  // folder for the database and the configuration, kept; empty: a temporary one, removed
};

// Imports, serves, loads, reports to standard output. Returns the exit status: 0; or 1 if something failed
// or, with `once`, if one of the claims that it prints did not hold. Ends early on SIGINT and SIGTERM.
int run_demo(const DemoOptions& options);

}  // namespace forebay::cli
