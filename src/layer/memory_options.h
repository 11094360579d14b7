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
  // Both sides list the same words in the same order.
  to.policy_options.weigh = static_cast<memory::Weigh>(from.weigh);
  to.policy_options.admission = static_cast<memory::Admission>(from.admission);
}

}  // namespace forebay::layer
