#pragma once

// What became of the writes of one source, by namespace. Not thread-safe.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "journal/attempt.h"
#include "journal/flusher.h"

namespace forebay::journal {

class FlushCounts {
 public:
  void retried(const Batch& batch);
  void through(const Batch& batch, const Attempt::Done& done, Duration took);
  // `letters`: how many there are now, by namespace.
  std::vector<FlushStats> list(const std::string& source,
                               const std::map<std::string, std::size_t>& letters) const;

 private:
  FlushStats& of(std::string_view space);

  std::map<std::string, FlushStats, std::less<>> by_space_;
};

}  // namespace forebay::journal
