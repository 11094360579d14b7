#pragma once

// A write that the source commits before anybody is answered: what `through` and `around` share.
//
// Writes of one key take turns, so that commits and cached copies keep one order (rule X1). Where the key has
// writes behind that the source does not have yet, the write waits for those first. What a load read before
// the commit is fenced at the commit. A write that the source refused changes nothing anywhere. One whose
// outcome is unknown counts as done: the copy is dropped and the caller is told; what becomes of it later is
// seen to by unconfirmed.h. Copies of other keys that depend on the row, or on rows that the source changed
// along with it, are dropped before the reply.
//
// From its arrival on a write has the source's timeout: it is sent within it, or answered kTimeout and never
// sent. The source is given what is left of it.
//
// Thread-safe.

#include "layer/invalidate/invalidator.h"
#include "layer/write/strategy.h"
#include "layer/write/tokens.h"
#include "layer/write/unconfirmed.h"

namespace forebay::layer {

// What becomes of the key's copy once the source has committed.
enum class AfterCommit : std::uint8_t {
  kStore,  // it is what the source returned
  kDrop,
};

class SourceWrites {
 public:
  // Everything is borrowed.
  SourceWrites(CopyStore& copies, KeyTable& keys, Invalidator& invalidator, UnconfirmedWrites& unconfirmed,
               const Clock& clock, Scheduler& scheduler, WriteTokens& tokens)
      : copies_(copies),
        keys_(keys),
        invalidator_(invalidator),
        unconfirmed_(unconfirmed),
        clock_(clock),
        scheduler_(scheduler),
        tokens_(tokens) {}

  // Before the first request; none are pending otherwise. Borrowed.
  void set_earlier(EarlierWrites& earlier) { earlier_ = &earlier; }

  void write(const KeyRef& at, Write write, AfterCommit after, WriteCallback done);

 private:
  struct Waiting;
  // Answers it at its deadline, unless it has been sent.
  void wait(const std::shared_ptr<Waiting>& waiting);
  // It is its turn.
  void begin(const std::shared_ptr<Waiting>& waiting);
  // And the source has the key's earlier writes.
  void send(const std::shared_ptr<Waiting>& waiting);
  void expire(Waiting& waiting);
  // Gives up the turn of a write that was answered before.
  void pass(const Waiting& waiting);
  void written(Waiting& waiting, Result<Written> result);
  // What becomes of the copy. Under the key's lock.
  bool keep(const Waiting& waiting, const Result<Written>& result, const Fence& reported, WriteAnswer& answer,
            Instant now);

  CopyStore& copies_;
  KeyTable& keys_;
  Invalidator& invalidator_;
  UnconfirmedWrites& unconfirmed_;
  const Clock& clock_;
  Scheduler& scheduler_;
  WriteTokens& tokens_;
  EarlierWrites* earlier_ = nullptr;
};

}  // namespace forebay::layer
