#include "layer/port/source_port.h"

namespace forebay::layer {

void DatasetPort::write(KeyFields, Write, CallOptions, WriteDone done) {
  done(Error{ErrorCode::kUnsupported, "this source does not take writes"});
}

void DatasetPort::has_ended(std::uint64_t, CallOptions, EndedDone done) {
  done(true);
}

}  // namespace forebay::layer
