#pragma once

// When an entry is fresh, stale or gone, and when a fresh one should be reloaded early. Pure functions of the
// namespace's policy, the entry's times, the time and chance.

#include "base/random.h"
#include "config/model.h"
#include "forebay/entry.h"

namespace forebay::layer {

enum class Freshness : std::uint8_t {
  kFresh,         // answer
  kStaleServe,    // within stale_while_revalidate: answer and reload in the background
  kStaleIfError,  // past that, within stale_if_error: answer only if a load fails or is too slow
};

// Classifies an entry that is not past Stamp::expires.
inline Freshness classify(const config::Namespace& policy, const Stamp& stamp, Instant now) {
  if (now < stamp.fresh_until) return Freshness::kFresh;
  if (now < saturating_add(stamp.fresh_until, policy.stale_while_revalidate)) return Freshness::kStaleServe;
  return Freshness::kStaleIfError;
}

// Whether a stale entry may still answer after a failed load.
bool serves_errors(const config::Namespace& policy, const Stamp& stamp, Instant now);

// Whether a fresh entry that is being read should be reloaded now: past `refresh_ahead` of its ttl, or chosen
// by XFetch (Vattani, Chierichetti, Lowenstein: Optimal Probabilistic Cache Stampede Prevention, VLDB 2015):
// when now - delta * beta * ln(u) >= fresh_until, with delta the measured cost of the load and u uniform in
// (0, 1].
bool refresh_due(const config::Namespace& policy, const Stamp& stamp, Instant now, Random& random);

// Sets fresh_until and expires of a value loaded or written at `now`: ttl less a random share of up to
// `jitter`, then the longest stale window. ttl 0: no limit.
void set_times(const config::Namespace& policy, Stamp& stamp, Instant now, Random& random);

}  // namespace forebay::layer
