#pragma once

// Values with the writes behind them that the source doesn't have yet (journal/queue.h).

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "journal/effect.h"
#include "journal/queue.h"
#include "layer/key/overlay.h"

namespace forebay::layer {

// How values of the namespace, which the shape borrows from, show the row with these key fields, or of this
// key.
journal::Shape shape_of(const Namespace& space, const KeyFields& fields);
journal::Shape shape_of(const Namespace& space, std::string_view key);

// What the source would say against a write before it looks at its rows, as far as that is known here: a
// column that there isn't, a value that its type never takes. Doesn't block, and doesn't allocate once a
// thread has made a few calls and nothing is wrong.
Result<void> check(const Namespace& space, std::string_view key, const Write& write);

// What the source's value (nothing: no row) is with pending writes. A write that this value does not take
// (another program has made a text of the number that it adds to) is left out: the source will refuse it too.
std::optional<std::string> with_pending(const journal::Shape& shape, std::optional<std::string> value,
                                        std::span<const journal::Step> steps);

// What reads see of pending writes.
class PendingOverlay final : public Overlay {
 public:
  // Borrowed.
  explicit PendingOverlay(const journal::Queue& queue) : queue_(queue) {}

  bool applying(const KeyRef& at) const override;
  std::optional<Error> refusal(const KeyRef& at) const override;
  void lay(const KeyRef& at, const KeyFields& fields, std::optional<Value>& value) const override;
  std::vector<std::string> pending(std::string_view prefix) const override { return queue_.keys(prefix); }
  std::optional<std::optional<Value>> alone(const KeyRef& at) const override;

 private:
  const journal::Queue& queue_;
};

}  // namespace forebay::layer
