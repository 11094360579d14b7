#pragma once

// Compares cached copies with their source, to find out whether any of them breaks what it claims.
//
// A copy of a source that has a feed claims to be right as of the feed's last proof: whatever was committed before is
// known by then, and would have ended the copy. So a copy is read, then its row is loaded on the side (the load is
// nobody's answer and stored nowhere). Where they differ, the row may have changed in between. The auditor waits until
// the feed proves that everything up to the end of that load is known, and looks again: if the copy has gone or is
// another one, the change was on its way and nothing was wrong. If it is still there, nobody was told of a change that
// happened: a violation. Before it says so it loads the row again, as a value that is another one each time (a query
// with now()) can't be audited.
//
// Without a feed a copy claims nothing but its ttl. Then a difference says only how stale copies are (`stale`).
//
// Which keys: those that were invalidated lately, one, ten and sixty seconds later, as a mistake is most likely there;
// else one at random. Objects and arrays in JSON are compared without regard to the order of their parts, as a query
// without ORDER BY may give them in any.
//
// Not audited: collections that a table holds, and keys with writes that the source does not have yet.
//
// Thread-safe. What it costs: one load a check, behind all others, and a look at some entries for a random one.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/executor.h"
#include "base/mutex.h"
#include "base/random.h"
#include "forebay/layer.h"
#include "layer/invalidate/invalidator.h"
#include "layer/key/copy_observer.h"
#include "layer/key/copy_store.h"
#include "layer/key/overlay.h"

namespace forebay::layer {

class Auditor final : public CopyObserver {
 public:
  struct Parts {
    const std::atomic<const Router*>& router;
    CopyStore& copies;
    Invalidator& invalidator;
    const Clock& clock;
    Random& random;
    Scheduler& scheduler;
    std::function<Explanation(std::string_view)> explain;
    std::function<void()> dispatch;  // sends loads that have been queued
  };
  explicit Auditor(Parts parts) : parts_(std::move(parts)) {}

  // Before the first check; nothing is pending otherwise. Borrowed.
  void set_overlay(const Overlay& overlay) { overlay_ = &overlay; }
  // Begins what the namespaces' `audit` say. Once, when the first configuration is in force.
  void start();
  // No check begins after this, and none that waits goes on.
  void stop();

  // As Layer::audit().
  void audit(std::string_view space, std::size_t sample,
             std::move_only_function<void(Result<AuditReport>)> done);
  // Since the start, of one namespace.
  AuditCounts counts(std::string_view space) const;

  // CopyObserver
  bool wants(std::uint64_t, CopyCause) const override { return false; }
  void stored(const KeyRef&, CopyCause, std::uint64_t, const Stamp&) override {}
  void dropped(const KeyRef&, bool) override {}
  void invalidated(const KeyRef& at, observe::Invalidation cause, Instant now) override;
  void unstored(const KeyRef&, observe::Unstored) override {}
  void purged(const Namespace&) override {}
  void cleared() override {}

 private:
  enum class Verdict : std::uint8_t { kRight, kChanged, kStale, kViolation, kUnknown };
  using Judged = std::move_only_function<void(Verdict)>;
  // A copy as it was read.
  struct Copy {
    std::optional<std::string> value;  // nothing: that there is no row
    std::uint64_t revision = 0;
  };
  struct Check;
  using CheckPtr = std::shared_ptr<Check>;
  struct Recent {
    std::string key;
    Instant invalidated_at;
    unsigned looked = 0;  // how often
  };

  const Router& router() const { return *parts_.router.load(std::memory_order_acquire); }
  static bool auditable(const Namespace& space);
  std::optional<Copy> copy_of(const KeyRef& at) const;

  void tick();
  std::optional<std::string> next_recent(const Namespace& space, Instant now);
  std::optional<std::string> random_key(const Namespace* space);
  std::optional<std::string> next_key(const Namespace& space);
  struct Asked;
  struct Sample;
  void collect(const std::shared_ptr<Sample>& sample);
  void begin(const std::shared_ptr<Asked>& asked, const std::string& key);
  // Calls `judged` once, on any thread. False: there is no copy of the key that can be audited.
  bool check(const std::string& key, Judged judged);
  void load(const CheckPtr& check, std::function<void(Result<std::optional<std::string>>)> done);
  void compare(const CheckPtr& check, Result<std::optional<std::string>> row);
  void await_proof(const CheckPtr& check);
  void decide(const CheckPtr& check, Result<std::optional<std::string>> row);
  void report(const CheckPtr& check);
  bool may_say(const std::string& space);
  void judge(const CheckPtr& check, Verdict verdict);
  void count(const std::string& space, Verdict verdict);
  bool is_stopped() const;

  Parts parts_;
  NoOverlay nothing_pending_;
  const Overlay* overlay_ = &nothing_pending_;
  std::unordered_map<std::string, std::uint64_t> walks_;  // cursors, by namespace; tick()'s own
  mutable Mutex mutex_;
  bool stopped_ GUARDED_BY(mutex_) = false;
  std::unordered_map<std::string, std::deque<Recent>> recent_ GUARDED_BY(mutex_);  // by namespace
  std::unordered_map<std::string, AuditCounts> counts_ GUARDED_BY(mutex_);         // likewise
  std::unordered_map<std::string, Instant> said_ GUARDED_BY(mutex_);  // when a violation may be logged again
  std::unordered_map<std::string, Instant> next_ GUARDED_BY(mutex_);  // when a check is due
};

}  // namespace forebay::layer
