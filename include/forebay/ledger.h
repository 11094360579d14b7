#pragma once

// A source's ledger, which write-behind needs: many writes in one transaction, each exactly once.
//
// The ledger is a table in the source's own database that says, per journal and lane, up to which number its
// writes have been applied: `forebay_applied(journal, lane, last_seq)`. Writes that the database refused are
// put aside in `forebay_dead(journal, lane, seq, namespace, key, operation, error, at)` in the transaction
// that passes them over: dead letters.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "forebay/dataset.h"
#include "forebay/result.h"

namespace forebay {

struct DeadId {
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t seq = 0;
  auto operator<=>(const DeadId&) const = default;
};
struct DeadLetter {
  DeadId id;
  std::string space;      // the namespace
  std::string key;        // as the client named it
  std::string operation;  // what was to be written, as the journal has it
  std::string error;      // the database's message
  std::string at;         // when it was put aside, by the database's clock; the database gives it
};

struct BatchWrite {
  Dataset* dataset = nullptr;  // opened by this source in table mode and writable; null without writes
  KeyFields key;
  std::vector<Write> writes;  // of this key, in order: all or none; none: `revives` goes, and that is all
  // The dead letter that these take the place of: it goes in the same transaction. Where it is gone already,
  // they are passed over.
  std::optional<DeadId> revives = {};
};
struct WriteBatch {
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;  // what the ledger says before
  std::uint64_t upto = 0;   // what it says afterwards; above `after`
  std::vector<BatchWrite> writes;
  std::vector<DeadLetter> dead;  // to put aside; of this journal and lane
};
struct BatchOutcome {
  // Committed: what the last of each BatchWrite's writes left, in order; nothing for one that was passed
  // over. Empty if the ledger said `upto` already: an earlier try, whose answer was lost, had committed.
  std::vector<std::optional<Written>> written;
  AlsoChanged also = {};  // by all of them together, besides what each of them says
  // Not empty: nothing was changed, as the database refused these, each for a reason in its data; all that it
  // would refuse if the others were applied, as far as can be told.
  struct Refusal {
    std::size_t write;  // its place in the batch
    Error error;
    bool missing_key = false;  // a foreign key that may be there later (SQLSTATE 23503)
  };
  std::vector<Refusal> refused;
};

// Calls block, at most the context's timeout. Thread-safe. Never outlives its source.
class Ledger {
 public:
  virtual ~Ledger() = default;

  // Makes the ledger's tables if they are missing, and returns where each lane from 0 stands. kConfig: they
  // are missing and may not be made; the message has the SQL for it. kUnsupported: no write-behind here.
  virtual Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                                  const CallContext& context) = 0;
  // Applies a batch in one transaction if the ledger says `after`, and writes `upto` into it in the same
  // transaction, which is durable when this returns. kConflict: the ledger says neither. After any other
  // Error but kUnknownOutcome nothing has changed; after that one, the same batch may be given again, and is
  // applied once. A table, column or right that the database has lost since its dataset was opened is no
  // refusal but kConfig: a person will mend it, and the batch can be given again. Never kRefused.
  virtual Result<BatchOutcome> apply(const WriteBatch& batch, const CallContext& context) = 0;

  // Dead letters of all journals, one journal after the other, in each the oldest write first: at most
  // `limit` of those after `after`, which need not be there any more. None where the ledger has not been
  // made. kUnsupported as above.
  virtual Result<std::vector<DeadLetter>> dead_letters(const std::optional<DeadId>& after, std::size_t limit,
                                                       const CallContext& context) = 0;
  virtual Result<std::optional<DeadLetter>> dead_letter(const DeadId& id, const CallContext& context) = 0;
  // Replaces what is to be written; false: there is no such dead letter (any more).
  virtual Result<bool> edit_dead_letter(const DeadId& id, const std::string& operation,
                                        const CallContext& context) = 0;
  virtual Result<bool> drop_dead_letter(const DeadId& id, const CallContext& context) = 0;
};

}  // namespace forebay
