#include "forebay/source.h"

namespace forebay {

Result<Written> Dataset::write(const KeyFields&, const Write&, const CallContext&) {
  return Error{ErrorCode::kUnsupported, "this source does not take writes"};
}

Result<std::vector<RowChange>> Source::poll_changes(const CallContext&) {
  return std::vector<RowChange>();
}

Result<void> Source::watch_tables(std::span<const std::string>) {
  return Error{ErrorCode::kUnsupported, "this source keeps no change log"};
}

Result<std::vector<std::uint64_t>> Source::open_ledger(const std::string&, std::uint32_t,
                                                       const CallContext&) {
  return Error{ErrorCode::kUnsupported, "this source has no ledger, which write = \"behind\" needs"};
}

Result<BatchOutcome> Source::apply(const WriteBatch&, const CallContext&) {
  return Error{ErrorCode::kUnsupported, "this source has no ledger, which write = \"behind\" needs"};
}

}  // namespace forebay
