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

}  // namespace forebay
