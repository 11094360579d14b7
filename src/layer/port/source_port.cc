#include "layer/port/source_port.h"

namespace forebay::layer {

void DatasetPort::write(KeyFields, Write, CallOptions, WriteDone done) {
  done(Error{ErrorCode::kUnsupported, "this source does not take writes"});
}

}  // namespace forebay::layer
