#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "forebay/change_log.h"
#include "forebay/clock.h"

namespace forebay::feed {

// Where feeds deliver what they see. Implemented by the invalidator; called from feed threads.
class ChangeSink {
 public:
  virtual ~ChangeSink() = default;
  // One changed row, which the source shows. Redelivery and disorder are harmless: a sink only invalidates.
  virtual void changed(const std::string& source, const RowChange& change) = 0;

  // A change that the source may not show yet. What is loaded meanwhile of what it concerns is not kept.
  class Unsettled {
   public:
    virtual ~Unsettled() = default;
    // The source shows it. Once.
    virtual void settle() = 0;
  };
  // As changed(), but for that. `transaction`: whose change it is, as the source numbers them; 0: unknown. Who reports
  // must settle.
  virtual std::unique_ptr<Unsettled> reported(const std::string& source, const RowChange& change,
                                              std::uint64_t transaction) = 0;
  // Changes were missed: everything that came from this source's watched tables is in doubt.
  virtual void lost(const std::string& source) = 0;
  // The source went away and is back. It may have lost commits that it had shown to readers, of which no log tells:
  // what was loaded since is in doubt.
  virtual void came_back(const std::string& source, Instant since) = 0;
  // All that was committed at the source before this has been done.
  virtual void complete_as_of(const std::string& source, Instant when) = 0;
  // Whether the source's changes are heard of from now on. Called when that has changed.
  virtual void heard(const std::string& source, bool heard) = 0;
};

}  // namespace forebay::feed
