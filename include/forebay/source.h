#pragma once

// The seam between Forebay and a system of record: SQLite, PostgreSQL, a function of the program, or one of
// your own.
//
// A Source is one database (or service). Every source has datasets (dataset.h): what one namespace reads and
// writes there. Two more abilities are optional, an interface each: a ledger (ledger.h), which
// write = "behind" needs, and a change log (change_log.h), which tells of rows that others change. Calls
// block. Forebay makes them on threads of its own, at most Source::concurrency() at once per source, and
// never on a thread that serves clients; the change log has one more thread.
//
// Failure: a call that can't be answered returns an Error. ErrorCode::kRefused is for what the database
// refused for a reason in the data (constraint, type); kUnavailable, kTimeout and kCancelled for what may
// work later; kUnknownOutcome for a write whose commit was not confirmed. An absent row is not an error.
//
// To add a built-in one: a pair of files in src/source, a row in its registry.cc, and what it has in
// src/config/source_kind.h; the contract tests pick it up from there.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "forebay/change_log.h"
#include "forebay/dataset.h"
#include "forebay/ledger.h"
#include "forebay/result.h"

namespace forebay {

class Source {
 public:
  virtual ~Source() = default;

  // Most calls that may run at once (its connections). 1 to 1024, fixed.
  virtual std::size_t concurrency() const = 0;

  // Prepares one namespace: connects, checks that the table, its columns and (if writable) a unique index
  // exist, that the query prepares and returns what the kind needs. Errors name what is missing.
  virtual Result<std::unique_ptr<Dataset>> open_dataset(const DatasetSpec& spec) = 0;

  // Whether the source answers at all; used to probe one that failed. Blocks at most the context's timeout.
  virtual Result<void> ping(const CallContext& context) = 0;

  // Whether the transaction of an unconfirmed write (Written::unconfirmed) has ended: it was committed, and
  // whoever reads from now on sees it, or it never will be. False: it is in progress, and may yet be committed.
  // One that the source knows nothing about has ended. Blocks at most the context's timeout. The default: true.
  virtual Result<bool> has_ended(std::uint64_t transaction, const CallContext& context);

  // The optional abilities; null: this source has it not. Does not block. What is returned uses this source
  // and is destroyed before it.
  virtual std::unique_ptr<Ledger> ledger();
  virtual std::unique_ptr<ChangeLog> change_log();

  // An earlier way to offer the same abilities, which goes on working: a source that overrides these
  // functions and not the two above has a Ledger and a ChangeLog that call them. Each means what the function
  // of that interface means; what is not overridden answers kUnsupported, and poll_changes() that nothing has
  // changed.
  virtual Result<std::vector<RowChange>> poll_changes(const CallContext& context);
  virtual Result<void> watch_tables(std::span<const std::string> tables);
  virtual Result<std::vector<std::uint64_t>> open_ledger(const std::string& journal, std::uint32_t lanes,
                                                         const CallContext& context);
  virtual Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context);
  virtual Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                                       const CallContext& context);
  virtual Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context);
  virtual Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                        const CallContext& context);
  virtual Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context);
};

}  // namespace forebay
