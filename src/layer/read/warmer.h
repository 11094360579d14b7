#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "layer/read/loads.h"

namespace forebay::layer {

// Loads many keys that are not fresh, a step of them at a time, so that warming never fills the sources'
// queues. Thread-safe.
class Warmer {
 public:
  using Done = std::move_only_function<void(Result<std::size_t>)>;
  using Route = std::function<Namespace&(std::string_view)>;

  // `loads` is borrowed. `route`: by the configuration in force.
  Warmer(Loads& loads, Route route) : loads_(loads), route_(std::move(route)) {}

  // Answers with how many were loaded. kUnsupported: one of the keys belongs to no namespace that reads
  // through.
  void warm(std::vector<std::string> keys, Done done);

 private:
  struct Job;
  void next_step(std::shared_ptr<Job> job);

  Loads& loads_;
  const Route route_;
};

}  // namespace forebay::layer
