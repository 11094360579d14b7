#pragma once

#include "config/model.h"
#include "memory/tier.h"

namespace forebay::layer {

// Writes what a configuration says of memory over the tier's options; the rest of them stays.
inline void configure_memory(const config::Memory& from, memory::TierOptions& to) {
  to.limit = from.limit;
  to.max_value = from.max_value;
  to.max_share = from.max_share;
  to.policy = from.policy;
  to.policy_options.weigh = from.weigh;
  to.policy_options.admission = from.admission;
}

}  // namespace forebay::layer
