#pragma once

// The seam between write-behind and what makes its writes durable: journal/log.h, or a test's own.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "forebay/result.h"
#include "journal/op.h"

namespace forebay::journal {

// How far a source's database has applied a lane.
struct Applied {
  std::string source;
  std::uint32_t lane = 0;
  std::uint64_t seq = 0;
};

// What a write's acknowledgement waits for.
enum class Durability : std::uint8_t {
  kNone,  // nothing: it is lost where the process dies before the next group is written
  kOs,    // it has been given to the operating system: survives the process, not the machine
  kSync,  // it is on the disk
};

// Called once the op is on the disk, without locks of the journal. Calls come one after another, in the order
// of append(). An error: nobody knows whether the op will be there after a restart (kUnknownOutcome).
using Kept = std::move_only_function<void(Result<void>)>;

// Thread-safe.
class Journal {
 public:
  virtual ~Journal() = default;

  // Names this journal in the databases' ledgers: random, for ever the same.
  virtual const std::string& id() const = 0;
  // Lanes that ops are spread over; fixed when the journal was made.
  virtual std::uint32_t lanes() const = 0;

  // Queues an op; its seq is the next one. An Error means that it was not taken: kOverloaded at a bound,
  // kUnavailable after the journal has failed. `kept` then is not called.
  virtual Result<std::uint64_t> append(Op op, Kept kept) = 0;
  // Forgets the ops up to `seq`, some time later, and remembers the positions with that.
  virtual void trim(std::uint64_t seq, std::vector<Applied> applied) = 0;
};

}  // namespace forebay::journal
