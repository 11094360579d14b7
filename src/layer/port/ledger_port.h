#pragma once

// A source's ledger (forebay/ledger.h), as the layer calls it: without waiting.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "forebay/ledger.h"
#include "layer/port/source_port.h"

namespace forebay::layer {

// kUnsupported: what is said of a source whose port has no ledger.
Error no_ledger();

// WriteBatch (forebay/ledger.h), with datasets as the layer has them.
struct PortBatch {
  struct One {
    std::shared_ptr<DatasetPort> dataset;  // of the same source's port
    KeyFields key;
    std::vector<Write> writes;
    std::optional<DeadId> revives = {};
  };
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;
  std::uint64_t upto = 0;
  std::vector<LaneRange> also;
  std::string process;
  std::vector<One> writes;
  std::vector<DeadLetter> dead;
  WriteBatch::Judge judge;
};

// A journal's part of a ledger.
struct PortLedger {
  std::vector<std::uint64_t> positions;  // by lane
  std::vector<DeadLetter> dead;
};

// Calls mean what Ledger's functions of the same name mean. Thread-safe.
class LedgerPort {
 public:
  virtual ~LedgerPort() = default;

  // Makes the ledger's tables where they are missing, and says what stands in the way. Blocks: for checking a
  // configuration before it is in force.
  virtual Result<void> prepare(const std::string& journal, std::uint32_t lanes,
                               const CallOptions& options) = 0;

  virtual void claim(LedgerOwner owner, CallOptions options, Done<LedgerClaim> done);
  // The same, blocking, for before a configuration is in force and after it.
  virtual Result<LedgerClaim> claim_now(const LedgerOwner& owner, const CallOptions& options);
  virtual Result<std::vector<KnownJournal>> journals_now(const CallOptions& options);
  // Where another journal's lanes stand, which the ledger knows; blocking.
  virtual Result<std::vector<std::uint64_t>> positions_now(const std::string& journal, std::uint32_t lanes,
                                                           const CallOptions& options);
  virtual void open(std::string journal, std::uint32_t lanes, CallOptions options, Done<PortLedger> done) = 0;
  virtual void apply(PortBatch batch, CallOptions options, Done<BatchOutcome> done) = 0;

  virtual void dead_letters(std::optional<DeadId> after, std::size_t limit, CallOptions options,
                            Done<std::vector<DeadLetter>> done) = 0;
  // All that `wanted` picks, in the same order. The options' timeout is for each page of them.
  using Wanted = std::move_only_function<bool(const DeadLetter&) const>;
  virtual void all_dead_letters(Wanted wanted, CallOptions options, Done<std::vector<DeadLetter>> done) = 0;
  virtual void dead_letter(DeadId id, CallOptions options, Done<std::optional<DeadLetter>> done) = 0;
  virtual void edit_dead_letter(DeadId id, std::string operation, CallOptions options, Done<bool> done) = 0;
  virtual void drop_dead_letter(DeadId id, CallOptions options, Done<bool> done) = 0;
};

}  // namespace forebay::layer
