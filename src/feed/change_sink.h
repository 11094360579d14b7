#pragma once

#include <string>

#include "forebay/change_log.h"

namespace forebay::feed {

// Where feeds deliver what they see. Implemented by the invalidator; called from feed threads.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  // One changed row. Redelivery and disorder are harmless: a sink only invalidates.
  virtual void changed(const std::string& source, const RowChange& change) = 0;
  // Changes were missed: everything that came from this source's watched tables is in doubt.
  virtual void lost(const std::string& source) = 0;
};

}  // namespace forebay::feed
