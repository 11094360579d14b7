#include "layer/port/guarded_change_log.h"

#include "layer/port/guarded.h"

namespace forebay::layer {

Result<void> GuardedChangeLog::watch(std::span<const std::string> tables) {
  return guarded<void>([&] { return log_->watch(tables); });
}

Result<void> GuardedChangeLog::watch_columns(std::span<const WatchedTable> tables) {
  return guarded<void>([&] { return log_->watch_columns(tables); });
}

Result<Changes> GuardedChangeLog::poll(const CallContext& context) {
  return guarded<Changes>([&] { return log_->poll(context); });
}

}  // namespace forebay::layer
