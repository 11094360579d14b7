#include "layer/namespaces/freshness.h"

#include <algorithm>
#include <cmath>

namespace forebay::layer {

bool serves_errors(const config::Namespace& policy, const Stamp& stamp, Instant now) {
  return now <
         saturating_add(stamp.fresh_until, std::max(policy.stale_if_error, policy.stale_while_revalidate));
}

bool refresh_due(const config::Namespace& policy, const Stamp& stamp, Instant now, Random& random) {
  if (stamp.fresh_until == kNever || stamp.loaded_at == Instant{}) return false;
  if (policy.refresh_ahead > 0) {
    // The ttl runs from the end of the load, which took load_cost.
    const Instant filled = stamp.loaded_at + stamp.load_cost;
    const std::chrono::duration<double, std::nano> share =
        (stamp.fresh_until - filled) * policy.refresh_ahead;
    if (now >= filled + std::chrono::duration_cast<Duration>(share)) return true;
  }
  if (policy.xfetch > 0) {
    const Duration left = stamp.fresh_until - now;
    const Duration cost = stamp.load_cost;
    // ln(u) of a 53-bit u never goes below -37: most hits are far from expiry and need no logarithm.
    if (std::chrono::duration<double, std::nano>(cost) * policy.xfetch * 37.0 < left) return false;
    return std::chrono::duration<double, std::nano>(cost) * policy.xfetch * -std::log(random.unit()) >= left;
  }
  return false;
}

void set_times(const config::Namespace& policy, Stamp& stamp, Instant now, Random& random) {
  if (policy.ttl.count() == 0) {
    stamp.fresh_until = kNever;
    stamp.expires = kNever;
    return;
  }
  const Duration ttl = policy.ttl;
  const double share = policy.jitter > 0 ? 1.0 - policy.jitter * random.unit() : 1.0;
  const auto jittered =
      std::chrono::duration_cast<Duration>(std::chrono::duration<double, std::nano>(ttl) * share);
  stamp.fresh_until = saturating_add(now, std::max(jittered, Duration(std::chrono::milliseconds(1))));
  stamp.expires =
      saturating_add(stamp.fresh_until, std::max(policy.stale_while_revalidate, policy.stale_if_error));
}

}  // namespace forebay::layer
