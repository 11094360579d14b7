#include "feed/change_log_feed.h"

#include <utility>

namespace forebay::feed {

Result<Delivery> ChangeLogFeed::next(const CallContext& /*context*/) {
  const Instant began = clock_.now();
  auto changes = log_.poll(CallContext{options_.timeout, nullptr});
  if (!changes) return std::move(changes).error();
  Delivery delivery;
  if (changes->lost) delivery.gap = "the change log has dropped them, or is another one";
  for (RowChange& row : changes->rows) delivery.changes.push_back({std::move(row), 0});
  delivery.complete_as_of = began;
  return delivery;
}

}  // namespace forebay::feed
