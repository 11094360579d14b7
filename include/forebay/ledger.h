#pragma once

// A source's ledger, which write-behind needs: many writes in one transaction, each exactly once.
//
// The ledger is a table in the source's own database that says, per journal and lane, up to which number its
// writes have been applied: `forebay_applied(journal, lane, last_seq)`. Writes that the database refused are
// put aside in `forebay_dead(journal, lane, seq, namespace, key, operation, error, at)` in the transaction
// that passes them over: dead letters.

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
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
struct BatchOutcome {
  // Committed: what the last of each BatchWrite's writes left, in order; nothing for one that was passed
  // over or refused. Empty if the ledger said `upto` already: an earlier try, whose answer was lost, had
  // committed.
  std::vector<std::optional<Written>> written;
  AlsoChanged also = {};  // by all of them together, besides what each of them says
  // The writes that the database refuses, each for a reason in its data; all that it would refuse if the
  // others were applied, as far as can be told. If there are any, nothing was changed, unless `put_aside`.
  struct Refusal {
    std::size_t write;  // its place in the batch
    Error error;
    // It may be taken in another order: what it refers to may come later, or what it collides with may go (a
    // foreign key, a unique value, an exclusion: SQLSTATE 23503, 23505, 23P01).
    bool early = false;
  };
  std::vector<Refusal> refused;
  bool put_aside = false;  // as WriteBatch::judge said: those are dead letters, and the others are committed
};
// A part of a journal's lane.
struct LaneRange {
  std::uint32_t lane = 0;
  std::uint64_t after = 0;  // what the ledger says before
  std::uint64_t upto = 0;   // what it says afterwards; above `after`
};
struct WriteBatch {
  std::string journal;
  std::uint32_t lane = 0;
  std::uint64_t after = 0;  // as in LaneRange
  std::uint64_t upto = 0;
  std::vector<LaneRange> also;  // other lanes that come this far in the same transaction
  std::string process;          // LedgerOwner's; empty: whoever the owner is
  // In this order; those of different rows may go side by side where that makes no difference.
  std::vector<BatchWrite> writes;
  std::vector<DeadLetter> dead;  // to put aside; of this journal and these lanes
  // Asked in the transaction whether it may be committed without the writes that were refused: the dead
  // letters that they become; nothing: no. Null: no. May be called again, as the transaction may be.
  using Judge =
      std::function<std::optional<std::vector<DeadLetter>>(const std::vector<BatchOutcome::Refusal>&)>;
  Judge judge = {};
};

// Who keeps a journal. Copies of a journal have its id and its epoch, but not its home.
struct LedgerOwner {
  std::string journal;
  std::uint64_t epoch = 0;  // the last under which this ledger was the journal's; 0: none yet
  std::string home;         // which file it is: the same after each start, another one for each copy
  std::string process;      // random for each start
  std::string place;        // where it lies: "host:/directory", for people
  std::chrono::milliseconds lease{30'000};  // 0: the owner leaves
  bool known = false;                       // the ledger must know the journal
};
struct LedgerClaim {
  enum class State : std::uint8_t {
    kOwned,    // the caller is the owner, under `epoch`, until the lease ends
    kWaits,    // another home has a lease that lives
    kFenced,   // the journal has been taken over since the caller's epoch
    kUnknown,  // the ledger does not know the journal, and should: it is another database's
  } state = State::kOwned;
  std::uint64_t epoch = 0;     // the ledger's
  bool known = true;           // the ledger had this journal before
  std::string place;           // of the owner that the ledger knows, if that is not the caller
  std::uint64_t renewals = 0;  // of that owner's lease
};
// A journal that has written here.
struct KnownJournal {
  std::string journal;
  std::string place;
};

// Calls block, at most the context's timeout. Thread-safe. Never outlives its source.
class Ledger {
 public:
  virtual ~Ledger() = default;

  // Makes the ledger's tables if they are missing, and returns where each lane from 0 stands. kConfig: they
  // are missing and may not be made; the message has the SQL for it. kUnsupported: no write-behind here.
  virtual Result<std::vector<std::uint64_t>> open(const std::string& journal, std::uint32_t lanes,
                                                  const CallContext& context) = 0;
  // Makes the caller the journal's owner if it is so already, if there was none, or if the last one's lease
  // has ended and the caller knows of no later epoch than that one's: then under the next epoch. Renews the
  // lease. Waits for transactions that an earlier owner left behind, and ends their sessions if they stay.
  // Errors as open()'s. The default is for ledgers that know no owners.
  virtual Result<LedgerClaim> claim(const LedgerOwner& owner, const CallContext& context);
  // Every journal that has an owner here; none where there is no ledger. The default: none.
  virtual Result<std::vector<KnownJournal>> journals(const CallContext& context);

  // Applies a batch in one transaction if the ledger says `after`, and writes `upto` into it in the same
  // transaction, which is durable when this returns. kConflict: the ledger says neither, of one of the lanes;
  // or the process is not the owner (any more). After any other
  // Error but kUnknownOutcome nothing has changed; after that one, the same batch may be given again, and is
  // applied once. A table, column or right that the database has lost since its dataset was opened is no
  // refusal but kConfig: a person will mend it, and the batch can be given again. Never kRefused. Where the
  // batch broke off at one of its writes, the message names the row.
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
