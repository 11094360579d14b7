#pragma once

// The seam between write-behind and what makes its writes durable: journal/log.h, or a test's own.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "config/model.h"
#include "forebay/clock.h"
#include "forebay/result.h"
#include "journal/op.h"

namespace forebay::journal {

// How far a source's database has applied a lane.
struct Applied {
  std::string source;
  std::uint32_t lane = 0;
  std::uint64_t seq = 0;
};

// What a journal remembers besides its ops, by name.
using Notes = std::map<std::string, std::string>;

// What a write's acknowledgement waits for.
using config::Durability;

// The journal's answer, given without its locks. Answers come one after another on the journal's thread,
// except where a call says otherwise. The error kUnknownOutcome: whether the op is there shows when the
// journal is opened again.
using Kept = std::move_only_function<void(Result<void>)>;

// Is told what becomes of a journal whose disk failed. Called on the journal's thread, one call at a time.
class Watcher {
 public:
  virtual ~Watcher() = default;
  // It takes no writes from here on, and answers no reads; why is in the error. Again if it can't be opened
  // again for another reason.
  virtual void failed(const Error& error) = 0;
  // It is open again, holds `ops`, and takes writes as soon as this returns. Of what was appended before it
  // failed, the ops up to `last` are kept and those after it are lost: their numbers are never used again. An
  // Error: it stays closed, and this is called again later.
  virtual Result<void> reopened(std::vector<Op> ops, std::uint64_t last) = 0;
};

// How near a journal is to its bounds, and what it does about that.
struct Pressure {
  double fill = 0;            // of the bound that is nearest, in bytes or records; 1: it refuses writes
  Duration ack_delay{0};      // by which acknowledgements are delayed now
  std::uint64_t delayed = 0;  // that were, since it was opened
};

// Thread-safe.
class Journal {
 public:
  virtual ~Journal() = default;

  // Names this journal in the databases' ledgers: random, for ever the same.
  virtual const std::string& id() const = 0;
  // Lanes that ops are spread over; fixed when the journal was made.
  virtual std::uint32_t lanes() const = 0;

  // Queues an op, of which it takes a copy; its seq is the next one. What is not kNone may stay queued until
  // somebody asks for it, or for a later one, by one of the next calls. An Error means that it was not taken:
  // kOverloaded at a bound, kUnavailable while its disk has failed.
  virtual Result<std::uint64_t> append(const OpView& op, Durability durability) = 0;
  // Calls back once the ops from `first` to `last`, numbers that append() gave, are written, each as durable
  // as it asked: before this returns if they are, else in the order of their last ones. Errors always come on
  // the journal's thread. kUnknownOutcome: the commit that was to write them failed, or the one that was to
  // write some of them. kUnavailable: an earlier one did, and none of them has been written; or all turned
  // out to be lost.
  virtual void when_committed(std::uint64_t first, std::uint64_t last, Kept kept) = 0;
  // Calls back once the ops up to `seq` are on the disk, whatever each of them asked for. Only then may they
  // go to a database: else a crash could leave the ledger there ahead of the journal. An error: the journal
  // failed before that. kConflict: it is open again, and op `seq` is lost.
  virtual void when_kept(std::uint64_t seq, Kept kept) = 0;
  // The ops of a lane with numbers from `first` to `last`, those that are trimmed excepted: one key's, or
  // all for null. Blocks until what was appended before is written; not to be called from a Kept. Linear in
  // last - first.
  virtual Result<std::vector<Op>> read(std::uint32_t lane, const std::string* key, std::uint64_t first,
                                       std::uint64_t last) = 0;
  // Forgets the ops up to `seq`, some time later, and remembers the positions with that.
  virtual void trim(std::uint64_t seq, std::vector<Applied> applied) = 0;
  // Remembers these notes besides what is remembered already; an empty text: forgets that one. They are on the
  // disk when it returns. Blocks; not to be called from a Kept.
  virtual Result<void> note(Notes notes) = 0;
  virtual Pressure pressure() const { return {}; }
  // Who is told from now on; null: nobody, and no call is under way when this returns. Borrowed. A journal
  // that failed is opened again only while somebody watches.
  virtual void watch(Watcher* watcher) = 0;
};

}  // namespace forebay::journal
