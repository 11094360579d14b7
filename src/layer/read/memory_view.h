#pragma once

// What memory has for a reader of a key, by the windows of its namespace.

#include <optional>

#include "base/random.h"
#include "forebay/layer.h"
#include "layer/key/copy_store.h"
#include "layer/namespaces/freshness.h"

namespace forebay::layer {

// A copy as the answer that a reader gets.
Answer answer_of(const EntryView& entry, Instant now, ReadResult result);
// The answer where there is no value.
Answer absent(ReadResult result);

// Thread-safe. Takes no lock but the memory tier's, and starts nothing.
class MemoryView {
 public:
  enum class Found : std::uint8_t {
    kNothing,
    kHit,
    kStale,         // it answers, and is to be reloaded
    kNegative,      // it is known that there is no value
    kStaleIfError,  // it answers only if the source fails or is too slow
  };
  struct Look {
    Found found = Found::kNothing;
    Instant due = kNever;  // a reload of the copy is due: the copy's fresh_until; else kNever
  };

  // Borrowed.
  MemoryView(const CopyStore& copies, Random& random) : copies_(copies), random_(random) {}

  // Visits the copy if it may answer now (kHit, kStale).
  template <class Visit>
  Look find(const KeyRef& at, Instant now, Visit&& visit) const {
    Look look;
    const config::Namespace& policy = at.space.config;
    copies_.find(at, now, [&](const EntryView& entry) {
      if (at.space.too_old(entry.stamp(), now)) return;
      judge(policy, entry.stamp(), now, look);
      if (look.found == Found::kHit || look.found == Found::kStale) visit(entry);
      if (copies_.follows_answers()) [[unlikely]]
        tell(at, look.found, entry.stamp());
    });
    return look;
  }
  // Visits the copy if it may answer now that the source has failed. True: it was visited.
  template <class Visit>
  bool find_stand_in(const KeyRef& at, Instant now, Visit&& visit) const {
    bool found = false;
    copies_.find(
        at, now,
        [&](const EntryView& entry) {
          found = serves_errors(at.space.config, entry.stamp(), now) && !at.space.too_old(entry.stamp(), now);
          if (found) visit(entry);
        },
        Touch::kNo);
    if (found && copies_.follows_answers()) [[unlikely]]
      copies_.answered_stale(at);
    return found;
  }
  // The same as an answer.
  std::optional<Answer> stand_in(const KeyRef& at, Instant now) const;
  // Whether the copy is still the one that was due for a reload then.
  bool is_due(const KeyRef& at, Instant now, Instant due) const;

 private:
  void tell(const KeyRef& at, Found found, const Stamp& stamp) const;
  void judge(const config::Namespace& policy, const Stamp& stamp, Instant now, Look& look) const {
    if (stamp.negative) {
      look.found = Found::kNegative;
      return;
    }
    switch (classify(policy, stamp, now)) {
      case Freshness::kFresh:
        look.found = Found::kHit;
        if (stamp.fresh_until != kNever && refresh_due(policy, stamp, now, random_))
          look.due = stamp.fresh_until;
        break;
      case Freshness::kStaleServe:
        look = {Found::kStale, stamp.fresh_until};
        break;
      case Freshness::kStaleIfError:
        look.found = Found::kStaleIfError;
        break;
    }
  }

  const CopyStore& copies_;
  Random& random_;
};

}  // namespace forebay::layer
