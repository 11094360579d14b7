#pragma once

// The queue's other side: what the flusher may do with the writes that wait. Clients append to the queue
// (journal/queue.h); the flusher takes whole generations out here, one after another, and says what became of
// them.
//
// A stream's first generation belongs to the flusher from take() until finish(), put_back() or stop().
// Between them the queue adds nothing to it, so the flusher reads its Batch without a lock.
//
// Thread-safe; to be called without locks held. `Flushed` callbacks that a call returns are for the caller to
// call.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "forebay/clock.h"
#include "forebay/result.h"
#include "journal/batch.h"
#include "journal/op.h"

namespace forebay::journal {

class Outbox {
 public:
  // A lane of one source. Lasts as long as the queue.
  struct Stream {
    std::string source;
    std::uint32_t lane = 0;
  };

  virtual ~Outbox() = default;

  // Who is told when a stream should be looked at, which means take(); Instant::min(): now. It is called
  // under a lock of the queue, so it may only put the work aside. Null: nobody is told any more, and no call
  // is under way when this returns.
  using Ready = std::function<void(Stream&, Instant)>;
  virtual void watch(const Ready& ready) = 0;

  // The streams of one source, or of every source where the name is empty.
  virtual std::vector<Stream*> streams(std::string_view source) = 0;
  // Makes it if it isn't there.
  virtual Stream& stream(std::string_view source, std::uint32_t lane) = 0;
  // The stream's last number that an earlier process appended.
  virtual std::uint64_t restored(const Stream& stream) = 0;
  // The stream's last pending number that has to do with the namespace (empty: any); 0: there is none.
  virtual std::uint64_t last_of(const Stream& stream, std::string_view space) = 0;

  // The database's ledger says where the stream stands. Nothing is taken from a stream before that.
  struct Opening {
    std::string wrong;      // not empty: it can't stand there; why. stop() is next
    std::uint64_t cut = 0;  // not 0: the first generation, which ends here, is applied in part: cut() is next
    std::vector<Flushed> done;
  };
  // `fresh`: it is another ledger than before; with nothing pending for that, the stream begins anew.
  virtual Opening open(Stream& stream, std::uint64_t position, bool fresh) = 0;
  // Makes the first generation what is left of it after `position`. `ops`: what the journal has of the lane
  // from there to the generation's end, of all sources. Its keys stay, some perhaps without steps.
  // kInternal: the ops are not those that were pending.
  virtual Result<std::shared_ptr<const Batch>> cut(Stream& stream, std::uint64_t position,
                                                   std::vector<Op> ops) = 0;

  // Makes what is pending up to `upto` the first generation, and what is left of its last part the second.
  // The flusher has the stream, and nothing of it is sent. First enclose(): which ops of the lane are meant,
  // after the range's `after` and up to its `upto`; none where those are equal. Nothing joins them any more.
  // Then regroup() with these ops, as the journal has them; null: there are none up to `upto`. kInternal,
  // with nothing changed: the ops are not those that are pending.
  virtual LaneRange enclose(Stream& stream, std::uint64_t upto) = 0;
  virtual Result<std::shared_ptr<const Batch>> regroup(Stream& stream, std::uint64_t upto,
                                                       const std::vector<Op>& ops) = 0;

  // The first generation, if it is time for it; the stream is then busy. Null: nothing is ready, or the
  // stream is busy, stopped, or not yet opened.
  virtual std::shared_ptr<const Batch> take(Stream& stream, Instant now) = 0;
  // The same, whether or not it is time for it; false: the stream is busy, stopped, or not yet opened. Then
  // the stream is busy, perhaps without a generation.
  virtual bool seize(Stream& stream) = 0;
  // Whether the generation that was taken is on its way: then a load can't tell whether it sees its writes.
  virtual void set_sent(Stream& stream, bool sent) = 0;
  // It is not sent after all, for now.
  virtual void put_back(Stream& stream) = 0;
  // The database has it.
  virtual std::vector<Flushed> finish(Stream& stream) = 0;
  // Nothing is taken from this stream any more, and no write is taken into it.
  virtual void stop(Stream& stream, const std::string& why) = 0;

  // What is numbered up to `upto` waits no longer for more writes.
  virtual void hurry(Stream& stream, std::uint64_t upto) = 0;
  // Whether another stream of the source holds writes before `seq`.
  virtual bool any_before(const Stream& stream, std::uint64_t seq) = 0;
  // The first pending number of the source, of all its streams; 0: nothing is pending.
  virtual std::uint64_t first_of(std::string_view source) = 0;
  // Calls `done` once the database has all of the stream up to `seq`; at once, and the id is 0, if it has.
  virtual std::uint64_t wait(Stream& stream, std::uint64_t seq, Flushed done) = 0;
  // That callback is not called any more, unless it is being called.
  virtual void forget(std::uint64_t id) = 0;

  // Lets the journal forget what all databases have.
  virtual void trim() = 0;
};

}  // namespace forebay::journal
