#include "server/tracking/tracking.h"

#include <algorithm>
#include <utility>

namespace forebay::server {

void Tracking::set(Options options) {
  client_->set_no_loop(options.no_loop);
  client_->set_broadcast(options.mode == Mode::kBroadcast);
  std::vector<std::string> prefixes = std::move(options_.prefixes);
  for (const std::string& prefix : options.prefixes) {
    if (std::ranges::find(prefixes, prefix) != prefixes.end()) continue;
    table_->add_prefix(prefix, client_);
    prefixes.push_back(prefix);
  }
  options.prefixes = std::move(prefixes);
  options_ = std::move(options);
  broken_ = false;
}

}  // namespace forebay::server
