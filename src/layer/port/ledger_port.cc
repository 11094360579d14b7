#include "layer/port/ledger_port.h"

#include <utility>

namespace forebay::layer {

Error no_ledger() {
  return {ErrorCode::kUnsupported, "this source takes no writes behind"};
}

void LedgerPort::claim(LedgerOwner owner, CallOptions options, Done<LedgerClaim> done) {
  done(claim_now(owner, options));
}

Result<LedgerClaim> LedgerPort::claim_now(const LedgerOwner& owner, const CallOptions&) {
  LedgerClaim claim;
  claim.epoch = owner.epoch;
  return claim;
}

Result<std::vector<KnownJournal>> LedgerPort::journals_now(const CallOptions&) {
  return std::vector<KnownJournal>();
}

Result<std::vector<std::uint64_t>> LedgerPort::positions_now(const std::string&, std::uint32_t,
                                                             const CallOptions&) {
  return no_ledger();
}

}  // namespace forebay::layer
