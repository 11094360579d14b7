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
               const Clock& clock, WriteTokens& tokens)
      : copies_(copies),
        keys_(keys),
        invalidator_(invalidator),
        unconfirmed_(unconfirmed),
        clock_(clock),
        tokens_(tokens) {}

  // Before the first request; none are pending otherwise. Borrowed.
  void set_earlier(EarlierWrites& earlier) { earlier_ = &earlier; }

  void write(const KeyRef& at, Write write, AfterCommit after, WriteCallback done);

 private:
  struct Waiting;
  void send(const std::shared_ptr<Waiting>& waiting);
  void written(Waiting& waiting, Result<Written> result);
  // What becomes of the copy. Under the key's lock.
  void keep(const Waiting& waiting, const Result<Written>& result, const Fence& reported, WriteAnswer& answer,
            Instant now);

  CopyStore& copies_;
  KeyTable& keys_;
  Invalidator& invalidator_;
  UnconfirmedWrites& unconfirmed_;
  const Clock& clock_;
  WriteTokens& tokens_;
  EarlierWrites* earlier_ = nullptr;
};

}  // namespace forebay::layer
