#include "layer/port/ledger_port.h"

namespace forebay::layer {

Error no_ledger() {
  return {ErrorCode::kUnsupported, "this source takes no writes behind"};
}

}  // namespace forebay::layer
