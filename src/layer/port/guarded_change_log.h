#pragma once

#include <memory>
#include <span>
#include <string>

#include "forebay/change_log.h"

namespace forebay::layer {

// A change log of a source that somebody else wrote: what it throws becomes an Error.
class GuardedChangeLog final : public ChangeLog {
 public:
  explicit GuardedChangeLog(std::unique_ptr<ChangeLog> log) : log_(std::move(log)) {}

  Result<void> watch(std::span<const std::string> tables) override;
  Result<void> watch_columns(std::span<const WatchedTable> tables) override;
  Result<Changes> poll(const CallContext& context) override;

 private:
  const std::unique_ptr<ChangeLog> log_;
};

}  // namespace forebay::layer
